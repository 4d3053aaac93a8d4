"""An optimiser at work: its states, its count of steps, and the numbers that each step takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .. import memory
from ..op import Op
from ..types import TensorType
from .optimizer import Optimizer

__all__ = ["MASTER", "RATE", "Running"]

RATE = "optimizer:lr"
MASTER = "weight32"  # the state behind a float16 parameter, with multi_precision


class Running:
    """An optimiser with the states of the parameters `names`; modules that share the parameters share it."""

    def __init__(
        self,
        optimizer: Optimizer,
        weights: Mapping[str, np.ndarray],
        names: Sequence[str],
        attrs: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.optimizer, self.updates = optimizer, 0
        self._attrs = attrs
        self._index = {name: k for k, name in enumerate(names)}
        self.rate = np.zeros(max(1, optimizer.per_parameter * len(names)), np.float32)
        self.states: dict[str, np.ndarray] = {}
        for name in names:
            weight = weights[name]
            if optimizer.multi_precision and weight.dtype == np.float16:
                weight = weight.astype(np.float32)
                self._keep(f"{MASTER}:{name}", weight)
            for state, array in optimizer.initial_states(weight).items():
                self._keep(f"{state}:{name}", array)

    def _keep(self, name: str, array: np.ndarray) -> None:
        own = self.states[name] = memory.zeros(array.shape, array.dtype)
        own[...] = array

    def state_names(self, name: str) -> list[str]:
        """Name the states of a parameter, in the order the update operator takes them, the float32 one first."""
        master = f"{MASTER}:{name}"
        return [*([master] if master in self.states else []), *(f"{s}:{name}" for s in self.optimizer.state_names())]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What the programs of its steps read and write, by name."""
        return {**self.states, RATE: self.rate}

    @property
    def types(self) -> dict[str, TensorType]:
        states = {n: TensorType(a.shape, str(a.dtype)) for n, a in self.states.items()}
        return {RATE: TensorType(self.rate.shape, "float32"), **states}

    @property
    def learning_rate(self) -> float:
        """The rate of the last step."""
        return self.optimizer.rate(self._number(max(1, self.updates)))

    def update(self, name: str) -> Op:
        """Give the update operator of a parameter."""
        return self.optimizer.update(name, self._attrs.get(name, {}), self._index[name])

    def next_step(self) -> None:
        """Count a step and set its numbers."""
        self.updates += 1
        self.rate[:] = self.optimizer.numbers(self._number(self.updates), len(self._index))

    def _number(self, updates: int) -> int:
        return self.optimizer.begin_num_update + updates
