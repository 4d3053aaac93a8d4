"""Convolution and Deconvolution in one to three dimensions, and the gradients of the first two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Literal, NamedTuple

from ..errors import ParameterError, ShapeError
from ..graph import Value, apply
from ..op import OPS, Op, PartialShapes, Split
from ..types import Count, Shape, TensorType, merge, show_shape
from . import volume
from .shape import _reshape_to, transpose

__all__ = ["Convolution", "Deconvolution", "Window", "conv_data_grad", "conv_weight_grad"]

MAX_TAPS = 1 << 16  # kernels go over the elements of a window or a stride one by one
MAX_FRAMES = 1 << 10  # of a window in three dimensions: each is a node of the graph


class Window(NamedTuple):
    """A sliding window: sizes of every spatial axis."""

    kernel: Shape
    stride: Shape
    dilate: Shape
    pad: Shape

    def out(self, sizes: Sequence[int]) -> Shape:
        """Give the positions along each axis: floor((x + 2 pad - dilate (kernel - 1) - 1) / stride) + 1."""
        found = []
        for x, k, s, d, p in zip(sizes, *self, strict=True):
            n = (x + 2 * p - d * (k - 1) - 1) // s + 1
            if x and n < 1:
                raise ShapeError(f"the kernel {self.kernel} is larger than the padded input {tuple(sizes)}")
            found.append(n if x else 0)
        return tuple(found)


class _Conv(Op):
    """What convolutions share: fields, window, layout."""

    abstract = True

    def window(self, n: int) -> Window:
        op: Any = self
        ones, zeros = (1,) * n, (0,) * n
        return Window(op.kernel, op.stride or ones, op.dilate or ones, op.pad or zeros)

    @property
    def last(self) -> bool:
        """Whether channels are the last axis."""
        return str(getattr(self, "layout", None) or "NC").endswith("C") and getattr(self, "layout", None) is not None

    def split_shape(self, shape: Shape) -> tuple[int, int, Shape]:
        """Give (n, c, sizes) of a data shape."""
        return (shape[0], shape[-1], shape[1:-1]) if self.last else (shape[0], shape[1], shape[2:])

    def join_shape(self, n: int, c: int, sizes: Sequence[int]) -> Shape:
        return (n, *sizes, c) if self.last else (n, c, *sizes)


def _check(op: Any) -> None:
    n = len(op.kernel)
    if n not in (1, 2, 3) or any(k < 1 for k in op.kernel):
        raise ParameterError(f"{op.name}: kernel must be 1 to 3 positive sizes, got {op.kernel}")
    for name in ("stride", "dilate", "pad"):
        value = getattr(op, name)
        if value and (len(value) != n or any(v < (name != "pad") for v in value)):
            raise ParameterError(f"{op.name}: {name} must be {n} sizes for kernel {op.kernel}, got {value}")
    for name in ("kernel", "stride"):
        if math.prod(getattr(op, name)) > MAX_TAPS:
            raise ParameterError(f"{op.name}: {name} {getattr(op, name)} has more than {MAX_TAPS} elements")
    if n == 3 and op.kernel[0] > MAX_FRAMES:
        raise ParameterError(f"{op.name}: kernel {op.kernel} spans more than {MAX_FRAMES} frames")
    if op.num_filter % op.num_group:
        raise ParameterError(f"{op.name}: num_filter {op.num_filter} is no multiple of num_group {op.num_group}")
    if op.layout is not None and len(op.layout) != n + 2:
        raise ParameterError(f"{op.name}: layout {op.layout} does not fit kernel {op.kernel}")


class Convolution(_Conv):
    """y[n, o, p] = b[o] + sum over c, k of w[o, c, k] x[n, c, p stride + k dilate - pad].

    data (n, c, w), (n, c, h, w) or (n, c, d, h, w); weight (num_filter, c / num_group, *kernel); bias (num_filter,);
    out (n, num_filter, ...). Layouts NWC, NHWC and NDHWC have the channels last in data, weight and output.
    """

    kernel: Shape
    num_filter: Count
    stride: Shape = ()
    dilate: Shape = ()
    pad: Shape = ()
    num_group: Count = 1
    no_bias: bool = False
    layout: Literal["NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC"] | None = None
    inputs = ("data", "weight", "bias")
    ignored = frozenset({"workspace", "cudnn_tune", "cudnn_off"})

    def check(self) -> None:
        _check(self)

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return self.inputs[: 2 if self.no_bias else 3]

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data, weight, out = ins[0], ins[1], outs[0]
        ndim = len(self.kernel) + 2
        for s in (data, out):
            if s is not None and len(s) != ndim:
                raise ShapeError(f"data must have {ndim} axes for kernel {self.kernel}, got {show_shape(s)}")
        if data is not None:
            n, c, sizes = self.split_shape(data)
            if c % self.num_group:
                raise ShapeError(f"{c} channels are no multiple of num_group {self.num_group}")
            out = merge(out, self.join_shape(n, self.num_filter, self.window(ndim - 2).out(sizes)))
            weight = merge(weight, self.weight_shape(c))
        if out is not None:
            data = merge(data, self._back(out, weight))
        return [data, weight, (self.num_filter,)][: len(ins)], [out]

    def weight_shape(self, c: int) -> Shape:
        each = c // self.num_group
        return (self.num_filter, *self.kernel, each) if self.last else (self.num_filter, each, *self.kernel)

    def _back(self, out: Shape, weight: Shape | None) -> Shape:
        """Find what the output's shape says of the data: the batch, and sizes where the stride is 1."""
        n, _, sizes = self.split_shape(out)
        c = 0 if weight is None else (weight[-1] if self.last else weight[1]) * self.num_group
        w = self.window(len(sizes))
        found = [
            m + d * (k - 1) - 2 * p if m and s == 1 else 0
            for m, k, s, d, p in zip(sizes, w.kernel, w.stride, w.dilate, w.pad, strict=True)
        ]
        return self.join_shape(n, c, found)

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | None:
        if len(self.kernel) < 3:
            return None
        x, w, *bias = xs
        win = self.window(3)
        if not self.last:
            return volume.convolve(x, w, bias, win.stride, win.dilate, win.pad, self.num_group)
        first = transpose((0, 4, 1, 2, 3))
        y = volume.convolve(first(x), first(w), bias, win.stride, win.dilate, win.pad, self.num_group)
        return transpose((0, 2, 3, 4, 1))(y)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        x, w = xs[:2]
        attrs = ys[0].node.attrs  # such as __conv_algo__: what holds for the node holds for its gradients
        dx = Value(apply(conv_data_grad(self, x.shape), gs[0], w, attrs=attrs))
        dw = Value(apply(conv_weight_grad(self, w.shape), x, gs[0], attrs=attrs))
        axis = len(x.shape) - 1 if self.last else 1
        db = OPS["_channel_sum"](axis)(gs[0])  # type: ignore[call-arg]
        return (dx, dw, db)[: len(xs)]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, None, None)[: len(ins)], (0,))


