"""Memory: from a typed graph to steps over one arena with offsets, and the arrays the caller owns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .arena import Interval, lower_bound, place
from .errors import GraphError
from .graph import Node, Value, outputs_of, toposort
from .op import Op
from .types import TensorType

__all__ = ["Graph", "Plan", "Slot", "Step", "make_plan"]

ScratchRule = Callable[[Op, Sequence[TensorType], Sequence[TensorType]], int]


@dataclass(frozen=True)
class Graph:
    """What to run: heads to deliver, and updates `name -> new value`, in a forward (0) and a backward part (1)."""

    heads: tuple[Value, ...]
    updates: tuple[tuple[str, Value, int], ...] = ()

    @property
    def values(self) -> list[Value]:
        return [*self.heads, *(v for _, v, _ in self.updates)]

    @property
    def parts(self) -> tuple[int, ...]:
        """Give the part with which each of `values` is wanted."""
        return (*(0 for _ in self.heads), *(part for _, _, part in self.updates))

    def with_values(self, values: Sequence[Value]) -> Graph:
        """Give the same contract over rewritten values."""
        n = len(self.heads)
        updates = tuple((name, v, part) for (name, _, part), v in zip(self.updates, values[n:], strict=True))
        return Graph(tuple(values[:n]), updates)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a tensor lives: `offset` bytes into the array `name` of the caller, or into the arena (name None)."""

    name: str | None
    offset: int
    type: TensorType

    def __str__(self) -> str:
        return f"{self.name or 'arena'}+{self.offset}:{self.type}"


@dataclass(frozen=True, slots=True)
class Step:
    """One kernel call."""

    op: Op
    ins: tuple[Slot, ...]
    outs: tuple[Slot, ...]
    name: str
    part: int
    scratch: int


@dataclass(frozen=True)
class Plan:
    """A straight-line program. `heads[k]` is the array `output:k` of the caller, `constants` are arrays by name."""

    steps: tuple[Step, ...]
    arena_bytes: int
    lower_bound: int
    scratch_bytes: int
    inputs: Mapping[str, TensorType]
    heads: tuple[TensorType, ...]
    constants: Mapping[str, object]
    buffers: tuple[Interval, ...]
    graph: Graph = field(repr=False)
    order: tuple[Node, ...] = field(default=(), repr=False)  # the nodes at the times that `buffers` count by

    @property
    def planned_bytes(self) -> int:
        """Bytes of activations: the arena and the heads; operators' scratch is counted apart, as in MXNet."""
        return self.arena_bytes + sum(t.nbytes for t in self.heads)

    @property
    def step_times(self) -> list[int]:
        """Give the time of each step, an index into `order`; copies at the end are all at the time after the last."""
        times = [i for i, n in enumerate(self.order) if not (n.op.is_variable or n.op.view or n.op.is_constant)]
        return times + [len(self.order)] * (len(self.steps) - len(times))

    def __str__(self) -> str:
        lines = [
            f"planned {_mib(self.planned_bytes)}: arena {_mib(self.arena_bytes)} "
            f"(lower bound {_mib(self.lower_bound)}), heads {_mib(self.planned_bytes - self.arena_bytes)}; "
            f"scratch {_mib(self.scratch_bytes)}; {len(self.steps)} steps",
            f"{'offset':>12} {'bytes':>12} {'steps':>12}  buffer",
        ]
        for b in self.buffers:
            lines.append(f"{b.offset:>12} {b.size:>12} {f'{b.start}-{b.end}':>12}  {b.label}")
        return "\n".join(lines)

    def steps_text(self) -> str:
        """Write the steps, one a line."""
        return "\n".join(f"{', '.join(map(str, s.outs))} = {s.op}({', '.join(map(str, s.ins))})" for s in self.steps)


def _mib(n: int) -> str:
    return f"{n} bytes" if n < 1 << 20 else f"{n / (1 << 20):.1f} MiB"


def make_plan(
    graph: Graph,
    inputs: Mapping[str, TensorType],
    scratch: ScratchRule = lambda op, ins, outs: 0,
    in_place: bool = True,
    apart: int = 0,
) -> Plan:
    """Order the nodes, decide what shares memory, and give every buffer its offset.

    `inputs` are all arrays of the caller, also those that rewriting left without use. With `in_place` off every value
    has a buffer of its own and nothing is shared (for tests and monitors). Buffers of at most `apart` bytes share no
    memory: threads then need not wait until others have done with what was there.
    """
    return _Planner(graph, inputs, in_place, apart).plan(scratch)


