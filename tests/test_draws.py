"""Random operators of further distributions: moments against theory, by numbers, by arrays, like another tensor."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym
from graphnn.errors import ParameterError

N = 40_000

# (name, parameters, their names, mean, variance)
DISTRIBUTIONS = [
    ("exponential", {"lam": 4.0}, 1 / 4, 1 / 16),
    ("gamma", {"alpha": 3.0, "beta": 2.0}, 6, 12),
    ("poisson", {"lam": 4.0}, 4, 4),
    ("negative_binomial", {"k": 3, "p": 0.4}, 4.5, 11.25),
    ("generalized_negative_binomial", {"mu": 2.0, "alpha": 0.3}, 2, 2 + 0.3 * 4),
    ("uniform", {"low": -1.0, "high": 3.0}, 1, 16 / 12),
    ("normal", {"loc": 2.0, "scale": 3.0}, 2, 9),
]
IDS = [d[0] for d in DISTRIBUTIONS]


def close(y: np.ndarray, mean: float, variance: float) -> None:
    """Check the moments of draws within eight standard errors."""
    y = y.astype(np.float64)
    error = 8 / y.size**0.5
    assert abs(y.mean() - mean) < error * variance**0.5
    assert abs(y.var() - variance) < error * 3 * variance


@pytest.mark.parametrize(("name", "params", "mean", "variance"), DISTRIBUTIONS, ids=IDS)
def test_by_numbers_and_like(name, params, mean, variance):
    y = getattr(sym, f"_random_{name}")(shape=(4, N // 4), **params).simple_bind().forward()[0]
    assert y.shape == (4, N // 4) and y.dtype == np.float32
    close(y, mean, variance)
    like = getattr(sym, f"_random_{name}_like")(sym.Variable("x"), **params)
    y = like.simple_bind("null", {"x": "float64"}, x=(N,)).forward()[0]
    assert y.dtype == np.float64
    close(y, mean, variance)


@pytest.mark.parametrize(("name", "params", "mean", "variance"), DISTRIBUTIONS, ids=IDS)
def test_by_arrays(name, params, mean, variance):
    variables = [sym.Variable(k) for k in params]
    net = getattr(sym, f"_sample_{name}")(*variables, shape=(N,))
    given = {k: np.array([v, 2 * v if k != "p" else v], "float32") for k, v in params.items()}
    ex = net.simple_bind("null", **{k: (2,) for k in params})
    first, second = ex.forward(**given)[0]
    close(first, mean, variance)
    assert abs(second.mean() - mean) > 0.4 * abs(mean)
    # Parameters out of range are clipped, whatever they are.
    assert ex.forward(**{k: np.array([np.nan, -1e30], "float32") for k in params})[0].shape == (2, N)


@pytest.mark.parametrize(("low", "high", "dtype"), [(-3, 5, "int32"), (1 << 40, (1 << 40) + 8, "int64")])
def test_whole_numbers(low, high, dtype):
    y = sym._random_randint(low=low, high=high, shape=(N,), dtype=dtype).simple_bind().forward()[0]
    assert y.dtype == dtype
    assert set(np.unique(y)) == set(range(low, high))
    assert np.abs(np.bincount(y - low) - N / 8).max() < 8 * (N / 8) ** 0.5


def test_categories_and_their_probabilities():
    p = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0]])
    net = sym.sample_multinomial(sym.Variable("p"), shape=(N // 4, 4), get_prob=True)
    ex = net.bind({"p": p}, {"p": np.zeros_like(p)})
    y, log = ex.forward(is_train=True)
    assert y.shape == log.shape == (2, N // 4, 4) and y.dtype == np.int32
    for row, chances in zip(y.reshape(2, -1), p, strict=True):
        np.testing.assert_allclose(np.bincount(row, minlength=3) / N, chances, atol=0.02)
    np.testing.assert_allclose(log, np.log(np.take_along_axis(p, y.reshape(2, -1), 1)).reshape(y.shape))
    ex.backward([np.zeros_like(y), np.ones_like(log)])
    counts = [np.bincount(row, minlength=3) for row in y.reshape(2, -1)]
    np.testing.assert_allclose(ex.grad_dict["p"], counts / np.where(p > 0, p, 1))


def test_one_row_without_shape_gives_one_position():
    ex = sym.random.multinomial(sym.Variable("p"), get_prob=False).simple_bind("null", p=(3,))
    assert ex.forward(p=np.array([0, 1, 0], "float32"))[0].tolist() == [1]


def test_shuffle_moves_whole_rows_and_their_gradients():
    x = np.arange(40.0).reshape(20, 2)
    ex = sym.random.shuffle(sym.Variable("x")).bind({"x": x}, {"x": np.zeros_like(x)}, seed=3)
    y = ex.forward(is_train=True)[0].copy()
    assert not np.array_equal(y, x)
    assert np.array_equal(np.sort(y[:, 0]), x[:, 0]) and np.array_equal(y[:, 1], y[:, 0] + 1)
    ex.backward([y])
    np.testing.assert_array_equal(ex.grad_dict["x"], x)


def test_the_same_seed_gives_the_same_numbers_and_every_call_others():
    def draw(seed):
        ex = sym.random.poisson(30, shape=(50,)).simple_bind(seed=seed)
        return ex.forward()[0].copy(), ex.forward()[0].copy()

    (a, b), (c, d) = draw(1), draw(1)
    assert np.array_equal(a, c) and np.array_equal(b, d) and not np.array_equal(a, b)
    assert not np.array_equal(a, draw(2)[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sym.random.poisson(-1, shape=(2,)), r"random poisson: a parameter must be in \[0, 1e\+15\], got -1"),
        (lambda: sym.random.randint(3, 3, shape=(2,)), "low must be less than high, got 3 and 3"),
        (lambda: sym.random.gamma(1, -2, shape=(2,)), "random gamma: a parameter must be in"),
    ],
)
def test_parameters_are_checked(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
