"""An exponential moving average of parameters and states, beside the training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from .. import memory
from ..executor import Executor
from ..graph import Value
from ..op import variable
from ..plan import Graph
from ..types import TensorType

__all__ = ["Average"]

_PREFIX = "average:"


class Average:
    """a' = decay a + (1 - decay) w after each step, from a = 0; the average is a / (1 - decay^t) after t steps.

    The division takes out what the 0 of the beginning weighs (Kingma and Ba 2015, section 3). What w is: the arrays
    `names` of an executor, parameters and auxiliary states.
    """

    def __init__(self, executor: Executor, names: list[str], decay: float) -> None:
        self._own = {n: a for n, a in {**executor.arg_dict, **executor.aux_dict}.items() if n in names}
        self._decay = decay
        self.arrays = {f"{_PREFIX}{n}": memory.zeros(a.shape, a.dtype) for n, a in self._own.items()}
        types = {n: TensorType(a.shape, str(a.dtype)) for n, a in {**self._own, **self.arrays}.items()}
        values = {n: variable(n, t.shape, t.dtype) for n, t in types.items()}
        updates = tuple((f"{_PREFIX}{n}", self._next(values, n), 0) for n in self._own)
        self.swapped = False  # whether the average is in the weights' place, or on the way
        self._program = executor.link(Graph((), updates), types, self.arrays)

    def _next(self, values: dict[str, Value], name: str) -> Value:
        return values[f"{_PREFIX}{name}"] * self._decay + values[name] * (1 - self._decay)

    def step(self) -> None:
        """Take the weights as they are now into the average."""
        self._program.run()

    @contextmanager
    def in_place(self, steps: int) -> Iterator[None]:
        """Put the average after `steps` steps in the weights' place, and the weights back at the end."""
        if not steps:
            yield
            return
        kept = {n: a.copy() for n, a in self._own.items()}
        share = 1 - self._decay**steps
        self.swapped = True
        try:
            for n, a in self._own.items():
                np.divide(self.arrays[f"{_PREFIX}{n}"], share, out=a)
            yield
        finally:
            for n, a in self._own.items():
                a[...] = kept[n]
            self.swapped = False
