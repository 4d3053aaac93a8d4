"""The optimiser's states of a checkpoint: an uncompressed .npz, read only as exactly the arrays that are wanted.

The members are NAME.npy, as numpy.savez writes them and numpy.load reads them. What is wanted is known before the file
is opened, so nothing in the file decides how much memory is taken, and nothing in it is unpickled.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Mapping
from typing import IO

import numpy as np
from numpy.lib import format as npy

from ..errors import FormatError
from . import atomic
from .regular import reading

__all__ = ["load", "save"]

Arrays = Mapping[str, np.ndarray]

_OVERHEAD = 16_384  # bytes a member may take beside its numbers: names of up to 1,024 characters, twice, and headers
_BROKEN = (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, struct.error, OverflowError)


def save(path: str | os.PathLike[str], arrays: Arrays) -> None:
    """Write named arrays; the same arrays give the same bytes. Raises what atomic.writing() raises."""
    with atomic.writing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                npy.write_array(member, np.asarray(array, array.dtype.newbyteorder("<"), order="C"), allow_pickle=False)


def load(path: str | os.PathLike[str], wanted: Arrays) -> dict[str, np.ndarray]:
    """Read arrays of the names, shapes and dtypes of `wanted`; raise FormatError for any other content."""
    total = sum(a.nbytes + _OVERHEAD for a in wanted.values()) + _OVERHEAD
    with reading(path) as (file, size):
        if size > total:
            raise FormatError(path, "size", f"{size} bytes, these states need at most {total}")
        content = io.BytesIO(file.read(total))  # a wild offset is a ValueError here, an OSError in a file
    try:
        with zipfile.ZipFile(content) as archive:
            members = _members(path, archive, wanted)
            return {name: _read(path, archive, members[name], name, wanted[name]) for name in wanted}
    except _BROKEN as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(path, "archive", f"not a whole .npz file ({str(error)[:100]})") from None


def _members(path: object, archive: zipfile.ZipFile, wanted: Arrays) -> dict[str, zipfile.ZipInfo]:
    """The members by array name: those wanted, each once, and no other."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name not in wanted or not info.filename.endswith(".npy"):
            raise FormatError(path, f"array {name[:100]!r}", "the optimiser has no such state")
        if name in members:
            raise FormatError(path, f"array {name!r}", "it comes twice")
        if info.compress_type != zipfile.ZIP_STORED:
            raise FormatError(path, f"array {name!r}", "it is compressed, states are written without")
        members[name] = info
    for name in wanted:
        if name not in members:
            raise FormatError(path, f"array {name!r}", "it is missing")
    return members


def _read(path: object, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, wanted: np.ndarray) -> np.ndarray:
    """One array, once its header says what is wanted."""
    dtype = wanted.dtype.newbyteorder("<")
    # Compared as text, as NumPy has always written it: a header is never evaluated.
    header = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {wanted.shape}, }}"
    with archive.open(info) as member:
        found = _header(member)
        if found != header:
            raise FormatError(path, f"array {name!r}", f"its header is {found[:100]!r}, wanted {header!r}")
        content = member.read(wanted.nbytes)
        if len(content) != wanted.nbytes or member.read(1):
            raise FormatError(path, f"array {name!r}", f"its numbers must take {wanted.nbytes} bytes")
    return np.frombuffer(content, dtype).reshape(wanted.shape).astype(wanted.dtype)


def _header(member: IO[bytes]) -> str:
    if member.read(8) != b"\x93NUMPY\x01\x00":
        raise ValueError("an array that is not .npy version 1.0")
    (length,) = struct.unpack("<H", member.read(2))
    return member.read(length).decode("latin-1").rstrip()
