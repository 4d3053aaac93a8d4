"""Options that several commands share, and options from a TOML file, under those of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from graphnn.errors import BackendError, FormatError, ParameterError
from graphnn.runs.config import Config, cores
from graphnn.tools.entry import note

__all__ = ["DEFAULT_BACKEND", "add_backend", "add_program", "as_toml", "backend_of", "given", "positive", "read"]

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


def given(
    parser: argparse.ArgumentParser, argv: list[str] | None, presets: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Parse a command line; give what it says, else what its --config file says, else what the --preset does.

    Raises ParameterError for a preset that is none of `presets`, and what read() raises.
    """
    said = {key: value for key, value in vars(parser.parse_args(argv)).items() if value is not None}
    if "config" in said:
        kinds = {a.dest: a.type or (bool if a.nargs == 0 else str) for a in parser._actions}
        said = read(said["config"], {k: v for k, v in kinds.items() if k not in ("config", "help", "list")}) | said
    return dict(_preset(said["preset"], presets or {})) | said if "preset" in said else said


def _preset(name: str, presets: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    if name not in presets:
        from graphnn.given import near

        raise ParameterError(f"no preset {name[:80]!r}{near(name, list(presets))}; there are: {', '.join(presets)}")
    return presets[name]


def as_toml(config: Config, said: Mapping[str, Any]) -> str:
    """Write every option with its value and meaning, as a file that --config reads; what is unset is commented."""
    lines = []
    for f in fields(config):
        # "auto" and not what it comes to here: the file may go to another machine
        value = said.get("backend", DEFAULT_BACKEND) if f.name == "backend" else getattr(config, f.name)
        key, text = f.name.replace("_", "-"), f.metadata["help"].replace("%%", "%")
        lines += [f"# {text}", f"# {key} =" if value is None else f"{key} = {_toml(value)}"]
    lines += ["# the run folder", f"output = {_toml(str(said['output']))}" if "output" in said else "# output ="]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        import json

        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def read(path: Path, kinds: dict[str, Any]) -> dict[str, Any]:
    """Read a TOML file of options, spelt with - or _; raise FormatError for what is none of `kinds`."""
    import tomllib
    from difflib import get_close_matches

    from graphnn.formats.strict_json import read_text

    try:
        values = tomllib.loads(read_text(path).removeprefix("\ufeff"))
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
    if isinstance(value, str) and "\0" in value:
        raise FormatError(path, f"{key!r}", "must hold no character 0")
    try:
        return kind(value)
    except (ValueError, OverflowError, ParameterError) as error:
        raise FormatError(path, f"{key!r}", str(error)) from None
