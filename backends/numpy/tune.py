"""Tuning: each convolution's algorithms are timed on this machine, and the quickest is taken.

What was found is kept in the user's cache, in a file for each processor, NumPy and BLAS: a network is timed once, and
takes the same algorithms at the next run.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import stat
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from graphnn.folders import cache_folder
from graphnn.graph import Node, Value, rewrite
from graphnn.types import TensorType

from .conv import rule
from .conv.geometry import Geometry
from .conv.ops import conv_last, conv_last_data_grad, conv_last_weight_grad
from .program import memory
from .registry import LINKERS, SCRATCH, Run

__all__ = ["Picks", "quickest", "tuning"]

ROUNDS = 5  # of which the least counts: what disturbs only adds
SLOW = 1.5  # times the quickest in the first round: it runs no more
GAIN = 0.97  # of the time of the rule's pick, which else stays
MAX_BYTES = 1 << 20  # of a file that is read
KINDS = (conv_last, conv_last_data_grad, conv_last_weight_grad)
Types = Sequence[TensorType]


def tuning(threads: int) -> Callable[[Sequence[Value]], list[Value]]:
    """Make the pass that names the quickest algorithm in each convolution that names none."""

    def tune(outputs: Sequence[Value]) -> list[Value]:
        picks = Picks.of_this_machine()

        def choose(node: Node, xs: tuple[Value, ...]) -> Value | None:
            op: Any = node.op
            if not isinstance(op, KINDS) or op.algo != "auto":
                return None
            pick: Any = picks.get(op, *_slices(op, [x.type for x in xs], [Value(node).type], threads))
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
    times = _timed({name: replace(op, algo=name) for name in names.values()}, ins, outs)
    best = min(times, key=lambda name: times[name])
    return best if times[best] < GAIN * times["auto"] else "auto"


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
    times = {name: np.inf for name in runs}
    with np.errstate(all="ignore"):
        for run in runs.values():
            run()  # touches the memory
        for k in range(ROUNDS):
            for name in [n for n in runs if not k or n == "auto" or times[n] <= SLOW * min(times.values())]:
                start = perf_counter()
                runs[name]()
                times[name] = min(times[name], perf_counter() - start)
    return times


def _filled(rng: np.random.Generator, t: TensorType) -> np.ndarray:
    array = memory(t.nbytes).view(t.dtype).reshape(t.shape)
    array[...] = rng.standard_normal(t.shape, np.float32)
    return array


# What was found, kept


@dataclass
class Picks:
    """Algorithms by convolution: read from a file, which may be missing, and written back when there are new ones."""

    path: Path | None
    known: dict[str, str] = field(default_factory=dict)
    new: bool = False

    @classmethod
    def of_this_machine(cls) -> Picks:
        folder = _own_folder()
        path = None if folder is None else folder / f"{_machine()}.json"
        return cls(path, {} if path is None else _read(path))

    def get(self, op: Any, ins: Types, outs: Types) -> str:
        """Give the algorithm of a convolution, timing it if it is new."""
        key = f"{op.name} {op.conv} {', '.join(map(str, (*ins, *outs)))}"
        if key not in self.known:
            self.known[key] = quickest(op, ins, outs)
            self.new = True
        return self.known[key]

    def save(self) -> None:
        """Replace the file as a whole, where there is something new; what cannot be written is warned of."""
        if self.path is None or not self.new:
            return
        temporary = self.path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(self.known, file, indent=1, sort_keys=True)
            os.replace(temporary, self.path)
        except OSError as error:
            warnings.warn(f"what tuning found is not kept: {self.path}: {error.strerror}", stacklevel=2)
            with suppress(OSError):
                temporary.unlink()


def _own_folder() -> Path | None:
    """Give the folder of the files, which only its user may write; None, with a warning, where there is none such."""
    folder = cache_folder("tuning")
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        warnings.warn(f"what tuning finds is not kept: {folder}: {error.strerror}", stacklevel=2)
        return None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        warnings.warn(f"what tuning finds is not kept: {folder} is not a folder of yours alone (0700)", stacklevel=2)
        return None
    return folder


def _read(path: Path) -> dict[str, str]:
    """Read what was found before; nothing, with a warning, from a file that is not as save() writes it."""
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)
        found = json.loads(text) if len(text) <= MAX_BYTES else None
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        found = None
    names = ("auto", *rule.ALGORITHMS)
    if not isinstance(found, dict) or any(name not in names for name in found.values()):
        warnings.warn(f"{path} is damaged and ignored: algorithms are timed anew", stacklevel=2)
        return {}
    return found


def _machine() -> str:
    """Give a name for what decides the times: processor, NumPy, BLAS, and the algorithms there are."""
    from threadpoolctl import threadpool_info

    blas = sorted(f"{i.get('version')} {i.get('architecture')}" for i in threadpool_info() if i["user_api"] == "blas")
    parts = (_processor(), np.__version__, *blas, *rule.ALGORITHMS)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(("model name", "CPU part")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
