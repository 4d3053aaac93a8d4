"""Operators whose integer input chooses elements by several axes, or rows to write: gather_nd, scatter_nd and kin.

A column of `indices` (m, ...) is the position along the first m axes; negative ones count from the end, as in MXNet,
and what is out of range is an error at the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes
from ..types import Shape, merge, show_shape
from .composed import Composed, filled, made
from .indexing import _one_dtype

__all__ = ["Indexed", "gather_nd", "scatter_nd"]

Ints = tuple[int, ...]


class batch_take(Composed):
    """y[i..] = a[i.., indices[i..]]: one element of each row; indices out of range are clipped. It has a gradient."""

    inputs = ("a", "indices")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        a, i = ins[0], merge(ins[1], outs[0])
        if a is not None:
            i = merge(i, a[:-1] or (1,))
        if i is not None and a is not None:
            a = merge(a, (*i, 0)[-len(a) :])
        return [a, i], [i]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(ins[0], outs[0])
        return [one, ins[1] or "int32"], [one]

    def decompose(self, *xs: Value) -> Value:
        return made("pick", *xs, axis=-1)


class Indexed(Op):
    """Base: reads or writes `data` at `indices` (m, ...)."""

    abstract = True
    inputs = ("data", "indices")

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(ins[0], outs[0])
        return [one, ins[1]], [one]


def _check(indices: Shape, ndim: int) -> None:
    if len(indices) < 2:
        raise ShapeError(f"indices must have at least 2 axes, got {show_shape(indices)}")
    if indices[0] > ndim:
        raise ShapeError(f"indices {show_shape(indices)} name {indices[0]} axes of {ndim}")


class gather_nd(Indexed):
    """y[j.., k..] = data[indices[0, j..], ..., indices[m - 1, j..], k..] with indices (m, ...)."""

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, i = ins
        if x is None or i is None or not i[0]:
            return ins, outs
        _check(i, len(x))
        y = merge(outs[0], (*i[1:], *x[i[0] :]))
        assert y is not None
        n = len(i) - 1
        return [(*x[: i[0]], *y[n:]), (i[0], *y[:n])], [y]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return _scatter_sum(xs[0].shape)(gs[0], xs[1]), None


class scatter_nd(Indexed):
    """y (shape) = 0, but y[indices[0, j..], ..., indices[m - 1, j..], k..] = data[j.., k..]; of equal ones the last."""

    shape: Shape

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, i = ins
        if i is None or not i[0]:
            return ins, [merge(outs[0], self.shape)]
        _check(i, len(self.shape))
        x = merge(x, (*i[1:], *self.shape[i[0] :]))
        assert x is not None
        return [x, (i[0], *x[: len(i) - 1])], [merge(outs[0], self.shape)]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return gather_nd()(gs[0], xs[1]), None


class _scatter_sum(scatter_nd):
    """y (shape) = the sum, at each position, of the data for it: the gradient of gather_nd."""

    shape: Shape
    name = "_backward_gather_nd"


class _scatter_set_nd(Op):
    """y = lhs, but with rhs at the positions, as scatter_nd has it; `shape` is that of lhs."""

    shape: Shape
    inputs = ("lhs", "rhs", "indices")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        (rhs, i), (y,) = scatter_nd(self.shape).infer_shape(ins[1:], outs)
        return [merge(ins[0], self.shape), rhs, i], [y]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(*ins[:2], outs[0])
        return [one, one, ins[2]], [one]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        hole = _scatter_set_nd(self.shape)(gs[0], filled(gs[0], xs[1].shape), xs[2])
        return hole, gather_nd()(gs[0], xs[2]), None


class fill_element_0index(Composed):
    """y = lhs (n, c), but y[i, rhs[i]] = mhs[i]; indices out of range change nothing."""

    inputs = ("lhs", "mhs", "rhs")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, i = merge(ins[0], outs[0]), merge(ins[1], ins[2])
        if x is not None:
            if len(x) != 2:
                raise ShapeError(f"lhs must have 2 axes, got {show_shape(x)}")
            i = merge(i, x[:1])
        return [x, i, i], [x]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(*ins[:2], outs[0])
        return [one, one, ins[2]], [one]

    def decompose(self, *xs: Value) -> Value:
        x, value, index = xs
        here = made("one_hot", index, depth=x.shape[1], dtype=x.dtype)
        row = made("broadcast_to", made("expand_dims", value, axis=1), shape=x.shape)
        return made("where", here, row, x)


class _contrib_index_copy(Op):
    """y = old_tensor, but row index_vector[i] is row i of new_tensor; of equal indices the last one stays."""

    inputs = ("old_tensor", "index_vector", "new_tensor")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, i, new = merge(ins[0], outs[0]), ins[1], ins[2]
        if x is not None:
            new = merge(new, (i[0] if i is not None else 0, *x[1:]))
        if new is not None:
            i = merge(i, new[:1])
        return [x, i, new], [x]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        one = _one_dtype(ins[0], ins[2], outs[0])
        return [one, ins[1], one], [one]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        g, index = gs[0], xs[1]
        return _contrib_index_copy()(g, index, filled(g, xs[2].shape)), None, made("take", g, index)


class _FlatIndex(Op):
    """Base: the positions in an array of `shape`, whose first size may be -1, by axes and in the flattened array."""

    abstract = True
    shape: Ints = ()

    def check(self) -> None:
        if not self.shape or min(self.shape[1:], default=1) < 1 or self.shape[0] < -1 or not self.shape[0]:
            raise ParameterError(f"{self.name}: shape must have positive sizes, the first may be -1, got {self.shape}")
        if math.prod(self.shape) >= 1 << 63:
            raise ParameterError(f"{self.name}: an array of shape {self.shape} has too many elements to count")


class _ravel_multi_index(_FlatIndex):
    """y (...) = the position in the flattened array of the element at data (m, ...), by axes; nothing is checked."""

    aliases = ("ravel_multi_index",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, y = ins[0], outs[0]
        if y is not None:
            x = merge(x, (len(self.shape), *y))
        if x is not None:
            if x[0] not in (0, len(self.shape)):
                raise ShapeError(f"{show_shape(x)} names {x[0]} axes of an array of {len(self.shape)}")
            y = merge(y, x[1:])
        return [x], [y]


class _unravel_index(_FlatIndex):
    """y (m, ...) = the position by axes of the element at position data (...) of the flattened array."""

    aliases = ("unravel_index",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, y = ins[0], outs[0]
        if y is not None:
            x = merge(x, y[1:])
        return [x], [y if x is None else merge(y, (len(self.shape), *x))]


def steps(op: _FlatIndex) -> Ints:
    """Give how many elements a step along each axis skips of the array whose positions the operator counts."""
    found = [1]
    for n in op.shape[:0:-1]:
        found.append(found[-1] * n)
    return tuple(found[::-1])
