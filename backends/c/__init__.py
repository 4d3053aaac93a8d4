"""The C backend: the whole plan as one C program, compiled for this machine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from time import perf_counter

import numpy as np

from graphnn import backend as backends
from graphnn.backend import Pass, Wishes
from graphnn.errors import BackendError, ParameterError
from graphnn.op import Op
from graphnn.passes.layout import channels_last
from graphnn.passes.recompute import recompute
from graphnn.passes.simplify import simplify
from graphnn.plan import Plan
from graphnn.types import TensorType

from . import toolchain
from .program import CProgram, emit_steps

__all__ = ["CBackend", "CProgram", "backend"]

ALGORITHMS = ("auto", "direct")
FAMILIES = (
    "chunk", "conv.depthwise", "conv.direct", "conv.packing", "conv.weights", "conv.winograd",
    "elementwise", "loss", "matmul", "moments", "optimizer", "pool", "random", "reduce", "shape",
)  # fmt: skip


class CBackend:
    """Emitters by operator class; what has none runs by NumPy's kernel."""

    name = "c"
    joining = ("chunk",)  # rewrites that make one step of several layers, which a profile takes apart

    def __init__(self, target: toolchain.Target | None = None) -> None:
        self._target = target

    @property
    def target(self) -> toolchain.Target:
        """What is compiled for: unless given, this machine by the compiler that is found."""
        return self._target or toolchain.find()

    def passes(self, wishes: Wishes = Wishes()) -> Sequence[Pass]:  # noqa: B008  # frozen
        """Give the rewrites: channels last inside, packed weights, fused loops."""
        load_emitters()
        from .absorb import absorb
        from .chunk import chunk
        from .conv.lower import ANCHORS, lower
        from .conv.tune import tuning
        from .fuse import fuse
        from .matmul import lower_products
        from .moments import join_moments

        if wishes.conv_algo not in ALGORITHMS:
            raise ParameterError(
                f"no convolution algorithm {wishes.conv_algo!r} in C; there are: {', '.join(ALGORITHMS)}"
            )
        again = [recompute(wishes.parts)] if wishes.recompute else []
        exact = wishes.conv_algo == "direct"
        tuned = [tuning(self.target, wishes.threads, exact)] if wishes.tune else []
        found = [channels_last(ANCHORS, eager=True), simplify, *again]
        found += [*tuned, lower(self.target, exact), lower_products, join_moments, fuse(wishes.parts), absorb]
        return found if any(wishes.parts) else [*found, chunk]

    def supports(self, op: Op) -> bool:
        load_emitters()
        from .kernel import EMITTERS

        return type(op) in EMITTERS or backends.get("numpy").supports(op)

    def scratch(self, op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
        from .kernel import emit

        kernel = emit(op, ins, outs, self.target)
        return kernel.private + kernel.shared if kernel else backends.get("numpy").scratch(op, ins, outs)

    def link(self, plan: Plan, arrays: Mapping[str, np.ndarray], threads: int = 1) -> CProgram:
        for name, t in plan.inputs.items():
            a = arrays.get(name)
            if a is None or a.shape != t.shape or a.dtype != t.dtype or not a.flags.c_contiguous:
                raise BackendError(f"the array {name!r} must be a C-contiguous {t}")
        return CProgram(plan, arrays, threads, self.target)

    def work(self, op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> tuple[int, str]:
        """Give the arithmetic of a step and the algorithm of a convolution, for profiles."""
        from .work import work

        return work(op, ins, outs)

    def clock(self, plan: Plan, arrays: Mapping[str, np.ndarray], threads: int = 1) -> Callable[[], list[float]]:
        """Give what runs a plan and tells the seconds of each step, each a function of its own in one library."""
        program = CProgram(plan, arrays, threads, self.target, apart=True)

        def once() -> list[float]:
            times = [perf_counter()]
            for k in range(len(plan.steps)):
                program.run(k)
                times.append(perf_counter())
            return [after - before for before, after in pairwise(times)]

        return once

    def plan_fallbacks(self, plan: Plan) -> list[str]:
        """Name the steps that NumPy's kernels run, `name (operator)`."""
        return [f"{s.name} ({s.op.name})" for s, kernel in emit_steps(plan, self.target) if kernel is None]


@functools.cache
def load_emitters() -> None:
    """Import every family, which enters its emitters in the table."""
    from graphnn import ops

    ops.load()
    for family in FAMILIES:
        import_module(f"graphnn.backends.c.{family}")
    from .elementwise import enter_expressions

    enter_expressions()


backend = CBackend()
