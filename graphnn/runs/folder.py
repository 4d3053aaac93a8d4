"""The run folder: its files, and reading them back when a stranger may have written them.

config.json                 the options, and what prediction needs: classes, shape of a row, mean and deviation
environment.jsonl           for each start: time, versions, machine, the code's digest
model-symbol.json           the network
model-%04d.params           the parameters after the last epochs, from 1
best-symbol.json, best-0000.params      those of the epoch with the best accuracy on the test data
checkpoint-%06d-%08d.npz    all that going on depends on, after so many epochs and batches: the last two
log.jsonl                   an object for each epoch
report.html, curves.png     what came out, for people
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import DataNotFoundError, FormatError, ParameterError
from ..formats import atomic
from ..formats.strict_json import loads, read_text
from .config import Config

__all__ = [
    "BEST", "CONFIG", "ENVIRONMENT", "KINDS", "LOG", "MODEL", "SCALED", "Meta", "Record", "add_environment", "held",
    "new_folder", "read_log", "write_log",
]  # fmt: skip

CONFIG, LOG, MODEL, BEST = "config.json", "log.jsonl", "model", "best"
ENVIRONMENT = "environment.jsonl"

KINDS = ("images", "rows", "text", "strings")  # of data
SCALED = ("images", "rows", "strings")  # whose numbers are quantities
_MAX_CLASSES, _MAX_NAME, _MAX_SIDE = 10_000, 200, 65_536
_MAX_LOG = 64 << 20
_MAX_CONFIG = 32 << 20  # ten thousand long names, each character escaped


@dataclass(frozen=True)
class Record:
    """One epoch of a run, as log.jsonl holds it; `seconds` and `images_per_second` are those of training alone."""

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    images_per_second: float
    learning_rate: float


@dataclass(frozen=True)
class Meta:
    """What config.json holds: the options, the classes' names, the shape of a row, and its statistics.

    A row is an image (c, h, w) or, with another `kind` of data, whatever the network reads. `mean` and `std` have a
    number for each channel, of pixels scaled to [0, 1] or of numbers as they are; none for rows that are no quantities.
    `digest` tells whether data are those of the run.
    """

    config: Config
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    kind: str = "images"
    digest: str = ""

    def write(self, folder: Path) -> None:
        """Write config.json."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "config"}
        atomic.write(folder / CONFIG, json.dumps({**asdict(self.config), **own}, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Meta:
        """Read config.json; raise DataNotFoundError where there is no run, FormatError where it makes no sense."""
        path = folder / CONFIG
        if not path.exists():
            raise DataNotFoundError(f"{folder}: no run is there: it has no {CONFIG}")
        values = loads(read_text(path, _MAX_CONFIG), path)
        own = {key: _list(path, values, key) for key in ("classes", "shape", "mean", "std")}
        texts = {key: _text(path, values, key) for key in ("kind", "digest")}
        try:
            config = Config.from_mapping({k: v for k, v in values.items() if k not in own and k not in texts})
        except ParameterError as error:
            raise FormatError(path, "options", str(error)) from None
        meta = cls(config, *own.values(), **texts)  # type: ignore[arg-type]
        meta.check(path)
        return meta

    def check(self, path: Path) -> None:
        """Raise FormatError, of the file or the data at `path`, for what a run cannot have."""
        axes = (3,) if self.kind == "images" else (1, 2, 3)
        shape_fits = len(self.shape) in axes and all(type(n) is int and 0 < n <= _MAX_SIDE for n in self.shape)
        channels = self.shape[:1] if self.kind in SCALED else (0,)
        checks = {
            "classes": all(isinstance(c, str) and 0 < len(c) <= _MAX_NAME for c in self.classes),
            "shape": shape_fits,
            "mean": shape_fits and len(self.mean) == channels[0] and all(map(_finite, self.mean)),
            "std": shape_fits and len(self.std) == channels[0] and all(_finite(s) and s >= 1e-20 for s in self.std),
            "kind": self.kind in KINDS,
        }
        wanted = {
            "classes": f"names of up to {_MAX_NAME} characters",
            "shape": f"{'three sizes: channels, height, width' if axes == (3,) else 'one to three sizes'}, "
            f"each at most {_MAX_SIDE}",
            "mean": "a number for each channel",
            "std": "a positive number for each channel",
            "kind": f"one of {', '.join(KINDS)}",
        }
        for key, fits in checks.items():
            if not fits:
                raise FormatError(path, key, f"must be {wanted[key]}, got {getattr(self, key)!r:.80}")


def _list(path: Path, values: dict[str, Any], key: str) -> tuple[Any, ...]:
    value = values.get(key)
    low, high = (0, _MAX_SIDE) if key in ("mean", "std") else (1, _MAX_CLASSES)
    if not isinstance(value, list) or not low <= len(value) <= high:
        raise FormatError(path, key, f"must be a list of {low} to {high} entries")
    return tuple(value)


def _text(path: Path, values: dict[str, Any], key: str) -> str:
    value = values.get(key, Meta.__dataclass_fields__[key].default)
    if not isinstance(value, str) or len(value) > _MAX_NAME:
        raise FormatError(path, key, f"must be text of up to {_MAX_NAME} characters")
    return value


def _finite(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < 1e30  # type: ignore[arg-type]  # false for nan, too


def new_folder(root: Path) -> Path:
    """Make the folder, or NAME-2, NAME-3, ... where it exists: a run is never written into another.

    Raises ParameterError for a device or a pipe, and for a path that ends in no name.
    """
    if root.name in ("", ".."):
        raise ParameterError(f"{str(root)!r} names no folder of the run's own: give it a name, such as runs/first")
    if root.exists() and not (root.is_dir() or root.is_file()):
        raise ParameterError(f"{root}: a run needs a folder, this is a device or a pipe")
    for k in range(1, 10_000):
        folder = root if k == 1 else root.with_name(f"{root.name}-{k}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
    raise ParameterError(f"{root}: ten thousand runs of this name exist")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run's folder: nobody else who asks for it gets it; raise ParameterError where another process does.

    The lock is the system's, on the folder itself: it ends with the process, however that ends. Where there are none,
    such as on some network file systems, nothing is held.
    """
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except (ImportError, OSError):
        yield
        return
    try:
        with suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ParameterError(
                    f"{folder}: another process trains this run: let it end, or end it first"
                ) from None
        yield
    finally:
        os.close(descriptor)


def add_environment(folder: Path, line: str) -> None:
    """Add a line to environment.jsonl; it is written anew, since a link may stand there."""
    path = folder / ENVIRONMENT
    atomic.write(path, (read_text(path, _MAX_LOG) if path.exists() else "") + line)


def write_log(folder: Path, records: Sequence[Record]) -> None:
    """Write log.jsonl."""
    atomic.write(folder / LOG, "".join(json.dumps(asdict(r)) + "\n" for r in records))


def read_log(folder: Path) -> list[Record]:
    """Read log.jsonl, [] if there is none yet; raise FormatError naming the line."""
    path = folder / LOG
    lines = read_text(path, _MAX_LOG).splitlines() if path.exists() else []
    return [_record(path, number, line) for number, line in enumerate(lines, 1)]


def _record(path: Path, number: int, line: str) -> Record:
    where = f"line {number}"
    values = loads(line, path, where)
    names = [f.name for f in fields(Record)]
    if values.keys() != set(names):
        raise FormatError(path, where, f"must have {', '.join(names)} and nothing else")
    for name, value in values.items():
        if not _finite(value):
            raise FormatError(path, where, f"{name} must be a number, got {value!r:.80}")
    if values["epoch"] != number:
        raise FormatError(path, where, f"epoch must be {number}, got {values['epoch']}")
    return Record(**values)
