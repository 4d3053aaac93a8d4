"""Kernels of graphnn/ops/small.py."""

from __future__ import annotations

from functools import partial

import numpy as np

from graphnn.ops import small as ops

from .registry import kernel, linked


@kernel(ops.shape_array)
def shape_array(op, x, y):
    y[:] = x.shape


@kernel(ops.size_array)
def size_array(op, x, y):
    y[:] = x.size


@linked(ops._contrib_arange_like)
def arange_like(op, ins, outs, scratch):
    y = outs[0]
    values = (op.start + op.step * (np.arange(y.size) // op.repeat)).astype(y.dtype)
    return partial(np.copyto, y, values.reshape(y.shape))


@linked(ops._contrib_index_array)
def index_array(op, ins, outs, scratch):
    shape, y = ins[0].shape, outs[0]
    sources = [np.arange(shape[a]).reshape(-1, *(1,) * (len(shape) - a - 1)) for a in op.chosen(len(shape))]

    def run():
        for k, source in enumerate(sources):
            np.copyto(y[..., k], source)

    return run


@linked(ops._linspace)
def linspace(op, ins, outs, scratch):
    y = outs[0]
    return partial(np.copyto, y, np.linspace(op.start, op.stop, op.num, op.endpoint).astype(y.dtype))


@kernel(ops._zeros_without_dtype)
def zeros(op, y):
    y.fill(0)


@kernel(ops._contrib_gradientmultiplier)
def same(op, x, y):
    np.copyto(y, x)


@kernel(ops.all_finite, ops.multi_all_finite)
def finite(op, *arrays):
    *xs, y = arrays
    y.fill(all(np.isfinite(x).all() for x in xs))


@kernel(ops._contrib_allclose)
def allclose(op, a, b, y):
    with np.errstate(all="ignore"):
        y.fill(np.allclose(a, b, op.rtol, op.atol, op.equal_nan))
