"""Convolution forward, in five ways. Each gives, for a piece of the output, the calls that compute it.

`im2col` copies every window into a row of a matrix: one product. `krow` copies only rows of windows, `kh` times less:
`kh` products that are added. `strided` copies nothing: a product for each offset of the kernel, read from the data
where it lies. `winograd` (a file of its own) computes less. Depthwise convolution is a multiplication for each offset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..product import product
from ..registry import Run
from . import winograd
from .geometry import Geometry, Job, cut, item_copy, size_of

__all__ = [
    "FORWARD",
    "LARGE",
    "Algorithm",
    "by_group",
    "column_jobs",
    "forward",
    "forward_size",
    "gather",
    "halo",
    "tap_job",
]

TILE = 16 << 10  # elements of a vector by channel repeated along an image, so that NumPy's loops are long
LARGE = 2 << 20  # bytes of a weight that is not cut
CALL = 4e-6  # seconds a job costs beside its work
FLOPS, BYTES = 150e9, 10e9  # a second; with CALL they only decide whether to cut at the borders


class Algorithm(NamedTuple):
    """`sections(g)`: the jobs, by the output they complete. `sizes(g, jobs)`: elements of each working array.

    `weights(g, jobs, w, work)`: the weight as the jobs want it, and the calls that lay it out.
    `calls(g, x, weights, y, job, before, work)`: what computes a contiguous y (m, rows, columns, o).
    """

    sections: Callable[[Geometry], list[list[Job]]]
    sizes: Callable[[Geometry, Sequence[Job]], tuple[int, ...]]
    weights: Callable[..., tuple[Any, list[Run]]]
    calls: Callable[..., list[Run]]


def _as_it_is(g: Geometry, jobs: Sequence[Job], w: np.ndarray, work: Sequence[np.ndarray]) -> tuple[Any, list[Run]]:
    return w, []


def by_group(g: Geometry, a: np.ndarray) -> np.ndarray:
    """View (rows, channels) as (groups, rows, channels / groups)."""
    return a.reshape(len(a), g.groups, -1).transpose(1, 0, 2)


def _border_size(g: Geometry, jobs: Sequence[Job]) -> int:
    return max(size_of(g.border_shape(job)) for job in jobs) if g.padded() else 0


def _most(jobs: Sequence[Job]) -> int:
    return max(job.positions for job in jobs)


# im2col


def halo(g: Geometry) -> bool:
    """Tell whether jobs that end at the borders cost less than products with padding and the copy that makes it.

    They need parts of the weight, copied together; large weights are left whole.
    """
    if size_of(g.weight_shape()) * g.itemsize > LARGE:
        return False
    rows, columns = g.edges()
    useful = sum((r.end - r.start) * (r.last - r.first) for r in rows)
    useful *= sum((c.end - c.start) * (c.last - c.first) for c in columns)
    wasted = 2 * g.n * g.o * g.c // g.groups * (g.oh * g.ow * g.kh * g.kw - useful)
    copied = g.n * size_of(g.border_shape(g.whole(0, 1))) * g.itemsize if g.padded() else 0
    return wasted / FLOPS + copied / BYTES > (len(rows) * len(columns) - 1) * CALL


def column_jobs(g: Geometry) -> list[Job]:
    """Give the jobs of im2col: windows and their outputs fit the cache."""
    return g.jobs(lambda taps: taps * g.c + g.o, halo(g))


def _column_sections(g: Geometry) -> list[list[Job]]:
    return g.sections(lambda taps: taps * g.c + g.o, halo(g))


def _parts(g: Geometry, jobs: Sequence[Job]) -> list[tuple[int, int]]:
    """Give the ranges of kernel columns that jobs take alone."""
    return sorted({(job.j0, job.j1) for job in jobs} - {(0, g.kw)})


def _column_sizes(g: Geometry, jobs: Sequence[Job]) -> tuple[int, ...]:
    border = 0 if halo(g) else _border_size(g, jobs)
    parts = sum(j1 - j0 for j0, j1 in _parts(g, jobs)) * size_of(g.weight_shape()) // g.kw
    return border, max(job.positions * job.taps for job in jobs) * g.c, parts


def _column_weights(
    g: Geometry, jobs: Sequence[Job], w: np.ndarray, work: Sequence[np.ndarray]
) -> tuple[Any, list[Run]]:
    """Copy each range of kernel columns together: the rows of the kernel then can be cut where they lie."""
    found, free = {(0, g.kw): w}, work[2]
    calls: list[Run] = []
    for j0, j1 in _parts(g, jobs):
        part = w[:, j0:j1]
        found[j0, j1], free = free[: part.size].reshape(part.shape), free[part.size :]
        calls.append(partial(np.copyto, found[j0, j1], part))
    return found, calls


def columns(g: Geometry, view: np.ndarray, work: np.ndarray) -> tuple[np.ndarray, list[Run]]:
    """Give windows (m, rows, columns, ni, nj, c) as a matrix (m rows columns, ni nj c), and the calls that fill it.

    With groups it is (groups, m rows columns, ni nj c / groups). Of a 1 x 1 kernel it is the data where it can be.
    """
    *lead, ni, nj, c = view.shape
    count, k = size_of(lead), ni * nj
    if g.groups > 1:
        each = c // g.groups
        col = work[: view.size].reshape(g.groups, *lead, ni, nj, each)
        parts = view.reshape(*view.shape[:5], g.groups, each)
        return col.reshape(g.groups, count, k * each), [item_copy(col, np.moveaxis(parts, 5, 0), 1)]
    if k == 1 and view.flags.c_contiguous:
        return view.reshape(count, c), []
    col = work[: view.size].reshape(view.shape)
    joined = 2 if g.dw == 1 else 1
    return col.reshape(count, k * c), [item_copy(col, view, joined)]


def gather(
    g: Geometry, x: np.ndarray, job: Job, before: Job | None, work: Sequence[np.ndarray]
) -> tuple[np.ndarray, list[Run]]:
    """Give the windows of a job as a matrix, and the calls that fill it: padding in work[0], the matrix in work[1]."""
    if halo(g):
        return columns(g, g.part(x, job, job.i0, job.j0, job.i1 - job.i0, job.j1 - job.j0), work[1])
    p, calls = g.source(x, job, work[0], before)
    col, copies = columns(g, g.windows(p, job, g.kh, g.kw), work[1])
    return col, calls + copies


def _im2col(
    g: Geometry, x: np.ndarray, weights: Any, y: np.ndarray, job: Job, before: Job | None, work: Sequence[np.ndarray]
) -> list[Run]:
    if not job.taps:
        return [partial(y.fill, 0)]
    a, calls = gather(g, x, job, before, work)
    b, c = weights[job.j0, job.j1][job.i0 : job.i1].reshape(-1, g.o), y.reshape(-1, g.o)
    if g.groups > 1:
        b, c = by_group(g, b), by_group(g, c)
    return [*calls, *product(a, b, c)]


# krow


def _row_sections(g: Geometry) -> list[list[Job]]:
    return g.sections(lambda taps: g.sh * g.kw * g.c + g.o, False)


def _row_sizes(g: Geometry, jobs: Sequence[Job]) -> tuple[int, ...]:
    rows = max(job.shape[0] * -(-g.border_shape(job)[1] // g.sh) for job in jobs)
    return _border_size(g, jobs), g.sh * rows * g.ow * g.kw * g.c, _most(jobs) * g.o


def _krow(
    g: Geometry, x: np.ndarray, w: np.ndarray, y: np.ndarray, job: Job, before: Job | None, work: Sequence[np.ndarray]
) -> list[Run]:
    p, calls = g.source(x, job, work[0], before)
    m, rows, _ = job.shape
    k = g.kw * g.c
    most = -(-p.shape[1] // g.sh)
    buffer = work[1][: g.sh * m * most * g.ow * k].reshape(g.sh, m, most, g.ow, g.kw, g.c)
    for phase in sorted({i * g.dh % g.sh for i in range(g.kh)}):
        source = _row_windows(g, p[:, phase :: g.sh])
        calls.append(item_copy(buffer[phase][:, : source.shape[1]], source, 2 if g.dw == 1 else 1))
    out = y.reshape(m, rows * g.ow, g.o)
    tmp = work[2][: out.size].reshape(out.shape)
    for i in range(g.kh):
        phase, at = i * g.dh % g.sh, i * g.dh // g.sh
        a = buffer[phase][:, at : at + rows].reshape(m, rows * g.ow, k)
        b = w[i].reshape(k, g.o)
        calls += product(a, b, tmp if i else out)
        calls += [partial(np.add, out, tmp, out=out)] if i else []
    return calls


def _row_windows(g: Geometry, p: np.ndarray) -> np.ndarray:
    """View rows (m, rows, columns, c) as (m, rows, ow, kw, c)."""
    a, b, c, d = p.strides
    return as_strided(p, (*p.shape[:2], g.ow, g.kw, p.shape[3]), (a, b, c * g.sw, c * g.dw, d))


# strided and depthwise: offset by offset, over the outputs whose window has data there


def _tap_sections(g: Geometry) -> list[list[Job]]:
    return g.sections(lambda taps: 2 * g.o, False)


def _tap_sizes(g: Geometry, jobs: Sequence[Job]) -> tuple[int, ...]:
    return _most(jobs) * g.o, g.kh * g.kw * g.ow * g.c if g.depthwise else 0


def _tap_weights(g: Geometry, jobs: Sequence[Job], w: np.ndarray, work: Sequence[np.ndarray]) -> tuple[Any, list[Run]]:
    """Repeat a depthwise weight along a row of the output, so that NumPy's loops are long."""
    if not g.depthwise:
        return w, []
    tiled = work[1].reshape(g.kh, g.kw, g.ow, g.c)
    return tiled, [partial(np.copyto, tiled, w)]


