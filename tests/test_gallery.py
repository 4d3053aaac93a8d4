"""Pictures of a trained network, and the numbers in them: every one decodes, for few and many classes."""

import math

import numpy as np
import pytest
from PIL import Image

from graphnn import Group, Variable, sym
from graphnn.predictor import Predictor
from graphnn.runs.config import Config
from graphnn.runs.folder import Meta, Record
from graphnn.train.evaluate import evaluate, per_class, roc, wilson, worst
from graphnn.viz.activations import activations, first_filters, layers_of, planes
from graphnn.viz.pictures import (
    save_activations,
    save_classes,
    save_confusion,
    save_curves,
    save_filters,
    save_mistakes,
    save_roc,
    scores,
)
from graphnn.viz.pictures.gallery import save_all
from graphnn.viz.pictures.images import mosaic
from graphnn.viz.subject import Subject

HOSTILE = ["$\\frac{$" + "x" * 200, "a\x1b[2J\n" * 50, "_hidden", "漢\u202e字", "<b>&amp;", " ", "-inf"]


def answers(n, classes, seed=0):
    """Probabilities of a classifier that is good at some classes only, and the labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    z = rng.normal(size=(n, classes))
    z[np.arange(n), y] += rng.uniform(0, 4, classes)[y]
    p = np.exp(z)
    return (p / p.sum(1, keepdims=True)).astype(np.float32), y


def pixels(path):
    """The picture, decoded; it is no empty sheet."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        x = np.asarray(image.convert("RGB"))
    assert 100 < min(x.shape[:2]) and max(x.shape[:2]) < 6000 and x.std() > 1
    return x


def predictor_of(net, shape, classes=10, seed=0):
    rng = np.random.default_rng(seed)
    shapes, _, aux = net.infer_shape_partial(data=(1, *shape))
    named = zip(net.list_arguments(), shapes, strict=True)
    arg = {n: rng.normal(size=s).astype(np.float32) for n, s in named if n != "data" and not n.endswith("label")}
    states = dict(zip(net.list_auxiliary_states(), (np.ones(s, np.float32) for s in aux), strict=True))
    names = tuple(HOSTILE[k] if k < len(HOSTILE) else str(k) for k in range(classes))
    meta = Meta(Config(), names, shape, (0.5,) * shape[0], (0.25,) * shape[0])
    return Predictor(net, meta, arg, states)


def conv_net(classes=10):
    net = sym.Convolution(Variable("data"), kernel=(3, 3), num_filter=5, no_bias=True, name="$conv$")
    net = sym.Activation(sym.BatchNorm(net, name="bn"), act_type="relu", name="relu")
    net = sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool")
    net = sym.Activation(sym.FullyConnected(net, num_hidden=140, name="fc1"), act_type="tanh", name="tanh")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=classes, name="fc2"), name="softmax")


def dense_net(classes=10):
    net = sym.Activation(sym.FullyConnected(Variable("data"), num_hidden=6, name="fc1"), act_type="relu", name="relu")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=classes, name="fc2"), name="softmax")


# The numbers


def test_wilson_is_where_the_normal_test_just_accepts():
    """Its ends p solve |right/n - p| = z sqrt(p (1 - p) / n), which is what defines it."""
    for right, n in ((0, 1), (0, 20), (3, 7), (50, 100), (9935, 10_000), (20, 20)):
        for end in wilson(right, n):
            assert math.isclose(abs(right / n - end), 1.959964 * math.sqrt(end * (1 - end) / n), abs_tol=1e-7)
        assert wilson(right, n)[0] <= right / n <= wilson(right, n)[1]
    assert wilson(0, 0) == (0, 1)


def test_the_area_is_the_share_of_pairs_in_order():
    p, y = answers(120, 4)
    p = np.round(p, 1)  # ties
    for k, curve in enumerate(roc(p, y)):
        own, other = p[y == k, k], p[y != k, k]
        pairs = (own[:, None] > other).mean() + (own[:, None] == other).mean() / 2
        assert math.isclose(curve.area, pairs, abs_tol=1e-12)
        assert (curve.false[0], curve.true[0], curve.false[-1], curve.true[-1]) == (0, 0, 1, 1)
        assert (np.diff(curve.false) >= 0).all() and (np.diff(curve.true) >= 0).all()
        assert len(curve.true) == len(np.unique(p[:, k])) + 1
    assert roc(p, np.zeros(120, int)) == [None] * 4


