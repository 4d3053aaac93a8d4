"""Convolution in NumPy: columns of a slice of the batch, then one matrix product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from graphnn.ops.conv import Convolution, Window, conv_data_grad, conv_weight_grad
from graphnn.types import TensorType

from .registry import Run, linked

SLICE = 2 << 20  # bytes of columns in work at once: they stay in the second-level cache


class Geometry:
    """The sizes of one convolution in 2-D form; one-dimensional data gets a height of 1."""

    def __init__(self, op: Any, data: Sequence[int], itemsize: int) -> None:
        self.groups = op.num_group
        n, c, sizes = op.split_shape(tuple(data))
        w: Window = op.window(len(sizes))
        out = w.out(sizes)
        if len(sizes) == 1:
            w = Window((1, *w.kernel), (1, *w.stride), (1, *w.dilate), (0, *w.pad))
            sizes, out = (1, *sizes), (1, *out)
        self.n, self.c, self.o = n, c, op.num_filter
        (self.h, self.w), (self.oh, self.ow) = sizes, out
        (self.kh, self.kw), (self.sh, self.sw), (self.dh, self.dw), (self.ph, self.pw) = w
        self.hp, self.wp = self.h + 2 * self.ph, self.w + 2 * self.pw
        self.itemsize = itemsize
        each = self.itemsize * (self.columns + self.padded)
        self.step = max(1, min(n, SLICE // each))

    @property
    def columns(self) -> int:
        """Elements of one sample's columns."""
        return self.c * self.kh * self.kw * self.oh * self.ow

    @property
    def padded(self) -> int:
        """Elements of one padded sample; none where the columns read the data itself."""
        return self.c * self.hp * self.wp if self.ph or self.pw else 0

    def scratch(self) -> int:
        return self.step * (self.columns + self.padded) * self.itemsize + 64

    def slices(self) -> list[tuple[int, int]]:
        return [(a, min(self.n, a + self.step)) for a in range(0, self.n, self.step)]

    def taps(self, x: np.ndarray) -> np.ndarray:
        """View padded samples (n, c, hp, wp) as (n, c, kh, kw, oh, ow)."""
        a, b, h, w = x.strides
        shape = (len(x), self.c, self.kh, self.kw, self.oh, self.ow)
        return as_strided(x, shape, (a, b, h * self.dh, w * self.dw, h * self.sh, w * self.sw))


