"""The sizes of a convolution over channels-last data, and the pieces of it that are worked on at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from graphnn.ops.conv import Convolution

from ..registry import Run

__all__ = ["Geometry", "Job", "cut", "inside", "item_copy", "size_of"]

SLICE = 1 << 20  # bytes of working memory filled at once: what the second-level cache holds


class Job(NamedTuple):
    """Samples [a, b), output rows [r0, r1) and columns [c0, c1), with the rows [i0, i1) and columns [j0, j1) of the
    kernel that meet data there.
    """

    a: int
    b: int
    r0: int
    r1: int
    c0: int
    c1: int
    i0: int
    i1: int
    j0: int
    j1: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.b - self.a, self.r1 - self.r0, self.c1 - self.c0

    @property
    def positions(self) -> int:
        """Output positions."""
        return size_of(self.shape)

    @property
    def taps(self) -> int:
        return (self.i1 - self.i0) * (self.j1 - self.j0)


class Edge(NamedTuple):
    """Along one axis: outputs [start, end) whose windows meet data at the kernel's positions [first, last)."""

    start: int
    end: int
    first: int
    last: int


class PhaseAxis(NamedTuple):
    """Along one axis: the data's positions start, start + stride, ... and the kernel's positions that reach them."""

    start: int
    size: int
    taps: tuple[int, ...]  # in the order of the outputs they connect to
    dilate: int
    pad: int


class Phase(NamedTuple):
    """The data's rows y0, y0 + stride, ... and columns x0, ...: the convolution with these taps of the kernel."""

    y0: int
    x0: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    geometry: Geometry


