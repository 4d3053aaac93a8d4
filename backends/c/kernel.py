"""What an emitter gives: the C text of one step, in phases between which threads wait; and the table of emitters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from textwrap import dedent, indent
from typing import Any

from graphnn.op import Op
from graphnn.types import TensorType

from .toolchain import Target

__all__ = [
    "EMITTERS",
    "Kernel",
    "Phase",
    "choice",
    "emit",
    "emits",
    "fill",
    "function",
    "literal",
    "load",
    "over_columns",
    "over_vectors",
    "share",
    "split",
    "store",
]

# A place in a template: alone on its line, or within one.
_PLACE = re.compile(r"^(?P<space> *)\$(?P<alone>\w+)\n|\$(?P<word>\w+)|\$\{(?P<braced>\w+)\}", re.MULTILINE)


@dataclass(frozen=True)
class Phase:
    """Statements over `x0`, `x1`, ... (inputs), `y0`, ... (outputs), `s` and `z` (scratch), `t` of `T` threads.

    With `serial` one thread runs them alone.
    """

    body: str
    serial: bool = False


@dataclass(frozen=True)
class Kernel:
    """One step as C. `private` bytes of scratch are each thread's own (`s`), `shared` ones are seen by all (`z`).

    `functions` are what the phases call, as `function` gives them.
    """

    phases: tuple[Phase, ...]
    private: int = 0
    shared: int = 0
    functions: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def of(body: str, private: int = 0, serial: bool = False) -> Kernel:
        return Kernel((Phase(body, serial),), private)

    def calling(self, functions: tuple[tuple[str, str], ...]) -> Kernel:
        """Give the kernel with the functions that it calls."""
        return replace(self, functions=(*self.functions, *functions))


Emitter = Callable[[Any, Sequence[TensorType], Sequence[TensorType], Target], "Kernel | None"]
EMITTERS: dict[type[Op], Emitter] = {}


def emits(*classes: type[Op], mixed: bool = False) -> Callable[[Emitter], Emitter]:
    """Enter `f(op, in_types, out_types, target)`, which gives a Kernel, or None to leave the step to NumPy.

    It is asked only where all arrays are float32, or with `mixed` always.
    """

    def enter(f: Emitter) -> Emitter:
        def checked(op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
            if not mixed and any(t.dtype != "float32" for t in (*ins, *outs)):
                return None
            return f(op, ins, outs, target)

        EMITTERS.update(dict.fromkeys(classes, checked))
        return f

    return enter


@lru_cache(maxsize=2048)
def _emitted(op: Op, ins: tuple[TensorType, ...], outs: tuple[TensorType, ...], target: Target) -> Kernel | None:
    emitter = EMITTERS.get(type(op))
    return emitter(op, ins, outs, target) if emitter else None


def emit(op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    """Give the C of one step, or None where only NumPy has a kernel for it."""
    return _emitted(op, tuple(ins), tuple(outs), target)


def function(kind: str, parameters: str, body: str) -> tuple[str, str]:
    """Give (name, text) of a function that kernels call; equal ones have one name, and are written once."""
    text = fill("$parameters {\n  $body\n}\n", parameters=parameters, body=body)
    name = f"{kind}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return name, f"static __attribute__((noinline)) void {name}{text}"


def fill(template: str, **values: object) -> str:
    """Write C from a template: `$name` or `${name}` stands for the value of that name, as C itself has no `$`.

    A template of several lines is dedented. Where `$name` is alone on its line, a value of several lines is indented
    as it is, and an empty one leaves no line. Raises TypeError for a name without a value or a value without a place.
    """
    used = set()

    def value(place: re.Match[str]) -> str:
        name = place["alone"] or place["word"] or place["braced"]
        used.add(name)
        if name not in values:
            raise TypeError(f"fill: no value for ${name}")
        text = str(values[name])
        if place["alone"] is None or not text:
            return text
        return indent(text.rstrip("\n") + "\n", place["space"])

    if "\n" in template:
        template = dedent(template).strip("\n ") + "\n"
    text = _PLACE.sub(value, template)
    if unused := sorted(values.keys() - used):
        raise TypeError(f"fill: no place for {', '.join(unused)}")
    return text


def choice(cases: Sequence[tuple[str, str]]) -> str:
    """Write `if (condition) { text } else if ...` for pairs of both."""
    return " else ".join(fill("if ($condition) {\n  $text\n}", condition=c, text=x).rstrip() for c, x in cases) + "\n"


def literal(x: float) -> str:
    """Write a float32 constant in C."""
    import numpy as np

    with np.errstate(over="ignore"):
        value = np.float32(x)
    if value != value:
        return "NAN"
    if np.isinf(value):
        return "INFINITY" if value > 0 else "(-INFINITY)"
    text = str(value)
    text = text if "." in text or "e" in text else f"{text}.0"
    return f"({text}f)" if value < 0 else f"{text}f"


def load(at: str, count: int, lanes: int) -> str:
    """Write the vector at an address; of only `count` numbers where that is not all lanes."""
    return f"LD({at})" if count == lanes else f"lds({at}, {count})"


def store(at: str, value: str, count: int, lanes: int) -> str:
    """Write a vector, or its first `count` numbers, to an address."""
    return f"ST({at}, {value});" if count == lanes else f"sts({at}, {value}, {count});"


def over_vectors(name: str, n: int, lanes: int, work: Callable[[int], str]) -> str:
    """Write `work(lanes)` for the whole vectors of n numbers, which begin at `name`, and `work(rest)` for the rest."""
    whole = n // lanes * lanes
    loop = f"for (long {name} = 0; {name} < {whole}; {name} += {lanes}) {{\n  $work\n}}\n"
    rest = f"{{\n  long {name} = {whole};\n  $work\n}}\n"
    text = fill(loop, work=work(lanes)) if whole else ""
    return text + (fill(rest, work=work(n - whole)) if n > whole else "")


def share(n: int, var: str = "i") -> str:
    """Write the loop over this thread's share of n units."""
    return f"for (long {var} = {n}L * t / T, {var}_end = {n}L * (t + 1) / T; {var} < {var}_end; {var}++)"


def over_columns(rows: int, inner: int, lanes: int, work: Callable[[int], str]) -> str:
    """Write `work(lanes)` for vectors of columns, `c` being the first, of arrays (rows, n, inner) at row `r`."""
    whole, rest = divmod(inner, lanes)
    vectors = """
        $share {
          long r = u / $whole, c = u % $whole * $lanes;
          $work
        }
    """
    last = "$share {\n  long c = $first;\n  $work\n}\n"
    text = ""
    if whole:
        text += fill(vectors, share=share(rows * whole, "u"), whole=whole, lanes=lanes, work=work(lanes))
    if rest:
        text += fill(last, share=share(rows, "r"), first=inner - rest, work=work(rest))
    return text


def split(n: int, most: int) -> list[int]:
    """Cut n into as few nearly equal pieces of at most `most` as there can be."""
    pieces = -(-n // most)
    small, rest = divmod(n, pieces)
    return [small + 1] * rest + [small] * (pieces - rest)
