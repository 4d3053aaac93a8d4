"""Operators that hand their input on: stops, loss heads and casts; and constants of an input's shape."""

from __future__ import annotations

import math
from typing import Literal

from ..errors import DTypeError
from ..graph import Value
from ..op import PartialDTypes
from .arithmetic import Elementwise
from .binary import _maximum_scalar
from .compare import compare
from .reduce import sum

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
