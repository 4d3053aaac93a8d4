"""Operators on padded sequences: SequenceMask, SequenceLast, SequenceReverse, each with lengths or without.

data is (t, n, ...), or (n, t, ...) with axis 1; the lengths (n,) may have any dtype, and fractions are cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes
from ..types import Shape, merge, show_shape
from .join import _backward_slice
from .shape import _reshape_to

__all__ = ["SequenceLast", "SequenceMask", "SequenceReverse"]


class _Sequence(Op):
    abstract = True
    use_sequence_length: bool = False
    inputs = ("data", "sequence_length")
    axis = 0

    def check(self) -> None:
        if self.axis not in (0, 1):
            raise ParameterError(f"{self.name}: axis must be 0 or 1, got {self.axis}")

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return self.inputs if self.use_sequence_length else self.inputs[:1]

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data = self._data(ins[0], outs[0])
        if data is None:
            return ins, outs
        if len(data) < 2:
            raise ShapeError(f"data must have two axes or more, got {show_shape(data)}")
        n = data[1 - self.axis]
        if len(ins) > 1:
            (n,) = merge(ins[1], (n,)) or (n,)
        data = (data[0], n, *data[2:]) if self.axis == 0 else (n, *data[1:])
        found: PartialShapes = [data, (n,)]
        return found[: len(ins)], [merge(outs[0], self._out(data))]

    def _data(self, data: Shape | None, out: Shape | None) -> Shape | None:
        return merge(data, out)

    def _out(self, data: Shape) -> Shape:
        return data

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        (one,), same = super().infer_dtype(ins[:1], outs)
        return [one, *(d or one for d in ins[1:])], same

    def grid(self, data: Shape) -> tuple[int, int]:
        """Give the steps and the number of sequences."""
        return data[self.axis], data[1 - self.axis]


class SequenceMask(_Sequence):
    """y = x, but `value` from the sequence's length on."""

    use_sequence_length: bool = False
    value: float = 0.0
    axis: int = 0
    inplace = ((0, 0),)

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | None:
        return None if self.use_sequence_length else xs[0]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (gs[0],) if len(xs) == 1 else (SequenceMask(True, 0.0, self.axis)(gs[0], xs[1]), None)


class SequenceLast(_Sequence):
    """y (n, ...) = the last element of each sequence; of one without any, the first."""

    use_sequence_length: bool = False
    axis: int = 0

    def _data(self, data: Shape | None, out: Shape | None) -> Shape | None:
        if out is None:
            return data
        return merge(data, (0, *out) if self.axis == 0 else (out[0], 0, *out[1:]))

    def _out(self, data: Shape) -> Shape:
        return data[1:] if self.axis == 0 else (data[0], *data[2:])

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        shape = xs[0].shape
        if len(xs) > 1:
            return _backward_SequenceLast(shape, self.axis)(gs[0], xs[1]), None
        first = (None,) * self.axis
        line = _reshape_to((*shape[: self.axis], 1, *shape[self.axis + 1 :]))(gs[0])
        return (_backward_slice(shape, (*first, shape[self.axis] - 1), (*first, None))(line),)


class _backward_SequenceLast(Op):
    """dx (shape) = 0, but g at the last element of each sequence."""

    shape: Shape
    axis: int
    public = False
    inputs = ("g", "sequence_length")

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        return (self.shape,)

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, ins[:1]


class SequenceReverse(_Sequence):
    """y = x with each sequence reversed, and what is beyond its length as it was; data (t, n, ...)."""

    use_sequence_length: bool = False
    axis: int = 0

    def check(self) -> None:
        if self.axis != 0:
            raise ParameterError(f"SequenceReverse: axis must be 0, got {self.axis}: swapaxes() first")

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return self(gs[0], *xs[1:]), *[None] * (len(xs) - 1)
