"""Trained networks as they stand, whatever they read: all outputs for rows and their labels; what strips say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np

from .data.scaling import normalizer
from .data.strings import decode
from .errors import ParameterError
from .predictor import Trained
from .runs.folder import SCALED
from .train.sequences import text_of

__all__ = ["Runner", "read_strips"]


@final
class Runner:
    """A trained network of any kind: run() gives its outputs, `rows` rows at a time."""

    def __init__(
        self,
        trained: Trained,
        backend: str = "numpy",
        threads: int = 1,
        max_memory: int | None = None,
        rows: int = 50,
    ) -> None:
        self.trained, self.rows = trained, rows
        self._executor = trained.bind(rows, backend, threads, max_memory)
        self._labels = [n for n in self._executor.arg_dict if n.endswith("label")]
        self._executor.freeze("data", *self._labels)
        meta = trained.meta
        self._transform = normalizer(meta.mean, meta.std) if meta.kind in SCALED else _as_numbers

    def run(self, x: np.ndarray, y: np.ndarray | None = None) -> Iterator[list[np.ndarray]]:
        """Give copies of the outputs for rows x (n, ...) and labels y (n, ...), None: all 0, batch by batch.

        An output has as many entries for each row as the symbol gives. Raises ParameterError for rows or labels of
        another shape.
        """
        executor = self._executor
        given = {"data": x} | ({} if y is None else dict.fromkeys(self._labels, y))
        for name, a in given.items():
            if a.shape[1:] != executor.arg_dict[name].shape[1:]:
                raise ParameterError(
                    f"{name}: the network reads rows of {executor.arg_dict[name].shape[1:]}, got {a.shape[1:]}"
                )
        for begin in range(0, len(x), self.rows):
            part = {n: a[begin : begin + self.rows] for n, a in given.items()}
            part["data"] = self._transform(part["data"])
            n = len(part["data"])
            for name in ("data", *self._labels):
                array = executor.arg_dict[name]
                array[:n], array[n:] = part.get(name, 0), 0
            with np.errstate(all="ignore"):
                yield [a[: len(a) // self.rows * n].copy() for a in executor.forward()]


def _as_numbers(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32)


def read_strips(runner: Runner, strips: np.ndarray) -> list[tuple[str, float]]:
    """Give what strips (n, c, h, w) say, and the probability of the likeliest path, which is part of that of the text.

    p(path) = product of the steps' largest p; other paths say the same text (Graves et al. 2006, equation 3). Raises
    ParameterError for a run on other data than strips.
    """
    trained = runner.trained
    if trained.meta.kind != "strings":
        raise ParameterError(f"the run's network reads {trained.meta.kind}, no strips")
    found: list[tuple[str, float]] = []
    for _, p in runner.run(strips):
        texts = (text_of(numbers, trained.classes) for numbers in decode(p))
        found += zip(texts, p.max(-1).prod(-1, dtype=np.float64).tolist(), strict=True)
    return found
