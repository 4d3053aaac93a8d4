"""Chains of layers in chunks of the batch: what the whole batch gives, whatever the network looks like."""

from __future__ import annotations

import numpy as np
import pytest
from c_targets import native

from graphnn import sym
from graphnn.backends.c import chunk
from graphnn.executor import plan_of
from graphnn.naming import NameManager
from graphnn.symbol import Symbol

native()
N = 36  # images, and often channels and points too: what is one piece for each image must not be guessed from a size
X, Y = sym.Variable("data"), sym.Variable("other")


def conv(x: Symbol, filters: int, k: int = 3) -> Symbol:
    return sym.Convolution(x, kernel=(k, k), pad=(k // 2, k // 2), num_filter=filters)


def norm(x: Symbol) -> Symbol:
    return sym.Activation(sym.BatchNorm(x, fix_gamma=False), act_type="relu")


def residual(n: int) -> Symbol:
    a = norm(conv(X, n))
    return norm(conv(a, n)) + a


def points(n: int) -> Symbol:
    return sym.Activation(conv(conv(X, n), n) + X, act_type="relu")


def gate(n: int) -> Symbol:
    a = norm(conv(X, n))
    g = sym.Pooling(a, global_pool=True, kernel=(1, 1), pool_type="avg")
    return conv(sym.broadcast_mul(a, sym.Activation(conv(g, n, 1), act_type="sigmoid")), 5)


def several_outputs(n: int) -> Symbol:
    a = conv(X, n)
    return sym.Group([a, conv(a, 4), sym.Flatten(conv(a, 3))])


def concat(n: int) -> Symbol:
    a = conv(X, n)
    return conv(sym.Concat(a, conv(a, n), X, dim=1), n)


def computed_bias(n: int) -> Symbol:
    """One number for each channel, as many as images, made where the chain runs."""
    bias = sym.tanh(sym.Variable("v", shape=(n,))) * 2.0
    return conv(sym.Convolution(conv(X, n), bias=bias, kernel=(3, 3), pad=(1, 1), num_filter=n), 5)


def weights_of_data(n: int) -> Symbol:
    w = sym.Activation(conv(X, n), act_type="relu")
    return sym.Convolution(conv(conv(X, n), n), weight=w, kernel=(3, 3), pad=(1, 1), num_filter=n, no_bias=True)


def images_as_channels(n: int) -> Symbol:
    x = sym.transpose(conv(conv(X, n), n), axes=(1, 0, 2, 3))
    return conv(conv(x, n), n)


def regions_in_turn(n: int) -> Symbol:
    """Two chains, each of which needs the other's beginning through an operator that is in no chain."""
    a, d = conv(conv(X, n), n), conv(conv(Y, n), n)
    return sym.Group([conv(a, n) + sym.softmax(d, axis=1), conv(d, n) + sym.softmax(a, axis=1)])


NETS = [
    residual, points, gate, several_outputs, concat, computed_bias, weights_of_data, images_as_channels,
    regions_in_turn,
]  # fmt: skip
BY_POINTS = {"points": (1, N), "weights_of_data": (3, 3)}


def made(net, n: int) -> tuple[Symbol, dict[str, tuple[int, ...]]]:
    """Give the symbol and the shapes of its data."""
    with NameManager():
        symbol = net(n)
    shape = (n, n if net is points else 3, *BY_POINTS.get(net.__name__, (4, 5)))
    return symbol, {k: shape for k in ("data", "other") if k in symbol.list_arguments()}


def results(symbol: Symbol, shapes: dict[str, tuple[int, ...]], **options: object) -> dict[str, np.ndarray]:
    ex = symbol.simple_bind("null", **shapes, **options)
    rng = np.random.default_rng(2)
    for name, a in ex.arg_dict.items():
        a[...] = rng.normal(size=a.shape) / np.sqrt(a[0].size if a.ndim > 1 and name not in shapes else 1)
    for a in ex.aux_dict.values():
        a[...] = rng.uniform(0.5, 1.5, a.shape)
    return {str(k): y.copy() for k, y in enumerate(ex.forward())}


def check(symbol: Symbol, shapes: dict[str, tuple[int, ...]]) -> None:
    """Inference, which alone is cut in chunks: where forward and backward are parts, all is needed again."""
    assert "_chunked" in plan_of(symbol, False, shapes, "c").steps_text()
    want = results(symbol, shapes)
    got = results(symbol, shapes, backend="c")
    again = results(symbol, shapes, backend="c", threads=3)
    for name, a in want.items():
        np.testing.assert_allclose(got[name], a, rtol=0, atol=2e-5 * np.abs(a).max(), err_msg=name)
        np.testing.assert_array_equal(again[name], got[name], err_msg=name)


@pytest.mark.parametrize("net", NETS)
def test_chunks_of_one_image(net, monkeypatch):
    monkeypatch.setattr(chunk, "CACHE", 256)
    check(*made(net, N))


@pytest.mark.slow
@pytest.mark.parametrize("n", [7, 16])
@pytest.mark.parametrize("net", NETS)
def test_other_batches(net, n, monkeypatch):
    monkeypatch.setattr(chunk, "CACHE", 256)
    check(*made(net, n))


def test_chunks_of_several_images(monkeypatch):
    symbol, shapes = made(residual, N)
    monkeypatch.setattr(chunk, "CACHE", 5 * 4 * 3 * N * 20)
    text = plan_of(symbol, False, shapes, "c").steps_text()
    assert "_chunked{9 x" in text  # 5 images would fit, and 4 divide 36
    check(symbol, shapes)


def test_a_prime_batch_goes_one_by_one(monkeypatch):
    symbol, shapes = made(residual, 23)
    monkeypatch.setattr(chunk, "CACHE", 5 * 4 * 3 * 23 * 20)
    assert "_chunked{23 x" in plan_of(symbol, False, shapes, "c").steps_text()
    check(symbol, shapes)