class _ConvGrad(_Conv):
    abstract = True
    public = False

    @property
    def layout(self) -> str | None:
        found: str | None = self.conv.layout  # type: ignore[attr-defined]
        return found


class conv_data_grad(_ConvGrad):
    """dx[n, c, q] = sum over o, p, k with q = p stride + k dilate - pad of w[o, c, k] g[n, o, p]."""

    conv: Convolution
    shape: Shape
    inputs = ("grad", "weight")

    def shapes(self, g: Shape, w: Shape) -> Sequence[Shape]:
        return [self.join_shape(g[0], *self.split_shape(self.shape)[1:])]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, None), (0,))

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        g, w = xs
        conv = replace(self.conv, no_bias=True)
        return conv(gs[0], w), conv_weight_grad(conv, w.shape)(gs[0], g)


class conv_weight_grad(_ConvGrad):
    """dw[o, c, k] = sum over n, p of g[n, o, p] x[n, c, p stride + k dilate - pad]."""

    conv: Convolution
    shape: Shape
    inputs = ("data", "grad")

    def shapes(self, x: Shape, g: Shape) -> Sequence[Shape]:
        return [self.shape]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0), (None,), sum=True)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        x, g = xs
        conv = replace(self.conv, no_bias=True)
        return conv_data_grad(conv, x.shape)(g, gs[0]), conv(x, gs[0])


