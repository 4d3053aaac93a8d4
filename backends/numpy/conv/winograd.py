"""Convolution with three kernel rows by Winograd's algorithm along the rows: half the products.

y = A^T [(G w) * (B^T d)] for six rows d of the data, three rows w of the kernel and four rows y, which takes six
products in place of twelve (Winograd 1980; Lavin and Gray 2015, F(4, 3)), here at the points 0, +-1/sqrt(2), +-sqrt(2)
and infinity, which round better than 0, +-1, +-2. Columns are windows, as in krow. Transforms add up whole rows of
images, so NumPy's loops are long. The gradient of the weight is G^T [(B^T d) * (A g)].
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..product import product
from ..registry import Run
from .geometry import Geometry, Job, cut, inside, item_copy, size_of

__all__ = ["calls", "filled", "fits", "sections", "sizes", "weight_grad", "weight_grad_size", "weights"]

ROWS, TAPS, POINTS = 4, 3, 6
PAIRS = ((1, 0.5**0.5), (3, 2**0.5))  # the products at the points +a and -a follow each other from here on
LEAST = 2 << 20  # bytes of working memory filled at once: the calls are many, and smaller ones are soon all overhead
SUM = 2.5  # of the squares of the two points; their product is 1


def fits(g: Geometry) -> bool:
    """Tell whether the algorithm is for this convolution."""
    return g.kh == TAPS and g.sh == g.dh == g.groups == 1


def filled(rows: int) -> int:
    """Give the rows of the tiles that hold so many."""
    return -(-rows // ROWS) * ROWS


# Jobs and working memory


def sections(g: Geometry) -> list[list[Job]]:
    """Give the jobs, by the output they complete."""
    c, k = g.sw * g.c, g.kw * g.c
    return [[job] for job in g.jobs(lambda taps: c + POINTS * (c + g.o) // ROWS + k // ROWS + g.o, False, LEAST)]


def _tiles(job: Job) -> int:
    return filled(job.shape[1]) // ROWS


def _border(g: Geometry, job: Job) -> tuple[int, int, int, int]:
    """Give the shape of the padded data (rows, m, columns, c): a row of all samples is one piece of memory."""
    m, _, columns, c = g.border_shape(job)
    return ROWS * _tiles(job) + TAPS - 1, m, columns, c


def _areas(g: Geometry, jobs: Sequence[Job]) -> tuple[int, int, int]:
    """Give the elements of the padded data and of one of its rows in each tile, and the positions of one row."""
    border = max(size_of(_border(g, job)) for job in jobs)
    tiles = max(job.shape[0] * _tiles(job) for job in jobs)
    return border, tiles * g.border_shape(jobs[0])[2] * g.c, tiles * g.ow


def sizes(g: Geometry, jobs: Sequence[Job]) -> tuple[int, ...]:
    """Give the elements of: padded data; its rows, transformed, and two more; windows; products and one; weights."""
    border, row, count = _areas(g, jobs)
    k = g.kw * g.c
    return border, (POINTS + 2) * row, count * k, (POINTS + 1) * count * g.o, (POINTS + 1) * k * g.o


# Forward


def weights(g: Geometry, jobs: Sequence[Job], w: np.ndarray, work: Sequence[np.ndarray]) -> tuple[Any, list[Run]]:
    """Give u = G w (6, kw c, o), and the calls that compute it."""
    *u, t = work[4].reshape(POINTS + 1, g.kw * g.c, g.o)
    w0, w1, w2 = w.reshape(TAPS, g.kw * g.c, g.o)
    found: list[Run] = [partial(np.copyto, u[0], w0), partial(np.copyto, u[5], w2)]
    for k, a in PAIRS:
        scale = _scale(a)
        found += [
            partial(np.multiply, w2, a * a, out=t),
            partial(np.add, t, w0, out=t),
            partial(np.multiply, t, scale, out=t),
            partial(np.multiply, w1, a * scale, out=u[k + 1]),
            partial(np.add, t, u[k + 1], out=u[k]),
            partial(np.subtract, t, u[k + 1], out=u[k + 1]),
        ]
    return work[4][: POINTS * w0.size].reshape(POINTS, *w0.shape), found


def _scale(a: float) -> float:
    """Give 1 over the derivative of x (x^2 - a^2) (x^2 - b^2) at a."""
    return 1 / (2 * a * a * (2 * a * a - SUM))


def _padded(g: Geometry, x: np.ndarray, job: Job, before: Job | None, work: np.ndarray) -> tuple[np.ndarray, list[Run]]:
    """Give the data that a job's tiles read, with zeros around it, and the calls that fill it."""
    shape = _border(g, job)
    p = work[: size_of(shape)].reshape(shape)
    first = job.r0 - g.top
    lo, hi = inside(first, shape[0], g.h)
    left, right = inside(-g.left, shape[2], g.w)
    found: list[Run] = []
    if before is None or _border(g, before) != shape or before[2:] != job[2:]:
        border = [p[:lo], p[hi:], p[lo:hi, :, :left], p[lo:hi, :, right:]]
        found += [partial(b.fill, 0) for b in border if b.size]
    if hi > lo and right > left:
        source = x[job.a : job.b, lo + first : hi + first, left - g.left : right - g.left].transpose(1, 0, 2, 3)
        found.append(item_copy(p[lo:hi, :, left:right], source, 2))
    return p, found


