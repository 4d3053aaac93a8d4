"""Two networks compared: layers added, removed, changed and kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher

from ..errors import GraphError
from ..given import near
from ..graph import Node, Value
from ..params import show
from ..symbol import Symbol
from ..types import Shape
from .drawing import Drawing
from .layers import Layer, clean, layers, size_text
from .passes import ADDED, CHANGED, KEPT, REMOVED, Rewrite, marked

__all__ = ["Difference", "compare", "drawing", "report"]

MOST_LINES = 40  # of each kind in a report

Shapes = Mapping[Value, Shape | None]


@dataclass(frozen=True)
class Difference:
    """What became of the layers of one network in another; `changes` are, by layer of the new one, texts of what
    differs.
    """

    old: Sequence[Layer]
    new: Sequence[Layer]
    shapes: Shapes
    rewrite: Rewrite
    changes: Mapping[Node, Sequence[str]]
    parameters: tuple[int | None, int | None]

    @property
    def same(self) -> bool:
        return not self.rewrite.changes


def compare(
    a: Symbol, b: Symbol, shape: Mapping[str, Shape] | None = None, before: Mapping[str, Shape] | None = None
) -> Difference:
    """Match the layers of two networks: by name and operator in order, then the rest between these by operator and
    parameters, then by operator alone. What matches is changed where parameters, weights' shapes or inputs differ.
    `shape` is for the inputs of both, or `before` for those of the first; raises GraphError for a name that neither
    has.
    """
    before = shape if before is None else before
    names = {*a.list_inputs(), *b.list_inputs()}
    for name in {**(before or {}), **(shape or {})}:
        if name not in names:
            raise GraphError(f"no argument {name!r} in either network{near(name, sorted(names))}")
    old, old_shapes = _layers(a, before)
    new, new_shapes = _layers(b, shape)
    twins = {old[i].node: new[j].node for i, j in _matched(old, new)}
    layer_of = {x.node: x for x in (*old, *new)}
    changes: dict[Node, Sequence[str]] = {}
    states: dict[Node, str] = {x.node: ADDED for x in new}
    states |= {x.node: REMOVED for x in old if x.node not in twins}
    for one, other in twins.items():
        found = list(_changed(layer_of[one], layer_of[other], twins, old_shapes, new_shapes))
        states[other] = CHANGED if found else KEPT
        changes |= {other: found} if found else {}
    rewrite = Rewrite("difference", a.values, b.values, states, twins)
    totals = tuple(_total([x.parameters for x in some]) for some in (old, new))
    return Difference(old, new, {**old_shapes, **new_shapes}, rewrite, changes, (totals[0], totals[1]))


def _layers(symbol: Symbol, shape: Mapping[str, Shape] | None) -> tuple[list[Layer], Shapes]:
    known = set(symbol.list_inputs())
    return layers(symbol, {name: s for name, s in (shape or {}).items() if name in known})


def _total(counts: Sequence[int | None]) -> int | None:
    known = [n for n in counts if n is not None]
    return sum(known) if len(known) == len(counts) else None


# Matching

Key = Callable[[Layer], Hashable]
Gap = tuple[Sequence[int], Sequence[int]]  # numbers of layers of the old and of the new network, between two matches


def _by_name(x: Layer) -> Hashable:
    """An automatic name, such as flatten3, says nothing: it counts what was made before."""
    op = x.node.op
    hint = x.node.name.rstrip("0123456789")
    if hint != x.node.name and hint.lower() in {name.lower() for name in (op.name, op.name.strip("_"), *op.aliases)}:
        return op
    return x.node.name, op.name


KEYS: Sequence[Key] = (
    _by_name,
    lambda x: x.node.name if x.node.op.is_variable else x.node.op,
    lambda x: x.node.name if x.node.op.is_variable else x.node.op.name,
)


def _matched(old: Sequence[Layer], new: Sequence[Layer]) -> list[tuple[int, int]]:
    """Give pairs of numbers of layers that match, by each of KEYS what those before have left."""
    pairs: dict[int, int] = {}
    gaps: list[Gap] = [(range(len(old)), range(len(new)))]
    for key in KEYS:
        left: list[Gap] = []
        for ours, theirs in gaps:
            left += _aligned(ours, theirs, [key(old[i]) for i in ours], [key(new[j]) for j in theirs], pairs)
        if key is _by_name:
            left = _moved(old, new, left, pairs)
        gaps = left
    return list(pairs.items())


def _aligned(
    ours: Sequence[int],
    theirs: Sequence[int],
    one: Sequence[Hashable],
    other: Sequence[Hashable],
    pairs: dict[int, int],
) -> Iterator[Gap]:
    """Enter the pairs of a longest common sequence; give what lies between them."""
    i = j = 0
    for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks():
        if block.a > i and block.b > j:
            yield ours[i : block.a], theirs[j : block.b]
        for k in range(block.size):
            pairs[ours[block.a + k]] = theirs[block.b + k]
        i, j = block.a + block.size, block.b + block.size


def _moved(old: Sequence[Layer], new: Sequence[Layer], gaps: Sequence[Gap], pairs: dict[int, int]) -> list[Gap]:
    """Enter what has one name and operator but stands elsewhere; give the gaps without it."""
    taken = set(pairs.values())
    places: dict[Hashable, int] = {
        key: j for j, x in enumerate(new) if j not in taken and isinstance(key := _by_name(x), tuple)
    }
    for i, x in enumerate(old):
        if i not in pairs and _by_name(x) in places:
            pairs[i] = places.pop(_by_name(x))
    taken = set(pairs.values())
    return [([i for i in ours if i not in pairs], [j for j in theirs if j not in taken]) for ours, theirs in gaps]


def _changed(
    before: Layer, after: Layer, twins: Mapping[Node, Node], old_shapes: Shapes, new_shapes: Shapes
) -> Iterator[str]:
    """Say what differs between two layers that match."""
    a, b = before.node.op, after.node.op
    if a != b:
        for name in [f.name for f in fields(b)] if type(a) is type(b) else ():  # type: ignore[arg-type]
            one, other = getattr(a, name), getattr(b, name)
            if one != other:
                yield f"{name} {show(one)} -> {show(other)}"
    weights = zip(before.weights, after.weights, strict=False)
    for v, w in weights:
        one, other = old_shapes.get(v), new_shapes.get(w)
        if one != other and one is not None and other is not None:
            yield f"{clean(w.node.name)} {size_text(one)} -> {size_text(other)}"
    if [twins.get(v.node) for v in before.inputs] != [v.node for v in after.inputs]:
        names = [", ".join(clean(v.node.name) for v in x.inputs) or "nothing" for x in (before, after)]
        yield f"reads {names[1]}" + (f" instead of {names[0]}" if names[0] != names[1] else ", another of that name")


# What is shown


def report(found: Difference) -> list[str]:
    """Write a difference as lines: `+` added, `-` removed, `~` changed."""
    state = found.rewrite.states
    groups = (
        ("~", [x for x in found.new if state[x.node] == CHANGED]),
        ("-", [x for x in found.old if state.get(x.node) == REMOVED]),
        ("+", [x for x in found.new if state[x.node] == ADDED]),
    )
    lines = [_summary(found)]
    for sign, some in groups:
        for x in some[:MOST_LINES]:
            kind = "variable" if x.node.op.is_variable else f"{x.node.op.name} {x.detail}".strip()
            what = "; ".join(found.changes.get(x.node, ()))
            lines.append(clean(f"{sign} {x.node.name} ({kind}){f': {what}' if what else ''}", 160))
        if len(some) > MOST_LINES:
            lines.append(f"{sign} and {len(some) - MOST_LINES} more")
    return lines


def _summary(found: Difference) -> str:
    counts = found.rewrite.counts
    told = ", ".join(f"{counts[s]} {s}" for s in (KEPT, CHANGED, REMOVED, ADDED) if counts[s])
    before, after = ("?" if n is None else f"{n:,}" for n in found.parameters)
    return f"{'the same' if found.same else 'different'}: {told}; parameters {before} -> {after}"


def drawing(found: Difference, title: str, depth: int | None = None) -> Drawing:
    """Draw the new network with what is gone of the old one."""
    return marked(found.rewrite, found.old, found.new, found.shapes, title, (_summary(found),), depth, found.changes)
