"""The table of NumPy kernels, and the two ways to enter it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphnn.op import Op
from graphnn.types import TensorType

__all__ = ["LINKERS", "SCRATCH", "kernel", "linked"]

Run = Callable[[], object]
Linker = Callable[[Any, list[np.ndarray], list[np.ndarray], np.ndarray], Run]
ScratchRule = Callable[[Any, Sequence[TensorType], Sequence[TensorType]], int]

LINKERS: dict[type[Op], Linker] = {}
SCRATCH: dict[type[Op], ScratchRule] = {}


def kernel(*classes: type[Op]) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Enter `f(op, *inputs, *outputs)`, which writes its outputs at every run."""

    def enter(f: Callable[..., object]) -> Callable[..., object]:
        for cls in classes:
            LINKERS[cls] = lambda op, ins, outs, scratch: partial(f, op, *ins, *outs)
        return f

    return enter


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
