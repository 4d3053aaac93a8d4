"""The gradients of a convolution over channels-last data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ..product import product
from ..registry import Run
from . import krow_grad, winograd
from .forward import LARGE, by_group, column_jobs, forward, forward_size, gather, halo, tap_job
from .geometry import Geometry, Job, Phase, cut, item_copy, size_of

__all__ = ["data_grad", "data_grad_size", "weight_grad", "weight_grad_size"]

Rule = Callable[[Geometry], str]


# Of the data: convolutions of the gradient with the kernel turned around, one for each place within a stride, so that
# no product is with a zero that the stride put in.


def _weight_size(g: Geometry) -> int:
    return size_of(g.weight_shape())


def data_grad_size(g: Geometry, rule: Rule) -> int:
    """Give the elements of working memory."""
    contiguous = g.sh == g.sw == 1
    sizes = [
        forward_size(p.geometry, rule(p.geometry), False, contiguous) + _weight_size(p.geometry)
        for p in g.phases()
        if p.rows and p.columns
    ]
    return max(sizes, default=0)


def data_grad(g: Geometry, rule: Rule, dy: np.ndarray, w: np.ndarray, dx: np.ndarray, scratch: np.ndarray) -> list[Run]:
    """Give the calls for dx (n, h, w, c): dy (n, oh, ow, o), w (kh, kw, o, c / groups)."""
    calls: list[Run] = []
    for phase in g.phases():
        target = dx[:, phase.y0 :: g.sh, phase.x0 :: g.sw]
        p = phase.geometry
        if not phase.rows or not phase.columns:
            calls.append(partial(target.fill, 0))
            continue
        n = _weight_size(p) * dx.itemsize
        turned = scratch[:n].view(dx.dtype).reshape(p.weight_shape())
        calls += _turn(g, phase, w, turned)
        calls += forward(p, rule(p), dy, turned, None, False, target, scratch[n:])
    return calls


def _turn(g: Geometry, phase: Phase, w: np.ndarray, turned: np.ndarray) -> list[Run]:
    """Copy the taps of a phase, and the channels of each group from (o, c) order to (o / groups, c)."""
    og, cg = g.o // g.groups, g.c // g.groups
    source = w[_steps(phase.rows)][:, _steps(phase.columns)].reshape(
        len(phase.rows), len(phase.columns), g.groups, og, cg
    )
    target = turned.reshape(len(phase.rows), len(phase.columns), og, g.groups, cg)
    return [partial(np.copyto, target, source.transpose(0, 1, 3, 2, 4))]


def _steps(taps: tuple[int, ...]) -> slice:
    """Give a falling sequence of equal steps as a slice."""
    step = taps[1] - taps[0] if len(taps) > 1 else -1
    end = taps[-1] + step
    return slice(taps[0], end if end >= 0 else None, step)


# Of the weight: products of the windows with the gradient, piece by piece.

_WHOLE = {"krow": krow_grad, "winograd": winograd}  # algorithms with files of their own


def _grad_jobs(g: Geometry, name: str) -> list[Job]:
    if name != "im2col":
        return g.jobs(lambda taps: g.c + g.o, False)
    if halo(g):
        return column_jobs(g)
    return g.jobs(lambda taps: taps * g.c + g.o, False, 2 * _weight_size(g) * g.itemsize)


def weight_grad_size(g: Geometry, name: str) -> int:
    """Give the elements of working memory."""
    if name in _WHOLE:
        return _WHOLE[name].weight_grad_size(g)
    if _by_rows(g, name):
        return max(weight_grad_size(r, name) for r in _kernel_rows(g))
    return sum(_grad_sizes(g, name, _grad_jobs(g, name)))


def _by_rows(g: Geometry, name: str) -> bool:
    """Tell whether the weight is so large that its gradient is computed row by row, with less working memory."""
    return name == "im2col" and g.kh > 1 and _weight_size(g) * g.itemsize > LARGE


def _kernel_rows(g: Geometry) -> list[Geometry]:
    """Give the convolution with each row of the kernel alone."""
    return [replace(g, kh=1, top=g.top - i * g.dh) for i in range(g.kh)]


def _covered(g: Geometry, name: str, jobs: Sequence[Job]) -> bool:
    """Tell whether the first job writes all of the weight's gradient; else it starts at zero."""
    return name == "im2col" and jobs[0].taps == g.kh * g.kw


def _grad_sizes(g: Geometry, name: str, jobs: Sequence[Job]) -> tuple[int, int, int, int]:
    most = max(job.positions for job in jobs)
    weight = _weight_size(g) if len(jobs) > 1 or not _covered(g, name, jobs) else 0
    apart = any(job.shape[2] < g.ow or (job.shape[0] > 1 and job.shape[1] < g.oh) for job in jobs) or name != "im2col"
    gradient = most * g.o if apart else 0
    if name != "im2col":
        return 0, most * g.c, gradient, weight // (g.kh * g.kw)
    border = 0 if halo(g) or not g.padded() else max(size_of(g.border_shape(job)) for job in jobs)
    return border, max(job.positions * job.taps for job in jobs) * g.c, gradient, weight


