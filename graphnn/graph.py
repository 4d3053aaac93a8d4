"""The graph: nodes, the values they produce, and the few walks everything else is built on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import DTypeError, GraphError, ShapeError
from .types import Shape, TensorType, show_shape

if TYPE_CHECKING:
    from .op import Op

__all__ = [
    "Node",
    "Value",
    "apply",
    "consumers",
    "explain",
    "make_node",
    "named_after",
    "outputs_of",
    "rewrite",
    "text",
    "toposort",
]

NO_ATTRS: Mapping[str, str] = {}


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One application of an operator. Compared by identity; equality of meaning is the CSE pass's job."""

    op: Op
    inputs: tuple[Value, ...]
    types: tuple[TensorType, ...] | None  # one per output; None before binding
    name: str
    attrs: Mapping[str, str] = field(default_factory=lambda: NO_ATTRS)
    origin: str | None = None  # "file:line" of the user's code that made it


@dataclass(frozen=True, slots=True)
class Value:
    """Output number `index` of `node`: what symbols hold and what edges carry."""

    node: Node
    index: int = 0

    # Written out, since walks hash millions of values: nodes hash by identity.
    def __hash__(self) -> int:
        return id(self.node) + self.index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self.node is other.node and self.index == other.index

    @property
    def type(self) -> TensorType:
        if self.node.types is None:
            raise ShapeError(f"{self.node.name}: the shape is not known before binding")
        return self.node.types[self.index]

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> str:
        return self.type.dtype

    def __repr__(self) -> str:
        return f"%{self.node.name}" + (f".{self.index}" if self.index else "")

    # Arithmetic on typed values, for gradient rules and passes; graphnn.ops.arithmetic says what it means.
    def __add__(self, other: Value | float) -> Value:
        return _infix("add", self, other)

    def __sub__(self, other: Value | float) -> Value:
        return _infix("sub", self, other)

    def __mul__(self, other: Value | float) -> Value:
        return _infix("mul", self, other)

    def __truediv__(self, other: Value | float) -> Value:
        return _infix("div", self, other)

    def __radd__(self, other: float) -> Value:
        return _infix("add", self, other)

    def __rsub__(self, other: float) -> Value:
        return _infix("rsub", self, other)

    def __rmul__(self, other: float) -> Value:
        return _infix("mul", self, other)

    def __rtruediv__(self, other: float) -> Value:
        return _infix("rdiv", self, other)

    def __neg__(self) -> Value:
        return _infix("mul", self, -1.0)


def _infix(kind: str, a: Value, b: Value | float) -> Value:
    from .ops.arithmetic import infix

    return infix(kind, a, b)


def user_line() -> str | None:
    """Give "file:line" of the nearest caller outside the package."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("graphnn.") or module.startswith(("graphnn.models", "graphnn.tools")):
            return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


def make_node(op: Op, inputs: Sequence[Value], name: str, attrs: Mapping[str, str] = NO_ATTRS) -> Node:
    """Make an untyped node, remembering the line of the user's code."""
    return Node(op, tuple(inputs), None, name, attrs, user_line())


def apply(
    op: Op, *inputs: Value, name: str | None = None, attrs: Mapping[str, str] = NO_ATTRS, origin: str | None = None
) -> Node:
    """Apply `op` to typed values: the new node is checked and typed here, so a wrong rewrite fails where it is made."""
    name = name or op.name.strip("_").lower()
    try:
        types = op.types(tuple(x.type for x in inputs))
    except (ShapeError, DTypeError) as e:
        raise type(e)(explain(op, name, inputs, str(e), origin)) from None
    return Node(op, inputs, types, name, attrs, origin)


def explain(
    op: Op,
    name: str,
    inputs: Sequence[Value],
    reason: str,
    origin: str | None,
    given: Mapping[Node, Shape] | None = None,
) -> str:
    """Write a full error message: node, operator, reason, where each input came from, who made the node.

    `given` are the shapes of variables that the caller set, where the nodes have no types yet.
    """
    lines = [f"{name} ({op.name}): {reason}"]
    names = op.input_names(len(inputs))
    width = max(map(len, names), default=0)
    for label, x in zip(names, inputs, strict=True):
        lines.append(f"  {label:<{width}} <- {_provenance(x, given or {})}")
    if origin:
        lines.append(f"  {name} was created at {origin}")
    return "\n".join(lines)


