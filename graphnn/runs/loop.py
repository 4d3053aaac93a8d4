"""The epochs of a run: steps, measuring, and what is written at which moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from shlex import quote
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

import numpy as np

from ..data import DataBatch
from ..errors import NumericError, WorkerError
from ..executor import INFERENCE
from ..model import save_checkpoint
from .checkpoint import Position
from .diagnosis import first_bad, first_bad_in_test
from .folder import BEST, MODEL, Record, write_log
from .score import TALLIES, Tally
from .signals import Watch, watching
from .telling import Note, Progress

if TYPE_CHECKING:
    from .run import Run

__all__ = ["measure", "train"]


class _Saved(Exception):
    """Training ended early, its state written; the text says why."""


def train(
    run: Run, progress: Progress, report: Callable[[Record], object], note: Note = lambda text: None
) -> list[Record]:
    """Train the epochs that are left; after each, write parameters, log and checkpoint, and call `report`.

    Ends before that after the time limit, where the test loss grows no better, and by a signal, which raises
    Interrupted. Whenever it ends, the last checkpoint is where it ended. `note` is called with what is to be said.
    """
    records, config = list(run.records), run.meta.config
    with np.errstate(all="ignore"), watching(config.time_limit) as watch:
        try:
            while len(records) < config.passes and not _stops_early(run, records, note):
                records.append(_epoch(run, progress, watch))
                _save_epoch(run, records)
                report(records[-1])
                if len(records) < config.passes:
                    _stop_at(run, watch, written=True)
        except _Saved as reason:
            note(str(reason))
        except (KeyboardInterrupt, WorkerError) as end:
            if run.between_steps:
                run.save()
            if isinstance(end, WorkerError):
                watch.check()  # a signal to all processes ended the workers, too
            raise
    return records


def _stops_early(run: Run, records: list[Record], note: Note) -> bool:
    patience = run.meta.config.early_stop
    if patience is None or len(records) <= patience:
        return False
    best = min(records, key=lambda r: r.test_loss).epoch
    if len(records) - best < patience:
        return False
    note(f"stopped early: the test loss of epoch {best} was the best of {len(records)}")
    return True


def _stop_at(run: Run, watch: Watch, written: bool = False) -> None:
    """End here if that was asked for: between two steps."""
    if watch.time_is_up:
        if not written:
            run.save()
        raise _Saved(f"the time limit is reached: go on with graphnn-train --resume {quote(str(run.folder))}")
    watch.check()


def _epoch(run: Run, progress: Progress, watch: Watch) -> Record:
    """Train what is left of an epoch and measure it."""
    at, config = run.position, run.meta.config
    _steps(run, progress, watch)
    found = measure(run, progress, watch)
    loss = found.loss / found.rows
    rows = at.batch * config.batch_size
    return Record(
        at.epoch, at.loss / at.rows, at.right / at.rows, loss, found.right / found.rows,
        at.seconds, rows / max(at.seconds, 1e-9), run.module.learning_rate,
    )  # fmt: skip


def _steps(run: Run, progress: Progress, watch: Watch) -> None:
    at, config, saved = run.position, run.meta.config, monotonic()
    tally = TALLIES[run.meta.kind]
    with progress(f"epoch {at.epoch}/{config.passes}", run.batches) as advance:
        for _ in range(at.batch):  # of an epoch that was begun before
            advance([])
        begin = perf_counter()
        for batch in run.feed.epoch(at.epoch, at.batch, run.batches):
            with run.stepping():
                run.step(batch)
                one = tally(run.module.get_outputs(), _label(batch), batch.pad)
                at.loss, at.right, at.rows = at.loss + one.loss, at.right + one.right, at.rows + one.rows
                at.seconds, begin = at.seconds + perf_counter() - begin, perf_counter()
            if not math.isfinite(one.loss):
                raise NumericError(first_bad(run, at.epoch, at.batch - 1))
            if at.batch % config.accumulate == 0:
                _stop_at(run, watch)
                if monotonic() - saved >= 60 * config.save_minutes:
                    run.save()
                    saved = monotonic()
            advance([("accuracy", at.right / at.rows), ("cross-entropy", at.loss / at.rows)])


def _label(batch: DataBatch) -> np.ndarray:
    return (batch.label or [np.empty(0)])[0]


@contextmanager
def averaged(run: Run) -> Iterator[None]:
    """Have the averaged weights in place of the weights, where there is an average."""
    with run.average.in_place(run.position.averaged) if run.average is not None else nullcontext():
        yield


def measure(run: Run, progress: Progress, watch: Watch | None = None) -> Tally:
    """Sum up loss and right answers over the test data, with the averaged weights where there are.

    Raises NumericError where the loss is no finite number.
    """
    module, test = run.module, run.test
    tally, soft = TALLIES[run.meta.kind], run.meta.config.soft_labels
    total = Tally(0.0, 0.0, 0)
    # What random operators draw follows from the epoch, so that measuring again after an interruption gives the same.
    module.executor.random_state[1] = INFERENCE + run.position.epoch * len(test)
    with averaged(run), progress(f"test {run.position.epoch}/{run.meta.config.passes}", len(test)) as advance:
        for k in range(len(test)):
            batch = test.make(0, k)
            # Labels as classes have no place where the network was bound for probabilities, and it needs none here.
            module.forward(replace(batch, label=None) if soft else batch, is_train=False)
            one = tally(module.get_outputs(), _label(batch), batch.pad)
            if not math.isfinite(one.loss):
                raise NumericError(first_bad_in_test(run, k))
            total = Tally(total.loss + one.loss, total.right + one.right, total.rows + one.rows)
            if watch is not None:
                watch.check()
            advance([("accuracy", total.right / total.rows), ("cross-entropy", total.loss / total.rows)])
    return total


def _save_epoch(run: Run, records: list[Record]) -> None:
    """Write an epoch's files. The checkpoint comes last: an epoch counts once that is there."""
    epoch, prefix, config = len(records), str(run.folder / MODEL), run.meta.config
    with averaged(run):
        arg, aux = run.module.get_params()
    if config.keep:
        save_checkpoint(prefix, epoch, None, arg, aux)
    if config.model_prefix is not None:
        save_checkpoint(config.model_prefix, config.begin + epoch, run.module.symbol, arg, aux)
    if records[-1].test_accuracy > max((r.test_accuracy for r in records[:-1]), default=-1.0):
        save_checkpoint(str(run.folder / BEST), 0, run.module.symbol, arg, aux)
    write_log(run.folder, records)
    run.position = Position(epoch + 1, averaged=run.position.averaged)
    run.save()
    written = sorted(run.folder.glob(f"{MODEL}-*.params"), key=lambda path: (len(path.name), path.name))
    for path in written[: -config.keep or None]:  # by length first: epoch 10000 is later than 9999
        path.unlink(missing_ok=True)
