"""graphnn-bench: time and planned memory of a network, against PyTorch; or of convolution's algorithms."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from graphnn.errors import BackendError
from graphnn.tools.entry import BLAS_THREADS, add_common, add_shape, note, printable, run, shapes_of, symbol_of

if TYPE_CHECKING:
    from graphnn.tools.runners import Case, Runner

__all__ = ["main", "parser"]

EXAMPLES = """examples:
  graphnn-bench --symbol alexnet
  graphnn-bench --symbol alexnet --symbol resnet-20 --batch 32 --threads 1 --threads 2 --mode train
  graphnn-bench --symbol net-symbol.json --shape data=1,3,224,224 --batch 8 --no-torch --json
  graphnn-bench --symbol alexnet --memory
  graphnn-bench --convolution

Every runner runs once in each round, after warming up; times are medians over the rounds. Pin the process to quiet
cores (taskset) and repeat to see the noise.
"""
_SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # make OpenBLAS take another machine's kernels
_WARM = 3  # rounds before the first that counts
_CLOSE = 1e-3  # what outputs of two runners may differ by


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-bench",
        description="Time training and inference, with the planned memory, against PyTorch where it is installed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--symbol", action="append", metavar="NAME", help="a model's name or a symbol JSON file; repeatable")
    p.add_argument("--batch", type=_positive, default=128, help="images at once (128)")
    p.add_argument("--threads", type=_positive, action="append", metavar="N", help="of each runner (1); repeatable")
    p.add_argument("--runs", type=_positive, default=30, help="rounds that count (30)")
    p.add_argument("--mode", choices=("train", "infer", "both"), default="both", help="what to time (both)")
    add_shape(p)
    p.add_argument("--backend", default="numpy", help="what runs the program (numpy)")
    p.add_argument("--conv-algo", default="auto", help="auto, im2col, krow, strided or winograd (auto: by shape)")
    p.add_argument("--tune", action="store_true", help="time the algorithms of each convolution first, take the best")
    p.add_argument("--memory", action="store_true", help="also the process's peak in training above its imports")
    p.add_argument("--no-torch", action="store_true", help="graphnn alone")
    p.add_argument("--convolution", action="store_true", help="time the NumPy backend's algorithms of convolution")
    add_common(p, "a list of rows; with --convolution an object of rows and shares")
    return p


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 20:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, got {text!r}")
    return int(text)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    p = parser()
    args = p.parse_args(argv)
    if bool(args.symbol) == args.convolution:
        p.error("give --symbol or --convolution")
    prepare()
    return run(lambda: _convolution(args) if args.convolution else _networks(args), args.debug)


def prepare() -> None:
    """Set this process's environment before NumPy loads: one thread for BLAS, no kernels of another machine."""
    unset = [name for name in _SLOWING if os.environ.pop(name, None) is not None]
    if unset:
        note(f"note: {' and '.join(unset)} was set and is unset for this process: it slows matrix products down")
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))


# Networks


