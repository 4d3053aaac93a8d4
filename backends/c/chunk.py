"""Depth first: chains of layers go through the batch a few images at a time, so that what one makes is still in the
cache when the next one reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphnn.arena import aligned
from graphnn.graph import Node, Value, apply, outputs_of, toposort
from graphnn.op import OPS, Op, variable
from graphnn.ops.join import Concat
from graphnn.ops.pool import Pooling
from graphnn.ops.shape import View, axis_of, transpose
from graphnn.plan import Graph, Plan, Slot, Step, make_plan
from graphnn.types import Shape, TensorType

from .body import Body
from .kernel import Kernel, Phase, emit, emits, fill, function, share
from .ops import conv, depthwise, fused, winograd
from .toolchain import Target

__all__ = ["chunk", "chunked"]

CACHE = 640 << 10  # bytes that the inputs and outputs of one layer may take for the images of a chunk
LIGHT = 256 << 10  # bytes of weights that may be read again for every chunk, whatever the images take


class chunked(Op):
    """Some layers, for `count` chunks of the batch one after another; `plan` is for one chunk.

    Of the inputs those that `batched` names are cut along their first axis, as all outputs are.
    """

    plan: Plan
    count: int
    batched: tuple[bool, ...]
    heads: tuple[TensorType, ...]
    public = False
    name = "_chunked"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        return f"_chunked{{{self.count} x {', '.join(s.name for s in self.plan.steps)}}}"

    __repr__ = __str__

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return tuple(f"x{i}" for i in range(len(self.batched)))

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(f"y{k}" for k in range(len(self.heads)))

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [t.shape for t in self.heads]


# Operators by the image: `rule(op, node, n, m)` gives the operator for m of n images.

_Rule = Callable[[Any, Node, int, int], "Op | None"]


def _body(body: Body, n: int, m: int) -> Body:
    views = tuple((m, *v[1:]) if v[:1] == (n,) else v for v in body.views)
    return replace(body, shape=(m, *body.shape[1:]), views=views)


def _ending(op: Any, node: Node, n: int, m: int) -> Op | None:
    fits = op.body.shape[:1] == (n,) and not op.body.sums
    return replace(op, body=_body(op.body, n, m)) if fits else None


def _view(op: Any, node: Node, n: int, m: int) -> Op | None:
    shape = Value(node).shape
    return OPS["_reshape_to"].from_params({"shape": (m, *shape[1:])}) if shape[:1] == (n,) else None


def _same(op: Any, node: Node, n: int, m: int) -> Op | None:
    ndim = len(node.inputs[0].shape)
    if isinstance(op, transpose):
        return op if op.order(ndim)[0] == 0 else None
    return op if not isinstance(op, Concat) or axis_of(op.dim, ndim) != 0 else None


RULES: dict[type[Op], _Rule] = {
    conv: _ending,
    winograd: _ending,
    depthwise: _ending,
    fused: _ending,
    Pooling: _same,
    transpose: _same,
    Concat: _same,
}
HEAVY = (conv, winograd, depthwise)


def _rule(op: Op) -> _Rule | None:
    return _view if isinstance(op, View) else RULES.get(type(op))


def _cut(node: Node, n: int) -> tuple[bool, ...]:
    """Tell which inputs are one piece for each image."""
    if isinstance(node.op, fused):
        return tuple(v[:1] == (n,) for v in node.op.body.views)
    if isinstance(node.op, HEAVY):
        return (True, False, *(v[:1] == (n,) for v in node.op.body.views[1:]))
    return (True,) * len(node.inputs)


@dataclass(frozen=True)
class _Cost:
    """Bytes of a node: inputs and outputs of one image, and weights."""

    image: int
    weights: int


def _cost(node: Node, n: int) -> _Cost:
    pairs = list(zip(node.inputs, _cut(node, n), strict=True))
    cut = [v for v, c in pairs if c] + outputs_of(node)
    return _Cost(sum(v.type.nbytes // n for v in cut), sum(v.type.nbytes for v, c in pairs if not c))


def chunk(outputs: Sequence[Value]) -> list[Value]:
    """Put `chunked` in the place of chains of layers whose activations do not fit the cache for all images at once."""
    order = toposort(outputs)
    n = max((Value(node).shape[0] for node in order if isinstance(node.op, HEAVY)), default=1)
    nodes = [node for node in order if n > 1 and _fits(node, n)]
    light = [c.image for node in nodes if (c := _cost(node, n)).weights <= LIGHT]
    if n < 2 or not light:
        return list(outputs)
    most = max(1, min(CACHE // max(light), n // 4))
    m = max(d for d in range(1, n + 1) if n % d == 0 and d <= most)
    inside = [node for node in nodes if (c := _cost(node, n)).weights <= max(LIGHT, c.image * m)]
    groups = [g for g in _chains(order, set(inside), n) if _worth(g, n)]
    return _rebuilt(outputs, groups, n, m) if groups else list(outputs)


def _fits(node: Node, n: int) -> bool:
    rule = _rule(node.op)
    if rule is None or node.types is None or any(t.dtype != "float32" or t.shape[:1] != (n,) for t in node.types):
        return False
    if rule(node.op, node, n, 1) is None or not node.inputs:
        return False
    return all(v.shape[:1] == (n,) for v, c in zip(node.inputs, _cut(node, n), strict=True) if c)


def _chains(order: Sequence[Node], inside: set[Node], n: int) -> list[list[Node]]:
    """Give groups of nodes; no group needs another that needs it, and a node's whole inputs are of other groups."""
    groups: list[list[Node]] = []
    member: dict[Node, int] = {}
    needs: list[set[int]] = []  # of each group, the groups that it needs
    behind: dict[Node, set[int]] = {}  # the groups that a node outside them needs
    for node in order:
        own = {member[v.node] for v in node.inputs if v.node in member}
        through = set().union(*(behind.get(v.node, ()) for v in node.inputs))
        if node not in inside:
            behind[node] = own | through
            continue
        whole = {member.get(v.node) for v, cut in zip(node.inputs, _cut(node, n), strict=True) if not cut}
        free = [g for g in sorted(own - whole) if not _reaches(through | (own - {g}), g, needs)]
        if not free:
            groups.append([])
            needs.append(set())
        g = free[-1] if free else len(groups) - 1
        groups[g].append(node)
        member[node] = g
        needs[g] |= through | (own - {g})
    return groups


