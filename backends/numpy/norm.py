"""Kernels of normalisation: sums and affine maps by channel, in blocks of samples that stay in cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphnn.ops.norm import (
    LRN,
    _channel_affine,
    _channel_dot,
    _channel_square,
    _channel_sum,
    _lrn_grad,
    _scale_shift,
    rows,
)
from graphnn.types import TensorType

from .calls import sequence
from .registry import Run, linked

BLOCK = 256 << 10  # bytes of a block: several of them stay in the second-level cache
TILE = 16 << 10  # elements of a vector by channel that is repeated, so that NumPy's loops are long


class Layout:
    """An array as rows, blocks of rows, and vectors by channel that go with them.

    Channels last (n, ..., c) are rows (a, r c), with vectors repeated r times; other channels are rows (a, c, b), with
    vectors of shape (c, 1).
    """

    def __init__(self, shape: tuple[int, ...], axis: int, itemsize: int) -> None:
        a, self.c, b = rows(shape, axis)
        if b > 1:
            self.row: tuple[int, ...] = (self.c, b)
        else:
            repeats = next(n for n in range(max(1, min(a, TILE // self.c)), 0, -1) if a % n == 0)
            a, self.row = a // repeats, (repeats * self.c,)
        step = max(1, BLOCK // (int(np.prod(self.row)) * itemsize))
        self.count, self.itemsize = min(a, step), itemsize
        self.blocks = [slice(i, min(a, i + step)) for i in range(0, a, step)]

    @property
    def size(self) -> int:
        """Elements of a block."""
        return self.count * int(np.prod(self.row))

    @property
    def tile(self) -> int:
        """Elements of a repeated vector; 0 where it is taken as it is."""
        return self.row[0] if len(self.row) == 1 and self.row[0] > self.c else 0

    def view(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(-1, *self.row)

    def sum(self, out: np.ndarray) -> Sum:
        return Sum(self, out)

    def vectors(self, vs: Sequence[np.ndarray], work: np.ndarray) -> tuple[list[np.ndarray], list[Run]]:
        """Give vectors (c,) as they go with a row, and the calls that repeat them in `work`."""
        if not self.tile:
            return [v.reshape(-1, 1) if len(self.row) == 2 else v for v in vs], []
        tiles = [work[k * self.tile : (k + 1) * self.tile] for k in range(len(vs))]
        copies = [partial(np.copyto, t.reshape(-1, self.c), v) for t, v in zip(tiles, vs, strict=True)]
        return tiles, list(copies)


def room(vectors: int) -> Any:
    """Make the rule that asks for a block and for repeated vectors."""

    def rule(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
        t = ins[0]
        item = t.nbytes // t.size
        layout = Layout(t.shape, op.axis, item)
        return (layout.size + vectors * layout.tile) * item

    return rule


def work_of(layout: Layout, x: np.ndarray, scratch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut the scratch into a block and what is left for vectors."""
    flat = scratch.view(x.dtype)
    return flat[: layout.size].reshape(layout.count, *layout.row), flat[layout.size :]


