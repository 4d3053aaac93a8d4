"""print_summary: the layers of a network as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..symbol import Symbol
from ..types import Shape
from .layers import clean, layers, size_text

__all__ = ["Row", "Summary", "print_summary", "summary"]


class Row(NamedTuple):
    """One layer: shapes are without the batch, `parameters` is None where the shapes do not tell it."""

    name: str
    type: str
    detail: str
    output_shape: list[int] | None
    parameters: int | None
    previous: list[str]


class Summary(NamedTuple):
    """The layers, all parameters, and the values of auxiliary states; None where a shape is not known."""

    rows: list[Row]
    parameters: int | None
    states: int | None


def summary(symbol: Symbol, shape: Mapping[str, Shape] | None = None) -> Summary:
    """Give the layers of a network with output shapes and parameter counts, as far as `shape` tells them.

    Every parameter counts once, in the layer that reads it first. A layer of several outputs shows the first's shape.
    """
    found, _ = layers(symbol, shape)
    rows = []
    for x in found:
        first = x.shapes[0]
        previous = [v.node.name for v in x.inputs]
        type = "null" if x.node.op.is_variable else x.node.op.name
        rows.append(Row(x.node.name, type, x.detail, list(first[1:]) if first else None, x.parameters, previous))
    return Summary(rows, _total([x.parameters for x in found]), _total([x.states for x in found]))


def _total(counts: Sequence[int | None]) -> int | None:
    known = [n for n in counts if n is not None]
    return sum(known) if len(known) == len(counts) else None


def print_summary(
    symbol: Symbol,
    shape: Mapping[str, Shape] | None = None,
    line_length: int = 120,
    positions: Sequence[float] = (0.44, 0.64, 0.74, 1.0),
) -> None:
    """Print the layers: name and type, output shape without the batch, parameters, and the layers before.

    `positions` are the ends of the columns, as shares of `line_length`. Counts need `shape`, such as
    {"data": (1, 1, 28, 28)}; `?` stands for what cannot be told.
    """
    print("\n".join(_lines(summary(symbol, shape), [int(line_length * p) for p in positions])))


def _lines(table: Summary, ends: Sequence[int]) -> list[str]:
    head = ("Layer (type)", "Output Shape", "Param #", "Previous Layer")
    lines = [_row(head, ends), "=" * ends[-1]]
    for row in table.rows:
        type = row.type if not row.detail else f"{row.type} {row.detail}"
        shape = size_text(tuple(row.output_shape)) if row.output_shape is not None else "?"
        count = "?" if row.parameters is None else f"{row.parameters:,}"
        name = clean(row.name, max(8, ends[0] - len(type) - 4))
        first, *others = row.previous or [""]
        lines.append(_row((f"{name} ({type})", shape or "1", count, first), ends))
        lines += [_row(("", "", "", name), ends) for name in others]
    lines += ["=" * ends[-1], f"Total params: {_shown(table.parameters)}"]
    if table.states != 0:
        lines.append(f"Auxiliary states: {_shown(table.states)}")
    return lines


def _shown(count: int | None) -> str:
    return "? (give the shapes of the inputs)" if count is None else f"{count:,}"


def _row(cells: Sequence[str], ends: Sequence[int]) -> str:
    line = ""
    for cell, end in zip(cells, ends, strict=True):
        line = line[: end - 1] + clean(cell, max(4, end - len(line) - 1))
        line = line.ljust(end)
    return line.rstrip()
