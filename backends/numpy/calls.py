"""What kernels share: calls without warnings, scalars that promote nothing, working memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphnn.op import Op
from graphnn.types import TensorType

from .registry import Run

__all__ = ["flags", "like_output", "number", "quiet", "sequence", "workspace"]


def quiet(f: Callable[..., object], *args: Any, **kwargs: Any) -> Run:
    """Give a call of `f` without floating-point warnings."""

    def run() -> None:
        with np.errstate(all="ignore"):
            f(*args, **kwargs)

    return run


def sequence(calls: Sequence[Run]) -> Run:
    """Give one call for several."""
    if len(calls) == 1:
        return calls[0]

    def run() -> None:
        for call in calls:
            call()

    return run


def number(value: float, dtype: np.dtype) -> float | int | bool:
    """Give a scalar that does not promote an array of `dtype`; for integers it is truncated."""
    if dtype.kind in "iu":
        limit = np.iinfo(dtype)
        return int(min(max(value, limit.min), limit.max))
    return bool(value) if dtype.kind == "b" else float(value)


def workspace(scratch: np.ndarray, like: np.ndarray, dtype: Any = None) -> np.ndarray:
    """Give working memory of the shape of `like`."""
    d = np.dtype(dtype or like.dtype)
    return scratch[: like.size * d.itemsize].view(d).reshape(like.shape)


def like_output(op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    """Ask for working memory like the output."""
    return outs[0].nbytes


def flags(op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    """Ask for a truth value for each element of the output."""
    return outs[0].size