class Sum:
    """The sums by channel of rows that come block by block, kept in double precision."""

    def __init__(self, layout: Layout, out: np.ndarray) -> None:
        self.c, self.out = layout.c, out
        self.ones = np.ones(layout.size // layout.c, out.dtype)
        self.total, self.part = np.zeros(out.shape, np.float64), np.empty_like(out)

    def start(self) -> None:
        self.total.fill(0)

    def add(self, z: np.ndarray) -> None:
        if z.ndim == 3:
            np.einsum("acb->c", z, out=self.part)
        else:
            z = z.reshape(-1, self.c)
            np.matmul(self.ones[: len(z)], z, out=self.part)
        np.add(self.total, self.part, out=self.total)

    def finish(self) -> None:
        np.copyto(self.out, self.total, casting="unsafe")


def accumulate(layout: Layout, y: np.ndarray, term: Any, before: Sequence[Run] = ()) -> Run:
    """Run `term(block) -> rows` over blocks and add up its channel sums in y."""
    total = layout.sum(y)

    def run() -> None:
        for call in before:
            call()
        total.start()
        for block in layout.blocks:
            total.add(term(block))
        total.finish()

    return run


@linked(_channel_sum)
def channel_sum(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    layout = Layout(ins[0].shape, op.axis, ins[0].itemsize)
    x = layout.view(ins[0])
    return accumulate(layout, outs[0], lambda s: x[s])


@linked(_channel_square, scratch=room(1))
def channel_square(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    layout = Layout(ins[0].shape, op.axis, ins[0].itemsize)
    x, (t, rest) = layout.view(ins[0]), work_of(layout, ins[0], scratch)
    (mean,), copies = layout.vectors(ins[1:], rest)

    def term(s: slice) -> np.ndarray:
        d = t[: s.stop - s.start]
        np.subtract(x[s], mean, out=d)
        return np.multiply(d, d, out=d)

    return accumulate(layout, outs[0], term, copies)


@linked(_channel_dot, scratch=room(1))
def channel_dot(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    layout = Layout(ins[0].shape, op.axis, ins[0].itemsize)
    g, x, (t, rest) = layout.view(ins[0]), layout.view(ins[1]), work_of(layout, ins[0], scratch)
    (mean,), copies = layout.vectors(ins[2:], rest)

    def term(s: slice) -> np.ndarray:
        d = t[: s.stop - s.start]
        np.subtract(x[s], mean, out=d)
        return np.multiply(d, g[s], out=d)

    return accumulate(layout, outs[0], term, copies)


@linked(_scale_shift, scratch=room(2))
def scale_shift(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    layout = Layout(ins[0].shape, op.axis, ins[0].itemsize)
    x, y, (_, rest) = layout.view(ins[0]), layout.view(outs[0]), work_of(layout, ins[0], scratch)
    (scale, shift), calls = layout.vectors(ins[1:], rest)
    for s in layout.blocks:
        calls += [partial(np.multiply, x[s], scale, out=y[s]), partial(np.add, y[s], shift, out=y[s])]
    return sequence(calls)


@linked(_channel_affine, scratch=room(3))
def channel_affine(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    layout = Layout(ins[0].shape, op.axis, ins[0].itemsize)
    g, x, y = layout.view(ins[0]), layout.view(ins[1]), layout.view(outs[0])
    t, rest = work_of(layout, ins[0], scratch)
    (a, b, shift), calls = layout.vectors(ins[2:], rest)
    for s in layout.blocks:
        d = t[: s.stop - s.start]
        calls += [
            partial(np.multiply, x[s], b, out=d),
            partial(np.add, d, shift, out=d),
            partial(np.multiply, g[s], a, out=y[s]),
            partial(np.add, y[s], d, out=y[s]),
        ]
    return sequence(calls)


def _window(values: np.ndarray, out: np.ndarray, half: int) -> None:
    """out[:, c] = sum of values[:, c - half : c + half + 1]."""
    np.copyto(out, values)
    for d in range(1, half + 1):
        if d < values.shape[1]:
            np.add(out[:, d:], values[:, :-d], out=out[:, d:])
            np.add(out[:, :-d], values[:, d:], out=out[:, :-d])


def _whole(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    return 2 * (ins[0].nbytes // ins[0].shape[0])


@linked(LRN, scratch=_whole)
def lrn(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    (x,), (y, norm) = ins, outs
    square = scratch[: x[:1].nbytes].view(x.dtype).reshape(x[:1].shape)
    alpha, half = op.alpha / op.nsize, op.nsize // 2

    def run() -> None:
        for k in range(len(x)):
            xk, yk, nk = x[k : k + 1], y[k : k + 1], norm[k : k + 1]
            np.multiply(xk, xk, out=square)
            _window(square, nk, half)
            np.multiply(nk, alpha, out=nk)
            np.add(nk, op.knorm, out=nk)
            np.power(nk, -op.beta, out=square)
            np.multiply(xk, square, out=yk)

    return run


@linked(_lrn_grad, scratch=_whole)
def lrn_grad(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    (g, x, y, norm), (dx,) = ins, outs
    n = x[:1].nbytes
    ratio = scratch[:n].view(x.dtype).reshape(x[:1].shape)
    total = scratch[n : 2 * n].view(x.dtype).reshape(x[:1].shape)
    factor, half = -2.0 * op.alpha * op.beta / op.nsize, op.nsize // 2

    def run() -> None:
        for k in range(len(x)):
            s = slice(k, k + 1)
            np.multiply(g[s], y[s], out=ratio)
            np.divide(ratio, norm[s], out=ratio)
            _window(ratio, total, half)
            np.multiply(total, x[s], out=total)
            np.multiply(total, factor, out=total)
            np.power(norm[s], -op.beta, out=ratio)
            np.multiply(ratio, g[s], out=ratio)
            np.add(ratio, total, out=dx[s])

    return run
