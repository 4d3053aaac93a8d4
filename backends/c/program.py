"""A plan as a compiled program: segments of C, and NumPy's kernels between them where an operator has no emitter."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np

from graphnn import backend as backends
from graphnn.arena import ALIGN, ARENA
from graphnn.plan import Plan, Slot, Step

from .cache import load
from .kernel import Kernel, emit
from .source import PRIVATE, SHARED, Source
from .toolchain import Target

__all__ = ["CProgram", "aligned_memory", "emit_steps"]

Run = Callable[[], object]
Steps = Sequence[tuple[Step, Kernel | None]]


def aligned_memory(n: int) -> np.ndarray:
    """Give n bytes on a 64-byte boundary."""
    raw = np.empty(n + ALIGN, np.uint8)
    skip = -raw.ctypes.data % ALIGN
    return raw[skip : skip + n]


def emit_steps(plan: Plan, target: Target) -> list[tuple[Step, Kernel | None]]:
    """Give each step with its C, or None where NumPy runs it."""
    return [(s, emit(s.op, [x.type for x in s.ins], [y.type for y in s.outs], target)) for s in plan.steps]


class CProgram:
    """One C call a segment; a part of the plan, and the whole, is a list of segments.

    With `apart` each step is a part of its own.
    """

    def __init__(
        self, plan: Plan, arrays: Mapping[str, np.ndarray], threads: int, target: Target, apart: bool = False
    ) -> None:
        self.plan = plan
        self._threads = threads
        given = arrays.get(ARENA)
        self._arena = aligned_memory(plan.arena_bytes) if given is None else given
        self._arrays = {**arrays, **{k: _constant(v) for k, v in plan.constants.items()}}
        source = Source(target, threads)
        steps = emit_steps(plan, target)
        wanted: dict[int | None, Steps] = {k: [x for x in steps if x[0].part == k] for k in (0, 1)}
        if apart:
            wanted = {k: [step] for k, step in enumerate(steps)}
        elif wanted[0] and wanted[1]:
            wanted[None] = steps  # a whole training step is one call
        found = {k: self._part(source, part) for k, part in wanted.items()}
        self.units: list[str] = source.units()
        in_c = any(isinstance(x, int) for part in found.values() for x in part)
        self._library = load(self.units, target) if in_c else None
        if self._library is not None and threads > 1:
            self._library.gn_start(threads)
        self._scratch = {
            PRIVATE: aligned_memory(source.private * threads),
            SHARED: aligned_memory(source.shared),
            ARENA: self._arena,
        }
        self._pointers = self._table(source.arrays)
        runs = {k: [self._segment(x) if isinstance(x, int) else x for x in part] for k, part in found.items()}
        self._runs: dict[int | None, list[Run]] = {None: [run for part in runs.values() for run in part], **runs}

    def _part(self, source: Source, steps: Steps) -> list[int | Run]:
        """Give the segments of one part: numbers of C functions, or calls."""
        found: list[int | Run] = []
        for in_c, group in groupby(steps, lambda x: x[1] is not None):
            pairs = list(group)
            if in_c:
                found.append(source.add([(s, k) for s, k in pairs if k is not None]))
            else:
                found.append(self._fallback([s for s, _ in pairs]))
        return found

    def _table(self, names: Mapping[str, int]) -> Any:
        table = (ctypes.c_void_p * len(names))()
        for name, index in names.items():
            array = self._scratch.get(name)
            table[index] = (self._arrays[name] if array is None else array).ctypes.data
        return table

    def _segment(self, number: int) -> Run:
        function = getattr(self._library, f"segment{number}")
        function.restype, function.argtypes = None, [ctypes.c_void_p]
        pointer = ctypes.addressof(self._pointers)
        return lambda: function(pointer)

    def _fallback(self, steps: Sequence[Step]) -> Run:
        """Link steps to NumPy's kernels, over views of the same memory."""
        views: dict[str, np.ndarray] = {}

        def named(slot: Slot) -> Slot:
            name = f"{slot.name or ARENA}+{slot.offset}:{slot.type}"
            views[name] = self._view(slot)
            return Slot(name, 0, slot.type)

        own = [replace(s, ins=tuple(map(named, s.ins)), outs=tuple(map(named, s.outs)), part=0) for s in steps]
        plan = replace(self.plan, steps=tuple(own), arena_bytes=0, constants={}, inputs={})
        return backends.get("numpy").link(plan, views, 1).run

    def _view(self, slot: Slot) -> np.ndarray:
        whole = self._arena if slot.name is None else self._arrays[slot.name].reshape(-1).view(np.uint8)
        piece = whole[slot.offset : slot.offset + slot.type.nbytes]
        return piece.view(slot.type.dtype).reshape(slot.type.shape)

    def run(self, part: int | None = None) -> None:
        """Run one part, or (None) both in turn."""
        for segment in self._runs[part]:
            segment()

    def __del__(self) -> None:
        library = getattr(self, "_library", None)
        if library is not None and self._threads > 1:
            library.gn_stop()


def _constant(value: Any) -> np.ndarray:
    """Give a constant in memory that vectors load without crossing cache lines."""
    array = np.ascontiguousarray(value)
    if array.ctypes.data % ALIGN == 0:
        return array
    memory = aligned_memory(array.nbytes).view(array.dtype).reshape(array.shape)
    memory[...] = array
    return memory
