"""graphnn-train: train a network on a data set."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from shlex import quote
from signal import SIGINT
from typing import TYPE_CHECKING, Any

from graphnn.errors import GraphnnError, ParameterError, WorkerError
from graphnn.runs.config import PRESETS, Config
from graphnn.runs.signals import Interrupted, terminable
from graphnn.tools import options
from graphnn.tools.entry import message, note, printable, run, symbol_of
from graphnn.tools.listing import add_list, print_list
from graphnn.tools.progress import progress

if TYPE_CHECKING:
    from graphnn.runs.folder import Record
    from graphnn.runs.run import Run
    from graphnn.viz.tensorboard import Board

__all__ = ["main", "parser"]

EXAMPLES = """examples:
  graphnn-train --symbol alexnet
  graphnn-train --symbol mlp --dataset fashion-mnist --epochs 20 --output runs/clothes
  graphnn-train --preset cifar10-fast
  graphnn-train --symbol resnet-20 --data photos/ --augment --pretrained runs/resnet-20 --freeze 'stage1_*'
  graphnn-train --symbol mlp --data table.csv --label species
  graphnn-train --config settings.toml --seed 1        the file says symbol = "lenet", batch-size = 64, ...
  graphnn-train --resume runs/alexnet                  goes on where it stopped, however that was
"""
# MXNet's names of options, in its examples
_OLD = {"symbol": ["--network"], "epochs": ["--num-epochs"], "momentum": ["--mom"]}
_TYPES: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str}
_ALONE = {"augment": "auto"}  # what an option means without a value
_RESUMABLE = ("data", "data_dir", "threads", "workers", "time_limit", "save_minutes", "early_stop", "keep")
_ACTIONS = ("print_config", "show_augmentation", "find_lr")  # done in place of training


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-train",
        description="Train a network; write parameters, checkpoints, a log and a report into a run folder.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for f in fields(Config):
        kind = str(f.type).partition(" | ")[0]
        name = f.name.replace("_", "-")
        if kind == "bool":
            p.add_argument(f"--{name}", action="store_true", default=None, help=f.metadata["help"])
            continue
        names = [f"--{name}", *_OLD.get(f.name, [])]
        alone: Any = {"nargs": "?", "const": _ALONE[f.name]} if f.name in _ALONE else {}
        p.add_argument(*names, type=_TYPES[kind], metavar=name.upper(), help=f.metadata["help"], **alone)
    add_list(p)
    p.add_argument("--output", type=Path, help="the run folder (runs/SYMBOL; a second run is SYMBOL-2)")
    p.add_argument("--resume", type=Path, metavar="DIR", help="go on with the run in this folder")
    p.add_argument("--config", type=Path, metavar="FILE", help="TOML file of options; the command line wins")
    p.add_argument(
        "--preset", type=str, metavar="NAME", help=f"a whole recipe, which options change: {', '.join(PRESETS)}"
    )
    p.add_argument("--print-config", action="store_true", default=None, help="print all options as TOML, and end")
    p.add_argument(
        "--show-augmentation", type=Path, metavar="PNG", help="draw images and what --augment makes of them, and end"
    )
    p.add_argument(
        "--find-lr", type=Path, metavar="PNG", help="try rising learning rates, draw the loss, name a rate, and end"
    )
    p.add_argument("--disp-batches", type=int, metavar="N", help="a line of metrics every N batches")
    for name in ("--kv-store", "--gpus"):
        p.add_argument(name, type=str, metavar="X", help="for scripts written for MXNet: accepted, ignored with a note")
    p.add_argument("--quiet", action="store_true", default=None, help="no progress on stderr")
    p.add_argument("--json", action="store_true", default=None, help="print one JSON value on stdout at the end")
    p.add_argument("--debug", action="store_true", default=None, help="show a traceback when something fails")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    p = parser()
    try:
        given = options.given(p, argv, PRESETS)
        if "list" in given:
            return run(lambda: print_list(given["list"], given.get("json", False)), given.get("debug", False))
        config = {f.name: given[f.name] for f in fields(Config) if f.name in given}
        if "lr_step_epochs" in config:
            config.setdefault("schedule", "step")  # as it was understood by MXNet's scripts
        checked = Config.from_mapping(config)
    except (GraphnnError, OSError) as error:
        p.error(message(error))
    if given.get("disp_batches", 1) < 1:
        p.error(f"--disp-batches must be at least 1, got {given['disp_batches']}")
    if "resume" in given and "output" in given:
        p.error("--output makes a new run, --resume goes on with one: give one of them")
    asked = [f"--{a.replace('_', '-')}" for a in (*_ACTIONS, "resume") if given.get(a)]
    if len(asked) > 1:
        p.error(f"{' and '.join(asked)}: give one of them")
    if given.get("print_config"):
        return run(lambda: print(options.as_toml(checked, given), end="") or 0, given.get("debug", False))
    return run(lambda: _train(given, config, checked), given.get("debug", False), given.get("quiet", False))


def _train(given: dict[str, Any], said: dict[str, Any], config: Config) -> int:
    from graphnn.runs import run as runs  # noqa: F401  # NumPy makes an ImportError of a signal that interrupts its loading

    with terminable():
        return _act(given, said, config)


def _act(given: dict[str, Any], said: dict[str, Any], config: Config) -> int:
    """Do what is asked for; a run's folder is held meanwhile, so that no other process goes on with it."""
    from graphnn.runs.folder import held

    quiet, as_json = given.get("quiet", False), given.get("json", False)
    for key in ("kv_store", "gpus"):
        if key in given and not quiet:
            note(f"note: --{key.replace('_', '-')} {given[key]} is ignored: graphnn trains in one process, on the CPU")
    shown = progress(quiet, given.get("disp_batches"))
    if "resume" not in given and "show_augmentation" not in given:
        config = replace(config, backend=options.backend_of(said.get("backend", options.DEFAULT_BACKEND), quiet))
    if "show_augmentation" in given or "find_lr" in given:
        from graphnn.tools import trials

        action = trials.show_augmentation if "show_augmentation" in given else trials.find_lr
        return action(config, given.get("show_augmentation") or given["find_lr"], shown, as_json)
    if "resume" in given:
        with held(given["resume"]):
            return _go(_resumed(given["resume"], said, shown), shown, quiet, as_json)
    prepared = _started(config, given, shown)
    with held(prepared.folder):
        return _go(prepared, shown, quiet, as_json)


