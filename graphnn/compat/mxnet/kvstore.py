"""mx.kv, small: arrays by key in this process, summed when pushed."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import ParameterError
from .ndarray import NDArray

__all__ = ["KVStore", "create"]

KINDS = ("local", "device", "nccl", "local_allreduce_cpu", "local_allreduce_device")


class KVStore:
    """Arrays by key: push() adds up what several devices send, pull() copies the result out."""

    rank, num_workers = 0, 1

    def __init__(self, kind: str) -> None:
        self.type = kind
        self._store: dict[Any, NDArray] = {}
        self._updater: Callable[[Any, NDArray, NDArray], object] | None = None

    def init(self, key: Any, value: Any) -> None:
        """Set the value of a key, or of several."""
        for k, v in _pairs(key, value):
            self._store[k] = v[0].copy()

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """Replace a key's value by the sum of those given, or give that sum to the updater."""
        for k, values in _pairs(key, value):
            total = values[0].copy()
            for v in values[1:]:
                total += v
            if self._updater is None:
                self._get(k)[:] = total
            else:
                self._updater(int(k) if isinstance(k, str) and k.isdigit() else k, total, self._get(k))

    def pull(self, key: Any, out: Any = None, priority: int = 0, ignore_sparse: bool = True) -> None:
        """Copy a key's value into `out`, one array or several."""
        for k, targets in _pairs(key, out):
            for target in targets:
                target[:] = self._get(k)

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Push, then pull."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def set_updater(self, updater: Callable[[Any, NDArray, NDArray], object]) -> None:
        """Let `updater(key, pushed, stored)` say what a push does."""
        self._updater = updater

    _set_updater = set_updater

    def set_optimizer(self, optimizer: Any) -> None:
        """Let a push be a step of the optimiser, the pushed array being a gradient."""
        from .optimizer import get_updater

        self._updater = get_updater(optimizer)

    def barrier(self) -> None:
        """Do nothing: there is one process."""

    def _get(self, key: Any) -> NDArray:
        if key not in self._store:
            raise ParameterError(f"the key {key!r} was not set: call init() first")
        return self._store[key]


def _pairs(key: Any, value: Any) -> list[tuple[Any, Sequence[NDArray]]]:
    keys = list(key) if isinstance(key, (list, tuple)) else [key]
    values = list(value) if isinstance(key, (list, tuple)) else [value]
    for k in keys:
        if not isinstance(k, (numbers.Integral, str)):
            raise TypeError(f"a key is a whole number or a string, got {k!r}")
    if len(keys) != len(values):
        raise ParameterError(f"{len(values)} values for {len(keys)} keys")
    return [(k, v if isinstance(v, (list, tuple)) else [v]) for k, v in zip(keys, values, strict=True)]


def create(name: str = "local") -> KVStore:
    """Make a store; only those within one process are there."""
    if not isinstance(name, str):
        raise TypeError("name must be a string")
    if name not in KINDS:
        raise ParameterError(f"no store {name!r}: there are {', '.join(KINDS)}; graphnn trains in one process")
    return KVStore(name)
