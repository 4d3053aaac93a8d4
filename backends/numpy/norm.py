"""Kernels of normalisation: sums and affine maps by channel, in blocks of samples that stay in cache."""

from __future__ import annotations

from collections.abc import Sequence
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

from .registry import Run, linked

BLOCK = 256 << 10  # bytes of a block of samples: two of them stay in the second-level cache


def _block(shape: tuple[int, ...], itemsize: int) -> int:
    """Give the samples (slices of axis 0) that fill a block."""
    each = max(1, int(np.prod(shape[1:], dtype=np.int64)) * itemsize)
    return max(1, min(shape[0], BLOCK // each))


def _one_block(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    t = ins[0]
    size = t.nbytes // t.shape[0]
    return _block(t.shape, t.nbytes // t.size) * size + size


def _matrix(x: np.ndarray, axis: int) -> tuple[np.ndarray, tuple[int, int, int]]:
    shape = rows(x.shape, axis)
    return x.reshape(shape), shape


def _pieces(x: np.ndarray, axis: int) -> list[slice]:
    """Cut the leading axis of x seen as (a, c, b) into blocks."""
    a, c, b = rows(x.shape, axis)
    step = max(1, BLOCK // (c * b * x.itemsize))
    return [slice(i, min(a, i + step)) for i in range(0, a, step)]


def _reduce(x3: np.ndarray, out: np.ndarray, ones: np.ndarray) -> None:
    """out[c] = sum over a and b of x3 (a, c, b)."""
    if x3.shape[2] == 1:
        np.matmul(ones[: x3.shape[0]], x3[:, :, 0], out=out)
    else:
        np.einsum("acb->c", x3, out=out)


def _accumulate(op: Any, x: np.ndarray, y: np.ndarray, term: Any) -> Run:
    """Run `term(piece) -> (a, c, b) array` over blocks and add up its channel sums in y."""
    pieces = _pieces(x, op.axis)
    ones = np.ones(max(s.stop - s.start for s in pieces), x.dtype)
    total, part = np.empty(y.shape, np.float64), np.empty_like(y)

    def run() -> None:
        total.fill(0)
        for piece in pieces:
            _reduce(term(piece), part, ones)
            np.add(total, part, out=total)
        np.copyto(y, total, casting="unsafe")

    return run


@linked(_channel_sum)
def channel_sum(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    x3, _ = _matrix(ins[0], op.axis)
    return _accumulate(op, ins[0], outs[0], lambda s: x3[s])


def _temporary(x: np.ndarray, axis: int, scratch: np.ndarray) -> np.ndarray:
    _, c, b = rows(x.shape, axis)
    n = max(s.stop - s.start for s in _pieces(x, axis))
    return scratch[: n * c * b * x.itemsize].view(x.dtype).reshape(n, c, b)


@linked(_channel_square, scratch=_one_block)
def channel_square(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    x3, (_, c, _) = _matrix(ins[0], op.axis)
    mean, t = ins[1].reshape(1, c, 1), _temporary(ins[0], op.axis, scratch)

    def term(s: slice) -> np.ndarray:
        d = t[: s.stop - s.start]
        np.subtract(x3[s], mean, out=d)
        return np.multiply(d, d, out=d)

    return _accumulate(op, ins[0], outs[0], term)


@linked(_channel_dot, scratch=_one_block)
def channel_dot(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    g3, (_, c, _) = _matrix(ins[0], op.axis)
    x3, _ = _matrix(ins[1], op.axis)
    mean, t = ins[2].reshape(1, c, 1), _temporary(ins[0], op.axis, scratch)

    def term(s: slice) -> np.ndarray:
        d = t[: s.stop - s.start]
        np.subtract(x3[s], mean, out=d)
        return np.multiply(d, g3[s], out=d)

    return _accumulate(op, ins[0], outs[0], term)


@linked(_scale_shift)
def scale_shift(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    x3, (_, c, _) = _matrix(ins[0], op.axis)
    y3, _ = _matrix(outs[0], op.axis)
    scale, shift = ins[1].reshape(1, c, 1), ins[2].reshape(1, c, 1)
    pairs = [(x3[s], y3[s]) for s in _pieces(ins[0], op.axis)]

    def run() -> None:
        for x, y in pairs:
            np.multiply(x, scale, out=y)
            np.add(y, shift, out=y)

    return run


@linked(_channel_affine, scratch=_one_block)
def channel_affine(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    g3, (_, c, _) = _matrix(ins[0], op.axis)
    x3, _ = _matrix(ins[1], op.axis)
    y3, _ = _matrix(outs[0], op.axis)
    a, b, shift = (v.reshape(1, c, 1) for v in ins[2:])
    t = _temporary(ins[0], op.axis, scratch)
    pieces = [(g3[s], x3[s], y3[s], t[: s.stop - s.start]) for s in _pieces(ins[0], op.axis)]

    def run() -> None:
        for g, x, y, d in pieces:
            np.multiply(x, b, out=d)
            np.add(d, shift, out=d)
            np.multiply(g, a, out=y)
            np.add(y, d, out=y)

    return run


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
