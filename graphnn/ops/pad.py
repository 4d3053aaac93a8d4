"""Operators that write an element several times: padding, tile, repeat; and reverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import OPS, Op, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape
from .join import by_rows
from .shape import _reshape_to, axis_of

__all__ = ["Pad", "repeat", "reverse", "tile"]

Count = int
Ints = tuple[int, ...]


def _sum(x: Value, axis: Ints) -> Value:
    return OPS["sum"].from_params({"axis": axis})(x)


class Pad(Op):
    """y = x with pad_width[2i] elements put before and pad_width[2i + 1] after axis i.

    `constant` puts in `constant_value`, `edge` the outermost element, `reflect` the elements inside it, mirrored.
    """

    mode: Literal["constant", "edge", "reflect"]
    pad_width: Shape
    constant_value: float = 0.0
    aliases = ("pad",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        pads = list(zip(self.pad_width[::2], self.pad_width[1::2], strict=False))
        for s in (*ins, *outs):
            if s is not None and 2 * len(s) != len(self.pad_width):
                raise ShapeError(f"pad_width must have {2 * len(s)} entries for {show_shape(s)}, got {self.pad_width}")
        x, y = ins[0], outs[0]
        if y is not None:
            x = merge(x, tuple(n and max(n - a - b, 0) for n, (a, b) in zip(y, pads, strict=True)))
        if x is None:
            return ins, outs
        if self.mode == "reflect" and any(n and max(p) >= n for n, p in zip(x, pads, strict=True)):
            raise ShapeError(f"pad_width {self.pad_width} reflects more than {show_shape(x)} has")
        return [x], [merge(y, tuple(n and n + a + b for n, (a, b) in zip(x, pads, strict=True)))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_backward_Pad(self.mode, self.pad_width)(gs[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(not any(self.pad_width[:2]))

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        if ins[0].ndim != 4:
            return None
        return Pad(self.mode, _channels_last(self.pad_width), self.constant_value), (True,), (True,)


def _channels_last(pads: Ints) -> Ints:
    return pads[:2] + pads[4:] + pads[2:4]


class _backward_Pad(Op):
    """dx = g without the padding, whose gradients go to the elements that were copied there."""

    mode: Literal["constant", "edge", "reflect"]
    pad_width: Shape
    public = False
    inputs = ("g",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        pads = zip(self.pad_width[::2], self.pad_width[1::2], strict=True)
        return (tuple(n - a - b for n, (a, b) in zip(ins[0], pads, strict=True)),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(not any(self.pad_width[:2]))

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        if ins[0].ndim != 4:
            return None
        return _backward_Pad(self.mode, _channels_last(self.pad_width)), (True,), (True,)


class tile(Op):
    """y = x repeated as a whole reps[i] times along axis i; the shorter of reps and shape gets leading ones."""

    reps: Shape

    def check(self) -> None:
        if 0 in self.reps:
            raise ParameterError(f"tile: reps must be positive, got {self.reps}")

    def pairs(self, x: Shape) -> list[tuple[int, int]]:
        """Give (repeats, size) of every axis of the output."""
        ndim = max(len(self.reps), len(x))
        reps, sizes = (1,) * (ndim - len(self.reps)) + self.reps, (1,) * (ndim - len(x)) + x
        return list(zip(reps, sizes, strict=True))

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        if ins[0] is None:
            return ins, outs
        return ins, [merge(outs[0], tuple(r * n for r, n in self.pairs(ins[0])))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        pairs = self.pairs(xs[0].shape)
        g = _reshape_to(tuple(n for pair in pairs for n in pair))(gs[0])
        axes = tuple(2 * i for i, (r, _) in enumerate(pairs) if r > 1)
        return (_reshape_to(xs[0].shape)(_sum(g, axes) if axes else g),)


class repeat(Op):
    """y = x with every element repeated `repeats` times along `axis`; None: of the flattened x."""

    repeats: Count
    axis: int | None = None

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = ins[0]
        if x is None:
            return ins, outs
        if self.axis is None:
            return ins, [merge(outs[0], (math.prod(x) * self.repeats,))]
        axis = axis_of(self.axis, len(x))
        return ins, [merge(outs[0], (*x[:axis], x[axis] * self.repeats, *x[axis + 1 :]))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        x = xs[0].shape
        axis = len(x) - 1 if self.axis is None else axis_of(self.axis, len(x))
        parts = (math.prod(x[: axis + 1]), self.repeats, math.prod(x[axis + 1 :]))
        return (_reshape_to(x)(_sum(_reshape_to(parts)(gs[0]), (1,))),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(self.axis is not None and axis_of(self.axis, ins[0].ndim))


class reverse(Op):
    """y = x in the opposite order along `axis`."""

    axis: Ints
    aliases = ("flip",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(ins[0], outs[0])
        if shape is not None and len({axis_of(a, len(shape)) for a in self.axis}) < len(self.axis):
            raise ShapeError(f"axis {self.axis} names an axis of {show_shape(shape)} twice")
        return [shape], [shape]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (self(gs[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(0 not in {axis_of(a, ins[0].ndim) for a in self.axis})
