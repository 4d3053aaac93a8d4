"""What pictures and reports are about: a trained network, its log, and what it says of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..train.evaluate import Evaluation, evaluate

if TYPE_CHECKING:
    from ..predictor import Predictor
    from ..runs.folder import Record

__all__ = ["Subject"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network and what it says of data: inputs (n, ...), labels (n,), probabilities (n, classes)."""

    predictor: Predictor
    records: Sequence[Record]
    inputs: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, predictor: Predictor, records: Sequence[Record], inputs: np.ndarray, labels: np.ndarray) -> Subject:
        """Ask the network of inputs (n, ...)."""
        return cls(predictor, records, inputs, labels, predictor.predict(inputs))

    @cached_property
    def result(self) -> Evaluation:
        return evaluate(self.probabilities, self.labels)

    @property
    def trained(self) -> Predictor:
        return self.predictor

    @property
    def classes(self) -> tuple[str, ...]:
        return self.predictor.classes