def weight_grad(
    g: Geometry, name: str, x: np.ndarray, dy: np.ndarray, dw: np.ndarray, scratch: np.ndarray
) -> list[Run]:
    """Give the calls for dw (kh, kw, c / groups, o): x (n, h, w, c), dy (n, oh, ow, o)."""
    if name in _WHOLE:
        return _WHOLE[name].weight_grad(g, x, dy, dw, scratch)
    if _by_rows(g, name):
        rows = enumerate(_kernel_rows(g))
        return [call for i, r in rows for call in weight_grad(r, name, x, dy, dw[i : i + 1], scratch)]
    jobs = _grad_jobs(g, name)
    work = cut(scratch, x.dtype, *_grad_sizes(g, name, jobs))
    calls: list[Run] = []
    covered = _covered(g, name, jobs)
    if not covered:
        calls.append(partial(dw.fill, 0))
    for k, job in enumerate(jobs):
        if not job.taps:
            continue  # windows in the padding alone
        if name == "im2col":
            calls += _by_columns(g, x, dy, dw, job, jobs[k - 1] if k else None, work, k == 0 and covered)
        else:
            calls += _by_tap(g, x, dy, dw, job, work)
    return calls


def _gradient(dy: np.ndarray, job: Job, work: np.ndarray) -> tuple[np.ndarray, list[Run]]:
    """Give the gradient of a job's outputs as a matrix (count, o), and the calls that fill it."""
    view = dy[job.a : job.b, job.r0 : job.r1, job.c0 : job.c1]
    if view.flags.c_contiguous:
        return view.reshape(-1, view.shape[3]), []
    flat = work[: view.size].reshape(view.shape)
    return flat.reshape(-1, view.shape[3]), [item_copy(flat, view, 2)]


def _by_columns(
    g: Geometry,
    x: np.ndarray,
    dy: np.ndarray,
    dw: np.ndarray,
    job: Job,
    before: Job | None,
    work: Sequence[np.ndarray],
    first: bool,
) -> list[Run]:
    col, calls = gather(g, x, job, before, work)
    gy, more = _gradient(dy, job, work[2])
    place = dw[job.i0 : job.i1, job.j0 : job.j1]
    return [*calls, *more, *_outer(g, col, gy, place, work[3], first)]


def _outer(g: Geometry, col: np.ndarray, gy: np.ndarray, place: np.ndarray, tmp: np.ndarray, first: bool) -> list[Run]:
    """place (..., c / groups, o) = or += col^T gy."""
    part = place if first else tmp[: place.size].reshape(place.shape)
    flat = part.reshape(-1, g.o)
    if g.groups == 1:
        calls: list[Run] = product(col.T, gy, flat)
    else:
        calls = [partial(np.matmul, col.transpose(0, 2, 1), by_group(g, gy), out=by_group(g, flat))]
    return calls if first else [*calls, partial(np.add, place, part, out=place)]


def _by_tap(
    g: Geometry, x: np.ndarray, dy: np.ndarray, dw: np.ndarray, job: Job, work: Sequence[np.ndarray]
) -> list[Run]:
    """One offset of the kernel at a time: its data as a matrix, in place where it lies so."""
    calls: list[Run] = []
    for i in range(g.kh):
        for j in range(g.kw):
            part = tap_job(g, job, i, j)
            if not part.positions:
                continue
            a = g.part(x, part, i, j)[:, :, :, 0, 0]
            flat = work[1][: a.size].reshape(a.shape)
            gy, copies = _gradient(dy, part, work[2])
            calls += copies
            if g.depthwise:
                calls += _channel_dots(a, gy, flat, dw[i, j, 0], work[3])
                continue
            if a.flags.c_contiguous:
                flat = a
            else:
                calls.append(item_copy(flat, a, 1))
            col = flat.reshape(-1, g.c)
            calls += _outer(g, col if g.groups == 1 else by_group(g, col), gy, dw[i, j], work[3], False)
    return calls


def _channel_dots(a: np.ndarray, gy: np.ndarray, flat: np.ndarray, place: np.ndarray, tmp: np.ndarray) -> list[Run]:
    """place (c,) += the sums of a gy over all positions."""
    ones = np.ones(len(gy), gy.dtype)
    return [
        partial(np.multiply, a, gy.reshape(a.shape), out=flat),
        partial(np.matmul, ones, flat.reshape(-1, place.size), out=tmp),
        partial(np.add, place, tmp, out=place),
    ]
