"""Fusion: relu runs with what feeds it, its gradient with the sums of it; a constant weight takes up a transpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphnn.graph import Node, Value, apply, consumers, outputs_of, rewrite, toposort
from graphnn.op import OPS, Op
from graphnn.ops.activation import Activation
from graphnn.passes.constant import constant
from graphnn.passes.layout import last

from .blocks import add_relu, relu_grad_sums, scale_shift_relu
from .conv.ops import conv_last

__all__ = ["fuse"]


def fuse(outputs: Sequence[Value]) -> list[Value]:
    """Apply all rules."""
    return rewrite(_with_sums(_with_activation(outputs)), _flattened)


def _with_activation(outputs: Sequence[Value]) -> list[Value]:
    """Put relu into the convolution, sum or map by channel before it, where nobody else reads what it gets."""
    readers = consumers(outputs)

    def rule(node: Node, xs: tuple[Value, ...]) -> Value | None:
        if not _is_relu(node) or readers[node.inputs[0]] > 1:
            return None
        op = xs[0].node.op
        new: Op | None = None
        if isinstance(op, conv_last) and op.act == "none":
            new = replace(op, act="relu")
        elif type(op) is OPS["_scale_shift"]:
            new = scale_shift_relu(op.axis)  # type: ignore[attr-defined]
        elif op.name == "elemwise_add":
            new = add_relu()
        return None if new is None else new(*xs[0].node.inputs, name=f"{xs[0].node.name}+{node.name}")

    return rewrite(outputs, rule)


def _with_sums(outputs: Sequence[Value]) -> list[Value]:
    """Let relu's gradient give its sums by channel, and those of its products, that BatchNorm's gradient reads."""
    nodes = toposort(outputs)
    sums = {node.inputs[0].node: node for node in nodes if node.op.name == "_channel_sum"}
    dots = {node.inputs[0].node: node for node in nodes if node.op.name == "_channel_dot"}
    new: dict[Value, Value] = {}
    for node in nodes:
        total, dot = sums.get(node), dots.get(node)
        if Value(node) in new:  # one of the sums
            continue
        inputs = [new[v] for v in node.inputs]
        if node.op.name != "_relu_grad" or total is None:
            same = all(a == b for a, b in zip(inputs, node.inputs, strict=True))
            kept = node if same else apply(node.op, *inputs, name=node.name, attrs=node.attrs, origin=node.origin)
            new |= zip(outputs_of(node), outputs_of(kept), strict=True)
            continue
        axis: int = total.op.axis  # type: ignore[attr-defined]
        more = [new[v] for v in dot.inputs[1:] if v in new] if dot and dot.op.axis == axis else []  # type: ignore[attr-defined]
        found = outputs_of(apply(relu_grad_sums(axis, len(more) == 2), *inputs, *(more if len(more) == 2 else ())))
        new |= zip((Value(n) for n in (node, total, dot) if n), found, strict=False)
    return [new[v] for v in outputs]


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
