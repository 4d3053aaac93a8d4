"""Fusion: an activation runs with the convolution that feeds it; a constant weight takes up the transpose before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphnn.graph import Node, Value, consumers, rewrite
from graphnn.op import OPS
from graphnn.ops.activation import Activation
from graphnn.passes.constant import constant
from graphnn.passes.layout import last

from .conv.ops import conv_last

__all__ = ["fuse"]


def fuse(outputs: Sequence[Value]) -> list[Value]:
    """Apply both rules."""
    return rewrite(_with_activation(outputs), _flattened)


def _with_activation(outputs: Sequence[Value]) -> list[Value]:
    """Put relu into the convolution before it, where nobody else reads what it gets."""
    readers = consumers(outputs)

    def rule(node: Node, xs: tuple[Value, ...]) -> Value | None:
        if not _is_relu(node) or readers[node.inputs[0]] > 1:
            return None
        op = xs[0].node.op
        if not isinstance(op, conv_last) or op.act != "none":
            return None
        return replace(op, act="relu")(*xs[0].node.inputs, name=f"{xs[0].node.name}+{node.name}")

    return rewrite(outputs, rule)


def _is_relu(node: Node) -> bool:
    return node.op.name == "relu" or (isinstance(node.op, Activation) and node.op.act_type == "relu")


def _flattened(node: Node, xs: tuple[Value, ...]) -> Value | None:
    """W flatten(transpose(x)) = W' flatten(x), with the columns of a constant W in the other order."""
    if node.op.name != "FullyConnected" or not xs[0].node.op.view or not isinstance(xs[1].node.op, constant):
        return None
    moved = xs[0].node.inputs[0]
    ndim = len(moved.shape)
    first = (0, ndim - 1, *range(1, ndim - 1))  # what brings channels last to channels first
    flat = xs[0].shape == (moved.shape[0], moved.type.size // moved.shape[0])
    if moved.node.op.name != "transpose" or getattr(moved.node.op, "axes", None) != first or not flat:
        return None
    x, w = moved.node.inputs[0], xs[1]
    channels_first = _reshaped(w, (w.shape[0], *moved.shape[1:]))
    weight = _reshaped(OPS["transpose"].from_params({"axes": last(ndim)})(channels_first), w.shape)
    return node.op(_reshaped(x, xs[0].shape), weight, *xs[2:], name=node.name)


def _reshaped(x: Value, shape: tuple[int, ...]) -> Value:
    return OPS["_reshape_to"].from_params({"shape": shape})(x)
