"""Reductions over axes, positions of extrema, and broadcasting, which is the reverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import OPS, Op, PartialDTypes, PartialShapes, Split
from ..types import Shape, TensorType, dtype_name, merge, show_shape
from .compare import compare
from .unary import sign

__all__ = ["Reduction", "norm", "reduced_axes", "sum"]

# graphnn.params parses by these names.
Axes = tuple[int, ...] | None
Ints = tuple[int, ...]


def reduced_axes(axis: Axes, ndim: int, exclude: bool = False) -> tuple[int, ...]:
    """Give the reduced axes in order, none negative; no axes named means all."""
    if not axis:
        return tuple(range(ndim))
    found = sorted(a + ndim if a < 0 else a for a in axis)
    if found[0] < 0 or found[-1] >= ndim:
        raise ShapeError(f"axis {show(axis)} is out of range for {ndim} axes")
    if len(set(found)) < len(found):
        raise ShapeError(f"axis {show(axis)} names an axis twice")
    return tuple(a for a in range(ndim) if (a in found) != exclude)


def show(axis: tuple[int, ...]) -> str:
    """Write axes as a caller gave them."""
    return str(axis[0]) if len(axis) == 1 else str(axis)


def _moved(axis: int, ndim: int) -> int:
    """Give where an axis goes when axis 1 becomes the last."""
    return axis if axis == 0 else ndim - 1 if axis == 1 else axis - 1


class Reduction(Op):
    """y = the elements of x along `axis` (left out: all) made one; `exclude`: along all axes but these.

    Reduced axes vanish, or stay with size 1 with `keepdims`; a single result has the shape (1,).
    """

    abstract = True
    axis: Axes = None
    keepdims: bool = False
    exclude: bool = False

    def axes(self, ndim: int) -> tuple[int, ...]:
        return reduced_axes(self.axis, ndim, self.exclude)

    def kept(self, x: Shape) -> Shape:
        """Give the output shape with every reduced axis kept as size 1."""
        axes = self.axes(len(x))
        return tuple(1 if i in axes else n for i, n in enumerate(x))

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, y = ins[0], outs[0]
        if x is None:
            return ins, outs
        axes = self.axes(len(x))
        rest = tuple(i for i in range(len(x)) if i not in axes)
        if self.keepdims:
            y = merge(y, self.kept(x))
            back = {i: y[i] for i in rest} if y else {}
        else:
            y = merge(y, tuple(x[i] for i in rest) or (1,))
            back = dict(zip(rest, y or (), strict=False))
        return [merge(x, tuple(back.get(i, 0) for i in range(len(x))))], [y]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,), (0,)) if 0 not in self.axes(ins[0].ndim) else None

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        n = ins[0].ndim
        axes = self.axes(n)
        rest = [_moved(i, n) for i in range(n) if i not in axes]
        if not axes or (not self.keepdims and rest != sorted(rest)):
            return None
        return type(self)(tuple(sorted(_moved(i, n) for i in axes)), self.keepdims), (True,), (self.keepdims,)

    def keep(self, x: Value, y: Value) -> Value:
        """Give `y`, of the output's shape, the axes that reduction took."""
        return _reshaped(y, self.kept(x.shape))


def _reshaped(x: Value, shape: Shape) -> Value:
    return x if x.shape == shape else OPS["Reshape"].from_params({"shape": shape})(x)


def _repeated(x: Value, shape: Shape) -> Value:
    return x if x.shape == shape else broadcast_to(shape)(x)


class sum(Reduction):
    """y = the sum of x over the axes."""

    aliases = ("sum_axis",)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return super().split(ins, outs) or Split((0,), (None,), sum=True)

    def grad(self, xs, ys, gs):
        return (_repeated(self.keep(xs[0], gs[0]), xs[0].shape),)


class mean(Reduction):
    """y = the mean of x over the axes."""

    def grad(self, xs, ys, gs):
        x = xs[0]
        count = x.type.size // ys[0].type.size
        return (_repeated(self.keep(x, gs[0] * (1 / count)), x.shape),)


class _Extremum(Reduction):
    """The gradient goes to every element equal to the extremum, as in MXNet."""

    abstract = True

    def grad(self, xs, ys, gs):
        x = xs[0]
        return (compare("==", x, self.keep(x, ys[0])) * self.keep(x, gs[0]),)


class max(_Extremum):
    """y = the largest x over the axes."""

    aliases = ("max_axis",)


class min(_Extremum):
    """y = the smallest x over the axes."""

    aliases = ("min_axis",)


class prod(Reduction):
    """y = the product of x over the axes; the gradient, g y / x, is nan where x is 0."""

    def grad(self, xs, ys, gs):
        return (self.keep(xs[0], gs[0] * ys[0]) / xs[0],)


class nansum(Reduction):
    """y = the sum of x over the axes, nan counted as 0."""

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return super().split(ins, outs) or Split((0,), (None,), sum=True)

    def grad(self, xs, ys, gs):
        x = xs[0]
        return (compare("==", x, x) * self.keep(x, gs[0]),)


class nanprod(Reduction):
    """y = the product of x over the axes, nan counted as 1; nan elements get the gradient 0."""

    def grad(self, xs, ys, gs):
        x = xs[0]
        one = _nan_to_one()(x)
        return (compare("==", x, x) * (self.keep(x, gs[0] * ys[0]) / one),)


