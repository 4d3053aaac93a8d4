"""Batches made ahead while the network trains: by a thread, or by processes of their own."""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import accumulate, starmap
from typing import Any, Self, final

import numpy as np

from ..errors import WorkerError
from .batches import Batches
from .iterators import DataBatch
from .processes import pool, shared, submitting

__all__ = ["Feed"]

_AHEAD = 2  # batches for each worker
_ALIGNED = 64  # bytes
_Kinds = tuple[tuple[str, tuple[int, ...]], ...]  # types and shapes
_Made = tuple[DataBatch, _Kinds | None]  # those of data, label and index where they are in shared memory


@final
class Feed:
    """The batches of `source`, in order, made ahead by `workers` processes, or with 0 of them by a thread.

    Which of them makes a batch changes nothing in it. Processes start with the first epoch, see the arrays in memory
    they share, write those of a batch there too, and end with this one, however that ends. Use it in a `with` block, or
    close() it.
    """

    def __init__(self, source: Batches, workers: int = 0) -> None:
        self.source, self._workers = source, workers
        self._pool: Executor | None = None
        self._slots = _Slots([])

    def epoch(self, number: int, start: int = 0, stop: int | None = None) -> Iterator[DataBatch]:
        """Give the batches of an epoch from batch `start` on, up to `stop` (None: to the last)."""
        executor = self._pool or self._begin()
        make = _make if self._workers else partial(_made, self.source)
        ahead: deque[tuple[Future[_Made], int | None]] = deque()
        try:
            for k in range(start, len(self.source) if stop is None else stop):
                slot = self._slots.take()
                with self._telling(), submitting():
                    ahead.append((executor.submit(make, number, k, slot), slot))
                if len(ahead) > _AHEAD * max(1, self._workers):
                    yield self._next(ahead)
            while ahead:
                yield self._next(ahead)
        finally:
            for future, slot in ahead:
                future.cancel()
                future.add_done_callback(partial(self._slots.give, slot))

    def _begin(self) -> Executor:
        if self._workers:
            self._slots = _slots(self.source, _AHEAD * self._workers + 3)
            self._pool = _processes(self.source, self._slots.memory, self._workers)
        else:
            self._pool = ThreadPoolExecutor(1)
        return self._pool

    def _next(self, ahead: deque[tuple[Future[_Made], int | None]]) -> DataBatch:
        future, slot = ahead[0]
        with self._telling():
            made = future.result()
        ahead.popleft()
        return self._slots.taken(made, slot)

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
    memory = shared(x.nbytes)
    np.frombuffer(memory, x.dtype, x.size).reshape(x.shape)[...] = x
    return memory, x.dtype.str, x.shape


def _opened(memory: Any, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    if isinstance(memory, tuple):
        return np.memmap(memory[0], dtype, "r", memory[1], shape)
    return np.frombuffer(memory, dtype, int(np.prod(shape))).reshape(shape)


# The way back: through a pipe the arrays of a batch would be copied four times, in pieces of 64 KB; and where a process
# is killed between two of these, its pool waits for the second for ever.


@final
class _Slots:
    """Memory for batches that are under way; a slot is free again when nobody has its array any more.

    Without a free one, as when somebody keeps many batches, a batch comes through the pipe.
    """

    def __init__(self, memory: list[Any]) -> None:
        self.memory = memory
        self._free = deque(range(len(memory)))

    def take(self) -> int | None:
        return self._free.popleft() if self._free else None

    def give(self, slot: int | None, *_: object) -> None:
        if slot is not None:
            self._free.append(slot)

    def taken(self, made: _Made, slot: int | None) -> DataBatch:
        """Give the batch that a worker has made, its arrays where the worker put them."""
        batch, kinds = made
        if kinds is None or slot is None:
            self.give(slot)
            return batch
        whole = np.frombuffer(self.memory[slot], np.uint8)
        weakref.finalize(whole, self.give, slot)  # views have `whole` as their base
        data, label, index = _laid(whole, kinds)
        return replace(batch, data=[data], label=[label], index=index)


def _slots(source: Batches, number: int) -> _Slots:
    """Make memory for batches, by what a row takes: its data, a label or one for each class, its place."""
    classes = source.mixing.classes if source.mixing is not None else 0
    row = source.prepare(source.x[:1]).nbytes + 4 * max(classes, source.y[:1].size) + 8
    return _Slots([shared(row * source.size + 3 * _ALIGNED) for _ in range(number)])


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    """How many bytes an array takes in a slot."""
    return -(-math.prod(shape) * np.dtype(dtype).itemsize // _ALIGNED) * _ALIGNED


def _laid(memory: np.ndarray, kinds: _Kinds) -> list[np.ndarray]:
    """Arrays of these types and shapes, one after another in bytes."""
    begins = accumulate(starmap(_size, kinds), initial=0)
    return [
        memory[at : at + math.prod(shape) * np.dtype(dtype).itemsize].view(dtype).reshape(shape)
        for at, (dtype, shape) in zip(begins, kinds, strict=False)
    ]


def _processes(source: Batches, memory: list[Any], workers: int) -> Executor:
    arrays = tuple(_shared(a) for a in (source.x, source.y))
    nothing = np.empty(0, np.uint8)
    return pool(workers, partial(_begin, replace(source, x=nothing, y=nothing), arrays, memory))


_source: Batches  # of a worker process
_memory: list[Any]


def _begin(source: Batches, arrays: tuple[Any, ...], memory: list[Any]) -> None:
    """Make a worker process ready."""
    global _source, _memory
    x, y = (_opened(*a) for a in arrays)
    _source, _memory = replace(source, x=x, y=y), memory


def _make(epoch: int, k: int, slot: int | None) -> _Made:
    """Make a batch, its arrays in the slot if they have room there, and say of what types and shapes they are."""
    batch = _source.make(epoch, k)
    arrays = [*batch.data, *(batch.label or []), batch.index]
    kinds = tuple((a.dtype.str, a.shape) for a in arrays if a is not None)
    if slot is None or sum(starmap(_size, kinds)) > len(_memory[slot]):
        return batch, None
    for place, a in zip(_laid(np.frombuffer(_memory[slot], np.uint8), kinds), arrays, strict=True):
        place[...] = a
    return replace(batch, data=[], label=[], index=None), kinds


def _made(source: Batches, epoch: int, k: int, _slot: None) -> _Made:
    """Make a batch in this process."""
    return source.make(epoch, k), None
