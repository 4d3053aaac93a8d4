"""mx.mon.Monitor: statistics of NDArrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...train import monitor as native
from .ndarray import NDArray

__all__ = ["Monitor"]


class Monitor(native.Monitor):
    """See graphnn.train.monitor.Monitor; `stat_func` gets an NDArray and gives one, a list of them or a number."""

    def __init__(
        self,
        interval: int,
        stat_func: Callable[[NDArray], Any] | None = None,
        pattern: str = ".*",
        sort: bool = False,
        monitor_all: bool = False,
    ) -> None:
        def shown(array: np.ndarray) -> Any:
            found = stat_func(NDArray(np.array(array))) if stat_func is not None else None
            many = found if isinstance(found, (list, tuple)) else [found]
            return [np.asarray(x) for x in many]

        super().__init__(interval, shown if stat_func is not None else None, pattern, sort, monitor_all)
