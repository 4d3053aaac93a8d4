"""What runs block by block: the graphs it stands in, and its numbers beside those of the same steps alone."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym
from graphnn.backends.numpy import blocks

SHAPES = [(5, 6, 7, 3), (3, 40, 33, 16), (6, 4)]


def steps(net, is_train, **shapes):
    return [s.op.name for s in net.plan(is_train, **shapes).steps]


def block(x, name):
    x = sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=4, no_bias=True, name=name)
    return sym.BatchNorm(x, fix_gamma=False, name=f"{name}_bn")


def residual():
    x = sym.Variable("x")
    y = sym.relu(block(x, "a"))
    return sym.relu(block(y, "b") + y)


def test_relu_joins_what_feeds_it_and_its_gradient_gives_the_sums():
    found = steps(residual(), True, x=(2, 4, 6, 6))
    assert [found.count(n) for n in ("_scale_shift_relu", "_add_relu", "_relu_grad_sums")] == [1, 1, 2]
    assert [found.count(n) for n in ("relu", "_relu_grad", "_channel_dot", "_channel_sum")] == [0, 0, 0, 2]


def test_the_gradient_of_a_bias_is_a_sum_too():
    net = sym.relu(sym.Convolution(sym.Variable("x"), kernel=(3, 3), num_filter=4, name="c"))
    found = steps(net, True, x=(2, 4, 6, 6))
    assert "_relu_grad_sums" in found and "_channel_sum" not in found


def test_a_sum_that_others_read_stays():
    x, y = sym.Variable("x"), sym.Variable("y")
    total = x + y
    assert "_add_relu" not in steps(sym.Group([sym.relu(total), total]), False, x=(2, 3), y=(2, 3))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_are_those_of_the_plain_program(threads):
    results = []
    for optimize in (True, False):
        ex = residual().simple_bind(x=(7, 4, 6, 6), optimize=optimize, threads=threads if optimize else 1)
        for k, a in enumerate(ex.arg_arrays):
            a[...] = np.random.default_rng(k).normal(size=a.shape)
        for _ in range(2):  # by threads, then one after another
            out = ex.forward(is_train=True)[0].copy()
            ex.backward(np.random.default_rng(9).normal(size=out.shape))
        results.append([out, *(g.copy() for g in ex.grad_dict.values())])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


def call(op, *arrays):
    """Link an operator to arrays and run it twice; give its outputs."""
    from graphnn.backends.numpy.program import memory, scratch_bytes
    from graphnn.backends.numpy.registry import LINKERS
    from graphnn.types import TensorType

    types = [TensorType(a.shape, str(a.dtype)) for a in arrays]
    results = op.types(tuple(types))
    outs = [np.full(t.shape, np.nan, t.dtype) for t in results]
    run = LINKERS[type(op)](op, list(arrays), outs, memory(scratch_bytes(op, types, results)))
    run()
    run()
    return outs


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_kernels(shape, axis):
    rng = np.random.default_rng(0)
    g, y, x = (rng.normal(size=shape) for _ in range(3))
    c = shape[axis]
    column = [1] * len(shape)
    column[axis] = c
    mean, scale, shift = (rng.normal(size=c) for _ in range(3))
    others = tuple(k for k in range(len(shape)) if k != axis % len(shape))
    dx = g * (y > 0)
    want = [dx, dx.sum(others), (dx * (x - mean.reshape(column))).sum(others)]
    for got, wanted in zip(call(blocks.relu_grad_sums(axis, True), g, y, x, mean), want, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10)
    for got, wanted in zip(call(blocks.relu_grad_sums(axis, False), g, y), want[:2], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10)
    (got,) = call(blocks.scale_shift_relu(axis), x, scale, shift)
    wanted = np.maximum(x * scale.reshape(column) + shift.reshape(column), 0)
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(call(blocks.add_relu(), x, y)[0], np.maximum(x + y, 0), rtol=1e-15)


def test_what_is_not_a_number_stays():
    nan = np.array([[np.nan, -1.0, 2.0]])
    one = np.ones(3)
    np.testing.assert_array_equal(call(blocks.add_relu(), nan, nan * 0 + 0)[0], [[np.nan, 0, 2]])
    assert np.isnan(call(blocks.scale_shift_relu(-1), nan, one, one)[0][0, 0])
