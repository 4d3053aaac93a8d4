"""Files of the safetensors format, read and written with its own library (extra "safetensors")."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import DTypeError, FormatError, MissingExtraError
from . import atomic
from .regular import reading

__all__ = ["load", "save"]


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingExtraError("a .safetensors file", "safetensors", "safetensors") from None
    return safetensors


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read all arrays by name; raise FormatError for what is not such a file."""
    library = _library()
    with reading(path) as (file, size):
        content = file.read(size)
    try:
        return dict(library.numpy.load(content))
    except (library.SafetensorError, KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise FormatError(path, "safetensors", str(error)[:200]) from None


def save(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays; raise DTypeError for a type that the format does not have."""
    library = _library()
    try:
        content = library.numpy.save({k: np.ascontiguousarray(v) for k, v in arrays.items()})
    except (library.SafetensorError, KeyError, ValueError) as error:
        raise DTypeError(f"{path}: {error}") from None
    atomic.write(path, content)
