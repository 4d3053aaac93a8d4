"""Kernels of reductions, positions of extrema and broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphnn.ops import reduce

from .calls import quiet, sequence, workspace
from .registry import Run, kernel, linked

__all__ = ["sum_into"]


def _result(axes: tuple[int, ...], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Give the output without the reduced axes, as NumPy's reductions write it."""
    return y.reshape([n for i, n in enumerate(x.shape) if i not in axes])


def sum_into(x: np.ndarray, axes: tuple[int, ...], y: np.ndarray, scratch: np.ndarray) -> Callable[[], object]:
    """Give a call that sums `x` over `axes` into `y`, which has the other axes only.

    Contiguous x whose other axes are neighbours, as the channels in (n, c, h, w), is x (a, b, c) summed over a and c
    by matrix-vector products with ones, which are faster than NumPy's sums.
    """
    rest = [i for i in range(x.ndim) if i not in axes]
    plain = partial(np.add.reduce, x, axis=axes, out=y, dtype=np.float32 if x.dtype == np.float16 else None)
    blas = x.dtype in (np.float32, np.float64) and x.flags.c_contiguous and y.flags.c_contiguous
    if not blas or not rest or rest != list(range(rest[0], rest[-1] + 1)):
        return plain
    a, b, c = (int(np.prod(s)) for s in (x.shape[: rest[0]], y.shape, x.shape[rest[-1] + 1 :]))
    flat = y.reshape(-1)
    if c == 1:
        return partial(np.dot, np.ones(a, x.dtype), x.reshape(a, b), out=flat)
    rows = partial(np.dot, x.reshape(a * b, c), np.ones(c, x.dtype))
    if a == 1:
        return partial(rows, out=flat)
    if scratch.nbytes < a * b * x.itemsize:
        return plain
    work = scratch[: a * b * x.itemsize].view(x.dtype)
    columns = partial(np.dot, np.ones(a, x.dtype), work.reshape(a, b), out=flat)

    def run() -> None:
        rows(out=work)
        columns()

    return run


def _sum_scratch(op, ins, outs):
    """Give room for the sums over the trailing axes; 0 where sum_into needs none."""
    x = ins[0]
    axes = op.axes(x.ndim)
    rest = [i for i in range(x.ndim) if i not in axes]
    return x.nbytes // int(np.prod(x.shape[rest[-1] + 1 :])) if rest and rest[-1] < x.ndim - 1 else 0


@linked(reduce.sum, scratch=_sum_scratch)
def _sum(op, ins, outs, scratch):
    x, axes = ins[0], op.axes(ins[0].ndim)
    return quiet(sum_into(x, axes, _result(axes, x, outs[0]), scratch))


def _widened(dtype: Any) -> np.dtype | None:
    """Give the dtype to sum in where it is not the input's own."""
    d = np.dtype(dtype)
    if d.kind != "f":
        return np.dtype(np.float64)
    return np.dtype(np.float32) if d == np.float16 else None


def _mean_scratch(op, ins, outs):
    wide = _widened(ins[0].dtype)
    return _sum_scratch(op, ins, outs) if wide is None else outs[0].size * wide.itemsize


