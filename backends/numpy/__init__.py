"""The reference backend: every step one NumPy kernel that writes into planned memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

import numpy as np

from graphnn.arena import ALIGN
from graphnn.backend import Pass
from graphnn.errors import BackendError
from graphnn.op import Op
from graphnn.passes.layout import channels_last
from graphnn.passes.simplify import simplify
from graphnn.plan import Plan, Slot
from graphnn.types import TensorType

from .fuse import fuse
from .registry import LINKERS, SCRATCH, Run

__all__ = ["NumpyBackend", "NumpyProgram", "backend"]

FAMILIES = (
    "activation",
    "arithmetic",
    "conv",
    "create",
    "indexing",
    "linalg",
    "loss",
    "norm",
    "optimizer",
    "pool",
    "reduce",
    "shape",
)


def aligned(n: int) -> np.ndarray:
    """Give n bytes on a 64-byte boundary."""
    raw = np.empty(n + ALIGN, np.uint8)
    skip = -raw.ctypes.data % ALIGN
    return raw[skip : skip + n]


class NumpyProgram:
    """A plan linked to arrays: one call without arguments for each step."""

    def __init__(self, plan: Plan, arrays: Mapping[str, np.ndarray]) -> None:
        self.plan = plan
        self._arena = aligned(plan.arena_bytes)
        self._scratch = aligned(plan.scratch_bytes)
        self._arrays = {**arrays, **{k: np.asarray(v) for k, v in plan.constants.items()}}
        self._runs: list[list[Run]] = [[], []]
        for step in plan.steps:
            ins = [self._view(s) for s in step.ins]
            outs = [self._view(s) for s in step.outs]
            run = LINKERS[type(step.op)](step.op, ins, outs, self._scratch[: step.scratch])
            self._runs[step.part].append(run)

    def _view(self, slot: Slot) -> np.ndarray:
        if slot.name is not None:
            return self._arrays[slot.name].reshape(slot.type.shape)
        piece = self._arena[slot.offset : slot.offset + slot.type.nbytes]
        return piece.view(slot.type.dtype).reshape(slot.type.shape)

    def run(self, part: int | None = None) -> None:
        """Run one part, or (None) both in turn."""
        for k, runs in enumerate(self._runs):
            if part is None or part == k:
                for run in runs:
                    run()


class NumpyBackend:
    """Kernels by operator class; a user's operator is added with `graphnn.backends.numpy.registry.kernel`."""

    name = "numpy"

    def passes(self, conv_algo: str = "auto") -> Sequence[Pass]:
        """Give the rewrites: channels last inside, then what runs as one step."""
        load_kernels()
        from .conv.ops import anchors

        return (channels_last(anchors(conv_algo)), simplify, fuse)

    def supports(self, op: Op) -> bool:
        load_kernels()
        return type(op) in LINKERS

    def scratch(self, op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
        rule: Callable[..., int] | None = SCRATCH.get(type(op))
        return rule(op, ins, outs) if rule else 0

    def link(self, plan: Plan, arrays: Mapping[str, np.ndarray], threads: int = 1) -> NumpyProgram:
        for name, t in plan.inputs.items():
            a = arrays.get(name)
            if a is None or a.shape != t.shape or a.dtype != t.dtype or not a.flags.c_contiguous:
                raise BackendError(f"the array {name!r} must be a C-contiguous {t}")
        return NumpyProgram(plan, arrays)


def load_kernels() -> None:
    """Import every kernel family, which enters its kernels in the table."""
    for family in FAMILIES:
        import_module(f"graphnn.backends.numpy.{family}")


backend = NumpyBackend()
