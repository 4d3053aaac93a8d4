"""Monitor: statistics of every node's output, of arguments and of states, every few batches."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ParameterError

__all__ = ["Monitor"]

_log = logging.getLogger(__name__)


def _root_mean_square(x: np.ndarray) -> np.ndarray:
    return np.array([np.linalg.norm(x.astype(np.float64).ravel()) / np.sqrt(max(x.size, 1))], np.float32)


class Monitor:
    """Statistics between tic() and toc(), at every `interval`-th tic.

    `stat_func(array)` gives a number, an array or a list of them (None: the root mean square). Only names that begin
    with what the regular expression `pattern` matches count; `sort` orders the lines by name; `monitor_all` adds the
    inputs of the nodes. Where no monitor is at work training costs nothing more.
    """

    def __init__(
        self,
        interval: int,
        stat_func: Callable[[np.ndarray], Any] | None = None,
        pattern: str = ".*",
        sort: bool = False,
        monitor_all: bool = False,
    ) -> None:
        if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
            raise ParameterError(f"Monitor: interval must be a whole number from 1, got {interval!r}")
        try:
            self.re_prog = re.compile(pattern)
        except re.error as error:
            raise ParameterError(f"Monitor: {pattern!r} is no regular expression: {error}") from None
        self.interval, self.stat_func = interval, stat_func or _root_mean_square
        self.sort, self.monitor_all = sort, monitor_all
        self.activated = False
        self.queue: list[tuple[int, str, Any]] = []
        self.step = 0
        self.exes: list[Any] = []

    def install(self, exe: Any, monitor_all: bool | None = None) -> None:
        """Watch an executor; `monitor_all` overrides the monitor's own."""
        if monitor_all is not None:
            self.monitor_all = monitor_all
        if not any(e is exe for e in self.exes):
            self.exes.append(exe)
        if self.activated:
            exe.set_monitor_callback(self.stat_helper, self.monitor_all)

    def stat_helper(self, name: str, array: np.ndarray) -> None:
        """Take down one array's statistic."""
        if self.activated and self.re_prog.match(name):
            self.queue.append((self.step, name, self.stat_func(array)))

    def tic(self) -> None:
        """Begin a batch; take statistics if it is one of every `interval`."""
        if self.step % self.interval == 0:
            self.queue = []
            self.activated = True
            for exe in self.exes:
                exe.set_monitor_callback(self.stat_helper, self.monitor_all)
        self.step += 1

    def toc(self) -> list[tuple[int, str, str]]:
        """End a batch; give (batch, name, statistic as text), none if no statistics were taken."""
        if not self.activated:
            return []
        for exe in self.exes:
            for name, array in [*exe.arg_dict.items(), *exe.aux_dict.items()]:
                self.stat_helper(name, array)
            exe.set_monitor_callback(None)
        self.activated = False
        found, self.queue = self.queue, []
        if self.sort:
            found.sort(key=lambda entry: entry[1])
        return [(step, name, _text(value)) for step, name, value in found]

    def toc_print(self) -> None:
        """End a batch; log a line for each statistic, `Batch:       1 fc1_output                     0.0062\\t`."""
        for step, name, text in self.toc():
            _log.info("Batch: %7d %-30s %s", step, name, text)


def _text(value: Any) -> str:
    values = value if isinstance(value, (list, tuple)) else [value]
    return "".join(f"{np.asarray(v).reshape(-1)[0] if np.shape(v) in ((), (1,)) else v}\t" for v in values)
