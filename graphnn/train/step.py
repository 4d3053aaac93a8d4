"""The graphs of a training step: the optimiser's updates alone, or forward, backward and updates as one."""

from __future__ import annotations

from collections.abc import Mapping

from ..bound import STATE, Bound
from ..graph import Node, Value, toposort
from ..op import variable
from ..ops.arithmetic import _rdiv_scalar, add_n, broadcast_mul
from ..ops.binary import _maximum_scalar, _minimum_scalar
from ..ops.identity import Cast
from ..ops.reduce import norm
from ..ops.shape import Reshape
from ..ops.unary import sqrt, square
from ..plan import Graph
from ..types import TensorType
from .running import MASTER, RATE, Running

__all__ = ["step_graph", "update_graph"]

Types = dict[str, TensorType]
_TINY = 1e-30  # below any norm, so that 0 is not divided by


def update_graph(bound: Bound, running: Running, names: list[str]) -> tuple[Graph, Types]:
    """Give the optimiser's step for the arguments `names` over the arrays of their gradients, and its arrays."""
    weights = {n: variable(n, bound.types[n].shape, bound.types[n].dtype) for n in names}
    grads = {n: variable(f"grad:{n}", w.shape, w.dtype) for n, w in weights.items()}
    types = {n: w.type for n, w in weights.items()} | {f"grad:{n}": w.type for n, w in weights.items()}
    updates, more = _updates(running, weights, grads)
    return Graph((), updates), types | more


def step_graph(
    bound: Bound, reqs: Mapping[str, str], running: Running, owners: dict[Node, Node] | None = None
) -> tuple[Graph, Types] | None:
    """Give forward, backward and the optimiser's step as one graph, and its arrays.

    The gradients are values of the graph, not arrays. None where that cannot be: a head needs a gradient, or gradients
    are added up or wanted of what the optimiser does not change. In `owners` each node of the backward part is entered
    with the node whose gradient it computes.
    """
    graph, types, heads = bound.training(reqs, owners)
    if heads or any(r == "add" for r in reqs.values()):
        return None
    values = {n.name: Value(n) for n in toposort(graph.values) if n.op.is_variable}
    grads = {name.removeprefix("grad:"): v for name, v, _ in graph.updates if name.startswith("grad:")}
    weights = {n: values.get(n) or variable(n, bound.types[n].shape, bound.types[n].dtype) for n in grads}
    updates, more = _updates(running, weights, grads)
    kept = tuple(u for u in graph.updates if not u[0].startswith("grad:"))
    types = {n: t for n, t in types.items() if not n.startswith("grad:")}
    return Graph(graph.heads, kept + updates), types | more


def _updates(
    running: Running, weights: Mapping[str, Value], grads: Mapping[str, Value]
) -> tuple[tuple[tuple[str, Value, int], ...], Types]:
    updates: list[tuple[str, Value, int]] = []
    types: Types = running.types
    rate = variable(RATE, types[RATE].shape)
    grads = _clipped(grads, running) if running.optimizer.clip_norm is not None else grads
    for name, w in weights.items():
        states = [variable(n, types[n].shape, types[n].dtype) for n in running.state_names(name)]
        master = next((s for s in states if s.node.name == f"{MASTER}:{name}"), w)
        own = [s for s in states if s is not master]
        random = [variable(STATE, (2,), "uint64")] if running.optimizer.random else []
        dtype = "float32" if w.dtype == "float16" else w.dtype
        ins = [_as(dtype, x) for x in (master, grads[name], *own)]
        new = running.update(name)(*ins, *random, _as(dtype, rate))
        found = [Value(new.node, k) for k in range(1 + len(own))]
        if master is not w:
            updates.append((master.node.name, found[0], 1))
        updates.append((name, _as(w.dtype, found[0]), 1))
        updates += [(s.node.name, _as(s.dtype, x), 1) for s, x in zip(own, found[1:], strict=True)]
    return tuple(updates), types | ({STATE: TensorType((2,), "uint64")} if running.optimizer.random else {})


def _clipped(grads: Mapping[str, Value], running: Running) -> Mapping[str, Value]:
    """g' = g min(1, clip_norm / |rescale_grad g|), the norm over all gradients (Pascanu et al. 2013, algorithm 1)."""
    wanted, rescale = running.optimizer.clip_norm or 0.0, abs(running.optimizer.rescale_grad)
    squares = [square()(norm()(_as("float32", g))) for g in grads.values()]
    length = sqrt()(add_n(len(squares))(*squares)) * rescale
    factor = _minimum_scalar(1.0)(_rdiv_scalar(wanted)(_maximum_scalar(_TINY)(length)))
    return {name: broadcast_mul()(g, _column(_as(g.dtype, factor), len(g.shape))) for name, g in grads.items()}


def _column(x: Value, ndim: int) -> Value:
    return x if ndim == 1 else Reshape((1,) * ndim)(x)


def _as(dtype: str, x: Value) -> Value:
    return x if x.dtype == dtype else Cast(dtype)(x)
