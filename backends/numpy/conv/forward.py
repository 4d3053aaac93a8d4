"""Convolution forward, in four ways. Each gives, for a block of the output, the calls that compute it.

`im2col` copies every window into a row of a matrix: one product. `krow` copies only rows of windows, `kh` times less:
`kh` products that are added. `strided` copies nothing: a product for each offset of the kernel, read from the data
where it lies. Depthwise convolution is a multiplication for each offset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ..registry import Run
from .geometry import Block, Geometry, cut, pair_copies

__all__ = ["FORWARD", "Algorithm", "by_group", "columns", "forward", "forward_size"]

TILE = 16 << 10  # elements of a vector by channel repeated along an image, so that NumPy's loops are long


class Algorithm(NamedTuple):
    """`row(g)`: working elements an output row, for the size of blocks. `sizes(g, blocks)`: all its working elements.

    `calls(g, p, w, y, block, work)`: what computes y (m, rows, ow, o) from the padded block p.
    """

    row: Callable[[Geometry], int]
    sizes: Callable[[Geometry, Sequence[Block]], tuple[int, ...]]
    calls: Callable[..., list[Run]]


def _rows(blocks: Sequence[Block]) -> int:
    return max((b.b - b.a) * (b.r1 - b.r0) for b in blocks)


# im2col


def _window_size(g: Geometry) -> int:
    return g.kh * g.kw * g.c


def columns(g: Geometry, p: np.ndarray, rows: int, work: np.ndarray) -> tuple[np.ndarray, list[Run]]:
    """Give the windows of a padded block as a matrix (m rows ow, kh kw c), and the calls that fill it.

    With groups it is (groups, m rows ow, kh kw c / groups). Of a 1 x 1 kernel it is the data itself where it can be.
    """
    m, k = len(p), g.kh * g.kw
    count = m * rows * g.ow
    view = g.windows(p, rows)
    if g.groups > 1:
        each = g.c // g.groups
        col = work[: count * k * g.c].reshape(g.groups, m, rows, g.ow, g.kh, g.kw, each)
        parts = view.reshape(*view.shape[:5], g.groups, each)
        return col.reshape(g.groups, count, k * each), pair_copies(col, np.moveaxis(parts, 5, 0), 1)
    if k == 1 and view.flags.c_contiguous:
        return view.reshape(count, g.c), []
    col = work[: count * k * g.c].reshape(m, rows, g.ow, g.kh, g.kw, g.c)
    joined = 2 if g.dw == 1 else 1
    flat = col.reshape(count, k * g.c)
    if joined == 2 and g.kw * g.c <= 8:
        return flat, pair_copies(col, view, joined)
    return flat, [c for i in range(g.kh) for c in pair_copies(col[:, :, :, i], view[:, :, :, i], joined)]


def _im2col(
    g: Geometry, p: np.ndarray, w: np.ndarray, y: np.ndarray, block: Block, work: Sequence[np.ndarray]
) -> list[Run]:
    col, calls = columns(g, p, block.r1 - block.r0, work[0])
    if g.groups == 1:
        return [*calls, partial(np.matmul, col, w.reshape(-1, g.o), out=y.reshape(-1, g.o))]
    return [*calls, partial(np.matmul, col, by_group(g, w.reshape(-1, g.o)), out=by_group(g, y.reshape(-1, g.o)))]


def by_group(g: Geometry, a: np.ndarray) -> np.ndarray:
    """View (rows, channels) as (groups, rows, channels / groups)."""
    return a.reshape(len(a), g.groups, -1).transpose(1, 0, 2)


# krow


def _krow_row(g: Geometry) -> int:
    return g.sh * g.kw * g.c


def _krow_sizes(g: Geometry, blocks: Sequence[Block]) -> tuple[int, ...]:
    most = 0
    for b in blocks:
        first, end = g.used_rows(b)
        most = max(most, (b.b - b.a) * (-(-(end - first) // g.sh)))
    return g.sh * most * g.ow * g.kw * g.c, _rows(blocks) * g.ow * g.o


def _krow(
    g: Geometry, p: np.ndarray, w: np.ndarray, y: np.ndarray, block: Block, work: Sequence[np.ndarray]
) -> list[Run]:
    m, rows = len(p), block.r1 - block.r0
    k = g.kw * g.c
    most = -(-p.shape[1] // g.sh)
    buffer = work[0][: g.sh * m * most * g.ow * k].reshape(g.sh, m, most, g.ow, g.kw, g.c)
    calls: list[Run] = []
    for phase in sorted({i * g.dh % g.sh for i in range(g.kh)}):
        source = _row_windows(g, p[:, phase :: g.sh])
        calls += pair_copies(buffer[phase][:, : source.shape[1]], source, 2 if g.dw == 1 else 1)
    out = y.reshape(m, rows * g.ow, g.o)
    tmp = work[1][: out.size].reshape(out.shape)
    for i in range(g.kh):
        phase, at = i * g.dh % g.sh, i * g.dh // g.sh
        a = buffer[phase][:, at : at + rows].reshape(m, rows * g.ow, k)
        calls += _add_product(i, a, w[i].reshape(k, g.o), out, tmp)
    return calls


def _row_windows(g: Geometry, p: np.ndarray) -> np.ndarray:
    """View rows (m, rows, columns, c) as (m, rows, ow, kw, c)."""
    a, b, c, d = p.strides
    shape = (*p.shape[:2], g.ow, g.kw, p.shape[3])
    return np.lib.stride_tricks.as_strided(p, shape, (a, b, c * g.sw, c * g.dw, d))


def _add_product(k: int, a: np.ndarray, b: np.ndarray, y: np.ndarray, tmp: np.ndarray) -> list[Run]:
    """y = a b for the first product, y += a b for the others."""
    if k == 0:
        return [partial(np.matmul, a, b, out=y)]
    return [partial(np.matmul, a, b, out=tmp), partial(np.add, y, tmp, out=y)]


# strided


def _output_row(g: Geometry) -> int:
    return 2 * g.ow * g.o


def _output_sizes(g: Geometry, blocks: Sequence[Block]) -> tuple[int, ...]:
    return (_rows(blocks) * g.ow * g.o,)


def _strided(
    g: Geometry, p: np.ndarray, w: np.ndarray, y: np.ndarray, block: Block, work: Sequence[np.ndarray]
) -> list[Run]:
    tmp = work[0][: y.size].reshape(y.shape)
    calls: list[Run] = []
    for k, (i, j) in enumerate(g.taps):
        a = g.tap(p, block, i, j)
        if g.groups > 1:
            a, b = _spread(g, a), by_group(g, w[i, j])
            calls += _add_product(k, a, b, _spread(g, y), _spread(g, tmp))
        elif a.flags.c_contiguous:
            calls += _add_product(k, a.reshape(-1, g.c), w[i, j], y.reshape(-1, g.o), tmp.reshape(-1, g.o))
        else:
            calls += _add_product(k, a, w[i, j], y, tmp)
    return calls


def _spread(g: Geometry, a: np.ndarray) -> np.ndarray:
    """View (m, rows, ow, channels) as (m, rows, groups, ow, channels / groups)."""
    return a.reshape(*a.shape[:3], g.groups, -1).transpose(0, 1, 3, 2, 4)


# depthwise


def _depthwise_sizes(g: Geometry, blocks: Sequence[Block]) -> tuple[int, ...]:
    return _rows(blocks) * g.ow * g.o, g.kh * g.kw * g.ow * g.c


def _depthwise(
    g: Geometry, p: np.ndarray, w: np.ndarray, y: np.ndarray, block: Block, work: Sequence[np.ndarray]
) -> list[Run]:
    tmp = work[0][: y.size].reshape(y.shape)
    tiled = work[1].reshape(g.kh, g.kw, g.ow, g.c)
    calls: list[Run] = [] if block.a or block.r0 else [partial(np.copyto, tiled, w)]
    for k, (i, j) in enumerate(g.taps):
        a = g.tap(p, block, i, j)
        if k == 0:
            calls.append(partial(np.multiply, a, tiled[i, j], out=y))
        else:
            calls += [partial(np.multiply, a, tiled[i, j], out=tmp), partial(np.add, y, tmp, out=y)]
    return calls


FORWARD: dict[str, Algorithm] = {
    "im2col": Algorithm(
        lambda g: g.ow * _window_size(g), lambda g, blocks: (_rows(blocks) * g.ow * _window_size(g),), _im2col
    ),
    "krow": Algorithm(lambda g: g.ow * _krow_row(g), _krow_sizes, _krow),
    "strided": Algorithm(_output_row, _output_sizes, _strided),
    "depthwise": Algorithm(lambda g: 4 * g.ow * g.o, _depthwise_sizes, _depthwise),
}


def forward_size(g: Geometry, name: str, bias: bool) -> int:
    """Give the elements of working memory."""
    algorithm = FORWARD[name]
    blocks = g.blocks(algorithm.row(g))
    return g.padded_size(blocks) + sum(algorithm.sizes(g, blocks)) + (_tile(g, blocks) if bias else 0)


def _tile(g: Geometry, blocks: Sequence[Block]) -> int:
    image = g.oh * g.ow * g.o
    whole = all(b.r1 - b.r0 == g.oh for b in blocks)
    return image if whole and image <= TILE else g.ow * g.o


def forward(
    g: Geometry,
    name: str,
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    relu: bool,
    y: np.ndarray,
    scratch: np.ndarray,
) -> list[Run]:
    """Give the calls for y = act(conv(x, w) + bias): x (n, h, w, c), w (kh, kw, c / groups, o), y (n, oh, ow, o)."""
    algorithm = FORWARD[name]
    blocks = g.blocks(algorithm.row(g))
    sizes = algorithm.sizes(g, blocks)
    tile_size = _tile(g, blocks) if bias is not None else 0
    border, tile, *work = cut(scratch, x.dtype, g.padded_size(blocks), tile_size, *sizes)
    calls: list[Run] = [] if bias is None else [partial(np.copyto, tile.reshape(-1, g.o), bias)]
    before: Block | None = None
    for block in blocks:
        out = y[block.a : block.b, block.r0 : block.r1]
        p, fill = g.source(x, block, border, clean=before is not None and _same_border(g, before, block))
        calls += [*fill, *algorithm.calls(g, p, w, out, block, work)]
        if bias is not None:
            calls.append(partial(np.add, _tiled(out, tile), tile, out=_tiled(out, tile)))
        if relu:
            calls.append(partial(np.clip, out, 0, np.inf, out=out))
        before = block
    return calls


def _tiled(out: np.ndarray, tile: np.ndarray) -> np.ndarray:
    return out.reshape(-1, tile.size)


def _same_border(g: Geometry, a: Block, b: Block) -> bool:
    """Tell whether the zeros that block `a` wrote are where block `b` wants them."""
    whole = (a.r0, a.r1) == (b.r0, b.r1) == (0, g.oh)
    return whole and b.b - b.a <= a.b - a.a
