"""Operators that cut pieces out, or write into them: Crop, split_v2, slice assignment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes
from ..types import Shape, merge, show_shape
from .composed import Composed, made
from .indexing import _one_dtype
from .join import MAX_PIECES, slice
from .shape import axis_of

__all__ = ["Crop"]

Count = int
Ints = tuple[int, ...]
OptionalInts = tuple[int | None, ...]


class Crop(Composed):
    """y (n, c, h, w) = the part of x (n, c, H, W) of size h_w, or of the size of a second input (., ., h, w).

    It begins at `offset`, or lies in the middle with `center_crop`. (`crop`, in lower case, is slice.)
    """

    num_args: Count
    offset: Shape = (0, 0)
    h_w: Shape = (0, 0)
    center_crop: bool = False
    variadic = "num_args"

    def check(self) -> None:
        if self.num_args > 2:
            raise ParameterError(f"Crop takes 1 or 2 inputs, got num_args={self.num_args}")
        if len(self.offset) != 2 or len(self.h_w) != 2:
            raise ParameterError(f"Crop: offset and h_w must have 2 entries, got {self.offset} and {self.h_w}")
        if self.num_args == 1 and 0 in self.h_w:
            raise ParameterError("Crop of one input needs the parameter 'h_w' (height and width)")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        for label, s in zip((*self.input_names(), "output"), (*ins, *outs), strict=True):
            if s is not None and len(s) != 4:
                raise ShapeError(f"{label} must have 4 axes, got {show_shape(s)}")
        x, y = ins[0], outs[0]
        if self.num_args == 2:
            y = merge(y, None if ins[1] is None else (0, 0, *ins[1][2:]))
        else:
            y = merge(y, (0, 0, *self.h_w))
        if y is not None:
            x = merge(x, (*y[:2], 0, 0))
        if x is not None:
            y = merge(y, (*x[:2], 0, 0))
        if x is not None and y is not None:
            self.begin(x, y)
        return [x, *ins[1:]], [y]

    def begin(self, x: Shape, y: Shape) -> Ints:
        """Give the row and the column of the first element; raise ShapeError where the part is not inside."""
        sizes = list(zip(x[2:], y[2:], strict=True))
        first = tuple(max(n - m, 0) // 2 for n, m in sizes) if self.center_crop else self.offset
        if any(n and m and a + m > n for a, (n, m) in zip(first, sizes, strict=True)):
            raise ShapeError(f"a part of {show_shape(y)} at {first} is not inside {show_shape(x)}")
        return first

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(ins[0], outs[0])
        return [one, *[d or one for d in ins[1:]]], [one]

    def decompose(self, *xs: Value) -> Value:
        x = xs[0].shape
        h, w = self.h_w if self.num_args == 1 else xs[1].shape[2:]
        top, left = self.begin(x, (0, 0, h, w))
        if x[2:] == (h, w):
            return xs[0]
        return slice((None, None, top, left), (None, None, top + h, left + w))(xs[0])


class _split_v2(Composed):
    """y_0, y_1, ... = pieces of x along `axis`: `sections` equal ones, or those that begin at `indices`.

    `squeeze_axis` drops that axis where it has size 1.
    """

    indices: Shape
    axis: int = 1
    squeeze_axis: bool = False
    sections: int = 0

    def check(self) -> None:
        if self.sections < 0 or max(self.sections, len(self.indices)) > MAX_PIECES:
            raise ParameterError(f"_split_v2: there must be at most {MAX_PIECES} pieces")
        if not self.sections and (not self.indices or list(self.indices) != sorted(self.indices)):
            raise ParameterError(f"_split_v2: indices must be in order, got {self.indices}")

    @property
    def output_names(self) -> tuple[str, ...]:
        n = self.sections or len(self.indices)
        return self.outputs if n == 1 else tuple(f"output{i}" for i in range(n))

    def pieces(self, n: int) -> list[tuple[int, int]]:
        """Give the begin and the end of every piece of an axis of size n."""
        if self.sections:
            if n % self.sections:
                raise ShapeError(f"{n} does not split into {self.sections} equal pieces")
            starts = list(range(0, n, n // self.sections))
        else:
            starts = list(self.indices)
        ends = [*starts[1:], n]
        if any(b <= a for a, b in zip(starts, ends, strict=True)):
            raise ShapeError(f"indices {tuple(starts)} of an axis of size {n} give a piece without elements")
        return list(zip(starts, ends, strict=True))

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = ins[0]
        if x is None:
            return ins, outs
        i = axis_of(self.axis, len(x))
        pieces = self.pieces(x[i]) if x[i] else [(0, 0)] * len(outs)
        if self.squeeze_axis and x[i] and any(b - a != 1 for a, b in pieces):
            raise ShapeError(f"squeeze_axis needs pieces of size 1, got the sizes {[b - a for a, b in pieces]}")
        parts = [(*x[:i], *(() if self.squeeze_axis else (b - a,)), *x[i + 1 :]) for a, b in pieces]
        return ins, [merge(y, part) for y, part in zip(outs, parts, strict=True)]

    def decompose(self, *xs: Value) -> Sequence[Value]:
        x = xs[0]
        i = axis_of(self.axis, len(x.shape))
        found = [made("slice_axis", x, axis=i, begin=a, end=b) for a, b in self.pieces(x.shape[i])]
        if not self.squeeze_axis:
            return found
        shape = x.shape[:i] + x.shape[i + 1 :]
        return [made("Reshape", y, shape=shape or (1,)) for y in found]


class _Assigned(Op):
    """Base: x with a part of it replaced."""

    abstract = True
    begin: OptionalInts
    end: OptionalInts
    step: OptionalInts = ()

    def part(self, x: Shape | None) -> Shape | None:
        """Give the shape of the part."""
        rule = slice.from_params({"begin": self.begin, "end": self.end, "step": self.step})
        return rule.infer_shape([x], [None])[1][0]

    def check(self) -> None:
        slice(self.begin, self.end, self.step).check()

    def emptied(self, g: Value) -> Value:
        """Give g with zeros in the part."""
        return _slice_assign_scalar(self.begin, self.end, self.step)(g)


class _slice_assign(_Assigned):
    """y = lhs, but y[begin:end:step] = rhs."""

    begin: OptionalInts
    end: OptionalInts
    step: OptionalInts = ()
    inputs = ("lhs", "rhs")
    aliases = ("_crop_assign",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = merge(ins[0], outs[0])
        return [x, merge(ins[1], self.part(x))], [x]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return self.emptied(gs[0]), slice(self.begin, self.end, self.step)(gs[0])


class _slice_assign_scalar(_Assigned):
    """y = x, but y[begin:end:step] = scalar."""

    begin: OptionalInts
    end: OptionalInts
    step: OptionalInts = ()
    scalar: float = 0.0
    aliases = ("_crop_assign_scalar",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = merge(ins[0], outs[0])
        self.part(x)  # checks the cut
        return [x], [x]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (self.emptied(gs[0]),)
