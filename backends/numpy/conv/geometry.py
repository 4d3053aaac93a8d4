"""The sizes of a convolution over channels-last data, and the pieces of it that are worked on at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from graphnn.ops.conv import Convolution

from ..registry import Run

__all__ = ["Block", "Geometry", "cut", "pair_copies", "size_of"]

SLICE = 2 << 20  # bytes of working memory filled at once: what the second-level cache nearly holds


class Block(NamedTuple):
    """Samples [a, b) and output rows [r0, r1); several samples have all their rows."""

    a: int
    b: int
    r0: int
    r1: int


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

    def transposed(self) -> Geometry:
        """Give the convolution of the output's gradient that gives the data's, where the stride is 1."""
        top, left = (self.kh - 1) * self.dh - self.top, (self.kw - 1) * self.dw - self.left
        g = self
        return Geometry(
            g.n, g.oh, g.ow, g.o, g.c, g.groups, g.h, g.w, g.kh, g.kw, 1, 1, g.dh, g.dw, top, left, g.itemsize
        )

    @property
    def depthwise(self) -> bool:
        return self.groups == self.c == self.o

    @property
    def taps(self) -> list[tuple[int, int]]:
        return [(i, j) for i in range(self.kh) for j in range(self.kw)]

    def used_rows(self, block: Block) -> tuple[int, int]:
        """Give the rows that a block reads, counted in the padded image."""
        return block.r0 * self.sh, (block.r1 - 1) * self.sh + (self.kh - 1) * self.dh + 1

    @property
    def used_columns(self) -> int:
        return (self.ow - 1) * self.sw + (self.kw - 1) * self.dw + 1

    @property
    def padded(self) -> bool:
        """Whether a window reaches outside the image."""
        rows = (self.oh - 1) * self.sh + (self.kh - 1) * self.dh + 1
        return self.top > 0 or self.left > 0 or rows - self.top > self.h or self.used_columns - self.left > self.w

    def blocks(self, row: int) -> list[Block]:
        """Cut the work so that each block has about SLICE bytes, for `row` elements an output row."""
        each = row * self.itemsize
        if each * self.oh <= SLICE:
            count = -(-self.n // max(1, SLICE // (each * self.oh)))
            edges = [self.n * k // count for k in range(count + 1)]
            return [Block(a, b, 0, self.oh) for a, b in pairwise(edges)]
        count = -(-self.oh // max(1, SLICE // each))
        edges = [self.oh * k // count for k in range(count + 1)]
        return [Block(a, a + 1, r, s) for a in range(self.n) for r, s in pairwise(edges)]

    def padded_size(self, blocks: Sequence[Block]) -> int:
        """Give the elements of the largest padded block; 0 where nothing is padded."""
        if not self.padded:
            return 0
        sizes = []
        for block in blocks:
            first, end = self.used_rows(block)
            sizes.append((block.b - block.a) * (end - first))
        return max(sizes) * self.used_columns * self.c

    def source(self, x: np.ndarray, block: Block, work: np.ndarray, clean: bool) -> tuple[np.ndarray, list[Run]]:
        """Give the padded block (m, rows, columns, c) of x (n, h, w, c), and the calls that fill it.

        Where nothing is padded it is a view of x. With `clean` the border is zero already.
        """
        first, end = self.used_rows(block)
        x = x[block.a : block.b]
        columns = self.used_columns
        if not self.padded:
            return x[:, first - self.top : end - self.top, -self.left : columns - self.left], []
        shape = (len(x), end - first, columns, self.c)
        p = work[: size_of(shape)].reshape(shape)
        lo, hi = max(0, self.top - first), min(end, self.h + self.top) - first
        left, right = max(0, self.left), min(columns, self.w + self.left)
        calls: list[Run] = []
        if not clean:
            border = [p[:, :lo], p[:, hi:], p[:, lo:hi, :left], p[:, lo:hi, right:]]
            calls += [partial(b.fill, 0) for b in border if b.size]
        if hi > lo and right > left:
            inner = p[:, lo:hi, left:right]
            part = x[:, lo + first - self.top : hi + first - self.top, left - self.left : right - self.left]
            calls += pair_copies(inner, part, 2)
        return p, calls

    def tap(self, p: np.ndarray, block: Block, i: int, j: int) -> np.ndarray:
        """View the padded block at one offset of the kernel: (m, rows, ow, c)."""
        rows = block.r1 - block.r0
        y, x = i * self.dh, j * self.dw
        return p[:, y : y + (rows - 1) * self.sh + 1 : self.sh, x : x + (self.ow - 1) * self.sw + 1 : self.sw]

    def windows(self, p: np.ndarray, rows: int) -> np.ndarray:
        """View the padded block as (m, rows, ow, kh, kw, c)."""
        a, b, c, d = p.strides
        strides = (a, b * self.sh, c * self.sw, b * self.dh, c * self.dw, d)
        return as_strided(p, (len(p), rows, self.ow, self.kh, self.kw, p.shape[3]), strides)


def size_of(shape: Sequence[int]) -> int:
    """Give the number of elements."""
    return int(np.prod(shape, dtype=np.int64))


def cut(scratch: np.ndarray, dtype: Any, *sizes: int) -> list[np.ndarray]:
    """Cut scratch bytes into flat arrays of so many elements each."""
    flat = scratch.view(dtype)
    edges = np.cumsum((0, *sizes))
    return [flat[a:b] for a, b in pairwise(edges)]


def pair_copies(target: np.ndarray, source: np.ndarray, joined: int) -> list[Run]:
    """Make the call that copies arrays of one shape as items: the last `joined` axes, contiguous in both, are one.

    An item is copied by one memcpy, where NumPy's loop over floats would start anew for each run of them.
    """
    shape = target.shape
    item = size_of(shape[len(shape) - joined :]) * target.itemsize
    return [partial(np.copyto, _items(target, joined, item), _items(source, joined, item))]


def _items(a: np.ndarray, joined: int, item: int) -> np.ndarray:
    lead = a.ndim - joined
    flat = as_strided(a, (*a.shape[:lead], item // a.itemsize), (*a.strides[:lead], a.itemsize))
    return flat.view(f"V{item}")[..., 0]
