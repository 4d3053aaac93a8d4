"""BatchNorm at inference is an affine map by channel: put it into the convolution or dense layer before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..graph import Node, Value, consumers, rewrite
from ..op import OPS
from .constant import constant

__all__ = ["fold_norm"]


def fold_norm(outputs: Sequence[Value]) -> list[Value]:
    """scale (w x + b) + shift = (scale w) x + (scale b + shift), where nobody else reads the layer's output.

    Where the weight is no constant, only if it is smaller than the output: else the map costs less than the product.
    """
    readers = consumers(outputs)

    def rule(node: Node, xs: tuple[Value, ...]) -> Value | None:
        if node.op.name != "_scale_shift" or readers[node.inputs[0]] > 1 or xs[0].node.inputs == ():
            return None
        layer = xs[0].node
        if layer.op.name not in ("Convolution", "FullyConnected") or not _on_channels(node.op, layer):
            return None
        w = layer.inputs[1]
        if not isinstance(w.node.op, constant) and w.type.size >= xs[0].type.size:
            return None
        return _folded(layer, xs[1], xs[2], f"{layer.name}+{node.name}")

    return rewrite(outputs, rule)


def _on_channels(op: Any, layer: Node) -> bool:
    """Tell whether the map is by the layer's output channel."""
    ndim = len(Value(layer).shape)
    last = getattr(layer.op, "last", False) or layer.op.name == "FullyConnected"
    return bool(op.axis % ndim == (ndim - 1 if last else 1))


def _folded(layer: Node, scale: Value, shift: Value, name: str) -> Value:
    x, w, *rest = layer.inputs
    column = (w.shape[0], *(1,) * (len(w.shape) - 1))
    weight = OPS["broadcast_mul"]()(w, OPS["_reshape_to"].from_params({"shape": column})(scale))
    bias = scale * rest[0] + shift if rest else shift
    return replace(layer.op, no_bias=False)(x, weight, bias, name=name)  # type: ignore[type-var]
