"""A training step as one graph: forward, backward and update, in three colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..bound import Bound
from ..graph import Node, Value, toposort
from ..plan import Graph
from ..types import TensorType
from .drawing import Box, Colors, Drawing, Edge, Frame
from .layers import Layer, clean, typed_layers
from .network import ALL, MOST_OPEN, Look, contents, draw

__all__ = ["BACKWARD", "FORWARD", "ROLES", "UPDATE", "TrainingStep", "drawing", "step_of"]

OPTIMIZER = ("sgd", {"momentum": 0.9})
FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"
ROLES: Mapping[str, Colors] = {
    FORWARD: ("#d6e4f2", "#5b84ad"),
    BACKWARD: ("#f6dccb", "#c07a45"),
    UPDATE: ("#d5ead6", "#55945c"),
}


class TrainingStep(NamedTuple):
    """The graph of a training step and its arrays; `optimizer` is empty where a head gradient must be given first.

    `roles` and `owners` tell of each node whether it is forward, backward or update, and whose gradient, or the update
    of whose parameter, it computes: a node of the forward part, itself for those. `parameters` are the names of all
    arguments and states of the network.
    """

    graph: Graph
    inputs: Mapping[str, TensorType]
    optimizer: str
    roles: Mapping[Node, str]
    owners: Mapping[Node, Node]
    parameters: frozenset[str]


def step_of(bound: Bound) -> TrainingStep:
    """Give what Module.step compiles, with SGD and momentum: forward, backward and update as one graph.

    Nodes of the backward part and the update are named after their owners: `conv1:conv_weight_grad`. A network whose
    head is no loss needs the head's gradient between the parts: its parameters are not updated.
    """
    import numpy as np

    from ..train.optimizer import create
    from ..train.running import Running
    from ..train.step import step_graph

    names = [n for n in bound.arguments if n not in bound.shapes and not n.endswith("label")]
    reqs = dict.fromkeys(names, "write")
    kind, options = OPTIMIZER
    # The optimiser looks at the shapes of parameters alone: these take no memory.
    weights = {n: np.broadcast_to(np.zeros((), bound.types[n].dtype), bound.types[n].shape) for n in names}
    owners: dict[Node, Node] = {}
    found = step_graph(bound, reqs, Running(create(kind, **options), weights, names, {}), owners)
    optimizer = f"{kind} with momentum" if found is not None else ""
    if found is None:
        owners.clear()
        found = bound.training(reqs, owners)[:2]
    graph, inputs = found
    roles = _roles(graph, owners)
    new = _renamed(graph, _owners(graph, roles, owners))
    return TrainingStep(
        graph.with_values([Value(new[v.node][0], v.index) for v in graph.values]),
        inputs,
        optimizer,
        {kept: roles[node] for node, (kept, _) in new.items()},
        {kept: owner for kept, owner in new.values()},
        frozenset((*bound.arguments, *bound.aux)),
    )


def _roles(graph: Graph, owners: Mapping[Node, Node]) -> dict[Node, str]:
    """Forward is what the heads need, backward what has an owner or leads to it; the rest changes what is kept."""
    everything = toposort(graph.values)
    gradients = [Value(n) for n in everything if n in owners]
    found = dict.fromkeys(everything, UPDATE)
    found |= dict.fromkeys(toposort(gradients), BACKWARD)
    return found | dict.fromkeys(toposort(graph.heads), FORWARD)


def _owners(graph: Graph, roles: Mapping[Node, str], backward: Mapping[Node, Node]) -> dict[Node, Node]:
    """Give every node an owner: an update the first reader of its parameter, else what it reads or is read by."""
    order = toposort(graph.values)
    readers: dict[Node, Node] = {}
    for node in order:
        for v in node.inputs if roles[node] == FORWARD else ():
            readers.setdefault(v.node, node)
    found = dict(backward)
    for node in order:
        if roles[node] == FORWARD:
            found[node] = node
        elif node not in found and not node.op.is_variable:
            by = [readers[v.node] for v in node.inputs if v.node.op.is_variable and v.node in readers]
            by += [found[v.node] for v in node.inputs if v.node in found]
            found |= dict.fromkeys([node] if by else [], by[0] if by else node)
    for node in reversed(order):
        for v in node.inputs if node in found else ():
            found.setdefault(v.node, found[node])
    return {node: found.get(node, node) for node in order}


def _renamed(graph: Graph, owners: Mapping[Node, Node]) -> dict[Node, tuple[Node, Node]]:
    """Name what has another owner after it: give for each node the new one and its owner among the new."""
    new: dict[Node, Node] = {}
    for node in toposort(graph.values):
        ins = tuple(Value(new[v.node], v.index) for v in node.inputs)
        owner = owners[node]
        if node.op.is_variable or (owner is node and ins == node.inputs):
            new[node] = node
        else:
            name = node.name if owner is node else f"{owner.name}:{node.name}"
            new[node] = Node(node.op, ins, node.types, name, node.attrs, node.origin)
    return {node: (kept, new[owners[node]]) for node, kept in new.items()}


# The picture


def drawing(step: TrainingStep, shown: Collection[str], title: str, depth: int | None = None) -> Drawing:
    """Draw a training step; of the variables those `shown`.

    Beside each box of the forward part stand what computes its gradients and what updates its parameters; with a
    `depth` of ALL every node has a box of its own.
    """
    counts = Counter(r for n, r in step.roles.items() if not n.op.is_variable)
    note = ", ".join(f"{counts[r]} {r}" for r in ROLES if counts[r])
    note += f"; optimiser: {step.optimizer}" if step.optimizer else "; parameters are not updated: a head is no loss"
    drawn = _open(step, shown) if depth is not None and depth >= ALL else _beside(step, shown, depth)
    return replace(drawn, title=title, legend=tuple(ROLES.items()), notes=(note,))


def _open(step: TrainingStep, shown: Collection[str]) -> Drawing:
    found, shapes = typed_layers(step.graph.values, shown)
    look = Look(colors=lambda own: ROLES[step.roles.get(own[0].node, FORWARD)])
    return draw(found, shapes, step.graph.values, depth=ALL, look=look)


def _beside(step: TrainingStep, shown: Collection[str], depth: int | None) -> Drawing:
    """Draw the forward part, and a box of the gradients and one of the updates beside each of its boxes."""
    found, shapes = typed_layers(step.graph.heads, shown)
    if depth is None:
        depth = ALL if len(found) <= MOST_OPEN else 0
    drawn = draw(found, shapes, step.graph.heads, depth=depth, look=Look(colors=lambda own: ROLES[FORWARD]))
    at = {node: box.id for box in drawn.boxes for node in box.nodes}
    layers = {x.node: x for x in typed_layers(step.graph.values, ())[0]}
    own: dict[str, dict[str, list[Layer]]] = {BACKWARD: {}, UPDATE: {}}
    for node, layer in layers.items():
        box = at.get(step.owners[node], "")
        role = step.roles[node]
        if role != FORWARD and box:
            own[role].setdefault(box, []).append(layer)
            at[node] = f"{role[0]}{box}"
    names: dict[str, list[str]] = {}
    for name, v, _ in step.graph.updates:
        if name in step.parameters:
            names.setdefault(at.get(v.node, ""), []).append(name)
    made: dict[str, Box] = {}
    for role, boxes in own.items():
        for box, some in boxes.items():
            id = f"{role[0]}{box}"
            words = contents(some, what="nodes") if role == BACKWARD else _few(names.get(id, []))
            made[id] = Box(id, (role, *words), ROLES[role], "box", tuple(x.node for x in some))
    inside = {box.id for part in drawn.parts if isinstance(part, Frame) for box in _inside(part)}
    rows = tuple(
        (box.id, *(f"{r}{box.id}" for r in "bu" if f"{r}{box.id}" in made))
        for box in drawn.boxes
        if box.id not in inside
    )
    parts = tuple(_with_sides(part, made) for part in drawn.parts)
    flat = tuple(x for some in parts for x in some)
    return replace(drawn, parts=flat, edges=(*drawn.edges, *_side_edges(layers, at, made)), rows=rows)


def _inside(frame: Frame) -> list[Box]:
    return Drawing(frame.inside, ()).boxes


def _few(names: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(names))
    return [clean(n) for n in names] if len(names) <= 3 else [f"{len(names)} parameters and states"]


def _with_sides(part: Box | Frame, made: Mapping[str, Box]) -> tuple[Box | Frame, ...]:
    if isinstance(part, Box):
        return (part, *(made[id] for r in "bu" if (id := f"{r}{part.id}") in made))
    inside = tuple(x for one in part.inside for x in _with_sides(one, made))
    return (Frame(part.label, inside),)


def _side_edges(layers: Mapping[Node, Layer], at: Mapping[Node, str], made: Mapping[str, Box]) -> list[Edge]:
    """Give the arrows of gradients, which go up beside the forward part, and to the updates."""
    found: dict[tuple[str, str], Edge] = {}
    for node, layer in layers.items():
        target = at.get(node, "")
        for v in layer.inputs if target in made else ():
            source = at.get(v.node, "")
            if not source or source == target or (source, target) in found:
                continue
            color = ROLES[BACKWARD if target[0] == "b" else UPDATE][1]
            if source[0] == "b" and target[0] == "b":
                found[source, target] = Edge(target, source, "", "4", "", color, dir="back")
            elif source[0] == "n":
                own = target[1:] == source
                found[source, target] = Edge(
                    source, target, "", "", "dashed", "#b9a596", constraint="" if own else "false"
                )
            else:
                found[source, target] = Edge(source, target, "", "", "", color)
    return list(found.values())
