"""What went wrong when the loss is no number any more: the batch again, from the last checkpoint, under a monitor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..data import DataBatch

if TYPE_CHECKING:
    from .run import Run

__all__ = ["first_bad", "first_bad_in_test"]

# The fused program that trains may round otherwise than the one whose every output is looked at.
_NOWHERE = "; node by node all is finite, so numbers come near the end of their range"
_SLOWER = ": lower the learning rate"


def first_bad(run: Run, epoch: int, k: int) -> str:
    """Say at which batch (k from 0) the loss ceased to be a number, and in which node that began.

    The weights are those of the last checkpoint afterwards, with the steps up to that batch.
    """
    run.restore()
    if run.position.epoch == epoch:
        for batch in run.feed.epoch(epoch, run.position.batch, k):
            run.step(batch)
    found = _look(run, run.feed.source.make(epoch, k))
    return f"epoch {epoch}, batch {k + 1}: the loss is no finite number{_place(run, found, epoch, k)}"


def first_bad_in_test(run: Run, k: int) -> str:
    """Say the same of batch k of the test data, with the weights as they are."""
    name = _look(run, replace(run.test.make(0, k), label=None), is_train=False)
    where = f"; {name} is the first that is not finite" if name else _NOWHERE
    return f"epoch {run.position.epoch}, batch {k + 1} of the test data: the loss is no finite number{where}{_SLOWER}"


def _place(run: Run, name: str, epoch: int, k: int) -> str:
    if name in run.module.data_names:
        return f"; the input {name} itself is not finite"
    if name not in run.module.param_names:
        return f"; {name} is the first that is not finite{_SLOWER}" if name else _NOWHERE + _SLOWER
    if (epoch, k) == (1, 0):
        return f"; the parameter {name} is not finite from the beginning on"
    since = f"batch {k}" if k else f"epoch {epoch - 1}"
    return f"; the parameter {name} is the first that is not finite, since the step of {since}{_SLOWER}"


def _look(run: Run, batch: DataBatch, is_train: bool = True) -> str:
    """Name the first array that is not finite when the batch runs; empty if there is none."""
    found: list[str] = []

    def look(name: str, array: np.ndarray) -> None:
        if not found and not np.isfinite(array).all():
            found.append(name)

    executor = run.module.executor
    executor.set_monitor_callback(look, monitor_all=True)
    run.module.forward(batch, is_train)
    executor.set_monitor_callback(None)
    return found[0] if found else ""