def _provenance(x: Value, given: Mapping[Node, Shape]) -> str:
    """Follow the first inputs from `x` to the variable its shape came from."""
    chain = [x.node]
    while chain[-1].inputs and len(chain) < 1000:
        chain.append(chain[-1].inputs[0].node)
    names = [n.name for n in chain[:3]] + (["..."] if len(chain) > 4 else []) + [n.name for n in chain[3:][-1:]]
    source = chain[-1]
    start = source.types[0].shape if source.types else given.get(source)
    shape = f"{show_shape(x.shape)} " if x.node.types else ""
    return f"{shape}{' <- '.join(names)}{f' given as {show_shape(start)}' if start else ''}"


def outputs_of(node: Node) -> list[Value]:
    """Give every output of a node as values."""
    return [Value(node, i) for i in range(node.op.num_outputs)]


def toposort(
    outputs: Iterable[Value], after: Mapping[Node, Sequence[Node]] | None = None, done: Iterable[Node] = ()
) -> list[Node]:
    """Give every node the outputs need, inputs before users, in depth-first order.

    Iterative: depth is not bounded by the stack. `after` adds edges that are no data: nodes to visit before another;
    `done` are nodes already placed.
    """
    placed: dict[Node, None] = dict.fromkeys(done)
    skip = len(placed)
    active: set[Node] = set()
    stack = [(v.node, False) for v in reversed(list(outputs))]
    while stack:
        node, ready = stack.pop()
        if node in placed:
            continue
        if ready:
            placed[node] = None
            active.discard(node)
            continue
        if node in active:
            raise GraphError(f"{node.name}: the graph has a cycle")
        active.add(node)
        stack.append((node, True))
        if after and node in after:
            stack.extend((n, False) for n in reversed(after[node]) if n not in placed)
        stack.extend((v.node, False) for v in reversed(node.inputs) if v.node not in placed)
    return list(placed)[skip:]


Rule = Callable[[Node, tuple[Value, ...]], "Value | Sequence[Value] | None"]


def rewrite(outputs: Sequence[Value], rule: Rule) -> list[Value]:
    """Rebuild bottom-up. `rule(node, new_inputs)` gives the replacement value(s), or None to keep the node."""
    new: dict[Value, Value] = {}
    for node in toposort(outputs):
        inputs = tuple([new[v] for v in node.inputs])
        out = rule(node, inputs)
        if out is None:
            kept = node
            if any(a is not b and a != b for a, b in zip(inputs, node.inputs, strict=True)):
                kept = apply(node.op, *inputs, name=node.name, attrs=node.attrs, origin=node.origin)
            out = outputs_of(kept)
        elif isinstance(out, Value):
            out = (out,)
        for i, value in enumerate(out):
            new[Value(node, i)] = value
    return [new[v] for v in outputs]


def named_after(node: Node, xs: Sequence[Value], ys: Sequence[Value]) -> list[Value]:
    """Give what takes a node's place its name, attributes and origin, unless it was there before, among `xs`."""
    made = ys[0].node
    if made.op.is_variable or any(made is x.node for x in xs):
        return list(ys)
    own = Node(made.op, made.inputs, made.types, node.name, node.attrs, node.origin)
    return [Value(own, y.index) if y.node is made else y for y in ys]


def consumers(outputs: Sequence[Value]) -> dict[Value, int]:
    """Count the edges (outputs of the graph included) that leave each value."""
    n: dict[Value, int] = {}
    for node in toposort(outputs):
        for v in node.inputs:
            n[v] = n.get(v, 0) + 1
    for v in outputs:
        n[v] = n.get(v, 0) + 1
    return n


def text(outputs: Sequence[Value]) -> str:
    """Write the graph as text, one node a line: what tests compare and `print` shows."""
    ids: dict[Node, str] = {}
    lines = []

    def ref(v: Value) -> str:
        return ids[v.node] + (f".{v.index}" if v.index else "")

    for node in toposort(outputs):
        ids[node] = f"%{len(ids)}"
        args = ", ".join(map(ref, node.inputs))
        types = "" if node.types is None else ", ".join(map(str, node.types)) + " = "
        label = f' "{node.name}"' if node.op.is_variable else ""
        lines.append(f"{ids[node]}: {types}{node.op}({args}){label}")
    return "\n".join([*lines, f"return {', '.join(map(ref, outputs))}"])