class Deconvolution(_Conv):
    """The transpose of Convolution: y[n, o, p stride + k dilate - pad] += x[n, c, p] w[c, o, k].

    data (n, c, ...) of one to three sizes; weight (c, num_filter / num_group, *kernel); out sizes stride (x - 1) +
    dilate (kernel - 1) + 1 - 2 pad + adj, or `target_shape`, from which pad and adj follow.
    """

    kernel: Shape
    num_filter: Count
    stride: Shape = ()
    dilate: Shape = ()
    pad: Shape = ()
    adj: Shape = ()
    target_shape: Shape = ()
    num_group: Count = 1
    no_bias: bool = True
    layout: Literal["NCW", "NCHW", "NCDHW"] | None = None
    inputs = ("data", "weight", "bias")
    ignored = frozenset({"workspace", "cudnn_tune", "cudnn_off"})

    def check(self) -> None:
        _check(self)
        for name in ("adj", "target_shape"):
            if getattr(self, name) and len(getattr(self, name)) != len(self.kernel):
                raise ParameterError(f"Deconvolution: {name} must be {len(self.kernel)} sizes")
        aimed = any(self.target_shape)  # pad and adj then follow from it
        if not aimed and any(a >= s for a, s in zip(self.adj, self.stride or (1,) * len(self.adj), strict=False)):
            raise ParameterError(f"Deconvolution: adj {self.adj} must be smaller than stride {self.stride}")

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return self.inputs[: 2 if self.no_bias else 3]

    def _geometry(self, sizes: Sequence[int]) -> tuple[Window, Shape]:
        """Give the window with its effective padding, and the output sizes."""
        w = self.window(len(sizes))
        adj = self.adj or (0,) * len(sizes)
        pad, out = list(w.pad), []
        for i, (x, k, s, d, a) in enumerate(zip(sizes, w.kernel, w.stride, w.dilate, adj, strict=True)):
            full = s * (x - 1) + d * (k - 1) + 1
            if self.target_shape and any(self.target_shape):
                over = full - self.target_shape[i]
                if x and over < 0:
                    raise ShapeError(f"target_shape {self.target_shape} is larger than the output {full}")
                pad[i] = (over + 1) // 2
                out.append(self.target_shape[i])
            else:
                out.append(full - 2 * w.pad[i] + a if x else 0)
        return w._replace(pad=tuple(pad)), tuple(out)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data, weight, out = ins[0], ins[1], outs[0]
        ndim = len(self.kernel) + 2
        if data is not None:
            if len(data) != ndim:
                raise ShapeError(f"data must have {ndim} axes for kernel {self.kernel}, got {show_shape(data)}")
            sizes = self._geometry(data[2:])[1]
            if any(n < 1 for n, x in zip(sizes, data[2:], strict=True) if x):
                raise ShapeError(f"the output sizes {sizes} are not positive")
            out = merge(out, (data[0], self.num_filter, *sizes))
            weight = merge(weight, (data[1], self.num_filter // self.num_group, *self.kernel))
        if out is not None and len(out) == ndim:
            data = merge(data, (out[0], 0 if weight is None else weight[0], *(0,) * (ndim - 2)))
        return [data, weight, (self.num_filter,)][: len(ins)], [out]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | None:
        if len(self.kernel) < 3:
            return None
        x, w, *bias = xs
        win, sizes = self._geometry(x.shape[2:])
        y = volume.deconvolve(x, w, win.stride, win.dilate, win.pad, sizes, self.num_group)
        wide = _reshape_to((1, self.num_filter, 1, 1, 1))
        return OPS["broadcast_add"]()(y, wide(bias[0])) if bias else y

    def decompose(self, *xs: Value) -> Value:
        x, w = xs[:2]
        window, sizes = self._geometry(x.shape[2:])
        conv = Convolution(
            self.kernel, x.shape[1], window.stride, window.dilate, window.pad, self.num_group, no_bias=True
        )
        y = conv_data_grad(conv, (x.shape[0], self.num_filter, *sizes))(x, w)
        if len(xs) < 3:
            return y
        bias = OPS["Reshape"].from_params({"shape": (1, self.num_filter, *(1,) * len(sizes))})(xs[2])
        return y + bias

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        x, w = xs[:2]
        window, _ = self._geometry(x.shape[2:])
        conv = Convolution(
            self.kernel, x.shape[1], window.stride, window.dilate, window.pad, self.num_group, no_bias=True
        )
        dx = conv(gs[0], w)
        dw = conv_weight_grad(conv, w.shape)(gs[0], x)
        return (dx, dw, OPS["_channel_sum"](1)(gs[0]))[: len(xs)]  # type: ignore[call-arg]


class Convolution_v1(Convolution):
    """Convolution, as files before 0.10 name it where they ask for the older kernels."""

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value:
        conv = Convolution(*(getattr(self, f.name) for f in fields(Convolution)))
        return conv.for_mode(is_train, xs) or conv(*xs)