def tap_job(g: Geometry, job: Job, i: int, j: int) -> Job:
    """Cut a job to the outputs that kernel position (i, j) meets data for; it may be empty."""
    rows = [e for e in g.edges()[0] if e.first <= i < e.last]
    columns = [e for e in g.edges()[1] if e.first <= j < e.last]
    if not rows or not columns:
        return job._replace(r1=job.r0)
    r0, r1 = max(job.r0, rows[0].start), max(job.r0, min(job.r1, rows[-1].end))
    return job._replace(r0=r0, r1=max(r0, r1), c0=columns[0].start, c1=columns[-1].end)


def _by_tap(
    g: Geometry, x: np.ndarray, w: np.ndarray, y: np.ndarray, job: Job, before: Job | None, work: Sequence[np.ndarray]
) -> list[Run]:
    pairs = [(tap_job(g, job, i, j), i, j) for i in range(g.kh) for j in range(g.kw)]
    pairs = sorted((p for p in pairs if p[0].positions), key=lambda p: -p[0].positions)
    calls: list[Run] = []
    covered = bool(pairs) and pairs[0][0].positions == job.positions
    if not covered:
        calls.append(partial(y.fill, 0))
    for k, (part, i, j) in enumerate(pairs):
        place = y[:, part.r0 - job.r0 : part.r1 - job.r0, part.c0 : part.c1]
        a = g.part(x, part, i, j)[:, :, :, 0, 0]
        first = k == 0 and covered
        out = place if first else work[0][: place.size].reshape(place.shape)
        if g.depthwise:
            calls.append(partial(np.multiply, a, w[i, j, : place.shape[2]], out=out))
        else:
            calls += _product(g, a, w[i, j], out)
        calls += [] if first else [partial(np.add, place, out, out=place)]
    return calls


