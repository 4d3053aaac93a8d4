"""What graphnn-train leaves for people at a run's end: the curves, the report; and TensorBoard's files on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graphnn.errors import MissingExtraError
from graphnn.tools.entry import note

if TYPE_CHECKING:
    from graphnn.train.folder import Record
    from graphnn.train.runs import Run
    from graphnn.viz.subject import Subject
    from graphnn.viz.tensorboard import Board

__all__ = ["board_of", "leave"]

BOARD = "tensorboard"  # the folder of event files in a run's


@contextmanager
def board_of(run: Run) -> Iterator[Board | None]:
    """Give the run's TensorBoard, which holds the network and some images; None where it is not asked for."""
    if not run.meta.config.tensorboard:
        yield None
        return
    from graphnn.viz.tensorboard import Board

    fresh = not (run.folder / BOARD).exists()
    with Board(run.folder / BOARD, len(run.records)) as board:
        if fresh:
            first = run.feed.source.make(1, 0)
            label = run.module.label_names[0]
            board.graph(run.module.symbol, {"data": first.data[0].shape, label: (first.label or [])[0].shape})
            board.images(run.data.train_images[first.index])
        yield board


def leave(run: Run, records: Sequence[Record], quiet: bool) -> None:
    """Write curves.png and report.html into the run's folder; say what could not be drawn."""
    from graphnn.predictor import read_run
    from graphnn.viz.pictures import save_curves
    from graphnn.viz.report import write_report

    try:
        save_curves(run.folder / "curves.png", records)
    except MissingExtraError as error:
        note(str(error))
    path = write_report(run.folder, read_run(run.folder), records, *_told(run))
    if not quiet:
        note(f"report: {path}")


def _told(run: Run) -> tuple[Subject | None, str]:
    """What the best network says of the test data, or what it writes."""
    from graphnn.predictor import load
    from graphnn.tools.eval import predicted
    from graphnn.viz.subject import Subject

    config, data = run.meta.config, run.data
    if run.meta.kind == "text":
        from graphnn.data.text import decode
        from graphnn.writer import load as load_writer

        beginning = decode(data.test_images[0][:1], data.classes)
        writer = load_writer(run.folder, None, config.backend, config.threads or 1)
        return None, beginning + writer.write(beginning, 300, 0.7, config.seed)
    if run.meta.kind == "strings":
        return None, ""
    predictor = load(run.folder, None, config.backend, config.threads or 1)
    told = predicted(predictor, data.test_images, quiet=True)
    return Subject(predictor, (), data.test_images, data.test_labels, told), ""