@dataclass(eq=False)
class _Root:
    """A piece of memory that one or several values share."""

    name: str | None  # the caller's array, or None for the arena
    size: int
    start: int = 0
    end: int = 0  # the last step that uses one of the values here
    label: str = ""
    offset: int = 0


class _Planner:
    """The working state of one make_plan call."""

    def __init__(self, graph: Graph, inputs: Mapping[str, TensorType], in_place: bool, apart: int) -> None:
        self.graph, self.inputs, self.in_place, self.apart = graph, inputs, in_place, apart
        self.copies: list[tuple[Value, str]] = []  # (value, array) written at the end
        self.targets: dict[Value, str] = {}  # values computed straight into an array
        self.roots: dict[Value, _Root] = {}
        self.arena: list[_Root] = []
        self.constants: dict[str, object] = {}

    def plan(self, scratch: ScratchRule) -> Plan:
        self._order()
        self._targets()
        self._share()
        buffers = [self._interval(r) for r in self.arena]
        total = place(buffers, share=self.in_place)
        for root, interval in zip(self.arena, buffers, strict=True):
            root.offset = interval.offset
        steps = self._steps(scratch)
        return Plan(
            steps=tuple(steps),
            arena_bytes=total,
            lower_bound=lower_bound(buffers),
            scratch_bytes=max((s.scratch for s in steps), default=0),
            inputs=self.inputs,
            heads=tuple(v.type for v in self.graph.heads),
            constants=self.constants,
            buffers=tuple(buffers),
            graph=self.graph,
            order=tuple(self.order),
        )

    def _interval(self, r: _Root) -> Interval:
        if r.size <= self.apart:
            return Interval(r.size, 0, len(self.order), r.label)
        return Interval(r.size, r.start, r.end, r.label)

    # The order of steps

    def _order(self) -> None:
        """Forward nodes, then backward nodes, depth first; whoever overwrites an array comes after its readers."""
        heads = self.graph.heads
        first = [*heads, *(v for _, v, part in self.graph.updates if part == 0)]
        second = [v for _, v, part in self.graph.updates if part == 1]
        after = self._readers_first()
        try:
            forward = toposort(first, after)
            backward = toposort(second, after, forward)
        except GraphError:  # two updates wait for each other: they are copied at the end instead
            forward = toposort(first)
            backward = toposort(second, None, forward)
        self.order = [*forward, *backward]
        self.position = {node: i for i, node in enumerate(self.order)}
        self.cut = len(forward)
        self.last: dict[Value, int] = {}
        for i, node in enumerate(self.order):
            for v in node.inputs:
                self.last[v] = i

    def _readers_first(self) -> dict[Node, list[Node]]:
        nodes = toposort(self.graph.values)
        readers: dict[Node, list[Node]] = {}
        for node in nodes:
            for v in node.inputs:
                readers.setdefault(v.node, []).append(node)
        variables = {n.name: n for n in nodes if n.op.is_variable}
        updated = {v.node for _, v, _ in self.graph.updates}
        after: dict[Node, list[Node]] = {}
        for name, v, _ in self.graph.updates:
            target = variables.get(name)
            if target is None or v.node.op.is_variable or v.node in readers:
                continue
            seen = self._through_views(target, readers)
            after.setdefault(v.node, []).extend(n for n in seen if n is not v.node and n not in updated)
        return after

    def _through_views(self, node: Node, readers: Mapping[Node, list[Node]]) -> list[Node]:
        found, stack = [], list(readers.get(node, ()))
        while stack:
            reader = stack.pop()
            found.append(reader)
            if reader.op.view:
                stack.extend(readers.get(reader, ()))
        return found

    # Which values go straight into the caller's arrays

    def _targets(self) -> None:
        for k, v in enumerate(self.graph.heads):
            self._send(v, f"output:{k}", self.position.get(v.node, 0))
        last_read = self._last_reads()
        for name, v, _ in self.graph.updates:
            self._send(v, name, last_read.get(name, -1))

    def _last_reads(self) -> dict[str, int]:
        """Find the last step that reads each array, through views too."""
        base: dict[Value, str] = {}
        last: dict[str, int] = {}
        for i, node in enumerate(self.order):
            if node.op.is_variable:
                base[Value(node)] = node.name
            if node.op.view and node.inputs[0] in base:
                base[Value(node)] = base[node.inputs[0]]
            for v in node.inputs:
                if v in base:
                    last[base[v]] = i
        for v in self.graph.heads:  # copied after the last step, and before the updates that are copied too
            if v in base:
                last[base[v]] = len(self.order)
        for name, v, _ in self.graph.updates:  # an array that gets what another had
            if v in base and base[v] != name:
                last[base[v]] = len(self.order)
        return last

    def _send(self, v: Value, name: str, last_read: int) -> None:
        node = v.node
        produced = not node.op.is_variable and not node.op.view and not node.op.is_constant
        here = self.position[node]
        early = not name.startswith("output:") and last_read > here
        if last_read == here and not name.startswith("output:"):
            pairs = [node.inputs[i] for i, k in node.op.inplace if k == v.index]
            early = not any(x.node.name == name and x.node.op.is_variable for x in pairs) or (
                sum(x.node.name == name for x in node.inputs) > 1
            )
        if produced and not early and v not in self.targets:
            self.targets[v] = name
        else:
            self.copies.append((v, name))

    # Which values share memory

    def _share(self) -> None:
        end = len(self.order)
        for v, _ in self.copies:
            self.last[v] = end
        for i, node in enumerate(self.order):
            if node.op.is_variable:
                self._external(Value(node), node.name)
            elif node.op.is_constant:
                name = f"constant:{len(self.constants)}"
                self.constants[name] = node.op.array  # type: ignore[attr-defined]
                self._external(Value(node), name)
            elif node.op.view:
                self._join(Value(node), self.roots[node.inputs[0]])
            else:
                for v in outputs_of(node):
                    self._output(i, node, v)

    def _external(self, v: Value, name: str) -> None:
        self._join(v, _Root(name, v.type.nbytes))

    def _join(self, v: Value, root: _Root) -> None:
        root.end = max(root.end, root.start, self.last.get(v, 0))
        self.roots[v] = root

    def _output(self, i: int, node: Node, v: Value) -> None:
        if v in self.targets:
            self._external(v, self.targets[v])
            return
        root = self._shared(i, node, v) if self.in_place else None
        if root is None:
            root = _Root(None, v.type.nbytes, i, label=f"{node.name}{f'.{v.index}' if v.index else ''} {v.type}")
            self.arena.append(root)
        self._join(v, root)

    def _shared(self, i: int, node: Node, v: Value) -> _Root | None:
        """Find an input that dies here and whose memory the output may take."""
        for k, out in node.op.inplace:
            if out != v.index:
                continue
            x = node.inputs[k]
            root = self.roots[x]
            if root.name is not None or root.size != v.type.nbytes or x.dtype != v.dtype:
                continue
            if any(self.roots.get(y) is root for y in outputs_of(node)):
                continue
            if root.end <= i and not self._read_otherwise(node, k, root):
                return root
        return None

    def _read_otherwise(self, node: Node, k: int, root: _Root) -> bool:
        """Tell whether another input of the node, not itself in place, reads the same memory."""
        allowed = {i for i, _ in node.op.inplace}
        return any(self.roots[x] is root and j != k and j not in allowed for j, x in enumerate(node.inputs))

    # The steps

    def _slot(self, v: Value) -> Slot:
        root = self.roots[v]
        return Slot(root.name, root.offset, v.type)

    def _steps(self, scratch: ScratchRule) -> list[Step]:
        steps = []
        for i, node in enumerate(self.order):
            if node.op.is_variable or node.op.view or node.op.is_constant:
                continue
            ins = tuple(self._slot(v) for v in node.inputs)
            outs = tuple(self._slot(v) for v in outputs_of(node))
            need = scratch(node.op, [s.type for s in ins], [s.type for s in outs])
            steps.append(Step(node.op, ins, outs, node.name, int(i >= self.cut), need))
        return steps + self._copy_steps()

    def _copy_steps(self) -> list[Step]:
        """Write what could not be computed in place: heads first, then updates; all are read before any is written."""
        from .ops.unary import _copy

        parts = {name: part for name, _, part in self.graph.updates}
        steps: list[Step] = []
        late: list[Step] = []
        for v, name in self.copies:
            slot = self._slot(v)
            if slot.name == name:
                continue
            step = Step(_copy(), (slot,), (Slot(name, 0, v.type),), f"copy to {name}", parts.get(name, 0), 0)
            (steps if name.startswith("output:") else late).append(step)
        return steps + _readers_before_writers(late)


def _readers_before_writers(steps: list[Step]) -> list[Step]:
    """Order copies so that an array is read before it is written; GraphError where two would change places."""
    ordered: list[Step] = []
    while steps:
        read = {s.ins[0].name for s in steps}
        free = [s for s in steps if s.outs[0].name not in read]
        if not free:
            names = ", ".join(repr(s.outs[0].name) for s in steps)
            raise GraphError(f"the updates of {names} are old values of each other: keep one in an array of its own")
        ordered += free
        steps = [s for s in steps if s.outs[0].name in read]
    return ordered
