"""Constants: values known before a program runs, and the pass that computes what depends on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..graph import Node, Value, rewrite, toposort
from ..op import Op, PartialDTypes, PartialShapes

__all__ = ["Evaluate", "constant", "fold", "freeze"]

SMALL = 64 << 10  # bytes of a result that depends on no constant yet is stored, not computed at every run

Evaluate = Callable[[Sequence[Value]], Sequence[Any]]


class constant(Op):
    """y = an array, which nobody may change."""

    inputs, public, is_constant = (), False, True

    def __init__(self, array: Any) -> None:
        self.array = array

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return ins, [tuple(self.array.shape)]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [str(self.array.dtype)]


def freeze(outputs: Sequence[Value], arrays: Mapping[str, Any]) -> list[Value]:
    """Put constants in the place of the variables that `arrays` names."""
    made: dict[str, Value] = {}

    def rule(node: Node, xs: tuple[Value, ...]) -> Value | None:
        if not node.op.is_variable or node.name not in arrays:
            return None
        return made.setdefault(node.name, constant(arrays[node.name])(name=node.name))

    return rewrite(outputs, rule)


def fold(outputs: Sequence[Value], evaluate: Evaluate) -> list[Value]:
    """Compute what depends on constants alone, through `evaluate(values) -> arrays`.

    What depends on nothing at all (zeros, ranges) is computed where it is small, or `stored`. Random draws stay.
    """
    known: set[Node] = set()
    order = toposort(outputs)
    for node in order:
        if isinstance(node.op, constant) or _computable(node, known):
            known.add(node)
    wanted = [v for node in order if node not in known for v in node.inputs if v.node in known]
    wanted += [v for v in outputs if v.node in known]
    todo = [v for v in dict.fromkeys(wanted) if not isinstance(v.node.op, constant)]
    if not todo:
        return list(outputs)
    arrays = dict(zip(todo, evaluate(todo), strict=True))

    def rule(node: Node, xs: tuple[Value, ...]) -> Sequence[Value] | None:
        found = [arrays.get(Value(node, i)) for i in range(node.op.num_outputs)]
        if all(a is None for a in found):
            return None
        # An output nobody reads has no array; any constant may stand for it.
        some = next(a for a in found if a is not None)
        return [constant(some if a is None else a)(name=node.name) for a in found]

    return rewrite(outputs, rule)


def _computable(node: Node, known: set[Node]) -> bool:
    if node.op.is_variable or node.op.random:
        return False
    if node.inputs:
        return all(v.node in known for v in node.inputs)
    return node.op.stored or sum(t.nbytes for t in node.types or ()) <= SMALL
