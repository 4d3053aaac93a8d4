"""Fusion: an activation runs with the convolution that feeds it, while a block of its output is in cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphnn.graph import Node, Value, consumers, rewrite

from .conv.ops import conv_last

__all__ = ["fuse"]


def fuse(outputs: Sequence[Value]) -> list[Value]:
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
    return node.op.name == "relu" or getattr(node.op, "act_type", None) == "relu"
