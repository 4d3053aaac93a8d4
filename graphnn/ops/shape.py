"""Operators that keep every element once: reshapes, which are views, and transposes."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes, Split
from ..types import Shape, TensorType, known, merge, show_shape

__all__ = [
    "Flatten",
    "Reshape",
    "SwapAxis",
    "expand_dims",
    "reshape_like",
    "resolve",
    "squeeze",
    "transpose",
]

Ints = tuple[int, ...]
Axes = tuple[int, ...] | None


def axis_of(axis: int, ndim: int) -> int:
    """Give the axis counted from the front; raise ShapeError where there is none."""
    if not -ndim <= axis < ndim:
        raise ShapeError(f"axis {axis} is not one of {ndim} axes")
    return axis % ndim


# Views: the same elements in the same order.


class View(Op):
    """y has the elements of x in the same order, under another shape."""

    abstract = True
    view = True
    inplace = ((0, 0),)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, y = ins[0], outs[0]
        y = merge(y, self.target(x))
        x = merge(x, self.source(x, y)) if y is not None else x
        if x is not None and y is not None:
            x, y = _same_size(x, y)
        return [x, *ins[1:]], [y]

    def target(self, x: Shape | None) -> Shape | None:
        """Give what is known of the output's shape."""
        raise NotImplementedError

    def source(self, x: Shape | None, y: Shape) -> Shape | None:
        """Give what the output's shape says of the input's."""
        return None

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_reshape_to(xs[0].shape)(gs[0]),)


def _same_size(x: Shape, y: Shape) -> tuple[Shape, Shape]:
    """Check that two shapes hold equally many elements; complete the only size missing."""
    if known(x) and known(y):
        if math.prod(x) != math.prod(y):
            raise ShapeError(f"{show_shape(x)} has {math.prod(x)} elements, {show_shape(y)} has {math.prod(y)}")
    elif known(y) and x.count(0) == 1:
        return _complete(x, math.prod(y)), y
    elif known(x) and y.count(0) == 1:
        return x, _complete(y, math.prod(x))
    return x, y


