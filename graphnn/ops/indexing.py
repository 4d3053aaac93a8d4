"""Operators whose integer input chooses elements: Embedding, take, one_hot, pick, where.

Indices may have any dtype; fractions are cut off. Those out of range are clipped or wrapped, as MXNet does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ..errors import DTypeError, ShapeError
from ..graph import Value
from ..op import OPS, Op, PartialDTypes, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape
from .shape import axis_of

__all__ = ["Embedding", "one_hot", "pick", "take", "where"]

Count = int
DType = str


def _one_dtype(*dtypes: str | None) -> str | None:
    """Unite the dtypes of the operands that must share one."""
    found = {d for d in dtypes if d is not None}
    if len(found) > 1:
        raise DTypeError(f"must have one dtype, got {', '.join(sorted(found))}: cast() first")
    return found.pop() if found else None


class Embedding(Op):
    """y[i, ...] = weight[data[i, ...]] with weight (input_dim, output_dim); indices out of range are clipped."""

    input_dim: Count
    output_dim: Count
    dtype: DType = "float32"
    inputs = ("data", "weight")
    aliases = ("_contrib_SparseEmbedding",)
    ignored = frozenset({"sparse_grad"})

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, y = ins[0], outs[0]
        if y is not None:
            x = merge(x, y[:-1])
        if x is not None:
            y = merge(y, (*x, self.output_dim))
        return [x, merge(ins[1], (self.input_dim, self.output_dim))], [y]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(ins[1], outs[0]) or self.dtype
        return [ins[0], one], [one]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return None, _backward_take(xs[1].shape)(xs[0], gs[0])

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, None), (0,))


class take(Op):
    """y = a with axis `axis` replaced by the axes of `indices`: y[.., i.., ..] = a[.., indices[i..], ..]."""

    axis: int = 0
    mode: Literal["clip", "wrap", "raise"] = "clip"
    inputs = ("a", "indices")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        a, i = ins
        if a is None or i is None:
            return ins, outs
        axis = axis_of(self.axis, len(a))
        y = merge(outs[0], (*a[:axis], *i, *a[axis + 1 :]))
        assert y is not None
        after = axis + len(i)
        return [(*y[:axis], a[axis], *y[after:]), y[axis:after]], [y]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(ins[0], outs[0])
        return [one, ins[1]], [one]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        axis = axis_of(self.axis, len(xs[0].shape))
        return _backward_take(xs[0].shape, axis, self.mode)(xs[1], gs[0]), None

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, None), (0,)) if axis_of(self.axis, ins[0].ndim) else Split((None, 0), (0,))


class _backward_take(Op):
    """da (shape) = the sum, at each index along `axis`, of the slices of g taken from there."""

    shape: Shape
    axis: int = 0
    mode: Literal["clip", "wrap", "raise"] = "clip"
    public = False
    inputs = ("indices", "g")

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        return (self.shape,)

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(ins[1], outs[0])
        return [ins[0], one], [one]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return None, take(self.axis, self.mode)(gs[0], xs[0])

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((None, 0), (0,)) if self.axis else None


class one_hot(Op):
    """y[i.., k] = on_value where indices[i..] = k, else off_value; an index out of range gives no on_value."""

    depth: Count
    on_value: float = 1.0
    off_value: float = 0.0
    dtype: DType = "float32"
    inputs = ("indices",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = merge(ins[0], outs[0][:-1] if outs[0] is not None else None)
        return [x], [outs[0] if x is None else merge(outs[0], (*x, self.depth))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [self.dtype]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (None,)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,), (0,))


class pick(Op):
    """y[i..] = data[i.., index[i..], ..], the index counting along `axis`; None: along the flattened data."""

    axis: int | None = -1
    keepdims: bool = False
    mode: Literal["clip", "wrap"] = "clip"
    inputs = ("data", "index")
    aliases = ("choose_element_0index",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, index = ins
        if x is None:
            return ins, outs
        if self.axis is None:
            kept: Shape = (1,) * len(x) if self.keepdims else (1,)
            return [x, merge(index, (1,))], [merge(outs[0], kept)]
        axis = axis_of(self.axis, len(x))
        rest, kept = x[:axis] + x[axis + 1 :], (*x[:axis], 1, *x[axis + 1 :])
        if index is not None and len(index) == len(x):
            index = merge(index, kept)
        else:
            index = merge(index, rest or (1,))
        return [x, index], [merge(outs[0], kept if self.keepdims else rest or (1,))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(ins[0], outs[0])
        return [one, ins[1]], [one]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return _backward_pick(xs[0].shape, self.axis, self.mode)(xs[1], gs[0]), None

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0), (0,)) if self.axis is not None and axis_of(self.axis, ins[0].ndim) else None


class _backward_pick(Op):
    """dx (shape) = 0, but g at the elements picked."""

    shape: Shape
    axis: int | None
    mode: Literal["clip", "wrap"] = "clip"
    public = False
    inputs = ("index", "g")

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        return (self.shape,)

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(ins[1], outs[0])
        return [ins[0], one], [one]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0), (0,)) if self.axis is not None and axis_of(self.axis, len(self.shape)) else None


class where(Op):
    """z = x where the condition is not 0, else y; a condition (n,) chooses whole rows of x and y (n, ...)."""

    inputs = ("condition", "x", "y")
    inplace = ((2, 0),)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        c = ins[0]
        x = merge(merge(ins[1], ins[2]), outs[0])
        if x is None or (c is not None and len(c) == 1 and len(x) != 1):
            if c is not None and x is not None and c[0] != x[0] and c[0] and x[0]:
                raise ShapeError(f"condition {show_shape(c)} has not one element for each row of {show_shape(x)}")
            return [c, x, x], [x]
        x = merge(x, c)
        return [x] * 3, [x]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(ins[1], ins[2], outs[0])
        return [ins[0], one, one], [one]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        g = gs[0]
        zero = OPS["_zeros"].from_params({"shape": g.shape, "dtype": g.dtype})()
        return None, where()(xs[0], g, zero), where()(xs[0], zero, g)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0, 0), (0,))
