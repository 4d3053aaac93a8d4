"""The gradient of a weight by rows, for stride 1: one product gives it for all rows of the kernel.

dw[i, j, c, o] = sum over p, q of x[p + i - top, q + j - left, c] g[p, q, o]. Beside each row of x's windows (kw c) lie
the rows of g for every row of the kernel (kh o), so rows of x are copied once, not kh times as in im2col.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..product import product
from ..registry import Run
from .geometry import Geometry, Job, cut, item_copy, size_of

__all__ = ["fits", "weight_grad", "weight_grad_size"]


def fits(g: Geometry) -> bool:
    """Tell whether the algorithm is for this convolution."""
    return g.sh == g.groups == 1


def _jobs(g: Geometry) -> list[Job]:
    return g.jobs(lambda taps: 2 * g.sw * g.c + g.kw * g.c + g.kh * g.o, False)


def _rows(g: Geometry, job: Job) -> tuple[int, int]:
    """Give the rows of the data that a job reads."""
    start = min(g.h, max(0, job.r0 - g.top))
    return start, max(start, min(g.h, job.r1 - g.top + (g.kh - 1) * g.dh))


def _sizes(g: Geometry, jobs: Sequence[Job]) -> tuple[int, int, int, int]:
    count = max((job.b - job.a) * (end - start) * g.ow for job in jobs for start, end in [_rows(g, job)])
    border = max(size_of(g.border_shape(job)) for job in jobs) if g.padded() else 0
    return border, count * g.kw * g.c, count * g.kh * g.o, 2 * size_of(g.weight_shape())


def weight_grad_size(g: Geometry) -> int:
    """Give the elements of working memory."""
    return sum(_sizes(g, _jobs(g)))


def weight_grad(g: Geometry, x: np.ndarray, dy: np.ndarray, dw: np.ndarray, scratch: np.ndarray) -> list[Run]:
    """Give the calls for dw (kh, kw, c, o): x (n, h, w, c), dy (n, oh, ow, o)."""
    jobs = _jobs(g)
    work = cut(scratch, x.dtype, *_sizes(g, jobs))
    total, part = work[3].reshape(2, g.kw * g.c, g.kh * g.o)
    calls: list[Run] = []
    for k, job in enumerate(jobs):
        windows, more = _windows(g, x, job, jobs[k - 1] if k else None, work)
        rows, copies = _shifted(g, dy, job, work[2])
        calls += [*more, *copies, *product(windows.T, rows, part if k else total)]
        calls += [partial(np.add, total, part, total)] if k else []
    found = total.reshape(g.kw, g.c, g.kh, g.o).transpose(2, 0, 1, 3)
    return [*calls, partial(np.copyto, dw, found)]


def _windows(
    g: Geometry, x: np.ndarray, job: Job, before: Job | None, work: Sequence[np.ndarray]
) -> tuple[np.ndarray, list[Run]]:
    """Give the windows of rows as a matrix (m rows ow, kw c), and the calls that fill it."""
    p, calls = g.source(x, job, work[0], before)
    start, end = _rows(g, job)
    skip = start - (job.r0 - g.top)
    a, b, c, d = p.strides
    shape = (len(p), end - start, g.ow, g.kw, g.c)
    source = as_strided(p[:, skip:], shape, (a, b, c * g.sw, c * g.dw, d))
    windows = work[1][: size_of(shape)].reshape(shape)
    calls.append(item_copy(windows, source, 2 if g.dw == 1 else 1))
    return windows.reshape(-1, g.kw * g.c), calls


def _shifted(g: Geometry, dy: np.ndarray, job: Job, work: np.ndarray) -> tuple[np.ndarray, list[Run]]:
    """Give the gradient's rows that meet each row of x as a matrix (m rows ow, kh o), zero where there is none."""
    start, end = _rows(g, job)
    shape = (job.b - job.a, end - start, g.ow, g.kh, g.o)
    rows = work[: size_of(shape)].reshape(shape)
    calls: list[Run] = []
    for i in range(g.kh):
        shift = i * g.dh - g.top  # row p of the gradient meets row p + shift of x
        lo = min(end, max(start, job.r0 + shift))
        hi = max(lo, min(end, job.r1 + shift))
        here = rows[:, :, :, i]
        calls += [partial(a.fill, 0) for a in (here[:, : lo - start], here[:, hi - start :]) if a.size]
        if hi > lo:
            calls.append(item_copy(here[:, lo - start : hi - start], dy[job.a : job.b, lo - shift : hi - shift], 1))
    return rows.reshape(-1, g.kh * g.o), calls
