"""Opening a file to read: a regular one only, so that a pipe cannot hang a reader nor a device feed it for ever."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ..errors import FormatError

__all__ = ["reading"]


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, int]]:
    """Give (file, its size in bytes); FormatError for what is not a regular file, OSError as open() raises it."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FormatError(path, "file", "not a regular file")
    with open(path, "rb") as file:
        yield file, os.fstat(file.fileno()).st_size
