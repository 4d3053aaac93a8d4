"""Matrix products: FullyConnected, dot, batch_dot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..graph import Value
from ..op import OPS, Op, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape
from .shape import _reshape_to

__all__ = ["FullyConnected", "batch_dot", "dot"]

Count = int


def _as(x: Value, shape: Shape) -> Value:
    return x if x.shape == shape else _reshape_to(shape)(x)


class FullyConnected(Op):
    """y = x W^T + b with x (n, in), W (num_hidden, in), b (num_hidden,).

    With `flatten` the axes of x after the first count as one; without it all but the last are kept.
    """

    num_hidden: Count
    no_bias: bool = False
    flatten: bool = True
    inputs = ("data", "weight", "bias")

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return self.inputs[:2] if self.no_bias else self.inputs

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data, weight, out = ins[0], ins[1], outs[0]
        if data is None and out is not None and not self.flatten:
            data = (*out[:-1], 0)
        if data is None:
            return ins, outs  # as in MXNet, whose partial inference says nothing of the weight either
        weight = merge(weight, (self.num_hidden, self._width(data)))
        assert weight is not None
        if data is not None:
            lead = data[:1] if self.flatten else data[:-1]
            out = merge(out, (*lead, self.num_hidden))
            assert out is not None
            data = (*out[:1], *data[1:]) if self.flatten else (*out[:-1], data[-1])
            data = self._fill(data, weight[1])
        ins = [data, weight] if self.no_bias else [data, weight, merge(ins[2], (self.num_hidden,))]
        return ins, [out]

    def _width(self, data: Shape | None) -> int:
        if data is None:
            return 0
        if not data:
            raise ShapeError("data must have an axis, got ()")
        return math.prod(data[1:]) if self.flatten else data[-1]

    def _fill(self, data: Shape, width: int) -> Shape:
        """Complete the one size of `data` that the width of the weight determines."""
        first = 1 if self.flatten else len(data) - 1
        open_axes = [i for i in range(first, len(data)) if not data[i]]
        if not width or len(open_axes) != 1:
            return data
        rest = math.prod(n for n in data[first:] if n)
        if width % rest:
            raise ShapeError(f"weight has {width} columns, not a multiple of {rest} as data {show_shape(data)} wants")
        return tuple(n or (width // rest if i == open_axes[0] else 0) for i, n in enumerate(data))

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        x, w = xs[0], xs[1]
        g = _as(gs[0], (gs[0].type.size // self.num_hidden, self.num_hidden))
        rows = _as(x, (x.type.size // w.shape[1], w.shape[1]))
        dx, dw = _as(dot()(g, w), x.shape), dot(transpose_a=True)(g, rows)
        return (dx, dw) if self.no_bias else (dx, dw, OPS["sum"].from_params({"axis": (0,)})(g))

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        if _by_columns(ins[1], outs[0]):
            return Split((None, 0, 0)[: len(ins)], (1,))
        return Split((0,) + (None,) * (len(ins) - 1), (0,)) if self.flatten or ins[0].ndim > 1 else None


def _by_columns(weight: TensorType, out: TensorType) -> bool:
    """Tell whether a product with a large weight is cut by its columns: each thread then reads a part of it only."""
    return out.ndim == weight.ndim == 2 and weight.size >= 1 << 18 and out.shape[0] <= 512


class dot(Op):
    """z = x y: the last axis of x against the first of y; all other axes stay, those of x first.

    `transpose_a` takes the first axis of x instead, `transpose_b` the last of y. Two vectors give shape (1,).
    """

    transpose_a: bool = False
    transpose_b: bool = False
    inputs = ("lhs", "rhs")
    ignored = frozenset({"forward_stype"})

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        a, b = ins
        if a is None or b is None:
            return ins, outs
        if not a or not b:
            raise ShapeError(f"both inputs must have an axis, got {show_shape(a)} and {show_shape(b)}")
        rows, m = (a[1:], a[0]) if self.transpose_a else (a[:-1], a[-1])
        columns, n = (b[:-1], b[-1]) if self.transpose_b else (b[1:], b[0])
        if m and n and m != n:
            raise ShapeError(f"{show_shape(a)} and {show_shape(b)} differ in the axis summed over: {m} and {n}")
        k = m or n
        if not rows and not columns:
            return [(k,), (k,)], [merge(outs[0], (1,))]
        out = merge(outs[0], (*rows, *columns))
        assert out is not None
        rows, columns = out[: len(rows)], out[len(rows) :]
        a = (k, *rows) if self.transpose_a else (*rows, k)
        b = (*columns, k) if self.transpose_b else (k, *columns)
        return [a, b], [out]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        x, y = xs
        ta, tb = self.transpose_a, self.transpose_b
        k = x.shape[0] if ta else x.shape[-1]
        m, n = x.type.size // k, y.type.size // k
        g = _as(gs[0], (m, n))
        a = _as(x, (k, m) if ta else (m, k))
        b = _as(y, (n, k) if tb else (k, n))
        da = dot(tb, True)(b, g) if ta else dot(False, not tb)(g, b)
        db = dot(True, ta)(g, a) if tb else dot(not ta, False)(a, g)
        return _as(da, x.shape), _as(db, y.shape)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        if ins[0].ndim < 2 or (self.transpose_a and ins[0].ndim != 2):
            return None
        if not (self.transpose_a or self.transpose_b) and ins[0].ndim == 2 and _by_columns(ins[1], outs[0]):
            return Split((None, 1), (1,))
        return Split((1 if self.transpose_a else 0, None), (0,))


class batch_dot(Op):
    """z[i] = x[i] y[i] with x (n, m, k), y (n, k, p); `transpose_a`, `transpose_b` transpose each matrix first."""

    transpose_a: bool = False
    transpose_b: bool = False
    inputs = ("lhs", "rhs")
    ignored = frozenset({"forward_stype"})

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        ta, tb = self.transpose_a, self.transpose_b
        for label, s in zip((*self.inputs, "output"), (*ins, *outs), strict=True):
            if s is not None and len(s) != 3:
                raise ShapeError(f"{label} must have 3 axes, got {show_shape(s)}")
        a, b, c = ins[0] or (0, 0, 0), ins[1] or (0, 0, 0), outs[0] or (0, 0, 0)
        n = merge(merge(a[:1], b[:1]), c[:1]) or (0,)
        m = merge((a[2 if ta else 1],), c[1:2]) or (0,)
        p = merge((b[1 if tb else 2],), c[2:]) or (0,)
        k = merge((a[1 if ta else 2],), (b[2 if tb else 1],)) or (0,)
        return [n + (k + m if ta else m + k), n + (p + k if tb else k + p)], [n + m + p]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        (a, b), (g,) = xs, gs
        ta, tb = self.transpose_a, self.transpose_b
        da = batch_dot(tb, True)(b, g) if ta else batch_dot(False, not tb)(g, b)
        db = batch_dot(True, ta)(g, a) if tb else batch_dot(not ta, False)(a, g)
        return da, db

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0), (0,))
