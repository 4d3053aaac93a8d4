"""Evaluation metrics with MXNet's names, conventions and calls, on NumPy arrays.

Rows are the first axis. update() raises ShapeError for labels and predictions that do not fit each other and
ParameterError for a `pad` that is negative or above the rows.

A metric adds up a sum and a count over batches; its value is the quotient. Each metric keeps them twice: since reset()
(the epoch) and since reset_local() (the last line of a log), as MXNet 1.9.1 does.
"""

from __future__ import annotations

import difflib
import inspect
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..errors import ParameterError, ShapeError

__all__ = [
    "MAE",
    "MSE",
    "RMSE",
    "Accuracy",
    "CompositeEvalMetric",
    "CrossEntropy",
    "CustomMetric",
    "EvalMetric",
    "Perplexity",
    "TopKAccuracy",
    "create",
    "register",
]

_Arrays = Sequence[np.ndarray] | np.ndarray
_Names = Sequence[str] | None
_Measure = tuple[float, float]  # what one (label, prediction) pair adds to the sum and to the count


class EvalMetric(ABC):
    """value = sum / count over all batches since reset(); nan before the first.

    A metric of your own overrides update() and calls _add(sum, count), or adds to sum_metric and num_inst. With
    `output_names` and `label_names` update_dict() shows it these alone. `config` is what get_config() gives more.
    """

    def __init__(self, name: str, output_names: _Names = None, label_names: _Names = None, **config: Any) -> None:
        self.name = name
        self.output_names, self.label_names, self._config = output_names, label_names, config
        self.reset()

    def __str__(self) -> str:
        return f"EvalMetric: {dict(self.get_name_value())}"

    @abstractmethod
    def update(self, labels: _Arrays, preds: _Arrays, pad: int = 0) -> None:
        """Add one batch: labels[i] belongs to preds[i]; the last `pad` examples do not count.

        A label (n, ...) has n of them; a prediction may have several rows for each, such as (n t, classes).
        """

    def update_dict(self, label: Mapping[str, np.ndarray], pred: Mapping[str, np.ndarray], pad: int = 0) -> None:
        """Add one batch of arrays by name: those of `label_names` and `output_names`, or all of them."""
        labels = _chosen(self.name, "label_names", label, self.label_names)
        preds = _chosen(self.name, "output_names", pred, self.output_names)
        if pad:
            count = _count(labels)
            labels, preds = ([_unpadded(self.name, a, pad, count) for a in arrays] for arrays in (labels, preds))
        self.update(labels, preds)

    def get_config(self) -> dict[str, Any]:
        """Give what create() makes the same metric from."""
        names = {"name": self.name, "output_names": self.output_names, "label_names": self.label_names}
        return {**self._config, "metric": type(self).__name__, **names}

    def reset(self) -> None:
        """Forget all batches."""
        self.global_sum_metric, self.global_num_inst = 0.0, 0.0
        self._added = False
        self.reset_local()

    def reset_local(self) -> None:
        """Forget the batches that get() covers; get_global() still covers those since reset()."""
        self.sum_metric, self.num_inst = 0.0, 0.0

    def get(self) -> tuple[Any, Any]:
        """The name and the value since reset_local(); lists of them for a CompositeEvalMetric."""
        return self.name, self._value(self.sum_metric, self.num_inst)

    def get_global(self) -> tuple[Any, Any]:
        """The name and the value since reset()."""
        if not getattr(self, "_added", False):  # what adds to sum_metric itself counts since reset() there
            return self.get()
        return self.name, self._value(self.global_sum_metric, self.global_num_inst)

    def get_name_value(self) -> list[tuple[str, float]]:
        """get() as a list of pairs."""
        return _pairs_of(*self.get())

    def get_global_name_value(self) -> list[tuple[str, float]]:
        """get_global() as a list of pairs."""
        return _pairs_of(*self.get_global())

    def _value(self, total: float, count: float) -> float:
        return total / count if count else math.nan

    def _add(self, total: float, count: float) -> None:
        self._added = True
        self.sum_metric += total
        self.num_inst += count
        self.global_sum_metric += total
        self.global_num_inst += count

    def _replace(self, rows: int, value: float, overall: float) -> None:
        """Count `rows` more, over all of which the value is `value`, and `overall` since reset()."""
        self._add(0, rows)
        self.sum_metric, self.global_sum_metric = value * self.num_inst, overall * self.global_num_inst


