"""One row of the operator table: an operator, its inputs, and what NumPy says of them in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnn.op import Op, find

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """`op` applied to inputs of `shapes`, drawn uniformly from [low, high), must give `ref(*float64 inputs)`.

    `ref` gives an array, or a tuple of the visible outputs. `grad` names the inputs (by number) whose gradient is
    checked against numerical differences of `ref`; for a loss head give `loss`, the scalar whose gradient it sends
    back. `draw` replaces the uniform draw: `draw(rng) -> list of arrays`. The tag `composed` says that a program never
    has the operator with these parameters, but others in its place, so that its kernel is not for them.
    """

    op: Op
    shapes: tuple[Shape, ...]
    ref: Callable[..., Any]
    low: float = -2.0
    high: float = 2.0
    grad: Sequence[int] | None = None  # None: every input
    loss: Callable[..., Any] | None = None
    draw: Callable[[np.random.Generator], Sequence[np.ndarray]] | None = None
    rtol: float = 2e-5
    atol: float = 2e-6
    tags: Sequence[str] = field(default=())

    @property
    def id(self) -> str:
        return f"{self.op}-{'-'.join('x'.join(map(str, s)) for s in self.shapes)}"

    @property
    def wrt(self) -> tuple[int, ...]:
        if self.grad is None:
            return tuple(range(len(self.shapes))) if self.op.differentiable else ()
        return tuple(self.grad)

    def inputs(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Draw the inputs, in float64."""
        if self.draw is not None:
            return [np.asarray(a, np.float64) for a in self.draw(rng)]
        return [rng.uniform(self.low, self.high, s) for s in self.shapes]


def op(name: str, **params: object) -> Op:
    """Make an operator by MXNet's name."""
    return find(name).from_params(params)
