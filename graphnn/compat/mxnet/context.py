"""Devices by MXNet's names: all of them are the CPU here."""

from __future__ import annotations

import warnings
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

__all__ = ["Context", "cpu", "cpu_pinned", "current_context", "gpu", "num_gpus"]

TYPES = {"cpu": 1, "gpu": 2, "cpu_pinned": 3, "cpu_shared": 5}

_current: ContextVar[Context | None] = ContextVar("graphnn_context", default=None)


class Context:
    """A device's name; a `with` block makes it the current one. Nothing is computed elsewhere than on the CPU."""

    def __init__(self, device_type: Context | str, device_id: int = 0) -> None:
        if isinstance(device_type, Context):
            kind, number = device_type.device_type, device_type.device_id
        else:
            kind, number = device_type, device_id
        if kind not in TYPES:
            raise ValueError(f"no device {kind!r}; there are: {', '.join(TYPES)}")
        if kind == "gpu":
            warnings.warn(f"gpu({number}): graphnn runs on the CPU, the device is ignored", stacklevel=3)
        self.device_type: str = kind
        self.device_id: int = number
        self._tokens: list[Token[Any]] = []

    @property
    def device_typeid(self) -> int:
        return TYPES[self.device_type]

    def __hash__(self) -> int:
        return hash((self.device_type, self.device_id))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Context) and hash(self) == hash(other)

    def __repr__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    def __enter__(self) -> Context:
        self._tokens.append(_current.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._tokens.pop())

    def empty_cache(self) -> None:
        """Do nothing: there is no pool of device memory."""


def cpu(device_id: int = 0) -> Context:
    """Name the CPU."""
    return Context("cpu", device_id)


def cpu_pinned(device_id: int = 0) -> Context:
    """Name the CPU."""
    return Context("cpu_pinned", device_id)


def gpu(device_id: int = 0) -> Context:
    """Name a GPU, which is ignored with a warning."""
    return Context("gpu", device_id)


def num_gpus() -> int:
    """Give 0."""
    return 0


def current_context() -> Context:
    """Give the device of the innermost `with` block, or the CPU."""
    return _current.get() or cpu()