class _PairMetric(EvalMetric):
    """A metric to which every (label, prediction) pair adds on its own."""

    def update(self, labels: _Arrays, preds: _Arrays, pad: int = 0) -> None:
        for label, pred in _pairs(self.name, labels, preds, pad):
            self._add(*self._measure(label, pred))

    @abstractmethod
    def _measure(self, label: np.ndarray, pred: np.ndarray) -> _Measure:
        """What `label` and `pred`, at least one row each, add to sum and count."""


class Accuracy(_PairMetric):
    """value = share of rows with argmax(pred) = label; label (n, ...), pred (n, classes, ...) or as label.

    `axis` (1) of `pred` are the classes. Predictions shaped like the labels are compared as they are, both truncated
    to whole numbers.
    """

    def __init__(
        self, axis: int = 1, name: str = "accuracy", output_names: _Names = None, label_names: _Names = None
    ) -> None:
        super().__init__(name, output_names, label_names, axis=axis)
        self.axis = axis

    def _measure(self, label: np.ndarray, pred: np.ndarray) -> _Measure:
        if pred.shape != label.shape:
            _require(-pred.ndim <= self.axis < pred.ndim, self.name, f"pred must have an axis {self.axis}", label, pred)
            chosen = pred.argmax(self.axis)
        else:
            chosen = pred
        _require(chosen.size == label.size, self.name, "pred must have one row of scores per label", label, pred)
        return float(np.sum(np.trunc(chosen).ravel() == np.trunc(label).ravel())), label.size


class TopKAccuracy(_PairMetric):
    """value = share of rows whose label is among the `top_k` largest of pred; label (n,), pred (n, classes).

    Predictions of one axis are classes. ParameterError for top_k < 2: that is Accuracy.
    """

    def __init__(
        self, top_k: int = 1, name: str = "top_k_accuracy", output_names: _Names = None, label_names: _Names = None
    ) -> None:
        if top_k < 2:
            raise ParameterError(f"{name}: top_k must be at least 2, got {top_k}: use accuracy for 1")
        name = name if name.endswith(f"_{top_k}") else f"{name}_{top_k}"
        super().__init__(name, output_names, label_names, top_k=top_k)
        self.top_k = top_k

    def _measure(self, label: np.ndarray, pred: np.ndarray) -> _Measure:
        _require(pred.ndim <= 2 and label.size == len(pred), self.name, "pred must be (n, classes)", label, pred)
        wanted = np.trunc(label).ravel()
        if pred.ndim == 1:
            return float(np.sum(np.trunc(pred) == wanted)), label.size
        k = min(self.top_k, pred.shape[1])
        best = np.argpartition(pred, -k, axis=1)[:, -k:]
        return float(np.sum(best == wanted[:, None])), label.size


class CrossEntropy(_PairMetric):
    """value = mean of -log(pred[i, label[i]] + eps); label (n,) or (n, 1), pred (n, classes) probabilities.

    A label outside [0, classes) is a ParameterError (MXNet counts -1 as the last class).
    """

    def __init__(
        self, eps: float = 1e-12, name: str = "cross-entropy", output_names: _Names = None, label_names: _Names = None
    ) -> None:
        super().__init__(name, output_names, label_names, eps=eps)
        self.eps = eps

    def _measure(self, label: np.ndarray, pred: np.ndarray) -> _Measure:
        _require(pred.ndim == 2 and label.size == len(pred), self.name, "pred must be (n, classes)", label, pred)
        index = label.ravel().astype(np.int64)
        low, high, classes = index.min(), index.max(), pred.shape[1]
        if low < 0 or high >= classes:
            raise ParameterError(f"{self.name}: labels must be in [0, {classes}), got values from {low} to {high}")
        chosen = pred[np.arange(len(pred)), index].astype(np.float64)
        return float(-np.log(chosen + self.eps).sum()), label.size


