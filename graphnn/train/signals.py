"""Ending at a good moment: Ctrl-C, a request to terminate and a time limit, looked at between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import final

__all__ = ["Interrupted", "Watch", "watching"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@final
class Interrupted(KeyboardInterrupt):
    """Training was asked to end by a signal, and did, between two steps."""

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

    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield watch
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
