"""Random operators: moments, the same bits for the same seed, other ones at every call, Dropout and its gradient."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym
from graphnn.errors import ParameterError
from graphnn.executor import Executor


def uniform(**params: object) -> object:
    return sym.random.uniform(-1, 3, shape=(100, 400), **params)


def normal(**params: object) -> object:
    return sym.random.normal(2, 3, shape=(100, 400), **params)


def dropped(x: np.ndarray, seed: int = 0, **params: object) -> Executor:
    """Bind Dropout(x) with its gradient."""
    net = sym.Dropout(sym.Variable("x"), **params)
    return net.bind({"x": x}, {"x": np.zeros_like(x)}, seed=seed)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("make", "mean", "std", "low", "high"), [(uniform, 1, 4 / 12**0.5, -1, 3), (normal, 2, 3, -16, 20)]
)
def test_moments(make, mean, std, low, high, dtype):
    y = make(dtype=dtype).simple_bind().forward()[0]
    assert y.dtype == dtype
    y = y.astype(np.float64)
    # Six standard errors of 40,000 draws.
    assert abs(y.mean() - mean) < 6 * std / 200
    assert abs(y.std() - std) < 6 * std / 200
    assert low <= y.min() and y.max() <= high
    neighbours = np.corrcoef(y.ravel()[1:], y.ravel()[:-1])[0, 1]
    assert abs(neighbours) < 6 / 200


@pytest.mark.parametrize("is_train", [True, False])
@pytest.mark.parametrize("make", [uniform, normal])
def test_seed_and_call_give_the_bits(make, is_train):
    def draws(seed):
        ex = make().simple_bind(seed=seed)
        return [ex.forward(is_train)[0].copy() for _ in range(3)]

    first, again, other = draws(5), draws(5), draws(6)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.mean(a == c) < 0.01
    assert np.mean(first[0] == first[1]) < 0.01, "the second call draws anew"
    assert np.mean(first[1] == first[2]) < 0.01


def test_equal_nodes_draw_apart():
    a, b = sym.Group([uniform(), uniform()]).simple_bind().forward()
    assert np.mean(a == b) < 0.01


def test_reshaped_executor_keeps_the_seed():
    shapes = {"x": (20, 30)}
    net = sym.Dropout(sym.Variable("x"))
    a, b = (net.simple_bind(seed=s, **shapes).reshape(x=(10, 30), partial_shaping=True) for s in (4, 5))
    for ex in (a, b):
        ex.arg_dict["x"][...] = 1
    mask = net.bind({"x": np.ones((10, 30), "float32")}, seed=4).forward(is_train=True)[0]
    np.testing.assert_array_equal(a.forward(is_train=True)[0], mask)
    assert (b.forward(is_train=True)[0] != mask).any()


def test_inference_does_not_disturb_training():
    def masks(score):
        ex = dropped(np.ones((20, 30), "float32"), seed=3)
        found = []
        for _ in range(3):
            found.append(ex.forward(is_train=True)[0].copy())
            if score:
                ex.forward(is_train=False)
        return found

    np.testing.assert_array_equal(masks(True), masks(False))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 0.2, 0.75])
def test_dropout_keeps_the_mean(p, dtype):
    x = np.full((200, 200), 2, dtype)
    ex = dropped(x, p=p)
    y = ex.forward(is_train=True)[0]
    kept = np.dtype(dtype).type(2 / (1 - p))
    assert set(np.unique(y)) == ({0, kept} if p else {2})
    assert abs(np.mean(y == 0) - p) <= 6 * (p * (1 - p)) ** 0.5 / 200
    np.testing.assert_array_equal(ex.forward(is_train=False)[0], x)


def test_dropout_gradient_uses_the_mask_of_the_outputs():
    rng = np.random.default_rng(1)
    x, g = rng.uniform(1, 2, (30, 40)), rng.normal(size=(30, 40))
    ex = dropped(x, p=0.4)
    for _ in range(2):
        y = ex.forward(is_train=True)[0].copy()
        ex.backward(g)
        np.testing.assert_allclose(ex.grad_dict["x"], g * (y / x), rtol=1e-12)


def test_backward_again_uses_the_same_mask():
    x = np.ones((30, 40))
    ex = dropped(x, p=0.5)
    y = ex.forward(is_train=True)[0].copy()
    for _ in range(3):
        ex.grad_dict["x"][...] = 7
        ex.backward(np.ones_like(x))
        np.testing.assert_array_equal(ex.grad_dict["x"], y)
        np.testing.assert_array_equal(ex.outputs[0], y)


def test_dropout_along_axes_drops_whole_rows():
    ex = dropped(np.ones((8, 5, 6)), p=0.5, axes=(1, -1))
    y = ex.forward(is_train=True)[0]
    assert np.all(y == y[:, :1, :1])
    assert 0 < np.mean(y == 0) < 1


def test_dropout_always_draws_in_inference_too():
    ex = dropped(np.ones((30, 40)), p=0.5, mode="always")
    a, b = (ex.forward(is_train=False)[0].copy() for _ in range(2))
    assert 0.3 < np.mean(a == 0) < 0.7
    assert np.mean(a == b) < 0.7, "the second call draws anew"


def test_rrelu_draws_a_slope_for_each_element():
    x = np.linspace(-3, 2, 600).reshape(20, 30)
    net = sym.LeakyReLU(sym.Variable("x"), act_type="rrelu", lower_bound=0.2, upper_bound=0.6)
    ex = net.bind({"x": x.copy()}, {"x": np.zeros_like(x)})
    y, slope = (a.copy() for a in ex.forward(is_train=True))
    assert slope.min() > 0.2 and slope.max() < 0.6 and slope.std() > 0.05
    np.testing.assert_allclose(y, np.where(x > 0, x, x * slope), rtol=1e-12)
    ex.backward([np.full_like(x, 3), np.ones_like(x)])
    np.testing.assert_allclose(ex.grad_dict["x"], np.where(x > 0, 3, 3 * slope), rtol=1e-12)
    np.testing.assert_allclose(ex.forward(is_train=False)[0], np.where(x > 0, x, 0.4 * x), rtol=1e-12)


def test_rnn_drops_between_layers_in_training_only():
    x = np.ones((4, 30, 5))
    net = sym.RNN(sym.Variable("x"), mode="rnn_relu", state_size=20, num_layers=2, p=0.4, name="r")
    ex = net.simple_bind("null", x=x.shape)
    rng = np.random.default_rng(0)
    for a in ex.arg_dict.values():
        a[...] = rng.uniform(0, 1, a.shape)
    still = ex.forward(is_train=False)[0].copy()
    a, b = (ex.forward(is_train=True)[0].copy() for _ in range(2))
    assert np.array_equal(ex.forward(is_train=False)[0], still)
    assert not np.allclose(a, b)
    assert not np.allclose(a, still)


@pytest.mark.parametrize("p", [1.0, -0.1, 2])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ParameterError, match="p must be at least 0 and less than 1"):
        sym.Dropout(sym.Variable("x"), p=p)


def test_normal_refuses_a_negative_scale():
    with pytest.raises(ParameterError, match="scale must not be negative"):
        sym.random.normal(0, -1, shape=(2,))
