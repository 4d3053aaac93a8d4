"""Operators that hand their input on: stops, loss heads and casts; and constants of an input's shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from ..errors import DTypeError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes
from ..types import Shape, merge, show_shape
from .arithmetic import Elementwise, broadcast_add
from .binary import _maximum_scalar
from .compare import compare
from .reduce import sum
from .shape import _reshape_to

__all__: list[str] = []

DType = str  # a name in graphnn.types.DTYPES; graphnn.params parses by this name


class BlockGrad(Elementwise):
    """y = x, and no gradient flows back."""

    aliases = ("stop_gradient",)
    view = True


class ones_like(Elementwise):
    """y = 1, of the shape and dtype of x; no gradient flows."""


class make_loss(Elementwise):
    """y = x as a loss head: dx = 1, whatever gradient the output is given."""

    outputs = ("loss",)
    view = True
    is_loss = True

    def grad(self, xs, ys, gs):
        return (ones_like()(xs[0]),)


class MakeLoss(Elementwise):
    """y = x as a loss head: dx = grad_scale / n, whatever gradient the output is given.

    n is 1 with normalization `null`, the size of all axes but the last with `batch`, and with `valid` the number of
    elements above valid_thresh, at least 1.
    """

    grad_scale: float = 1.0
    valid_thresh: float = 0.0
    normalization: Literal["null", "batch", "valid"] = "null"
    view = True
    is_loss = True

    def grad(self, xs, ys, gs):
        x = xs[0]
        scale = self.grad_scale / (math.prod(x.shape[:-1]) if self.normalization == "batch" else 1)
        g = ones_like()(x) * scale
        return (g / self._valid(x) if self.normalization == "valid" else g,)

    def _valid(self, x: Value) -> Value:
        """Count the valid elements: one size-1 axis for each of x."""
        return _maximum_scalar(1.0)(sum(keepdims=True)(compare(">", x, self.valid_thresh)))


class Cast(Elementwise):
    """y = x in another dtype; floats become integers by truncation."""

    dtype: DType
    aliases = ("cast",)

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        if outs[0] not in (None, self.dtype):
            raise DTypeError(f"the output is {self.dtype}, not {outs[0]}")
        return ins, [self.dtype]

    def grad(self, xs, ys, gs):
        return (Cast(xs[0].dtype)(gs[0]),)


class IdentityAttachKLSparseReg(Elementwise):
    """y = x, with a penalty on how far the mean of each unit is from sparseness_target t; x (n, units, ...).

    moving_avg (units,) moves towards the mean of x by 1 - momentum, with the backward pass; with that new m
    dx = g + penalty ((1 - t) / (1 - m) - t / m).
    """

    sparseness_target: float = 0.1
    penalty: float = 0.001
    momentum: float = 0.9
    inputs = ("data", "moving_avg")
    aux = ("moving_avg",)

    def variable_attrs(self, name: str) -> Mapping[str, str]:
        return {"__init__": '["zero", {}]'} if name == "moving_avg" else {}

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = merge(ins[0], outs[0])
        if x is not None and len(x) < 2:
            raise ShapeError(f"data must have two axes or more, got {show_shape(x)}")
        return [x, merge(ins[1], None if x is None else x[1:2])], [x]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value:
        return _penalised(self.sparseness_target, self.penalty, self.momentum)(*xs) if is_train else xs[0]

    def effects(self, is_train: bool, xs: Sequence[Value], ys: Sequence[Value]) -> Sequence[tuple[int, Value, int]]:
        return [(1, _moved(xs[0], xs[1], self.momentum), 1)] if is_train else []


def _moved(x: Value, average: Value, momentum: float) -> Value:
    """Give the average moved towards the means of x over all axes but 1."""
    axes = tuple(i for i in range(len(x.shape)) if i != 1)
    return average * momentum + sum(axes)(x) * ((1 - momentum) * x.shape[1] / x.type.size)


class _penalised(Op):
    """y = x; dx = g + penalty ((1 - target) / (1 - m) - target / m), m the moved average (units,) along axis 1."""

    target: float
    penalty: float
    momentum: float
    public = False
    inputs = ("data", "average")
    view = True

    def shapes(self, x: Shape, average: Shape) -> Sequence[Shape]:
        return (x,)

    def grad(self, xs, ys, gs):
        x = xs[0]
        m = _moved(xs[0], xs[1], self.momentum)
        push = ((1 - self.target) / (1.0 - m) - self.target / m) * self.penalty
        shape = tuple(n if i == 1 else 1 for i, n in enumerate(x.shape))
        return broadcast_add()(gs[0], _reshape_to(shape)(push)), None
