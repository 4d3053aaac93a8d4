"""mx.util: whether unknown sizes are shown as NumPy's users of MXNet know them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["getenv", "is_np_array", "is_np_shape", "np_shape", "set_np_shape", "setenv", "use_np_shape"]

_np_shape: ContextVar[bool] = ContextVar("graphnn_np_shape", default=False)


def is_np_shape() -> bool:
    """Tell whether an unknown shape is None and an unknown size -1, and not () and 0."""
    return _np_shape.get()


def set_np_shape(active: bool) -> bool:
    """Choose; give what it was before."""
    before = is_np_shape()
    _np_shape.set(bool(active))
    return before


@contextmanager
def np_shape(active: bool = True) -> Iterator[None]:
    """Choose for a block."""
    token = _np_shape.set(bool(active))
    try:
        yield
    finally:
        _np_shape.reset(token)


def use_np_shape(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function to run with np_shape(True)."""

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        with np_shape(True):
            return func(*args, **kwargs)

    return run


def getenv(name: str) -> str | None:
    """Give an environment variable, or None."""
    return os.environ.get(name)


def setenv(name: str, value: str | None) -> None:
    """Set an environment variable; None removes it."""
    os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value


def is_np_array() -> bool:
    """Give False: there is no mx.np."""
    return False
