"""Data of one's own: a folder of images, arrays in an .npz file, a table in a .csv file, a text."""

from __future__ import annotations

import csv
import io
import math
import os
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataNotFoundError, FormatError, ParameterError
from ..formats import npz
from ..formats.regular import reading
from .datasets import Dataset
from .iterators import permutation
from .text import load_text

__all__ = ["load_own"]

_TEST_SHARE = 10  # one row in so many, where the data say nothing of a test part
_MAX_CSV = 1 << 30
_MAX_NUMBER = 1e30  # above it float32 ends soon, and config.json holds no mean
_BLURRED = 2**-14  # of the largest number: a deviation of a thousand roundings to float32
_TABLE = "a table has a line of at least two names, then lines of values"
_MAX_CLASSES = 10_000
Progress = Callable[[str, int], Any]


def load_own(
    path: str | os.PathLike[str],
    label: str | None = None,
    size: int | None = None,
    workers: int = 0,
    progress: Progress | None = None,
) -> Dataset:
    """Load a folder CLASS/*.png (or train/CLASS/*.png and test/CLASS/*.png), an .npz, a .csv or a .txt.

    Images come to `size` x `size` (32) pixels. An .npz holds x and y, or x_train, y_train, x_test, y_test: uint8 images
    (n, h, w), (n, h, w, c) or (n, c, h, w), or float rows (n, ...); labels are whole numbers. A .csv has a line of
    names, then numbers; its column `label` (the last) says the class, in any text. A .txt is for a language model, in
    rows of 64 characters. Where there is no test part every
    tenth row becomes one, at random but always the same. Raises DataNotFoundError, ParameterError for another kind of
    file, FormatError for what makes no sense in one.
    """
    path = Path(path)
    if not path.exists():
        raise DataNotFoundError(f"{path}: no such file or folder")
    if path.is_dir():
        from .folder import read_folder  # Pillow is not for everybody

        _no_column(path, label)
        parts, classes = read_folder(path, size or 32, workers, progress)
        return _dataset(path, parts, classes, "images")
    if size is not None:
        raise ParameterError(f"image_size goes with a folder of images, {path} is a file")
    reader = {".npz": _read_npz, ".csv": _read_csv, ".txt": _read_text}.get(path.suffix.lower())
    if reader is None:
        raise ParameterError(f"{path}: data must be a folder of images, an .npz, a .csv or a .txt")
    return reader(path, label)


def _no_column(path: Path, label: str | None) -> None:
    if label is not None:
        raise ParameterError(f"label names a column of a table, {path} is none")


def _read_text(path: Path, label: str | None) -> Dataset:
    _no_column(path, label)
    return load_text(path)


