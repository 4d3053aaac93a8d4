"""Weights of a compiled network: as C arrays that give back every bit, or as a block of bytes beside the program.

A block is a head of 64 bytes, then the arrays, each on a multiple of 64 bytes, everything little-endian:

    0   8 bytes   the letters "graphnnW"
    8   uint32    the version of the format, 1
    12  uint32    CRC-32, as zlib has it, of everything after the head
    16  uint64    bytes of the whole block
    24  40 bytes  zero
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphnn.arena import ALIGN, aligned
from graphnn.errors import BackendError

from .source import C_TYPES

__all__ = ["HEAD", "MAGIC", "VERSION", "Block", "definition"]

MAGIC, VERSION, HEAD = b"graphnnW", 1, 64
A_LINE = 10  # numbers
_SPECIAL = {"nan": "NAN", "-nan": "NAN", "inf": "INFINITY", "-inf": "-INFINITY", "-0": "-0.0"}


def definition(name: str, array: np.ndarray) -> str:
    """Write `static const TYPE name[n] = {...};`."""
    kind = C_TYPES.get(str(array.dtype))
    if kind is None:
        raise BackendError(f"an array of {array.dtype} has no type in C")
    numbers = list(_numbers(array.reshape(-1))) or ["0"]
    lines = (", ".join(numbers[i : i + A_LINE]) for i in range(0, len(numbers), A_LINE))
    body = ",\n".join(lines)
    return f"static const {kind} {name}[{len(numbers)}] __attribute__((aligned({ALIGN}))) = {{\n{body}}};\n"


def _numbers(flat: np.ndarray) -> Iterator[str]:
    """Write each number so that a compiler reads the same bits (of nan that it is one).

    Nine digits tell floats apart, and the value in double that C reads first is far closer to the float than to the
    middle between two.
    """
    if flat.dtype.kind == "f":
        digits = "%.9g" if flat.dtype == np.float32 else "%.17g"
        return (_SPECIAL.get(x, x) for x in (digits % v for v in flat.tolist()))
    ending = {"int64": "LL", "uint64": "ULL"}.get(str(flat.dtype), "")
    lowest = np.iinfo(np.int64).min
    return (f"(-{-(v + 1)}LL - 1)" if v == lowest else f"{int(v)}{ending}" for v in flat.tolist())


@dataclass(frozen=True)
class Block:
    """Arrays one after another, behind a head that says which they are."""

    arrays: Mapping[str, np.ndarray]

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Give where each array begins."""
        found, at = {}, HEAD
        for name, array in self.arrays.items():
            found[name] = at
            at += aligned(array.nbytes)
        return found

    @cached_property
    def nbytes(self) -> int:
        return HEAD + sum(aligned(a.nbytes) for a in self.arrays.values())

    @cached_property
    def content(self) -> bytes:
        """Give the whole file."""
        content = bytearray(self.nbytes)
        for name, array in self.arrays.items():
            little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            content[self.offsets[name] : self.offsets[name] + little.nbytes] = little.tobytes()
        head = MAGIC + struct.pack("<IIQ", VERSION, zlib.crc32(memoryview(content)[HEAD:]), self.nbytes)
        content[: len(head)] = head
        return bytes(content)

    @property
    def head(self) -> bytes:
        """Give the 24 bytes by which a program knows its own block."""
        return self.content[:24]
