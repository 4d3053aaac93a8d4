"""mx.callback: what a module calls after batches and epochs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ...errors import ParameterError
from ...train.callback import BatchEndParam, Speedometer, do_checkpoint, log_train_metric

__all__ = [
    "LogValidationMetricsCallback",
    "ProgressBar",
    "Speedometer",
    "do_checkpoint",
    "log_train_metric",
    "module_checkpoint",
]

_log = logging.getLogger(__name__)


def module_checkpoint(
    mod: Any, prefix: str, period: int = 1, save_optimizer_states: bool = False
) -> Callable[..., None]:
    """Give an epoch-end callback that saves the module's checkpoint every `period` epochs."""
    period = max(1, int(period))

    def callback(epoch: int, symbol: Any = None, arg_params: Any = None, aux_params: Any = None) -> None:
        if (epoch + 1) % period == 0:
            mod.save_checkpoint(prefix, epoch + 1, save_optimizer_states)

    return callback


class ProgressBar:
    """Log how much of an epoch of `total` batches is done, as a bar of `length` characters."""

    def __init__(self, total: int, length: int = 80) -> None:
        if total < 1 or length < 1:
            raise ParameterError(f"ProgressBar needs total and length of at least 1, got {total} and {length}")
        self.total, self.bar_len = total, length

    def __call__(self, param: BatchEndParam) -> None:
        done = min(1.0, param.nbatch / self.total)
        filled = round(self.bar_len * done)
        _log.info("[%s] %s%%\r", "=" * filled + "-" * (self.bar_len - filled), round(100 * done))


class LogValidationMetricsCallback:
    """Log the metrics of an evaluation."""

    def __call__(self, param: BatchEndParam) -> None:
        if param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                _log.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)
