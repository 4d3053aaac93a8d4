"""mx.random: seed(), and the draws themselves, uniform() and so on, which are nd.random's."""

from __future__ import annotations

from typing import Any

from .ndarray import random as _draws
from .seeds import seed

__all__ = ["seed"]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_draws, name)
