"""The idx format of MNIST and its relatives, plain or gzipped.

A file is u16 0, u8 type (8: bytes), u8 ndim, then ndim sizes as big-endian u32, then the data.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from ..errors import FormatError
from ..formats.regular import reading

__all__ = ["read", "read_images", "read_labels"]

_BYTES, _GZIP = 8, b"\x1f\x8b"
# MNIST inflates 4.7 times, EMNIST 3.3 times; a file that promises much more is a bomb
_FREE, _RATIO = 2**26, 4
_CHUNK = 2**18


def read_images(path: str | os.PathLike[str]) -> np.ndarray:
    """Read grey images (n, height, width) as uint8."""
    return read(path, 3)


def read_labels(path: str | os.PathLike[str], classes: int) -> np.ndarray:
    """Read labels (n,) as uint8, each below `classes`."""
    y = read(path, 1)
    if y.max() >= classes:
        row = int(np.argmax(y >= classes))
        raise FormatError(path, f"label {row}", f"{y[row]} is not below {classes}")
    return y


def read(path: str | os.PathLike[str], ndim: int) -> np.ndarray:
    """Read an idx file of unsigned bytes with `ndim` dimensions.

    Raises FormatError for everything else: another type or number of dimensions, a size of 0, missing or trailing
    bytes, a damaged gzip stream, more than 64 MiB and four times the file's size. At most header, data and one byte
    are inflated.
    """
    with reading(path) as (file, size):
        packed = file.read(2) == _GZIP
        file.seek(0)
        if not packed:
            return _read(path, file.read, ndim, size)
        inflater = _Inflater(file)
        try:
            x = _read(path, inflater.read, ndim, _FREE + _RATIO * size)
        except (EOFError, zlib.error) as error:
            raise FormatError(path, "gzip", str(error)) from None
        if inflater.trails():
            raise FormatError(path, "gzip", "bytes behind the compressed data")
        return x


class _Inflater:
    """The one member of a gzip file; no more of it is inflated than is asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stream = zlib.decompressobj(wbits=31)  # 31: a gzip header and checksum, read in C

    def read(self, count: int) -> bytes:
        """Up to `count` bytes, fewer only at the end; EOFError if the file ends before the stream does."""
        content = b""
        while len(content) < count and not self._stream.eof:
            packed = self._stream.unconsumed_tail or self._file.read(_CHUNK)
            part = self._stream.decompress(packed, count - len(content))
            if not packed and not part:
                raise EOFError("the file ends within the compressed data")
            content += part
        return content

    def trails(self) -> bool:
        """Whether anything comes behind the member."""
        return bool(self._stream.unused_data or self._file.read(1))


def _read(path: str | os.PathLike[str], take: Callable[[int], bytes], ndim: int, limit: int) -> np.ndarray:
    """Read the header, check it against `limit` bytes in all, and only then make the array."""
    shape = _read_header(path, take(4 + 4 * ndim), ndim)
    start, product = 4 + 4 * ndim, math.prod(shape)
    if product > limit - start:
        raise FormatError(path, "offset 4", f"{shape} is {product} bytes, at most {max(limit - start, 0)} can be there")
    x, got = np.empty(product, np.uint8), 0
    while got < product and (part := take(min(_CHUNK, product - got))):
        x[got : got + len(part)] = np.frombuffer(part, np.uint8)
        got += len(part)
    if got < product:
        raise FormatError(path, f"offset {start + got}", f"{shape} needs {product} bytes, the data end after {got}")
    if take(1):
        raise FormatError(path, f"offset {start + product}", f"bytes behind the data {shape}")
    return x.reshape(shape)


def _read_header(path: str | os.PathLike[str], header: bytes, ndim: int) -> tuple[int, ...]:
    wanted = bytes([0, 0, _BYTES, ndim])
    if header[:4] != wanted:
        reason = f"the first bytes must be {wanted.hex(' ')} (bytes, {ndim} dimensions), got {header[:4].hex(' ')}"
        raise FormatError(path, "offset 0", reason)
    if len(header) < 4 + 4 * ndim:
        raise FormatError(path, f"offset {len(header)}", "the file ends within the header")
    shape = struct.unpack(f">{ndim}I", header[4:])
    if 0 in shape:
        raise FormatError(path, "offset 4", f"nothing in it: its dimensions are {shape}")
    return shape
