"""Tiles of the rows of a product: nearly equal ones, shared by number."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from .kernel import fill, split

__all__ = ["over_tiles", "tiles_of"]


def tiles_of(n: int, most: int) -> list[tuple[int, int, int]]:
    """Cut n rows into nearly equal tiles: (first row, rows of a tile, how many)."""
    found, at = [], 0
    for size, group in groupby(split(n, most)):
        count = len(list(group))
        found.append((at, size, count))
        at += size * count
    return found


def over_tiles(n: int, most: int, row: str, work: Callable[[int], str]) -> str:
    """Write the loops over the tiles number r0 to r1 of n rows: `work(rows of a tile)` where `row` is the first."""
    text, done = "", 0
    for at, size, count in tiles_of(n, most):
        low, high = done, done + count
        text += fill(
            """
            for (long r = r0 > $low ? r0 : $low; r < (r1 < $high ? r1 : $high); r++) {
              long $row = $at + (r - $low) * $size;
              $work
            }
            """,
            low=low,
            high=high,
            row=row,
            at=at,
            size=size,
            work=work(size),
        )
        done = high
    return text
