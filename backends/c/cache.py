"""Compiled programs, kept in the user's cache folder so that a network is compiled once.

A cached library is code that will run, so what others could have put there is not taken: the folder and the way to it
belong to the user (no links, mode 0700), and an entry begins with an HMAC under a key that only the user can read.
Whatever does not fit is compiled anew; a folder that does not fit is not used, which a CacheWarning tells.
"""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import json
import logging
import os
import platform
import secrets
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache as once
from pathlib import Path
from typing import Literal

from .library import open_library
from .toolchain import LINK, Target, compile

__all__ = ["CacheWarning", "load", "user_folder"]

MAX_BYTES = 512 << 20
MAX_ENTRIES = 1000

_log = logging.getLogger("graphnn.c")
_KEY = "key"  # the file of the user's key
_KEY_BYTES = _MAC_BYTES = 32
_PART = ".part-"  # what a writer that was killed leaves begins with this


class CacheWarning(UserWarning):
    """Compiled programs are not kept: each is compiled again in the next process."""


class _Refused(Exception):
    """The cache folder is not one to trust; says why."""


def load(sources: str | Sequence[str], target: Target, cache: Path | Literal["user"] | None = "user") -> ctypes.CDLL:
    """Give the library of these C sources, from the cache or compiled now.

    `cache` is a folder, "user" for that of the user or None for no cache. Each call gives a library with variables of
    its own. Raises BackendError when it cannot be compiled or loaded.
    """
    units = [sources] if isinstance(sources, str) else list(sources)
    inspected = any(flag.startswith("-fsanitize") for flag in target.flags)
    library = _cached(units, target, user_folder() if cache == "user" else cache)
    return open_library(library, inspected)


def _cached(units: Sequence[str], target: Target, folder: Path | None) -> bytes:
    """Give a library's bytes: kept ones, or new ones, which are kept then."""
    if folder is None:
        return _compiled(units, target)
    name, library = entry_name(units, target), None
    try:
        with _opened(folder) as descriptor:
            key = _key(descriptor)
            library = _read(descriptor, name, key)
            if library is None:
                library = _compiled(units, target)
                _write(descriptor, name, _mac(key, name, library) + library)
                _evict(descriptor)
    except (_Refused, OSError) as error:
        _warn(f"compiled programs are not kept: {error}")
    return _compiled(units, target) if library is None else library


def _compiled(units: Sequence[str], target: Target) -> bytes:
    lines = f"{sum(unit.count(chr(10)) for unit in units):,} lines of C"
    _log.info("compiling %s", lines)
    start = time.perf_counter()
    library = compile(units, target)
    _log.info("compiled %s in %.1f s", lines, time.perf_counter() - start)
    return library


@once
def _warn(text: str) -> None:
    warnings.warn(text, CacheWarning, stacklevel=4)


# What an entry depends on


def entry_name(units: Sequence[str], target: Target) -> str:
    """Give the name of the entry: a digest of all that decides the library."""
    from importlib.metadata import version

    settings = [version("graphnn"), target.command, target.version, target.flags, LINK, _processor()]
    digests = [hashlib.sha256(unit.encode()).hexdigest() for unit in units]
    return hashlib.sha256(json.dumps([settings, digests]).encode()).hexdigest()


