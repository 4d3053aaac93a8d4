"""Kernels of graphnn/ops/order.py."""

from __future__ import annotations

import numpy as np

from graphnn.ops import order as ops

from .registry import kernel


def _positions(x, axis, ascend):
    """Give int64 positions of the elements in order, equal ones as they come."""
    if ascend:
        return np.argsort(x, axis, kind="stable")
    back = np.flip(x, axis)
    return x.shape[axis] - 1 - np.flip(np.argsort(back, axis, kind="stable"), axis)


def _lines(op, x):
    """Give x and the axis to sort along: the flattened x where that is None."""
    return (x.reshape(-1), 0) if op.axis is None else (x, op.axis % x.ndim)


@kernel(ops.argsort)
def argsort(op, x, y):
    x, axis = _lines(op, x)
    np.copyto(y, _positions(x, axis, op.is_ascend), casting="unsafe")


@kernel(ops.sort)
def sort(op, x, y, positions):
    x, axis = _lines(op, x)
    np.copyto(positions, _positions(x, axis, op.is_ascend))
    np.copyto(y, np.take_along_axis(x, positions, axis))


@kernel(ops.topk)
def topk(op, x, *outs):
    shape = x.shape
    x, axis = _lines(op, x)
    n = op.k if op.k > 0 else x.shape[axis]
    chosen = _positions(x, axis, op.is_ascend)[(slice(None),) * axis + (slice(n),)]
    if op.ret_typ == "mask":
        mask = outs[0].reshape(x.shape) if op.axis is None else outs[0].reshape(shape)
        mask.fill(0)
        np.put_along_axis(mask, chosen, 1, axis)
        return
    if op.ret_typ != "indices":
        np.copyto(outs[0], np.take_along_axis(x, chosen, axis))
    np.copyto(outs[-1], chosen, casting="unsafe")


@kernel(ops._put_along)
def put_along(op, positions, g, dx):
    dx.fill(0)
    dx, axis = _lines(op, dx)
    index = np.clip(positions.astype(np.int64), 0, dx.shape[axis] - 1)
    np.put_along_axis(dx, index, g, axis)
