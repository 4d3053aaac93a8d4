"""What every command line shares: exit codes, one-line errors, progress, BLAS at one thread, printable text."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphnn.symbol import Symbol

__all__ = [
    "BLAS_THREADS", "add_common", "add_shape", "folder_of", "message", "note", "printable", "run", "shapes_of",
    "symbol_of",
]  # fmt: skip

# The program has its own pool; BLAS reads these when NumPy loads.
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Shape = tuple[int, ...]


def add_common(parser: argparse.ArgumentParser, json: str) -> None:
    """Add the options that every command has; `json` says what it prints with --json."""
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--json", action="store_true", help=f"print one JSON value on stdout: {json}")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")


def add_shape(parser: argparse.ArgumentParser) -> None:
    """Add --shape, which gives a list of pairs (name, shape)."""
    parser.add_argument(
        "--shape",
        action="append",
        type=_shape,
        default=[],
        metavar="NAME=N,N,...",
        help="an input's shape, batch first; may be repeated (for a model one image of its data set)",
    )


def _shape(text: str) -> tuple[str, Shape]:
    """Read `data=1,1,28,28`."""
    name, equals, sizes = text.rpartition("=")
    items = sizes.strip("()").split(",")
    if not equals or not name or not all(s.strip().isdecimal() and len(s) < 16 for s in items):
        raise argparse.ArgumentTypeError(f"must be like data=1,1,28,28, got {text!r}")
    return name, tuple(int(s) for s in items)


def run(command: Callable[[], int], debug: bool, quiet: bool = False) -> int:
    """Run a command: 0, 1 with one line for a failure, 130 for Ctrl-C; without `quiet` it says what it compiles."""
    from graphnn.errors import GraphnnError

    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    try:
        with _told("graphnn.c", quiet):
            code = command()
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk is told here, not by Python at its end
        return code
    except KeyboardInterrupt as signal:
        note("interrupted")
        return 128 + getattr(signal, "number", 2)  # an Interrupted has the number of another signal
    except (GraphnnError, OSError, MemoryError) as e:
        if debug:
            raise
        note("\n".join(map(printable, f"error: {message(e)}".split("\n"))))
        _drop_output()
        return 1


@contextmanager
def _told(logger: str, quiet: bool) -> Iterator[None]:
    """Show what a logger has to say, and warnings to the user, as lines on stderr."""
    import logging
    import warnings

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(record.getMessage())

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, UserWarning):
            note(f"warning: {message}")
        else:
            plain(message, category, *where, **more)

    log, lines = logging.getLogger(logger), Lines()
    with warnings.catch_warnings():
        plain, warnings.showwarning = warnings.showwarning, show
        level = log.level
        if not quiet:
            log.addHandler(lines)
            log.setLevel(logging.INFO)
        try:
            yield
        finally:
            log.removeHandler(lines)
            log.setLevel(level)


def _drop_output() -> None:
    """Drop what stdout cannot take, which Python would try again at its end, with a traceback."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def message(error: BaseException) -> str:
    """Give an error's text: `FILE: reason` for one of the system's."""
    if isinstance(error, BrokenPipeError):
        return "nobody reads the output any more"
    if isinstance(error, FileExistsError) and error.filename is not None:
        return f"{error.filename}: is a file, give a folder"  # all that one asks to be made are folders
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error) or ("not enough memory" if isinstance(error, MemoryError) else type(error).__name__)


def note(text: str) -> None:
    """Print to stderr, if it is open: print() takes None for stdout."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Replace what would steer a terminal: names come from files."""
    return "".join(c if c.isprintable() else "?" for c in text)


def symbol_of(name: str, num_classes: int | None = None) -> Symbol:
    """Give a model by name, with its usual number of classes unless told, or read a symbol file: no import path."""
    from graphnn import models
    from graphnn.errors import ParameterError
    from graphnn.symbol import load

    if name in models.MODELS:
        return models.get(name, num_classes)
    if not Path(name).exists():
        from graphnn.given import near

        hint = near(name, list(models.MODELS))
        raise ParameterError(f"no model and no file {name!r}: graphnn-train --list shows the models{hint}")
    return load(name)


def folder_of(path: Path | None) -> None:
    """Raise OSError for a file that is to be written where nothing can be, before there is work for it."""
    if path is None:
        return
    reasons = {
        errno.ENOENT: not path.parent.is_dir(),
        errno.EISDIR: path.is_dir(),
        errno.EACCES: not os.access(path.parent, os.W_OK),
    }
    if reason := next((number for number, holds in reasons.items() if holds), None):
        raise OSError(reason, os.strerror(reason), str(path))


def shapes_of(name: str, given: Iterable[tuple[str, Shape]]) -> dict[str, Shape]:
    """Give the shapes of the inputs of a model or symbol file: as given, for a model by default one image."""
    from graphnn.models import MODELS

    usual: dict[str, Shape] = {"data": (1, *MODELS[name].input)} if name in MODELS else {}
    return usual | dict(given)
