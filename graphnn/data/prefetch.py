"""Batches made ahead by a thread while the last one is being used."""

from __future__ import annotations

import threading
import weakref
from queue import SimpleQueue
from typing import Self, final

from ..errors import ParameterError
from .iterators import DataBatch, DataIter

__all__ = ["PrefetchIter"]


@final
class PrefetchIter(DataIter):
    """The same batches as `iter`, up to `depth` of them made ahead by a thread.

    The thread starts with an epoch's first batch. What `iter` raises is raised by next() in its place. reset(), setting
    `epoch`, close(), leaving the `with` block and dropping the last reference stop the thread; after close() the epoch
    is over. While an epoch runs, `iter` must not be used directly.
    """

    def __init__(self, iter: DataIter, depth: int = 2) -> None:
        if depth < 1:
            raise ParameterError(f"depth must be at least 1, got {depth}")
        super().__init__(iter.batch_size)
        self.provide_data, self.provide_label = iter.provide_data, iter.provide_label
        self._source, self._depth = iter, depth
        self._worker: _Worker | None = None
        self._over = False

    @property
    def epoch(self) -> int:
        """The epoch of the source; setting it goes to that epoch's first batch."""
        return self._source.epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self.close()
        self._source.epoch, self._over = value, False

    def reset(self) -> None:
        """Stop the thread, drop what it made ahead, and reset the source."""
        self.close()
        self._source.reset()
        self._over = False

    def next(self) -> DataBatch:
        """The next batch; StopIteration at the end of the epoch, or what the source raised."""
        if self._over:
            raise StopIteration
        if self._worker is None:
            self._worker = _Worker(self._source, self._depth)
        item = self._worker.take()
        if isinstance(item, DataBatch):
            return item
        self.close()
        self._over = isinstance(item, StopIteration)  # after another error the source may have more
        raise item

    def close(self) -> None:
        """Stop the thread; the epoch is over until reset()."""
        if self._worker is not None:
            self._worker.stop()
        self._worker, self._over = None, True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Worker:
    """A thread and what it has made; the thread holds no reference to the worker, so that it ends with it."""

    def __init__(self, source: DataIter, depth: int) -> None:
        self._made: SimpleQueue[DataBatch | BaseException] = SimpleQueue()
        self._room, stopped = threading.Semaphore(depth), threading.Event()
        arguments = (source, self._made, self._room, stopped)
        self._thread = threading.Thread(target=_produce, args=arguments, name="graphnn-prefetch", daemon=True)
        self._signal = weakref.finalize(self, _stop, stopped, self._room)
        self._thread.start()

    def take(self) -> DataBatch | BaseException:
        """The next batch, or the error that ended the thread."""
        self._room.release()  # before get(): an interrupt between the two must not cost a place
        return self._made.get()

    def stop(self) -> None:
        """End the thread and wait for it: the source is free then."""
        self._signal()
        self._thread.join()


def _produce(
    source: DataIter,
    made: SimpleQueue[DataBatch | BaseException],
    room: threading.Semaphore,
    stopped: threading.Event,
) -> None:
    while room.acquire() and not stopped.is_set():
        try:
            made.put(source.next())
        except BaseException as error:  # handed on, StopIteration too
            made.put(error)
            return


def _stop(stopped: threading.Event, room: threading.Semaphore) -> None:
    stopped.set()
    room.release()
