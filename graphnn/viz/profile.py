"""A program's steps, timed one by one: which layer takes the time, at what rate, by which algorithm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from statistics import median
from textwrap import wrap
from time import perf_counter
from typing import Any

from .. import backend as backends
from .. import memory
from ..arena import ARENA
from ..bound import Bound
from ..errors import BackendError
from ..graph import Node, toposort
from ..plan import Plan, Step
from .chart import size
from .drawing import COLORS, Box, Colors, Drawing, Frame
from .layers import clean
from .passes import frozen
from .training import TrainingStep, step_of

__all__ = ["Profile", "StepTime", "measure", "painted", "table"]

WARM = 2  # rounds before the first that counts
FEWEST, MOST = 3, 50  # rounds that count


@dataclass(frozen=True)
class StepTime:
    """One step: median seconds of a call, its arithmetic (0 where it is no convolution or product), the bytes it reads
    and writes, the algorithm of a convolution, and the layer it belongs to by name (empty: to none).
    """

    name: str
    operator: str
    seconds: float
    flops: int
    bytes: int
    algorithm: str
    layer: str


@dataclass(frozen=True)
class Profile:
    """The steps of a program in order. `apart` are the median seconds of all steps of a round, `whole` those of the
    program run as one, in `joined` steps: fewer where a backend joins layers that it runs over a piece of the batch
    at a time.
    """

    steps: tuple[StepTime, ...]
    apart: float
    whole: float
    rounds: int
    backend: str
    threads: int
    plan: Plan
    joined: int
    training: TrainingStep | None

    @property
    def total(self) -> float:
        return sum(s.seconds for s in self.steps)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what was timed."""
        joined = "" if self.joined == len(self.steps) else f" ({_count(self.joined, 'step')}: it joins some)"
        lines = (
            f"{self.backend}, {_count(self.threads, 'thread')}: {len(self.steps)} steps, each timed by itself, "
            f"median of {self.rounds} rounds",
            f"all steps {_time(self.apart)}; the program as one{joined}, in turn with them, {_time(self.whole)}",
        )
        if self.apart < 1.2 * self.total:
            return lines
        return (*lines, f"the shares are of {_time(self.total)}, the sum of medians: the machine had other work")

    def layers(self) -> dict[str, tuple[float, int]]:
        """Give seconds and bytes by layer."""
        found: dict[str, tuple[float, int]] = {}
        for s in self.steps:
            seconds, count = found.get(s.layer, (0.0, 0))
            found[s.layer] = (seconds + s.seconds, count + s.bytes)
        return found


def measure(bound: Bound, training: bool, backend: str, threads: int = 1, limit: float = 10.0) -> Profile:
    """Run a program on random numbers and time each step; `limit` are the seconds after which no round begins.

    Inference is with frozen parameters, a training step is what Module.step runs, with SGD and momentum. Raises
    BackendError for a backend that cannot run single steps.
    """
    b: Any = backends.get(backend)
    if not hasattr(b, "clock") or not hasattr(b, "work"):
        raise BackendError(f"the backend {backend!r} runs no single steps: --profile takes c or numpy")
    step = step_of(bound) if training else None
    plan, arrays = _program(bound, step, _Apart(b), threads)
    whole, others = _program(bound, step, b, threads)
    times, wholes = _times(b.clock(plan, arrays, threads), b.link(whole, others, threads).run, limit)
    layers = toposort(bound.heads) if step is None else step.roles
    owners = _owners(plan, {n.name for n in layers if not n.op.is_variable}, _readers(bound))
    steps = tuple(
        _timed(b, s, median(own), owners[k]) for k, (s, own) in enumerate(zip(plan.steps, times, strict=True))
    )
    apart = median(map(sum, zip(*times, strict=True)))
    return Profile(steps, apart, median(wholes), len(wholes), backend, threads, plan, len(whole.steps), step)