def _windows(
    g: Geometry, x: np.ndarray, job: Job, before: Job | None, work: Sequence[np.ndarray]
) -> tuple[np.ndarray, list[Run], list[Run]]:
    """Give B^T d as windows of columns (positions, kw c): memory for one point, the calls that compute all, and for
    each point the call that brings its windows there, so that they are in cache for their product.
    """
    p, found = _padded(g, x, job, before, work[0])
    _, m, columns, _ = p.shape
    tiles, width = _tiles(job), m * columns * g.c
    rows = work[1][: (POINTS + 2) * tiles * width].reshape(POINTS + 2, tiles, width)
    lines = p.reshape(-1, width)
    found += _transform([lines[k : k + ROWS * (tiles - 1) + 1 : ROWS] for k in range(POINTS)], rows)
    shape = (tiles * m, g.ow, g.kw, g.c)
    windows = work[2][: size_of(shape)].reshape(shape)
    parts = rows[:POINTS].reshape(POINTS, tiles * m, columns, g.c)
    _, b, c, d = parts.strides
    sources = [as_strided(part, shape, (b, c * g.sw, c * g.dw, d)) for part in parts]
    copies = [item_copy(windows, source, 2 if g.dw == 1 else 1) for source in sources]
    return windows.reshape(-1, g.kw * g.c), found, copies


def _transform(d: Sequence[np.ndarray], out: np.ndarray) -> list[Run]:
    """out = B^T d; the last two of `out` are free."""
    *v, s, t = out
    found: list[Run] = []
    for k in (0, 5):  # d0 - 2.5 d2 + d4, d1 - 2.5 d3 + d5
        low, middle, high = d[k % 4 : k % 4 + 5 : 2]
        found += [
            partial(np.multiply, middle, _number(-SUM, s), v[k]),
            partial(np.add, v[k], low, v[k]),
            partial(np.add, v[k], high, v[k]),
        ]
    for k, a in PAIRS:  # (d4 - d2 / a^2) +- a (d3 - d1 / a^2), where 1 / a^2 is the other point's square
        found += [
            partial(np.multiply, d[2], _number(-1 / (a * a), s), s),
            partial(np.add, s, d[4], s),
            partial(np.multiply, d[1], _number(-1 / a, s), t),
            partial(np.multiply, d[3], _number(a, s), v[k]),
            partial(np.add, t, v[k], t),
            partial(np.add, s, t, v[k]),
            partial(np.subtract, s, t, v[k + 1]),
        ]
    return found


def calls(
    g: Geometry, x: np.ndarray, u: np.ndarray, y: np.ndarray, job: Job, before: Job | None, work: Sequence[np.ndarray]
) -> list[Run]:
    """Give the calls for a contiguous y (m, rows, columns, o)."""
    windows, found, copies = _windows(g, x, job, before, work)
    shape = (POINTS + 1, len(windows), g.o)
    products = work[3][: size_of(shape)].reshape(shape)
    for k, copy in enumerate(copies):
        found += [copy, *product(windows, u[k], products[k])]
    return found + _output(products.reshape(POINTS + 1, _tiles(job), job.shape[0], -1), _lines(y))


def _lines(y: np.ndarray) -> np.ndarray:
    """View (m, rows, columns, o) as (rows, m, columns o)."""
    return y.reshape(*y.shape[:2], -1).transpose(1, 0, 2)


