"""Pooling in NumPy: one pass over the image for each offset of the window."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import numpy as np

from graphnn.ops.pool import Pooling, _max_pool_grad, _pool_grad
from graphnn.types import TensorType

from .registry import Run, linked

Spatial = tuple[slice, ...]


class Taps:
    """For each offset of the window: which outputs it reaches inside the image, and which inputs those read."""

    def __init__(self, op: Pooling, shape: tuple[int, ...]) -> None:
        sizes = op.sizes(shape)
        geometry = op.geometry(sizes)
        axes = [_axis_taps(x, *g) for x, g in zip(sizes, geometry, strict=True)]
        pairs: list[tuple[Spatial, Spatial]] = [((), ())]
        for axis in axes:
            pairs = [((*o, p), (*i, q)) for o, i in pairs for p, q in axis]
        lead, tail = ((slice(None),), (slice(None),)) if op.last else ((slice(None),) * 2, ())
        self.pairs = [((*lead, *o, *tail), (*lead, *i, *tail)) for o, i in pairs]
        include = op.count_include_pad is not False
        counts = [_counts(x, *g, include) for x, g in zip(sizes, geometry, strict=True)]
        grid = reduce(np.multiply.outer, counts)
        self.divisor = grid[..., None] if op.last else grid
        # What the full convention may put behind the image: of each axis the positions from the first outside on.
        inside = [min(m, -(-(x + p) // s)) for x, (_, s, p, m) in zip(sizes, geometry, strict=True)]
        outer = [(i, q) for i, (q, (*_, m)) in enumerate(zip(inside, geometry, strict=True)) if q < m]
        self.outside = [(*lead, *(slice(None),) * i, slice(q, None)) for i, q in outer]


def _axis_taps(x: int, k: int, s: int, p: int, m: int) -> list[tuple[slice, slice]]:
    out = []
    for j in range(k):
        first = max(0, -((j - p) // s))
        last = min(m - 1, (x - 1 + p - j) // s)
        if first <= last:
            start = first * s + j - p
            out.append((slice(first, last + 1), slice(start, start + (last - first) * s + 1, s)))
    return out


def _counts(x: int, k: int, s: int, p: int, m: int, include: bool) -> np.ndarray:
    """Give the elements each position averages over along one axis; 1 where there is none."""
    start = np.arange(m) * s - p
    end = np.minimum(start + k, x + p)
    count = end - start if include else np.minimum(end, x) - np.maximum(start, 0)
    return np.maximum(count, 1)


@linked(Pooling)
def pooling(op: Pooling, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    x, y = ins[0], outs[0]
    taps = Taps(op, x.shape)
    pairs = [(y[o], x[i]) for o, i in taps.pairs]
    outside = [y[o] for o in taps.outside] if op.pool_type == "max" else []
    join = np.maximum if op.pool_type == "max" else np.add
    start = -np.inf if op.pool_type == "max" else 0.0
    divisor = taps.divisor.astype(y.dtype) if op.pool_type == "avg" else None

    def run() -> None:
        y.fill(start)
        for out, part in pairs:
            join(out, part, out=out)
        for out in outside:
            out.fill(0)
        if divisor is not None:
            np.divide(y, divisor, out=y)

    return run


def _max_scratch(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    g = ins[0]
    return 2 * (g.size // g.shape[0]) + g.nbytes // g.shape[0] + 64


@linked(_max_pool_grad, scratch=_max_scratch)
def max_pool_grad(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    """Sample by sample: at each offset, the windows whose maximum is here and was not met before."""
    (g, x, y), (dx,) = ins, outs
    taps = Taps(op.pool, x.shape)
    one = (1, *y.shape[1:])
    n = int(np.prod(one))
    part = scratch[: n * g.itemsize].view(g.dtype).reshape(one)
    here = scratch[n * g.itemsize :][:n].view(bool).reshape(one)
    free = scratch[n * g.itemsize + n :][:n].view(bool).reshape(one)
    views = [(o, here[o], free[o], part[o]) for o, _ in taps.pairs]

    def run() -> None:
        dx.fill(0)
        for k in range(len(x)):
            xk, yk, gk, dk = x[k : k + 1], y[k : k + 1], g[k : k + 1], dx[k : k + 1]
            free.fill(True)
            for (o, h, f, p), (_, i) in zip(views, taps.pairs, strict=True):
                np.equal(xk[i], yk[o], out=h)
                np.logical_and(h, f, out=h)
                np.multiply(gk[o], h, out=p)
                np.add(dk[i], p, out=dk[i])
                np.greater(f, h, out=f)

    return run


def _pool_scratch(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    return ins[0].nbytes // ins[0].shape[0]


@linked(_pool_grad, scratch=_pool_scratch)
def pool_grad(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    (g,), (dx,) = ins, outs
    taps = Taps(op.pool, dx.shape)
    part = scratch[: g[:1].nbytes].view(g.dtype).reshape(g[:1].shape)
    divisor = taps.divisor.astype(g.dtype) if op.pool.pool_type == "avg" else np.ones_like(taps.divisor, g.dtype)
    if divisor.size == 1 and op.pool.global_pool:
        return partial(np.divide, g, divisor.reshape(-1), out=dx)

    def run() -> None:
        dx.fill(0)
        for k in range(len(g)):
            np.divide(g[k : k + 1], divisor, out=part)
            dk = dx[k : k + 1]
            for o, i in taps.pairs:
                np.add(dk[i], part[o], out=dk[i])

    return run