@dataclass(frozen=True)
class Geometry:
    """One convolution in 2-D form; one-dimensional data has a height of 1.

    Output row p reads the rows p sh + i dh - top of the data, i < kh; rows and columns outside it are zero. `top` and
    `left` may be negative: rows then are skipped.
    """

    n: int
    h: int
    w: int
    c: int
    o: int
    groups: int
    oh: int
    ow: int
    kh: int
    kw: int
    sh: int
    sw: int
    dh: int
    dw: int
    top: int
    left: int
    itemsize: int

    @classmethod
    def of(cls, conv: Convolution, shape: Sequence[int], itemsize: int) -> Geometry:
        """Give the sizes for data (n, h, w, c) or (n, w, c)."""
        n, *sizes, c = shape
        window = conv.window(len(sizes))
        out = window.out(sizes)
        lead = 2 - len(sizes)
        fill = ((1,) * lead, (1,) * lead, (1,) * lead, (0,) * lead)
        kernel, stride, dilate, pad = ((*f, *v) for f, v in zip(fill, window, strict=True))
        (h, w), (oh, ow) = (*fill[0], *sizes), (*fill[0], *out)
        (kh, kw), (sh, sw), (dh, dw), (top, left) = kernel, stride, dilate, pad
        o, groups = conv.num_filter, conv.num_group
        return cls(n, h, w, c, o, groups, oh, ow, kh, kw, sh, sw, dh, dw, top, left, itemsize)

    def phases(self) -> list[Phase]:
        """Give the convolutions of the output's gradient that give the data's: one for each place within a stride."""
        rows = [_phase(y, self.h, self.kh, self.sh, self.dh, self.top) for y in range(min(self.sh, self.h))]
        columns = [_phase(x, self.w, self.kw, self.sw, self.dw, self.left) for x in range(min(self.sw, self.w))]
        return [self._phase(r, c) for r in rows for c in columns]

    def _phase(self, r: PhaseAxis, c: PhaseAxis) -> Phase:
        sizes = (self.n, self.oh, self.ow, self.o, self.c, self.groups, r.size, c.size)
        taps = (len(r.taps), len(c.taps), 1, 1, r.dilate, c.dilate, r.pad, c.pad)
        return Phase(r.start, c.start, r.taps, c.taps, Geometry(*sizes, *taps, self.itemsize))

    def weight_shape(self) -> tuple[int, int, int, int]:
        return self.kh, self.kw, self.c // self.groups, self.o

    @property
    def depthwise(self) -> bool:
        return self.groups == self.c == self.o

    def padded(self) -> bool:
        """Tell whether a window reaches outside the image."""
        return any(e[2:] != (0, k) for es, k in zip(self.edges(), (self.kh, self.kw), strict=True) for e in es)

    def whole(self, a: int, b: int) -> Job:
        """Give the job of all outputs of samples [a, b), with the whole kernel."""
        return Job(a, b, 0, self.oh, 0, self.ow, 0, self.kh, 0, self.kw)

    def edges(self) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
        """Cut rows and columns of the output by which part of the kernel meets data."""
        rows = _edges(self.oh, self.kh, self.sh, self.dh, self.top, self.h)
        return rows, _edges(self.ow, self.kw, self.sw, self.dw, self.left, self.w)

    def jobs(self, each: Callable[[int], int], halo: bool, least: int = 0) -> list[Job]:
        """Cut the work so that a job has about SLICE bytes, or `least`, at `each(taps)` working elements an output.

        With `halo` jobs also end where the kernel begins to meet padding, which then need not be there; those with the
        whole kernel come first.
        """
        if not halo:
            return self._slices(self.whole(0, self.n), each(self.kh * self.kw), least)
        return self._pieces(0, self.n, each, least)

    def sections(self, each: Callable[[int], int], halo: bool) -> list[list[Job]]:
        """Give the jobs in sections that complete the output of some samples or rows, of about SLICE bytes."""
        if not halo:
            return [[job] for job in self.jobs(each, False)]
        most = max(1, SLICE // (self.oh * self.ow * self.o * self.itemsize))
        return [self._pieces(a, b, each, 0) for a, b in _even(0, self.n, most)]

    def _pieces(self, a: int, b: int, each: Callable[[int], int], least: int) -> list[Job]:
        found = []
        for r in self.edges()[0]:
            for c in self.edges()[1]:
                job = Job(a, b, r.start, r.end, c.start, c.end, r.first, r.last, c.first, c.last)
                found += self._slices(job, each(max(1, job.taps)), least)
        return sorted(found, key=lambda job: -job.taps)

    def _slices(self, job: Job, each: int, least: int) -> list[Job]:
        """Cut a job over its samples or, where one is too large, over rows."""
        _, rows, columns = job.shape
        row, most = each * columns * self.itemsize, max(SLICE, least)
        if row * rows <= most:
            edges = _even(job.a, job.b, max(1, most // (row * rows)))
            return [job._replace(a=a, b=b) for a, b in edges]
        edges = _even(job.r0, job.r1, max(1, most // row))
        return [job._replace(a=a, b=a + 1, r0=r, r1=s) for a in range(job.a, job.b) for r, s in edges]

    def part(self, x: np.ndarray, job: Job, i: int, j: int, ni: int = 1, nj: int = 1) -> np.ndarray:
        """View x (n, h, w, c) as the data under kernel rows [i, i + ni) and columns [j, j + nj) of a job's windows.

        The shape is (m, rows, columns, ni, nj, c); nothing of it may be padding.
        """
        top, left = job.r0 * self.sh + i * self.dh - self.top, job.c0 * self.sw + j * self.dw - self.left
        return self.windows(x[job.a : job.b, top:, left:], job, ni, nj)

    def windows(self, p: np.ndarray, job: Job, ni: int, nj: int) -> np.ndarray:
        """View p, whose first element is the first window's, as (m, rows, columns, ni, nj, c)."""
        a, b, c, d = p.strides
        strides = (a, b * self.sh, c * self.sw, b * self.dh, c * self.dw, d)
        return as_strided(p, (*job.shape, ni, nj, p.shape[3]), strides)

    def border_shape(self, job: Job) -> tuple[int, int, int, int]:
        """Give the shape of the padded data that a job reads."""
        rows = (job.r1 - job.r0 - 1) * self.sh + (self.kh - 1) * self.dh + 1
        columns = (job.c1 - job.c0 - 1) * self.sw + (self.kw - 1) * self.dw + 1
        return job.b - job.a, rows, columns, self.c

    def source(self, x: np.ndarray, job: Job, work: np.ndarray, before: Job | None) -> tuple[np.ndarray, list[Run]]:
        """Give the padded data (m, rows, columns, c) of a job with the whole kernel, and the calls that fill it.

        Where nothing is padded it is a view of x. `before` is the job that filled the same memory.
        """
        _, rows, columns, _ = shape = self.border_shape(job)
        first = job.r0 * self.sh
        if not self.padded():
            return x[job.a : job.b, first - self.top : first - self.top + rows, -self.left : columns - self.left], []
        p = work[: size_of(shape)].reshape(shape)
        lo, hi = inside(first - self.top, rows, self.h)
        left, right = inside(-self.left, columns, self.w)
        calls: list[Run] = []
        clean = before is not None and before[2:] == job[2:] and before.b - before.a >= job.b - job.a
        if not clean:
            border = [p[:, :lo], p[:, hi:], p[:, lo:hi, :left], p[:, lo:hi, right:]]
            calls += [partial(b.fill, 0) for b in border if b.size]
        if hi > lo and right > left:
            y, z = first - self.top, -self.left
            calls.append(item_copy(p[:, lo:hi, left:right], x[job.a : job.b, lo + y : hi + y, left + z : right + z], 2))
        return p, calls


def inside(start: int, count: int, size: int) -> tuple[int, int]:
    """Give which of the positions start, start + 1, ... lie in [0, size), counted from the first."""
    first = min(count, max(0, -start))
    return first, max(first, min(count, size - start))


@cache
def _edges(n: int, k: int, s: int, d: int, pad: int, size: int) -> tuple[Edge, ...]:
    """Group the outputs along one axis by the positions of the kernel that meet data there."""
    found: list[Edge] = []
    for r in range(n):
        start = r * s - pad
        first = min(k, max(0, -(start // d)))
        last = max(first, min(k, (size - 1 - start) // d + 1))
        if found and found[-1][2:] == (first, last):
            found[-1] = found[-1]._replace(end=r + 1)
        else:
            found.append(Edge(r, r + 1, first, last))
    return tuple(found)


def _phase(start: int, size: int, k: int, s: int, d: int, pad: int) -> PhaseAxis:
    """Position start + s q takes part in output q + (start + pad - i d) / s through kernel position i."""
    taps = [i for i in reversed(range(k)) if (start + pad - i * d) % s == 0]
    reach = [(start + pad - i * d) // s for i in taps]
    dilate = reach[1] - reach[0] if len(reach) > 1 else 1
    return PhaseAxis(start, len(range(start, size, s)), tuple(taps), dilate, -reach[0] if reach else 0)


def _even(start: int, end: int, most: int) -> list[tuple[int, int]]:
    """Cut [start, end) into pieces of nearly equal length, at most `most`."""
    count = -(-(end - start) // most)
    return list(pairwise(start + (end - start) * k // count for k in range(count + 1)))


def size_of(shape: Sequence[int]) -> int:
    """Give the number of elements."""
    return math.prod(shape)


def cut(scratch: np.ndarray, dtype: Any, *sizes: int) -> list[np.ndarray]:
    """Cut scratch bytes into flat arrays of so many elements each."""
    flat = scratch.view(dtype)
    edges = np.cumsum((0, *sizes))
    return [flat[a:b] for a, b in pairwise(edges)]


def item_copy(target: np.ndarray, source: np.ndarray, joined: int) -> Run:
    """Make the call that copies an array to another as items: the last `joined` axes, contiguous in both, are one.

    An item is copied by one memcpy, where NumPy's loop over floats would start anew for each run of them.
    """
    item = size_of(target.shape[target.ndim - joined :]) * target.itemsize
    return partial(np.copyto, _items(target, joined, item), _items(source, joined, item))


def _items(a: np.ndarray, joined: int, item: int) -> np.ndarray:
    lead = a.ndim - joined
    flat = as_strided(a, (*a.shape[:lead], item // a.itemsize), (*a.strides[:lead], a.itemsize))
    return flat.view(f"V{item}")[..., 0]
