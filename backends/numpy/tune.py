"""Tuning: each convolution's algorithms are timed on this machine, and the quickest is taken.

What was found is kept in the user's cache, in a file for each processor, NumPy and BLAS: a network is timed once, and
takes the same algorithms at the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphnn import tuning as core
from graphnn.graph import Node, Value, rewrite
from graphnn.types import TensorType

from .conv import rule
from .conv.geometry import Geometry
from .conv.ops import conv_last, conv_last_data_grad, conv_last_weight_grad
from .program import memory
from .registry import LINKERS, SCRATCH, Run

__all__ = ["quickest", "tuning"]

KINDS = (conv_last, conv_last_data_grad, conv_last_weight_grad)
Types = Sequence[TensorType]


def tuning(threads: int) -> Callable[[Sequence[Value]], list[Value]]:
    """Make the pass that names the quickest algorithm in each convolution that names none."""

    def tune(outputs: Sequence[Value]) -> list[Value]:
        picks = core.Picks.of(_machine(), ("auto", *rule.ALGORITHMS))

        def choose(node: Node, xs: tuple[Value, ...]) -> Value | None:
            op: Any = node.op
            if not isinstance(op, KINDS) or op.algo != "auto":
                return None
            ins, outs = _slices(op, [x.type for x in xs], [Value(node).type], threads)
            key = f"{op.name} {op.conv} {', '.join(map(str, (*ins, *outs)))}"
            pick: Any = picks.get(key) or picks.add(key, quickest(op, ins, outs))
            return replace(op, algo=pick)(*xs, name=node.name)

        found = rewrite(outputs, choose)
        picks.save()
        return found

    return tune


def _slices(op: Any, ins: Types, outs: Types, threads: int) -> tuple[list[TensorType], list[TensorType]]:
    """Give the types of what one of several threads works on."""
    split = op.split(ins, outs)

    def part(t: TensorType, axis: int | None) -> TensorType:
        if axis is None:
            return t
        shape = list(t.shape)
        shape[axis] = max(1, shape[axis] // threads)
        return TensorType(tuple(shape), t.dtype)

    pairs = (zip(ins, split.ins, strict=True), zip(outs, split.outs, strict=True))
    new_ins, new_outs = ([part(t, axis) for t, axis in pair] for pair in pairs)
    return new_ins, new_outs


# Timing


def quickest(op: Any, ins: Types, outs: Types) -> str:
    """Time the algorithms on random arrays; give the name of the best, "auto" where the rule's pick is as good."""
    names = {_resolved(op, ins, outs, name): name for name in (*reversed(rule.ALGORITHMS), "auto")}
    if len(names) == 1:
        return "auto"
    return core.quickest(_timed({name: replace(op, algo=name) for name in names.values()}, ins, outs))


def _resolved(op: Any, ins: Types, outs: Types, name: str) -> tuple[str, ...]:
    """Give the kernels that run for an algorithm: one, or one for each place within the stride of a data gradient."""
    data = outs[0] if isinstance(op, conv_last_data_grad) else ins[0]
    g = Geometry.of(op.conv, data.shape, data.nbytes // data.size)
    if isinstance(op, conv_last_weight_grad):
        return (rule.for_weight_grad(g, name),)
    if isinstance(op, conv_last):
        return (rule.for_forward(g, name),)
    return tuple(rule.for_forward(p.geometry, name) for p in g.phases() if p.rows and p.columns)


def _timed(ops: Mapping[str, Any], ins: Types, outs: Types) -> dict[str, float]:
    """Give the least seconds of each operator, run in turn on the same arrays."""
    rng = np.random.default_rng(0)
    arrays = [_filled(rng, t) for t in ins]
    results = [_filled(rng, t) for t in outs]
    need = {name: SCRATCH[type(op)](op, ins, outs) for name, op in ops.items()}
    scratch = memory(max(need.values()))
    runs: dict[str, Run] = {
        name: LINKERS[type(op)](op, arrays, results, scratch[: need[name]]) for name, op in ops.items()
    }
    with np.errstate(all="ignore"):
        return core.least_seconds(runs)


def _filled(rng: np.random.Generator, t: TensorType) -> np.ndarray:
    array = memory(t.nbytes).view(t.dtype).reshape(t.shape)
    array[...] = rng.standard_normal(t.shape, np.float32)
    return array


def _machine() -> list[str]:
    """Give what decides the times: processor, NumPy, BLAS, and the algorithms there are."""
    from threadpoolctl import threadpool_info

    blas = sorted(f"{i.get('version')} {i.get('architecture')}" for i in threadpool_info() if i["user_api"] == "blas")
    return ["numpy", core.processor(), np.__version__, *blas, *rule.ALGORITHMS]
