"""Images of another size: UpSampling, BilinearResize2D and AdaptiveAvgPooling2D, linear maps of rows and columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import OPS, Op, PartialDTypes, PartialShapes, Split
from ..types import Count, Shape, TensorType, merge, show_shape
from .arithmetic import add_n
from .join import Concat
from .pool import Pooling
from .reduce import broadcast_to
from .shape import _reshape_to

__all__ = ["UpSampling"]

Kind = Literal["average", "corners", "halves"]
TAPS = 1 << 10  # elements of a block that a gradient adds up one by one
LARGEST = 1 << 24  # elements of the matrix that takes one axis to its new size


def image_of(shape: Shape | None) -> Shape | None:
    if shape is not None and len(shape) != 4:
        raise ShapeError(f"data must be (n, c, h, w), got {show_shape(shape)}")
    return shape


class UpSampling(Op):
    """y = each image `scale` times as large: every element repeated (nearest), or by Deconvolution (bilinear).

    nearest takes num_args inputs (n, c, h, w) and brings all to the size of the first times scale, one after another
    along the channels, or added up with multi_input_mode sum. bilinear takes data and a weight
    (num_filter, 1, k, k), k = 2 scale - scale % 2, one filter for each channel.
    """

    scale: Count
    sample_type: Literal["nearest", "bilinear"]
    num_args: Count
    num_filter: int = 0
    multi_input_mode: Literal["concat", "sum"] = "concat"
    variadic = "num_args"
    ignored = frozenset({"workspace"})

    @property
    def arity(self) -> int:
        return 2 if self.sample_type == "bilinear" else self.num_args

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return ("data", "weight") if self.sample_type == "bilinear" else super().input_names(count)

    def variable_attrs(self, name: str) -> Mapping[str, str]:
        return {"__init__": '["bilinear", {}]'} if name == "weight" else {}

    def check(self) -> None:
        if self.sample_type == "bilinear" and self.num_args > 2:
            raise ParameterError(f"UpSampling: bilinear takes data and weight, not {self.num_args} inputs")
        if self.sample_type == "bilinear" and self.num_filter < 1:
            raise ParameterError("UpSampling: bilinear needs num_filter, the number of channels")

    def _deconvolution(self) -> Op:
        k, s = 2 * self.scale - self.scale % 2, self.scale
        pad = s // 2  # ceil((s - 1) / 2)
        filters = self.num_filter
        return OPS["Deconvolution"].from_params(
            {
                "kernel": (k, k), "stride": (s, s), "pad": (pad, pad),
                "num_filter": filters, "num_group": filters, "no_bias": True,
            }
        )  # fmt: skip

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        image_of(ins[0])
        if self.sample_type == "bilinear":
            return self._deconvolution().infer_shape(ins, outs)
        out, first = outs[0], ins[0]
        if out is not None:
            n, h, w = out[0], out[2] // self.scale, out[3] // self.scale
            first = merge(first, (n, out[1] if len(ins) == 1 else 0, h, w))
        if first is None:
            return ins, outs
        size = tuple(m * self.scale for m in first[2:])
        channels = [first[1]]
        for s in ins[1:]:
            image_of(s)
            if s is not None and any(m and k % m for m, k in zip(s[2:], size, strict=True)):
                raise ShapeError(f"{show_shape(s)} does not go into images of {show_shape(size)} evenly")
            channels.append(s[1] if s else 0)
        c = 0 if 0 in channels else sum(channels) if self.multi_input_mode == "concat" else first[1]
        return [first, *ins[1:]], [merge(out, (first[0], c, *size))]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value:
        if self.sample_type == "bilinear":
            return Value(self._deconvolution()(*xs).node)
        size = tuple(m * self.scale for m in xs[0].shape[2:])
        larger = [_repeated(x, size) for x in xs]
        if len(larger) == 1:
            return larger[0]
        return Concat(len(xs), 1)(*larger) if self.multi_input_mode == "concat" else add_n(len(xs))(*larger)


def _repeated(x: Value, size: Shape) -> Value:
    a, b = size[0] // x.shape[2], size[1] // x.shape[3]
    enlarged = _enlarged(a, b)
    return x if a == b == 1 else enlarged(x) if a * b <= TAPS else enlarged.decompose(x)


class _enlarged(Op):
    """y (n, c, a h, b w) = x with every row repeated a times and every column b times; dx = sums of a x b elements.

    With `last` x is (n, h, w, c).
    """

    a: int
    b: int
    last: bool = False
    public = False

    def shapes(self, x: Shape) -> Sequence[Shape]:
        if self.last:
            return [(x[0], x[1] * self.a, x[2] * self.b, x[3])]
        return [(*x[:2], x[2] * self.a, x[3] * self.b)]

    def rows(self, x: Shape) -> tuple[int, int, int]:
        """Give x as (rows, pixels of a row, numbers of a pixel)."""
        return (x[0] * x[1], x[2], x[3]) if self.last else (math.prod(x[:3]), x[3], 1)

    def decompose(self, x: Value) -> Value:  # type: ignore[override]
        rows, w, c = self.rows(x.shape)
        larger = broadcast_to((rows, self.a, w, self.b, c))(_reshape_to((rows, 1, w, 1, c))(x))
        return _reshape_to(tuple(self.shapes(x.shape)[0]))(larger)

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        return None if self.last else (_enlarged(self.a, self.b, True), (True,), (True,))

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,), (0,))

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        window = (self.a, self.b)
        return (Pooling(window, "sum", stride=window)(gs[0]),)


class _contrib_BilinearResize2D(Op):
    """y (n, c, h', w') = x between its pixels; with align_corners the corners stay, else pixels are squares.

    Sizes by `mode`: size (height, width; or scale_height, scale_width times those of x), odd_scale (to an odd size
    where that of x is odd), like (of the second input), to_even_down, to_even_up, to_odd_down, to_odd_up.
    """

    height: Count = 1
    width: Count = 1
    scale_height: float | None = None
    scale_width: float | None = None
    mode: Literal["size", "odd_scale", "like", "to_even_down", "to_even_up", "to_odd_down", "to_odd_up"] = "size"
    align_corners: bool = True
    inputs = ("data", "like")
    aliases = ("BilinearResize2D",)

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return self.inputs[: 2 if self.mode == "like" else 1]

    def check(self) -> None:
        for name in ("scale_height", "scale_width"):
            scale = getattr(self, name)
            if scale is not None and not 0 < scale < 1e6:
                raise ParameterError(f"{self.name}: {name} must be positive, got {scale}")
        if self.mode == "odd_scale" and (self.scale_height is None or self.scale_width is None):
            raise ParameterError(f"{self.name}: mode odd_scale needs scale_height and scale_width")

    def _size(self, n: int, fixed: int, scale: float | None) -> int:
        """Give the new size of an axis of n; 0 where that is not known."""
        match self.mode:
            case "size":
                return fixed if scale is None else int(n * scale)
            case "odd_scale":
                return n and (int(n * scale) if n % 2 == 0 else int((n - 1) * scale) + 1)  # type: ignore[operator]
            case "to_even_down":
                return n - n % 2
            case "to_even_up":
                return n + n % 2
            case "to_odd_down":
                return n and n - 1 + n % 2
        return n and n + 1 - n % 2

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, out = image_of(ins[0]), image_of(outs[0])
        if out is not None:
            x = merge(x, (*out[:2], 0, 0))
        if self.mode == "like":
            like = image_of(ins[1])
            if x is not None and like is not None:
                out = merge(out, (*x[:2], *like[2:]))
            _limited(x, out)
            return [x, like], [out]
        if x is not None:
            scales = (self.height, self.scale_height), (self.width, self.scale_width)
            size = [self._size(n, *s) for n, s in zip(x[2:], scales, strict=True)]
            if any(n and m < 1 for n, m in zip(x[2:], size, strict=True)):
                raise ShapeError(f"nothing is left of {show_shape(x)} in size {tuple(size)}")
            out = merge(out, (*x[:2], *size))
        return _limited(x, out)

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        (one,), same = super().infer_dtype(ins[:1], outs)
        return [one, *(d or one for d in ins[1:])], same

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value:
        x = xs[0]
        scales = (self.height, self.scale_height), (self.width, self.scale_width)
        size = [self._size(n, *s) for n, s in zip(x.shape[2:], scales, strict=True)]
        kind: Kind = "corners" if self.align_corners else "halves"
        return _resampled(x, tuple(size) if self.mode != "like" else xs[1].shape[2:], kind)


class _contrib_AdaptiveAvgPooling2D(Op):
    """y[i, j] = the mean of x over rows floor(i h / h') to ceil((i + 1) h / h'), and columns alike.

    data (n, c, h, w), output_size (h', w'), one number for both, or left out 1.
    """

    output_size: Shape = ()
    aliases = ("AdaptiveAvgPooling2D",)

    def check(self) -> None:
        if len(self.output_size) > 2 or 0 in self.output_size:
            raise ParameterError(f"{self.name}: output_size must be one or two positive sizes, got {self.output_size}")

    @property
    def size(self) -> Shape:
        return (self.output_size or (1,)) * (1 if len(self.output_size) == 2 else 2)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, out = image_of(ins[0]), image_of(outs[0])
        if x is not None:
            out = merge(out, (*x[:2], *self.size))
        return _limited(x if out is None else merge(x, (*out[:2], 0, 0)), out)

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value:
        return _resampled(xs[0], self.size, "average")


def _resampled(x: Value, size: Shape, kind: Kind) -> Value:
    return _resample(kind, x.shape[2:], size)(x)


def _limited(x: Shape | None, out: Shape | None) -> tuple[PartialShapes, PartialShapes]:
    """Give the shapes of input and output, or raise ShapeError where a matrix between them is too large."""
    for m, n in zip((x or ())[2:], (out or ())[2:], strict=False):
        if m * n > LARGEST:
            raise ShapeError(f"an axis of {m} cannot become one of {n}: their product must be at most {LARGEST}")
    return [x], [out]


class _resample(Op):
    """y = A x B^T, with A (to[0], size[0]) and B (to[1], size[1]) the matrices of `kind`; `back`: y = A^T x B."""

    kind: Kind
    size: Shape
    to: Shape
    back: bool = False
    public = False

    def shapes(self, x: Shape) -> Sequence[Shape]:
        return [(*x[:2], *(self.size if self.back else self.to))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_resample(self.kind, self.size, self.to, not self.back)(gs[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,), (0,))


def weights(kind: Kind, n: int, m: int, i: int) -> list[tuple[int, float]]:
    """Give which of n elements, and how much of each, make element i of m."""
    if kind == "average":
        first, end = i * n // m, -(-(i + 1) * n // m)
        return [(k, 1 / (end - first)) for k in range(first, end)]
    if m == 1:
        at = 0.0
    elif kind == "corners":
        at = i * (n - 1) / (m - 1)
    else:
        at = max(0.0, (i + 0.5) * n / m - 0.5)
    first = min(math.floor(at), n - 1)
    part = at - first if first < n - 1 else 0.0
    return [(first, 1 - part), (first + 1, part)] if part else [(first, 1.0)]
