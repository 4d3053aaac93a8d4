"""From a shared library's bytes to the library loaded, without a file that others could change on the way."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import sys
import tempfile
from itertools import count
from pathlib import Path

from graphnn.errors import BackendError

__all__ = ["open_library"]

_serial = count(1)


def open_library(library: bytes, inspected: bool = False) -> ctypes.CDLL:
    """Load a library: from sealed memory on Linux, elsewhere from a private file that is gone once it is loaded.

    `inspected` keeps a file until the process ends, for debuggers and sanitizers that look for the program's symbols.
    Two calls with the same bytes give two libraries with variables of their own. Raises BackendError.
    """
    if sys.platform == "linux" and not inspected:
        try:
            return _from_memory(library)
        except OSError:
            pass  # no /proc, or a policy against it
    try:
        return _from_file(library, inspected)
    except OSError as error:
        raise BackendError(f"the compiled program cannot be loaded: {error}") from None


def _from_memory(library: bytes) -> ctypes.CDLL:
    import fcntl

    descriptor = os.memfd_create("graphnn", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(library)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        return ctypes.CDLL(_path_of(descriptor))
    finally:
        os.close(descriptor)


def _path_of(descriptor: int) -> str:
    """Give a path to the descriptor that no call before has given.

    The loader takes a path it knows for the library it has loaded from there, and descriptors' numbers come again: so
    a serial number is written into the path in binary, `/` for 0 and `/.` for 1, neither of which leads elsewhere.
    """
    digits = f"{next(_serial):b}".replace("1", "/.").replace("0", "/")
    return f"/proc/self/fd{digits}/{descriptor}"


def _from_file(library: bytes, keep: bool) -> ctypes.CDLL:
    folder = tempfile.mkdtemp(prefix="graphnn-c-")  # nobody else's, mode 0700
    try:
        file = Path(folder, "program.so")
        file.write_bytes(library)
        return ctypes.CDLL(str(file))
    finally:
        if keep:
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
