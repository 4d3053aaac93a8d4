"""Metrics against their definitions in float64, MXNet's recorded numbers, padding, and messages."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from graphnn.errors import ParameterError, ShapeError
from graphnn.train import agreement, metric

SHARED = Path(os.environ.get("GRAPHNN_SHARED", Path(__file__).parents[1] / ".." / "shared"))
TRACES = SHARED / "mxnet" / "traces"


def scores(rng, n=7, classes=5):
    p = rng.random((n, classes)) + 0.1
    return (p / p.sum(1, keepdims=True)).astype(np.float32)


def batches(seed=0, sizes=(7, 4, 1), classes=5):
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, classes, n).astype(np.float32), scores(rng, n, classes)) for n in sizes]


def value(m, data, **kw):
    for label, pred in data:
        m.update([label], [pred], **kw)
    return m.get()[1]


def cross_entropy(label, pred, floor=0.0):
    return sum(-math.log(max(float(pred[i, int(label[i])]), floor)) for i in range(len(label)))


def test_accuracy_is_the_share_of_right_rows():
    data = batches()
    hits = [int(np.argmax(row)) == int(k) for label, pred in data for k, row in zip(label, pred, strict=True)]
    assert value(metric.Accuracy(), data) == sum(hits) / 12
    assert value(metric.Accuracy(), [(label[:, None], pred) for label, pred in data]) == sum(hits) / 12


def test_accuracy_of_equal_shapes_and_of_another_axis():
    label = np.array([[1, 2, 0], [2, 2, 1]], np.float32)
    assert value(metric.Accuracy(), [(label, np.array([[1, 0, 0], [2, 1, 1]]))]) == 4 / 6
    rng = np.random.default_rng(1)
    pred = rng.random((2, 4, 3))
    right = [[max(range(4), key=lambda c: pred[i, c, j]) == label[i, j] for j in range(3)] for i in range(2)]
    assert value(metric.Accuracy(), [(label, pred)]) == np.mean(right)
    assert value(metric.Accuracy(axis=-1), [(label, np.moveaxis(pred, 1, -1))]) == np.mean(right)
    assert value(metric.Accuracy(), [(np.array([1.0, 2.0]), np.array([math.nan, 2.0]))]) == 0.5


def test_top_k_accuracy():
    data = batches(2, classes=6)
    hits = [
        k in sorted(range(6), key=lambda c: -row[c])[:3]
        for label, pred in data
        for k, row in zip(label, pred, strict=True)
    ]
    m = metric.TopKAccuracy(top_k=3)
    assert value(m, data) == sum(hits) / 12
    assert m.name == "top_k_accuracy_3"
    assert value(metric.TopKAccuracy(9), data) == 1
    assert value(metric.TopKAccuracy(2), [(np.array([1, 2]), np.array([1, 0]))]) == 0.5
    with pytest.raises(ParameterError, match="top_k must be at least 2, got 1: use accuracy"):
        metric.create("top_k_acc")


def test_cross_entropy_and_perplexity():
    data = batches(3)
    total = sum(cross_entropy(label, pred) for label, pred in data)
    assert value(metric.CrossEntropy(), data) == pytest.approx(total / 12, rel=1e-9)
    assert value(metric.Perplexity(), data) == pytest.approx(math.exp(total / 12), rel=1e-9)
    zero = [(np.array([0, 1]), np.array([[0.0, 1.0], [0.5, 0.5]]))]
    assert value(metric.CrossEntropy(eps=1e-3), zero) == pytest.approx(-(math.log(1e-3) + math.log(0.501)) / 2)
    assert value(metric.Perplexity(), zero) == pytest.approx(math.exp(-(math.log(1e-10) + math.log(0.5)) / 2))


def test_perplexity_ignores_a_label_clips_others_and_takes_an_axis():
    rng = np.random.default_rng(4)
    pred = scores(rng, 6, 4)
    label = np.array([[0, -1, 3], [-1, 9, 2]])
    total = -np.log(pred[[0, 2, 4, 5], [0, 3, 3, 2]].astype(np.float64)).sum()
    assert value(metric.Perplexity(-1), [(label, pred)]) == pytest.approx(math.exp(total / 4), rel=1e-9)
    moved = np.moveaxis(pred.reshape(2, 3, 4), -1, 1)
    assert value(metric.Perplexity(-1, axis=1), [(label, moved)]) == pytest.approx(math.exp(total / 4), rel=1e-9)
    assert math.isnan(value(metric.Perplexity(-1), [(np.array([-1]), pred[:1])]))


def test_regression_metrics_average_the_batches_not_the_rows():
    rng = np.random.default_rng(5)
    data = [(rng.standard_normal(n), rng.standard_normal((n, 1)).astype(np.float32)) for n in (5, 2)]
    errors = [label - pred[:, 0].astype(np.float64) for label, pred in data]
    expected = {
        "mae": np.mean([np.abs(e).mean() for e in errors]),
        "mse": np.mean([(e**2).mean() for e in errors]),
        "rmse": np.mean([math.sqrt((e**2).mean()) for e in errors]),
    }
    for name, wanted in expected.items():
        assert value(metric.create(name), data) == pytest.approx(wanted, rel=1e-12)
    wide = (rng.standard_normal((3, 2, 4)), rng.standard_normal((3, 2, 4)))
    assert value(metric.MAE(), [wide]) == pytest.approx(np.abs(wide[0] - wide[1]).mean())


def f1_of(label, chosen):
    tp = sum(a == 1 and b == 1 for a, b in zip(label, chosen, strict=True))
    precision, recall = tp / max(sum(b == 1 for b in chosen), 1), tp / max(sum(a == 1 for a in label), 1)
    return 2 * precision * recall / (precision + recall) if tp else 0.0


def test_f1_macro_and_micro():
    data = batches(6, (9, 8, 3), classes=2)
    chosen = [pred.argmax(1) for _, pred in data]
    macro = np.mean([f1_of(label, c) for (label, _), c in zip(data, chosen, strict=True)])
    assert value(agreement.F1(), data) == pytest.approx(macro)
    micro = f1_of(np.concatenate([label for label, _ in data]), np.concatenate(chosen))
    assert value(agreement.F1(average="micro"), data) == pytest.approx(micro)
    both = agreement.F1()
    both.update([label for label, _ in data], [pred for _, pred in data])  # one update: one score
    assert both.get()[1] == pytest.approx(micro)


def test_f1_edges():
    negative = [(np.zeros(2), np.array([[0.9, 0.1], [0.8, 0.2]]))]
    for average in ("macro", "micro"):
        m = agreement.F1(average)
        assert math.isnan(m.get()[1])
        assert value(m, negative) == 0
        m.reset()
        assert math.isnan(m.get()[1])
    with pytest.raises(ParameterError, match=r"at most 2 kinds, got \[0.0, 1.0, 2.0\]"):
        agreement.F1().update([np.array([0.0, 1.0, 2.0])], [np.ones((3, 2))])
    with pytest.raises(ParameterError, match="average must be 'macro' or 'micro', got 'mean'"):
        agreement.F1(average="mean")


ALL = ["acc", "ce", "perplexity", "f1", "mae", "mse", "rmse", "topk", "custom"]


def make(name):
    if name == "topk":
        return metric.create("top_k_accuracy", top_k=2), False
    if name == "custom":
        return metric.create(lambda label, pred: float(np.abs(label - pred).sum())), True
    return metric.create(name), name in ("mae", "mse", "rmse")


@pytest.mark.parametrize("name", ALL)
def test_padded_rows_never_count(name):
    label, pred = batches(7, (8,), classes=2 if name == "f1" else 3)[0]
    plain, regression = make(name)
    if regression:
        pred = pred[:, 0]
    plain.update([label[:5]], [pred[:5]])
    padded, _ = make(name)
    padded.update([label], [pred], pad=3)
    padded.update([label], [pred], pad=8)  # a batch of nothing but padding
    assert padded.get() == plain.get()
    assert padded.get_global() == plain.get()


@pytest.mark.parametrize("name", ["acc", "ce", "perplexity", "f1"])
def test_padded_sequences_have_several_rows_each(name):
    label, pred = batches(7, (12,), classes=2 if name == "f1" else 3)[0]
    plain, padded, named = (make(name)[0] for _ in range(3))
    plain.update([label[:9]], [pred[:9]])
    padded.update([label.reshape(4, 3)], [pred], pad=1)
    named.update_dict({"label": label.reshape(4, 3)}, {"out": pred}, pad=1)
    assert padded.get() == named.get() == plain.get()


@pytest.mark.parametrize("pad", [-1, 8])
def test_bad_pad(pad):
    with pytest.raises(ParameterError, match=rf"pad must be in \[0, 7\], the rows of shape \(7,\), got {pad}"):
        metric.Accuracy().update([np.zeros(7)], [np.zeros((7, 2))], pad=pad)


def test_local_and_global_values():
    (label, pred), second, _ = batches(8)
    m = metric.create(["acc", "ce", agreement.F1(average="micro")])
    assert all(math.isnan(v) for v in m.get()[1])
    label = np.minimum(label, 1)
    second = (np.minimum(second[0], 1), second[1])
    m.update([label], [pred])
    m.reset_local()
    assert all(math.isnan(v) for v in m.get()[1])
    m.update([second[0]], [second[1]])
    alone = metric.create(["acc", "ce", agreement.F1(average="micro")])
    alone.update([second[0]], [second[1]])
    assert m.get_name_value() == alone.get_name_value()
    together = metric.create(["acc", "ce", agreement.F1(average="micro")])
    value(together, [(label, pred), second])
    assert m.get_global_name_value() == together.get_name_value()
    m.reset()
    assert all(math.isnan(v) for v in m.get_global()[1])


def test_composite():
    m = metric.create(["acc", metric.CompositeEvalMetric(["mse"]), metric.RMSE()])
    assert m.get()[0] == ["accuracy", "mse", "rmse"]
    m.add("ce")
    used = metric.Accuracy()
    used.update([np.array([0.0])], [np.array([[1.0, 0.0]])])
    assert metric.create([used]).get() == (["accuracy"], [1.0])
    assert [name for name, _ in m.get_name_value()] == ["accuracy", "mse", "rmse", "cross-entropy"]
    assert m.get_metric(3).name == "cross-entropy"
    with pytest.raises(ParameterError, match="composite: metric 4 of 4"):
        m.get_metric(4)


def test_several_outputs_and_bare_arrays():
    (label, pred), (label2, pred2), _ = batches(9)
    m = metric.Accuracy()
    m.update([label, label2], [pred, pred2])
    assert m.get()[1] == value(metric.Accuracy(), [(label, pred), (label2, pred2)])
    bare = metric.Accuracy()
    bare.update(label, pred)
    assert bare.get()[1] == value(metric.Accuracy(), [(label, pred)])


def test_names():
    names = "acc accuracy ce cross-entropy crossentropy f1 mae mse rmse perplexity Accuracy RMSE".split()
    assert [metric.create(name).get()[0] for name in names] == [
        *["accuracy"] * 2,
        *["cross-entropy"] * 3,
        *["f1", "mae", "mse", "rmse", "perplexity", "accuracy", "rmse"],
    ]
    assert metric.create("top_k_accuracy", top_k=5).get()[0] == "top_k_accuracy_5"


def test_custom_functions():
    def worst(label, pred):
        return np.abs(label - pred).max(), 1

    m = metric.create(worst)
    m.update([np.array([1.0, 2.0])], [np.array([1.5, 2.0])])
    assert m.get() == ("worst", 0.5)
    assert metric.create(lambda label, pred: 0.0).name == "custom(<lambda>)"
    assert metric.create(worst, name="peak").name == "peak"


def test_create_messages():
    with pytest.raises(ParameterError, match="unknown metric 'acuracy', did you mean 'accuracy'"):
        metric.create("acuracy")
    with pytest.raises(ParameterError, match=r"metric 'mse': got an unexpected .*'top_k'.*parameters are: name"):
        metric.create("mse", top_k=3)
    with pytest.raises(ParameterError, match=r"mse exists already and takes no parameters, got \['name'\]"):
        metric.create(metric.MSE(), name="x")


@pytest.mark.parametrize(
    ("name", "label", "pred", "message"),
    [
        ("acc", (4,), (5, 3), r"accuracy: pred must have one row .* got label \(4,\) and pred \(5, 3\)"),
        ("acc", (4, 1), (4,), r"accuracy: pred must have an axis 1, got label \(4, 1\) and pred \(4,\)"),
        ("ce", (4,), (5, 3), r"cross-entropy: pred must be \(n, classes\), got label \(4,\) and pred \(5, 3\)"),
        ("f1", (4,), (4,), r"f1: pred must be \(n, classes\), got label \(4,\) and pred \(4,\)"),
        (
            "topk",
            (4,),
            (4, 3, 2),
            r"top_k_accuracy_2: pred must be \(n, classes\), got label \(4,\) and pred \(4, 3, 2\)",
        ),
        ("perplexity", (4,), (3, 5), r"perplexity: pred must have one row .* got label \(4,\) and pred \(3, 5\)"),
        ("mae", (4, 1), (4, 3), r"mae: label and pred must have one shape, got label \(4, 1\) and pred \(4, 3\)"),
        ("mse", (4,), (5,), r"mse: label and pred must have one shape, got label \(4,\) and pred \(5,\)"),
        ("rmse", (), (), r"rmse: labels and predictions must have rows, got shape \(\)"),
    ],
)
def test_shapes_that_do_not_fit(name, label, pred, message):
    with pytest.raises(ShapeError, match=message):
        make(name)[0].update([np.zeros(label)], [np.zeros(pred)])


def test_other_messages():
    with pytest.raises(ShapeError, match=r"got 1 and 2: \[\(3,\)\] and \[\(3, 2\), \(3,\)\]"):
        metric.Accuracy().update([np.zeros(3)], [np.zeros((3, 2)), np.zeros(3)])
    with pytest.raises(ParameterError, match=r"labels must be in \[0, 2\), got values from -1 to 2"):
        metric.CrossEntropy().update([np.array([-1, 2])], [np.ones((2, 2))])


@pytest.mark.skipif(not TRACES.is_dir(), reason="recorded MXNet runs not found: set GRAPHNN_SHARED")
def test_recorded_mxnet_epochs():
    index = json.loads((TRACES / "index.json").read_text())
    for run, record in index.items():
        arrays = np.load(TRACES / f"train_{run}.npz")
        size, m = record["batch_size"], metric.create([name for name, _ in record["metrics"][0]])
        steps = len(arrays["Y"]) // size
        for epoch, recorded in enumerate(record["metrics"]):
            m.reset()
            for step in range(steps):
                m.update([arrays["Y"][step * size : (step + 1) * size]], [arrays["outs"][epoch * steps + step]])
            for (name, ours), (_, theirs) in zip(m.get_name_value(), recorded, strict=True):
                assert ours == pytest.approx(theirs, rel=1e-6), (run, epoch, name)  # MXNet adds up in float32
