"""Batches as a function: batch k of epoch e follows from the seed alone, so anybody may make it, at any time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np

from .augment import Transform
from .iterators import DataBatch, permutation
from .mixing import Mixing

__all__ = ["Batches"]

_STREAM = 2  # in Philox's counter: sets what is drawn here apart from shuffles (1) and random operators (0)


@final
@dataclass(frozen=True, eq=False)
class Batches:
    """Rows x (n, ...) with labels y (n, ...), in batches of `size`.

    With `shuffle` every epoch has its own order. `transforms` change the rows as they are stored, `prepare` makes them
    the network's input, `mixing` comes last; all draw from Philox 4x64-10 with the key (seed, epoch), its counter
    beginning at the batch. What does not fill the last batch is left out, or with `pad` filled with the first rows.
    """

    x: np.ndarray
    y: np.ndarray
    size: int
    prepare: Callable[[np.ndarray], np.ndarray]
    seed: int = 0
    shuffle: bool = False
    pad: bool = False
    transforms: tuple[Transform, ...] = ()
    mixing: Mixing | None = None

    def __len__(self) -> int:
        return -(-len(self.x) // self.size) if self.pad else len(self.x) // self.size

    def make(self, epoch: int, k: int) -> DataBatch:
        """Make batch k, from 0, of an epoch: float32 data, float32 labels."""
        rows = self._rows(epoch, k)
        rng = np.random.Generator(
            np.random.Philox(key=np.array([self.seed, epoch], np.uint64), counter=[0, 0, k, _STREAM])
        )
        x, y = self.x[rows], self.y[rows]
        for transform in self.transforms:
            x = transform(x, rng)
        x, y = self.prepare(x), y.astype(np.float32)
        if self.mixing is not None:
            x, y = self.mixing(x, y, rng)
        return DataBatch([x], [y], max(0, (k + 1) * self.size - len(self.x)), rows)

    def _rows(self, epoch: int, k: int) -> np.ndarray:
        at = np.arange(k * self.size, (k + 1) * self.size) % len(self.x)
        return _order(self.seed, epoch, len(self.x))[at] if self.shuffle else at


@lru_cache(maxsize=2)  # a batch needs but a part of it
def _order(seed: int, epoch: int, n: int) -> np.ndarray:
    return permutation(seed, epoch, n)
