"""Tuning: the ways of each convolution, all in one C program, are timed here, and the quickest is taken."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from importlib.resources import files
from typing import Any, get_args

import numpy as np

from graphnn.arena import ARENA
from graphnn.graph import Node, Value, apply, rewrite, toposort
from graphnn.op import variable
from graphnn.plan import Graph, Plan, make_plan
from graphnn.tuning import AUTO, Picks, least_seconds, processor, quickest

from ..cache import load
from ..ops import conv
from ..program import aligned_memory, emit_steps
from ..source import PRIVATE, SHARED, Source
from ..toolchain import Target
from .lower import Algo, last_data_grad, last_forward, last_weight_grad, lower

__all__ = ["tuning"]

KINDS = (last_forward, last_data_grad, last_weight_grad)
MOST_VECTORS = 4  # of a panel
_log = logging.getLogger("graphnn.c")


def tuning(target: Target, threads: int, exact: bool) -> Callable[[Sequence[Value]], list[Value]]:
    """Make the pass that names the quickest algorithm in each convolution; with `exact` no minimal filtering."""

    def tune(outputs: Sequence[Value]) -> list[Value]:
        picks = Picks.of(_machine(target), get_args(Algo))
        todo: dict[str, _Ways] = {}
        for node in toposort(outputs):
            if isinstance(node.op, KINDS) and picks.get(key := _key(node, threads, exact)) is None:
                todo.setdefault(key, _ways(node, target, exact))
        for key, name in _measured(todo, target, threads).items():
            picks.add(key, name)
        picks.save()

        def choose(node: Node, xs: tuple[Value, ...]) -> Value | None:
            if not isinstance(node.op, KINDS):
                return None
            pick: Any = picks.known[_key(node, threads, exact)]
            op = replace(node.op, algo=pick)
            return Value(apply(op, *xs, name=node.name, attrs=node.attrs, origin=node.origin))

        return rewrite(outputs, choose)

    return tune


def _key(node: Node, threads: int, exact: bool) -> str:
    types = ", ".join(str(v.type) for v in (*node.inputs, Value(node)))
    more = f"{' packed' if _packed(node) else ''}{' exact' if exact else ''}"
    return f"{node.op.name} {node.op.conv} {types} on {threads}{more}"  # type: ignore[attr-defined]


def _packed(node: Node) -> bool:
    """Tell whether the weight is a constant, whose panels are made before the program runs."""
    return not isinstance(node.op, last_weight_grad) and node.inputs[1].node.op.is_constant


@cache
def _machine(target: Target) -> tuple[str, ...]:
    """Give what decides the times: processor, compiler, and this generator's own text."""
    own = sorted(p.name + p.read_text("utf-8") for p in files(__package__).iterdir() if p.name.endswith(".py"))
    return ("c", processor(), target.version, target.isa, *target.flags, version("graphnn"), *own)


# Ways


@dataclass(frozen=True)
class _Ways:
    """One convolution by several algorithms: plans by their names. `packed`: making the panels does not count."""

    plans: Mapping[str, Plan]
    packed: bool


def _ways(node: Node, target: Target, exact: bool) -> _Ways:
    """Give the ways of a convolution, each once; AUTO is first, and alone where there is no choice."""
    op: Any = node.op
    inputs = {f"x{i}": v.type for i, v in enumerate(node.inputs)}
    lowered = lower(target, exact)

    def way(name: str) -> Value:
        xs = [variable(k, t.shape) for k, t in inputs.items()]
        return lowered([Value(apply(replace(op, algo=name), *xs))])[0]

    auto = way(AUTO)
    found = {auto.node.op: (AUTO, auto)}
    for name in _names(auto.node.op, op, target):
        value = way(name)
        found.setdefault(value.node.op, (name, value))
    return _Ways({name: make_plan(Graph((v,)), inputs) for name, v in found.values()}, _packed(node))


def _names(auto: Any, op: Any, target: Target) -> Sequence[str]:
    """Name what may be quicker than the costs' pick: the other kinds, and panels one vector wider or narrower."""
    if isinstance(op, last_weight_grad):
        return ("direct", "winograd")
    near = [auto.nr // target.lanes + d for d in (-1, 1)] if isinstance(auto, conv) else []
    return ("direct", "winograd4", "winograd2", *(f"direct{nv}" for nv in near if 1 <= nv <= MOST_VECTORS))


# Timing


def _measured(todo: Mapping[str, _Ways], target: Target, threads: int) -> dict[str, str]:
    """Give the quickest way of each convolution by its key."""
    open_ = {key: ways for key, ways in todo.items() if len(ways.plans) > 1}
    found = dict.fromkeys(todo, AUTO)
    if not open_:
        return found
    _log.info("timing %d algorithms of %d convolutions", sum(len(w.plans) for w in open_.values()), len(open_))
    source = Source(target, threads)
    numbers = {
        key: {name: _add(source, plan, ways.packed, target) for name, plan in ways.plans.items()}
        for key, ways in open_.items()
    }
    with _calls(source, [p for ways in open_.values() for p in ways.plans.values()], target, threads) as call:
        return found | {key: quickest(_times(calls, call)) for key, calls in numbers.items()}


def _add(source: Source, plan: Plan, packed: bool, target: Target) -> tuple[int, ...]:
    """Add a way's steps to the program: in one call, or in two of which the last is to be timed."""
    steps = [(step, kernel) for step, kernel in emit_steps(plan, target) if kernel is not None]
    assert len(steps) == len(plan.steps)  # float32, of which every convolution has an emitter
    cut = len(steps) - 1 if packed else 0
    return tuple(source.add(group) for group in (steps[:cut], steps[cut:]) if group)


def _times(calls: Mapping[str, Sequence[int]], call: Callable[[int], object]) -> dict[str, float]:
    """Give the least seconds of each way's last call, the others made once before."""
    for numbers in calls.values():
        for number in numbers[:-1]:
            call(number)
    return least_seconds({name: partial(call, numbers[-1]) for name, numbers in calls.items()})


@contextmanager
def _calls(source: Source, plans: Sequence[Plan], target: Target, threads: int) -> Iterator[Callable[[int], object]]:
    """Compile the program; give `call(number of a segment)`, over random arrays that all ways share."""
    sizes = {PRIVATE: source.private * threads, SHARED: source.shared, ARENA: max(p.arena_bytes for p in plans)}
    for plan in plans:
        named = {**plan.inputs, "output:0": plan.heads[0]}
        sizes |= {name: max(sizes.get(name, 0), t.nbytes) for name, t in named.items()}
    arrays = {name: aligned_memory(n) for name, n in sizes.items()}
    for a in arrays.values():
        np.random.default_rng(0).random(out=a[: a.size // 4 * 4].view(np.float32), dtype=np.float32)
    library = load(source.units(), target, None)
    table = (ctypes.c_void_p * len(source.arrays))()
    for name, index in source.arrays.items():
        table[index] = arrays[name].ctypes.data
    pointer = ctypes.c_void_p(ctypes.addressof(table))
    if threads > 1:
        library.gn_start(threads)
    try:
        yield lambda number: getattr(library, f"segment{number}")(pointer)
    finally:
        if threads > 1:
            library.gn_stop()
