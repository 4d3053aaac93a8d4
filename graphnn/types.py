"""The type of a tensor: shape and dtype, complete after binding, partial before."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import DTypeError, ShapeError

__all__ = [
    "DTYPES",
    "DTYPE_FLAGS",
    "Contradiction",
    "Count",
    "Shape",
    "TensorType",
    "dtype_name",
    "known",
    "merge",
    "nbytes",
    "show_shape",
]

Shape = tuple[int, ...]
Count = int  # a positive one: annotations of operator parameters are their parsers' names

# MXNet's type flags, as in symbol files (`__dtype__`) and .params files.
DTYPE_FLAGS = {
    "float32": 0,
    "float64": 1,
    "float16": 2,
    "uint8": 3,
    "int32": 4,
    "int8": 5,
    "int64": 6,
    "bool": 7,
    "int16": 8,
    "uint16": 9,
    "uint32": 10,
    "uint64": 11,
}
DTYPES = {
    "float32": 4,
    "float64": 8,
    "float16": 2,
    "uint8": 1,
    "int32": 4,
    "int8": 1,
    "int64": 8,
    "bool": 1,
    "int16": 2,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
}


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape and dtype of one tensor, both complete."""

    shape: Shape
    dtype: str = "float32"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * DTYPES[self.dtype]

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


def nbytes(shape: Shape, dtype: str) -> int:
    """Give the bytes of a tensor, in Python integers, so that no shape overflows."""
    return math.prod(shape) * DTYPES[dtype]


def dtype_name(dtype: object) -> str:
    """Give the canonical name of a dtype: `numpy.float32`, `"float32"`, `float` -> `"float32"`-like text.

    Text must be such a name already: it may come from a file, and NumPy evaluates what it does not know.
    """
    if isinstance(dtype, str):
        if dtype in DTYPES:
            return dtype
        raise DTypeError(f"unknown dtype {dtype[:80]!r}: one of {', '.join(DTYPES)}")
    import numpy as np

    try:
        name = np.dtype(dtype).name  # type: ignore[call-overload]
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise DTypeError(f"unknown dtype {name!r}: one of {', '.join(DTYPES)}")
    return str(name)


def known(shape: Shape | None) -> bool:
    """Tell whether every size of a partial shape is known (0 and None mean unknown)."""
    return shape is not None and 0 not in shape


class Contradiction(ShapeError):
    """Two partial shapes that differ: whoever knows which is which says it better."""


def merge(a: Shape | None, b: Shape | None) -> Shape | None:
    """Unite what two partial shapes know; raise Contradiction (a ShapeError) where they differ."""
    if a is None or a == b:
        return b
    if b is None:
        return a
    if len(a) != len(b):
        raise Contradiction(f"{show_shape(a)} and {show_shape(b)} differ in their number of axes")
    if any(x != y and x and y for x, y in zip(a, b, strict=True)):
        raise Contradiction(f"{show_shape(a)} and {show_shape(b)} differ")
    return tuple(x or y for x, y in zip(a, b, strict=True))


def show_shape(shape: Shape | None) -> str:
    """Write a partial shape: `(64, ?, 28)`; `?` where nothing is known."""
    if shape is None:
        return "?"
    inner = ", ".join(str(n) if n else "?" for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
