"""What graphnn-train leaves for people at a run's end: the curves, the report; and TensorBoard's files on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graphnn.errors import MissingExtraError
from graphnn.tools.entry import note

if TYPE_CHECKING:
    from graphnn.runs.folder import Record
    from graphnn.runs.run import Run
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
            board.images(run.data.train_x[first.index])
        yield board


def leave(run: Run, records: Sequence[Record], quiet: bool) -> None:
    """Write curves.png and report.html into the run's folder; say what could not be drawn."""
    from graphnn.predictor import read_run
    from graphnn.tools.subjects import subject_of
    from graphnn.viz.pictures import save_curves
    from graphnn.viz.report import write_report

    try:
        save_curves(run.folder / "curves.png", records)
    except MissingExtraError as error:
        note(str(error))
    trained, config = read_run(run.folder), run.meta.config
    subject = subject_of(trained, records, run.data, config.backend, config.threads or 1)
    path = write_report(run.folder, trained, records, subject)
    if not quiet:
        note(f"report: {path}")