def _dataset(path: Path, parts: Sequence[np.ndarray], classes: Sequence[str], kind: str) -> Dataset:
    """Make the data set of (x, y) or (x, y, test_x, test_y)."""
    note = ""
    if len(parts) == 2:
        x, y = parts
        count = max(1, len(x) // _TEST_SHARE)
        if len(x) < 2:
            raise FormatError(path, "rows", f"{len(x)} are too few to train on some and test on others")
        order = permutation(0, 0, len(x))
        train, test = np.sort(order[count:]), np.sort(order[:count])
        parts = (x[train], y[train], x[test], y[test])
        note = f"no test part: {count:,} of {len(x):,} rows, drawn at random, are taken for one"
    x, y, test_x, test_y = parts
    return Dataset(path.stem, x, y, test_x, test_y, tuple(classes), note, str(path), kind)


# .npz


def _read_npz(path: Path, label: str | None) -> Dataset:
    _no_column(path, label)
    arrays = npz.load(path)
    for names in (("x_train", "y_train", "x_test", "y_test"), ("x", "y")):
        if set(names) <= set(arrays):
            break
    else:
        found = ", ".join(sorted(arrays))[:200] or "nothing"
        raise FormatError(path, "names", f"must hold x and y, or x_train, y_train, x_test, y_test; it holds {found}")
    inputs, labels = [arrays[n] for n in names[::2]], [arrays[n] for n in names[1::2]]
    images = inputs[0].dtype == np.uint8 and inputs[0].ndim in (3, 4)
    for n, x, y in zip(names[::2], inputs, labels, strict=True):
        _check_rows(path, n, x, y, inputs[0])
    classes = _count(path, names[1::2], labels)
    prepared = [_planes(path, n, x) if images else _floats(path, n, x) for n, x in zip(names[::2], inputs, strict=True)]
    numbers = [y.astype(np.uint16) for y in labels]
    parts = [a for pair in zip(prepared, numbers, strict=True) for a in pair]
    return _dataset(path, parts, [str(k) for k in range(classes)], "images" if images else "rows")


def _check_rows(path: Path, name: str, x: np.ndarray, y: np.ndarray, first: np.ndarray) -> None:
    if x.ndim < 2 or not 0 < len(x) == len(y) or 0 in x.shape:
        raise FormatError(path, f"array {name!r}", f"must have rows and a label for each, got {x.shape} and {y.shape}")
    if x.shape[1:] != first.shape[1:] or x.dtype != first.dtype:
        raise FormatError(path, f"array {name!r}", f"rows {x.shape[1:]} of {x.dtype}, those to train on differ")
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise FormatError(path, f"labels of {name!r}", f"must be whole numbers (n,), got {y.shape} of {y.dtype}")


def _count(path: Path, names: Sequence[str], labels: Sequence[np.ndarray]) -> int:
    """The number of classes: the largest label and one."""
    for name, y in zip(names, labels, strict=True):
        if y.min() < 0 or y.max() >= _MAX_CLASSES:
            raise FormatError(path, f"array {name!r}", f"labels must be from 0 to {_MAX_CLASSES - 1}")
    return max(2, max(int(y.max()) for y in labels) + 1)


def _planes(path: Path, name: str, x: np.ndarray) -> np.ndarray:
    """Images as (n, c, h, w)."""
    if x.ndim == 3:
        return x[:, None]
    if x.shape[1] in (1, 3):
        return x
    if x.shape[3] in (1, 3):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    raise FormatError(path, f"array {name!r}", f"images have 1 or 3 channels, got {x.shape}")


def _floats(path: Path, name: str, x: np.ndarray) -> np.ndarray:
    if x.ndim > 4 or x.dtype.kind not in "iuf":
        raise FormatError(
            path, f"array {name!r}", f"rows have one to three axes of numbers, got {x.shape} of {x.dtype}"
        )
    if not (np.abs(x) < np.float64(_MAX_NUMBER)).all():
        raise FormatError(path, f"array {name!r}", f"it holds numbers that are not finite or not below {_MAX_NUMBER:g}")
    return _narrowed(x)


def _narrowed(x: np.ndarray) -> np.ndarray:
    """Rows (n, c, ...) as float32, or as float64 where a channel's deviation is lost in the rounding of large numbers.

    That is so for points in time: seconds since 1970 are rounded to 128 of them.
    """
    axes = (0, *range(2, x.ndim))
    largest, deviation = np.abs(x).max(axes).astype(np.float64), x.std(axes, dtype=np.float64)
    blurred = (deviation < _BLURRED * largest) & (deviation > 1e-9 * largest)
    return x.astype(np.float64 if blurred.any() else np.float32)


# .csv


def _read_csv(path: Path, label: str | None) -> Dataset:
    with reading(path) as (file, size):
        if size > _MAX_CSV:
            raise FormatError(path, "size", f"{size} bytes, at most {_MAX_CSV}")
        content = file.read()
    if b"\0" in content:
        raise FormatError(path, f"byte {content.index(0)}", "a table is text: it holds a 0")
    rows = csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline=""))
    try:
        return _table(path, rows, label)
    except csv.Error as error:
        raise FormatError(path, f"line {rows.line_num}", str(error)[:200]) from None
    except UnicodeDecodeError:
        raise FormatError(path, f"byte {_not_utf8(content)}", "not UTF-8 text") from None


