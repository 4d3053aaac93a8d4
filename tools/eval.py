"""graphnn-eval: measure a trained network on test data."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
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
    from graphnn.train.evaluate import ClassScore

__all__ = ["main", "parser"]

EXAMPLES = """examples:
  graphnn-eval --run runs/alexnet
  graphnn-eval --run runs/alexnet --epoch 3 --json
  graphnn-eval --run runs/alexnet --dataset fashion-mnist --plots pictures
"""
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
    p.add_argument("--plots", type=Path, metavar="DIR", help="where confusion.png goes (the run folder)")
    add_program(p)
    add_common(p, "one object: accuracy, loss, per_class")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    args = parser().parse_args(argv)
    return run(lambda: _eval(args), args.debug, args.quiet)


def _eval(args: argparse.Namespace) -> int:
    from graphnn.predictor import load
    from graphnn.train.evaluate import evaluate, per_class

    backend = backend_of(args.backend, args.quiet)
    predictor = load(args.run, args.epoch, backend, args.threads, in_bytes(args.max_memory))
    data = _data(predictor, args.dataset, args.data_dir)
    if not args.quiet:
        note(f"{len(data.test_labels)} test images of {data.name}")
    result = evaluate(predictor.predict(data.test_images), data.test_labels)
    scores = per_class(result.matrix, predictor.classes)
    if args.json:
        rows = [asdict(score) for score in scores]
        print(json.dumps({"accuracy": result.accuracy, "loss": result.loss, "per_class": rows}))
    else:
        print(f"accuracy {result.accuracy:.4f}  loss {result.loss:.4f}\n")
        print("\n".join([*class_table(scores), "", *matrix_table(result.matrix, predictor.classes)]))
    _draw(args.plots or args.run, result.matrix, predictor.classes)
    return 0


def _data(predictor: Predictor, dataset: str | None, data_dir: str | None) -> Dataset:
    """Load the test data: the run's own, or another set of the same form."""
    from graphnn.data import load

    config = predictor.meta.config
    own = dataset in (None, config.dataset)
    data = load(dataset or config.dataset, data_dir or (config.data_dir if own else None))
    shape, classes = data.test_images.shape[1:], len(data.classes)
    if shape != predictor.shape or classes != len(predictor.classes):
        raise ParameterError(
            f"{data.name} has {classes} classes and images {shape}, "
            f"the network {len(predictor.classes)} and {predictor.shape}"
        )
    if data.note:
        note(f"note: {data.note}")
    return data


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


def _draw(folder: Path, matrix: np.ndarray, classes: tuple[str, ...]) -> None:
    from graphnn.viz.pictures import save_confusion

    folder.mkdir(parents=True, exist_ok=True)
    try:
        save_confusion(folder / "confusion.png", matrix, classes)
    except MissingExtraError as error:
        note(str(error))
