"""Convolutions whose taps move: correlation of two images under displacement, deformable convolution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape
from .composed import Composed, made
from .shape import _reshape_to

__all__ = ["Correlation", "DeformableConvolution", "ModulatedDeformableConvolution"]

MAX_TAPS = 1 << 12


class Correlation(Op):
    """y[n, t, i, j] = mean over channels and a window of data1 times data2 displaced by the t-th step.

    Windows of `kernel_size` (odd) lie `stride1` apart in images padded by `pad_size`; steps go from -max_displacement
    to max_displacement by `stride2`, rows outside. Without `is_multiply` |data1 - data2| is taken. data1 and data2
    (n, c, h, w), y (n, steps^2, h', w') (Dosovitskiy et al., 2015, section 3).
    """

    kernel_size: int = 1
    max_displacement: int = 1
    stride1: int = 1
    stride2: int = 1
    pad_size: int = 0
    is_multiply: bool = True
    inputs = ("data1", "data2")

    def check(self) -> None:
        if self.kernel_size < 1 or self.kernel_size % 2 == 0 or min(self.stride1, self.stride2) < 1:
            raise ParameterError("Correlation: kernel_size must be odd and positive, strides positive")
        if self.max_displacement < 0 or self.pad_size < 0 or self.steps**2 * self.kernel_size**2 > MAX_TAPS:
            raise ParameterError(f"Correlation: displacement and padding from 0, at most {MAX_TAPS} products a place")

    @property
    def steps(self) -> int:
        return self.max_displacement // self.stride2 * 2 + 1

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data = merge(merge(ins[0], ins[1]), None if outs[0] is None else (outs[0][0], 0, 0, 0))
        if data is None:
            return ins, outs
        if len(data) != 4:
            raise ShapeError(f"data1 must have 4 axes, got {show_shape(data)}")
        border = 2 * (self.max_displacement + self.kernel_size // 2)
        room = [n + 2 * self.pad_size - border if n else 1 for n in data[2:]]
        if min(room) < 1:
            raise ShapeError(f"the images {show_shape(data)} are smaller than window and displacements")
        sizes = [-(-r // self.stride1) if n else 0 for r, n in zip(room, data[2:], strict=True)]
        return [data, data], [merge(outs[0], (data[0], self.steps**2, *sizes))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        node = _correlation_grad(self)(gs[0], *xs).node
        return Value(node, 0), Value(node, 1)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0), (0,))


class _correlation_grad(Op):
    """ddata1 and ddata2 of Correlation."""

    correlation: Op
    public = False
    inputs = ("grad", "data1", "data2")
    outputs = ("data1", "data2")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return ins[1:]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0, 0), (0, 0))


class DeformableConvolution(Composed):
    """Convolution whose taps are moved by `offset` (n, 2 groups taps, h', w'), pairs (row, column) in pixels.

    Each of the `num_deformable_group` groups of channels has offsets of its own; a tap reads between pixels, and 0
    outside (Dai et al., 2017, section 2). data (n, c, h, w), weight (num_filter, c / num_group, kh, kw).
    """

    kernel: Shape
    num_filter: int
    stride: Shape = (1, 1)
    dilate: Shape = (1, 1)
    pad: Shape = (0, 0)
    num_group: int = 1
    num_deformable_group: int = 1
    no_bias: bool = False
    layout: Literal["NCHW"] | None = None
    name = "_contrib_DeformableConvolution"
    inputs: ClassVar[tuple[str, ...]] = ("data", "offset", "weight", "bias")
    ignored = frozenset({"workspace"})
    modulated: ClassVar[bool] = False

    def check(self) -> None:
        pairs = (self.kernel, self.stride or (1, 1), self.dilate or (1, 1), self.pad or (0, 0))
        kind = type(self).__name__
        if any(len(p) != 2 for p in pairs) or min(*pairs[0], *pairs[1], *pairs[2]) < 1:
            raise ParameterError(f"{kind}: kernel, stride, dilate and pad are two sizes")
        if min(self.num_filter, self.num_group, self.num_deformable_group) < 1 or math.prod(self.kernel) > MAX_TAPS:
            raise ParameterError(f"{kind}: num_filter, num_group and num_deformable_group from 1")
        if self.num_filter % self.num_group:
            raise ParameterError(f"{kind}: {self.num_filter} filters in {self.num_group} groups")

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return self.inputs[:-1] if self.no_bias else self.inputs

    def variable_attrs(self, name: str) -> Mapping[str, str]:
        return {}

    @property
    def columns(self) -> _deformable_columns:
        stride, dilate, pad = self.stride or (1, 1), self.dilate or (1, 1), self.pad or (0, 0)
        return _deformable_columns(self.kernel, stride, dilate, pad, self.num_deformable_group, self.modulated)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data, *places = ins[: 3 if self.modulated else 2]
        weight, *bias = ins[1 + len(places) :]
        if data is None or len(data) != 4 or not all(data[1:]):
            if data is not None and len(data) != 4:
                raise ShapeError(f"data must have 4 axes, got {show_shape(data)}")
            return ins, outs
        for count, what in ((self.num_group, "num_group"), (self.num_deformable_group, "num_deformable_group")):
            if data[1] % count:
                raise ShapeError(f"{data[1]} channels are no multiple of {what} {count}")
        sizes, taps = self.columns.sizes(data), self.num_deformable_group * math.prod(self.kernel)
        places = [merge(x, (data[0], k * taps, *sizes)) for k, x in zip((2, 1), places, strict=False)]
        weight = merge(weight, (self.num_filter, data[1] // self.num_group, *self.kernel))
        bias = [merge(x, (self.num_filter,)) for x in bias]
        return [data, *places, weight, *bias], [merge(outs[0], (data[0], self.num_filter, *sizes))]

    def decompose(self, *xs: Value) -> Value:
        data, offset = xs[:2]
        (n, c, _, _), g, taps = data.shape, self.num_group, math.prod(self.kernel)
        weight, *bias = xs[3 if self.modulated else 2 :]
        sizes = self.columns.sizes(data.shape)
        rows, places = c * taps // g, math.prod(sizes)
        each = self.num_filter // g
        columns = self.columns(data, offset)
        if self.modulated:
            groups = self.num_deformable_group
            weights = _reshape_to((n, groups, 1, taps, places))(xs[2])
            columns = made("broadcast_mul", _reshape_to((n, groups, c // groups, taps, places))(columns), weights)
        columns = _reshape_to((n * g, rows, places))(columns)
        filters = made("broadcast_to", _reshape_to((1, g, each, rows))(weight), shape=(n, g, each, rows))
        y = made("batch_dot", _reshape_to((n * g, each, rows))(filters), columns)
        y = _reshape_to((n, self.num_filter, *sizes))(y)
        return made("broadcast_add", y, _reshape_to((1, self.num_filter, 1, 1))(bias[0])) if bias else y


class ModulatedDeformableConvolution(DeformableConvolution):
    """DeformableConvolution whose taps are also weighted, by `mask` (n, groups taps, h', w').

    Outside of the image lie zeros, towards which the border's pixels fade (Zhu et al., 2019, section 3.2).
    """

    name = "_contrib_ModulatedDeformableConvolution"
    inputs = ("data", "offset", "mask", "weight", "bias")
    ignored = frozenset({"workspace", "im2col_step"})
    modulated = True


class _deformable_columns(Op):
    """What the taps read: (n, c taps, places) of data (n, c, h, w) at offset (n, 2 groups taps, h', w').

    `soft`: within a pixel of the border they read between pixels and zeros.
    """

    kernel: Shape
    stride: Shape
    dilate: Shape
    pad: Shape
    groups: int
    soft: bool
    public = False
    inputs = ("data", "offset")

    def sizes(self, data: Shape) -> Shape:
        out = []
        for n, k, s, d, p in zip(data[2:], self.kernel, self.stride, self.dilate, self.pad, strict=True):
            room = n + 2 * p - d * (k - 1) - 1
            if room < 0:
                raise ShapeError(f"the kernel {self.kernel} is larger than the padded image {data[2:]}")
            out.append(room // s + 1)
        return tuple(out)

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        data = ins[0]
        return [(data[0], data[1] * math.prod(self.kernel), math.prod(self.sizes(data)))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [ins[0]]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        node = _deformable_columns_grad(self)(gs[0], *xs).node
        return Value(node, 0), Value(node, 1)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0), (0,))


class _deformable_columns_grad(Op):
    """ddata and doffset of the columns."""

    columns: Op
    public = False
    inputs = ("grad", "data", "offset")
    outputs = ("data", "offset")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return ins[1:]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0, 0), (0, 0))
