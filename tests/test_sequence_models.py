"""The networks for sequences: the language model, the reader of strips, the transformer."""

import math

import numpy as np
import pytest

from graphnn import Module, models
from graphnn.backend import get
from graphnn.data import DataBatch, NDArrayIter
from graphnn.data.strings import decode, load_strings
from graphnn.data.text import load_text
from graphnn.errors import BackendError, ParameterError
from graphnn.train import metric


def backends():
    try:
        get("c").passes()
    except BackendError as error:
        return ["numpy", pytest.param("c", marks=pytest.mark.skip(reason=str(error)))]
    return ["numpy", "c"]


def trained(net, data, label, backend, steps, rate=0.01):
    """Give the module and its first output after each step on one batch."""
    module = Module(net, backend=backend, seed=1)
    module.bind([("data", data.shape)], [("softmax_label", label.shape)])
    module.init_params()
    module.init_optimizer(None, "adam", {"learning_rate": rate})
    outs = []
    for _ in range(steps):
        module.step(DataBatch([data], [label]))
        outs.append(module.get_outputs()[0].copy())
    return module, outs


def parameters(net, **shapes):
    arguments = zip(net.list_arguments(), net.infer_shape(**shapes)[0], strict=True)
    return sum(math.prod(s) for n, s in arguments if n not in ("data", "softmax_label"))


@pytest.mark.parametrize(("size", "millions"), [(650, 20), (1500, 66)])
def test_parameters_of_the_language_model(size, millions):
    """Zaremba et al. 2014, medium and large; the numbers are in Merity et al. 2016, table 2."""
    net = models.get("lstm-lm", 10_000, embedding=size, hidden=size)
    assert round(parameters(net, data=(20, 35)) / 1e6) == millions


def test_parameters_of_the_reader():
    """Four gates of a direction: weights for what comes in and for the state, two biases (Graves et al. 2009)."""
    first, second = (2 * 4 * 64 * (inputs + 64 + 2) for inputs in (4 * 28, 2 * 64))
    assert parameters(models.get("lstm-ctc"), data=(2, 1, 28, 112)) == first + second + 11 * (2 * 64 + 1)


@pytest.mark.parametrize("backend", backends())
def test_the_language_model_learns_rows_by_heart(backend):
    data = load_text(t=12, rows=4)
    x, y = (a.astype(np.float32) for a in (data.train_x, data.train_y))
    net = models.get("lstm-lm", len(data.classes), embedding=8, hidden=24, layers=1)
    module, outs = trained(net, x, y, backend, 80, 0.03)
    losses = [-np.log(p[np.arange(y.size), y.reshape(-1).astype(int)]).mean() for p in outs]
    assert losses[0] == pytest.approx(math.log(len(data.classes)), abs=0.2)
    assert losses[-1] < 0.5
    ((_, value),) = module.score(NDArrayIter(x, y, 4), metric.create("perplexity"))
    assert value < math.exp(losses[-1])


@pytest.mark.skipif("c" not in backends(), reason="there is no C compiler")
def test_backends_agree_on_the_language_model():
    data = load_text(t=12, rows=4)
    net = models.get("lstm-lm", len(data.classes), embedding=8, hidden=24, dropout=0.2)
    outs = [trained(net, data.train_x, data.train_y, b, 3)[1][-1] for b in ("numpy", "c")]
    np.testing.assert_allclose(*outs, rtol=1e-3, atol=1e-5)


def test_the_language_model_looks_back_only():
    net = models.get("lstm-lm", 5, embedding=4, hidden=6)
    rng = np.random.default_rng(0)
    executor = net.simple_bind("null", data=(1, 8))
    for array in executor.arg_dict.values():
        array[...] = rng.normal(size=array.shape)
    x = rng.integers(0, 5, (1, 8))
    before = executor.forward(data=x)[0].copy()
    x[0, 5] = (x[0, 5] + 1) % 5
    after = executor.forward(data=x)[0]
    assert (before[:5] == after[:5]).all()
    assert (before[5:] != after[5:]).any(axis=1).all()


@pytest.mark.parametrize("backend", backends())
def test_the_reader_learns_strips_by_heart(backend):
    data = load_strings(6, 1, longest=2, width=48, shortest=2, seed=4)
    x, y = data.train_x.astype(np.float32) / 255, data.train_y.astype(np.float32)
    net = models.get("lstm-ctc", hidden=24, layers=1, longest=2, columns=8)
    module, losses = trained(net, x, y, backend, 80, 0.02)
    assert losses[0].shape == (6,) and losses[-1].mean() < 0.2 * losses[0].mean()
    module.forward(DataBatch([x], [y]), is_train=False)
    probabilities = module.get_outputs()[1]
    assert probabilities.shape == (6, 6, 11)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
    assert decode(probabilities) == [tuple(row) for row in data.train_y]


@pytest.mark.parametrize("backend", backends())
def test_the_transformer_learns_images_by_heart(backend):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3, 16, 16)).astype(np.float32), np.arange(6, dtype=np.float32)
    net = models.get("transformer", 6, width=16, depth=1, heads=2, inner=32)
    _, outs = trained(net, x, y, backend, 40)
    assert outs[0].shape == (6, 6) and np.abs(outs[0].sum(1) - 1).max() < 1e-5
    assert (outs[-1].argmax(1) == y).all() and np.diagonal(outs[-1]).min() > 0.5


def test_the_transformer_is_deits_but_for_the_class_token():
    """DeiT-Tiny (Touvron et al. 2020, table 1: 5.7M; timm: 5,717,416) has a token more, with a place of its own."""
    net = models.get("transformer", 1000, patch=16, width=192, depth=12, heads=3, inner=768, positions=196)
    assert parameters(net, data=(1, 3, 224, 224)) == 5_717_416 - 2 * 192


def test_places_of_patches_matter():
    net = models.get("transformer", 3, width=8, depth=1, heads=1, inner=8)
    executor = net.simple_bind("null", data=(1, 1, 8, 8))
    rng = np.random.default_rng(0)
    for array in executor.arg_dict.values():
        array[...] = rng.normal(size=array.shape)
    x = rng.normal(size=(1, 1, 8, 8)).astype(np.float32)
    a = executor.forward(data=x)[0].copy()
    assert np.abs(a - executor.forward(data=np.roll(x, 4, axis=3))[0]).max() > 1e-3
    executor.arg_dict["position_weight"][...] = 0  # without them a transformer sees a set
    a = executor.forward(data=x)[0].copy()
    np.testing.assert_allclose(a, executor.forward(data=np.roll(x, 4, axis=3))[0], rtol=1e-4)


@pytest.mark.parametrize(("heads", "width"), [(3, 64), (0, 64)])
def test_heads_that_do_not_fit(heads, width):
    with pytest.raises(ParameterError, match="heads must divide width"):
        models.get("transformer", heads=heads, width=width)