class _Apart:
    """A backend without the rewrites that make one step of several layers."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def passes(self, wishes: backends.Wishes) -> list[backends.Pass]:
        left_out = getattr(self._backend, "joining", ())
        return [p for p in self._backend.passes(wishes) if getattr(p, "__name__", "") not in left_out]


def _program(bound: Bound, step: TrainingStep | None, backend: Any, threads: int) -> tuple[Plan, dict[str, Any]]:
    """Plan, and fill the arrays: parameters as they are initialised, data and labels at random."""
    values = _values(bound)
    if step is not None:
        plan = backends.compile(step.graph, step.inputs, backend, threads=threads)
    else:
        graph, inputs = bound.inference()
        kept = {name: values[name] for name in frozen(bound)}
        plan = backends.compile(graph, inputs, backend, frozen=kept, threads=threads)
    memory.check(sum(t.nbytes for t in plan.inputs.values()) + plan.arena_bytes + plan.scratch_bytes, "the program")
    arrays = {name: memory.zeros(t.shape, t.dtype) for name, t in plan.inputs.items()}
    for name, array in arrays.items():
        if name in values:
            array[...] = values[name]
    arrays |= {f"output:{k}": memory.zeros(t.shape, t.dtype) for k, t in enumerate(plan.heads)}
    return plan, arrays | {ARENA: memory.zeros((plan.arena_bytes,), "uint8")}


def _values(bound: Bound) -> dict[str, Any]:
    """He's initialisation, so that values neither vanish nor overflow behind many layers."""
    import numpy as np

    from ..train.initializer import InitDesc, MSRAPrelu, rng_for

    attrs, start = bound.symbol.attr_dict(), MSRAPrelu("in", 0.0)
    found = {}
    for name in (*bound.arguments, *bound.aux):
        t = bound.types[name]
        if name in bound.shapes:
            found[name] = rng_for(0, name).standard_normal(t.shape).astype(t.dtype)
        elif name.endswith("label"):
            classes = max(bound.heads[0].shape[-1], 1)
            found[name] = rng_for(0, name).integers(0, classes, t.shape).astype(t.dtype)
        else:
            found[name] = np.zeros(t.shape, t.dtype)
            start(InitDesc(name, attrs.get(name, {})), found[name], rng_for(0, name))
    return found


def _times(
    steps: Callable[[], list[float]], whole: Callable[[], object], limit: float
) -> tuple[list[tuple[float, ...]], list[float]]:
    """Give the seconds of each step and of the whole in every round, in turn: both meet the same machine."""
    rounds: list[list[float]] = []
    wholes: list[float] = []
    start = perf_counter()
    for done in range(-WARM, MOST):
        if done >= FEWEST and perf_counter() - start > limit:
            break
        before = perf_counter()
        whole()
        wholes.append(perf_counter() - before)
        rounds.append(steps())
    return list(zip(*rounds[WARM:], strict=True)), wholes[WARM:]


def _timed(b: Any, step: Step, seconds: float, layer: str) -> StepTime:
    ins, outs = [x.type for x in step.ins], [y.type for y in step.outs]
    flops, algorithm = b.work(step.op, ins, outs)
    return StepTime(step.name, step.op.name, seconds, flops, sum(t.nbytes for t in (*ins, *outs)), algorithm, layer)


# Whose step it is


def _readers(bound: Bound) -> dict[str, str]:
    """Give the layer that reads each variable first."""
    found: dict[str, str] = {}
    for node in toposort(bound.heads):
        for v in node.inputs:
            found.setdefault(v.node.name, node.name)
    return found


def _owners(plan: Plan, layers: Set[str], readers: Mapping[str, str]) -> list[str]:
    """Give the layer of each step: by the first part of its name that is one, else who reads it, else what it reads.

    `conv0+bn0+relu0` is conv0's, `conv0:weights` too; the layers of a training step have names as
    `conv0:conv_data_grad`. A copy to an array at the end is its head's, or of the layer that reads the array first.
    """
    found: dict[Node, str] = {}
    for node in plan.order:
        parts = node.name.split("+")
        names = [*parts, *(p.rpartition(":")[0] for p in parts)]
        name = next((n for n in names if n in layers), "")
        found |= {node: name} if name else {}
    for node in reversed(plan.order):
        for v in node.inputs if node in found else ():
            if not v.node.op.is_variable:
                found.setdefault(v.node, found[node])
    for node in plan.order:
        for v in node.inputs if not node.op.is_variable else ():
            if v.node in found:
                found.setdefault(node, found[v.node])
    nodes = [n for n in plan.order if not (n.op.is_variable or n.op.view or n.op.is_constant)]
    heads = {f"output:{k}": found.get(v.node, "") for k, v in enumerate(plan.graph.heads)}
    copies = [step.outs[0].name or "" for step in plan.steps[len(nodes) :]]
    return [found.get(n, "") for n in nodes] + [heads.get(name) or readers.get(name, "") for name in copies]


# The table

HEAD = ("time", "share", "GFLOP/s", "bytes", "GB/s", "operator", "algorithm", "step")


def table(profile: Profile, rows: int = 15) -> list[str]:
    """Write the slowest steps as lines, and the algorithm of every convolution."""
    slowest = sorted(profile.steps, key=lambda s: -s.seconds)
    cells = [HEAD, *(_cells(s, profile.total) for s in slowest[:rows])]
    widths = [max(len(row[k]) for row in cells) for k in range(len(HEAD))]
    lines = [_row(row, widths) for row in cells]
    rest = slowest[rows:]
    if rest:
        seconds = sum(s.seconds for s in rest)
        lines.append(
            f"{_time(seconds):>{widths[0]}}  {seconds / profile.total:.1%} in {_count(len(rest), 'more step')}"
        )
    return [*profile.notes, "", *lines, *_algorithms(profile)]


