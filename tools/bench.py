"""graphnn-bench: time, rate and memory of networks, beside other programs; or of convolution's algorithms."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphnn.errors import BackendError, ParameterError
from graphnn.tools.entry import BLAS_THREADS, add_common, add_shape, note, printable, run, shapes_of, symbol_of
from graphnn.tools.peers import PEERS, missing
from graphnn.tools.remote import SLOWING

if TYPE_CHECKING:
    from graphnn.tools.runners import Case

__all__ = ["main", "parser"]

EXAMPLES = """examples:
  graphnn-bench --symbol alexnet
  graphnn-bench --symbol resnet-50 --symbol mobilenet --mode infer --batch 1 --batch 32 --threads 1 --threads 2
  graphnn-bench --symbol net-symbol.json --shape data=1,3,224,224 --batch 8 --no-torch --json
  graphnn-bench --symbol alexnet --peers torch,onnxruntime --memory --plot roofline.png
  graphnn-bench --symbol lenet --mxnet ~/mxnet/bin/python
  graphnn-bench --symbol resnet-20 --shape data=1,3,32,32 --feed --threads 2 --backend c
  graphnn-bench --convolution

Every runner has a process of its own, on as many cores as threads, and runs once in each round, after warming up and
after its outputs were compared with the first one's. Times are medians over the rounds; GFLOP/s count the multiply-adds
of convolutions and dense layers, twice; the peak is that of a register-tiled kernel in C on the same cores. Give the
process quiet cores (taskset) and repeat to see the noise.
"""
Roof = tuple[float | None, float | None]  # GFLOP/s of the peak, GB/s of the memory

_BACKENDS = ("numpy", "c")  # what is timed unless told


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-bench",
        description="Time training and inference, with rates and memory, beside the peers that are installed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--symbol",
        "--network",
        action="append",
        metavar="NAME",
        help="a model's name or a symbol JSON file; repeatable",
    )
    p.add_argument("--batch", type=_positive, action="append", metavar="N", help="images at once (128); repeatable")
    p.add_argument("--threads", type=_positive, action="append", metavar="N", help="of each runner (1); repeatable")
    p.add_argument("--runs", type=_positive, default=30, help="rounds that count (30)")
    p.add_argument("--seconds", type=_positive, default=120, help="of a case, then five rounds are enough (120)")
    p.add_argument("--mode", choices=("train", "infer", "both"), default="both", help="what to time (both)")
    add_shape(p)
    p.add_argument("--backend", action="append", metavar="NAME", help="of graphnn (numpy, and c if there); repeatable")
    p.add_argument("--conv-algo", default="auto", help="auto, direct; numpy: im2col, krow, strided, winograd (auto)")
    p.add_argument("--exact", dest="conv_algo", action="store_const", const="direct", help="no minimal filtering")
    p.add_argument("--tune", action="store_true", help="time the algorithms of each convolution first, take the best")
    p.add_argument("--recompute", action="store_true", help="training makes cheap values again: less memory")
    p.add_argument("--peers", type=_peers, metavar="NAME,...", help=f"which of {', '.join(PEERS)} (all installed)")
    p.add_argument("--no-torch", action="store_true", help="none of these peers")
    p.add_argument("--mxnet", metavar="PYTHON", help="a Python that has MXNet 1.x: one peer more")
    p.add_argument("--fold", action="store_true", help="peers get inference with BatchNorm folded into the weights")
    p.add_argument("--memory", action="store_true", help="also each process's peak above its imports")
    p.add_argument("--explain", action="store_true", help="list the operators that a backend leaves to NumPy")
    p.add_argument("--plot", type=_png, metavar="FILE.png", help="draw the rates under the machine's roof")
    p.add_argument(
        "--feed",
        nargs="?",
        const="crop:4,flip",
        metavar="AUGMENT",
        help="time training steps on batches as they are made and changed (crop:4,flip), beside those on one batch",
    )
    p.add_argument("--convolution", action="store_true", help="time the NumPy backend's algorithms of convolution")
    add_common(p, "a list of rows; with --convolution an object of rows and shares")
    return p


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 20:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, got {text!r}")
    return int(text)


def _peers(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"must be some of {', '.join(PEERS)}, got {name!r}")
    return names


def _png(text: str) -> Path:
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"must end in .png, got {text!r}")
    return Path(text)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    p = parser()
    args = p.parse_args(argv)
    if bool(args.symbol) == args.convolution:
        p.error("give --symbol or --convolution")
    if args.no_torch and args.peers:
        p.error("give --no-torch or --peers")
    prepare()
    action = _convolution if args.convolution else _networks if args.feed is None else _feed
    return run(lambda: action(args), args.debug)


def prepare() -> None:
    """Set this process's environment before NumPy loads: one thread for BLAS, no kernels of another machine."""
    unset = [name for name in SLOWING if os.environ.pop(name, None) is not None]
    if unset:
        note(f"note: {' and '.join(unset)} was set and is unset for this process: it slows matrix products down")
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))


# Networks


