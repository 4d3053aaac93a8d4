"""Fetching the files of data sets: a pinned size and digest each, several mirrors, no trust in any of them."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import sys
import tempfile
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import DataNotFoundError, FormatError
from ..formats import atomic

__all__ = ["Remote", "fetch", "unpack"]

_TIMEOUT, _CHUNK = 15.0, 2**16  # seconds, bytes
_BLOCK = 512  # of a tar archive
_SIZE = re.compile(rb" *([0-7]+)[ \0]")


@dataclass(frozen=True)
class Remote:
    """A file as its mirrors give it: name, size in bytes, sha256."""

    name: str
    size: int
    sha256: str


def fetch(remote: Remote, mirrors: Sequence[str], folder: Path) -> Path:
    """Download a file into `folder`, which is made if need be, from the first mirror that has it as pinned.

    A bar on stderr shows how far it is, or one line where that is no terminal. If no mirror does: FormatError when one
    gave other bytes (nothing is kept), else DataNotFoundError with each mirror's reason.
    """
    from http.client import HTTPException
    from urllib.request import urlopen

    target, failures, wrong = folder / remote.name, list[str](), list[FormatError]()
    for mirror in mirrors:
        url = mirror + remote.name
        try:
            with urlopen(url, timeout=_TIMEOUT) as stream:
                folder.mkdir(parents=True, exist_ok=True)
                with atomic.writing(target) as file:
                    _copy(url, stream, file, remote)
            return target
        except FormatError as error:
            wrong.append(error)
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {getattr(error, 'reason', None) or error or type(error).__name__}")
    if wrong:
        raise wrong[0]
    raise DataNotFoundError("; ".join(failures))


def _copy(url: str, stream: IO[bytes], file: IO[bytes], remote: Remote) -> None:
    """Copy at most the pinned size and one byte; FormatError unless size and digest are as pinned."""
    from tqdm import tqdm

    digest, got = hashlib.sha256(), 0
    options: dict[str, Any] = {"unit": "B", "unit_scale": True, "file": sys.stderr, "leave": False}
    plain = sys.stderr is None or not sys.stderr.isatty()
    if plain and sys.stderr is not None:
        print(f"download {url}: {remote.size / 1e6:.1f} MB", file=sys.stderr, flush=True)
    with tqdm(total=remote.size, desc=remote.name, disable=plain, **options) as bar:
        while got <= remote.size and (chunk := stream.read(min(_CHUNK, remote.size + 1 - got))):
            file.write(chunk)
            digest.update(chunk)
            bar.update(len(chunk))
            got += len(chunk)
    if got != remote.size:
        came = "more" if got > remote.size else f"{got}"
        raise FormatError(url, "size", f"{remote.size} bytes wanted, {came} came")
    if digest.hexdigest() != remote.sha256:
        raise FormatError(url, "sha256", f"{remote.sha256} wanted, got {digest.hexdigest()}")


def unpack(archive: Path, names: Collection[str], limit: int, folder: Path) -> None:
    """Write the members NAME/FILE of a .tar.gz with FILE in `names`, each up to `limit` bytes, as files of `folder`.

    `folder` appears as a whole or not at all; one that is there already stays. Other members are passed over; a link,
    a missing member, a damaged archive are a FormatError.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpack-") as temporary:
        inside = Path(temporary) / folder.name
        inside.mkdir()
        try:
            with gzip.open(archive) as stream:
                left = _unpack_members(archive, stream, set(names), limit, inside)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(archive, "gzip", str(error)) from None
        if left:
            raise FormatError(archive, "members", f"{', '.join(sorted(left))} not in it")
        try:
            os.rename(inside, folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise


def _unpack_members(
    archive: Path, stream: IO[bytes] | gzip.GzipFile, names: set[str], limit: int, folder: Path
) -> set[str]:
    """Write the members wanted; the names that did not come."""
    while names and any(header := stream.read(_BLOCK)):
        path, size = _parse_header(archive, header)
        name = path.rpartition("/")[2]
        if name in names and size <= limit and header[156:157] in (b"0", b"\0"):
            content = stream.read(size)
            if len(content) < size:
                raise FormatError(archive, name, f"the archive ends after {len(content)} of {size} bytes")
            atomic.write(folder / name, content)
            names.discard(name)
            stream.read(-size % _BLOCK)
        else:
            _skip(stream, size + -size % _BLOCK)
    return names


def _parse_header(archive: Path, header: bytes) -> tuple[str, int]:
    """A member's name and size."""
    if not (size := _SIZE.match(header[124:136])):
        raise FormatError(archive, "members", "not the header of a tar member")
    return header[:100].partition(b"\0")[0].decode("ascii", "replace"), int(size[1], 8)


def _skip(stream: IO[bytes] | gzip.GzipFile, count: int) -> None:
    while count > 0 and (got := len(stream.read(min(count, _CHUNK)))):
        count -= got
