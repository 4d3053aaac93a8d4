"""One network in one mode, as graphnn-bench measures it: runners are started, compared, and timed in turn."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil
from statistics import median
from time import perf_counter, sleep
from typing import Any

import numpy as np

from graphnn.errors import BackendError
from graphnn.ops.loss import SoftmaxOutput
from graphnn.tools.entry import note, printable
from graphnn.tools.flops import flops
from graphnn.tools.peak_kernel import cores_for
from graphnn.tools.remote import Remote, environment
from graphnn.tools.runners import Case

__all__ = ["Settings", "agree", "measure", "rounds", "settled"]

# What outputs may differ by, as a share of their range. After a step it is more: PyTorch moves BatchNorm's variances
# towards n / (n - 1) times those of a batch.
CLOSE = {"at the start": 1e-3, "after a step": 5e-2}
_WARM = 3  # rounds before the first that counts
_LEAST = 1e-2  # seconds: a shorter run is repeated within its turn
_COLD = 1e-1  # seconds: a shorter run is preceded by one that does not count, for what others left in the caches
_FEWEST = 5  # rounds, whatever the limit of time
_PAUSE = 2e-3  # seconds before a runner's turn: the threads of the one before may still wait actively
_SMALLEST = 1e-20  # probabilities below it are alike


@dataclass(frozen=True)
class Settings:
    """What holds for all networks: rounds that count, the seconds after which a case ends, MXNet's Python."""

    runs: int = 30
    seconds: float = 120.0
    memory: bool = False
    mxnet: str | None = None
    quiet: bool = False


@dataclass(frozen=True)
class Started:
    """A runner in its process, with what it said of itself."""

    runner: str
    remote: Remote
    said: Mapping[str, Any]

    def run(self, times: int = 1) -> list[float]:
        """Give the seconds of each run."""
        return [float(s) for s in self.remote.ask("run", times=times)["seconds"]]

    def outputs(self) -> np.ndarray:
        """Give what the network says now."""
        return np.asarray(self.remote.ask("outputs")["outputs"], np.float64)


def measure(name: str, case: Case, runners: Sequence[str], settings: Settings) -> list[dict[str, Any]]:
    """Time a network called `name` by the runners, `graphnn-BACKEND` or a peer's name: a row for each that can."""
    work = flops(case.bound(), case.mode == "train")
    row = {"model": name, "mode": case.mode, "batch": next(iter(case.shapes.values()))[0], "threads": case.threads}
    with ExitStack() as stack:
        started = _started(name, case, runners, settings, stack)
        if not settings.quiet:
            what = f"{printable(name)}: {case.mode}, batch {row['batch']}, threads {case.threads}"
            note(f"{what}: {', '.join(s.runner for s in started)}")
        agreeing = agree(case, started)
        times = rounds([s.run for s in agreeing], settings.runs, settings.seconds)
    traffic = next((s.said["traffic_bytes"] for s in agreeing if "traffic_bytes" in s.said), None)
    rows = []
    for s, own in zip(agreeing, times, strict=True):
        measured = {"runner": s.runner, "median_ms": median(own) * 1e3, "min_ms": min(own) * 1e3, "rounds": len(own)}
        rows.append({**row, **measured, "planned_bytes": s.said.get("planned_bytes"), "traffic_bytes": traffic})
        rows[-1] |= {
            "flops": work,
            "gflops": work / median(own) / 1e9 if work else None,
            "fallbacks": s.said.get("fallbacks"),
        }
        if settings.memory:
            rows[-1]["peak_mb"] = _peak(name, case, s.runner)
    return rows


# Starting


def settled(name: str, case: Case, runner: str) -> dict[str, Any]:
    """Give a case with its runner as JSON can hold them."""
    kind, _, backend = runner.partition("-")
    own = {"runner": kind, "backend": backend} if kind == "graphnn" else {"runner": runner, "backend": case.backend}
    shapes = {key: list(shape) for key, shape in case.shapes.items()}
    rest = {key: getattr(case, key) for key in ("mode", "threads", "conv_algo", "fold", "tune", "recompute")}
    return {**own, "symbol": name, "shapes": shapes, **rest, "cores": cores_for(case.threads)}


