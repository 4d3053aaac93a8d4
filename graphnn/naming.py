"""Names and attributes that scopes give: NameManager, Prefix, AttrScope, as in MXNet."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from .errors import ParameterError

__all__ = ["HIDDEN", "AttrScope", "NameManager", "Prefix", "current_attrs", "current_names", "spelled"]


class _Scope:
    """A `with` block that replaces the value of one ContextVar. The only ambient state of the project."""

    _var: ContextVar[Any]

    def __init__(self) -> None:
        self._tokens: list[Token[Any]] = []

    def __enter__(self) -> Any:
        self._tokens.append(self._var.set(self._entered()))
        return self

    def _entered(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._var.reset(self._tokens.pop())


_names: ContextVar[Any] = ContextVar("graphnn_names")
_attrs: ContextVar[Any] = ContextVar("graphnn_attrs", default=())


class NameManager(_Scope):
    """Name nodes `hint0`, `hint1`, ... where none is given; a `with` block starts with fresh counters."""

    _var = _names

    def __init__(self) -> None:
        super().__init__()
        self._counters: dict[str, int] = {}

    def get(self, name: str | None, hint: str) -> str:
        """Give `name`, or the next name of `hint`."""
        if name:
            return name
        n = self._counters.get(hint, 0)
        self._counters[hint] = n + 1
        return f"{hint}{n}"


class Prefix(NameManager):
    """Prefix the names of operators, given or not, with `prefix`; variables keep theirs."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        return self._prefix + super().get(name, hint)


def current_names() -> NameManager:
    """Give the name manager in force; each thread starts with its own."""
    manager: NameManager | None = _names.get(None)
    if manager is None:
        manager = NameManager()
        _names.set(manager)
    return manager


# Keys that MXNet stores as __key__ on a node whichever way they are spelt.
HIDDEN = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage")


def spelled(attrs: Mapping[str, str]) -> dict[str, str]:
    """Write hidden keys as `__key__`; check that every value is text."""
    for key, value in attrs.items():
        if not isinstance(value, str):
            raise ParameterError(f"attribute {key!r} must be text, got {value!r}")
    return {f"__{k}__" if k in HIDDEN else k: v for k, v in attrs.items()}


class AttrScope(_Scope):
    """Give every symbol made in the block these attributes; inner scopes win over outer, explicit ones over both."""

    _var = _attrs

    def __init__(self, **attrs: str) -> None:
        super().__init__()
        self._own = tuple(spelled(attrs).items())

    def _entered(self) -> tuple[tuple[str, str], ...]:
        return tuple({**dict(_attrs.get()), **dict(self._own)}.items())


def current_attrs() -> dict[str, str]:
    """Give the attributes of the scopes in force."""
    return dict(_attrs.get())