def _networks(args: argparse.Namespace) -> int:
    from graphnn.tools import results, roofline
    from graphnn.tools.measure import Settings, measure

    if args.plot:
        from graphnn.viz.pictures.figure import need_matplotlib

        need_matplotlib(args.plot)
    runners = [f"graphnn-{name}" for name in _backends(args)] + _installed(args)
    settings = Settings(args.runs, args.seconds, args.memory, args.mxnet, args.quiet)
    roofs: dict[int, Roof] = {}
    rows: list[dict[str, Any]] = []
    for name, case in _cases(args):
        roofs[case.threads] = _roof(case.threads, args, roofs.get(case.threads))
        rows += measure(name, case, [r for r in runners if case.mode == "infer" or _trains(r)], settings)
    rows = results.completed(rows, {threads: peak for threads, (peak, _) in roofs.items()})
    if args.plot:
        roofline.save(args.plot, rows, roofs)
    if args.json:
        print(json.dumps(rows))
    else:
        print("\n".join([*results.table(rows), *_peaks(roofs), *(_explained(rows) if args.explain else ())]))
    return 0


def _cases(args: argparse.Namespace) -> list[tuple[str, Case]]:
    """Give what is measured, name by name, after a look whether it can be bound."""
    from graphnn.tools.runners import Case

    found = []
    for name in args.symbol:
        symbol, usual = symbol_of(name), shapes_of(name, args.shape)
        for batch in args.batch or [128]:
            shapes = {key: (batch, *shape[1:]) for key, shape in usual.items()}
            for threads in args.threads or [1]:
                for mode in ("train", "infer") if args.mode == "both" else (args.mode,):
                    own = (args.conv_algo, args.fold, args.tune, args.recompute)
                    case = Case(symbol, shapes, mode, threads, "numpy", *own)
                    case.bound()
                    found.append((name, case))
    return found


def _backends(args: argparse.Namespace) -> list[str]:
    """Give graphnn's backends: those asked for, which must be there, or those of the usual ones that are."""
    from graphnn.backend import Wishes, get

    found = []
    for name in args.backend or _BACKENDS:
        try:
            get(name).passes(Wishes(args.conv_algo))
            found.append(name)
        except BackendError as error:
            if args.backend or name == _BACKENDS[0]:
                raise
            if not args.quiet:
                note(f"note: graphnn-{name} is left out: {error}")
    return list(dict.fromkeys(found))


def _installed(args: argparse.Namespace) -> list[str]:
    """Give the peers that are wanted and installed; name the others in one line."""
    wanted = [] if args.no_torch else args.peers or list(PEERS)
    absent = [name for name in wanted if missing(name)]
    if absent and (args.peers or not args.quiet):
        libraries = sorted({library for name in absent for library in missing(name)})
        note(f"note: {', '.join(absent)} left out: not installed: {', '.join(libraries)} (the extra bench has them)")
    return [name for name in wanted if name not in absent] + (["mxnet"] if args.mxnet else [])


def _trains(runner: str) -> bool:
    return runner not in PEERS or PEERS[runner].trains


def _roof(threads: int, args: argparse.Namespace, before: Roof | None) -> Roof:
    """Measure the peak again before each case, for the picture also the memory's rate once; give the best so far."""
    from graphnn.tools.peak_kernel import bandwidth, cores_for, peak_gflops

    cores = len(cores_for(threads))
    if 0 < cores < threads:
        raise ParameterError(f"--threads {threads}: this process may use {cores} cores")
    peak = peak_gflops(threads)
    if before is None:
        if peak is None and not args.quiet:
            note("note: there is no C compiler to measure this machine's peak with")
        return peak, bandwidth(threads) if args.plot else None
    return peak and max(peak, before[0] or 0), before[1]


def _peaks(roofs: Mapping[int, Roof]) -> list[str]:
    """Say what the shares are of."""
    known = [f"{peak:.1f} GFLOP/s with {n} thread{'s' * (n > 1)}" for n, (peak, _) in roofs.items() if peak]
    return [f"peak: {', '.join(known)}"] if known else []


def _explained(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Say for each row of graphnn what its backend leaves to NumPy."""
    lines = []
    for row in rows:
        if not row["runner"].startswith("graphnn"):
            continue
        left = row["fallbacks"]
        told = "tells of no fallbacks" if left is None else f"leaves to NumPy: {', '.join(left) or 'nothing'}"
        lines.append(printable(f"{row['model']}, {row['mode']}, batch {row['batch']}: {row['runner']} {told}"))
    return list(dict.fromkeys(lines))


# Batches


def _feed(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from graphnn.tools import feeding

    rows = [
        row
        for name, case in _cases(args)
        if case.mode == "train"
        for backend in _backends(args)
        for row in feeding.measure(name, replace(case, backend=backend), args.feed, args.runs)
    ]
    print(json.dumps(rows) if args.json else "\n".join(feeding.table(rows)))
    return 0


# Convolution


def _convolution(args: argparse.Namespace) -> int:
    from graphnn.tools import convolution

    rows = list(convolution.measure(convolution.GRID, args.runs, (lambda _: None) if args.quiet else note))
    if args.json:
        print(json.dumps({"rows": rows, "shares": convolution.shares(rows)}))
    else:
        print("\n".join(convolution.table(rows)))
    return 0