def _started(name: str, case: Case, runners: Sequence[str], settings: Settings, stack: ExitStack) -> list[Started]:
    """Start the runners one by one; a peer that cannot run the network is named, graphnn's failure is an error."""
    found = []
    for runner in runners:
        try:
            found.append(_start(name, case, runner, settings, stack))
        except BackendError as error:
            if runner.startswith("graphnn"):
                raise
            note(f"note: {runner} is left out: {error}")
    return found


def _start(name: str, case: Case, runner: str, settings: Settings, stack: ExitStack) -> Started:
    env = environment(runner, case.threads)
    if runner == "mxnet" and settings.mxnet is not None:
        from graphnn.tools.peers import mxnet

        remote = _open(mxnet.command(settings.mxnet), env, stack)
        return Started(runner, remote, mxnet.make(remote, case, cores_for(case.threads)))
    remote = _open([sys.executable, "-m", "graphnn.tools.worker"], env, stack)
    return Started(runner, remote, remote.ask("make", **settled(name, case, runner)))


def _open(command: Sequence[str], env: Mapping[str, str], stack: ExitStack) -> Remote:
    try:
        return stack.enter_context(Remote(command, env))
    except OSError as error:
        raise BackendError(f"{command[0]}: {error.strerror}") from None


# Comparing


def agree(case: Case, started: Sequence[Any]) -> list[Any]:
    """Give the runners that compute what the first does: before training and, where nothing is random, after a step.

    What differs is the logarithm of probabilities, or the values of another head, as a share of their range.
    """
    kept = list(started)
    checks = list(CLOSE) if case.mode == "train" and not case.random else list(CLOSE)[:1]
    for when in checks:
        if when != checks[0]:
            for s in kept:
                s.run()
        first, *rest = [(s, _compared(case, s.outputs())) for s in kept] or [(None, np.zeros(0))]
        for s, values in rest:
            away = _distance(first[1], values)
            if not away <= CLOSE[when]:
                far = f"by {away:.2g} of their range, {CLOSE[when]:g} is allowed"
                note(f"warning: {s.runner} is not timed: its outputs differ from {first[0].runner}'s {when} {far}")
                kept.remove(s)
    return kept


def _compared(case: Case, outputs: np.ndarray) -> np.ndarray:
    if isinstance(case.symbol.values[0].node.op, SoftmaxOutput):
        return np.log(np.maximum(outputs, _SMALLEST))
    return outputs


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Give the largest difference as a share of the range of `a`, infinite for other shapes; NaN where one has it."""
    if a.shape != b.shape:
        return np.inf
    # of outputs that are all alike the last bits are no difference
    return float(np.abs(a - b).max() / max(float(np.ptp(a)), 1e-3 * float(np.abs(a).max()), 1e-30))


# Timing


def rounds(runs: Sequence[Callable[[int], list[float]]], count: int, limit: float) -> list[list[float]]:
    """Give each runner's seconds in `count` rounds, in each of which every runner has its turn.

    A run shorter than 10 ms is repeated in its turn, of which the mean counts; before one shorter than 100 ms is one
    that does not count, since the others have filled the caches. Three rounds to warm up count nothing, one where the
    rounds are long. After `limit` seconds no more than five rounds are finished.
    """
    start = perf_counter()
    repeats, cold = [1] * len(runs), [0] * len(runs)
    times: list[list[float]] = [[] for _ in runs]
    done = -_WARM
    while done < count and (done < _FEWEST or perf_counter() - start < limit):
        for k, run in enumerate(runs):
            sleep(_PAUSE)
            own = run(cold[k] + repeats[k])[cold[k] :]
            each = sum(own) / len(own)
            if done < 0:
                repeats[k], cold[k] = max(1, ceil(_LEAST / max(each, 1e-6))), int(each < _COLD)
            else:
                times[k].append(each)
        done = 0 if done < 0 and perf_counter() - start > limit / 10 else done + 1
    return times


# Memory


def _peak(name: str, case: Case, runner: str) -> float | None:
    """Run some steps in a process of their own; give its peak in MB above the imports."""
    if runner == "mxnet":
        return None
    command = [sys.executable, "-m", "graphnn.tools.peak", json.dumps(settled(name, case, runner))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(runner, case.threads))
    if done.returncode:
        note(f"note: no peak of {runner}: {printable(done.stderr.strip().rpartition(chr(10))[2])}")
        return None
    return float(done.stdout)
