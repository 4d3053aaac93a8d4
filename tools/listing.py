"""The models as a table, for --list: what they take, parameters, multiply-adds, planned memory."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

__all__ = ["Row", "add_list", "matching", "print_list", "row"]


@dataclass(frozen=True)
class Row:
    """One model, with one example at a time: bytes planned for activations, None where training was not planned."""

    name: str
    input: tuple[int, ...]
    parameters: int
    multiply_adds: int
    inference_bytes: int
    training_bytes: int | None
    paper: str


def add_list(parser: argparse.ArgumentParser) -> None:
    """Add --list, whose value print_list() takes."""
    parser.add_argument(
        "--list",
        type=str,
        nargs="?",
        const="*",
        metavar="PATTERN",
        help="list the models; with a pattern such as 'resnet-*' those it fits, and what training them needs",
    )


def print_list(pattern: str, as_json: bool) -> int:
    """Print the models that a pattern fits, each as soon as it is planned; give the exit code.

    Planning to train all takes a minute, to run them some seconds: so the pattern "*" leaves training out.
    """
    training = pattern != "*"
    names = matching(pattern)
    rows = (row(name, training) for name in names)
    if as_json:
        print(json.dumps([asdict(r) for r in rows]))
        return 0
    for line in table(rows, max(map(len, names)), training):
        print(line, flush=True)
    return 0


def matching(pattern: str) -> list[str]:
    """Give the models' names that a pattern of the shell fits; ParameterError where there is none."""
    from graphnn.errors import ParameterError
    from graphnn.models import MODELS

    found = [name for name in MODELS if fnmatchcase(name, pattern)]
    if not found:
        raise ParameterError(f"no model fits {pattern!r}: --list alone shows all {len(MODELS)}")
    return found


def row(name: str, training: bool) -> Row:
    """Measure one model, by what the NumPy backend plans for one example."""
    from graphnn import models
    from graphnn.backend import compile
    from graphnn.bound import Bound
    from graphnn.executor import plan_of
    from graphnn.tools.flops import flops

    model, symbol = models.MODELS[name], models.get(name)
    shape = {"data": (1, *model.input)}
    bound = Bound(symbol, shape, {})
    learnt = set(bound.arguments) - {"data", "softmax_label"}
    return Row(
        name=name,
        input=model.input,
        parameters=sum(math.prod(bound.types[n].shape) for n in learnt),
        multiply_adds=flops(bound, False) // 2,
        inference_bytes=compile(*bound.inference(), "numpy").planned_bytes,
        training_bytes=plan_of(symbol, True, shape).planned_bytes if training else None,
        paper=model.paper,
    )


def table(rows: Iterable[Row], width: int, training: bool) -> Iterator[str]:
    """Give the heading and a line for each row, as they come; `width` is that of the longest name."""
    yield "memory is what is planned for the activations of one example"
    titles = ["inference", "training"][: 1 + training]
    yield _line("name".ljust(width), ["input", "parameters", "mult-adds", *titles], "paper")
    for r in rows:
        memory = [_mib(n) for n in (r.inference_bytes, r.training_bytes) if n is not None]
        sizes = ["x".join(map(str, r.input)), f"{r.parameters:,}", f"{r.multiply_adds / 1e6:,.1f} M", *memory]
        yield _line(r.name.ljust(width), sizes, r.paper)


def _line(name: str, columns: list[str], paper: str) -> str:
    return "  ".join([name, *(c.rjust(11) for c in columns), paper])


def _mib(n: int) -> str:
    return f"{n / (1 << 20):.2f} MiB"
