"""The gradients of a convolution over channels-last data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ..registry import Run
from .forward import by_group, columns, forward, forward_size
from .geometry import Block, Geometry, cut, pair_copies, size_of

__all__ = ["data_grad", "data_grad_size", "weight_grad", "weight_grad_size"]


# Of the data. With stride 1 it is a convolution of the gradient with the kernel turned around; else the gradient of
# every offset of the kernel is added to its place in one of sh sw phases, images that a stride apart are neighbours in.


def data_grad_size(g: Geometry, name: str) -> int:
    """Give the elements of working memory."""
    if g.sh == g.sw == 1:
        return forward_size(g.transposed(), name, False) + g.kh * g.kw * g.o * (g.c // g.groups)
    blocks = _phase_blocks(g)
    return sum(_phase_sizes(g, name, blocks))


def data_grad(g: Geometry, name: str, dy: np.ndarray, w: np.ndarray, dx: np.ndarray, scratch: np.ndarray) -> list[Run]:
    """Give the calls for dx (n, h, w, c): dy (n, oh, ow, o), w (kh, kw, o, c / groups)."""
    if g.sh == g.sw == 1:
        return _turned(g, name, dy, w, dx, scratch)
    blocks = _phase_blocks(g)
    phases, *work = cut(scratch, dx.dtype, *_phase_sizes(g, name, blocks))
    calls: list[Run] = []
    for block in blocks:
        part = slice(block.a, block.b)
        ph = phases[: _phase_shape(g, block)[0]].reshape(_phase_shape(g, block)[1])
        calls.append(partial(ph.fill, 0))
        calls += _scatter(g, name, dy[part], w, ph, work, first=block.a == 0)
        calls += _collect(g, ph, dx[part])
    return calls


def _turned(g: Geometry, name: str, dy: np.ndarray, w: np.ndarray, dx: np.ndarray, scratch: np.ndarray) -> list[Run]:
    t = g.transposed()
    n = g.kh * g.kw * g.o * (g.c // g.groups)
    flat, rest = scratch[: n * dx.itemsize].view(dx.dtype), scratch[n * dx.itemsize :]
    turned = flat.reshape(g.kh, g.kw, g.o // g.groups, g.groups, g.c // g.groups)
    source = w.reshape(g.kh, g.kw, g.groups, g.o // g.groups, g.c // g.groups)[::-1, ::-1].transpose(0, 1, 3, 2, 4)
    calls: list[Run] = [partial(np.copyto, turned, source)]
    return calls + forward(t, name, dy, turned.reshape(g.kh, g.kw, t.c // t.groups, t.o), None, False, dx, rest)


def _phase_rows(g: Geometry) -> tuple[int, int]:
    """Give rows and columns of a phase: as many as the kernel reaches and as the data has."""
    rows = max((g.kh - 1) * g.dh // g.sh + g.oh, (g.h - 1 + g.top) // g.sh + 1)
    columns = max((g.kw - 1) * g.dw // g.sw + g.ow, (g.w - 1 + g.left) // g.sw + 1)
    return rows, columns


def _phase_blocks(g: Geometry) -> list[Block]:
    rows, cols = _phase_rows(g)
    each = g.sh * g.sw * rows * cols * g.c + g.oh * g.ow * g.c
    return [b._replace(r0=0, r1=g.oh) for b in g.blocks(-(-each // g.oh)) if b.r0 == 0]


def _phase_shape(g: Geometry, block: Block) -> tuple[int, tuple[int, ...]]:
    shape = (g.sh, g.sw, block.b - block.a, *_phase_rows(g), g.c)
    return size_of(shape), shape


def _phase_sizes(g: Geometry, name: str, blocks: Sequence[Block]) -> tuple[int, ...]:
    most = max(blocks, key=lambda b: b.b - b.a)
    rows = (most.b - most.a) * g.oh * g.ow
    tiled = g.kh * g.kw * g.ow * g.c if g.depthwise else 0
    return _phase_shape(g, most)[0], rows * g.c, tiled


def _scatter(
    g: Geometry, name: str, dy: np.ndarray, w: np.ndarray, ph: np.ndarray, work: Sequence[np.ndarray], first: bool
) -> list[Run]:
    """Add the gradient of every offset to its phase."""
    m = len(dy)
    tmp = work[0][: m * g.oh * g.ow * g.c].reshape(-1, g.c)
    part = tmp.reshape(m, g.oh, g.ow, g.c)
    flat = dy.reshape(-1, g.o)
    tiled = work[1].reshape(g.kh, g.kw, g.ow, g.c) if g.depthwise else None
    calls: list[Run] = []
    if tiled is not None and first:
        calls.append(partial(np.copyto, tiled, w.reshape(g.kh, g.kw, 1, g.c)))
    for i, j in g.taps:
        if tiled is not None:
            calls.append(partial(np.multiply, dy, tiled[i, j], out=part))
        elif g.groups > 1:
            a, b = by_group(g, flat), w[i, j].reshape(g.groups, -1, g.c // g.groups)
            calls.append(partial(np.matmul, a, b, out=by_group(g, tmp)))
        else:
            calls.append(partial(np.matmul, flat, w[i, j], out=tmp))
        y, x = i * g.dh, j * g.dw
        place = ph[y % g.sh, x % g.sw][:, y // g.sh : y // g.sh + g.oh, x // g.sw : x // g.sw + g.ow]
        calls.append(partial(np.add, place, part, out=place))
    return calls


def _collect(g: Geometry, ph: np.ndarray, dx: np.ndarray) -> list[Run]:
    """Copy the phases to where they belong in dx."""
    calls: list[Run] = []
    for a in range(g.sh):
        for b in range(g.sw):
            y0, x0 = (a - g.top) % g.sh, (b - g.left) % g.sw
            target = dx[:, y0 :: g.sh, x0 :: g.sw]
            if target.size:
                q, r = (y0 + g.top) // g.sh, (x0 + g.left) // g.sw
                source = ph[a, b][:, q : q + target.shape[1], r : r + target.shape[2]]
                calls += pair_copies(target, source, 1)
    return calls


# Of the weight: products of the windows with the gradient, block by block.


def _grad_row(g: Geometry, name: str) -> int:
    return g.ow * ((g.kh * g.kw if name == "im2col" else 1) * g.c + g.o)


def weight_grad_size(g: Geometry, name: str) -> int:
    """Give the elements of working memory."""
    blocks = g.blocks(_grad_row(g, name))
    return g.padded_size(blocks) + sum(_grad_sizes(g, name, blocks))


def _grad_sizes(g: Geometry, name: str, blocks: Sequence[Block]) -> tuple[int, int]:
    rows = max((b.b - b.a) * (b.r1 - b.r0) for b in blocks) * g.ow
    weight = g.kh * g.kw * (g.c // g.groups) * g.o
    taps = g.kh * g.kw if name == "im2col" else 1
    return rows * taps * g.c, weight if name == "im2col" else weight // (g.kh * g.kw)


def weight_grad(
    g: Geometry, name: str, x: np.ndarray, dy: np.ndarray, dw: np.ndarray, scratch: np.ndarray
) -> list[Run]:
    """Give the calls for dw (kh, kw, c / groups, o): x (n, h, w, c), dy (n, oh, ow, o)."""
    blocks = g.blocks(_grad_row(g, name))
    border, work, tmp = cut(scratch, x.dtype, g.padded_size(blocks), *_grad_sizes(g, name, blocks))
    calls: list[Run] = []
    for k, block in enumerate(blocks):
        p, fill = g.source(x, block, border, clean=False)
        gy = dy[block.a : block.b, block.r0 : block.r1].reshape(-1, g.o)
        calls += fill
        if name == "im2col":
            col, copies = columns(g, p, block.r1 - block.r0, work)
            calls += copies
            calls += _outer(g, col, gy, dw.reshape(-1, g.o), tmp, k == 0)
        else:
            calls += _by_tap(g, p, block, gy, dw, work, tmp, k == 0)
    return calls


def _outer(g: Geometry, col: np.ndarray, gy: np.ndarray, dw: np.ndarray, tmp: np.ndarray, first: bool) -> list[Run]:
    """dw (k c, o) = or += col^T gy."""
    part = dw if first else tmp[: dw.size].reshape(dw.shape)
    if g.groups == 1:
        calls: list[Run] = [partial(np.matmul, col.T, gy, out=part)]
    else:
        calls = [partial(np.matmul, col.transpose(0, 2, 1), by_group(g, gy), out=by_group(g, part))]
    return calls if first else [*calls, partial(np.add, dw, part, out=dw)]


def _by_tap(
    g: Geometry,
    p: np.ndarray,
    block: Block,
    gy: np.ndarray,
    dw: np.ndarray,
    work: np.ndarray,
    tmp: np.ndarray,
    first: bool,
) -> list[Run]:
    """One offset of the kernel at a time: its data as a matrix, in place where it lies so."""
    calls: list[Run] = []
    ones = np.ones(len(gy), gy.dtype) if g.depthwise else None
    for i, j in g.taps:
        a = g.tap(p, block, i, j)
        flat = work[: a.size].reshape(-1, g.c)
        if ones is not None:
            calls.append(partial(np.multiply, a, gy.reshape(a.shape), out=flat.reshape(a.shape)))
            part = dw[i, j, 0] if first else tmp
            calls.append(partial(np.matmul, ones, flat, out=part))
            calls += [] if first else [partial(np.add, dw[i, j, 0], tmp, out=dw[i, j, 0])]
            continue
        if a.flags.c_contiguous:
            flat = a.reshape(-1, g.c)
        else:
            calls += pair_copies(flat.reshape(a.shape), a, 1)
        col = flat if g.groups == 1 else by_group(g, flat)
        calls += _outer(g, col, gy, dw[i, j], tmp, first)
    return calls
