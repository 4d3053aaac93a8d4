"""A folder of images, CLASS/*.png: decoded by Pillow in processes of their own, once, then kept in the user's cache."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataNotFoundError, FormatError, GraphnnError, WorkerError
from ..folders import cache_folder
from ..formats import atomic
from . import pictures
from .processes import pool, shared, submitting

__all__ = ["read_folder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif")
_PARTS = (("train",), ("test", "val", "valid", "validation"))
_MAX_CLASSES, _MAX_FILES = 10_000, 10_000_000
_CHUNK = 32  # files a process is given at once
_MANY = 256  # files from which on starting processes is worth its time
_VERSION = 1  # of what is kept: another number makes all of it anew

Found = list[tuple[Path, int]]  # files with their classes


def read_folder(
    root: Path, size: int, workers: int = 0, progress: Callable[[str, int], Any] | None = None
) -> tuple[tuple[np.ndarray, ...], list[str]]:
    """Give images (n, c, size, size) uint8, labels (n,), those of the test part if there is one; and the classes.

    Every image is scaled so that its shorter side fits, and cut in the middle. There is one channel if all are grey,
    else three. `progress(text, files)` gives a context whose value is called for each file. Raises DataNotFoundError
    where there are no images, FormatError for one that cannot be read.
    """
    parts = [next((root / n for n in names if (root / n).is_dir()), None) for names in _PARTS]
    folders = [p for p in parts if p is not None] if parts[0] and parts[1] else [root]
    classes = sorted({name for folder in folders for name in _classes(folder)})
    if not 2 <= len(classes) <= _MAX_CLASSES:
        raise DataNotFoundError(
            f"{root}: images lie in folders named after their classes; found {len(classes)} of these"
        )
    arrays: list[np.ndarray] = []
    for folder in folders:
        found = _files(folder, classes)
        arrays += [_decoded(folder, found, size, workers, progress), np.array([k for _, k in found], np.uint16)]
    channels = max(x.shape[1] for x in arrays[::2])
    arrays[::2] = [x if x.shape[1] == channels else np.repeat(x, channels, 1) for x in arrays[::2]]
    return tuple(arrays), classes


def _classes(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]


def _files(folder: Path, classes: Sequence[str]) -> Found:
    found = [
        (path, k)
        for k, name in enumerate(classes)
        for path in sorted((folder / name).glob("*"))
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    if not 0 < len(found) <= _MAX_FILES:
        raise DataNotFoundError(
            f"{folder}: {len(found)} images in {', '.join(classes)[:200]}; ends: {', '.join(SUFFIXES)}"
        )
    return found


def _decoded(folder: Path, found: Found, size: int, workers: int, progress: Any) -> np.ndarray:
    """The images of files, from the cache if these files are in there."""
    cached = cache_folder("images")
    path = cached / f"{_place(folder, size)}-{_key(found, size)}.npy" if cached else None
    if path is not None:
        with suppress(ValueError, OSError):
            kept = np.lib.format.open_memmap(path, mode="r")
            if kept.shape[:1] + kept.shape[2:] == (len(found), size, size) and kept.dtype == np.uint8:
                return kept
    with progress(f"decode {folder}", len(found)) if progress else nullcontext() as advance:
        whole = _whole([p for p, _ in found], size, workers, advance or (lambda: None))
    if path is not None:
        _keep(path, whole)
    return whole


def _place(folder: Path, size: int) -> str:
    """The same for all states of a folder, the last of which is kept."""
    return hashlib.sha256(f"{folder.resolve()}\0{size}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _key(found: Found, size: int) -> str:
    """Changes with any file's name, length or time."""
    total = hashlib.sha256(f"{_VERSION} {size}".encode())
    for path, _ in found:
        about = path.stat()
        total.update(f"{path.resolve()}\0{about.st_size} {about.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _keep(path: Path, whole: np.ndarray) -> None:
    with suppress(OSError):  # a cache that cannot be written is done without
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic.writing(path) as file:
            np.lib.format.write_array(file, whole, allow_pickle=False)
        for old in path.parent.glob(f"{path.name.partition('-')[0]}-*.npy"):
            if old != path:
                old.unlink()


def _whole(paths: list[Path], size: int, workers: int, advance: Callable[[], object]) -> np.ndarray:
    """Decode files to (n, c, size, size)."""
    shape = (len(paths), 3, size, size)
    memory = shared(math.prod(shape)) if len(paths) >= _MANY else bytearray(math.prod(shape))
    images, channels = np.frombuffer(memory, np.uint8).reshape(shape), 1
    each = _each(paths, memory, shape, workers) if len(paths) >= _MANY else map(partial(_put, images), count(), paths)
    for found in each:
        channels = max(channels, found)
        advance()
    return images if channels == 3 else np.ascontiguousarray(images[:, :1])


def _each(paths: list[Path], memory: Any, shape: tuple[int, ...], workers: int) -> Iterator[int]:
    """Have processes decode the files; give the images' numbers of channels."""
    try:
        with pool(workers or os.cpu_count() or 1, partial(_begin, memory, shape)) as processes:
            with submitting():
                channels = processes.map(_decode, range(len(paths)), paths, chunksize=_CHUNK)
            yield from channels
    except BrokenProcessPool:
        raise WorkerError("a process that decodes images was killed: fewer --workers take less memory") from None


_images: np.ndarray  # of a worker process, in memory that all share


def _begin(memory: Any, shape: tuple[int, ...]) -> None:
    """Make a worker process ready."""
    global _images
    _images = np.frombuffer(memory, np.uint8).reshape(shape)


def _decode(k: int, path: Path) -> int:
    """Decode a file in a worker process, to give no more than a number.

    Where a process is killed while it writes an image into the pipe, its pool waits for the rest for ever.
    """
    return _put(_images, k, path)


def _put(images: np.ndarray, k: int, path: Path) -> int:
    """Decode a file to images[k] (3, size, size), grey ones three times; give its number of channels."""
    images[k] = image = _image(path, images.shape[-1])
    return len(image)


def _image(path: Path, size: int) -> np.ndarray:
    """Decode a file to (c, size, size)."""
    try:
        image = pictures.read(path)
    except GraphnnError:
        raise
    except OSError as error:
        raise FormatError(path, "file", error.strerror or str(error)) from None
    return pictures.fitted(image, size, size)
