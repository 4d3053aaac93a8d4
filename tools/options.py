"""Options that several commands share, and options from a TOML file, under those of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from graphnn.errors import BackendError, FormatError, ParameterError
from graphnn.tools.entry import note
from graphnn.train.config import cores

__all__ = ["DEFAULT_BACKEND", "add_backend", "add_program", "backend_of", "given", "positive", "read"]

DEFAULT_BACKEND = "auto"  # where no --backend is given


def positive(text: str) -> int:
    """Read a whole number from 1 on, for argparse."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got {text[:20]!r}")
    return int(text[:20])


def add_backend(parser: argparse._ActionsContainer) -> None:
    """Add --backend, whose value backend_of() takes."""
    parser.add_argument(
        "--backend",
        default=DEFAULT_BACKEND,
        metavar="NAME",
        help="what runs the program: auto, numpy or c (auto: c where it can)",
    )


def backend_of(name: str, quiet: bool) -> str:
    """Give the backend to take: for "auto" c where there is a C compiler, else numpy, and say which unless `quiet`.

    Raises BackendError for c without a compiler.
    """
    if name not in ("auto", "c"):
        return name
    from importlib import import_module

    try:
        found = import_module("graphnn.backends.c.toolchain").find()
    except BackendError as error:
        if name != "auto":
            raise
        name, reason = "numpy", str(error)
    else:
        name, reason = "c", str(found)
    if not quiet:
        note(f"backend: {name} ({reason})")
    return name


def add_program(parser: argparse.ArgumentParser) -> None:
    """Add the options of running a trained network."""
    add_backend(parser)
    parser.add_argument(
        "--threads", type=positive, default=cores(), help="of the program's own pool (one for each core)"
    )
    parser.add_argument(
        "--max-memory", type=positive, metavar="MB", help="what it may take of memory (75%% of the machine's)"
    )


def given(parser: argparse.ArgumentParser, argv: list[str] | None) -> dict[str, Any]:
    """Parse a command line; give what it says, and where it says nothing what its --config file says."""
    said = {key: value for key, value in vars(parser.parse_args(argv)).items() if value is not None}
    if "config" not in said:
        return said
    kinds = {a.dest: a.type or (bool if a.nargs == 0 else str) for a in parser._actions}
    return read(said["config"], {k: v for k, v in kinds.items() if k not in ("config", "help")}) | said


def read(path: Path, kinds: dict[str, Any]) -> dict[str, Any]:
    """Read a TOML file of options, spelt with - or _; raise FormatError for what is none of `kinds`."""
    import tomllib
    from difflib import get_close_matches

    from graphnn.formats.strict_json import read_text

    try:
        values = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FormatError(path, "TOML", str(error)[:200]) from None
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in kinds:
            near = get_close_matches(name, kinds, n=1)
            raise FormatError(
                path, f"{key[:80]!r}", "no such option" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        if name in found:
            raise FormatError(path, f"{key!r}", "it is given twice")
        found[name] = _converted(path, key, kinds[name], value)
    return found


def _converted(path: Path, key: str, kind: Any, value: Any) -> Any:
    """The value as the command line would give it."""
    wanted = {float: (int, float), int: (int,), bool: (bool,)}.get(kind, (str,))
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        names = {float: "a number", int: "a whole number", bool: "true or false"}
        raise FormatError(path, f"{key!r}", f"must be {names.get(kind, 'text')}, got {value!r:.80}")
    try:
        return kind(value)
    except (ValueError, OverflowError, ParameterError) as error:
        raise FormatError(path, f"{key!r}", str(error)) from None