def _output(products: np.ndarray, y: np.ndarray) -> list[Run]:
    """y = A^T products: row k of a tile is the sum of the powers k of the points times their products."""
    m0, m1, m2, m3, m4, m5, t = products
    found: list[Run] = [
        partial(np.add, m1, m2, t),
        partial(np.subtract, m1, m2, m1),
        partial(np.add, m3, m4, m2),
        partial(np.subtract, m3, m4, m3),
        partial(np.add, m0, t, m0),
    ]
    even, odd = (t, m2), (m1, m3)
    for k in range(min(ROWS, len(y))):
        out = y[k::ROWS]
        n = len(out)
        first, second = (a[:n] for a in ((even, odd)[k % 2]))
        if k == 0:
            found.append(partial(np.add, m0[:n], second, out))
            continue
        scaled, other = m4[:n], m0[:n]
        found += [
            partial(np.multiply, first, _number(PAIRS[0][1] ** k, y), scaled),
            partial(np.multiply, second, _number(PAIRS[1][1] ** k, y), other),
            *([partial(np.add, scaled, m5[:n], scaled)] if k == 3 else []),
            partial(np.add, scaled, other, out),
        ]
    return found


def _number(value: float, like: np.ndarray) -> np.ndarray:
    """Give a scalar as an array: NumPy takes it faster than a number."""
    return np.array(value, like.dtype)


# Gradient of the weight


def _grad_jobs(g: Geometry) -> list[Job]:
    return [job for section in sections(g) for job in section]


def _grad_sizes(g: Geometry, jobs: Sequence[Job]) -> tuple[int, ...]:
    border, row, count = _areas(g, jobs)
    k = g.kw * g.c
    return border, (POINTS + 2) * row, count * k, (POINTS + 2) * count * g.o, 2 * POINTS * k * g.o


def weight_grad_size(g: Geometry) -> int:
    """Give the elements of working memory."""
    return sum(_grad_sizes(g, _grad_jobs(g)))


def weight_grad(g: Geometry, x: np.ndarray, dy: np.ndarray, dw: np.ndarray, scratch: np.ndarray) -> list[Run]:
    """Give the calls for dw (3, kw, c, o): x (n, h, w, c), dy (n, oh, ow, o)."""
    jobs = _grad_jobs(g)
    work = cut(scratch, x.dtype, *_grad_sizes(g, jobs))
    total, part = work[4].reshape(2, POINTS, g.kw * g.c, g.o)
    found: list[Run] = []
    for k, job in enumerate(jobs):
        windows, more, copies = _windows(g, x, job, jobs[k - 1] if k else None, work)
        shape = (POINTS + 2, len(windows), g.o)
        rows = work[3][: size_of(shape)].reshape(shape)
        found += more
        lines = _lines(dy[job.a : job.b, job.r0 : job.r1])
        found += _spread(lines, rows.reshape(POINTS + 2, _tiles(job), job.shape[0], -1))
        for i, copy in enumerate(copies):
            found += [copy, *product(windows.T, rows[i], (part if k else total)[i])]
        found += [partial(np.add, total, part, total)] if k else []
    return found + _gather(total, part, dw.reshape(TAPS, g.kw * g.c, g.o))


def _spread(dy: np.ndarray, out: np.ndarray) -> list[Run]:
    """out = A dy, where rows that the last tile lacks are zero; the last two of `out` are free."""
    *z, s, t = out
    d = [dy[k::ROWS] for k in range(ROWS)]
    n = [len(a) for a in d]
    partly = n[3] < n[0]
    found: list[Run] = [partial(z[5].fill, 0)] if partly else []
    found += [partial(np.copyto, z[0], d[0]), partial(np.copyto, z[5][: n[3]], d[3])]
    for k, a in PAIRS:
        found += [partial(out[POINTS:].fill, 0)] if partly else []
        found += [
            partial(np.multiply, d[2], _number(a * a, s), s[: n[2]]),
            partial(np.add, s, z[0], s),
            partial(np.multiply, d[1], _number(a, s), t[: n[1]]),
            partial(np.multiply, z[5], _number(a**3, s), z[k]),
            partial(np.add, t, z[k], t),
            partial(np.add, s, t, z[k]),
            partial(np.subtract, s, t, z[k + 1]),
        ]
    return found


def _gather(total: np.ndarray, part: np.ndarray, dw: np.ndarray) -> list[Run]:
    """dw = G^T total."""
    found: list[Run] = [partial(np.copyto, dw[0], total[0]), partial(np.copyto, dw[2], total[5])]
    even, odd = part[:2]
    for k, (i, a) in enumerate(PAIRS):
        scale = _scale(a)
        found += [
            partial(np.add, total[i], total[i + 1], out=even),
            partial(np.subtract, total[i], total[i + 1], out=odd),
            partial(np.multiply, even, scale, out=even),
            partial(np.add, dw[0], even, out=dw[0]),
            partial(np.multiply, even, a * a, out=even),
            partial(np.add, dw[2], even, out=dw[2]),
            partial(np.multiply, odd, a * scale, out=odd),
            partial(np.add, dw[1], odd, out=dw[1]) if k else partial(np.copyto, dw[1], odd),
        ]
    return found
