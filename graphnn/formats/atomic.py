"""Safe writing: a file is there as a whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["sweep", "write", "writing"]

_PREFIX, _SUFFIX = ".graphnn-", ".part"
_DISK_ERRORS = {errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT}


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Give a binary file that becomes `path` when the block ends well, and vanishes when it does not.

    The bytes go to a temporary file in the same folder and to the disk before the rename, so that a crash at any time
    leaves the old file or the new one. An old file's mode is kept; a symbolic link is replaced, not followed. Raises
    OSError, with `path` in it, where nothing can be written, and for a folder, a device, a pipe or a standard stream.
    """
    target = Path(path)
    mode = _replaceable(target)
    temporary = target.parent / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:  # KeyboardInterrupt too
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename is None and error.errno in _DISK_ERRORS:
            error.filename = str(target)
        raise
    _sync_folder(target.parent)


def write(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Make `content` (text as UTF-8) the whole content of `path`; raises what writing() raises."""
    with writing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def sweep(folder: str | os.PathLike[str], older_than: float = 3600.0) -> int:
    """Remove what killed writers left in `folder` more than `older_than` seconds ago; the number of files."""
    limit, count = time.time() - older_than, 0
    for file in Path(folder).glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError):
            if file.lstat().st_mtime < limit:
                file.unlink()
                count += 1
    return count


def _replaceable(target: Path) -> int | None:
    """The mode of the regular file at `target`, None if there is nothing; OSError if it is not to be replaced."""
    folder = os.path.realpath(target.parent)
    # /dev/stdout and /dev/fd/1 look like regular files when the stream is redirected to one
    if folder in ("/dev", "/dev/fd") or folder.startswith("/proc/"):
        raise OSError(errno.EINVAL, "cannot be written: it is a device or a stream, give a file", str(target))
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "cannot be written: it is not a regular file", str(target))
    return stat.S_IMODE(mode)


def _sync_folder(folder: Path) -> None:
    """Bring the rename to the disk; file systems and folders that do not allow it are let be."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
