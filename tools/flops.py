"""The arithmetic of a network, from its symbol; the bytes that a plan's steps read and write."""

from __future__ import annotations

import math

from graphnn.bound import Bound
from graphnn.graph import Node, Value, toposort
from graphnn.ops.rnn import RNN
from graphnn.plan import Plan

__all__ = ["flops", "traffic"]

_PARAMETERS = ("weight", "bias", "gamma", "beta", "parameters")


def flops(bound: Bound, training: bool) -> int:
    """Count the operations of convolutions, dense and recurrent layers and batch_dot, a multiply-add as two.

    A layer that a training step computes it three times: once forward, once for the gradient of its weight and once for
    that of its data, unless nothing below has a weight to train.
    """
    depends: dict[Node, bool] = {}  # whether what a node gives depends on a parameter
    total = 0
    for node in toposort(bound.heads):
        names = node.op.input_names(len(node.inputs))
        inputs = list(zip(names, node.inputs, strict=False))
        varies = [name in _PARAMETERS or depends[v.node] for name, v in inputs]
        depends[node] = any(varies)
        if node.op.name in _COUNTS:  # of two factors, the first two inputs
            total += 2 * _COUNTS[node.op.name](node) * (1 + sum(varies[:2]) * training)
    return total


def _convolution(node: Node) -> int:
    filters: int = node.op.num_filter  # type: ignore[attr-defined]
    return math.prod(Value(node).shape) * math.prod(node.inputs[1].shape) // filters


def _dense(node: Node) -> int:
    return math.prod(Value(node).shape) * node.inputs[1].shape[1]


def _recurrent(node: Node) -> int:
    """Every step reads all weights once a row; biases are not counted."""
    assert isinstance(node.op, RNN)
    t, n, inputs = node.inputs[0].shape
    arrays = ((w.x, w.h, w.projection) for w in node.op.weights(inputs))
    return t * n * sum(math.prod(a[1]) for layer in arrays for a in layer if a)


def _batch_dot(node: Node) -> int:
    common = node.inputs[0].shape[1 if node.op.transpose_a else 2]  # type: ignore[attr-defined]
    return math.prod(Value(node).shape) * common


# multiply-adds of one node forward
_COUNTS = {"Convolution": _convolution, "FullyConnected": _dense, "RNN": _recurrent, "batch_dot": _batch_dot}


def traffic(plan: Plan) -> int:
    """Count the bytes that the steps read and write, each step by itself: what no cache would save."""
    return sum(slot.type.nbytes for step in plan.steps for slot in (*step.ins, *step.outs))