def _pieces(g: Geometry, scratch: np.ndarray, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Cut the scratch into columns (step, c, kh, kw, oh, ow) and padded samples (step, c, hp, wp)."""
    n = g.step * g.columns * g.itemsize
    col = scratch[:n].view(dtype).reshape(g.step, g.c, g.kh, g.kw, g.oh, g.ow)
    rest = scratch[n : n + g.step * g.padded * g.itemsize].view(dtype)
    return col, rest.reshape(g.step, g.c, g.hp, g.wp) if g.padded else rest


def _forward_scratch(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    return Geometry(op, ins[0].shape, ins[0].nbytes // ins[0].size).scratch()


def _fill(g: Geometry, x: np.ndarray, col: np.ndarray, padded: np.ndarray) -> Run:
    """Make the call that writes the columns of samples x (m, c, h, w)."""
    m = len(x)
    if not g.padded:
        target, view = col[:m], g.taps(x)
        return lambda: np.copyto(target, view)
    border = padded[:m]
    inner = border[:, :, g.ph : g.ph + g.h, g.pw : g.pw + g.w]
    target, view = col[:m], g.taps(border)

    def run() -> None:
        border.fill(0)
        np.copyto(inner, x)
        np.copyto(target, view)

    return run


@linked(Convolution, scratch=_forward_scratch)
def convolution(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    x, w = ins[:2]
    g = Geometry(op, x.shape, x.itemsize)
    x4, y = x.reshape(g.n, g.c, g.h, g.w), outs[0].reshape(g.n, g.groups, g.o // g.groups, g.oh * g.ow)
    w3 = w.reshape(g.groups, g.o // g.groups, -1)
    bias = ins[2].reshape(1, g.groups, g.o // g.groups, 1) if len(ins) > 2 else None
    col, padded = _pieces(g, scratch, x.dtype)
    jobs = []
    for a, b in g.slices():
        matrix = col[: b - a].reshape(b - a, g.groups, w3.shape[2], g.oh * g.ow)
        jobs.append((_fill(g, x4[a:b], col, padded), matrix, y[a:b]))

    def run() -> None:
        for fill, matrix, out in jobs:
            fill()
            np.matmul(w3, matrix, out=out)
            if bias is not None:
                np.add(out, bias, out=out)

    return run


def _data_scratch(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    g = Geometry(op.conv, outs[0].shape, outs[0].nbytes // outs[0].size)
    return g.scratch() + g.step * g.c * g.hp * g.wp * g.itemsize


@linked(conv_data_grad, scratch=_data_scratch)
def data_grad(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    """Columns of gradients by one product, then each tap added to its place."""
    dy, w = ins
    dx = outs[0]
    g = Geometry(op.conv, dx.shape, dx.itemsize)
    dx4 = dx.reshape(g.n, g.c, g.h, g.w)
    dy4 = dy.reshape(g.n, g.groups, g.o // g.groups, g.oh * g.ow)
    wt = w.reshape(g.groups, g.o // g.groups, -1).transpose(0, 2, 1)
    col, _ = _pieces(g, scratch, dx.dtype)
    n = g.step * g.columns * g.itemsize
    size = g.step * g.c * g.hp * g.wp
    border = scratch[n : n + size * g.itemsize].view(dx.dtype).reshape(g.step, g.c, g.hp, g.wp)
    jobs = []
    for a, b in g.slices():
        m = b - a
        taps = g.taps(border[:m])
        pairs = [(taps[:, :, i, j], col[:m, :, i, j]) for i in range(g.kh) for j in range(g.kw)]
        matrix = col[:m].reshape(m, g.groups, wt.shape[1], g.oh * g.ow)
        inner = border[:m, :, g.ph : g.ph + g.h, g.pw : g.pw + g.w]
        jobs.append((dy4[a:b], matrix, border[:m], pairs, dx4[a:b], inner))

    def run() -> None:
        for gy, matrix, whole, pairs, out, inner in jobs:
            np.matmul(wt, gy, out=matrix)
            whole.fill(0)
            for place, part in pairs:
                np.add(place, part, out=place)
            np.copyto(out, inner)

    return run


def _weight_scratch(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    g = Geometry(op.conv, ins[0].shape, ins[0].nbytes // ins[0].size)
    return g.scratch() + g.step * outs[0].nbytes + outs[0].nbytes


@linked(conv_weight_grad, scratch=_weight_scratch)
def weight_grad(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    x, dy = ins
    dw = outs[0]
    g = Geometry(op.conv, x.shape, x.itemsize)
    x4, dy4 = x.reshape(g.n, g.c, g.h, g.w), dy.reshape(g.n, g.groups, g.o // g.groups, g.oh * g.ow)
    target = dw.reshape(g.groups, g.o // g.groups, -1)
    col, padded = _pieces(g, scratch, x.dtype)
    at = g.step * (g.columns + g.padded) * g.itemsize
    size = math.prod(target.shape)
    each = scratch[at : at + g.step * size * g.itemsize].view(x.dtype).reshape(g.step, *target.shape)
    at += g.step * size * g.itemsize
    part = scratch[at : at + size * g.itemsize].view(x.dtype).reshape(target.shape)
    jobs = []
    for a, b in g.slices():
        matrix = col[: b - a].reshape(b - a, g.groups, target.shape[2], g.oh * g.ow).transpose(0, 1, 3, 2)
        jobs.append((_fill(g, x4[a:b], col, padded), dy4[a:b], matrix, each[: b - a]))

    def run() -> None:
        target.fill(0)
        for fill, gy, matrix, products in jobs:
            fill()
            np.matmul(gy, matrix, out=products)
            np.add.reduce(products, axis=0, out=part)
            np.add(target, part, out=target)

    return run