def test_the_worst_mistakes_are_the_surest():
    p, y = answers(200, 5)
    found = worst(p, y, 7)
    chosen = p.argmax(1)
    assert len(found) == 7 and (chosen[found] != y[found]).all()
    least = p[found].max(1)
    assert (np.diff(least) <= 0).all()
    assert sorted(p[chosen != y].max(1))[-7:] == sorted(least)
    assert len(worst(p, chosen, 7)) == 0


# The pictures


@pytest.mark.parametrize("classes", [2, 12, pytest.param(1000, marks=pytest.mark.slow)])
def test_scores_of_few_and_many_classes(classes, tmp_path):
    p, y = answers(600, classes)
    names = [*HOSTILE, *map(str, range(classes))][:classes]
    matrix = evaluate(p, y).matrix
    save_confusion(tmp_path / "a.png", matrix, names)
    save_classes(tmp_path / "b.png", per_class(matrix, names))
    save_roc(tmp_path / "c.png", roc(p, y), names)
    for path in tmp_path.iterdir():
        pixels(path)


def test_a_curve_without_a_point_between_is_drawn(tmp_path):
    """All of the others are taken for it at once: no share lies between 0 and 1."""
    p = np.array([[0.4, 0.6], [0.4, 0.6], [0.4, 0.6]], np.float32)
    save_roc(tmp_path / "r.png", roc(p, np.array([0, 0, 1])), "ab")
    pixels(tmp_path / "r.png")


def test_a_guess_is_drawn_as_one_on_the_logarithmic_axis(tmp_path, monkeypatch):
    """Equal probabilities for all make the curve y = x, which is no straight line there."""
    drawn = []
    monkeypatch.setattr(scores, "save", lambda figure, path: drawn.append(figure))
    p, y = answers(200, 2)
    guess = np.full(200, 0.5, np.float32)
    save_roc(tmp_path / "r.png", [*roc(np.stack([p[:, 0], guess], 1), y)], "ab")
    x, y = drawn[0].axes[1].lines[1].get_data()
    for share in (0.02, 0.1, 0.5):
        assert math.isclose(np.interp(math.log(share), np.log(x[x > 0]), y[x > 0]), share, rel_tol=0.01)


