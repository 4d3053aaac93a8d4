"""Correlation: how well the patches of one feature map fit those of another, displaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape

__all__ = ["Correlation"]

MAX_PAD = 256  # the padded inputs are made at the run


class Correlation(Op):
    """y[n, d, i, j] = mean over the patch and the channels of x1 x2, or of |x1 - x2| without `is_multiply`.

    The patches are of `kernel_size`, that of x1 at (i, j) stride1 + max_displacement of the padded input, that of x2
    displaced from there by displacement d: one of the multiples of stride2 from -max_displacement to max_displacement
    along each axis, rows first. x1, x2 (n, c, h, w), y (n, displacements, h', w') (Dosovitskiy et al., 2015, FlowNet).
    """

    kernel_size: int = 1
    max_displacement: int = 1
    stride1: int = 1
    stride2: int = 1
    pad_size: int = 0
    is_multiply: bool = True
    inputs = ("data1", "data2")

    def check(self) -> None:
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ParameterError(f"Correlation: kernel_size must be odd, got {self.kernel_size}")
        if self.stride1 < 1 or self.stride2 < 1 or self.max_displacement < 0 or not 0 <= self.pad_size <= MAX_PAD:
            raise ParameterError(
                f"Correlation: strides must be positive, displacement not negative, pad_size at most {MAX_PAD}, got "
                f"{self.stride1}, {self.stride2}, {self.max_displacement}, {self.pad_size}"
            )

    @property
    def displacements(self) -> list[int]:
        """The displacements along an axis."""
        most = self.max_displacement // self.stride2
        return [k * self.stride2 for k in range(-most, most + 1)]

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = merge(ins[0], ins[1])
        if x is None:
            return ins, outs
        if len(x) != 4:
            raise ShapeError(f"both inputs must have 4 axes, got {show_shape(x)}")
        border = self.max_displacement + self.kernel_size // 2
        sizes = tuple(-((2 * border - n - 2 * self.pad_size) // self.stride1) if n else 0 for n in x[2:])
        if any(n < 1 for n, given in zip(sizes, x[2:], strict=True) if given):
            raise ShapeError(
                f"patches of {self.kernel_size} displaced by {self.max_displacement} do not fit {show_shape(x)}"
            )
        return [x, x], [merge(outs[0], (x[0], len(self.displacements) ** 2, *sizes))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        node = _correlation_grad(self)(gs[0], *xs).node
        return Value(node, 0), Value(node, 1)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0), (0,))


class _correlation_grad(Op):
    """dx1 = the sum over displacements of g x2 (without is_multiply g sign(x1 - x2)), dx2 likewise, over the patch."""

    of: Correlation
    public = False
    inputs = ("grad", "data1", "data2")
    outputs = ("data1", "data2")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return ins[1:]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0, 0), (0, 0))
