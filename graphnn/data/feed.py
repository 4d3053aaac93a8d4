"""Batches made ahead while the network trains: by a thread, or by processes of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Self, final

import numpy as np

from ..errors import WorkerError
from .batches import Batches
from .iterators import DataBatch
from .processes import CONTEXT, pool, submitting

__all__ = ["Feed"]

_AHEAD = 2  # batches for each worker


@final
class Feed:
    """The batches of `source`, in order, made ahead by `workers` processes, or with 0 of them by a thread.

    Which of them makes a batch changes nothing in it. Processes start with the first epoch, see the arrays in memory
    they share, and end with this one, however that ends. Use it in a `with` block, or close() it.
    """

    def __init__(self, source: Batches, workers: int = 0) -> None:
        self.source, self._workers = source, workers
        self._pool: Executor | None = None

    def epoch(self, number: int, start: int = 0, stop: int | None = None) -> Iterator[DataBatch]:
        """Give the batches of an epoch from batch `start` on, up to `stop` (None: to the last)."""
        if self._pool is None:
            self._pool = _processes(self.source, self._workers) if self._workers else ThreadPoolExecutor(1)
        make: Any = _make if self._workers else self.source.make
        todo = iter(range(start, len(self.source) if stop is None else stop))
        ahead: deque[Future[DataBatch]] = deque()
        try:
            for k in todo:
                with self._telling(), submitting():
                    ahead.append(self._pool.submit(make, number, k))
                if len(ahead) > _AHEAD * max(1, self._workers):
                    yield self._next(ahead)
            while ahead:
                yield self._next(ahead)
        finally:
            for future in ahead:
                future.cancel()

    def _next(self, ahead: deque[Future[DataBatch]]) -> DataBatch:
        with self._telling():
            return ahead.popleft().result()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say in a line that a worker is gone; whoever gives work to the others or takes it hears of it."""
        try:
            yield
        except BrokenProcessPool:
            self.close()
            raise WorkerError("a worker process was killed (out of memory?): fewer --workers take less") from None

    def close(self) -> None:
        """End the thread or the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


# Arrays in memory that processes share. A memory-mapped file is opened again instead.


def _shared(x: np.ndarray) -> tuple[Any, str, tuple[int, ...]]:
    if isinstance(x, np.memmap) and x.filename is not None and x.flags.c_contiguous:
        return (str(x.filename), x.offset), x.dtype.str, x.shape
    memory = CONTEXT.RawArray("b", max(1, x.nbytes))
    np.frombuffer(memory, x.dtype, x.size).reshape(x.shape)[...] = x
    return memory, x.dtype.str, x.shape


def _opened(memory: Any, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    if isinstance(memory, tuple):
        return np.memmap(memory[0], dtype, "r", memory[1], shape)
    return np.frombuffer(memory, dtype, int(np.prod(shape))).reshape(shape)


def _processes(source: Batches, workers: int) -> Executor:
    arrays = tuple(_shared(a) for a in (source.x, source.y))
    nothing = np.empty(0, np.uint8)
    return pool(workers, partial(_begin, replace(source, x=nothing, y=nothing), arrays))


_source: Batches  # of a worker process


def _begin(source: Batches, arrays: tuple[Any, ...]) -> None:
    """Make a worker process ready."""
    global _source
    x, y = (_opened(*a) for a in arrays)
    _source = replace(source, x=x, y=y)


def _make(epoch: int, k: int) -> DataBatch:
    return _source.make(epoch, k)