class Perplexity(_PairMetric):
    """value = exp(mean of -log(max(pred at label, 1e-10))) over labels other than `ignore_label` (None: over all).

    label has as many elements as pred has rows along `axis` (-1), the classes. Labels are clipped into the classes, as
    MXNet's pick does.
    """

    def __init__(
        self,
        ignore_label: int | None = None,
        axis: int = -1,
        name: str = "perplexity",
        output_names: _Names = None,
        label_names: _Names = None,
    ) -> None:
        super().__init__(name, output_names, label_names, ignore_label=ignore_label, axis=axis)
        self.ignore_label, self.axis = ignore_label, axis

    def _measure(self, label: np.ndarray, pred: np.ndarray) -> _Measure:
        _require(-pred.ndim <= self.axis < pred.ndim, self.name, f"pred must have an axis {self.axis}", label, pred)
        rows = np.moveaxis(pred, self.axis, -1).reshape(-1, pred.shape[self.axis])
        _require(label.size == len(rows), self.name, "pred must have one row of scores per label", label, pred)
        index = label.ravel().astype(np.int64)
        keep = np.full(index.shape, True) if self.ignore_label is None else index != self.ignore_label
        chosen = rows[np.arange(len(rows)), np.clip(index, 0, rows.shape[1] - 1)][keep].astype(np.float64)
        return float(-np.log(np.maximum(chosen, 1e-10)).sum()), chosen.size

    def _value(self, total: float, count: float) -> float:
        return math.exp(super()._value(total, count))


class MAE(_PairMetric):
    """value = mean over batches of mean(|label - pred|); label and pred (n, ...), where (n,) is (n, 1)."""

    def __init__(self, name: str = "mae", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names, label_names)

    def _measure(self, label: np.ndarray, pred: np.ndarray) -> _Measure:
        return float(np.abs(_difference(self.name, label, pred)).mean()), 1


class MSE(_PairMetric):
    """value = mean over batches of mean((label - pred)^2); label and pred (n, ...), where (n,) is (n, 1)."""

    def __init__(self, name: str = "mse", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names, label_names)

    def _measure(self, label: np.ndarray, pred: np.ndarray) -> _Measure:
        return float(np.square(_difference(self.name, label, pred)).mean()), 1


class RMSE(_PairMetric):
    """value = mean over batches of sqrt(mean((label - pred)^2)); label and pred (n, ...), where (n,) is (n, 1)."""

    def __init__(self, name: str = "rmse", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names, label_names)

    def _measure(self, label: np.ndarray, pred: np.ndarray) -> _Measure:
        return math.sqrt(np.square(_difference(self.name, label, pred)).mean()), 1


class CustomMetric(_PairMetric):
    """value = mean over batches of feval(label, pred), or sum / count when feval returns such a pair.

    With `allow_extra_outputs` predictions beyond the labels are left out.
    """

    def __init__(
        self,
        feval: Callable[[np.ndarray, np.ndarray], Any],
        name: str | None = None,
        allow_extra_outputs: bool = False,
        output_names: _Names = None,
        label_names: _Names = None,
    ) -> None:
        called = getattr(feval, "__name__", type(feval).__name__)
        super().__init__(name or (f"custom({called})" if "<" in called else called), output_names, label_names)
        self._feval, self._allow_extra_outputs = feval, allow_extra_outputs

    def update(self, labels: _Arrays, preds: _Arrays, pad: int = 0) -> None:
        if self._allow_extra_outputs and not isinstance(preds, np.ndarray):
            preds = list(preds)[: 1 if isinstance(labels, np.ndarray) else len(labels)]
        super().update(labels, preds, pad)

    def get_config(self) -> dict[str, Any]:
        raise ParameterError(f"{self.name}: a function has no configuration")

    def _measure(self, label: np.ndarray, pred: np.ndarray) -> _Measure:
        measured = self._feval(label, pred)
        return measured if isinstance(measured, tuple) else (float(measured), 1)