@once
def _processor() -> str:
    """Describe the processor, since programs are compiled for it and a home may be shared between machines."""
    found = [platform.machine(), sys.platform]
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        with suppress(OSError, subprocess.SubprocessError):
            found.append(subprocess.run(command, capture_output=True, text=True, timeout=10).stdout)
    with suppress(OSError):
        wanted = ("vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "Features")
        first = Path("/proc/cpuinfo").read_text("utf-8", "replace").split("\n\n")[0]
        found += [line for line in first.splitlines() if line.partition(":")[0].strip() in wanted]
    return "\n".join(found)


# The folder


def user_folder() -> Path | None:
    """Give the folder of the user's compiled programs, None for a user without a home."""
    if sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if os.path.isabs(base) else os.path.expanduser("~/.cache")
    return Path(base, "graphnn", "c") if os.path.isabs(base) else None


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Give a descriptor of the folder, made where it is missing; _Refused unless the way there is the user's own.

    Below the home, or for a folder elsewhere from its grandparent on, each folder is opened in the one before, not
    following links: what was checked is what is used, whatever is renamed meanwhile.
    """
    whole = Path(os.path.abspath(folder))
    home = Path(os.path.abspath(os.path.expanduser("~")))
    start = home if home in whole.parents else whole.parents[min(1, len(whole.parents) - 1)]
    while not start.is_dir():  # a cache home that is yet to be made
        start = start.parent
    here, path = os.open(start, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), start
    try:
        for part in whole.relative_to(start).parts:
            path /= part
            inner = _open_part(here, path)
            os.close(here)
            here = inner
            _check(os.fstat(here), path, 0o002)  # others must not be able to rename what is in it
        _check(os.fstat(here), path, 0o077, owner=True)
        yield here
    finally:
        os.close(here)


def _open_part(parent: int, path: Path) -> int:
    with suppress(FileExistsError):
        os.mkdir(path.name, 0o700, dir_fd=parent)
    if stat.S_ISLNK(os.stat(path.name, dir_fd=parent, follow_symlinks=False).st_mode):
        raise _Refused(f"{path} is a symbolic link")
    return os.open(path.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _check(status: os.stat_result, path: object, forbidden: int, owner: bool = False) -> None:
    """Raise _Refused for what another user owns or may use; a folder on the way may also be root's."""
    if status.st_uid != os.geteuid() and (owner or status.st_uid != 0):
        raise _Refused(f"{path} belongs to another user")
    if status.st_mode & forbidden:
        raise _Refused(f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o})")


# Files in it


def _key(folder: int) -> bytes:
    """Give the user's key, made at the first call; _Refused for one that others may know."""
    try:
        key, status = _content(folder, _KEY, _KEY_BYTES)
    except FileNotFoundError:
        _make_key(folder)
        key, status = _content(folder, _KEY, _KEY_BYTES)
    _check(status, f"the file {_KEY!r} of the cache", 0o177, owner=True)
    if len(key) != _KEY_BYTES:
        raise _Refused(f"the file {_KEY!r} of the cache is damaged: remove it")
    return key


def _make_key(folder: int) -> None:
    """Write a new key under another name, then link it: of several processes the first wins, with a whole file."""
    part = _write_part(folder, secrets.token_bytes(_KEY_BYTES))
    try:
        with suppress(FileExistsError):
            os.link(part, _KEY, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.unlink(part, dir_fd=folder)


def _read(folder: int, name: str, key: bytes) -> bytes | None:
    """Give the library of an entry, None unless it is there and nobody has changed it."""
    try:
        content, _ = _content(folder, name, MAX_BYTES)
    except (FileNotFoundError, _Refused):
        return None
    library = content[_MAC_BYTES:]
    if not hmac.compare_digest(content[:_MAC_BYTES], _mac(key, name, library)):
        return None
    with suppress(OSError):
        os.utime(name, dir_fd=folder, follow_symlinks=False)  # least recently used goes first
    return library


def _mac(key: bytes, name: str, library: bytes) -> bytes:
    """Sign the library together with what it is the library of: entries cannot be exchanged."""
    return hmac.digest(key, name.encode() + library, "sha256")


def _content(folder: int, name: str, most: int) -> tuple[bytes, os.stat_result]:
    """Read a regular file of at most so many bytes, neither following a link nor waiting for a pipe."""
    if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise _Refused(f"{name!r} in the cache is a symbolic link")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(name, flags, dir_fd=folder), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _Refused(f"{name!r} in the cache is no regular file")
        return file.read(most + 1), status


def _write(folder: int, name: str, content: bytes) -> None:
    """Make `content` the file's whole content, at once for those who read it meanwhile."""
    part = _write_part(folder, content)
    try:
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(part, dir_fd=folder)
        raise


def _write_part(folder: int, content: bytes) -> str:
    part = _PART + secrets.token_hex(8)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(part, flags, 0o600, dir_fd=folder), "wb") as file:
            file.write(content)
    except OSError:
        with suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise
    return part


def _evict(folder: int) -> None:
    """Keep the cache within its bounds, and free of what killed writers left."""
    found = []
    for name in os.listdir(folder):
        with suppress(OSError):  # another process evicts too
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if name.startswith(_PART) and status.st_mtime < time.time() - 3600:
                os.unlink(name, dir_fd=folder)
            elif name != _KEY and not name.startswith("."):
                found.append((status.st_mtime, status.st_size, name))
    total = kept = 0
    for _, size, name in sorted(found, reverse=True):  # the newest first
        total, kept = total + size, kept + 1
        if total > MAX_BYTES or kept > MAX_ENTRIES:
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