def _cells(s: StepTime, total: float) -> tuple[str, ...]:
    seconds = max(s.seconds, 1e-9)
    rate = f"{s.flops / seconds / 1e9:.1f}" if s.flops else "-"
    kind, step = clean(s.operator, 24), clean(s.name, 60)
    share = f"{s.seconds / total:.1%}" if total else "-"
    return (_time(s.seconds), share, rate, size(s.bytes), f"{s.bytes / seconds / 1e9:.1f}", kind, s.algorithm, step)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Numbers to the right, words to the left."""
    return "  ".join(
        f"{c:>{w}}" if k < 5 else f"{c:<{w}}" for k, (c, w) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


def _algorithms(profile: Profile) -> list[str]:
    found: dict[str, list[StepTime]] = {}
    for s in profile.steps:
        if s.algorithm and s.algorithm != "product":
            found.setdefault(s.algorithm, []).append(s)
    lines = ["", "convolutions by algorithm:"] if found else []
    for name, steps in found.items():
        seconds = sum(s.seconds for s in steps)
        lines.append(f"  {name}: {len(steps)}, {_time(seconds)}, {seconds / profile.total:.1%}")
        names = ", ".join(clean(s.layer or s.name, 60) for s in steps)
        lines += wrap(names, 110, initial_indent="    ", subsequent_indent="    ")
    return lines


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


def _time(seconds: float) -> str:
    """Write a time: `1.23 ms`."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


# The picture

HEAT = ("#fffdf6", "#fdedb5", "#fbcb76", "#f59a5b", "#e9694f")
COLD = ("#fbfdff", "#dceafa", "#b3d2f2", "#84b3e6", "#5b93d6")
BORDERS = {"time": "#a86a3d", "memory": "#4a78ad"}
STEPLESS: Colors = ("#f3f4f5", "#b4bcc4")


def painted(drawing: Drawing, profile: Profile, by: str) -> Drawing:
    """Colour the boxes of an architecture by the time of their steps, or (by "memory") by the bytes these move.

    A box of an opened repeat stands for all copies.
    """
    layers = profile.layers()
    values = {box.id: _sum(layers, box) for box in drawing.boxes}
    shares = [v[by == "memory"] for v in values.values() if v is not None]
    most = max(shares, default=0) or 1
    total = sum(v[by == "memory"] for v in layers.values()) or 1
    scale = COLD if by == "memory" else HEAT

    def paint(part: Box | Frame) -> Box | Frame:
        if isinstance(part, Frame):
            return replace(part, inside=tuple(map(paint, part.inside)))
        found = values[part.id]
        if found is None:
            return replace(part, colors=COLORS["data"] if part.shape == "small" else STEPLESS)
        seconds, count = found
        here = found[by == "memory"]
        line = f"{_time(seconds)}, {seconds / (profile.total or 1):.1%}; {size(count)}"
        return replace(part, lines=(*part.lines, line), colors=(_shade(scale, here / most), BORDERS[by]))

    steps = [most * k / (len(scale) - 1) for k in range(len(scale))]
    legend = tuple((f"{n / total:.1%}", (c, BORDERS[by])) for n, c in zip(steps, scale, strict=True))
    legend += (("no step of its own", STEPLESS),) if None in values.values() else ()
    what = "of the bytes read and written" if by == "memory" else "of the time"
    notes = (*profile.notes, f"colour: share {what}; in a box: time and its share; bytes read and written")
    return replace(drawing, parts=tuple(map(paint, drawing.parts)), legend=legend, notes=notes)


def _sum(layers: Mapping[str, tuple[float, int]], box: Box) -> tuple[float, int] | None:
    """Give seconds and bytes of a box; None where it has no step."""
    found = [layers[name] for name in dict.fromkeys(n.name for n in box.nodes) if name in layers]
    return (sum(s for s, _ in found), sum(n for _, n in found)) if found else None


def _shade(scale: Sequence[str], share: float) -> str:
    """Give the colour at `share` of a scale; between two of its colours their mean by weight."""
    at = min(max(share, 0.0), 1.0) * (len(scale) - 1)
    low = min(int(at), len(scale) - 2)
    one, other = (
        tuple(int(c[k : k + 2], 16) for k in (1, 3, 5)) for c in (scale[low], scale[low + 1])
    )  # fmt: skip
    mixed = (round(a + (b - a) * (at - low)) for a, b in zip(one, other, strict=True))
    return "#" + "".join(f"{c:02x}" for c in mixed)
