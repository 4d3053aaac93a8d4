"""Operator parameters as text: strict parsers, one for each annotation a field may have; nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .errors import DTypeError
from .types import dtype_name

__all__ = ["PARSERS", "parse_choice", "show"]

CAP = 256  # characters of one attribute
LIMIT = 2**48  # no size, stride or count is larger
_INT = re.compile(r"[+-]?[0-9]{1,18}L?\Z")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?f?\Z|[+-]?(inf|nan)\Z", re.IGNORECASE)
_TRUE, _FALSE = {"true", "1", "True"}, {"false", "0", "False"}


def _text(value: str) -> str:
    if len(value) > CAP:
        raise ValueError(f"at most {CAP} characters")
    return value.strip()


def _int(value: object) -> int:
    if isinstance(value, str) and _INT.match(value := _text(value)):
        value = int(value.rstrip("L"))
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ValueError("a whole number")
    n = int(value.__index__())
    if abs(n) > LIMIT:
        raise ValueError(f"a whole number up to {LIMIT}")
    return n


def _count(value: object) -> int:
    n = _int(value)
    if n < 1:
        raise ValueError("a positive whole number")
    return n


def _float(value: object) -> float:
    if isinstance(value, str):
        if not _FLOAT.match(value := _text(value)):
            raise ValueError("a number")
        return float(value.rstrip("fF") if value[-1:] in "fF" and "inf" not in value.lower() else value)
    if isinstance(value, bool):
        return float(value)
    if not hasattr(value, "__float__"):
        raise ValueError("a number")
    return float(value)


def _bool(value: object) -> bool:
    if isinstance(value, str):
        value = _text(value)
        if value in _TRUE or value in _FALSE:
            return value in _TRUE
    elif value in (True, False):
        return bool(value)
    raise ValueError("True or False")


def _is_none(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip() == "None")


def _ints(value: object, item: Callable[[object], Any] = _int) -> tuple[Any, ...]:
    if isinstance(value, str):
        text = _text(value)
        if text[:1] in ("(", "[") and text[-1:] == {"(": ")", "[": "]"}[text[0]]:
            inner = text[1:-1].strip().removesuffix(",")
            value = inner.split(",") if inner else ()
        else:
            value = (text,)
    elif not isinstance(value, (tuple, list)):
        value = (value,)
    try:
        return tuple(item(v) for v in value)
    except ValueError:
        raise ValueError("a tuple of whole numbers") from None


def _floats(value: object) -> tuple[float, ...]:
    try:
        return _ints(value, _float)
    except ValueError:
        raise ValueError("a tuple of numbers") from None


def _shape(value: object) -> tuple[int, ...]:
    out = _ints(value)
    if len(out) > 32 or any(n < 0 for n in out):
        raise ValueError("a tuple of at most 32 sizes, none negative")
    return out


def _dtype(value: object) -> str:
    try:
        return dtype_name(_text(value) if isinstance(value, str) else value)
    except DTypeError as e:
        raise ValueError(f"a dtype ({e})") from None


def _optional(parser: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if _is_none(value) else parser(value)


def _int_or_none(value: object) -> int | None:
    return None if _is_none(value) else _int(value)


PARSERS: dict[str, Callable[[object], Any]] = {
    "int": _int,
    "Count": _count,
    "float": _float,
    "bool": _bool,
    "str": lambda v: _text(str(v)),
    "Shape": _shape,
    "tuple[int, ...]": _shape,  # Shape where annotations are no text
    "Ints": _ints,
    "Floats": _floats,
    "OptionalInts": lambda v: _ints(v, _int_or_none),
    "Axes": _optional(_ints),
    "DType": _dtype,
    "int | None": _int_or_none,
    "float | None": _optional(_float),
    "bool | None": _optional(_bool),
    "DType | None": _optional(_dtype),
}


def parse_choice(kind: str, value: object) -> str | None:
    """Parse a `Literal["a", "b"]` annotation, with `| None` or without."""
    choices = re.findall(r"['\"]([^'\"]*)['\"]", kind)
    if kind.endswith("| None") and _is_none(value):
        return None
    if "float32" in choices and not isinstance(value, str):  # some of the types, given as NumPy names them
        try:
            value = dtype_name(value)
        except DTypeError:
            value = None
    if not isinstance(value, str) or _text(value) not in choices:
        raise ValueError("one of " + ", ".join(choices))
    return _text(value)


def show(value: object) -> str:
    """Write a parameter's value as MXNet writes it in files."""
    if isinstance(value, float):
        return repr(int(value)) + ".0" if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)
