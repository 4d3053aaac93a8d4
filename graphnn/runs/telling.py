"""How a run tells people what it does: the types of what it calls, which the command line gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

__all__ = ["Note", "Progress"]

# Called with a text and the number of batches, or of what a third argument names, it gives a context whose value is
# called after each with the metrics.
Progress = Callable[..., AbstractContextManager[Callable[[list[tuple[str, float]]], object]]]
Note = Callable[[str], object]
