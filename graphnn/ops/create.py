"""Operators without inputs (zeros, ranges, random numbers) and Dropout.

Random numbers come from NumPy's Philox generator with key (seed, stream) and counter (0, call, 0, 0): the state, a
uint64 array (2,) = (seed, call), is an input of the private forms, the stream a number the graph gives each of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes
from ..types import Shape, merge
from .shape import axis_of

__all__ = ["Creation", "Dropout", "seeded", "training_form"]

Count = int
Axes = tuple[int, ...] | None
Ints = tuple[int, ...]
DType = str


class Creation(Op):
    """Base: the shape may have unknown sizes (0), or be empty (nothing known); they flow back from the users."""

    abstract = True
    inputs = ()
    ignored = frozenset({"ctx"})

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return ins, [merge(outs[0], self.made())]

    def made(self) -> Shape | None:
        """Give what the parameters say of the shape."""
        return getattr(self, "shape", None) or None

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [getattr(self, "dtype", None) or "float32"]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return ()


class Shaped(Creation):
    abstract = True

    def with_shape(self, shape: Shape) -> Op:
        """Give the same operator with the complete shape that binding found."""
        return self if shape == self.made() else replace(self, **{"shape": shape})


class _zeros(Shaped):
    """y = 0."""

    shape: Shape = ()
    dtype: DType = "float32"


class _ones(Shaped):
    """y = 1."""

    shape: Shape = ()
    dtype: DType = "float32"


class _full(Shaped):
    """y = value."""

    value: float
    shape: Shape = ()
    dtype: DType = "float32"


class _arange(Creation):
    """y = start, start + step, ... below stop, each `repeat` times; without stop from 0 to start.

    With `infer_range` and no stop the length is the one that the users of y need.
    """

    start: float
    stop: float | None = None
    step: float = 1.0
    repeat: Count = 1
    infer_range: bool = False
    dtype: DType = "float32"

    def check(self) -> None:
        if not self.step:
            raise ParameterError("_arange: step must not be 0")
        low, high = self.bounds()
        if not math.isfinite((high - low) / self.step):
            raise ParameterError(f"_arange: cannot count from {low} to {high} in steps of {self.step}")

    def bounds(self) -> tuple[float, float]:
        return (0.0, self.start) if self.stop is None else (self.start, self.stop)

    def made(self) -> Shape | None:
        if self.infer_range and self.stop is None:
            return (0,)
        low, high = self.bounds()
        n = math.ceil((high - low) / self.step) * self.repeat
        if n < 1:
            raise ShapeError(f"no numbers from {low} to {high} in steps of {self.step}")
        return (n,)

    def with_shape(self, shape: Shape) -> Op:
        """Give the operator with the stop that makes it as long as `shape`."""
        if shape == self.made():
            return self
        return replace(self, stop=self.start + self.step * (math.ceil(shape[0] / self.repeat) - 0.5), infer_range=False)


class _eye(Creation):
    """y (N, M) = 1 on diagonal k, else 0; M is N when 0."""

    N: Count
    M: int = 0
    k: int = 0
    dtype: DType = "float32"

    def check(self) -> None:
        if self.M < 0:
            raise ParameterError(f"_eye: M must not be negative, got {self.M}")

    def made(self) -> Shape | None:
        return (self.N, self.M or self.N)


# Random numbers


class _random_uniform(Shaped):
    """y[i] is uniform in [low, high)."""

    low: float = 0.0
    high: float = 1.0
    shape: Shape = ()
    dtype: Literal["float16", "float32", "float64"] | None = None
    aliases = ("uniform", "random_uniform")
    random = True

    def seeded(self, xs: Sequence[Value], state: Value, stream: int, is_train: bool) -> Value | None:
        return _uniform(self.low, self.high, self.shape, self.dtype or "float32", stream)(state)


class _random_normal(Shaped):
    """y[i] is normal with mean `loc` and standard deviation `scale`."""

    loc: float = 0.0
    scale: float = 1.0
    shape: Shape = ()
    dtype: Literal["float16", "float32", "float64"] | None = None
    aliases = ("normal", "random_normal")
    random = True

    def check(self) -> None:
        if self.scale < 0:
            raise ParameterError(f"_random_normal: scale must not be negative, got {self.scale}")

    def seeded(self, xs: Sequence[Value], state: Value, stream: int, is_train: bool) -> Value | None:
        return _normal(self.loc, self.scale, self.shape, self.dtype or "float32", stream)(state)


class Drawn(Op):
    """Base of the private forms: random numbers of `shape`, a function of the state and the stream."""

    abstract = True
    public = False
    inputs = ("state",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        if ins != ((2,),):
            raise ShapeError(f"the state must be (seed, call), got shape {ins[0]}")
        return (getattr(self, "shape"),)  # noqa: B009  # a field of the subclasses

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ["uint64"], [getattr(self, "dtype")]  # noqa: B009

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (None,)


class _uniform(Drawn):
    """y[i] is uniform in [low, high)."""

    low: float
    high: float
    shape: Shape
    dtype: DType
    stream: int


class _normal(Drawn):
    """y[i] is normal with mean `loc` and standard deviation `scale`."""

    loc: float
    scale: float
    shape: Shape
    dtype: DType
    stream: int


class _dropout_mask(Drawn):
    """y[i] is 0 with probability p, else 1 / (1 - p)."""

    p: float
    shape: Shape
    dtype: DType
    stream: int


class Dropout(Op):
    """y = x in inference; in training (or always, by `mode`) 0 with probability p, else x / (1 - p).

    The same choice is made for all elements along `axes`.
    """

    p: float = 0.5
    mode: Literal["training", "always"] = "training"
    axes: Ints = ()
    ignored = frozenset({"cudnn_off"})
    random = True

    def check(self) -> None:
        if not 0 <= self.p < 1:
            raise ParameterError(f"Dropout: p must be at least 0 and less than 1, got {self.p}")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(ins[0], outs[0])
        return [shape], [shape]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | Sequence[Value] | None:
        return None if is_train or self.mode == "always" else xs[0]

    def seeded(self, xs: Sequence[Value], state: Value, stream: int, is_train: bool) -> Value | None:
        return training_form(self, xs[0], state, stream) if is_train or self.mode == "always" else None


def training_form(op: Dropout, x: Value, state: Value, stream: int) -> Value:
    """Give `x * mask`, the mask drawn from the state."""
    if not op.p:
        return x
    same = {axis_of(a, len(x.shape)) for a in op.axes}
    shape = tuple(1 if i in same else n for i, n in enumerate(x.shape))
    return x * _dropout_mask(op.p, shape, x.dtype, stream)(state)


def seeded(op: Op, xs: Sequence[Value], state: Value, stream: int, is_train: bool) -> Value | None:
    """Give the form of a random operator that reads the state; None where it draws nothing in this mode."""
    rule = getattr(op, "seeded", None)
    return rule(xs, state, stream, is_train) if rule else None
