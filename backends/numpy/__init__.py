"""The reference backend: every step one NumPy kernel that writes into planned memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from time import perf_counter

import numpy as np

from graphnn.backend import Pass, Wishes
from graphnn.errors import BackendError
from graphnn.op import Op
from graphnn.passes.layout import channels_last
from graphnn.passes.recompute import recompute
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
    "custom",
    "crop",
    "gather",
    "ctc",
    "indexing",
    "linalg",
    "loss",
    "matrix",
    "norm",
    "optimizer",
    "order",
    "pool",
    "prelu",
    "random",
    "rearrange",
    "reduce",
    "resize",
    "rnn",
    "rnn_backward",
    "sequence",
    "shape",
    "spatial",
    "detection",
    "region",
    "displace",
    "small",
)


class NumpyBackend:
    """Kernels by operator class; a user's operator is added with `kernel` or `linked`."""

    name = "numpy"

    def passes(self, wishes: Wishes = Wishes()) -> Sequence[Pass]:  # noqa: B008  # frozen
        """Give the rewrites: channels last inside, then what runs as one step."""
        load_kernels()
        from .conv.ops import anchors
        from .tune import tuning

        again = [recompute(wishes.parts)] if wishes.recompute else []
        tuned = [tuning(wishes.threads)] if wishes.tune else []
        return (channels_last(anchors(wishes.conv_algo)), simplify, *again, fuse, *tuned)

    def supports(self, op: Op) -> bool:
        load_kernels()
        return type(op) in LINKERS

    def scratch(self, op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
        return scratch_bytes(op, ins, outs)

    def work(self, op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> tuple[int, str]:
        """Give the arithmetic of a step and the algorithm of a convolution, for profiles."""
        load_kernels()
        from .work import work

        return work(op, ins, outs)

    def clock(self, plan: Plan, arrays: Mapping[str, np.ndarray], threads: int = 1) -> Callable[[], list[float]]:
        """Give what runs a plan and tells the seconds of each step; `arrays` hold the arena too.

        With several threads each step is a program of its own, whose start and end count.
        """
        if threads == 1:
            return self.link(plan, arrays).seconds
        programs = [self.link(replace(plan, steps=(step,)), arrays, threads) for step in plan.steps]
        return lambda: [_seconds(program.run) for program in programs]

    def link(self, plan: Plan, arrays: Mapping[str, np.ndarray], threads: int = 1) -> NumpyProgram:
        load_kernels()
        for name, t in plan.inputs.items():
            a = arrays.get(name)
            if a is None or a.shape != t.shape or a.dtype != t.dtype or not a.flags.c_contiguous:
                raise BackendError(f"the array {name!r} must be a C-contiguous {t}")
        return NumpyProgram(plan, arrays, threads)


def _seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


@cache
def load_kernels() -> None:
    """Import every kernel family, which enters its kernels in the table."""
    for family in FAMILIES:
        import_module(f"graphnn.backends.numpy.{family}")


backend = NumpyBackend()