def _go(prepared: Run, shown: Any, quiet: bool, as_json: bool) -> int:
    """Train to the end, or as far as it comes, and leave what a run leaves."""
    from graphnn.runs import loop
    from graphnn.tools import finish

    again = f"go on with graphnn-train --resume {quote(str(prepared.folder))}"
    if prepared.data.note:
        note(f"note: {prepared.data.note}")
    if not quiet:
        note(f"run folder: {prepared.folder}")
        if len(prepared.records) == prepared.meta.config.passes:
            note(f"all {len(prepared.records)} epochs are done")

    with prepared.feed, finish.board_of(prepared) as board:
        try:
            records = loop.train(prepared, shown, partial(_report, prepared, as_json, quiet, board), note)
        except KeyboardInterrupt as signal:
            note(f"interrupted: {again}")
            return 128 + (signal.number if isinstance(signal, Interrupted) else SIGINT)
        except (OSError, WorkerError):  # a full disk, a worker killed
            note(f"stopped: {again}")
            raise
    if records:
        finish.leave(prepared, records, quiet)
    if as_json:
        print(json.dumps(_summary(prepared.folder, records)))
    return 0


def _said(text: str) -> None:
    note(f"note: {printable(text)}")


def _started(config: Config, given: dict[str, Any], shown: Any) -> Run:
    from graphnn.runs import run as runs

    name = Path(config.symbol).stem.removesuffix("-symbol") or "run"
    root = given.get("output") or Path("runs") / name
    return runs.start(config, lambda classes: symbol_of(config.symbol, classes), root, _said, shown)


def _resumed(folder: Path, said: dict[str, Any], shown: Any) -> Run:
    """Prepare a run to go on; what decides its numbers cannot change on the way."""
    from graphnn.runs import run as runs
    from graphnn.runs.folder import Meta

    own = asdict(Meta.read(folder).config)
    for key, value in runs.with_whole_paths(said).items():
        if key not in _RESUMABLE and value != own[key] and (key, value) != ("backend", "auto"):
            raise ParameterError(f"--{key.replace('_', '-')} is {own[key]!r} in this run and cannot become {value!r}")
    # A time limit is for one sitting.
    changes = {"time_limit": None, **{key: said[key] for key in _RESUMABLE if key in said}}
    return runs.resume(folder, _said, shown, **changes)


def _report(run: Run, as_json: bool, quiet: bool, board: Board | None, record: Record) -> None:
    """Tell of an epoch."""
    if board is not None:
        arg, aux = run.module.get_params()
        board.epoch(record, {**arg, **aux})
    if not as_json:
        print(_line(record, run.meta.kind), flush=True)
    elif not quiet:
        note(_line(record, run.meta.kind))


def _line(r: Record, kind: str) -> str:
    unit = "images" if kind == "images" else "rows"
    perplexity = f" perplexity {math.exp(r.test_loss):.3f}" if kind == "text" and r.test_loss < 100 else ""
    return (
        f"epoch {r.epoch}: train loss {r.train_loss:.4f} accuracy {r.train_accuracy:.4f}, "
        f"test loss {r.test_loss:.4f}{perplexity} accuracy {r.test_accuracy:.4f}, {r.images_per_second:.0f} {unit}/s"
    )


def _summary(folder: Path, records: list[Record]) -> dict[str, Any]:
    best = max(records, key=lambda r: r.test_accuracy, default=None)
    return {
        "run": str(folder),
        "best_epoch": best and best.epoch,
        "best_test_accuracy": best and best.test_accuracy,
        "epochs": [asdict(r) for r in records],
    }
