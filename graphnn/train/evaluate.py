"""How good a classifier is: accuracy, loss, confusion matrix, precision and recall of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["ClassScore", "Evaluation", "evaluate", "per_class"]

_EPS = 1e-12  # as in the metric cross-entropy


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Share of right answers, mean of -log p(label), and how often each true class (row) was taken for each other."""

    accuracy: float
    loss: float
    matrix: np.ndarray


@dataclass(frozen=True)
class ClassScore:
    """precision = right / said to be it, recall = right / are it (None: 0 / 0), and `count`, how many are it."""

    label: str
    precision: float | None
    recall: float | None
    count: int


def evaluate(probabilities: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Compare probabilities (n, classes) with labels (n,)."""
    n, classes = probabilities.shape
    labels = labels.astype(np.int64)
    chosen = probabilities.argmax(1)
    matrix = np.bincount(labels * classes + chosen, minlength=classes**2).reshape(classes, classes)
    loss = -np.log(probabilities[np.arange(n), labels].astype(np.float64) + _EPS).mean()
    return Evaluation(float((chosen == labels).mean()), float(loss), matrix)


def per_class(matrix: np.ndarray, classes: Sequence[str]) -> list[ClassScore]:
    """Give each class's precision and recall."""
    right, said, are = matrix.diagonal(), matrix.sum(0), matrix.sum(1)
    return [
        ClassScore(name, _share(right[k], said[k]), _share(right[k], are[k]), int(are[k]))
        for k, name in enumerate(classes)
    ]


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
