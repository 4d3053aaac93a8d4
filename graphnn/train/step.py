"""The graphs of a training step: the optimiser's updates alone, or forward, backward and updates as one."""

from __future__ import annotations

from collections.abc import Mapping

from ..bound import Bound
from ..graph import Value, toposort
from ..op import variable
from ..plan import Graph
from ..types import TensorType
from .optimizer import Optimizer

__all__ = ["RATE", "step_graph", "update_graph"]

RATE = "optimizer:lr"
Types = dict[str, TensorType]
Attrs = Mapping[str, Mapping[str, str]]


def update_graph(bound: Bound, optimizer: Optimizer, names: list[str], attrs: Attrs) -> tuple[Graph, Types]:
    """Give the optimiser's step for the arguments `names` over the arrays of their gradients, and its arrays."""
    weights = {n: variable(n, bound.types[n].shape, bound.types[n].dtype) for n in names}
    grads = {n: variable(f"grad:{n}", w.shape, w.dtype) for n, w in weights.items()}
    types = {n: w.type for n, w in weights.items()} | {f"grad:{n}": w.type for n, w in weights.items()}
    updates, more = _updates(optimizer, weights, grads, attrs)
    return Graph((), updates), types | more


def step_graph(bound: Bound, reqs: Mapping[str, str], optimizer: Optimizer, attrs: Attrs) -> tuple[Graph, Types] | None:
    """Give forward, backward and the optimiser's step as one graph, and its arrays.

    The gradients are values of the graph, not arrays. None where that cannot be: a head needs a gradient, or gradients
    are added up or wanted of what the optimiser does not change.
    """
    graph, types, heads = bound.training(reqs)
    if heads or any(r == "add" for r in reqs.values()):
        return None
    values = {n.name: Value(n) for n in toposort(graph.values) if n.op.is_variable}
    grads = {name.removeprefix("grad:"): v for name, v, _ in graph.updates if name.startswith("grad:")}
    weights = {n: values.get(n) or variable(n, bound.types[n].shape, bound.types[n].dtype) for n in grads}
    updates, more = _updates(optimizer, weights, grads, attrs)
    kept = tuple(u for u in graph.updates if not u[0].startswith("grad:"))
    types = {n: t for n, t in types.items() if not n.startswith("grad:")}
    return Graph(graph.heads, kept + updates), types | more


def _updates(
    optimizer: Optimizer, weights: Mapping[str, Value], grads: Mapping[str, Value], attrs: Attrs
) -> tuple[tuple[tuple[str, Value, int], ...], Types]:
    updates: list[tuple[str, Value, int]] = []
    types: Types = {RATE: TensorType((1,), "float32")}
    rate = variable(RATE, (1,))
    for name, w in weights.items():
        states = [f"{s}:{name}" for s in optimizer.state_names()]
        types |= dict.fromkeys(states, w.type)
        op = optimizer.update(name, attrs.get(name, {}))
        new = op(w, grads[name], *(variable(s, w.shape, w.dtype) for s in states), rate)
        updates.append((name, new, 1))
        updates += [(s, Value(new.node, k), 1) for k, s in enumerate(states, 1)]
    return tuple(updates), types