def _reaches(starts: set[int], goal: int, needs: Sequence[set[int]]) -> bool:
    """Tell whether one of these groups is the goal or needs it, if only through others."""
    seen: set[int] = set()
    stack = list(starts)
    while stack:
        g = stack.pop()
        if g == goal:
            return True
        if g not in seen:
            seen.add(g)
            stack.extend(needs[g])
    return False


def _worth(group: Sequence[Node], n: int) -> bool:
    heavy = [node for node in group if isinstance(node.op, HEAVY)]
    return len(heavy) > 1 and max(_cost(node, n).image for node in heavy) * n > 2 * CACHE


def _rebuilt(outputs: Sequence[Value], groups: Sequence[Sequence[Node]], n: int, m: int) -> list[Value]:
    group_of = {node: k for k, g in enumerate(groups) for node in g}
    readers: dict[Value, set[int | None]] = {}
    order = toposort(outputs)
    for node in order:
        for v in node.inputs:
            readers.setdefault(v, set()).add(group_of.get(node))
    for v in outputs:
        readers.setdefault(v, set()).add(None)
    new: dict[Value, Value] = {}

    def value(v: Value) -> Value:
        """Give the new value, building what it needs; depth is that of chains of groups, not of nodes."""
        if v not in new:
            _build(v.node)
        return new[v]

    def _build(node: Node) -> None:
        k = group_of.get(node)
        if k is None:
            inputs = [value(v) for v in node.inputs]
            same = all(a == b for a, b in zip(inputs, node.inputs, strict=True))
            kept = node if same else apply(node.op, *inputs, name=node.name, attrs=node.attrs, origin=node.origin)
            new.update(zip(outputs_of(node), outputs_of(kept), strict=True))
            return
        members = groups[k]
        wanted = [v for x in members for v in outputs_of(x) if readers.get(v, set()) - {k}]
        uses = [u for x in members for u in zip(x.inputs, _cut(x, n), strict=True) if group_of.get(u[0].node) != k]
        outside = list(dict.fromkeys(uses))
        op = _op(members, outside, wanted, n, m)
        made = apply(op, *(value(v) for v, _ in outside), name=_name(members), origin=members[-1].origin)
        new.update({v: Value(made, i) for i, v in enumerate(wanted)})

    for node in order:
        if node not in group_of and Value(node) not in new:
            _build(node)
    return [value(v) for v in outputs]


