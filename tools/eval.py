"""graphnn-eval: measure a trained network on test data."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from graphnn.errors import MissingExtraError, ParameterError
from graphnn.tools.entry import add_common, note, printable, run
from graphnn.tools.options import add_program, backend_of, positive
from graphnn.train.config import in_bytes

if TYPE_CHECKING:
    import numpy as np

    from graphnn.data import Dataset
    from graphnn.predictor import Predictor
    from graphnn.train.config import Config
    from graphnn.train.evaluate import ClassScore
    from graphnn.viz.subject import Subject

__all__ = ["main", "parser", "predicted"]

EXAMPLES = """examples:
  graphnn-eval --run runs/alexnet
  graphnn-eval --run runs/alexnet --epoch 3 --json
  graphnn-eval --run runs/alexnet --dataset fashion-mnist --plots pictures
  graphnn-eval --run runs/alexnet --report report.html
"""
_CHUNK = 512  # images between two moves of the bar
_MAX_COLUMN = 10  # characters of a class's name above a column


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-eval",
        description="Measure a trained network on test data: accuracy, loss, each class, confusion matrix.",
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
    add_common(p, "one object: accuracy, interval, count, loss, per_class")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    args = parser().parse_args(argv)
    return run(lambda: _eval(args), args.debug, args.quiet)


def _eval(args: argparse.Namespace) -> int:
    from graphnn.predictor import load
    from graphnn.train.folder import read_log
    from graphnn.viz.pictures.figure import need_matplotlib
    from graphnn.viz.pictures.gallery import save_all
    from graphnn.viz.report import write_report
    from graphnn.viz.subject import Subject

    if args.plots is not None:
        need_matplotlib(args.plots)  # said before the work
    backend = backend_of(args.backend, args.quiet)
    predictor = load(args.run, args.epoch, backend, args.threads, in_bytes(args.max_memory))
    data = _data(predictor, args)
    if not args.quiet:
        note(f"{len(data.test_labels)} test {data.kind} of {data.name}")
    subject = Subject(
        predictor, read_log(args.run), data.test_images, data.test_labels,
        predicted(predictor, data.test_images, args.quiet),
    )  # fmt: skip
    print(_json(subject) if args.json else "\n".join(_text(subject)))
    if args.report is not None:
        write_report(args.run, predictor, subject.records, subject, path=args.report)
    for name, why in save_all(args.plots, subject) if args.plots is not None else ():
        if why and not args.quiet:
            note(f"no {name}: {why}")
    if args.plots is args.report is None:
        _draw_confusion(args.run / "confusion.png", subject)
    return 0


def predicted(predictor: Predictor, inputs: np.ndarray, quiet: bool) -> np.ndarray:
    """Give the probabilities (n, classes) of inputs (n, ...), with a bar on a terminal."""
    import numpy as np
    from tqdm import tqdm

    plain = quiet or sys.stderr is None or not sys.stderr.isatty()
    out = np.empty((len(inputs), len(predictor.classes)), np.float32)
    with tqdm(total=len(inputs), desc="evaluation", leave=False, unit="image", file=sys.stderr, disable=plain) as bar:
        for k in range(0, len(inputs), _CHUNK):
            out[k : k + _CHUNK] = predictor.predict(inputs[k : k + _CHUNK])
            bar.update(len(out[k : k + _CHUNK]))
    return out


def _json(subject: Subject) -> str:
    from graphnn.train.evaluate import per_class, roc

    result, curves = subject.result, roc(subject.probabilities, subject.labels)
    rows = [
        asdict(score) | {"roc_area": curve.area if curve else None}
        for score, curve in zip(per_class(result.matrix, subject.classes), curves, strict=True)
    ]
    found = {"accuracy": result.accuracy, "interval": list(result.interval), "count": len(subject.labels)}
    return json.dumps(found | {"loss": result.loss, "per_class": rows})


def _text(subject: Subject) -> list[str]:
    from graphnn.train.evaluate import per_class

    result = subject.result
    low, high = result.interval
    scores = class_table(per_class(result.matrix, subject.classes))
    return [
        f"accuracy {result.accuracy:.4f} (95% interval {low:.4f} to {high:.4f})  loss {result.loss:.4f}",
        *("", *scores, "", *matrix_table(result.matrix, subject.classes)),
    ]


def _data(predictor: Predictor, args: argparse.Namespace) -> Dataset:
    """Load the test data: the run's own, or others of the same form."""
    from graphnn.tools.progress import progress
    from graphnn.train.runs import data_of

    data = data_of(_source(predictor.meta.config, args), progress(args.quiet))
    shape, classes = data.test_images.shape[1:], len(data.classes)
    names = predictor.classes
    if data.kind != predictor.meta.kind or shape != predictor.shape or (args.data is None and classes != len(names)):
        raise ParameterError(
            f"{data.name} has {classes} classes and {data.kind} {shape}, the network {len(names)} and {predictor.shape}"
        )
    if data.note:
        note(f"note: {data.note}")
    return data if args.data is None else replace(data, test_labels=_labels(data, names))


def _source(config: Config, args: argparse.Namespace) -> Config:
    """The run's options with other data where the command line says so."""
    if args.data is not None:
        return replace(config, data=args.data, data_dir=None, holdout=None)
    if args.dataset not in (None, config.dataset if config.data is None else None):
        return replace(config, data=None, dataset=args.dataset, data_dir=args.data_dir, holdout=None)
    if args.data_dir is not None and config.data is not None:
        raise ParameterError("the run's data are one's own: --data says where others are")
    return replace(config, data_dir=args.data_dir or config.data_dir)


def _labels(data: Dataset, names: tuple[str, ...]) -> np.ndarray:
    """The labels as the network counts: one's own data may lack classes, or have them in another order."""
    import numpy as np

    if unknown := [c for c in data.classes if c not in names]:
        raise ParameterError(f"{data.name}: the network knows no class {printable(unknown[0])!r}")
    return np.array([names.index(c) for c in data.classes])[data.test_labels]


def class_table(scores: list[ClassScore]) -> list[str]:
    """Write precision, recall and count of each class in columns."""
    rows = [("class", "precision", "recall", "count")]
    for s in scores:
        shares = ("-" if v is None else f"{v:.4f}" for v in (s.precision, s.recall))
        rows.append((printable(s.label), *shares, str(s.count)))  # type: ignore[arg-type]
    width = max(len(row[0]) for row in rows)
    return [f"{row[0]:<{width}}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in rows]


def matrix_table(matrix: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    """Write the confusion matrix: a row for each true class, a column for each predicted one."""
    names = [printable(c) for c in classes]
    heads = [name[:_MAX_COLUMN] for name in names]
    left = max(map(len, names))
    widths = [max(len(head), *(len(str(n)) for n in matrix[:, k])) for k, head in enumerate(heads)]

    def line(name: str, cells: list[str]) -> str:
        return f"{name:<{left}}  " + " ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))

    rows = [line(name, [str(n) if n else "." for n in row]) for name, row in zip(names, matrix, strict=True)]
    return ["confusion matrix: rows are true, columns predicted", line("", heads), *rows]


def _draw_confusion(path: Path, subject: Subject) -> None:
    from graphnn.viz.pictures import save_confusion

    try:
        save_confusion(path, subject.result.matrix, subject.classes)
    except MissingExtraError as error:
        note(str(error))
