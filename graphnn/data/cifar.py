"""CIFAR-10's binary form: for each image one label byte, then 3,072 bytes, the planes R, G, B of 32x32."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..formats.regular import reading

__all__ = ["ROW", "TEST", "TEST_FIRST", "TRAIN", "read", "refuse_pickles"]

TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST, TEST_FIRST = "test_batch.bin", "test_batch_first1000.bin"
_IMAGE = (3, 32, 32)
ROW = 1 + math.prod(_IMAGE)
_CLASSES, _PICKLE = 10, b"\x80"
_REFUSAL = "a Python pickle can run code and is never opened; get the binary form, cifar-10-binary.tar.gz"


def read(paths: Sequence[str | os.PathLike[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Read binary files, one after the other, as images (n, 3, 32, 32) and labels (n,), both uint8.

    Raises FormatError for a pickle, a size that is no multiple of 3,073 and a label above 9.
    """
    counts = [_count(path) for path in paths]
    images = np.empty((sum(counts), *_IMAGE), np.uint8)
    labels = np.empty(sum(counts), np.uint8)
    start = 0
    for path, count in zip(paths, counts, strict=True):
        rows = _read_rows(path, count)
        labels[start : start + count] = rows[:, 0]
        images[start : start + count] = rows[:, 1:].reshape(-1, *_IMAGE)
        start += count
    return images, labels


def refuse_pickles(folder: Path) -> None:
    """Raise FormatError if `folder` holds CIFAR-10 in its pickled form, which has the same names without .bin."""
    for name in (TRAIN[0], TEST):
        if (file := folder / name.removesuffix(".bin")).is_file():
            raise FormatError(file, "file", _REFUSAL)


def _count(path: str | os.PathLike[str]) -> int:
    """The number of images in a file, by its size."""
    with reading(path) as (file, size):
        if file.read(1) == _PICKLE:
            raise FormatError(path, "offset 0", _REFUSAL)
    if size == 0 or size % ROW:
        raise FormatError(path, "size", f"{size} bytes, not a positive multiple of {ROW}")
    return size // ROW


def _read_rows(path: str | os.PathLike[str], count: int) -> np.ndarray:
    """Label and image of each row, (count, 3073)."""
    with reading(path) as (file, _):
        content = file.read(count * ROW)
    if len(content) < count * ROW:
        raise FormatError(path, f"offset {len(content)}", "the file became shorter while it was read")
    rows = np.frombuffer(content, np.uint8).reshape(count, ROW)
    if rows[:, 0].max() >= _CLASSES:
        row = int(np.argmax(rows[:, 0] >= _CLASSES))
        raise FormatError(path, f"offset {row * ROW}", f"label {rows[row, 0]} of image {row} is above {_CLASSES - 1}")
    return rows