def _complete(shape: Shape, size: int) -> Shape:
    rest = math.prod(n for n in shape if n)
    if size % rest:
        raise ShapeError(f"{size} elements do not fill {show_shape(shape)}")
    return tuple(n or size // rest for n in shape)


class _reshape_to(View):
    """y = x under exactly `shape`."""

    shape: Shape
    public = False

    def target(self, x: Shape | None) -> Shape | None:
        return self.shape


def resolve(x: Shape, codes: Ints, reverse: bool = False) -> Shape:
    """Give the shape that MXNet's reshape codes make of a partial shape `x`.

    0 copies a size, -1 takes what is left, -2 copies all sizes left, -3 multiplies two, -4 splits one into the two that
    follow (one may be -1). With `reverse` sizes and codes are matched from the right.
    """
    if reverse:
        return resolve(x[::-1], codes[::-1])[::-1]
    out: list[int] = []
    given: list[int] = []  # sizes of x that no code accounts for
    wanted: list[int] = []  # sizes of y that copy none
    i = 0  # the axis of x
    todo = list(codes)
    while todo:
        code = todo.pop(0)
        if code in (0, -3, -4) and i + (code == -3) >= len(x):
            raise ShapeError(f"code {code} of {codes} finds no axis in {show_shape(x)}")
        if code == 0:
            out.append(x[i])
        elif code == -2:
            out.extend(x[i:])
            i = len(x)
            continue
        elif code == -3:
            out.append(x[i] * x[i + 1])
            i += 1
        elif code == -4:
            out.extend(_halves(x[i], todo[:2]))
            del todo[:2]
        elif code == -1:
            given.extend(x[i : i + 1])
            out.append(-1)
        elif code > 0:
            given.extend(x[i : i + 1])
            wanted.append(code)
            out.append(code)
        else:
            raise ShapeError(f"{code} is not a reshape code: 0, -1, -2, -3, -4 or a size")
        i += 1
    given.extend(x[i:])
    return _infer_rest(x, out, math.prod(given), math.prod(wanted))


def _halves(size: int, parts: Sequence[int]) -> list[int]:
    if len(parts) != 2 or any(n < -1 or n == 0 for n in parts) or tuple(parts) == (-1, -1):
        raise ShapeError(f"code -4 needs two sizes after it, one of which may be -1, got {tuple(parts)}")
    a, b = parts
    if -1 in parts:
        other = max(a, b)
        if size % other:
            raise ShapeError(f"{size} does not split by {other}")
        return [size // other if n == -1 else n for n in parts]
    if size and a * b != size:
        raise ShapeError(f"{size} does not split into {a} and {b}")
    return [a, b]


def _infer_rest(x: Shape, out: list[int], given: int, wanted: int) -> Shape:
    if out.count(-1) > 1:
        raise ShapeError("-1 may stand for one size only")
    if given and (given % wanted if -1 in out else given != wanted):
        wish = tuple("?" if n == -1 else n for n in out)
        raise ShapeError(f"{show_shape(x)} does not reshape to ({', '.join(map(str, wish))})")
    return tuple(given // wanted if n == -1 else n for n in out)


class Reshape(View):
    """y = x under the shape that `shape` spells with MXNet's codes (see `resolve`).

    `target_shape` and `keep_highest` are the spelling of files before 0.9: 0 takes what is left.
    """

    shape: Ints = ()
    reverse: bool = False
    target_shape: Ints = ()
    keep_highest: bool = False
    aliases = ("reshape",)

    def check(self) -> None:
        if not self.codes:
            raise ParameterError("Reshape needs the parameter 'shape' (a tuple of sizes and codes)")

    @property
    def codes(self) -> Ints:
        if self.shape or not self.target_shape:
            return self.shape
        old = tuple(n if n > 0 else -1 for n in self.target_shape)
        return (0, *old[1:]) if self.keep_highest else old

    def target(self, x: Shape | None) -> Shape | None:
        if x is not None:
            return resolve(x, self.codes, self.reverse and bool(self.shape))
        if min(self.codes) < -1:
            return None
        return tuple(max(n, 0) for n in self.codes)

    def source(self, x: Shape | None, y: Shape) -> Shape | None:
        """Sizes copied by leading zeros flow back."""
        if x is None or self.reverse:
            return None
        lead = next((i for i, n in enumerate(self.codes) if n), len(self.codes))
        return y[:lead] + (0,) * (len(x) - lead) if lead <= len(x) else None


class Flatten(View):
    """y (n, rest) = x (n, ...)."""

    aliases = ("flatten",)

    def target(self, x: Shape | None) -> Shape | None:
        return (0, 0) if x is None else (*x[:1], math.prod(x[1:]))

    def source(self, x: Shape | None, y: Shape) -> Shape | None:
        return None if x is None else y[:1] + (0,) * (len(x) - 1)


class expand_dims(View):
    """y = x with an axis of size 1 put in at `axis`."""

    axis: int

    def target(self, x: Shape | None) -> Shape | None:
        if x is None:
            return None
        i = axis_of(self.axis, len(x) + 1)
        return (*x[:i], 1, *x[i:])

    def source(self, x: Shape | None, y: Shape) -> Shape | None:
        i = axis_of(self.axis, len(y))
        return y[:i] + y[i + 1 :]


class squeeze(View):
    """y = x without the axes of size 1: those in `axis`, or all."""

    axis: Axes = None

    def target(self, x: Shape | None) -> Shape | None:
        if x is None or (self.axis is None and not known(x)):
            return None
        gone = self._gone(x)
        return tuple(n for i, n in enumerate(x) if i not in gone) or (1,)

    def _gone(self, x: Shape) -> set[int]:
        if self.axis is None:
            return {i for i, n in enumerate(x) if n == 1}
        gone = {axis_of(a, len(x)) for a in self.axis}
        bad = sorted(i for i in gone if x[i] > 1)
        if bad:
            raise ShapeError(f"axis {bad[0]} of {show_shape(x)} is not of size 1")
        return gone

    def source(self, x: Shape | None, y: Shape) -> Shape | None:
        if x is None or self.axis is None or len(y) + len(self._gone(x)) != len(x):
            return None
        rest, gone = iter(y), self._gone(x)
        return tuple(1 if i in gone else next(rest) for i in range(len(x)))


class reshape_like(View):
    """y = lhs under the shape of rhs; with bounds, axes [lhs_begin, lhs_end) become rhs's [rhs_begin, rhs_end)."""

    lhs_begin: int | None = None
    lhs_end: int | None = None
    rhs_begin: int | None = None
    rhs_end: int | None = None
    inputs = ("lhs", "rhs")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, like = ins
        y = outs[0]
        if x is not None and like is not None:
            a, b, _ = builtins.slice(self.lhs_begin, self.lhs_end).indices(len(x))
            c, d, _ = builtins.slice(self.rhs_begin, self.rhs_end).indices(len(like))
            y = merge(y, x[:a] + like[c:d] + x[b:])
        if x is not None and y is not None:
            x, y = _same_size(x, y)
        return [x, like], [y]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        (one, *_), _ = super().infer_dtype(ins[:1], outs)
        return [one, ins[1]], [one]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return _reshape_to(xs[0].shape)(gs[0]), None


# Transposes


class transpose(Op):
    """y = x with its axes in the order `axes`; reversed when that is empty."""

    axes: Ints = ()

    def order(self, ndim: int) -> Ints:
        if not self.axes:
            return tuple(range(ndim))[::-1]
        order = tuple(axis_of(a, ndim) for a in self.axes)
        if sorted(order) != list(range(ndim)):
            raise ShapeError(f"axes {self.axes} are not an order of {ndim} axes")
        return order

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, y = ins[0], outs[0]
        found = x if x is not None else y
        if found is None:
            return ins, outs
        order = self.order(len(found))
        if x is not None:
            y = merge(y, tuple(x[i] for i in order))
        assert y is not None
        return [merge(x, tuple(y[order.index(i)] for i in range(len(y))))], [y]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        order = self.order(len(xs[0].shape))
        return (transpose(tuple(order.index(i) for i in range(len(order))))(gs[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((self.order(ins[0].ndim)[0],), (0,))


class SwapAxis(Op):
    """y = x with axes `dim1` and `dim2` exchanged."""

    dim1: int = 0
    dim2: int = 0
    aliases = ("swapaxes",)

    def order(self, ndim: int) -> Ints:
        a, b = axis_of(self.dim1, ndim), axis_of(self.dim2, ndim)
        return tuple(b if i == a else a if i == b else i for i in range(ndim))

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, y = ins[0], outs[0]
        found = x if x is not None else y
        if found is None:
            return ins, outs
        order = self.order(len(found))
        y = merge(y, tuple(x[i] for i in order) if x is not None else None)
        assert y is not None
        return [merge(x, tuple(y[i] for i in order))], [y]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (self(gs[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((self.order(ins[0].ndim)[0],), (0,))
