"""The type stub of graphnn.sym, written from the operator registry: `python -m graphnn.stub` writes graphnn/sym.pyi."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from . import sym
from .formats.atomic import write
from .op import OPS, lookup

__all__ = ["main", "stub"]

HEAD = '''"""The operators as functions on symbols."""

# Written by `python -m graphnn.stub` from the operator registry: do not edit. A default of ... means: must be given.

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from .draws import Random
from .op import Op
from .symbol import Group as Group
from .symbol import Symbol as Symbol
from .symbol import Variable as Variable
from .symbol import load as load
from .symbol import load_json as load_json
from .symbol import var as var

__all__ = {names}

_Count = int
_Shape = Sequence[int] | int
_Ints = Sequence[int] | int
_Floats = Sequence[float] | float
_OptionalInts = Sequence[int | None] | int | None
_Axes = Sequence[int] | int | None
_DType = Any  # what numpy.dtype() takes

METHODS: Mapping[str, str]

def signature(cls: type[Op]) -> inspect.Signature: ...

class _Internal:
    def __getattr__(self, name: str) -> Callable[..., Symbol]: ...

_internal: _Internal

class _Space:
    def __getattr__(self, name: str) -> Callable[..., Symbol]: ...

contrib: _Space
linalg: _Space
op: _Space
random: Random
'''
ALIASES = re.compile(r"\b(Count|Shape|Ints|Floats|OptionalInts|Axes|DType)\b")
OPTIONAL = ("Axes", "OptionalInts", "Any", "object")  # annotations that admit None
STARS: dict[object, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
WIDTH = 120


def stub() -> str:
    """Give the text of graphnn/sym.pyi: every public operator and alias but those that begin with an underscore."""
    lookup("")
    own = set(sym.__all__)
    found = {n: c for n, c in OPS.items() if c.public and n[0] != "_" and c.__module__.startswith("graphnn.")}
    names = ",\n    ".join(f'"{n}"' for n in sorted({*own, *found}))
    parts = [HEAD.replace("{names}", f"[\n    {names},\n]")]
    ours = (n for n in sorted(own) if inspect.isfunction(f := getattr(sym, n)) and f.__module__ == "graphnn.sym")
    parts += [_own(n, getattr(sym, n)) for n in ours]
    parts += [_function(n, sym.signature(c), c.__doc__) for n, c in sorted(found.items()) if n not in own]
    return "\n".join(parts)


def _own(name: str, function: object) -> str:
    return _function(name, inspect.signature(function), function.__doc__)  # type: ignore[arg-type]


def _function(name: str, signature: inspect.Signature, doc: str | None, indent: str = "") -> str:
    parameters = _parameters(signature)
    head = f"{indent}def {name}({', '.join(parameters)}) -> Symbol:"
    if len(head) > WIDTH:
        lines = "".join(f"{indent}    {p},\n" for p in parameters)
        head = f"{indent}def {name}(\n{lines}{indent}) -> Symbol:"
    return f'{head}\n{indent}    """{(doc or "").strip().splitlines()[0]}"""\n'


def _parameters(signature: inspect.Signature) -> list[str]:
    out, starred = [], False
    for p in signature.parameters.values():
        if p.kind is p.KEYWORD_ONLY and not starred:
            out.append("*")
        starred |= p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        out.append(f"{STARS.get(p.kind, '')}{p.name}{_annotation(p)}{_default(p)}")
    return out


def _annotation(p: inspect.Parameter) -> str:
    return "" if p.annotation is p.empty else ": " + ALIASES.sub(r"_\1", str(p.annotation))


def _default(p: inspect.Parameter) -> str:
    if p.default is p.empty:
        return ""
    kind = str(p.annotation)
    required = p.default is None and not kind.endswith("| None") and kind not in OPTIONAL
    return " = ..." if required else f" = {p.default!r}"


def main() -> None:
    """Write the stub beside graphnn/sym.py."""
    write(Path(__file__).with_name("sym.pyi"), stub())


if __name__ == "__main__":
    main()
