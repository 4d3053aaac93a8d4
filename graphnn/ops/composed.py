"""The base of operators that are compositions of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph import Value
from ..op import OPS, Op
from ..types import Shape

__all__ = ["Composed", "filled", "made"]


class Composed(Op):
    """An operator that `decompose` gives as simpler ones before anything is differentiated or run."""

    abstract = True

    @property
    def differentiable(self) -> bool:
        return True

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | Sequence[Value] | None:
        return self.decompose(*xs)


def made(name: str, *xs: Value, **params: Any) -> Value:
    """Apply the operator called `name`, of another family, to typed values."""
    return OPS[name].from_params(params)(*xs)


def filled(x: Value, shape: Shape, value: float = 0.0) -> Value:
    """Give an array of `shape` and of the dtype of x, filled with `value`."""
    return made("_full", value=value, shape=shape, dtype=x.dtype)
