"""Whether threads pay: on a busy machine one thread that does all the work is sooner done than two that wait."""

from __future__ import annotations

from collections import deque

__all__ = ["Pace"]

PROBE = 64  # every so many runs the other way is tried
KEPT = 3  # times of each way that count; the least of them stands for it, since what disturbs only adds


class Pace:
    """Chooses, run by run, between threads and one after another, by how long both took lately.

    The choice changes no result: the same calls run in an order that gives the same bits.
    """

    def __init__(self) -> None:
        self._times: dict[bool, deque[float]] = {way: deque(maxlen=KEPT) for way in (True, False)}
        self._runs = 0

    def together(self) -> bool:
        """Tell whether the next run is one of threads."""
        self._runs += 1
        if self._runs <= 2 * KEPT:
            return self._runs % 2 == 1
        better = min(self._times[True]) <= min(self._times[False])
        return better if self._runs % PROBE else not better

    def took(self, together: bool, seconds: float) -> None:
        """Note how long a run took."""
        self._times[together].append(seconds)