def _networks(args: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    kinds = ["graphnn"] if args.no_torch or not _has_torch() else ["graphnn", "torch"]
    for name in args.symbol:
        for threads in args.threads or [1]:
            for mode in ("train", "infer") if args.mode == "both" else (args.mode,):
                rows += _rows(args, name, threads, mode, kinds)
    if args.json:
        print(json.dumps(rows))
    else:
        print("\n".join(table(rows)))
    return 0


def _rows(args: argparse.Namespace, name: str, threads: int, mode: str, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Time one network in one mode with so many threads: a row for each runner."""
    from graphnn.tools.runners import Case

    shapes = {k: (args.batch, *shape[1:]) for k, shape in shapes_of(name, args.shape).items()}
    case = Case(symbol_of(name), shapes, mode, threads, args.backend, args.conv_algo, args.tune)
    # Before anything large is loaded here: a child's peak may begin with its parent's.
    peaks = {kind: _peak(args, name, case, kind) if args.memory and mode == "train" else None for kind in kinds}
    runners = _made(case, kinds)
    if not args.quiet:
        note(f"{printable(name)}: {mode}, batch {args.batch}, threads {threads}: {', '.join(r.name for r in runners)}")
    _compare(case, runners)
    rows = []
    for kind, runner, times in zip(kinds, runners, interleaved(runners, args.runs), strict=False):
        row = {"model": name, "mode": mode, "batch": args.batch, "threads": threads, "runner": runner.name}
        row |= {"median_ms": median(times), "min_ms": min(times), "planned_bytes": runner.planned_bytes}
        rows.append(row | ({"peak_mb": peaks[kind]} if args.memory else {}))
    return rows


def _has_torch() -> bool:
    from importlib.util import find_spec

    found = find_spec("torch") is not None
    if not found:
        note("note: PyTorch is not installed: graphnn alone is timed")
    return found


def _made(case: Case, kinds: Sequence[str]) -> list[Runner]:
    """Make the runners; without PyTorch's, and a line that says so, where it lacks an operator."""
    from graphnn.tools.runners import RUNNERS

    runners = [RUNNERS["graphnn"](case)]
    if "torch" in kinds:
        try:
            runners.append(RUNNERS["torch"](case))
        except BackendError as error:
            note(f"note: torch is left out: {error}")
    return runners


def _compare(case: Case, runners: Sequence[Runner]) -> None:
    """Say when two runners do not compute the same: before training and, where nothing is random, after a step."""
    import numpy as np

    if len(runners) < 2:
        return
    for when in ("at the start", "after a step") if case.mode == "train" and not case.random else ("at the start",):
        ours, other = (r.outputs() for r in runners)
        if ours.shape != other.shape or not np.allclose(ours, other, _CLOSE, _CLOSE):
            note(f"warning: the outputs of {' and '.join(r.name for r in runners)} differ {when}")
        for runner in runners:
            runner.run()


def interleaved(runners: Sequence[Runner], rounds: int) -> list[list[float]]:
    """Give each runner's times in milliseconds; in a round every runner runs once."""
    times: list[list[float]] = [[] for _ in runners]
    for k in range(_WARM + rounds):
        for runner, own in zip(runners, times, strict=True):
            start = perf_counter()
            runner.run()
            if k >= _WARM:
                own.append((perf_counter() - start) * 1e3)
    return times


def _peak(args: argparse.Namespace, name: str, case: Case, kind: str) -> float | None:
    """Train for some steps in a process of its own; give its peak in MB above the imports."""
    import subprocess

    settings: dict[str, Any] = {"runner": kind, "symbol": name, "shapes": {k: list(v) for k, v in case.shapes.items()}}
    settings |= {"threads": case.threads, "backend": case.backend, "conv_algo": case.conv_algo, "tune": case.tune}
    command = [sys.executable, "-m", "graphnn.tools.peak", json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        note(f"note: no peak of {kind}: {printable(done.stderr.strip().rpartition(chr(10))[2])}")
        return None
    return float(done.stdout)


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Write the rows in columns, with each median as a ratio to PyTorch's."""
    peak = any("peak_mb" in row for row in rows)
    heads = ("model", "mode", "batch", "threads", "runner", "median ms", "min ms", "to torch", "planned MB")
    lines: list[tuple[str, ...]] = [(*heads, "peak MB") if peak else heads]
    key = ("model", "mode", "batch", "threads")
    torch = {tuple(r[k] for k in key): r["median_ms"] for r in rows if r["runner"] == "torch"}
    for r in rows:
        base = torch.get(tuple(r[k] for k in key))
        cells = [printable(str(r[k])) for k in (*key, "runner")]
        cells += [f"{r['median_ms']:.3f}", f"{r['min_ms']:.3f}", f"{r['median_ms'] / base:.3f}" if base else "-"]
        cells.append("-" if r["planned_bytes"] is None else f"{r['planned_bytes'] / 1e6:.1f}")
        cells += ["-" if r["peak_mb"] is None else f"{r['peak_mb']:.1f}"] if peak else []
        lines.append(tuple(cells))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            f"{c:<{w}}" if k < 5 else f"{c:>{w}}" for k, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


# Convolution


def _convolution(args: argparse.Namespace) -> int:
    from graphnn.tools import convolution

    rows = list(convolution.measure(convolution.GRID, args.runs, (lambda _: None) if args.quiet else note))
    if args.json:
        print(json.dumps({"rows": rows, "shares": convolution.shares(rows)}))
    else:
        print("\n".join(convolution.table(rows)))
    return 0
