"""graphnn-eval: measure a trained network on test data."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from graphnn.errors import MissingExtraError, ParameterError
from graphnn.runs.config import in_bytes
from graphnn.tools.entry import add_common, folder_of, note, printable, run
from graphnn.tools.options import add_program, backend_of, positive

if TYPE_CHECKING:
    import numpy as np

    from graphnn.data import Dataset
    from graphnn.predictor import Trained
    from graphnn.runs.config import Config
    from graphnn.viz.sequences import Told
    from graphnn.viz.subject import Subject

__all__ = ["main", "parser"]

EXAMPLES = """examples:
  graphnn-eval --run runs/alexnet
  graphnn-eval --run runs/alexnet --epoch 3 --json
  graphnn-eval --run runs/alexnet --dataset fashion-mnist --plots pictures
  graphnn-eval --run runs/alexnet --report report.html
"""
_ROWS = {"images": "images", "rows": "rows", "text": "rows", "strings": "strips"}  # kind: what one calls it


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-eval",
        description="Measure a trained network on test data: accuracy, loss, each class; perplexity; strips read.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run folder")
    p.add_argument("--epoch", type=positive, help="take the parameters after this epoch (the best)")
    p.add_argument("--dataset", help="another data set than that of the run")
    p.add_argument("--data-dir", help="where the data set's files are")
    p.add_argument("--data", help="other data of one's own: a folder CLASS/*.png, an .npz or a .csv")
    p.add_argument("--plots", type=Path, metavar="DIR", help="draw everything there is to see of it into this folder")
    p.add_argument("--report", type=Path, metavar="FILE", help="write a page with all of it: one HTML file")
    add_program(p)
    add_common(p, "one object: accuracy, interval, count, loss, per_class, or what there is of a text or strips")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    args = parser().parse_args(argv)
    return run(lambda: _eval(args), args.debug, args.quiet)


def _eval(args: argparse.Namespace) -> int:
    from graphnn.predictor import read_run
    from graphnn.runs.folder import read_log
    from graphnn.tools import scores
    from graphnn.tools.subjects import subject_of
    from graphnn.viz.pictures.figure import need_matplotlib
    from graphnn.viz.report import write_report

    if args.plots is not None:
        need_matplotlib(args.plots)  # said before the work
    folder_of(args.report)
    backend = backend_of(args.backend, args.quiet)
    trained = read_run(args.run, args.epoch)
    data = _data(trained, args)
    if not args.quiet:
        note(f"{len(data.test_y)} test {_ROWS[data.kind]} of {printable(data.name)}")
    memory = in_bytes(args.max_memory)
    subject = subject_of(trained, read_log(args.run), data, backend, args.threads, memory, args.quiet)
    if why := scores.doubt(subject):
        note(f"warning: {why}")
    print(json.dumps(scores.numbers(subject)) if args.json else "\n".join(scores.lines(subject)))
    if args.report is not None:
        write_report(args.run, trained, subject.records, subject, path=args.report)
    if args.plots is not None:
        _draw(args.plots, subject, args.quiet)
    elif args.report is None and isinstance(subject, scores.Subject):
        _draw_confusion(args.run / "confusion.png", subject)
    return 0


def _draw(folder: Path, subject: Told, quiet: bool) -> None:
    """Draw what there is, and say in a line for each reason what there is not."""
    from graphnn.viz.pictures.gallery import save_all

    lacking: dict[str, list[str]] = {}
    for name, why in save_all(folder, subject):
        if why:
            lacking.setdefault(why, []).append(name)
    for why, names in lacking.items():
        if not quiet:
            note(f"no {', '.join(names)}: {why}")


def _data(trained: Trained, args: argparse.Namespace) -> Dataset:
    """Load the test data: the run's own, or others of the same form."""
    from graphnn.runs.rows import data_of
    from graphnn.tools.progress import progress

    data = data_of(_source(trained.meta.config, args), progress(args.quiet))
    shape, classes = data.test_x.shape[1:], len(data.classes)
    names = trained.classes
    if data.kind != trained.meta.kind or shape != trained.shape or (args.data is None and classes != len(names)):
        raise ParameterError(
            f"{printable(data.name)} has {classes} classes and {data.kind} {shape}, "
            f"the network {len(names)} and {trained.meta.kind} {trained.shape}"
        )
    if data.note:
        note(f"note: {data.note}")
    if args.data is None:
        return data
    as_network = _numbers(data, names)
    inputs = as_network[data.test_x] if data.kind == "text" else data.test_x
    return replace(data, test_x=inputs, test_y=as_network[data.test_y])


def _source(config: Config, args: argparse.Namespace) -> Config:
    """The run's options with other data where the command line says so."""
    if args.data is not None:
        return replace(config, data=args.data, data_dir=None, holdout=None)
    if args.dataset not in (None, config.dataset if config.data is None else None):
        return replace(config, data=None, dataset=args.dataset, data_dir=args.data_dir, holdout=None)
    if args.data_dir is not None and config.data is not None:
        raise ParameterError("the run's data are one's own: --data says where others are")
    return replace(config, data_dir=args.data_dir or config.data_dir)


def _numbers(data: Dataset, names: tuple[str, ...]) -> np.ndarray:
    """For each class its number in the network: one's own data may lack classes, or have them in another order."""
    import numpy as np

    if unknown := [c for c in data.classes if c not in names]:
        raise ParameterError(f"{printable(data.name)}: the network knows no class {printable(unknown[0])!r}")
    return np.array([names.index(c) for c in data.classes])


def _draw_confusion(path: Path, subject: Subject) -> None:
    from graphnn.viz.pictures import save_confusion

    try:
        save_confusion(path, subject.result.matrix, subject.classes)
    except MissingExtraError as error:
        note(str(error))
