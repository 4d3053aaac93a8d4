"""Shape and dtype inference: forward and backward sweeps until nothing changes, then a typed copy of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import DTypeError, ShapeError
from ..graph import Node, Value, explain, outputs_of, toposort
from ..types import Contradiction, Shape, TensorType, known, merge, show_shape

__all__ = ["Inferred", "bind", "infer"]


@dataclass(frozen=True)
class Inferred:
    """What inference found: partial shapes and dtypes of every value it knows something of."""

    order: list[Node]
    shapes: Mapping[Value, Shape | None]
    dtypes: Mapping[Value, str | None]

    def missing(self) -> list[Value]:
        """Give the values whose shape is not complete, in graph order."""
        return [v for node in self.order for v in outputs_of(node) if not known(self.shapes.get(v))]


def infer(
    outputs: Sequence[Value], shapes: Mapping[Node, Shape], dtypes: Mapping[Node, str], order: list[Node] | None = None
) -> Inferred:
    """Complete what follows from the shapes and dtypes of some variables (0 in a shape: unknown).

    Raises ShapeError or DTypeError where they contradict, naming the node, its inputs and where they came from.
    """
    order = order or toposort(outputs)
    found_shapes: dict[Value, Shape | None] = {Value(n): s for n, s in shapes.items()}
    found_dtypes: dict[Value, str | None] = {Value(n): d for n, d in dtypes.items()}
    _fixpoint(order, found_shapes, partial(_shape_step, shapes))
    _fixpoint(order, found_dtypes, _dtype_step)
    return Inferred(order, found_shapes, found_dtypes)


def _fixpoint(order: list[Node], found: Any, step: Callable[[Node, Any], tuple[bool, bool]]) -> None:
    """Sweep forward, then backward, over the nodes that are not settled, until a pair of sweeps changes nothing."""
    pending = [n for n in order if not n.op.is_variable]
    while pending:
        changed = False
        rest: list[Node] = []
        for direction in (pending, pending[::-1]):
            rest = []
            for node in direction:
                moved, settled = step(node, found)
                changed |= moved
                if not settled:
                    rest.append(node)
            if not rest:
                return
        pending = rest[::-1]
        if not changed:
            return


def _shape_step(given: Mapping[Node, Shape], node: Node, found: dict[Value, Shape | None]) -> tuple[bool, bool]:
    outs = outputs_of(node)
    old = [found.get(v) for v in node.inputs], [found.get(v) for v in outs]
    try:
        node.op.check_count(len(node.inputs))
        new = node.op.infer_shape(list(old[0]), list(old[1]))
        changed = False
        for values, before, after in ((node.inputs, old[0], new[0]), (outs, old[1], new[1])):
            for v, b, a in zip(values, before, after, strict=True):
                if a is not None and a != b:
                    merged = merge(found.get(v), a)
                    changed |= merged != b
                    found[v] = merged
    except ShapeError as e:
        reason = (_misfit(node, found) if isinstance(e, Contradiction) else None) or _with_shapes(node, found, str(e))
        raise ShapeError(explain(node.op, node.name, node.inputs, reason, node.origin, given)) from None
    return changed, all(map(known, (*new[0], *new[1])))


def _labelled(node: Node, found: Mapping[Value, Shape | None]) -> list[str]:
    names = node.op.input_names(len(node.inputs))
    return [f"{n} {show_shape(found.get(v))}" for n, v in zip(names, node.inputs, strict=False)]


def _with_shapes(node: Node, found: Mapping[Value, Shape | None], reason: str) -> str:
    shapes = ", ".join(_labelled(node, found))
    return f"{reason} ({shapes})" if shapes else reason


def _misfit(node: Node, found: Mapping[Value, Shape | None]) -> str | None:
    """Find an input, the last one first, without which the others agree, and what they want of it."""
    labels, ins = _labelled(node, found), [found.get(v) for v in node.inputs]
    for k in reversed(range(1, len(ins))):
        try:
            wanted = node.op.infer_shape([*ins[:k], None, *ins[k + 1 :]], [None] * node.op.num_outputs)[0][k]
        except ShapeError:
            continue
        if ins[k] is not None and wanted is not None and wanted != ins[k]:
            others = [x for i, x in enumerate(labels) if i != k and ins[i] is not None]
            verb = "does" if len(others) == 1 else "do"
            name = labels[k].split()[0]
            return f"{', '.join(others)} {verb} not fit {labels[k]}: expected {name} {show_shape(wanted)}"
    return None


def _dtype_step(node: Node, found: dict[Value, str | None]) -> tuple[bool, bool]:
    outs = outputs_of(node)
    values = (*node.inputs, *outs)
    old = [found.get(v) for v in values]
    n = len(node.inputs)
    try:
        ins, out = node.op.infer_dtype(old[:n], old[n:])
    except DTypeError as e:
        raise DTypeError(explain(node.op, node.name, node.inputs, str(e), node.origin)) from None
    new = (*ins, *out)
    changed = False
    for v, b, a in zip(values, old, new, strict=True):
        if a is not None and a != b:
            if b is not None:
                reason = f"{v.node.name} is {b}, {node.name} needs {a}: cast() first"
                raise DTypeError(explain(node.op, node.name, node.inputs, reason, node.origin))
            found[v] = a
            changed = True
    return changed, all(d is not None for d in new)


def bind(outputs: Sequence[Value], shapes: Mapping[Node, Shape], dtypes: Mapping[Node, str]) -> list[Value]:
    """Give the typed graph; raise ShapeError that names what is not determined."""
    order = toposort(outputs)
    result = infer(outputs, shapes, dtypes, order)
    missing = result.missing()
    if missing:
        raise ShapeError(_undetermined(missing, result))
    new: dict[Value, Value] = {}
    for node in order:
        outs = outputs_of(node)
        types = tuple(TensorType(result.shapes[v], result.dtypes.get(v) or "float32") for v in outs)  # type: ignore[arg-type]
        inputs = tuple([new[v] for v in node.inputs])
        op = node.op
        with_shape = getattr(op, "with_shape", None)
        if with_shape is not None:
            op = with_shape(types[0].shape)
        typed = Node(op, inputs, types, node.name, node.attrs, node.origin)
        for v, t in zip(outs, outputs_of(typed), strict=True):
            new[v] = t
    return [new[v] for v in outputs]


def _undetermined(missing: Sequence[Value], result: Inferred) -> str:
    variables = [v for v in missing if v.node.op.is_variable]
    first = next((v for v in missing if not v.node.op.is_variable), missing[0])
    shown = ", ".join(f"{v.node.name} {show_shape(result.shapes.get(v))}" for v in (variables or missing)[:8])
    more = " ..." if len(variables or missing) > 8 else ""
    what = f"give the shape of {variables[0].node.name!r}" if variables else "give the shape of an input"
    return (
        f"cannot tell the shape of: {shown}{more}; first undetermined: {first.node.name} ({first.node.op.name}); {what}"
    )
