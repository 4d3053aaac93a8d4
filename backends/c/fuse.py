"""Fusion: elementwise operators that feed each other, and sums by channel of what they make, become one loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from graphnn.graph import Node, Value, apply, outputs_of, toposort
from graphnn.types import Shape

from .body import Body
from .elementwise import body_of
from .ops import fused

__all__ = ["fuse"]

MOST_INPUTS = 12
MOST_STEPS = 48


def fuse(parts: Sequence[int] = ()) -> Callable[[Sequence[Value]], list[Value]]:
    """Make the pass: find the groups, then rebuild the graph with a node for each.

    `parts` says of each output with which part of the program it is wanted; no group is in both.
    """
    return lambda outputs: _Fusion(outputs, parts).run()


@dataclass(eq=False)
class _Group:
    """Nodes that run in one loop over `shape`, in topological order."""

    shape: Shape
    nodes: list[Node]


class _Fusion:
    """The working state of one run."""

    def __init__(self, outputs: Sequence[Value], parts: Sequence[int]) -> None:
        self.outputs = list(outputs)
        late = [bool(p) for p in parts] or [False] * len(self.outputs)
        self.forward = set(toposort(v for v, p in zip(outputs, late, strict=True) if not p))
        self.order = toposort(outputs)
        self.place = {n: i for i, n in enumerate(self.order)}
        self.bodies = {n: b for n in self.order if (b := _body(n)) is not None}
        self.group: dict[Node, _Group] = {}
        self.readers: dict[Value, list[Node]] = {}
        for node in self.order:
            for v in node.inputs:
                self.readers.setdefault(v, []).append(node)
        self.heads = set(self.outputs)

    def run(self) -> list[Value]:
        for node in self.order:
            if node in self.bodies:
                self._place(node)
        return self._rebuild()

    # Grouping

    def _place(self, node: Node) -> None:
        """Give a node its group: with those that make its inputs, and with sums over the same values."""
        body = self.bodies[node]
        own = self.group[node] = _Group(body.shape, [node])
        for v, view in zip(node.inputs, body.views, strict=True):
            if view != body.shape:
                continue
            other = self.group.get(v.node)
            if other is not None and v.node in self.bodies and self.bodies[v.node].full:
                own = self._merge(other, own)
            if body.sums:
                for reader in self.readers[v]:
                    sibling = self.group.get(reader)
                    if sibling is not None and (self.bodies[reader].sums or v.shape == sibling.shape):
                        own = self._merge(sibling, own)

    def _merge(self, a: _Group, b: _Group) -> _Group:
        """Join two groups where that makes no cycle; give the group of the second's nodes."""
        if a is b or a.shape != b.shape or (a.nodes[0] in self.forward) != (b.nodes[0] in self.forward):
            return b
        if len(a.nodes) + len(b.nodes) > MOST_STEPS:
            return b
        nodes = sorted({*a.nodes, *b.nodes}, key=self.place.__getitem__)
        if len(self._inputs(nodes)) > MOST_INPUTS or not self._rows_only(nodes) or self._cycle(nodes):
            return b
        joined = _Group(a.shape, nodes)
        for node in nodes:
            self.group[node] = joined
        return joined

    def _inputs(self, nodes: Sequence[Node]) -> dict[tuple[Value, Shape], None]:
        inside = set(nodes)
        found: dict[tuple[Value, Shape], None] = {}
        for node in nodes:
            for v, view in zip(node.inputs, self.bodies[node].views, strict=True):
                if v.node not in inside:
                    found[v, view] = None
                elif view != self.bodies[node].shape or self.bodies[v.node].sums:
                    found[v, view] = None
        return found

    def _rows_only(self, nodes: Sequence[Node]) -> bool:
        """Tell whether the inputs fit a loop with sums: each whole, or the same for every row."""
        if not any(self.bodies[n].sums for n in nodes):
            return True
        return all(view == self.bodies[nodes[0]].shape or _is_channel(view) for _, view in self._inputs(nodes))

    def _cycle(self, nodes: Sequence[Node]) -> bool:
        """Tell whether something outside needs one of the nodes and is needed by another."""
        inside = set(nodes)
        first = min(self.place[n] for n in nodes)
        seen: set[Node] = set()
        stack = [v.node for n in nodes for v in n.inputs if v.node not in inside]
        # An inner edge that is no element-by-element use (a sum read by channel) is a cycle too.
        for n in nodes:
            for v, view in zip(n.inputs, self.bodies[n].views, strict=True):
                if v.node in inside and (view != self.bodies[n].shape or self.bodies[v.node].sums):
                    return True
        while stack:
            node = stack.pop()
            if node in inside:
                return True
            if node in seen:
                continue
            seen.add(node)
            others = self.group[node].nodes if node in self.group else [node]
            if max(self.place[n] for n in others) < first:
                continue
            for n in others:
                seen.add(n)
                stack.extend(v.node for v in n.inputs if v.node not in seen)
        return False

    # Rebuilding

    def _rebuild(self) -> list[Value]:
        new: dict[Value, Value] = {}
        for unit in self._units():
            if isinstance(unit, _Group):
                self._fused(unit, new)
                continue
            inputs = [new[v] for v in unit.inputs]
            same = all(a == b for a, b in zip(inputs, unit.inputs, strict=True))
            kept = unit if same else apply(unit.op, *inputs, name=unit.name, attrs=unit.attrs, origin=unit.origin)
            new.update(zip(outputs_of(unit), outputs_of(kept), strict=True))
        return [new[v] for v in self.outputs]

    def _units(self) -> Iterable[Node | _Group]:
        """Give groups and other nodes, each after what it needs."""
        done: set[int] = set()
        found: list[Node | _Group] = []
        stack: list[tuple[Node | _Group, bool]] = [(self._unit(v.node), False) for v in reversed(self.outputs)]
        while stack:
            unit, ready = stack.pop()
            if id(unit) in done:
                continue
            if ready:
                done.add(id(unit))
                found.append(unit)
                continue
            stack.append((unit, True))
            nodes = unit.nodes if isinstance(unit, _Group) else [unit]
            needed = [self._unit(v.node) for n in nodes for v in n.inputs]
            stack.extend((u, False) for u in reversed(needed) if u is not unit and id(u) not in done)
        return found

    def _unit(self, node: Node) -> Node | _Group:
        return self.group.get(node, node)

    def _fused(self, group: _Group, new: dict[Value, Value]) -> None:
        """Add the node of a group."""
        inside = set(group.nodes)
        inputs = list(self._inputs(group.nodes))
        index = {(v, view): i for i, (v, view) in enumerate(inputs)}
        steps: list[tuple[str, tuple[int, ...]]] = []
        made: dict[Value, int] = {}
        full: list[Value] = []
        sums: list[Value] = []
        for node in group.nodes:
            body = self.bodies[node]
            args = [made[v] if v in made else index[v, view] for v, view in zip(node.inputs, body.views, strict=True)]
            base = len(inputs) + len(steps)
            for template, own in body.steps:
                at = [args[a] if a < len(args) else base + a - len(args) for a in own]
                steps.append((template, tuple(at)))
            last = Value(node)
            if body.sums:
                sums.append(last)
                made_at = base + len(body.steps) - 1
                made[last] = made_at
                continue
            for v, k in zip(outputs_of(node), body.full, strict=True):
                made[v] = base + k - len(args)
                if v in self.heads or any(r not in inside for r in self.readers.get(v, ())):
                    full.append(v)
        result = Body(
            group.shape, tuple(view for _, view in inputs), tuple(steps), tuple(made[v] for v in full),
            tuple(made[v] for v in sums),
        )  # fmt: skip
        names = [n.name for n in group.nodes]
        node = apply(
            fused(result), *(new[v] for v, _ in inputs), name="+".join(names[:3]), origin=group.nodes[-1].origin
        )
        for k, v in enumerate([*full, *sums]):
            new[v] = Value(node, k)


def _is_channel(view: Shape) -> bool:
    return all(n == 1 for n in view[:-1])


def _body(node: Node) -> Body | None:
    """Give what a node computes by element, if it does."""
    if node.op.is_variable or node.op.is_constant or node.op.view or node.op.random or not node.inputs:
        return None
    types = node.types or ()
    if any(t.dtype != "float32" for t in (*(v.type for v in node.inputs), *types)):
        return None
    return body_of(node.op, [v.type for v in node.inputs], types)