class CompositeEvalMetric(EvalMetric):
    """Several metrics on the same batches; get() gives the lists of their names and values."""

    def __init__(
        self,
        metrics: Sequence[Any] | None = None,
        name: str = "composite",
        output_names: _Names = None,
        label_names: _Names = None,
    ) -> None:
        self.metrics: list[EvalMetric] = []
        super().__init__(name, output_names, label_names)
        self.metrics.extend(create(metric) for metric in metrics or ())  # after the reset(): theirs are not forgotten

    def add(self, metric: Any) -> None:
        """Add a metric, by whatever create() takes."""
        self.metrics.append(create(metric))

    def get_metric(self, index: int) -> EvalMetric:
        """The metric at `index`; ParameterError when there is none."""
        if not -len(self.metrics) <= index < len(self.metrics):
            raise ParameterError(f"{self.name}: metric {index} of {len(self.metrics)}")
        return self.metrics[index]

    def update(self, labels: _Arrays, preds: _Arrays, pad: int = 0) -> None:
        for metric in self.metrics:
            metric.update(labels, preds, pad)

    def update_dict(self, label: Mapping[str, np.ndarray], pred: Mapping[str, np.ndarray], pad: int = 0) -> None:
        if self.label_names is not None:
            label = {n: a for n, a in label.items() if n in self.label_names}
        if self.output_names is not None:
            pred = {n: a for n, a in pred.items() if n in self.output_names}
        for metric in self.metrics:
            metric.update_dict(label, pred, pad)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "metrics": [metric.get_config() for metric in self.metrics]}

    def reset(self) -> None:
        for metric in self.metrics:
            metric.reset()

    def reset_local(self) -> None:
        for metric in self.metrics:
            metric.reset_local()

    def get(self) -> tuple[list[str], list[float]]:
        return _unzip([pair for metric in self.metrics for pair in metric.get_name_value()])

    def get_global(self) -> tuple[list[str], list[float]]:
        return _unzip([pair for metric in self.metrics for pair in metric.get_global_name_value()])


_METRICS: dict[str, Callable[..., EvalMetric]] = {}


def register(cls: type[EvalMetric], *names: str) -> type[EvalMetric]:
    """Let create() know a metric by its class's name, in any case, and by `names`."""
    _METRICS.update(dict.fromkeys((cls.__name__.lower(), *names), cls))
    return cls


for _cls, _also in (
    (Accuracy, ("acc",)), (TopKAccuracy, ("top_k_acc", "top_k_accuracy")), (CrossEntropy, ("ce", "cross-entropy")),
    (Perplexity, ()), (MAE, ()), (MSE, ()), (RMSE, ()), (CompositeEvalMetric, ("composite",)),
):  # fmt: skip
    register(_cls, *_also)


