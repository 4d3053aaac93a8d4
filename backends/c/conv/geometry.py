"""Sliding windows as loops see them: for each axis which inputs an output position reads, and how tiles cover it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from graphnn.ops.conv import Window

from ..kernel import split

__all__ = ["Axis", "Grid", "Part", "Strip", "data_parts", "forward_parts", "strips"]


@dataclass(frozen=True)
class Axis:
    """Output i reads input `i step + offset` for each of `offsets`, where that lies in [0, size).

    `taps` are the offsets' numbers in the kernel. The result belongs at position `first + i place` of `length`.
    """

    count: int
    size: int
    step: int
    taps: tuple[int, ...]
    offsets: tuple[int, ...]
    length: int
    place: int = 1
    first: int = 0

    @cached_property
    def plain(self) -> bool:
        """Whether output i is read from input i alone."""
        return self.step == self.place == 1 and self.offsets == (0,) and self.count == self.size == self.length

    def valid(self, i: int) -> tuple[bool, ...]:
        """Tell of each tap whether output i reads inside the input."""
        return tuple(0 <= i * self.step + o < self.size for o in self.offsets)


@dataclass(frozen=True)
class Part:
    """One dense convolution: its two axes and the number of its first tap among the packed weights."""

    rows: Axis
    columns: Axis
    first_tap: int

    @property
    def taps(self) -> int:
        return len(self.rows.taps) * len(self.columns.taps)


@dataclass(frozen=True)
class Strip:
    """`count` tiles of `size` outputs side by side from output `start` on, all with the same taps inside the input."""

    start: int
    size: int
    count: int
    valid: tuple[tuple[bool, ...], ...]  # for each output of a tile, for each tap


def strips(axis: Axis, most: int) -> list[Strip]:
    """Cover an axis with nearly equal tiles of at most `most` outputs, like ones together."""
    tiles, at = [], 0
    for n in split(axis.count, most):
        tiles.append((n, tuple(axis.valid(at + i) for i in range(n)), at))
        at += n
    found = []
    for (n, valid), group in groupby(tiles, lambda tile: tile[:2]):
        alike = list(group)
        found.append(Strip(alike[0][2], n, len(alike), valid))
    return found


@dataclass(frozen=True)
class Grid:
    """The tiles of an image of `rows` x `columns` outputs, m x m each; input row i of tile t is t m + i - pad."""

    rows: int
    columns: int
    size: tuple[int, int]  # of the input image
    pad: tuple[int, int]
    m: int

    @property
    def down(self) -> int:
        return -(-self.rows // self.m)

    @property
    def across(self) -> int:
        return -(-self.columns // self.m)

    @property
    def count(self) -> int:
        return self.down * self.across

    def inside(self, axis: int, tile_: int, n: int) -> tuple[bool, ...]:
        """Tell which of a tile's n input rows (axis 0) or columns lie in the image."""
        return tuple(0 <= tile_ * self.m + i - self.pad[axis] < self.size[axis] for i in range(n))

    def kept(self, axis: int, tile_: int) -> int:
        """Give how many of a tile's output rows or columns lie in the image."""
        return min(self.m, (self.rows, self.columns)[axis] - tile_ * self.m)


def _two(values: Sequence[int], fill: int) -> tuple[int, int]:
    """A window over one axis is one over two, the first of size 1."""
    return (values[0], values[1]) if len(values) == 2 else (fill, values[0])


def _windows(window: Window) -> list[tuple[int, int, int, int]]:
    kernel, stride = _two(window.kernel, 1), _two(window.stride, 1)
    dilate, pad = _two(window.dilate, 1), _two(window.pad, 0)
    return [(kernel[i], stride[i], dilate[i], pad[i]) for i in range(2)]


def forward_parts(sizes: Sequence[int], outs: Sequence[int], window: Window) -> tuple[Part, ...]:
    """Give the loops of y[p] = sum over k of w[k] x[p stride + k dilate - pad]."""
    axes = []
    for x, y, (k, s, d, p) in zip(_two(sizes, 1), _two(outs, 1), _windows(window), strict=True):
        axes.append(Axis(y, x, s, tuple(range(k)), tuple(i * d - p for i in range(k)), y))
    return (Part(axes[0], axes[1], 0),)


def data_parts(sizes: Sequence[int], outs: Sequence[int], window: Window) -> tuple[Part, ...]:
    """Give the loops of dx[q] = sum over k of w[k] g[(q + pad - k dilate) / stride], where that is whole.

    For each place q within a stride that is a dense convolution of its own, over the taps that fall there.
    """
    phases = []
    for x, y, (k, s, d, p) in zip(_two(sizes, 1), _two(outs, 1), _windows(window), strict=True):
        axes = []
        for f in range(min(s, x)):
            taps = [i for i in reversed(range(k)) if (f + p - i * d) % s == 0]
            offsets = tuple((f + p - i * d) // s for i in taps)
            axes.append(Axis(-(-(x - f) // s), y, 1, tuple(taps), offsets, x, s, f))
        phases.append(axes)
    parts, at = [], 0
    for rows in phases[0]:
        for columns in phases[1]:
            parts.append(Part(rows, columns, at))
            at += parts[-1].taps
    return tuple(parts)
