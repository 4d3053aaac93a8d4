"""Offsets: place buffers that live over intervals of steps in one arena, as low as possible."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["ALIGN", "ARENA", "Interval", "aligned", "lower_bound", "place"]

ALIGN = 64
ARENA = "memory:arena"  # the name of the arena among a program's arrays, where the caller brings one


@dataclass
class Interval:
    """A buffer of `size` bytes, alive from step `start` to step `end`, both included."""

    size: int
    start: int
    end: int
    label: str = ""
    offset: int = 0


def aligned(n: int) -> int:
    """Round up to whole cache lines."""
    return -(-n // ALIGN) * ALIGN


def lower_bound(buffers: Sequence[Interval]) -> int:
    """Give the largest sum of sizes alive at one step: no placement needs less."""
    changes: dict[int, int] = {}
    for b in buffers:
        changes[b.start] = changes.get(b.start, 0) + aligned(b.size)
        changes[b.end + 1] = changes.get(b.end + 1, 0) - aligned(b.size)
    alive = peak = 0
    for step in sorted(changes):
        alive += changes[step]
        peak = max(peak, alive)
    return peak


def place(buffers: Sequence[Interval], share: bool = True) -> int:
    """Set the offsets; give the arena's bytes. Best fit in several orders, the best of which stays.

    Placement is NP-hard; large buffers first is the usual heuristic (Pisarchyk and Lee, "Efficient Memory Management
    for Deep Neural Net Inference", 2020), the order of creation wins on some graphs.
    """
    if not share:
        at = 0
        for b in buffers:
            b.offset, at = at, at + aligned(b.size)
        return at
    orders: list[Callable[[Interval], tuple[int, ...]]] = [
        lambda b: (-b.size, b.start),
        lambda b: (b.start, -b.size),
        lambda b: (b.start - b.end, -b.size),
    ]
    bound, best, kept = lower_bound(buffers), -1, []
    for key in orders:
        total = _best_fit(sorted(buffers, key=key))
        if best < 0 or total < best:
            best, kept = total, [b.offset for b in buffers]
        if best == bound:
            break
    for b, offset in zip(buffers, kept, strict=True):
        b.offset = offset
    return max(best, 0)


def _best_fit(order: Sequence[Interval]) -> int:
    """Give each buffer in turn the smallest gap that holds it among those alive with it."""
    placed: list[tuple[int, int, Interval]] = []  # (offset, end offset, buffer), by offset
    total = 0
    for b in order:
        size, start, end = aligned(b.size), b.start, b.end
        at, best, best_gap = 0, -1, -1
        for low, high, other in placed:
            if other.end < start or other.start > end:
                continue
            gap = low - at
            if gap >= size and (best < 0 or gap < best_gap):
                best, best_gap = at, gap
            at = max(at, high)
        b.offset = best if best >= 0 else at
        _insert(placed, (b.offset, b.offset + size, b))
        total = max(total, b.offset + size)
    return total


def _insert(placed: list[tuple[int, int, Interval]], item: tuple[int, int, Interval]) -> None:
    insort(placed, item, key=lambda p: p[:2])
