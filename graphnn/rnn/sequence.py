"""A sequence as one symbol with a time axis or as a list of symbols, one a step; and the way from one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import sym
from ..errors import GraphError, ParameterError
from ..symbol import Symbol

__all__ = ["Steps", "joined", "normalized", "parts", "time_axis"]

Steps = Symbol | Sequence[Symbol]


def time_axis(layout: str) -> int:
    """Give the axis of time in a layout such as "NTC"; ParameterError where there is none."""
    axis = layout.find("T")
    if axis < 0:
        raise ParameterError(f"the layout must have an axis T for time, as in NTC or TNC, got {layout!r}")
    return axis


def normalized(length: int | None, xs: Steps, layout: str, merge: bool | None) -> Any:
    """Give `xs` as one symbol (merge True), as a list of `length` (False), or as it is (None)."""
    axis = time_axis(layout)
    if isinstance(xs, Symbol):
        return parts(length, xs, axis) if merge is False else xs
    if xs is None or (length is not None and len(xs) != length):
        got = "none" if xs is None else f"{len(xs)}"
        raise GraphError(f"{length} steps need one symbol or a list of {length} inputs, got {got}")
    return joined(xs, axis) if merge is True else list(xs)


def parts(length: int | None, x: Symbol, axis: int, name: str = "split") -> list[Symbol]:
    """Cut one symbol along `axis` into its steps."""
    if len(x) != 1:
        raise GraphError(f"the inputs must be one output to be split over time, got {len(x)}: give a list of them")
    if length is None:
        raise ParameterError("give the length: one symbol does not tell how many steps it has")
    function = getattr(sym, name)
    return list(function(x, axis=axis, num_outputs=length, squeeze_axis=1))


def joined(xs: Sequence[Symbol], axis: int) -> Symbol:
    """Put steps beside each other along a new axis `axis`."""
    return sym.Concat(*[sym.expand_dims(x, axis=axis) for x in xs], dim=axis)
