"""Ending at a good moment: Ctrl-C, a request to terminate and a time limit, looked at between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import final

__all__ = ["Interrupted", "Watch", "terminable", "watching"]

# Where there is a terminal that can hang up; under nohup it is ignored, and stays so.
_HANGUP = [getattr(signal, "SIGHUP", signal.SIGTERM)]


@final
class Interrupted(KeyboardInterrupt):
    """A signal asked to end; while training runs it ends between two steps."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@final
class Watch:
    """What has been asked for since training began."""

    def __init__(self, minutes: float | None) -> None:
        self.signal = 0
        self._end = None if minutes is None else monotonic() + 60 * minutes

    @property
    def time_is_up(self) -> bool:
        return self._end is not None and monotonic() >= self._end

    def check(self) -> None:
        """Raise Interrupted if a signal came."""
        if self.signal:
            raise Interrupted(self.signal)


@contextmanager
def watching(minutes: float | None) -> Iterator[Watch]:
    """Give a Watch that signals reach; a second one interrupts at once. Outside of the main thread none do."""
    watch = Watch(minutes)

    def note(number: int, frame: FrameType | None) -> None:
        if watch.signal:
            raise Interrupted(number)
        watch.signal = number

    with _handled(note, signal.SIGINT):
        yield watch


@contextmanager
def terminable() -> Iterator[None]:
    """Have a request to terminate raise Interrupted, as Ctrl-C raises KeyboardInterrupt, so that all is cleared up."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    with _handled(end):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], *more: int) -> Iterator[None]:
    """Have the signals that end a process, and `more`, call `handler`; in the main thread, where Python allows it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = {signal.SIGTERM, *more, *(n for n in _HANGUP if signal.getsignal(n) != signal.SIG_IGN)}
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