def create(metric: Any, *args: Any, **parameters: Any) -> EvalMetric:
    """A metric from a name ("acc"), a metric, a function (label, pred) -> value, its configuration, or a list of these.

    A configuration is what get_config() gives, also as JSON text. `args` and `parameters` go to the constructor, for a
    list to every member's. ParameterError for an unknown name, with the nearest one, and for parameters that the metric
    does not have.
    """
    from . import agreement  # noqa: F401  # registers its metrics

    if isinstance(metric, EvalMetric):
        if args or parameters:
            raise ParameterError(f"{metric.name} exists already and takes no parameters, got {sorted(parameters)}")
        return metric
    if isinstance(metric, (list, tuple)):
        return CompositeEvalMetric([create(member, *args, **parameters) for member in metric])
    if isinstance(metric, str) and metric.startswith("{"):
        metric = _config(metric)
    if isinstance(metric, dict):
        parameters = {**{k: v for k, v in metric.items() if k != "metric"}, **parameters}
        metric = metric.get("metric")
    make = partial(CustomMetric, metric) if callable(metric) else _METRICS.get(str(metric).lower())
    if make is None:
        near = difflib.get_close_matches(str(metric).lower(), _METRICS, n=1, cutoff=0.0)[0]
        raise ParameterError(f"unknown metric {metric!r}, did you mean {near!r}? known: {', '.join(_METRICS)}")
    try:
        inspect.signature(make).bind(*args, **parameters)
    except TypeError as error:
        known = ", ".join(inspect.signature(make).parameters)
        raise ParameterError(f"metric {metric!r}: {error}; its parameters are: {known}") from None
    return make(*args, **parameters)


def _config(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ParameterError(f"a metric's configuration is a JSON object, got {text[:80]!r}")
    return found


def _chosen(name: str, what: str, arrays: Mapping[str, np.ndarray], names: _Names) -> list[np.ndarray]:
    """The arrays of these names, or all."""
    for key in names or ():
        if key not in arrays:
            raise ParameterError(f"{name}: {what} has {key!r}, there are: {', '.join(arrays)}")
    return [arrays[key] for key in names] if names is not None else list(arrays.values())


def _pairs(name: str, labels: _Arrays, preds: _Arrays, pad: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The (label, prediction) pairs without their last `pad` examples; none for pairs of which no row is left."""
    labels, preds = ([np.asarray(a) for a in (x if isinstance(x, (list, tuple)) else [x])] for x in (labels, preds))
    if len(labels) != len(preds):
        shapes = f"{[x.shape for x in labels]} and {[x.shape for x in preds]}"
        raise ShapeError(f"{name}: as many labels as predictions wanted, got {len(labels)} and {len(preds)}: {shapes}")
    count = _count(labels)
    cut = [[_unpadded(name, array, pad, count) for array in arrays] for arrays in (labels, preds)]
    return [(label, pred) for label, pred in zip(*cut, strict=True) if label.size or pred.size]


def _count(labels: _Arrays) -> int:
    """How many examples a batch has; 0 where no label says so."""
    first = labels if isinstance(labels, np.ndarray) else labels[0] if len(labels) else ()
    return len(first) if np.ndim(first) else 0


def _unpadded(name: str, array: np.ndarray, pad: int, count: int = 0) -> np.ndarray:
    """The array without the rows of the last `pad` of `count` examples, which have a row each or as many of them."""
    if array.ndim == 0:
        raise ShapeError(f"{name}: labels and predictions must have rows, got shape ()")
    rows = pad * max(1, len(array) // count) if count else pad
    if not 0 <= rows <= len(array):
        raise ParameterError(f"{name}: pad must be in [0, {len(array)}], the rows of shape {array.shape}, got {pad}")
    return array[: len(array) - rows]


def _difference(name: str, label: np.ndarray, pred: np.ndarray) -> np.ndarray:
    """label - pred in float64, both at least (n, 1)."""
    a = label.reshape(-1, 1) if label.ndim == 1 else label
    b = pred.reshape(-1, 1) if pred.ndim == 1 else pred
    _require(a.shape == b.shape, name, "label and pred must have one shape", label, pred)
    return a.astype(np.float64) - b


def _require(fits: bool, name: str, wanted: str, label: np.ndarray, pred: np.ndarray) -> None:
    if not fits:
        raise ShapeError(f"{name}: {wanted}, got label {label.shape} and pred {pred.shape}")


def _pairs_of(names: Any, values: Any) -> list[tuple[str, float]]:
    return list(zip(names, values, strict=True)) if isinstance(names, list) else [(names, values)]


def _unzip(pairs: list[tuple[str, float]]) -> tuple[list[str], list[float]]:
    return [name for name, _ in pairs], [value for _, value in pairs]