def _name(members: Sequence[Node]) -> str:
    heavy = [node.name for node in members if isinstance(node.op, HEAVY)]
    return f"{heavy[0]} to {heavy[-1]}"


def _op(
    members: Sequence[Node], outside: Sequence[tuple[Value, bool]], wanted: Sequence[Value], n: int, m: int
) -> chunked:
    """Make the operator: the members' graph for m images, planned; `outside` are its inputs, cut or not."""
    new: dict[tuple[Value, bool], Value] = {}
    inputs: dict[str, TensorType] = {}
    for i, (v, cut) in enumerate(outside):
        shape = (m, *v.shape[1:]) if cut else v.shape
        new[v, cut] = variable(f"x{i}", shape, v.dtype)
        inputs[f"x{i}"] = TensorType(shape, v.dtype)
    for node in members:
        rule = _rule(node.op)
        op = rule(node.op, node, n, m) if rule else None
        assert op is not None
        xs = [new[u] for u in zip(node.inputs, _cut(node, n), strict=True)]
        made = apply(op, *xs, name=node.name, attrs=node.attrs, origin=node.origin)
        new.update({(v, True): y for v, y in zip(outputs_of(node), outputs_of(made), strict=True)})
    plan = make_plan(Graph(tuple(new[v, True] for v in wanted)), inputs)
    return chunked(plan, n // m, tuple(cut for _, cut in outside), tuple(v.type for v in wanted))


@emits(chunked)
def emit_chunked(op: chunked, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """Each thread takes chunks of its own, with an arena of its own; within a chunk step follows step."""
    steps = [(x, emit(x.op, [s.type for s in x.ins], [s.type for s in x.outs], target)) for x in op.plan.steps]
    kernels = [(step, kernel) for step, kernel in steps if kernel is not None]
    assert len(kernels) == len(steps)
    arena = aligned(op.plan.arena_bytes)
    private = max(aligned(kernel.private) for _, kernel in kernels)
    shared = max(aligned(kernel.shared) for _, kernel in kernels)
    functions: list[tuple[str, str]] = []
    calls = ""
    for step, kernel in kernels:
        functions += kernel.functions
        for phase in kernel.phases:
            functions.append(_function(step, phase))
            arguments = ", ".join(_arguments(op, step))
            calls += f"{functions[-1][0]}({arguments}, s + {arena}, s + {arena + private}, 0, 1);\n"
    text = fill("$share {\n  $calls\n}\n", share=share(op.count, "c"), calls=calls)
    return Kernel.of(text, private=arena + private + shared).calling(tuple(functions))


def _function(step: Step, phase: Phase) -> tuple[str, str]:
    """Give (name, text) of one phase of a step as a function of its arrays."""
    parameters = [f"const float *x{i}" for i in range(len(step.ins))]
    parameters += [f"float *y{i}" for i in range(len(step.outs))]
    head = f"({', '.join([*parameters, 'char *s', 'char *z', 'int t', 'int T'])})"
    return function("step", head, f"(void)s; (void)z; (void)t; (void)T;\n{phase.body.rstrip()}\n")


def _arguments(op: chunked, step: Step) -> list[str]:
    return [_pointer(op, s, True) for s in step.ins] + [_pointer(op, s, False) for s in step.outs]


def _pointer(op: chunked, slot: Slot, read: bool) -> str:
    """Write where a slot of the chunk lies: in the thread's arena, or in an array of the whole batch."""
    kind = "const float *" if read else "float *"
    if slot.name is None:
        return f"({kind})(s + {slot.offset})"
    if slot.name.startswith("output:"):
        k = int(slot.name.removeprefix("output:"))
        return f"({kind})(y{k} + c * {op.plan.heads[k].size}L + {slot.offset // 4})"
    i = int(slot.name[1:])
    cut = f" + c * {op.plan.inputs[slot.name].size}L" if op.batched[i] else ""
    return f"({kind})(x{i}{cut} + {slot.offset // 4})"
