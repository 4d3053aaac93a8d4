"""What each rewrite of the compiler did to a graph: nodes added, removed, changed and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Any

from .. import backend as backends
from ..bound import Bound
from ..graph import Node, Value, outputs_of, toposort
from ..types import Shape
from .drawing import Colors, Drawing
from .layers import LABEL_LENGTH, Layer, typed_layers
from .network import MOST_OPEN, Look, draw
from .regions import excerpt
from .training import step_of

__all__ = [
    "ADDED",
    "CHANGED",
    "KEPT",
    "LEGEND",
    "REMOVED",
    "Rewrite",
    "compared",
    "drawing",
    "frozen",
    "marked",
    "rewritten",
]

MOST_BOXES, MOST_ASKED = 120, 400  # that are laid out within seconds, and within a minute
ADDED, REMOVED, CHANGED, KEPT = "added", "removed", "changed", "kept"
STATE_COLORS: Mapping[str, Colors] = {
    ADDED: ("#cfead0", "#3f8f4f"),
    REMOVED: ("#f6d0cd", "#c0483f"),
    CHANGED: ("#fbe3a8", "#b98a16"),
    KEPT: ("#f4f5f6", "#a6aeb6"),
}
LEGEND = tuple(STATE_COLORS.items())


@dataclass(frozen=True)
class Rewrite:
    """One rewrite: the graph before and after it, and what each node of either is: ADDED, REMOVED, CHANGED or KEPT.

    `twins` gives the node after that took the place of one before.
    """

    name: str
    before: Sequence[Value]
    after: Sequence[Value]
    states: Mapping[Node, str]
    twins: Mapping[Node, Node]

    @property
    def counts(self) -> Counter[str]:
        """Count the nodes by what they are; those before count where they were removed."""
        return Counter(self.states.values())

    @property
    def changes(self) -> bool:
        return any(state != KEPT for state in self.states.values())

    def __str__(self) -> str:
        told = [f"{self.counts[s]} {s}" for s in (ADDED, REMOVED, CHANGED) if self.counts[s]]
        return f"{self.name}: {', '.join(told) or 'changes nothing'}"


def rewritten(
    bound: Bound,
    training: bool,
    backend: str,
    threads: int = 1,
    arrays: Mapping[str, Any] | None = None,
) -> Iterator[Rewrite]:
    """Give the rewrites from a bound symbol to what a backend plans, in order.

    `arrays` are parameters that never change, as in prediction: what depends on them alone is computed.
    """
    graph = step_of(bound).graph if training else bound.inference()[0]
    heads = list(bound.heads)
    yield compared("training" if training else "inference", heads, graph.values)
    b = backends.get(backend)
    values = graph.values
    wishes = backends.Wishes(threads=threads, parts=graph.parts)
    for name, after in backends.rewrites(graph, b, wishes, frozen=arrays):
        yield compared(name, values, after)
        values = after


def frozen(bound: Bound) -> dict[str, Any]:
    """Give arrays for all parameters and states: what they hold changes nothing in the graph."""
    import numpy as np

    names = [n for n in (*bound.arguments, *bound.aux) if n not in bound.shapes and not n.endswith("label")]
    return {n: np.full(bound.types[n].shape, 0.5, bound.types[n].dtype) for n in names}


def _names(node: Node) -> list[str]:
    """Give a node's name and, of `conv+norm+relu`, which took in others, what it was before and its other parts."""
    parts = node.name.split("+")
    return [*("+".join(parts[:k]) for k in range(len(parts), 0, -1)), *parts[:0:-1]]


# How a node finds the one it was before: the key of the old one, the keys to look for, and what it then is.
RULES: Sequence[tuple[Callable[[Node], Any], Callable[[Node], Sequence[Any]], str]] = (
    (lambda n: n, lambda n: [n], KEPT),
    (lambda n: (n.name, n.op, n.types), lambda n: [(n.name, n.op, n.types)], KEPT),
    (lambda n: n.name, _names, CHANGED),
)


def compared(name: str, before: Sequence[Value], after: Sequence[Value]) -> Rewrite:
    """Find what a rewrite did. A node is the same where it is the very node, or has name, operator and types of one
    before; it is changed where it has one's name (of `conv+relu`, which took in another node, the first).
    """
    old = [n for n in toposort(before) if not _hidden(n)]
    new = [n for n in toposort(after) if not _hidden(n)]
    twins: dict[Node, Node] = {}
    states: dict[Node, str] = {}
    left = dict.fromkeys(old)

    for keys_of_old, keys_of_new, state in RULES:
        found: dict[Any, list[Node]] = {}
        for node in left:
            found.setdefault(keys_of_old(node), []).append(node)
        for node in new:
            pile = next((p for key in keys_of_new(node) if (p := found.get(key))), None)
            if node not in states and pile:
                twin = pile.pop(0)
                del left[twin]
                states[node], twins[twin] = state, node
    states |= {n: ADDED for n in new if n not in states} | {n: REMOVED for n in left}
    return Rewrite(name, before, after, states, twins)