class _nan_to_one(Op):
    """y = x, or 1 where x is nan."""

    public = False
    elementwise = True

    def shapes(self, x: Shape) -> Sequence[Shape]:
        return (x,)


class norm(Reduction):
    """y = sum(|x|) or sqrt(sum(x^2)) over the axes, by ord 1 or 2; at x = 0 the latter's gradient is nan."""

    ord: int = 2
    out_dtype: Literal["float16", "float32", "float64"] | None = None

    def check(self) -> None:
        if self.ord not in (1, 2):
            raise ParameterError(f"norm: ord must be 1 or 2, got {self.ord}")

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return super().infer_dtype(ins, outs) if self.out_dtype is None else (ins, [self.out_dtype])

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        return None

    def grad(self, xs, ys, gs):
        x = xs[0]
        y, g = (v if v.dtype == x.dtype else OPS["Cast"].from_params({"dtype": x.dtype})(v) for v in (ys[0], gs[0]))
        if self.ord == 1:
            return (sign()(x) * self.keep(x, g),)
        return (x * self.keep(x, g) / self.keep(x, y),)


class _Position(Op):
    """Positions come as floats, as in MXNet: float64 for float64 inputs, else float32."""

    abstract = True

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        if ins[0] is None:
            return ins, outs
        return ins, ["float64" if dtype_name(ins[0]) == "float64" else "float32"]


class argmax(_Position):
    """y = the position of the first largest x along `axis`; without axis, in the flattened x, with shape (1,)."""

    axis: int | None = None
    keepdims: bool = False

    def reduction(self) -> Reduction:
        """Give a reduction with the same shape rule."""
        return max(None if self.axis is None else (self.axis,), self.keepdims)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return self.reduction().infer_shape(ins, outs)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return self.reduction().split(ins, outs)


class argmin(argmax):
    """y = the position of the first smallest x along `axis`; without axis, in the flattened x, with shape (1,)."""


class argmax_channel(_Position):
    """y = the position of the first largest x along the last axis."""

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return max((-1,)).infer_shape(ins, outs)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return max((-1,)).split(ins, outs)


class broadcast_to(Op):
    """y = x repeated along its axes of size 1 to `shape`, in which 0 keeps the size of x."""

    shape: Shape = ()

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = ins[0]
        if x is None:
            return ins, outs
        if len(x) != len(self.shape):
            raise ShapeError(f"{show_shape(x)} has not as many axes as shape={self.shape}")
        if any(n > 1 and m not in (0, n) for n, m in zip(x, self.shape, strict=True)):
            raise ShapeError(f"{show_shape(x)} does not broadcast to {self.shape}")
        return ins, [merge(outs[0], tuple(m or n for n, m in zip(x, self.shape, strict=True)))]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return None

    def grad(self, xs, ys, gs):
        return (gs[0],)  # the gradient pass sums over the repeated axes


class broadcast_axis(Op):
    """y = x repeated along each of `axis`, where its size is 1, as often as `size` says."""

    axis: Ints = ()
    size: Ints = ()
    aliases = ("broadcast_axes",)

    def check(self) -> None:
        if len(self.axis) != len(self.size):
            raise ParameterError(f"{self.name}: axis {self.axis} and size {self.size} differ in length")
        if any(n < 1 for n in self.size):
            raise ParameterError(f"{self.name}: size must be positive, got {self.size}")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = ins[0]
        if x is None:
            return ins, outs
        if self.axis:
            reduced_axes(self.axis, len(x))  # checks them
        y = list(x)
        for a, n in zip(self.axis, self.size, strict=True):
            if x[a] > 1:
                raise ShapeError(f"axis {a} of {show_shape(x)} must have size 1")
            y[a] = n
        return ins, [merge(outs[0], tuple(y))]

    def grad(self, xs, ys, gs):
        return (gs[0],)


class broadcast_like(Op):
    """y = lhs repeated to the shape of rhs, or along `lhs_axes` to the sizes of rhs along `rhs_axes`."""

    lhs_axes: Axes = None
    rhs_axes: Axes = None
    inputs = ("lhs", "rhs")

    def check(self) -> None:
        if None in (self.lhs_axes, self.rhs_axes):
            return  # one of the two alone means nothing, as in MXNet
        if len(self.lhs_axes or ()) != len(self.rhs_axes or ()):
            raise ParameterError(f"{self.name}: lhs_axes {self.lhs_axes} and rhs_axes {self.rhs_axes} differ in length")
        if not self.lhs_axes:
            raise ParameterError(f"{self.name}: lhs_axes and rhs_axes must name an axis, or be left out")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, like = ins
        if x is None or like is None:
            return ins, outs
        if self.lhs_axes is None or self.rhs_axes is None:
            if len(x) != len(like):
                raise ShapeError(f"{show_shape(x)} and {show_shape(like)} differ in their number of axes")
            y = list(like)
        else:
            reduced_axes(self.lhs_axes, len(x)), reduced_axes(self.rhs_axes, len(like))  # checks them
            y = list(x)
            for a, b in zip(self.lhs_axes, self.rhs_axes, strict=True):
                y[a] = like[b]
        if any(n > 1 and m not in (0, n) for n, m in zip(x, y, strict=True)):
            raise ShapeError(f"{show_shape(x)} does not broadcast to {show_shape(tuple(y))}")
        return ins, [merge(outs[0], tuple(y))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        found = ins[0] or outs[0]
        return [found, ins[1] or found], [found]

    def grad(self, xs, ys, gs):
        return gs[0], None
