"""Kernels of graphnn/ops/indexing.py."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from graphnn.errors import BackendError
from graphnn.ops import indexing as ops

from .registry import linked


def integers(x, scratch):
    """Give an int64 vector for the indices `x`, and the function that fills it from them."""
    flat = x.reshape(-1)
    if x.dtype == np.int64:
        return flat, lambda: None
    index = scratch[: 8 * x.size].view(np.int64)

    def fill():
        with np.errstate(invalid="ignore"):  # nan and inf become some index, which is clipped
            np.copyto(index, flat, casting="unsafe")

    return index, fill


@linked(ops.Embedding, ops.take, scratch=lambda op, ins, outs: 8 * max(t.size for t in ins))
def take(op, ins, outs, scratch):
    if isinstance(op, ops.Embedding):
        (x, a), axis, mode = ins, 0, "clip"
    else:
        (a, x), axis, mode = ins, op.axis % ins[0].ndim, op.mode
    index, fill = integers(x, scratch)
    n, y = a.shape[axis], outs[0].reshape(*a.shape[:axis], x.size, *a.shape[axis + 1 :])

    choose = partial(np.take, mode="wrap" if mode == "wrap" else "clip")  # mode="raise" would copy y

    def run():
        fill()
        if mode == "raise" and (index.min() < 0 or index.max() >= n):
            raise BackendError(f"take: indices from {index.min()} to {index.max()} are not all in [0, {n})")
        choose(a, index, axis, y)

    return run


_BLOCK = 8192  # elements added at a time: their positions, 64 KiB, stay in the second-level cache


def _block(op, x, da):
    """Give how many rows, how many indices of `x` and how many elements for each a block has; da (rows, n, rest)."""
    rows, rest = math.prod(da.shape[: op.axis]), math.prod(da.shape[op.axis + 1 :])
    if x.size * rest <= _BLOCK:
        return min(rows, _BLOCK // (x.size * rest)), x.size, rest
    return 1, min(x.size, max(1, _BLOCK // rest)), rest


def _take_scratch(op, ins, outs):
    return 16 * ins[0].size + 8 * math.prod(_block(op, ins[0], outs[0]))


@linked(ops._backward_take, scratch=_take_scratch)
def backward_take(op, ins, outs, scratch):
    """Block by block: where every element goes in a flat array, for which alone np.add.at is fast."""
    (x, g), da = ins, outs[0]
    n = da.shape[op.axis]
    rows, count, rest = _block(op, x, da)
    index, fill = integers(x, scratch)
    start = scratch[8 * x.size : 16 * x.size].view(np.int64)
    places = scratch[16 * x.size :].view(np.int64).reshape(rows, count, rest)
    source, target = g.reshape(-1, x.size, rest), da.reshape(-1, n * rest)
    inside = np.arange(rows)[:, None, None] * (n * rest) + np.arange(rest)
    blocks = []
    for r in range(0, len(target), rows):
        for k in range(0, x.size, count):
            part = source[r : r + rows, k : k + count]
            to = places[: len(part), : part.shape[1]]
            # Only the last block is smaller, along one axis, so that what is flattened here is contiguous.
            add = partial(np.add.at, target[r : r + rows].reshape(-1), to.reshape(-1), part.reshape(-1))
            blocks.append((start[k : k + count, None], inside[: len(part)], to, add))

    def run():
        fill()
        if op.mode == "wrap":
            np.remainder(index, n, out=start)
        else:
            np.clip(index, 0, n - 1, out=start)
        np.multiply(start, rest, out=start)
        da.fill(0)
        for first, offsets, to, add in blocks:
            np.add(first, offsets, out=to)
            add()

    return run


@linked(ops.one_hot, scratch=lambda op, ins, outs: 8 * ins[0].size + outs[0].size)
def one_hot(op, ins, outs, scratch):
    x, y = ins[0], outs[0].reshape(-1, op.depth)
    index, fill = integers(x, scratch)
    hit = scratch[8 * x.size : 8 * x.size + y.size].view(np.bool_).reshape(y.shape)
    column, classes = index[:, None], np.arange(op.depth)

    def run():
        fill()
        np.equal(column, classes, hit)
        y.fill(op.off_value)
        np.copyto(y, op.on_value, where=hit, casting="unsafe")

    return run


def _positions(op, shape, x, scratch):
    """Give the flat positions picked from an array of `shape`, and the function that computes them."""
    axis = 0 if op.axis is None else op.axis % len(shape)
    n = math.prod(shape) if op.axis is None else shape[axis]
    rest = 1 if op.axis is None else math.prod(shape[axis + 1 :])
    rows = x.size // rest
    index, fill = integers(x, scratch)
    position = scratch[8 * x.size : 16 * x.size].view(np.int64)
    base = (np.arange(rows)[:, None] * (n * rest) + np.arange(rest)).reshape(-1)

    def run():
        fill()
        if op.mode == "wrap":
            np.remainder(index, n, position)
        else:
            np.clip(index, 0, n - 1, position)
        np.multiply(position, rest, position)
        np.add(position, base, position)

    return position, run


@linked(ops.pick, scratch=lambda op, ins, outs: 16 * ins[1].size)
def pick(op, ins, outs, scratch):
    x, y = ins[0].reshape(-1), outs[0].reshape(-1)
    position, locate = _positions(op, ins[0].shape, ins[1], scratch)

    def run():
        locate()
        np.take(x, position, 0, y, "clip")

    return run


@linked(ops._backward_pick, scratch=lambda op, ins, outs: 16 * ins[0].size)
def backward_pick(op, ins, outs, scratch):
    dx, g = outs[0].reshape(-1), ins[1].reshape(-1)
    position, locate = _positions(op, outs[0].shape, ins[0], scratch)

    def run():
        locate()
        dx.fill(0)
        dx[position] = g

    return run


@linked(ops.where, scratch=lambda op, ins, outs: ins[0].size)
def where(op, ins, outs, scratch):
    condition, x, y = ins
    z = outs[0]
    chosen = scratch[: condition.size].view(np.bool_).reshape(condition.shape)
    mask = chosen.reshape(condition.shape + (1,) * (x.ndim - condition.ndim))

    def run():
        np.not_equal(condition, 0, chosen)
        np.copyto(z, y)
        np.copyto(z, x, where=mask)

    return run
