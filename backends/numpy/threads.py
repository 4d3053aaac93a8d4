"""Threads: how the steps of a plan divide over slices of the batch, and where threads must wait for each other.

A step is cut as its operator's `split` says, thread k taking slice k. Threads wait at a barrier only where one touches
bytes that another has touched since the last barrier, one of them writing; so a chain of layers over the batch runs
without waiting. Partial sums over slices are added up in thread order: results depend on the number of threads, not on
their speed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from graphnn.arena import aligned
from graphnn.op import OPS, Op, Split
from graphnn.plan import Slot, Step
from graphnn.types import TensorType

__all__ = ["Cut", "Part", "Piece", "cut_type", "partial_sizes", "phases"]

LEAST = 2 << 10  # bytes: what is smaller is done by one thread
SMALL = 512 << 10  # bytes: a step of this size is not cut where it then need not wait
ROOM = 4 << 20  # bytes for partial sums of each thread, taken in turn: so that one sum need not wait for another


class Cut(NamedTuple):
    """Elements [start, end) along an axis."""

    axis: int
    start: int
    end: int


@dataclass(frozen=True)
class Part:
    """A slot, or a slice of it."""

    slot: Slot
    cut: Cut | None = None

    def interval(self) -> tuple[str | None, int, int]:
        """Give the array and the bytes [start, end) that hold it; a slice of an inner axis is spread over all."""
        t, start = self.slot.type, self.slot.offset
        if self.cut is None or math.prod(t.shape[: self.cut.axis]) > 1:
            return self.slot.name, start, start + t.nbytes
        each = t.nbytes // t.shape[self.cut.axis]
        return self.slot.name, start + self.cut.start * each, start + self.cut.end * each


@dataclass(frozen=True)
class Piece:
    """What one thread does of a step."""

    thread: int
    op: Op
    ins: tuple[Part, ...]
    outs: tuple[Part, ...]


def cut_type(part: Part) -> TensorType:
    """Give the type of a part."""
    t = part.slot.type
    if part.cut is None:
        return t
    shape = list(t.shape)
    shape[part.cut.axis] = part.cut.end - part.cut.start
    return TensorType(tuple(shape), t.dtype)


def phases(steps: Sequence[Step], threads: int) -> list[list[Piece]]:
    """Give the pieces between barriers, in order; a piece's thread runs its pieces one after another."""
    if threads == 1:
        return [[piece for step in steps for pieces in _pieces(step, 1) for piece in pieces]]
    found: list[list[Piece]] = [[]]
    touched: _Touched = {}
    room = 0
    for step in _early_first(steps):
        need = sum(aligned(step.outs[i].type.nbytes) for i in _summed(step))
        room = 0 if room + need > ROOM else room
        for pieces in _pieces(step, threads, room):
            chosen = next((way for way in _ways(pieces, step, threads, found[-1]) if not _waits(way, touched)), None)
            if chosen is None:
                found.append([])
                touched = {}
            found[-1] += chosen or pieces
            for thread, writes, (name, start, end) in _accesses(chosen or pieces):
                touched.setdefault(name, []).append((thread, writes, start, end))
            room += need * any(part.slot.name == "partial:1" for p in pieces for part in p.outs)
    return found


