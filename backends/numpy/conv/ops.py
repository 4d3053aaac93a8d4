"""Convolution as this backend runs it: channels last, weights (kh, kw, c, o), bias and relu in the same step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from graphnn.op import Op, Split
from graphnn.ops.conv import Convolution, conv_data_grad, conv_weight_grad
from graphnn.passes.layout import Anchors, Form, Perm, last
from graphnn.types import Shape, TensorType

from .rule import check

__all__ = ["ANCHORS", "anchors", "conv_last", "conv_last_data_grad", "conv_last_weight_grad", "ordered"]

Algo = Literal["auto", "direct", "im2col", "krow", "strided", "winograd"]


class conv_last(Op):
    """y = act(conv(x, w) + b): data (n, h, w, c), weight (kh, kw, c / groups, o), out (n, oh, ow, o)."""

    conv: Convolution
    act: Literal["none", "relu"] = "none"
    algo: Algo = "auto"
    public = False
    name = "_conv_last"
    inputs = ("data", "weight", "bias")

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return self.inputs[: 2 if self.conv.no_bias else 3]

    def shapes(self, data: Shape, weight: Shape, *bias: Shape) -> Sequence[Shape]:
        sizes = self.conv.window(len(data) - 2).out(data[1:-1])
        return [(data[0], *sizes, self.conv.num_filter)]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, None, None)[: len(ins)], (0,))


class conv_last_data_grad(Op):
    """dx (n, h, w, c) of conv_last for g (n, oh, ow, o) and weight (kh, kw, o, c / groups); `shape` is x's."""

    conv: Convolution
    shape: Shape
    algo: Algo = "auto"
    public = False
    name = "_conv_last_data_grad"
    inputs = ("grad", "weight")

    def shapes(self, g: Shape, weight: Shape) -> Sequence[Shape]:
        return [(g[0], *self.shape[1:])]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, None), (0,))


class conv_last_weight_grad(Op):
    """dw (kh, kw, c / groups, o) of conv_last for x and g."""

    conv: Convolution
    shape: Shape
    algo: Algo = "auto"
    public = False
    name = "_conv_last_weight_grad"
    inputs = ("data", "grad")

    def shapes(self, x: Shape, g: Shape) -> Sequence[Shape]:
        return [self.shape]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0), (None,), sum=True)


def weight_order(ndim: int, channels_last: bool) -> Perm:
    """Give the axes of (o, c, kh, kw), or of (o, kh, kw, c), in the order (kh, kw, c, o)."""
    spatial = tuple(range(1, ndim - 1)) if channels_last else tuple(range(2, ndim))
    return (*spatial, ndim - 1 if channels_last else 1, 0)


def turned_order(ndim: int, channels_last: bool) -> Perm:
    """Give the axes of the weight in the order (kh, kw, o, c)."""
    *spatial, c, o = weight_order(ndim, channels_last)
    return (*spatial, o, c)


def data_order(op: Convolution, ndim: int) -> Perm | None:
    return None if op.last else last(ndim)


def ordered(shape: Shape, perm: Perm | None) -> Shape:
    return shape if perm is None else tuple(shape[a] for a in perm)


# The form of each operator for the layout pass: from its node's operator, input types and attributes.

Attrs = Mapping[str, str]


def _algo(attrs: Attrs, default: str) -> Any:
    """Read the attribute `__conv_algo__` of a node."""
    return check(attrs.get("__conv_algo__", default))


def _plain(op: Convolution) -> Convolution:
    return replace(op, layout=None)


def _forward(op: Convolution, ins: Sequence[TensorType], attrs: Attrs, default: str = "auto") -> Form:
    n = ins[0].ndim
    x, w = data_order(op, n), weight_order(n, op.last)
    return Form(conv_last(_plain(op), "none", _algo(attrs, default)), (x, w, None)[: len(ins)], (x,))


def _data_form(op: conv_data_grad, ins: Sequence[TensorType], attrs: Attrs, default: str = "auto") -> Form:
    n = ins[0].ndim
    x, w = data_order(op.conv, n), turned_order(n, op.conv.last)
    new = conv_last_data_grad(_plain(op.conv), ordered(op.shape, x), _algo(attrs, default))
    return Form(new, (x, w), (x,))


def _weight_form(op: conv_weight_grad, ins: Sequence[TensorType], attrs: Attrs, default: str = "auto") -> Form:
    n = ins[0].ndim
    x, w = data_order(op.conv, n), weight_order(n, op.conv.last)
    new = conv_last_weight_grad(_plain(op.conv), ordered(op.shape, w), _algo(attrs, default))
    return Form(new, (x, x), (w,))


ANCHORS: dict[type[Op], Callable[..., Form]] = {
    Convolution: _forward,
    conv_data_grad: _data_form,
    conv_weight_grad: _weight_form,
}


def anchors(default: str) -> Anchors:
    """Give the anchors of the layout pass with an algorithm for the nodes that name none."""
    check(default)
    return {cls: partial(form, default=default) for cls, form in ANCHORS.items()}
