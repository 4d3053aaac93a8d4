"""Callbacks for training: log lines in MXNet 1.9.1's format, checkpoints, early stopping.

A batch-end or evaluation-end callback is called with one BatchEndParam, an epoch-end callback with (epoch, symbol,
arg_params, aux_params). Training stops after the epoch when an epoch-end or evaluation-end callback returns True.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from ..errors import ParameterError
from .metric import EvalMetric

__all__ = ["BatchEndParam", "EarlyStop", "Speedometer", "do_checkpoint", "log_train_metric"]

_log = logging.getLogger(__name__)


class BatchEndParam(NamedTuple):
    """What a batch-end or evaluation-end callback is told; epoch and nbatch count from 0."""

    epoch: int
    nbatch: int
    eval_metric: EvalMetric | None
    locals: Mapping[str, Any] | None = None


class Speedometer:
    """Log speed and metrics every `frequent` (50) batches of `batch_size` rows; a batch-end callback.

    `Epoch[0] Batch [0-50]\\tSpeed: 40666.12 samples/sec\\taccuracy=0.583333`: with `auto_reset` (True) the metrics
    cover the batches since the last line, because the metric's reset_local() is called after each; without it they
    cover, and the line names, all batches of the epoch. The clock starts after the first batch of an epoch.
    ParameterError for `frequent` < 1.
    """

    def __init__(
        self,
        batch_size: int,
        frequent: int = 50,
        auto_reset: bool = True,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if frequent < 1:
            raise ParameterError(f"Speedometer: frequent must be at least 1, got {frequent}")
        self.batch_size, self.frequent, self.auto_reset = batch_size, frequent, auto_reset
        self._clock = clock
        self._since: float | None = None
        self._last_batch = 0

    def __call__(self, param: BatchEndParam) -> None:
        if self._since is None or param.nbatch < self._last_batch:
            self._since = self._clock()
        elif param.nbatch % self.frequent == 0:
            elapsed = self._clock() - self._since
            self._report(param, self.frequent * self.batch_size / elapsed if elapsed > 0 else math.inf)
            self._since = self._clock()
        self._last_batch = param.nbatch

    def _report(self, param: BatchEndParam, speed: float) -> None:
        if param.eval_metric is None:
            _log.info("Iter[%d] Batch [%d]\tSpeed: %.2f samples/sec", param.epoch, param.nbatch, speed)
            return
        first = param.nbatch - self.frequent if self.auto_reset else 0
        values = "".join(f"\t{name}={value:f}" for name, value in param.eval_metric.get_name_value())
        line = "Epoch[%d] Batch [%d-%d]\tSpeed: %.2f samples/sec%s"
        _log.info(line, param.epoch, first, param.nbatch, speed, values)
        if self.auto_reset:
            param.eval_metric.reset_local()


def log_train_metric(period: int, auto_reset: bool = False) -> Callable[[BatchEndParam], None]:
    """A batch-end callback that logs `Iter[0] Batch[1] Train-accuracy=0.5` at every batch that `period` divides.

    With `auto_reset` the metric's reset_local() is called after each line. ParameterError for `period` < 1.
    """
    if period < 1:
        raise ParameterError(f"log_train_metric: period must be at least 1, got {period}")

    def callback(param: BatchEndParam) -> None:
        if param.nbatch % period or param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            _log.info("Iter[%d] Batch[%d] Train-%s=%f", param.epoch, param.nbatch, name, value)
        if auto_reset:
            param.eval_metric.reset_local()

    return callback


def do_checkpoint(prefix: str, period: int = 1) -> Callable[[int, Any, Mapping[str, Any], Mapping[str, Any]], None]:
    """An epoch-end callback that saves `prefix-symbol.json` and `prefix-0001.params` after epoch 0, and so on.

    Only after every `period`-th (1) epoch; a period below 1 counts as 1, as in MXNet.
    """
    period = max(1, int(period))

    def callback(epoch: int, symbol: Any, arg_params: Mapping[str, Any], aux_params: Mapping[str, Any]) -> None:
        from graphnn.model import save_checkpoint  # here: graphnn.model is above this module

        if (epoch + 1) % period == 0:
            save_checkpoint(prefix, epoch + 1, symbol, arg_params, aux_params)

    return callback


class EarlyStop:
    """Stop when `metric` has not improved in `patience` (3) evaluations in a row; an evaluation-end callback.

    Returns True to stop. `mode` "max" (for accuracy) or "min" (for an error) says what an improvement is; nan is none.
    `best` and `best_epoch` tell the best value so far. Make a new one for each run: it remembers what it saw.
    ParameterError for `patience` < 1, another mode, and a metric that the evaluation does not have.
    """

    def __init__(self, metric: str, patience: int = 3, mode: Literal["max", "min"] = "max") -> None:
        if patience < 1:
            raise ParameterError(f"EarlyStop: patience must be at least 1, got {patience}")
        if mode not in ("max", "min"):
            raise ParameterError(f"EarlyStop: mode must be 'max' or 'min', got {mode!r}")
        self.metric, self.patience, self.mode = metric, patience, mode
        self.best = -math.inf if mode == "max" else math.inf
        self.best_epoch: int | None = None
        self._waited = 0

    def __call__(self, param: BatchEndParam) -> bool:
        values = dict(param.eval_metric.get_global_name_value()) if param.eval_metric is not None else {}
        if self.metric not in values:
            raise ParameterError(f"EarlyStop: no metric {self.metric!r} in the evaluation, only {list(values)}")
        value = values[self.metric]
        if value > self.best if self.mode == "max" else value < self.best:
            self.best, self.best_epoch, self._waited = value, param.epoch, 0
        else:
            self._waited += 1
        return self._waited >= self.patience