def _ways(pieces: list[Piece], step: Step, threads: int, phase: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Give the ways to divide a step: as cut; or, if it is small, whole on one thread, the least busy first."""
    yield pieces
    if len(pieces) == 1 or max(p.slot.type.nbytes for p in (*pieces[0].ins, *pieces[0].outs)) <= SMALL:
        ins, outs = ([Part(p.slot) for p in parts] for parts in (pieces[0].ins, pieces[0].outs))
        if pieces[0].op is step.op and any(p.slot.name == "partial:1" for piece in pieces for p in piece.outs):
            return  # the threads write to arrays of their own
        for k in sorted(range(threads), key=lambda k: sum(p.thread == k for p in phase)):
            yield [Piece(k, pieces[0].op, tuple(ins), tuple(outs))]


def _early_first(steps: Sequence[Step]) -> list[Step]:
    """Bring to the front what reads only the caller's arrays and shares its memory with nothing before it."""
    early: list[Step] = []
    rest: list[Step] = []
    touched: _Touched = {}
    for step in steps:
        accesses = list(_accesses([Piece(0, step.op, tuple(map(Part, step.ins)), tuple(map(Part, step.outs)))]))
        free = all(s.name is not None for s in step.ins) and all(s.name is None for s in step.outs)
        (early if free and not any(_conflicts(touched, 1, w, i) for _, w, i in accesses) else rest).append(step)
        if rest and rest[-1] is step:
            for thread, writes, (name, start, end) in accesses:
                touched.setdefault(name, []).append((thread, writes, start, end))
    return early + rest


def _accesses(pieces: Sequence[Piece]) -> Iterator[tuple[int, bool, tuple[str | None, int, int]]]:
    """Give (thread, whether it writes, what) for everything that pieces touch."""
    for p in pieces:
        yield from ((p.thread, writes, part.interval()) for writes, part in _parts(p))


def _waits(pieces: Sequence[Piece], touched: _Touched) -> bool:
    return any(_conflicts(touched, *access) for access in _accesses(pieces))


_Touched = dict[str | None, list[tuple[int, bool, int, int]]]


def _parts(piece: Piece) -> Iterator[tuple[bool, Part]]:
    yield from ((False, part) for part in piece.ins)
    yield from ((True, part) for part in piece.outs)


def _conflicts(touched: _Touched, thread: int, writes: bool, interval: tuple[str | None, int, int]) -> bool:
    name, start, end = interval
    return any(
        thread != other and (writes or wrote) and start < stop and begin < end
        for other, wrote, begin, stop in touched.get(name, ())
    )


def _pieces(step: Step, threads: int, room: int = 0) -> list[list[Piece]]:
    """Cut a step: its pieces, and (for partial sums, kept from byte `room` on) those of the addition after it."""
    ins, outs = [s.type for s in step.ins], [s.type for s in step.outs]
    split = step.op.split(ins, outs)
    count = _count(split, ins, outs, threads)
    if split is None or count < 2 or max(t.nbytes for t in (*ins, *outs)) < LEAST:
        return [[Piece(0, step.op, tuple(map(Part, step.ins)), tuple(map(Part, step.outs)))]]
    summed = _summed(step)
    at = list(accumulate((aligned(outs[i].nbytes) for i in summed), initial=room))
    pieces = []
    for k in range(count):
        new_ins = tuple(_part(s, axis, k, count) for s, axis in zip(step.ins, split.ins, strict=True))
        new_outs = [_part(s, axis, k, count) for s, axis in zip(step.outs, split.outs, strict=True)]
        for i, a in zip(summed, at, strict=False):
            new_outs[i] = Part(step.outs[i] if k == 0 else _partial(step.outs[i], k, a))
        pieces.append(Piece(k, step.op, new_ins, tuple(new_outs)))
    return [pieces, *(_additions(step.outs[i], count, a) for i, a in zip(summed, at, strict=False))]


def _summed(step: Step) -> list[int]:
    """Give the outputs of which slices give partial sums."""
    split = step.op.split([s.type for s in step.ins], [s.type for s in step.outs])
    return [i for i, axis in enumerate(split.outs) if axis is None] if split and split.sum else []


def _count(split: Split | None, ins: Sequence[TensorType], outs: Sequence[TensorType], threads: int) -> int:
    """Give the number of pieces: slices of all arrays must fall together."""
    if split is None:
        return 1
    pairs = [*zip(ins, split.ins, strict=True), *zip(outs, split.outs, strict=True)]
    sizes = [t.shape[axis] for t, axis in pairs if axis is not None]
    least = min(sizes, default=1)
    return min(threads, least) if all(n == least for n in sizes) else 1


def _part(slot: Slot, axis: int | None, k: int, count: int) -> Part:
    if axis is None:
        return Part(slot)
    n = slot.type.shape[axis]
    return Part(slot, Cut(axis, n * k // count, n * (k + 1) // count))


def _partial(slot: Slot, k: int, at: int) -> Slot:
    """Give the memory that thread k > 0 sums into."""
    return Slot(f"partial:{k}", at, slot.type)


def _additions(slot: Slot, count: int, at: int) -> list[Piece]:
    """Add the other threads' sums to the first's, each thread a slice."""
    t = slot.type
    flat = Slot(slot.name, slot.offset, TensorType((t.size,), t.dtype))
    op = OPS["add_n"].from_params({"num_args": count})
    step = Step(op, (flat, *(_partial(flat, k, at) for k in range(1, count))), (flat,), "", 0, 0)
    return [piece for pieces in _pieces(step, count) for piece in pieces]


def partial_sizes(all_phases: Sequence[Sequence[Piece]]) -> Mapping[str, int]:
    """Give the bytes of each array of partial sums."""
    sizes: dict[str, int] = {}
    for pieces in all_phases:
        for piece in pieces:
            for part in piece.outs:
                name = part.slot.name or ""
                if name.startswith("partial:"):
                    sizes[name] = max(sizes.get(name, 0), part.slot.offset + part.slot.type.nbytes)
    return sizes
