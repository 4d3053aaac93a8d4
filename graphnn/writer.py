"""Trained language models for use: `writer.load(run_folder)` gives one that goes on writing a text."""

from __future__ import annotations

import os
from typing import final

import numpy as np

from .data.text import decode, encode, rolling, sample
from .errors import ParameterError
from .predictor import Trained, read_run

__all__ = ["Writer", "load"]


def load(
    folder: str | os.PathLike[str],
    epoch: int | None = None,
    backend: str = "numpy",
    threads: int = 1,
    max_memory: int | None = None,
) -> Writer:
    """Load the language model of a run folder: with its best parameters, or those after `epoch`, counted from 1.

    Raises what predictor.load() raises, and ParameterError for a run on other data than text.
    """
    return Writer(read_run(folder, epoch), backend, threads, max_memory)


@final
class Writer:
    """A language model: write() gives the characters that it draws behind a beginning."""

    def __init__(
        self, trained: Trained, backend: str = "numpy", threads: int = 1, max_memory: int | None = None
    ) -> None:
        if trained.meta.kind != "text":
            raise ParameterError(f"the run's network reads {trained.meta.kind}, no text")
        self.symbol, self.meta, self.classes = trained.symbol, trained.meta, trained.classes
        (self._length,) = trained.shape
        self._executor = trained.bind(1, backend, threads, max_memory)
        self._executor.freeze("data")

    def write(self, beginning: str, length: int = 200, temperature: float = 1.0, seed: int = 0) -> str:
        """Give `length` characters drawn one by one behind `beginning` from p^(1 / temperature), 0 for the likeliest.

        The network sees the last characters, as many as a row of its training had. Raises ParameterError for an empty
        beginning, a character that it was not trained on, and a negative temperature.
        """
        start = encode(beginning, self.classes)
        following = rolling(lambda row: self._executor.forward(data=row)[0], self._length)
        with np.errstate(all="ignore"):
            return decode(sample(following, start, length, temperature, seed), self.classes)

    def __repr__(self) -> str:
        return f"<Writer of {len(self.classes)} characters, {self._length} of them before its eyes>"
