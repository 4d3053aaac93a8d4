"""The reference backend: every step one NumPy kernel that writes into planned memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module

import numpy as np

from graphnn.backend import Pass
from graphnn.errors import BackendError
from graphnn.op import Op
from graphnn.passes.layout import channels_last
from graphnn.passes.simplify import simplify
from graphnn.plan import Plan
from graphnn.types import TensorType

from .fuse import fuse
from .program import NumpyProgram, scratch_bytes
from .registry import LINKERS, kernel, linked

__all__ = ["NumpyBackend", "NumpyProgram", "backend", "kernel", "linked"]

FAMILIES = (
    "activation",
    "arithmetic",
    "blocks",
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


class NumpyBackend:
    """Kernels by operator class; a user's operator is added with `kernel` or `linked`."""

    name = "numpy"

    def passes(self, conv_algo: str = "auto") -> Sequence[Pass]:
        """Give the rewrites: channels last inside, then what runs as one step."""
        load_kernels()
        from .conv.ops import anchors

        return (channels_last(anchors(conv_algo)), simplify, fuse)

    def tuning(self, threads: int) -> Pass:
        """Give the pass that times each convolution's algorithms here and names the best."""
        load_kernels()
        from .tune import tuning

        return tuning(threads)

    def supports(self, op: Op) -> bool:
        load_kernels()
        return type(op) in LINKERS

    def scratch(self, op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
        return scratch_bytes(op, ins, outs)

    def link(self, plan: Plan, arrays: Mapping[str, np.ndarray], threads: int = 1) -> NumpyProgram:
        for name, t in plan.inputs.items():
            a = arrays.get(name)
            if a is None or a.shape != t.shape or a.dtype != t.dtype or not a.flags.c_contiguous:
                raise BackendError(f"the array {name!r} must be a C-contiguous {t}")
        return NumpyProgram(plan, arrays, threads)


@cache
def load_kernels() -> None:
    """Import every kernel family, which enters its kernels in the table."""
    for family in FAMILIES:
        import_module(f"graphnn.backends.numpy.{family}")


backend = NumpyBackend()
