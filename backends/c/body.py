"""Elementwise expressions: what fused steps and the ends of products compute, as C text over vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graphnn.types import Shape

__all__ = ["Body", "Dims", "collapse", "evaluate"]


@dataclass(frozen=True)
class Body:
    """Expressions over inputs: step k, `(template, arguments)`, makes value `len(views) + k`.

    `views` are the inputs' shapes as they broadcast to `shape`, all of as many axes. `full` are the values that are
    outputs of `shape`; of the values `sums` the sums over all axes but the last are outputs, of shape (c,).
    """

    shape: Shape
    views: tuple[Shape, ...]
    steps: tuple[tuple[str, tuple[int, ...]], ...]
    full: tuple[int, ...] = ()
    sums: tuple[int, ...] = ()

    def __str__(self) -> str:
        names = [f"x{i}" for i in range(len(self.views))]
        for template, args in self.steps:
            text = template.format(*(names[a] for a in args))
            names.append(text if len(text) < 200 else "...")
        outs = [names[v] for v in self.full] + [f"sum({names[v]})" for v in self.sums]
        return "; ".join(outs)

    @property
    def is_identity(self) -> bool:
        return not self.steps and self.full == (0,)


@dataclass(frozen=True)
class Dims:
    """Axes joined where every input allows it: their sizes, and each input's strides in elements (0: repeated)."""

    sizes: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]


def collapse(shape: Shape, views: Sequence[Shape]) -> Dims:
    """Join neighbouring axes that all inputs go through in one stride."""
    axes = [i for i, n in enumerate(shape) if n != 1] or [len(shape) - 1] * bool(shape)
    kept: list[list[int]] = []
    for i in axes:
        same = kept and all((v[i] == 1) == (v[kept[-1][-1]] == 1) for v in views)
        if same:
            kept[-1].append(i)
        else:
            kept.append([i])
    sizes = tuple(math.prod(shape[i] for i in group) for group in kept) or (1,)
    strides = []
    for v in views:
        step, found = 1, []
        for group in reversed(kept):
            n = math.prod(v[i] for i in group)
            found.append(step if n > 1 else 0)
            step *= n
        strides.append(tuple(reversed(found)) or (0,))
    return Dims(sizes, tuple(strides))


def evaluate(body: Body, names: Sequence[str], prefix: str = "v") -> tuple[list[str], list[str]]:
    """Give the statements that compute every step as vectors, and the name of each value; `names` are the inputs."""
    values = list(names)
    lines = []
    for k, (template, args) in enumerate(body.steps):
        values.append(f"{prefix}{k}")
        lines.append(f"vf {prefix}{k} = {template.format(*(values[a] for a in args))};")
    return lines, values
