"""More metrics: F1, coefficients of correlation, losses that a network gives itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ParameterError
from .metric import (
    CrossEntropy,
    CustomMetric,
    EvalMetric,
    _Arrays,
    _count,
    _Measure,
    _Names,
    _pairs,
    _require,
    _unpadded,
    register,
)

__all__ = ["F1", "MCC", "PCC", "Caffe", "Loss", "NegativeLogLikelihood", "PearsonCorrelation", "Torch", "np_metric"]


class F1(EvalMetric):
    """value = 2 tp / (2 tp + fp + fn) of class 1 against the rest, 0 when tp = 0; label (n,), pred (n, classes).

    `average` "macro": the mean of the scores of the update() calls; "micro": one score of all rows. ParameterError for
    more than two kinds of label in one array.
    """

    def __init__(
        self, name: str = "f1", output_names: _Names = None, label_names: _Names = None, average: str = "macro"
    ) -> None:
        if average not in ("macro", "micro"):
            raise ParameterError(f"{name}: average must be 'macro' or 'micro', got {average!r}")
        super().__init__(name, output_names, label_names, average=average)
        self.average = average

    def reset(self) -> None:
        self._all = np.zeros(2)
        super().reset()

    def reset_local(self) -> None:
        self._found = np.zeros(2)
        super().reset_local()

    def update(self, labels: _Arrays, preds: _Arrays, pad: int = 0) -> None:
        pairs = _pairs(self.name, labels, preds, pad)
        if not pairs:
            return
        found = np.sum([self._measure(label, pred) for label, pred in pairs], 0)
        if self.average == "macro":
            self._add(self._score(found), 1)
            return
        self._found, self._all = self._found + found, self._all + found
        self._replace(sum(label.size for label, _ in pairs), self._score(self._found), self._score(self._all))

    def _measure(self, label: np.ndarray, pred: np.ndarray) -> _Measure:
        """2 tp and 2 tp + fp + fn."""
        _require(pred.ndim == 2 and label.size == len(pred), self.name, "pred must be (n, classes)", label, pred)
        kinds = np.unique(np.trunc(label))
        if len(kinds) > 2:
            raise ParameterError(f"{self.name}: labels must be of at most 2 kinds, got {kinds[:5].tolist()}")
        positive, chosen = np.trunc(label).ravel() == 1, pred.argmax(1) == 1
        return float(2 * np.sum(positive & chosen)), float(np.sum(positive) + np.sum(chosen))

    @staticmethod
    def _score(found: np.ndarray) -> float:
        return float(found[0] / found[1]) if found[1] else 0.0


class NegativeLogLikelihood(CrossEntropy):
    """value = mean of -log(pred[i, label[i]] + eps); label (n,), pred (n, classes) probabilities."""

    def __init__(
        self, eps: float = 1e-12, name: str = "nll-loss", output_names: _Names = None, label_names: _Names = None
    ) -> None:
        super().__init__(eps, name, output_names, label_names)


class Loss(EvalMetric):
    """value = mean of all elements of the outputs; labels do not count."""

    def __init__(self, name: str = "loss", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names, label_names)

    def update(self, labels: _Arrays, preds: _Arrays, pad: int = 0) -> None:
        for pred in [preds] if isinstance(preds, np.ndarray) else preds:
            rows = _unpadded(self.name, np.atleast_1d(pred), pad, _count(labels))
            self._add(float(rows.sum(dtype=np.float64)), rows.size)


class Torch(Loss):
    """Loss under another name."""

    def __init__(self, name: str = "torch", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names, label_names)


class Caffe(Loss):
    """Loss under another name."""

    def __init__(self, name: str = "caffe", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names, label_names)


class _Counted(EvalMetric):
    """Base: counts, as an array, are added up; the value is a function of their sum.

    `average` "macro": the mean of the values of the update() calls; "micro": the value of all rows together.
    """

    def __init__(self, average: str, name: str, output_names: _Names, label_names: _Names, **config: Any) -> None:
        if average not in ("macro", "micro"):
            raise ParameterError(f"{name}: average must be 'macro' or 'micro', got {average!r}")
        self.average = average
        super().__init__(name, output_names, label_names, **config)
        if type(self) is not PCC:
            self._config["average"] = average

    def reset(self) -> None:
        self._all: Any = None
        super().reset()

    def reset_local(self) -> None:
        self._counts: Any = None
        super().reset_local()

    def update(self, labels: _Arrays, preds: _Arrays, pad: int = 0) -> None:
        pairs = _pairs(self.name, labels, preds, pad)
        counts = [self._count(label, pred) for label, pred in pairs]
        if self.average == "macro":
            for _total in [_summed(None, counts)] if counts else []:
                self._add(self._of(_total), 1)
            return
        self._counts, self._all = _summed(self._counts, counts), _summed(self._all, counts)
        rows = sum(label.size for label, _ in pairs)
        self._replace(rows, self._micro(self._counts), self._micro(self._all))

    def get(self) -> tuple[str, float]:
        return super().get() if self.average == "macro" else (self.name, self._micro(self._counts))

    def get_global(self) -> tuple[str, float]:
        return super().get_global() if self.average == "macro" else (self.name, self._micro(self._all))

    def _micro(self, counts: Any) -> float:
        return math.nan if counts is None else self._of(counts)

    def _count(self, label: np.ndarray, pred: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _of(self, counts: np.ndarray) -> float:
        raise NotImplementedError


def _summed(total: Any, counts: list[np.ndarray]) -> Any:
    """Add up counts; matrices of more classes take in those of fewer."""
    for found in counts:
        if total is None:
            total = found
            continue
        shape = tuple(map(max, total.shape, found.shape))
        total, found = (np.pad(a, [(0, n - m) for n, m in zip(shape, a.shape, strict=True)]) for a in (total, found))
        total = total + found
    return total


class MCC(_Counted):
    """value = (tp tn - fp fn) / sqrt((tp + fp) (tp + fn) (tn + fp) (tn + fn)), factors of 0 left out; of class 1.

    label (n,), pred (n, 2). Matthews, 1975.
    """

    def __init__(
        self, name: str = "mcc", output_names: _Names = None, label_names: _Names = None, average: str = "macro"
    ) -> None:
        super().__init__(average, name, output_names, label_names)

    def _count(self, label: np.ndarray, pred: np.ndarray) -> np.ndarray:
        """(tp, fp, fn, tn)."""
        _require(pred.ndim == 2 and label.size == len(pred), self.name, "pred must be (n, classes)", label, pred)
        kinds = np.unique(np.trunc(label))
        if len(kinds) > 2:
            raise ParameterError(f"{self.name}: labels must be of at most 2 kinds, got {kinds[:5].tolist()}")
        truth, chosen = np.trunc(label).ravel() == 1, pred.argmax(1) == 1
        cells = (truth & chosen, ~truth & chosen, truth & ~chosen, ~truth & ~chosen)
        return np.array([c.sum() for c in cells], np.float64)

    def _of(self, counts: np.ndarray) -> float:
        tp, fp, fn, tn = map(float, counts)
        factors = [x for x in (tp + fp, tp + fn, tn + fp, tn + fn) if x]
        return (tp * tn - fp * fn) / math.sqrt(math.prod(factors))


class PCC(_Counted):
    """value = the correlation of labels and predictions over k classes, MCC for two; label (n,), pred (n, classes).

    Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient (2004).
    """

    def __init__(
        self,
        name: str = "pcc",
        output_names: _Names = None,
        label_names: _Names = None,
        has_global_stats: bool = True,
    ) -> None:
        super().__init__("micro", name, output_names, label_names)

    def _count(self, label: np.ndarray, pred: np.ndarray) -> np.ndarray:
        """The confusion matrix (prediction, label)."""
        _require(label.size == len(pred), self.name, "pred must have one row per label", label, pred)
        truth = label.ravel().astype(np.int64)
        chosen = pred.argmax(1) if pred.ndim > 1 and pred.shape != label.shape else pred.ravel().astype(np.int64)
        least, most = min(truth.min(), chosen.min()), max(truth.max(), chosen.max())
        if least < 0 or most >= 1 << 15:
            raise ParameterError(f"{self.name}: classes must be from 0 to {(1 << 15) - 1}, got {least} to {most}")
        k = int(most) + 1
        return np.bincount(chosen * k + truth, minlength=k * k).reshape(k, k).astype(np.float64)

    def _of(self, counts: np.ndarray) -> float:
        n, x, y = counts.sum(), counts.sum(1), counts.sum(0)
        spread = float((x * (n - x)).sum() * (y * (n - y)).sum())
        return float((counts.diagonal() * n - x * y).sum()) / math.sqrt(spread) if spread else math.nan


class PearsonCorrelation(_Counted):
    """value = cov(label, pred) / sqrt(var(label) var(pred)); label and pred of one shape."""

    def __init__(
        self, name: str = "pearsonr", output_names: _Names = None, label_names: _Names = None, average: str = "macro"
    ) -> None:
        super().__init__(average, name, output_names, label_names)

    def update(self, labels: _Arrays, preds: _Arrays, pad: int = 0) -> None:
        if self.average == "micro":
            super().update(labels, preds, pad)
            return
        for label, pred in _pairs(self.name, labels, preds, pad):
            self._add(self._of(self._count(label, pred)), 1)

    def _count(self, label: np.ndarray, pred: np.ndarray) -> np.ndarray:
        """(n, sum x, sum y, sum x^2, sum y^2, sum x y)."""
        _require(label.size == pred.size, self.name, "label and pred must have one shape", label, pred)
        x, y = label.ravel().astype(np.float64), pred.ravel().astype(np.float64)
        return np.array([x.size, x.sum(), y.sum(), x @ x, y @ y, x @ y])

    def _of(self, counts: np.ndarray) -> float:
        n, x, y, xx, yy, xy = map(float, counts)
        spread = (n * xx - x * x) * (n * yy - y * y)
        return (n * xy - x * y) / math.sqrt(spread) if spread > 0 else math.nan


def np_metric(
    numpy_feval: Callable[[np.ndarray, np.ndarray], Any], name: str | None = None, allow_extra_outputs: bool = False
) -> CustomMetric:
    """A CustomMetric of a function (label, pred) -> value; MXNet's mx.metric.np."""
    return CustomMetric(numpy_feval, name, allow_extra_outputs)


for _cls, _names in (
    (F1, ()),
    (MCC, ()),
    (PCC, ()),
    (PearsonCorrelation, ("pearsonr",)),
    (NegativeLogLikelihood, ("nll_loss", "nll-loss")),
    (Loss, ()),
    (Torch, ()),
    (Caffe, ()),
):
    register(_cls, *_names)
