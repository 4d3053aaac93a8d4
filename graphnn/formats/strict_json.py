"""JSON that a stranger may have written: read with a cap, no key twice, no NaN, errors with the file."""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

from ..errors import FormatError
from .regular import reading

__all__ = ["MAX_BYTES", "loads", "read_text"]

MAX_BYTES = 1 << 20
_MAX_DIGITS = 20  # as many as 2^64 has


def read_text(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> str:
    """Read a UTF-8 file of at most `max_bytes`; FormatError for another, OSError as open() raises it."""
    with reading(path) as (file, size):
        if size > max_bytes:
            raise FormatError(path, "size", f"{size} bytes, at most {max_bytes}")
        data = file.read(size)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FormatError(path, f"byte {error.start}", "not UTF-8 text") from None


def loads(text: str, path: str | os.PathLike[str], where: str = "JSON") -> dict[str, Any]:
    """Read a JSON object; FormatError for whatever is not one."""

    def constant(name: str) -> NoReturn:
        raise FormatError(path, where, f"{name} is no number of JSON")

    def integer(digits: str) -> int:
        if len(digits) > _MAX_DIGITS:
            raise FormatError(path, where, f"a number of {len(digits)} digits")
        return int(digits)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            keys = [key for key, _ in items]
            raise FormatError(path, where, f"the key {max(keys, key=keys.count)[:80]!r} stands twice in one object")
        return found

    try:
        value = json.loads(text, parse_constant=constant, object_pairs_hook=pairs, parse_int=integer)
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(path, where, f"not JSON: {str(error)[:100]}") from None
    if not isinstance(value, dict):
        raise FormatError(path, where, "must be an object")
    return value
