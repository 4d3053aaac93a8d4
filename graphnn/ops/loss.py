"""Softmax in its forms, and the loss heads, which send back a gradient of their own making."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import OPS, Op, PartialDTypes, PartialShapes, Split
from ..types import Shape, TensorType, known, merge, show_shape
from .compare import compare
from .shape import _reshape_to, axis_of

__all__ = [
    "LinearRegressionOutput",
    "LogisticRegressionOutput",
    "MAERegressionOutput",
    "SVMOutput",
    "SoftmaxActivation",
    "SoftmaxOutput",
    "log_softmax",
    "softmax",
    "softmax_cross_entropy",
    "softmin",
]


def _as(x: Value, shape: Shape) -> Value:
    return x if x.shape == shape else _reshape_to(shape)(x)


class Normalised(Op):
    """Base: y has the shape of x and depends on all of x along one axis."""

    abstract = True

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(ins[0], outs[0])
        return [shape], [shape]

    def along(self, ndim: int) -> int:
        return axis_of(getattr(self, "axis"), ndim)  # noqa: B009  # a field of the subclasses

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,) * len(ins), (0,)) if self.along(ins[0].ndim) else None


class Softmax(Normalised):
    """Base of softmax, log_softmax and softmin."""

    abstract = True
    inplace = ((0, 0),)

    def check(self) -> None:
        if getattr(self, "use_length", False) and self.name != "softmax":
            raise ParameterError(f"{self.name}: use_length=True is for softmax only, as in MXNet")
        if getattr(self, "temperature", None) == 0:
            raise ParameterError(f"{self.name}: temperature must not be 0")

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        wanted = getattr(self, "dtype", None)
        return (ins, [wanted]) if wanted else super().infer_dtype(ins, outs)

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        return None

    @property
    def divisor(self) -> float:
        temperature = getattr(self, "temperature", None)
        return 1.0 if temperature is None else temperature


class softmax(Softmax):
    """y = exp(x / temperature) / sum(exp(x / temperature)) along `axis`.

    With `use_length` the sum goes over the first length elements, the others are 0; length has the shape of x without
    `axis`.
    """

    axis: int = -1
    temperature: float | None = None
    dtype: Literal["float16", "float32", "float64"] | None = None
    use_length: bool | None = False
    inputs = ("data", "length")

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return self.inputs[: 2 if self.use_length else 1]

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(ins[0], outs[0])
        if len(ins) < 2 or shape is None:
            return [shape, *ins[1:]], [shape]
        axis = self.along(len(shape))
        length = merge(ins[1], (*shape[:axis], *shape[axis + 1 :]))
        shape = (*(length or ())[:axis], shape[axis], *(length or ())[axis:])
        return [shape, length], [shape]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        same, found = super().infer_dtype(ins[:1], outs)
        return [*same, *(d or "int32" for d in ins[1:])], found

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        dx = _backward_softmax(self.along(len(ys[0].shape)), self.divisor)(gs[0], ys[0])
        return (dx, None)[: len(xs)]


class softmin(Softmax):
    """y = exp(-x / temperature) / sum(exp(-x / temperature)) along `axis`."""

    axis: int = -1
    temperature: float | None = None
    dtype: Literal["float16", "float32", "float64"] | None = None
    use_length: bool | None = False

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_backward_softmax(self.along(len(ys[0].shape)), -self.divisor)(gs[0], ys[0]),)


class log_softmax(Softmax):
    """y = x / temperature - log(sum(exp(x / temperature))) along `axis`."""

    axis: int = -1
    temperature: float | None = None
    dtype: Literal["float16", "float32", "float64"] | None = None
    use_length: bool | None = False

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_backward_log_softmax(self.along(len(ys[0].shape)), self.divisor)(gs[0], ys[0]),)


class SoftmaxGradient(Normalised):
    abstract = True
    public = False
    inputs = ("g", "y")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(merge(ins[0], ins[1]), outs[0])
        return [shape, shape], [shape]


class _backward_softmax(SoftmaxGradient):
    """dx = y (g - sum(g y)) / divisor, the sum along `axis`."""

    axis: int
    divisor: float = 1.0


class _backward_log_softmax(SoftmaxGradient):
    """dx = (g - exp(y) sum(g)) / divisor, the sum along `axis`."""

    axis: int
    divisor: float = 1.0
    inplace = ((1, 0),)


class SoftmaxActivation(Op):
    """y = softmax over the last axis, with mode channel over axis 1.

    The gradient is that of a softmax over axis 1 in both modes, as in MXNet.
    """

    mode: Literal["instance", "channel"] = "instance"
    inplace = ((0, 0),)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(ins[0], outs[0])
        if shape is not None and len(shape) < 2:
            raise ShapeError(f"data must have two axes or more, got {show_shape(shape)}")
        return [shape], [shape]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_backward_softmax(1)(gs[0], ys[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,), (0,))


# Loss heads


class SoftmaxOutput(Op):
    """y = softmax(x); whatever gradient comes in, dx = (y - onehot(label)) grad_scale / count is sent back.

    The softmax runs over axis 1 with `multi_output` (labels (n, ...) or (n, rest)), over the last axis with
    `preserve_shape`, else over all axes but the first. An x of more than two axes with labels of shape x.shape[:-1],
    where MXNet reads only the first n labels, is treated as with `preserve_shape`. Labels of the shape of x are
    probabilities: dx = (y - label) grad_scale. Labels out of range match no class. Rows labelled `ignore_label` send
    back 0 with `use_ignore`. count is 1 (null), the number of rows (batch), or that of labels other than `ignore_label`
    (valid); multi_output divides by the size of the other axes too, but with valid. `smooth_alpha` moves that much of
    the label's weight to the other classes, but not with multi_output. With `out_grad` dx is multiplied by the incoming
    gradient.
    """

    grad_scale: float = 1.0
    ignore_label: float = -1.0
    multi_output: bool = False
    use_ignore: bool = False
    preserve_shape: bool = False
    normalization: Literal["null", "batch", "valid"] = "null"
    out_grad: bool = False
    smooth_alpha: float = 0.0
    inputs = ("data", "label")
    inplace = ((0, 0),)
    aliases = ("Softmax",)

    def check(self) -> None:
        if not math.isfinite(self.ignore_label):
            raise ParameterError(f"SoftmaxOutput: ignore_label must be a number, got {self.ignore_label}")

    @property
    def is_loss(self) -> bool:  # type: ignore[override]  # depends on a parameter
        return not self.out_grad

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, label = merge(ins[0], outs[0]), ins[1]
        if x is None:
            return ins, outs
        if len(x) < 2:
            raise ShapeError(f"data must have two axes or more, got {show_shape(x)}")
        if label is None:
            label = self._labels(x)[0]
        elif len(label) == len(x) and self._fits(label, x):
            label = merge(label, x)
        else:
            fitting = [s for s in self._labels(x) if self._fits(label, s)]
            if not fitting:
                wanted = " or ".join(map(show_shape, [*dict.fromkeys(self._labels(x)), x]))
                raise ShapeError(f"label must be {wanted} for data {show_shape(x)}, got {show_shape(label)}")
            label = merge(label, fitting[0])
        return [x, label], [x]

    @staticmethod
    def _fits(a: Shape, b: Shape) -> bool:
        return len(a) == len(b) and all(m == n or not m or not n for m, n in zip(a, b, strict=True))

    def _labels(self, x: Shape) -> list[Shape]:
        """Give the shapes labels may have, the default first."""
        if self.multi_output:
            return [(x[0], math.prod(x[2:])), (x[0], *x[2:]), (x[0], 1, *x[2:])]
        return [x[:-1], (math.prod(x[:-1]),)] if self.preserve_shape else [x[:-1], x[:1]]

    def rows(self, x: Shape, label: Shape) -> tuple[int, int, int]:
        """Give (n, c, rest): x seen as n times rest rows of c classes."""
        if self.multi_output:
            return x[0], x[1], math.prod(x[2:])
        if self.preserve_shape or (label == x[:-1] and label != x):
            return math.prod(x[:-1]), x[-1], 1
        return x[0], math.prod(x[1:]), 1

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        y, label = ys[0], xs[1]
        n, c, rest = self.rows(y.shape, label.shape)
        if label.shape == y.shape:
            dx = (y - label) * self.grad_scale
        else:
            scale = self.grad_scale
            if self.normalization != "valid":
                scale /= rest * (n if self.normalization == "batch" else 1)
            smooth = 0.0 if self.multi_output else self.smooth_alpha
            dx = _backward_SoftmaxOutput(
                scale, int(self.ignore_label), self.use_ignore, self.normalization == "valid", smooth
            )(_as(y, (n, c, rest)), _as(label, (n, rest)))
            dx = _as(dx, y.shape)
        if self.out_grad:
            dx = dx * gs[0]
        return dx, None

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        if not self.multi_output and ins[1].shape[0] != ins[0].shape[0]:
            return None
        return Split((0, 0), (0,))


class _backward_SoftmaxOutput(Op):
    """dx = (prob - target) scale with prob (n, c, rest), label (n, rest).

    target is 1 - smooth at the label and smooth / (c - 1) elsewhere. With `use_ignore` rows labelled `ignore` give 0;
    with `valid` scale is divided by the number of labels other than `ignore`.
    """

    scale: float
    ignore: int
    use_ignore: bool
    valid: bool
    smooth: float
    public = False
    inputs = ("prob", "label")
    inplace = ((0, 0),)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        return (ins[0],)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return None if self.valid else Split((0, 0), (0,))


class Regression(Op):
    """Base: dx = (y - label) grad_scale / m is sent back, m being the number of labels of one instance."""

    abstract = True
    inputs = ("data", "label")
    inplace = ((0, 0),)
    is_loss = True

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, label = merge(ins[0], outs[0]), ins[1]
        if x is None:
            return ins, outs
        if label is None:
            label = x[:1] if len(x) == 2 and x[1] == 1 else x
        elif len(label) == len(x):
            label = merge(label, x)
            x = merge(x, label)
        elif known(x) and known(label) and (label[0] != x[0] or math.prod(label) != math.prod(x)):
            raise ShapeError(f"label must have the elements of data {show_shape(x)}, got {show_shape(label)}")
        return [x, label], [x]

    def residual(self, y: Value, label: Value) -> Value:
        return y - label

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        y, label = ys[0], xs[1]
        scale = getattr(self, "grad_scale") / (label.type.size // label.shape[0])  # noqa: B009
        dx = self.residual(y, _as(label, y.shape))
        return (dx if scale == 1 else dx * scale), None

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, None), (0,))


class LinearRegressionOutput(Regression):
    """y = x; dx = (x - label) grad_scale / m, for the squared error."""

    grad_scale: float = 1.0


class LogisticRegressionOutput(Regression):
    """y = 1 / (1 + exp(-x)); dx = (y - label) grad_scale / m, for the cross-entropy."""

    grad_scale: float = 1.0


class MAERegressionOutput(Regression):
    """y = x; dx = sign(x - label) grad_scale / m, for the absolute error; the sign of 0 is -1."""

    grad_scale: float = 1.0

    def residual(self, y: Value, label: Value) -> Value:
        return compare(">", y, label) * 2.0 - 1.0


class SVMOutput(Op):
    """y = x; dx is the gradient of the hinge loss of one class against the others, with x (..., c), label (...).

    With t = 1 at the label and -1 elsewhere and v = max(margin - t x, 0) the loss is the sum of
    regularization_coefficient v^2, or with `use_linear` of regularization_coefficient v. Labels out of range match
    nothing. Tang 2013, equations 9 and 10.
    """

    margin: float = 1.0
    regularization_coefficient: float = 1.0
    use_linear: bool = False
    inputs = ("data", "label")
    inplace = ((0, 0),)
    is_loss = True

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, label = merge(ins[0], outs[0]), ins[1]
        if x is not None:
            if len(x) < 2:
                raise ShapeError(f"data must have two axes or more, got {show_shape(x)}")
            label = merge(label, x[:-1])
            x = (*(label or ()), x[-1])
        return [x, label], [x]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        x, label = xs
        sign = OPS["one_hot"].from_params({"depth": x.shape[-1], "dtype": x.dtype})(label) * 2.0 - 1.0
        over = self.margin - sign * x
        if self.use_linear:
            over = OPS["_greater_scalar"].from_params({"scalar": 0})(over)
            return sign * over * -self.regularization_coefficient, None
        return sign * OPS["relu"]()(over) * (-2 * self.regularization_coefficient), None

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0), (0,))


class softmax_cross_entropy(Op):
    """y (1,) = -sum(log(softmax(x)[i, label[i]])) with x (n, c), label (n,); labels out of range count nothing."""

    inputs = ("data", "label")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        for label, s, ndim in (("data", ins[0], 2), ("label", ins[1], 1)):
            if s is not None and len(s) != ndim:
                raise ShapeError(f"{label} must have {ndim} axes, got {show_shape(s)}")
        n = merge((ins[0] or (0,))[:1], ins[1]) or (0,)
        return [(*n, (ins[0] or (0, 0))[1]), n], [merge(outs[0], (1,))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        n, c = xs[0].shape
        prob = _reshape_to((n, c, 1))(softmax()(xs[0]))
        dx = _backward_SoftmaxOutput(1.0, -1, False, False, 0.0)(prob, _reshape_to((n, 1))(xs[1]))
        return _reshape_to((n, c))(dx) * _reshape_to((1, 1))(gs[0]), None