def _hidden(node: Node) -> bool:
    return node.op.is_variable or node.op.is_constant


# The picture


def drawing(rewrite: Rewrite, shown: Collection[str], title: str, depth: int | None = None) -> Drawing:
    """Draw the graph after a rewrite with what it removed, in the colours of LEGEND; of the variables those `shown`."""
    after, shapes = typed_layers(rewrite.after, shown)
    before, old_shapes = typed_layers(rewrite.before, shown)
    return marked(rewrite, before, after, {**old_shapes, **shapes}, title, (str(rewrite),), depth)


def marked(
    rewrite: Rewrite,
    before: Sequence[Layer],
    after: Sequence[Layer],
    shapes: Mapping[Value, Shape | None],
    title: str,
    notes: tuple[str, ...],
    depth: int | None = None,
    told: Mapping[Node, Sequence[str]] | None = None,
) -> Drawing:
    """Draw the layers after, and those before that are gone, in the colours of LEGEND; `told` are lines for some.

    In a large graph blocks without a change are closed, and so are those with one where it were too large; of a graph
    that is too large even so the changes alone are drawn, see excerpt().
    """
    found = _joined(rewrite, before, after)

    def edge(source: Node, target: Node) -> tuple[str, str]:
        return (STATE_COLORS[REMOVED][1], "dashed") if rewrite.states.get(target) == REMOVED else ("", "")

    look = Look(
        colors=lambda own: STATE_COLORS[_state(rewrite, own)],
        lines=lambda own: _changes(rewrite, own) if len(own) > 1 else _broken((told or {}).get(own[0].node, ())),
        key=lambda layer: (layer.node.op, rewrite.states.get(layer.node, KEPT)),
        edge=edge,
    )
    looks = [look]
    if depth is None and len(found) > MOST_OPEN:
        looks = [replace(look, opens=lambda own: _state(rewrite, own) != KEPT), look]
    for one in looks:
        drawn = draw(found, shapes, rewrite.after, depth=depth, look=one)
        if len(drawn.boxes) <= (MOST_BOXES if depth is None else MOST_ASKED):
            return replace(drawn, title=title, legend=LEGEND, notes=notes)
    part, said = excerpt(found, rewrite.states, KEPT, STATE_COLORS, edge)
    return replace(part, title=title, legend=LEGEND, notes=(*notes, said))


def _state(rewrite: Rewrite, own: Sequence[Layer]) -> str:
    """Give what colours a box: of a group what it has most of, but for what is kept."""
    counts = Counter(rewrite.states.get(x.node, KEPT) for x in own)
    kept = counts.pop(KEPT, 0)
    if not counts:
        return KEPT
    state, count = counts.most_common(1)[0]
    return state if len(counts) == 1 and not kept and count == len(own) else CHANGED


def _changes(rewrite: Rewrite, own: Sequence[Layer]) -> list[str]:
    counts = Counter(rewrite.states.get(x.node, KEPT) for x in own)
    told = [f"{counts[s]} {s}" for s in (ADDED, REMOVED, CHANGED) if counts[s]]
    return [", ".join(told)] if told else []


def _broken(told: Sequence[str]) -> list[str]:
    """Break what is told of a layer into at most five lines that fit a box."""
    return [line for text in told for line in wrap(text, LABEL_LENGTH)][:5]


def _joined(rewrite: Rewrite, before: Sequence[Layer], after: Sequence[Layer]) -> list[Layer]:
    """Put the removed layers among those after the rewrite, each behind the last that it reads."""
    place = {x.node: float(i) for i, x in enumerate(after)}
    removed = [x for x in before if rewrite.states.get(x.node) == REMOVED]
    moved: list[Layer] = []
    for x in removed:
        inputs = tuple(v for v in (_now(rewrite, v) for v in x.inputs) if v.node in place)
        place[x.node] = max((place[v.node] for v in inputs), default=-1.0) + 1e-3
        moved.append(replace(x, inputs=inputs))
    joined = [*after, *moved]
    joined.sort(key=lambda x: place[x.node])
    return joined


def _now(rewrite: Rewrite, v: Value) -> Value:
    """Give the value after the rewrite that took the place of one before."""
    node = rewrite.twins.get(v.node, v.node)
    return outputs_of(node)[min(v.index, node.op.num_outputs - 1)]