def test_what_has_no_precision_or_no_recall_is_said(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(scores, "save", lambda figure, path: drawn.append(figure))
    save_classes(tmp_path / "c.png", per_class(np.array([[3, 1, 0], [0, 0, 0], [1, 0, 0]]), "abc"))
    texts = [text.get_text() for text in drawn[0].axes[0].texts]
    precisions, recalls = ["0.750", "0.000", "never predicted"], ["0.750", "none in the data", "0.000"]
    assert texts == precisions + recalls


def test_a_row_of_numbers_is_drawn_low(tmp_path):
    layers = [("fc1", np.random.default_rng(0).normal(size=500)), ("fc2", np.ones(3))]
    save_activations(tmp_path / "a.png", np.array([0.9, 2.0, -1.0], np.float32), layers)
    assert pixels(tmp_path / "a.png").shape[0] < 350


def test_mistakes_of_grey_and_coloured_images(tmp_path):
    p, y = answers(40, 3)
    for channels, count in ((1, 1), (3, 9)):
        images = np.random.default_rng(1).integers(0, 256, (count, channels, 8, 12), np.uint8)
        save_mistakes(tmp_path / "m.png", images, y[:count], p[:count], HOSTILE[:3])
        x = pixels(tmp_path / "m.png").astype(int)
        coloured = np.ptp(x, axis=2) > 60
        assert (coloured.mean() > 0.05) == (channels == 3)


def test_filters_are_tiles_on_one_scale(tmp_path):
    tiles = np.arange(5 * 2 * 24, dtype=float).reshape(5, 1, 2, 24)
    sheet = mosaic(tiles, 2)
    assert sheet.shape == (3 * 4 - 2, 2 * 26 - 2)
    assert np.array_equal(sheet[4:6, 26:], tiles[3, 0]) and np.isnan(sheet[2]).all() and np.isnan(sheet[8:, 24:]).all()
    for shape in ((4, 3, 5, 5), (90, 7, 3, 3), (1, 1, 1, 1)):
        save_filters(tmp_path / "f.png", np.random.default_rng(0).normal(size=shape), "$w$")
        pixels(tmp_path / "f.png")


def test_one_epoch_has_one_number_below_its_curve(tmp_path):
    save_curves(tmp_path / "c.png", [Record(1, 1.0, 0.5, 1.0, 0.5, 1.0, 1.0, 0.1)])
    pixels(tmp_path / "c.png")


# Looking into a network


def test_activations_are_those_of_the_network():
    predictor = predictor_of(conv_net(), (2, 8, 9))
    image = np.random.default_rng(3).integers(0, 256, (2, 8, 9), np.uint8)
    found = dict(activations(predictor, image))
    assert list(found) == ["$conv$", "relu", "pool", "fc1", "tanh", "fc2"]
    assert [a.shape for a in found.values()] == [(5, 6, 7), (5, 6, 7), (5, 3, 3), (140,), (140,), (10,)]
    w = predictor.params["$conv$_weight"].astype(np.float64)
    x = (image / 255 - 0.5) / 0.25
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
    np.testing.assert_allclose(found["$conv$"], np.einsum("chwij,fcij->fhw", windows, w), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found["tanh"], np.tanh(found["fc1"]).astype(np.float32))
    scores = found["fc2"].astype(np.float64)
    e = np.exp(scores - scores.max())
    np.testing.assert_allclose(predictor.predict(image[None])[0], e / e.sum(), rtol=1e-4, atol=1e-6)


def test_activations_outlive_the_next_call():
    predictor = predictor_of(conv_net(), (1, 8, 8))
    relu = Group([predictor.symbol.get_internals()["relu_output"]])
    x = np.random.default_rng(3).random((2, 1, 8, 8), np.float32)
    (a,) = predictor.activations(x[:1], relu)
    kept = a.copy()
    (b,) = predictor.activations(x[1:], relu)
    np.testing.assert_array_equal(a, kept)
    assert not np.array_equal(a, b)
    (both,) = predictor.activations(x, relu)
    np.testing.assert_allclose(both, np.concatenate([a, b]), rtol=1e-5, atol=1e-6)


def test_first_filters_of_a_convolution_and_of_a_dense_layer():
    for net, size in ((conv_net(), (5, 2, 3, 3)), (dense_net(), (6, 2, 8, 9))):
        predictor = predictor_of(net, (2, 8, 9))
        name, weight = first_filters(predictor)
        assert weight.shape == size
        np.testing.assert_array_equal(weight.ravel(), predictor.params[f"{name}_weight"].ravel())


def test_layers_of_a_table():
    values = layers_of(dense_net(3), (7,))
    assert [v.node.name for v in values] == ["fc1", "relu", "fc2"]
    assert planes(np.arange(130.0)).shape == (1, 2, 128)
    assert planes(np.arange(130.0))[0, 1, 1:3].tolist() == [129, 0]


@pytest.mark.parametrize(
    ("net", "shape"),
    [(conv_net(3), (3, 10, 8)), pytest.param(dense_net(3), (1, 6, 6), marks=pytest.mark.slow)],
    ids=["convolutions", "dense"],
)
def test_the_whole_set(net, shape, tmp_path):
    predictor = predictor_of(net, shape, 3)
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 256, (30, *shape), np.uint8), rng.integers(0, 3, 30)
    record = Record(1, 1.0, 0.5, 1.0, 0.5, 1.0, 1.0, 0.1)
    subject = Subject(predictor, [record], x, y, predictor.predict(x))
    assert all(why == "" for _, why in save_all(tmp_path / "new", subject))
    assert len(list((tmp_path / "new").iterdir())) == 7
    for path in (tmp_path / "new").iterdir():
        pixels(path)


def test_what_does_not_apply_is_said(tmp_path):
    predictor = predictor_of(sym.SoftmaxOutput(sym.Flatten(Variable("data")), name="softmax"), (1, 1, 2), 2)
    x = np.zeros((4, 1, 1, 2), np.uint8)
    subject = Subject(predictor, [], x, np.zeros(4, int), np.eye(2, dtype=np.float32)[[0] * 4])
    assert {name: why for name, why in save_all(tmp_path, subject) if why} == {
        "curves.png": "the run has no log",
        "roc.png": "all data are of one class",
        "mistakes.png": "there is no mistake",
        "filters.png": "the first layer's weights are no pictures",
        "activations.png": "the network has no layer that can be drawn",
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["classes.png", "confusion.png"]
