"""Checkpoints of a run: one file with all that the rest of the training depends on, and the one before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import final

import numpy as np

from ..errors import DataNotFoundError, FormatError
from ..formats import states

__all__ = ["Position", "newest", "read", "write"]

Arrays = Mapping[str, np.ndarray]
KEPT = 2
_NAME = "checkpoint-{:06d}-{:08d}.npz"  # epoch, batch: sorted by name they are sorted by time
_PATTERN = f"checkpoint-{'[0-9]' * 6}-{'[0-9]' * 8}.npz"


@final
@dataclass
class Position:
    """How far a run is: `batch` batches of epoch `epoch` (from 1) are done; what was summed up over their rows."""

    epoch: int = 1
    batch: int = 0
    loss: float = 0.0
    right: float = 0.0
    rows: float = 0.0
    seconds: float = 0.0
    averaged: int = 0  # steps in the average of the weights


def write(folder: Path, position: Position, arrays: Arrays) -> None:
    """Write a checkpoint of `arrays`, by which everything changes that training changes; then remove older ones."""
    whole = {**arrays, "position": np.array(astuple(position), np.float64)}
    states.save(str(folder / _NAME.format(position.epoch, position.batch)), {**whole, "sha256": _digest(whole)})
    for path in _found(folder)[:-KEPT]:
        path.unlink(missing_ok=True)


def newest(folder: Path) -> list[Path]:
    """Give the checkpoints of a run, the newest first; DataNotFoundError if there is none."""
    found = _found(folder)[::-1]
    if not found:
        raise DataNotFoundError(f"{folder}: it has no checkpoint-*.npz: there is nothing to go on from")
    return found


def _found(folder: Path) -> list[Path]:
    return sorted(folder.glob(_PATTERN))


def read(path: Path, own: Arrays) -> Position:
    """Fill the arrays `own` from a checkpoint and give its position.

    Raises FormatError, and leaves the arrays as they are, unless it holds exactly these, of these shapes, undamaged.
    """
    wanted = {**own, "position": np.zeros(len(astuple(Position()))), "sha256": np.zeros(32, np.uint8)}
    found = states.load(path, wanted)
    digest = found.pop("sha256")
    if not np.array_equal(digest, _digest(found)):
        raise FormatError(path, "sha256", "the content is not what was written")
    epoch, batch, loss, right, rows, seconds, averaged = (float(v) for v in found.pop("position"))
    whole = (epoch, batch, averaged)
    if not all(0 <= v < 2**53 and v == int(v) for v in whole) or epoch < 1:
        raise FormatError(path, "array 'position'", "it is no place in a run")
    for name, array in own.items():
        array[...] = found[name]
    return Position(int(epoch), int(batch), loss, right, rows, seconds, int(averaged))


def _digest(arrays: Arrays) -> np.ndarray:
    """SHA-256 over the names and the numbers, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        total.update(array.reshape(-1).view(np.uint8).data)
    return np.frombuffer(total.digest(), np.uint8).copy()