def _product(g: Geometry, a: np.ndarray, b: np.ndarray, y: np.ndarray) -> list[Run]:
    """y (m, rows, columns, o) = a (m, rows, columns, c) b (c, o), of each group."""
    if g.groups > 1:
        return [partial(np.matmul, _spread(g, a), by_group(g, b), out=_spread(g, y))]
    if a.flags.c_contiguous:
        a, y = a.reshape(-1, g.c), y.reshape(-1, g.o)
    return product(a, b, y)


def _spread(g: Geometry, a: np.ndarray) -> np.ndarray:
    """View (m, rows, columns, channels) as (m, rows, groups, columns, channels / groups)."""
    return a.reshape(*a.shape[:3], g.groups, -1).transpose(0, 1, 3, 2, 4)


FORWARD: dict[str, Algorithm] = {
    "im2col": Algorithm(_column_sections, _column_sizes, _column_weights, _im2col),
    "krow": Algorithm(_row_sections, _row_sizes, _as_it_is, _krow),
    "strided": Algorithm(_tap_sections, _tap_sizes, _tap_weights, _by_tap),
    "winograd": Algorithm(winograd.sections, winograd.sizes, winograd.weights, winograd.calls),
    "depthwise": Algorithm(_tap_sections, _tap_sizes, _tap_weights, _by_tap),
}


