"""How good a classifier is: accuracy with its interval, loss, confusion matrix, each class, ROC, worst mistakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["ClassScore", "Curve", "Evaluation", "evaluate", "per_class", "roc", "wilson", "worst"]

_Z = 1.959963984540054  # 95% of a normal distribution lie within so many deviations
_EPS = 1e-12  # as in the metric cross-entropy


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Share of right answers, mean of -log p(label), and how often each true class (row) was taken for each other.

    `interval` is the accuracy's, see wilson().
    """

    accuracy: float
    loss: float
    matrix: np.ndarray
    interval: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class ClassScore:
    """precision = right / said to be it, recall = right / are it (None: 0 / 0), and `count`, how many are it."""

    label: str
    precision: float | None
    recall: float | None
    count: int

    @property
    def f1(self) -> float:
        """2 precision recall / (precision + recall), 0 where that is 0 / 0."""
        p, r = self.precision or 0.0, self.recall or 0.0
        return 2 * p * r / (p + r) if p + r else 0.0


@dataclass(frozen=True, eq=False)
class Curve:
    """One class against the rest: shares of the others (k,) and of its own (k,) that are taken for it, from 0 to 1.

    Each point is a threshold of the class's probability, falling. `area` is that under the curve: the probability that
    one of the class gets a higher one than one of the others, a tie counting half.
    """

    false: np.ndarray
    true: np.ndarray
    area: float


def evaluate(probabilities: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Compare probabilities (n, classes) with labels (n,)."""
    n, classes = probabilities.shape
    labels = labels.astype(np.int64)
    chosen = probabilities.argmax(1)
    matrix = np.bincount(labels * classes + chosen, minlength=classes**2).reshape(classes, classes)
    loss = -np.log(probabilities[np.arange(n), labels].astype(np.float64) + _EPS).mean()
    right = int((chosen == labels).sum())
    return Evaluation(right / n if n else math.nan, float(loss), matrix, wilson(right, n))


def wilson(right: int, n: int) -> tuple[float, float]:
    """(p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with p = right / n: where the share lies, to 95%.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference"; 0 to 1 where n is 0.
    """
    if n == 0:
        return 0.0, 1.0
    p, z2 = right / n, _Z**2 / n
    middle, half = (p + z2 / 2) / (1 + z2), _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n)) / (1 + z2)
    return max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half))


def per_class(matrix: np.ndarray, classes: Sequence[str]) -> list[ClassScore]:
    """Give each class's precision and recall."""
    right, said, are = matrix.diagonal(), matrix.sum(0), matrix.sum(1)
    return [
        ClassScore(name, _share(right[k], said[k]), _share(right[k], are[k]), int(are[k]))
        for k, name in enumerate(classes)
    ]


def roc(probabilities: np.ndarray, labels: np.ndarray) -> list[Curve | None]:
    """Give each class's curve from probabilities (n, classes) and labels (n,); None where all or none are of it."""
    labels = labels.astype(np.int64)
    return [_curve(p, labels == k) for k, p in enumerate(probabilities.T)]


def _curve(p: np.ndarray, own: np.ndarray) -> Curve | None:
    if own.all() or not own.any():
        return None
    order = np.argsort(-p, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)  # equal probabilities are one point
    true = np.append(0, np.cumsum(own[order])[ends])
    false = np.append(0, ends + 1) - true
    x, y = false / false[-1], true / true[-1]
    return Curve(x, y, float(((x[1:] - x[:-1]) * (y[1:] + y[:-1])).sum() / 2))


def worst(probabilities: np.ndarray, labels: np.ndarray, most: int) -> np.ndarray:
    """Give the numbers (at most `most`,) of wrong answers, the one that was surest first."""
    chosen = probabilities.argmax(1)
    wrong = np.flatnonzero(chosen != labels)
    return wrong[np.argsort(-probabilities[wrong, chosen[wrong]], kind="stable")][:most]


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