def _not_utf8(content: bytes) -> int:
    try:
        return len(content.decode())
    except UnicodeDecodeError as error:
        return error.start


def _table(path: Path, rows: Any, label: str | None) -> Dataset:
    """Read a csv.reader's rows as they come: of a line no text stays but a new class."""
    names = _names(path, next(rows, []))
    column = _column(path, names, label)
    others = [n for k, n in enumerate(names) if k != column]
    index: dict[str, int] = {}
    numbers, labels, lines = array("d"), array("L"), array("L")
    for row in filter(None, rows):
        if len(row) != len(names):
            raise FormatError(path, f"line {rows.line_num}", f"{len(row)} values for {len(names)} columns")
        own = row.pop(column).strip()
        if not own:
            raise FormatError(path, f"line {rows.line_num}", f"{names[column]!r:.80} is empty")
        labels.append(index.setdefault(own, len(index)))
        lines.append(rows.line_num)
        try:
            numbers.extend(map(float, row))
        except ValueError:
            raise _no_number(path, rows.line_num, others, row) from None
    if not lines:
        raise FormatError(path, "line 1", _TABLE)
    x = np.frombuffer(numbers).reshape(len(lines), len(others))
    wild = np.argwhere(~(np.abs(x) < _MAX_NUMBER))
    if len(wild):
        raise _no_number(path, lines[wild[0, 0]], others, list(map(str, x[wild[0, 0]])))
    classes, y = _sorted(path, names[column], index, np.array(labels))
    return _dataset(path, (_narrowed(x), y), [c[:200] for c in classes], "rows")


def _names(path: Path, row: Sequence[str]) -> list[str]:
    names = [n.strip() for n in row]
    if len(names) < 2:
        other = next((word for mark, word in ((";", "semicolons"), ("\t", "tabs")) if mark in "".join(row)), None)
        raise FormatError(path, "line 1", f"columns are set apart by commas, not by {other}" if other else _TABLE)
    if _are_values(names):
        raise FormatError(path, "line 1", "must name the columns, it holds numbers: put a line of names before it")
    if len(set(names)) < len(names):
        raise FormatError(path, "line 1", "two columns have the same name")
    return names


def _are_values(names: Sequence[str]) -> bool:
    """Whether a first line is a row already: numbers, and maybe a class, but not columns counted from 0 or 1."""
    numbers = [n for n in names if _is_number(n)]
    counted = [[str(first + k) for k in range(len(numbers))] for first in (0, 1)]
    return len(numbers) >= len(names) - 1 and numbers not in counted


def _sorted(path: Path, name: str, index: dict[str, int], labels: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The classes in order, and the labels by it."""
    if not 2 <= len(index) <= _MAX_CLASSES:
        raise FormatError(path, f"column {name!r:.80}", f"{len(index)} classes; there must be 2 to {_MAX_CLASSES}")
    classes = sorted(index, key=_by_number)
    places = np.empty(len(classes), np.uint16)
    places[[index[c] for c in classes]] = np.arange(len(classes))
    return classes, places[labels]


def _column(path: Path, names: Sequence[str], label: str | None) -> int:
    if label is None:
        return len(names) - 1
    if label not in names:
        from ..given import near

        raise ParameterError(
            f"{path} has no column {label!r:.80}{near(label, names)}; there are: {', '.join(names)[:300]}"
        )
    return names.index(label)


def _no_number(path: Path, line: int, names: Sequence[str], row: Sequence[str]) -> FormatError:
    name, text = next((n, t) for n, t in zip(names, row, strict=True) if not _is_number(t))
    reason = f"must be a number, got {text[:40]!r}" if text.strip() else "has no value"
    return FormatError(path, f"line {line}", f"{name!r:.80} {reason}")


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < _MAX_NUMBER
    except ValueError:
        return False


def _by_number(text: str) -> tuple[float, str]:
    """Sorts 2 before 10."""
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    return (value if value == value else math.inf), text
