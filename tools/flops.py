"""The arithmetic of a network, from its symbol; the bytes that a plan's steps read and write."""

from __future__ import annotations

import math

from graphnn.bound import Bound
from graphnn.graph import Node, Value, toposort
from graphnn.plan import Plan

__all__ = ["flops", "traffic"]

_PARAMETERS = ("weight", "bias", "gamma", "beta")


def flops(bound: Bound, training: bool) -> int:
    """Count the operations of convolutions and dense layers, a multiply-add as two.

    A layer that a training step computes it three times: once forward, once for the gradient of its weight and once for
    that of its data, unless nothing below has a weight to train.
    """
    depends: dict[Node, bool] = {}  # whether what a node gives depends on a parameter
    total = 0
    for node in toposort(bound.heads):
        names = node.op.input_names(len(node.inputs))
        own = [v for name, v in zip(names, node.inputs, strict=False) if name in _PARAMETERS]
        depends[node] = bool(own) or any(depends[v.node] for v in node.inputs)
        if own:
            total += _of(node) * (1 if not training else 3 if depends[node.inputs[0].node] else 2)
    return total


def _of(node: Node) -> int:
    """Count for one node forward."""
    if node.op.name == "Convolution":
        weight = math.prod(node.inputs[1].shape)
        filters: int = node.op.num_filter  # type: ignore[attr-defined]
        return 2 * math.prod(Value(node).shape) * weight // filters
    if node.op.name == "FullyConnected":
        return 2 * math.prod(Value(node).shape) * node.inputs[1].shape[1]
    return 0


def traffic(plan: Plan) -> int:
    """Count the bytes that the steps read and write, each step by itself: what no cache would save."""
    return sum(slot.type.nbytes for step in plan.steps for slot in (*step.ins, *step.outs))
