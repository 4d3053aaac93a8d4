"""The table of NumPy kernels, and the two ways to enter it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from graphnn.errors import BackendError
from graphnn.op import Op
from graphnn.types import TensorType

__all__ = ["LINKERS", "SCRATCH", "kernel", "linked"]

Run = Callable[[], object]
Linker = Callable[[Any, list[np.ndarray], list[np.ndarray], np.ndarray], Run]
ScratchRule = Callable[[Any, Sequence[TensorType], Sequence[TensorType]], int]

LINKERS: dict[type[Op], Linker] = {}
SCRATCH: dict[type[Op], ScratchRule] = {}


def kernel(*classes: type[Op]) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Enter `f(op, *inputs, *outputs)`, which writes its outputs at every run and gives nothing back.

    BackendError is raised when a program is linked if `f` does not take these arguments, and at the run if it gives
    back an array of its own.
    """

    def enter(f: Callable[..., object]) -> Callable[..., object]:
        own = getattr(f, "__module__", "").startswith("graphnn.")  # whose results need no look at every run
        for cls in classes:
            LINKERS[cls] = lambda op, ins, outs, scratch: (
                partial(f, op, *ins, *outs) if own else _checked(f, op, ins, outs)
            )
        return f

    return enter


def _checked(f: Callable[..., object], op: Op, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray]) -> Run:
    """Give a call that refuses a result: who returns an array has left the output as it was."""
    names = ", ".join((*op.input_names(len(ins)), *op.output_names))
    wanted = f"{op.name}: its NumPy kernel must be a kernel(op, {names}), which writes into the outputs"
    try:
        signature(f).bind(op, *ins, *outs)
    except TypeError as e:
        raise BackendError(f"{wanted}: {e}") from None
    except ValueError:
        pass  # a builtin without a signature
    call = partial(f, op, *ins, *outs)

    def run() -> None:
        found = call()
        if found is not None and not any(found is y for y in outs):
            raise BackendError(f"{wanted}, but gave back a {type(found).__name__}")

    return run


def linked(*classes: type[Op], scratch: ScratchRule | None = None) -> Callable[[Linker], Linker]:
    """Enter `f(op, inputs, outputs, scratch) -> run`, which builds its views once; `run()` may allocate no array.

    `scratch(op, in_types, out_types)` gives the bytes of working memory wanted; the kernel gets them as uint8 (n,),
    64-byte aligned, with any content.
    """

    def enter(f: Linker) -> Linker:
        for cls in classes:
            LINKERS[cls] = f
            if scratch:
                SCRATCH[cls] = scratch
        return f

    return enter
