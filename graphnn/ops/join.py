"""Operators that join tensors along an axis, and that cut them: concat, stack, split, slices."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import field
from typing import Any

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import OPS, Op, PartialDTypes, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape
from .shape import _reshape_to, axis_of

__all__ = ["Concat", "SliceChannel", "by_rows", "slice", "slice_axis", "slice_like", "stack"]

Count = int
Ints = tuple[int, ...]
OptionalInts = tuple[int | None, ...]

MAX_PIECES = 10_000  # each has a name


def by_rows(axis: int, count: int = 1, outs: int = 1) -> Split | None:
    """Give the split over axis 0 of an operator that works along another axis."""
    return Split((0,) * count, (0,) * outs) if axis else None


class Concat(Op):
    """y = the inputs one after another along `dim`; all other axes agree."""

    num_args: Count
    dim: int = 1
    aliases = ("concat",)
    variadic = "num_args"

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        found = next((s for s in (*ins, *outs) if s is not None), None)
        if found is None:
            return ins, outs
        axis = axis_of(self.dim, len(found))
        rest: Shape | None = None
        for s in (*ins, *outs):
            rest = merge(rest, None if s is None else (*s[:axis], 0, *s[axis + 1 :]) if len(s) > axis else s)
        assert rest is not None
        sizes = [s[axis] if s is not None else 0 for s in ins]
        total = outs[0][axis] if outs[0] is not None else 0
        if total and sizes.count(0) == 1:
            sizes[sizes.index(0)] = _positive(total - sum(sizes), total)
        if 0 not in sizes:
            merge((total,), (sum(sizes),))
            total = sum(sizes)
        shapes: PartialShapes = [(*rest[:axis], n, *rest[axis + 1 :]) for n in (*sizes, total)]
        return shapes[:-1], shapes[-1:]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        if len(xs) == 1:
            return (gs[0],)
        axis, at, out = axis_of(self.dim, len(ys[0].shape)), 0, []
        for x in xs:
            out.append(slice_axis(axis, at, at + x.shape[axis])(gs[0]))
            at += x.shape[axis]
        return out

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(axis_of(self.dim, outs[0].ndim), len(ins))

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        if ins[0].ndim != 4 or self.dim not in (1, -3):
            return None
        return Concat(self.num_args, 3), (True,) * len(ins), (True,)


def _positive(n: int, total: int) -> int:
    if n < 1:
        raise ShapeError(f"the inputs do not fit in the {total} of the output")
    return n


class stack(Op):
    """y = the inputs one after another along a new axis `axis`."""

    axis: int = 0
    num_args: Count = 1
    variadic = "num_args"

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x: Shape | None = None
        for s in ins:
            x = merge(x, s)
        y = outs[0]
        if y is not None:
            i = axis_of(self.axis, len(y))
            x = merge(x, y[:i] + y[i + 1 :])
        if x is None:
            return ins, outs
        i = axis_of(self.axis, len(x) + 1)
        return [x] * len(ins), [merge(y, (*x[:i], self.num_args, *x[i:]))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        axis, shape = axis_of(self.axis, len(ys[0].shape)), xs[0].shape
        return [_reshape_to(shape)(slice_axis(axis, i, i + 1)(gs[0])) for i in range(len(xs))]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(axis_of(self.axis, outs[0].ndim), len(ins))


class SliceChannel(Op):
    """y_0, ..., y_(num_outputs - 1) = equal pieces of x along `axis`; `squeeze_axis` drops that axis of size 1."""

    num_outputs: Count = field()  # replaces the count of output names
    axis: int = 1
    squeeze_axis: bool = False
    aliases = ("split",)

    def check(self) -> None:
        if self.num_outputs > MAX_PIECES:
            raise ParameterError(f"SliceChannel: num_outputs must be at most {MAX_PIECES}, got {self.num_outputs}")

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.outputs if self.num_outputs == 1 else tuple(f"output{i}" for i in range(self.num_outputs))

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, y, n = ins[0], None, self.num_outputs
        for s in outs:
            y = merge(y, s)
        if y is not None:
            axis = axis_of(self.axis, len(y) + self.squeeze_axis)
            x = merge(x, (*y[:axis], n, *y[axis:]) if self.squeeze_axis else (*y[:axis], y[axis] * n, *y[axis + 1 :]))
        if x is None:
            return ins, outs
        axis = axis_of(self.axis, len(x))
        if x[axis] % n or (self.squeeze_axis and x[axis] not in (0, n)):
            raise ShapeError(f"axis {axis} of {show_shape(x)} does not split into {n} pieces")
        kept = () if self.squeeze_axis else (x[axis] // n,)
        return [x], [merge(y, (*x[:axis], *kept, *x[axis + 1 :]))] * n

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        zeros = OPS["_zeros"].from_params({"shape": ys[0].shape, "dtype": ys[0].dtype})
        parts = [zeros() if g is None else g for g in gs]
        if self.squeeze_axis:
            return (stack(axis_of(self.axis, len(xs[0].shape)), len(parts))(*parts),)
        return (Concat(len(parts), axis_of(self.axis, len(xs[0].shape)))(*parts),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(axis_of(self.axis, ins[0].ndim), 1, len(outs))

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        if ins[0].ndim != 4 or self.axis not in (1, -3) or self.squeeze_axis:
            return None
        return SliceChannel(self.num_outputs, 3), (True,), (True,) * self.num_outputs


# Slices


def cuts(begin: OptionalInts, end: OptionalInts, step: OptionalInts) -> tuple[builtins.slice, ...]:
    """Give Python slices for the leading axes."""
    steps = step or (None,) * len(begin)
    return tuple(builtins.slice(a, b, s) for a, b, s in zip(begin, end, steps, strict=True))


def _cut_size(n: int, cut: builtins.slice) -> int:
    """Give the size that a cut leaves of n; 0 where n is not known."""
    left = len(range(*cut.indices(n))) if n else 0
    if n and not left:
        raise ShapeError(f"[{cut.start}:{cut.stop}:{cut.step}] of {n} is empty")
    return left


_ALL = builtins.slice(None, None, None)


class slice(Op):
    """y = x[begin[0]:end[0]:step[0], begin[1]:end[1]:step[1], ...] with Python's meaning of negatives and None."""

    begin: OptionalInts
    end: OptionalInts
    step: OptionalInts = ()
    aliases = ("crop",)

    def check(self) -> None:
        if len(self.begin) != len(self.end) or (self.step and len(self.step) != len(self.begin)):
            raise ParameterError(f"slice: begin {self.begin}, end {self.end} and step {self.step} differ in length")
        if 0 in self.step:
            raise ParameterError("slice: step must not be 0")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = ins[0]
        if x is None:
            return ins, outs
        if len(self.begin) > len(x):
            raise ShapeError(f"begin {self.begin} has more entries than {show_shape(x)} has axes")
        cut = (*cuts(self.begin, self.end, self.step), *[_ALL] * (len(x) - len(self.begin)))
        y = merge(outs[0], tuple(_cut_size(n, c) for n, c in zip(x, cut, strict=True)))
        assert y is not None
        return [tuple(n or (m if c == _ALL else 0) for n, m, c in zip(x, y, cut, strict=True))], [y]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_backward_slice(xs[0].shape, self.begin, self.end, self.step)(gs[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(cuts(self.begin, self.end, self.step)[:1] in ((), (_ALL,)))


class _backward_slice(Op):
    """y (shape) = 0, but y[begin:end:step] = g."""

    shape: Shape
    begin: OptionalInts
    end: OptionalInts
    step: OptionalInts = ()
    public = False
    inputs = ("g",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        return (self.shape,)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (slice(self.begin, self.end, self.step)(gs[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(cuts(self.begin, self.end, self.step)[:1] in ((), (_ALL,)))


class slice_axis(Op):
    """y = x[begin:end] along `axis`; negatives count from the end, None is the end."""

    axis: int
    begin: int
    end: int | None

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        found = ins[0] if ins[0] is not None else outs[0]
        if found is None:
            return ins, outs
        axis = axis_of(self.axis, len(found))
        x = merge(ins[0], _without(outs[0], axis))
        y = merge(outs[0], _without(x, axis))
        assert x is not None and y is not None
        size = _cut_size(x[axis], builtins.slice(self.begin, self.end))
        return [x], [merge(y, (*y[:axis], size, *y[axis + 1 :]))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        open_axes = (None,) * axis_of(self.axis, len(xs[0].shape))
        return (_backward_slice(xs[0].shape, (*open_axes, self.begin), (*open_axes, self.end))(gs[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(axis_of(self.axis, ins[0].ndim))


def _without(shape: Shape | None, axis: int) -> Shape | None:
    return None if shape is None else (*shape[:axis], 0, *shape[axis + 1 :])


class slice_like(Op):
    """y = the first elements of x along `axes` (all when empty), as many as `shape_like` has."""

    axes: Ints = ()
    inputs = ("data", "shape_like")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, like = ins
        if x is None or like is None:
            return ins, outs
        if not self.axes and len(x) != len(like):
            raise ShapeError(f"{show_shape(x)} and {show_shape(like)} differ in their number of axes")
        y = list(x)
        for a in self.axes or range(len(x)):
            i = axis_of(a, len(x))
            if i >= len(like):
                raise ShapeError(f"{show_shape(like)} has no axis {i}")
            y[i] = like[i]
        if any(m > n > 0 for m, n in zip(y, x, strict=True)):
            raise ShapeError(f"{show_shape(like)} is larger than {show_shape(x)}")
        return ins, [merge(outs[0], tuple(y))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        (one, *_), _ = super().infer_dtype(ins[:1], outs)
        return [one, ins[1]], [one]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return _backward_slice(xs[0].shape, (0,) * len(ys[0].shape), ys[0].shape)(gs[0]), None