@linked(reduce.mean, scratch=_mean_scratch)
def _mean(op, ins, outs, scratch):
    x, y, axes = ins[0], outs[0], op.axes(ins[0].ndim)
    wide = _widened(x.dtype)
    work = y if wide is None else workspace(scratch, y, wide)
    total = _result(axes, x, work)
    add = sum_into(x, axes, total, scratch) if wide is None else partial(np.add.reduce, x, axes, wide, total)

    def mean() -> None:
        add()
        np.divide(work, x.size // y.size, out=work)
        if work is not y:
            np.copyto(y, work, casting="unsafe")

    return quiet(mean)


_UFUNCS = {reduce.max: np.maximum, reduce.min: np.minimum, reduce.prod: np.multiply}
_NAN_UFUNCS = {reduce.nansum: np.add, reduce.nanprod: np.multiply}


@linked(*_UFUNCS)
def _reduce(op, ins, outs, scratch):
    x, axes = ins[0], op.axes(ins[0].ndim)
    return quiet(_UFUNCS[type(op)].reduce, x, axis=axes, out=_result(axes, x, outs[0]))


@linked(*_NAN_UFUNCS, scratch=lambda op, ins, outs: ins[0].size)
def _nan_reduce(op, ins, outs, scratch):
    x, axes = ins[0], op.axes(ins[0].ndim)
    valid, y = workspace(scratch, x, bool), _result(axes, x, outs[0])
    f = _NAN_UFUNCS[type(op)]

    def nan_reduce() -> None:
        np.equal(x, x, out=valid)
        f.reduce(x, axis=axes, out=y, where=valid)

    return quiet(nan_reduce)


@kernel(reduce._nan_to_one)
def _nan_to_one(op, x, y):
    np.copyto(y, x)
    np.copyto(y, 1, where=np.isnan(x))


def _wide(x: np.ndarray) -> np.dtype:
    """Give the dtype to square and add in."""
    return x.dtype if x.dtype in (np.float32, np.float64) else np.dtype(np.float32)


def _norm_scratch(op, ins, outs):
    x = ins[0]
    return x.size * (8 if x.dtype == "float64" else 4)


@linked(reduce.norm, scratch=_norm_scratch)
def _norm(op, ins, outs, scratch):
    x, axes = ins[0], op.axes(ins[0].ndim)
    y = _result(axes, x, outs[0])
    work = workspace(scratch, x, _wide(x))

    def norm1() -> None:
        np.abs(x, out=work, casting="unsafe")
        np.add.reduce(work, axis=axes, out=y, dtype=work.dtype)

    def norm2() -> None:
        np.multiply(x, x, out=work, dtype=work.dtype, casting="unsafe")
        np.add.reduce(work, axis=axes, out=y, dtype=work.dtype)
        np.sqrt(y, out=y, casting="unsafe")  # of integers too

    return quiet(norm1 if op.ord == 1 else norm2)


_BLOCK = 8192  # elements brought into order at a time, so that they stay in the cache


def _lines(op, x):
    """Give x as (rows, n, rest), positions counting along n, and how many rows and how much of rest make a block."""
    axis = getattr(op, "axis", -1)
    if axis is None:
        return 1, x.size, 1, 1, 1
    axis %= x.ndim
    rows, n, rest = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    if n * rest <= _BLOCK:
        return rows, n, rest, min(rows, _BLOCK // (n * rest)), rest
    return rows, n, rest, 1, min(rest, max(1, _BLOCK // n))


def _argmax_scratch(op, ins, outs):
    rows, n, rest, some, wide = _lines(op, ins[0])
    if rest == 1:
        return 8 * rows
    return some * wide * (8 + n * np.dtype(ins[0].dtype).itemsize)


@linked(reduce.argmax, reduce.argmin, reduce.argmax_channel, scratch=_argmax_scratch)
def _argmax(op, ins, outs, scratch) -> Run:
    """Bring blocks into scratch so that the lines searched are contiguous, as NumPy does with the whole array."""
    find = np.argmin if type(op) is reduce.argmin else np.argmax
    rows, n, rest, some, wide = _lines(op, ins[0])
    x, y = ins[0].reshape(rows, n, rest), outs[0].reshape(rows, rest)
    if rest == 1:
        return _found(find, x[:, :, 0], workspace(scratch, y, np.intp).reshape(rows), y[:, 0])
    calls: list[Run] = []
    for r in range(0, rows, some):
        for k in range(0, rest, wide):
            part = x[r : r + some, :, k : k + wide].transpose(0, 2, 1)
            where = workspace(scratch, part[..., 0], np.intp)
            lines = workspace(scratch[where.nbytes :], part)
            calls += partial(np.copyto, lines, part), _found(find, lines, where, y[r : r + some, k : k + wide])
    return sequence(calls)


def _found(find: Callable[..., object], lines: np.ndarray, where: np.ndarray, y: np.ndarray) -> Run:
    """Give the call that finds positions along the last axis and writes them as floats."""

    def run() -> None:
        find(lines, axis=-1, out=where)
        np.copyto(y, where, casting="unsafe")

    return run


@kernel(reduce.broadcast_to, reduce.broadcast_axis)
def _broadcast(op, x, y):
    np.copyto(y, x)


@kernel(reduce.broadcast_like)
def _broadcast_like(op, x, like, y):
    np.copyto(y, x)
