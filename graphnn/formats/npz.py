"""Uncompressed .npz archives, as numpy.savez writes them: what is in one is told before memory is taken for it.

The members are NAME.npy. Their headers are read by a regular expression, so nothing in a file is evaluated or
unpickled; compressed members are refused, since a small file could hold a large array.
"""

from __future__ import annotations

import errno
import math
import os
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

import numpy as np
from numpy.lib import format as npy

from ..errors import FormatError
from . import atomic
from .regular import reading

__all__ = ["archive_of", "header_of", "load", "members_of", "save"]

Arrays = Mapping[str, np.ndarray]

MAX_ARRAYS, MAX_NDIM, MAX_NAME = 100_000, 8, 1024
# What zipfile raises for damaged archives; NotImplementedError is its word for a compression it does not know.
_BROKEN = (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, struct.error, OverflowError)
_HEADER = re.compile(
    r"\{'descr': '([<|=]?)([?bhilqBHILQefd]|[fiub][1248])', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,15}, ?)*(?:\d{1,15})?)\), ?\}"
)


def save(path: str | os.PathLike[str], arrays: Arrays) -> None:
    """Write named arrays; the same arrays give the same bytes. Raises what atomic.writing() raises."""
    with atomic.writing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                npy.write_array(member, np.asarray(array, array.dtype.newbyteorder("<"), order="C"), allow_pickle=False)


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read all arrays by name; raise FormatError for what is not an uncompressed .npz file of numbers."""
    with reading(path) as (file, size), archive_of(path, file) as archive:
        members = members_of(path, archive)
        return {name: _read(path, archive, info, name, size) for name, info in members.items()}


@contextmanager
def archive_of(path: object, file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open an archive; whatever goes wrong with it is a FormatError."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (*_BROKEN, OSError) as error:
        if isinstance(error, FormatError) or (isinstance(error, OSError) and error.errno != errno.EINVAL):
            raise  # EINVAL: an offset that no file has
        raise FormatError(path, "archive", f"not a whole .npz file ({str(error)[:100]})") from None


def members_of(path: object, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Give the members by array name, each once and uncompressed."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if not info.filename.endswith(".npy") or not 0 < len(name) <= MAX_NAME:
            raise FormatError(path, f"member {info.filename[:100]!r}", "it is no array")
        if name in members:
            raise FormatError(path, f"array {name[:100]!r}", "it comes twice")
        if info.compress_type != zipfile.ZIP_STORED:
            raise FormatError(path, f"array {name[:100]!r}", "it is compressed: write it without, as numpy.savez does")
        members[name] = info
        if len(members) > MAX_ARRAYS:
            raise FormatError(path, "archive", f"over {MAX_ARRAYS} arrays")
    return members


def header_of(member: IO[bytes]) -> str:
    """Read a member up to its numbers; give the text that describes them."""
    if member.read(8) != b"\x93NUMPY\x01\x00":
        raise ValueError("an array that is not .npy version 1.0")
    (length,) = struct.unpack("<H", member.read(2))
    return member.read(length).decode("latin-1").rstrip()


def _read(path: object, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, size: int) -> np.ndarray:
    """Read one array, whose bytes are in the file."""
    with archive.open(info) as member:
        header = header_of(member)
        found = _HEADER.fullmatch(header)
        if found is None:
            raise FormatError(
                path, f"array {name[:100]!r}", f"wanted little-endian numbers, its header is {header[:100]!r}"
            )
        dtype = np.dtype(found[1].replace("=", "<") + found[2])
        shape = tuple(int(n) for n in found[4].replace(",", " ").split())
        nbytes = math.prod(shape) * dtype.itemsize
        if len(shape) > MAX_NDIM or nbytes > size:
            raise FormatError(path, f"array {name[:100]!r}", f"{shape} of {dtype} does not fit into the file")
        content = member.read(nbytes)
        if len(content) != nbytes or member.read(1):
            raise FormatError(path, f"array {name[:100]!r}", f"its numbers must take {nbytes} bytes")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if found[3] == "True" else "C")
    return np.array(array, dtype.newbyteorder("="), order="C")
