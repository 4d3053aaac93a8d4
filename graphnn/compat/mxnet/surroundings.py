"""What surrounds a test in mx.test_utils: stderr, environment variables, repeats, an iterator that never ends."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["DummyIter", "discard_stderr", "environment", "retry"]


@contextlib.contextmanager
def discard_stderr() -> Iterator[None]:
    """Send what goes to stderr nowhere."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


@contextlib.contextmanager
def environment(*args: Any) -> Iterator[None]:
    """Set environment variables for a block: (name, value) or a dict; None removes."""
    wanted: Mapping[str, Any] = args[0] if isinstance(args[0], Mapping) else {args[0]: args[1]}
    before = {k: os.environ.get(k) for k in wanted}

    def put(values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = str(value)

    put(wanted)
    try:
        yield
    finally:
        put(before)


def retry(n: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a test of random results fail n - 1 times."""

    def decorate(f: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(f)
        def tried(*args: Any, **kwargs: Any) -> Any:
            for k in range(n):
                try:
                    return f(*args, **kwargs)
                except AssertionError:
                    if k == n - 1:
                        raise
            return None

        return tried

    return decorate


class DummyIter:
    """An iterator that gives the first batch of another for ever."""

    def __init__(self, real_iter: Any) -> None:
        self.real_iter = real_iter
        self.provide_data, self.provide_label = real_iter.provide_data, real_iter.provide_label
        self.batch_size = real_iter.batch_size
        self.the_batch = next(real_iter)

    def __iter__(self) -> DummyIter:
        return self

    def __next__(self) -> Any:
        return self.the_batch

    next = __next__

    def reset(self) -> None:
        """Do nothing."""
