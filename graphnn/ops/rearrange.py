"""Blocks and diagonals: depth_to_space, space_to_depth, diag; and compositions of products and sums over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from ..errors import ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes
from ..types import Shape, known, merge, show_shape
from .composed import Composed, made
from .reduce import reduced_axes
from .shape import axis_of

__all__ = ["diag", "diagonal_size"]

Count = int
Axes = tuple[int, ...] | None


def _blocks(op: Op, x: Shape | None, y: Shape | None, size: int) -> tuple[Shape | None, Shape | None]:
    """Complete the shapes of an operator that turns channels (n, c b^2, h, w) into blocks (n, c, h b, w b)."""
    for s in (x, y):
        if s is not None and len(s) != 4:
            raise ShapeError(f"{op.name} needs 4 axes, got {show_shape(s)}")
    if x is not None:
        if x[1] % size**2:
            raise ShapeError(f"the {x[1]} channels are not a multiple of block_size^2 = {size**2}")
        y = merge(y, (x[0], x[1] // size**2, x[2] * size, x[3] * size))
    if y is not None:
        if y[2] % size or y[3] % size:
            raise ShapeError(f"height and width of {show_shape(y)} are not multiples of block_size = {size}")
        x = merge(x, (y[0], y[1] * size**2, y[2] // size, y[3] // size))
    return x, y


class depth_to_space(Composed):
    """y[n, c, h b + i, w b + j] = x[n, (i b + j) C + c, h, w] with b = block_size and y (n, C, H b, W b)."""

    block_size: Count

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, y = _blocks(self, ins[0], outs[0], self.block_size)
        return [x], [y]

    def decompose(self, *xs: Value) -> Value:
        (n, c, h, w), b = xs[0].shape, self.block_size
        parts = made("Reshape", xs[0], shape=(n, b, b, c // b**2, h, w))
        turned = made("transpose", parts, axes=(0, 3, 4, 1, 5, 2))
        return made("Reshape", turned, shape=(n, c // b**2, h * b, w * b))


class space_to_depth(Composed):
    """y[n, (i b + j) C + c, h, w] = x[n, c, h b + i, w b + j] with b = block_size and x (n, C, H b, W b)."""

    block_size: Count

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        y, x = _blocks(self, outs[0], ins[0], self.block_size)
        return [x], [y]

    def decompose(self, *xs: Value) -> Value:
        (n, c, h, w), b = xs[0].shape, self.block_size
        parts = made("Reshape", xs[0], shape=(n, c, h // b, b, w // b, b))
        turned = made("transpose", parts, axes=(0, 3, 5, 1, 2, 4))
        return made("Reshape", turned, shape=(n, c * b**2, h // b, w // b))


# Diagonals


def diagonal_size(rows: int, columns: int, k: int) -> int:
    """Give how many elements are on diagonal k; raise ShapeError where there are none."""
    n = min(rows, columns - k) if k >= 0 else min(rows + k, columns)
    if n < 1:
        raise ShapeError(f"a matrix ({rows}, {columns}) has no diagonal {k}")
    return n


class _diagonal(Op):
    """y (..., n) = the elements x[.., i, .., i + k, ..] of axes axis1 and axis2, which vanish."""

    k: int
    axis1: int
    axis2: int
    public = False

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        x, a, b = ins[0], self.axis1, self.axis2
        rest = tuple(n for i, n in enumerate(x) if i not in (a, b))
        return ((*rest, diagonal_size(x[a], x[b], self.k)),)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_from_diagonal(xs[0].shape, self.k, self.axis1, self.axis2)(gs[0]),)


class _from_diagonal(Op):
    """y (shape) = 0, but x (..., n) on diagonal k of axes axis1 and axis2."""

    shape: Shape
    k: int
    axis1: int
    axis2: int
    public = False

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        return (self.shape,)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_diagonal(self.k, self.axis1, self.axis2)(gs[0]),)


class diag(Composed):
    """y (..., n) = diagonal k of axes axis1 and axis2 of x; of a vector, the matrix with it on diagonal k."""

    k: int = 0
    axis1: int = 0
    axis2: int = 1

    def axes(self, x: Shape) -> tuple[int, int]:
        a, b = axis_of(self.axis1, len(x)), axis_of(self.axis2, len(x))
        if a == b:
            raise ShapeError(f"axis1 and axis2 are both axis {a}")
        return a, b

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = ins[0]
        if x is None or not known(x):
            return ins, outs
        if len(x) == 1:
            return ins, [merge(outs[0], (x[0] + abs(self.k),) * 2)]
        return ins, [merge(outs[0], tuple(_diagonal(self.k, *self.axes(x)).shapes(x)[0]))]

    def decompose(self, *xs: Value) -> Value:
        x = xs[0]
        if len(x.shape) == 1:
            n = x.shape[0] + abs(self.k)
            return _from_diagonal((n, n), self.k, 0, 1)(x)
        return _diagonal(self.k, *self.axes(x.shape))(x)


# Sums and products


class moments(Composed):
    """y = the mean of x over `axes` and its biased variance."""

    axes: Axes = None
    keepdims: bool = False
    outputs = ("output0", "output1")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = ins[0]
        if x is None:
            return ins, outs
        axes = reduced_axes(self.axes, len(x))
        kept = tuple(1 if i in axes else n for i, n in enumerate(x) if self.keepdims or i not in axes) or (1,)
        y = merge(merge(outs[0], outs[1]), kept)
        return ins, [y, y]

    def decompose(self, *xs: Value) -> Sequence[Value]:
        x = xs[0]
        mean = made("mean", x, axis=self.axes, keepdims=True)
        away = x - mean
        var = made("mean", away * away, axis=self.axes, keepdims=self.keepdims)
        return mean if self.keepdims else made("Reshape", mean, shape=var.shape), var


class _np_cumsum(Op):
    """y[i] = x[0] + ... + x[i] along `axis`; None: of the flattened x, with shape (n,)."""

    axis: int | None = None
    dtype: Literal["int8", "int32", "int64", "float16", "float32", "float64"] | None = None
    inputs = ("a",)
    aliases = ("cumsum",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        if self.axis is None:
            return ins, outs if ins[0] is None or not known(ins[0]) else [merge(outs[0], (math.prod(ins[0]),))]
        x = merge(ins[0], outs[0])
        if x is not None:
            axis_of(self.axis, len(x))
        return [x], [x]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return super().infer_dtype(ins, outs) if self.dtype is None else (ins, [self.dtype])

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        """dx[i] = g[i] + ... + g[n - 1]."""
        axis = self.axis or 0
        back = made("reverse", _np_cumsum(axis)(made("reverse", gs[0], axis=axis)), axis=axis)
        return (made("Reshape", back, shape=xs[0].shape) if self.axis is None else back,)


class khatri_rao(Composed):
    """y (r_0 r_1 ..., c) = the column-wise Kronecker product of x_0 (r_0, c), x_1 (r_1, c), ..."""

    num_args: Count
    variadic = "num_args"

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        columns: Shape | None = None
        for s in (*ins, *outs):
            if s is not None and len(s) != 2:
                raise ShapeError(f"khatri_rao needs matrices, got {show_shape(s)}")
            columns = merge(columns, None if s is None else s[1:])
        if columns is None:
            return ins, outs
        rows = [s[0] if s is not None else 0 for s in ins]
        return [(r, *columns) for r in rows], [merge(outs[0], (math.prod(rows), *columns))]

    def decompose(self, *xs: Value) -> Value:
        y = xs[0]
        for x in xs[1:]:
            pair = made("expand_dims", y, axis=1) * made("expand_dims", x, axis=0)
            y = made("Reshape", pair, shape=(pair.shape[0] * pair.shape[1], pair.shape[2]))
        return y
