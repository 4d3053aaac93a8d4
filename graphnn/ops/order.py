"""Sorting along an axis: sort, argsort, topk. Of equal elements the first comes first, in either direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from ..errors import DTypeError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes, Split
from ..types import Shape, TensorType, known, merge
from .join import by_rows
from .shape import axis_of

__all__ = ["argsort", "sort", "topk"]

EXACT = {"float32": 1 << 24, "float64": 1 << 53, "int32": 1 << 31, "int64": 1 << 63}  # positions each dtype holds


class _Ordered(Op):
    """Base: the first `k` elements (0: all) along `axis`, None: of the flattened array."""

    abstract = True

    def span(self) -> tuple[int | None, int]:
        """Give the axis and k."""
        return getattr(self, "axis"), getattr(self, "k", 0)  # noqa: B009  # fields of the subclasses

    def chosen(self, x: Shape) -> Shape:
        """Give the shape of what is chosen from x."""
        axis, k = self.span()
        if axis is None:
            n = math.prod(x)
            return (_count(k, n) if known(x) else 0,)
        i = axis_of(axis, len(x))
        return (*x[:i], _count(k, x[i]), *x[i + 1 :])

    def source(self, x: Shape | None, y: Shape | None) -> Shape | None:
        """Complete the shape of x from that of what is chosen."""
        axis, k = self.span()
        if axis is None or y is None:
            return x
        i = axis_of(axis, len(y))
        return merge(x, y if k < 1 else (*y[:i], 0, *y[i + 1 :]))

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        y: Shape | None = None
        for s in outs:
            y = merge(y, s)
        x = self.source(ins[0], y)
        return [x], [y if x is None else merge(y, self.chosen(x))] * len(outs)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        axis, _ = self.span()
        return by_rows(0 if axis is None else axis_of(axis, ins[0].ndim), 1, len(outs))


def _count(k: int, n: int) -> int:
    if k > n > 0:
        raise ShapeError(f"k must be at most {n}, the elements there are, got {k}")
    return k if k > 0 else n


class sort(_Ordered):
    """y = the elements of x in order along `axis`; None: of the flattened x. The second output, positions, is hidden.

    The gradient goes to where each element was; in MXNet 1.9.1 a symbol's sort along the last axis has none.
    """

    axis: int | None = -1
    is_ascend: bool = True
    outputs = ("output", "indices")

    @property
    def num_visible(self) -> int:
        return 1

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        ins, one = super().infer_dtype(ins, outs[:1])
        return ins, [*one, "int64"]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_put_along(xs[0].shape, self.axis)(ys[1], gs[0]),)


class argsort(_Ordered):
    """y = the positions in x, as floats by default, of its elements in order along `axis`; no gradient flows."""

    axis: int | None = -1
    is_ascend: bool = True
    dtype: Literal["uint8", "int32", "int64", "float16", "float32", "float64"] = "float32"

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [_told(self.dtype, outs[0])]


def _told(dtype: str, out: str | None) -> str:
    if out not in (None, dtype):
        raise DTypeError(f"the output is {dtype}, not {out}")
    return dtype


class topk(_Ordered):
    """y = the k largest elements (smallest with `is_ascend`) of x along `axis`, in order; k < 1: all.

    `ret_typ` says what of them: `indices` (as `dtype`), `value`, `both`, or a `mask` of the shape of x that is 1 at
    them. The gradient of the values goes to where they were.
    """

    axis: int | None = -1
    k: int = 1
    ret_typ: Literal["value", "indices", "mask", "both"] = "indices"
    is_ascend: bool = False
    dtype: Literal["uint8", "int32", "int64", "float16", "float32", "float64"] = "float32"

    @property
    def output_names(self) -> tuple[str, ...]:
        return ("output0", "output1") if self.ret_typ == "both" else self.outputs[: self._count]

    outputs = ("output", "indices")

    @property
    def _count(self) -> int:
        return 2 if self.ret_typ in ("value", "both") else 1

    @property
    def num_visible(self) -> int:
        return 2 if self.ret_typ == "both" else 1

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        if self.ret_typ != "mask":
            return super().infer_shape(ins, outs)
        shape = merge(ins[0], outs[0])
        if shape is not None:
            self.chosen(shape)  # checks k and axis
        return [shape], [shape]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        if self.ret_typ == "indices":
            return ins, [_told(self.dtype, outs[0])]
        ins, one = super().infer_dtype(ins, outs[:1])
        return ins, [*one, self.dtype][: self._count]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        if self._count == 1:
            return (None,)
        x, positions = xs[0], ys[1]
        if x.type.size > EXACT.get(self.dtype, 0):
            positions = topk(self.axis, self.k, "indices", self.is_ascend, "int64")(x)
        return (_put_along(x.shape, self.axis)(positions, gs[0]),)


class _put_along(Op):
    """dx (shape) = 0, but g at the positions along `axis`; None: of the flattened dx."""

    shape: Shape
    axis: int | None
    public = False
    inputs = ("indices", "g")

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        return (self.shape,)

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [ins[1]]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return by_rows(0 if self.axis is None else axis_of(self.axis, outs[0].ndim), 2)
