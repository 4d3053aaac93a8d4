"""Reverse-mode differentiation, graph to graph."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import GraphError, ShapeError
from ..graph import Node, Value, explain, outputs_of, toposort
from ..op import OPS
from ..types import Shape

__all__ = ["gradient", "sum_to"]

_NO_RULE = (
    "has no gradient rule, but gradients through it are wanted: define grad(self, xs, ys, gs), "
    "where None for an input lets none through, or bind with grad_req='null'"
)


def sum_to(g: Value, shape: Shape) -> Value:
    """Undo broadcasting: sum `g` over the axes that `shape` lacks or where it has length 1."""
    if g.shape == shape:
        return g
    lead = len(g.shape) - len(shape)
    if lead > 0 and shape:
        return sum_to(OPS["sum"].from_params({"axis": tuple(range(lead))})(g), shape)
    if lead:
        raise ShapeError(f"a gradient of shape {g.shape} does not sum to {shape}")
    axes = tuple(i for i, (m, n) in enumerate(zip(g.shape, shape, strict=True)) if m != n)
    return OPS["sum"].from_params({"axis": axes, "keepdims": True})(g)


def _enter(owners: dict[Node, Node], owner: Node, g: Value, known: set[Node]) -> None:
    """Enter what is new under `g`."""
    stack = [g.node]
    while stack:
        node = stack.pop()
        if node not in known and node not in owners and not node.op.is_variable:
            owners[node] = owner
            stack.extend(v.node for v in node.inputs)


def gradient(
    outputs: Sequence[Value],
    head_grads: Sequence[Value | None],
    wrt: Sequence[Value],
    owners: dict[Node, Node] | None = None,
) -> dict[Value, Value | None]:
    """Give sum_k <head_grads[k], d outputs[k] / d x> for each x in `wrt`; None where nothing flows.

    A head without a gradient (None) contributes only where its operator is a loss. Only the paths that lead to `wrt`
    are differentiated. Raises GraphError for a user's operator there that has no gradient rule. In `owners` each new
    node is entered with the node whose gradient it is a part of.
    """
    order = toposort(outputs)
    active = set(wrt)  # values whose gradient somebody wants
    for node in order:
        if any(v in active for v in node.inputs):
            active.update(outputs_of(node))
    grads: dict[Value, Value] = {}
    heads = set(outputs)
    for y, g in zip(outputs, head_grads, strict=True):
        if g is not None and not y.node.op.is_loss:
            grads[y] = grads[y] + g if y in grads else g
    known = {*order, *(g.node for g in head_grads if g is not None)}
    for node in reversed(order):
        ys = outputs_of(node)
        if node.op.is_variable or ys[0] not in active:
            continue
        gs: list[Value | None] = [grads.get(y) for y in ys]
        if all(g is None for g in gs):
            if not (node.op.is_loss and ys[0] in heads):
                continue
        elif gs[0] is None:
            gs[0] = OPS["_zeros"].from_params({"shape": ys[0].shape, "dtype": ys[0].dtype})()
        if node.op.lacks_gradient:
            raise GraphError(explain(node.op, node.name, node.inputs, _NO_RULE, node.origin))
        gxs = node.op.grad(node.inputs, ys, gs)
        if len(gxs) != len(node.inputs):
            raise GraphError(f"{node.op.name}.grad gave {len(gxs)} gradients for {len(node.inputs)} inputs")
        for x, gx in zip(node.inputs, gxs, strict=True):
            if gx is None or x not in active:
                continue
            gx = sum_to(gx, x.shape)
            if gx.dtype != x.dtype:
                gx = OPS["Cast"].from_params({"dtype": x.dtype})(gx)
            grads[x] = grads[x] + gx if x in grads else gx
            if owners is not None:
                _enter(owners, node, grads[x], known)
    return {x: grads.get(x) for x in wrt}