# What all share: jobs, bias and activation while a section's output is in cache


def _sizes(g: Geometry, sections: Sequence[Sequence[Job]], bias: bool, contiguous: bool) -> tuple[int, int]:
    """Give the elements of a piece of output that is not computed in place, and of the bias, repeated."""
    apart = [job.positions for section in sections for job in section if len(section) > 1 or not contiguous]
    image = g.oh * g.ow * g.o
    whole = image <= TILE and all(_rows_of(section) == (0, g.oh) for section in sections)
    return max(apart, default=0) * g.o, 2 * (image if whole else g.ow * g.o) if bias else 0


def _rows_of(section: Sequence[Job]) -> tuple[int, int]:
    return min(job.r0 for job in section), max(job.r1 for job in section)


def forward_size(g: Geometry, name: str, bias: bool, contiguous: bool = True) -> int:
    """Give the elements of working memory; `contiguous`: y is."""
    algorithm = FORWARD[name]
    sections = algorithm.sections(g)
    jobs = [job for section in sections for job in section]
    return sum(_sizes(g, sections, bias, contiguous)) + sum(algorithm.sizes(g, jobs))


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
    """Give the calls for y = act(conv(x, w) + bias): x (n, h, w, c), w (kh, kw, c / groups, o), y (n, oh, ow, o).

    x and w are contiguous; y has contiguous channels, and is contiguous where there is a bias or an activation.
    """
    algorithm = FORWARD[name]
    sections = algorithm.sections(g)
    jobs = [job for section in sections for job in section]
    sizes = _sizes(g, sections, bias is not None, y.flags.c_contiguous)
    apart, tile, *work = cut(scratch, x.dtype, *sizes, *algorithm.sizes(g, jobs))
    tiles = [] if bias is None else list(tile.reshape(2, -1))
    weights, calls = algorithm.weights(g, jobs, w, work)
    if bias is not None:
        calls += [partial(np.copyto, tiles[0].reshape(-1, g.o), bias), partial(np.negative, tiles[0], out=tiles[1])]
    before: Job | None = None
    for section in sections:
        for job in section:
            target = y[job.a : job.b, job.r0 : job.r1, job.c0 : job.c1]
            direct = len(section) == 1 and y.flags.c_contiguous
            out = target if direct else apart[: target.size].reshape(target.shape)
            calls += algorithm.calls(g, x, weights, out, job, before, work)
            calls += [] if direct else [item_copy(target, out, 1)]
            before = job
        start, stop = min(job.a for job in section), max(job.b for job in section)
        first, end = _rows_of(section)
        calls += _epilogue(y[start:stop, first:end], tiles, relu)
    return calls


def _epilogue(y: np.ndarray, bias: Sequence[np.ndarray], relu: bool) -> list[Run]:
    """y = act(y + b), where `bias` is b repeated, and -b. relu(y + b) = max(y, -b) + b, exactly."""
    if not bias:
        return [partial(np.clip, y, 0, np.inf, out=y)] if relu else []
    flat = y.reshape(-1, bias[0].size)
    calls: list[Run] = [partial(np.maximum, flat, bias[1], out=flat)] if relu else []
    return [*calls, partial(np.add, flat, bias[0], out=flat)]
