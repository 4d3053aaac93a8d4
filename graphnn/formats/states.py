"""The optimiser's states of a checkpoint: an uncompressed .npz, read only as exactly the arrays that are wanted.

The members are NAME.npy, as numpy.savez writes them and numpy.load reads them. What is wanted is known before the file
is opened, so nothing in the file decides how much memory is taken, and nothing in it is unpickled.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping

import numpy as np

from ..errors import FormatError
from .npz import archive_of, header_of, members_of, save
from .regular import reading

__all__ = ["PICKLED", "load", "save"]

Arrays = Mapping[str, np.ndarray]

PICKLED = "MXNet pickles its optimiser's states, and reading a pickle runs what code is in it"
_PICKLE = b"\x80"
_OVERHEAD = 16_384  # bytes a member may take beside its numbers: names of up to 1,024 characters, twice, and headers


def load(path: str | os.PathLike[str], wanted: Arrays) -> dict[str, np.ndarray]:
    """Read arrays of the names, shapes and dtypes of `wanted`; raise FormatError for any other content."""
    total = sum(a.nbytes + _OVERHEAD for a in wanted.values()) + _OVERHEAD
    with reading(path) as (file, size):
        start = file.read(1)
        file.seek(0)
        if start == _PICKLE:
            raise FormatError(path, "pickle", f"{PICKLED}: train on without states, or save them as .npz")
        if size > total:
            raise FormatError(path, "size", f"{size} bytes, these states need at most {total}")
        content = io.BytesIO(file.read(total))  # a wild offset is a ValueError here, an OSError in a file
    with archive_of(path, content) as archive:
        members = members_of(path, archive)
        for name in [*members, *wanted]:
            if name not in wanted:
                raise FormatError(path, f"array {name[:100]!r}", "the optimiser has no such state")
            if name not in members:
                raise FormatError(path, f"array {name!r}", "it is missing")
        return {name: _read(path, archive, members[name], name, wanted[name]) for name in wanted}


def _read(path: object, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, wanted: np.ndarray) -> np.ndarray:
    """One array, once its header says what is wanted."""
    dtype = wanted.dtype.newbyteorder("<")
    # Compared as text, as NumPy has always written it: a header is never evaluated.
    header = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {wanted.shape}, }}"
    with archive.open(info) as member:
        found = header_of(member)
        if found != header:
            raise FormatError(path, f"array {name!r}", f"its header is {found[:100]!r}, wanted {header!r}")
        content = member.read(wanted.nbytes)
        if len(content) != wanted.nbytes or member.read(1):
            raise FormatError(path, f"array {name!r}", f"its numbers must take {wanted.nbytes} bytes")
    return np.frombuffer(content, dtype).reshape(wanted.shape).astype(wanted.dtype)
