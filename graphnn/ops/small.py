"""Shapes and ranges as data, casts for mixed precision, and straight-through estimators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from ..errors import DTypeError, ParameterError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes
from ..types import DTYPES, Shape, merge
from .arithmetic import Elementwise
from .composed import Composed, made
from .create import Creation, Shaped
from .shape import axis_of

__all__ = ["FLOATS"]

Count = int
Axes = tuple[int, ...] | None
DType = str

FLOATS = ("float16", "float32", "float64")


class shape_array(Op):
    """y = the shape of x, int64."""

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return ins, outs if ins[0] is None else [merge(outs[0], (len(ins[0]),))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, ["int64"]


class size_array(Op):
    """y (1,) = the number of elements of x, int64."""

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return ins, [merge(outs[0], (1,))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, ["int64"]


class _contrib_arange_like(Op):
    """y = start, start + step, ..., each `repeat` times, as many as x has along `axis`; None: of the shape of x."""

    start: float = 0.0
    step: float = 1.0
    repeat: Count = 1
    axis: int | None = None
    ignored = frozenset({"ctx"})

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = ins[0]
        if self.axis is None:
            shape = merge(x, outs[0])
            return [shape], [shape]
        return ins, outs if x is None else [merge(outs[0], (x[axis_of(self.axis, len(x))],))]


class _contrib_index_array(Op):
    """y (*shape, ndim) = the position of every element of x, int64; only along `axes` where they are given."""

    axes: Axes = None

    def chosen(self, ndim: int) -> tuple[int, ...]:
        return tuple(range(ndim)) if self.axes is None else tuple(axis_of(a, ndim) for a in self.axes)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = ins[0]
        return ins, outs if x is None else [merge(outs[0], (*x, len(self.chosen(len(x)))))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, ["int64"]


class _linspace(Creation):
    """y (num,) = evenly spaced numbers from start to stop, stop among them if `endpoint`."""

    start: float
    stop: float
    num: Count
    endpoint: bool = True
    dtype: DType = "float32"

    def check(self) -> None:
        if not math.isfinite(self.stop - self.start):
            raise ParameterError(f"_linspace: cannot count from {self.start} to {self.stop}")

    def made(self) -> Shape | None:
        return (self.num,)


class _zeros_without_dtype(Shaped):
    """y = 0; MXNet's type flag -1 stands for float32."""

    shape: Shape = ()
    dtype: Literal["-1", "0"] = "-1"

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [outs[0] or "float32"]


class _contrib_div_sqrt_dim(Composed, Elementwise):
    """y = x / sqrt(d), d being the size of the last axis."""

    def decompose(self, *xs: Value) -> Value:
        return xs[0] / math.sqrt(xs[0].shape[-1])


class _contrib_quadratic(Composed, Elementwise):
    """y = a x^2 + b x + c."""

    a: float = 0.0
    b: float = 0.0
    c: float = 0.0

    def decompose(self, *xs: Value) -> Value:
        x = xs[0]
        return x * x * self.a + x * self.b + self.c


class _Straight(Elementwise):
    """Base: the gradient passes as if y = x."""

    abstract = True

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (gs[0],)


class _contrib_round_ste(_Straight):
    """y = x rounded, halves away from 0; the gradient passes unchanged."""


class _contrib_sign_ste(_Straight):
    """y = the sign of x; the gradient passes unchanged."""


class _contrib_gradientmultiplier(Elementwise):
    """y = x; the gradient is multiplied by `scalar`."""

    scalar: float = 1.0
    ignored = frozenset({"is_int"})
    view = True

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (gs[0] * self.scalar,)


class _identity_with_attr_like_rhs(Composed, Elementwise):
    """y = lhs, of one shape with rhs."""

    inputs = ("lhs", "rhs")

    def decompose(self, *xs: Value) -> Value:
        return made("_copy", xs[0])


class amp_cast(Composed, Elementwise):
    """y = x as `dtype` where x has floats; integers stay as they are."""

    dtype: DType

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [None if ins[0] is None else self.dtype if ins[0] in FLOATS else ins[0]]

    def decompose(self, *xs: Value) -> Value:
        return made("Cast", xs[0], dtype=self.dtype if xs[0].dtype in FLOATS else xs[0].dtype)


class amp_multicast(Composed):
    """y_0, y_1, ... = the inputs in the widest float dtype among them, or the narrowest with `cast_narrow`."""

    num_outputs: Count
    cast_narrow: bool = False
    variadic = "num_outputs"

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(f"output{i}" for i in range(self.num_outputs)) if self.num_outputs > 1 else self.outputs

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        both = [merge(x, y) for x, y in zip(ins, outs, strict=True)]
        return both, both

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        found = [d for d in ins if d is not None]
        if len(found) < len(ins):
            return ins, outs
        if any(d not in FLOATS for d in found):
            raise DTypeError(f"all inputs must be floats, got {', '.join(found)}: cast() first")
        one = (min if self.cast_narrow else max)(found, key=DTYPES.__getitem__)
        return ins, [one] * len(outs)

    def decompose(self, *xs: Value) -> Sequence[Value]:
        (one, *_) = self.infer_dtype([x.dtype for x in xs], [None] * len(xs))[1]
        return [made("Cast", x, dtype=one) for x in xs]


class _Finite(Op):
    """Base: y (1,) = 1 where every element of every input is finite, else 0; no gradient flows."""

    abstract = True
    init_output: bool = True

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return ins, [merge(outs[0], (1,))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, ["float32"]


class all_finite(_Finite):
    """y (1,) = 1 where every element of x is finite, else 0."""

    init_output: bool = True


class multi_all_finite(_Finite):
    """y (1,) = 1 where every element of every input is finite, else 0."""

    num_arrays: Count = 1
    init_output: bool = True
    variadic = "num_arrays"


class _contrib_allclose(Op):
    """y (1,) = 1 where |a - b| <= atol + rtol |b| for all elements, else 0; nan equals nan with `equal_nan`."""

    rtol: float = 1e-5
    atol: float = 1e-8
    equal_nan: bool = True
    inputs = ("a", "b")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(*ins)
        return [shape, shape], [merge(outs[0], (1,))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        both, _ = super().infer_dtype(ins, [])
        return both, ["uint8"]
