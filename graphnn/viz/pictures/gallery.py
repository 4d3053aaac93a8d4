"""The whole set of a run's pictures in one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...train.evaluate import per_class, roc, worst
from ..activations import activations, first_filters
from ..sequences import Passages, Strips, Told
from ..subject import Subject
from .curves import save_curves, save_places
from .images import save_activations, save_filters, save_misread, save_mistakes
from .scores import save_classes, save_confusion, save_roc

__all__ = ["save_all"]

_MISTAKES = 32


def save_all(folder: Path, subject: Told) -> Iterator[tuple[str, str]]:
    """Write each picture into `folder`; give its name and "", or why it is left out, one after another.

    Raises MissingExtraError where there is no matplotlib.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in _PICTURES[type(subject)].items():
        yield name, draw(folder / name, subject) or ""


def _curves(path: Path, s: Any) -> str | None:
    if not s.records:
        return "the run has no log"
    save_curves(path, s.records)
    return None


def _confusion(path: Path, s: Subject) -> None:
    save_confusion(path, s.result.matrix, s.classes)


def _classes(path: Path, s: Subject) -> None:
    save_classes(path, per_class(s.result.matrix, s.classes))


def _roc(path: Path, s: Subject) -> str | None:
    curves = roc(s.probabilities, s.labels)
    if not any(curves):
        return "all data are of one class"
    save_roc(path, curves, s.classes)
    return None


def _mistakes(path: Path, s: Subject) -> str | None:
    if s.inputs.ndim != 4:
        return "the data are no images"
    found = worst(s.probabilities, s.labels, _MISTAKES)
    if not len(found):
        return "there is no mistake"
    save_mistakes(path, s.inputs[found], s.labels[found], s.probabilities[found], s.classes)
    return None


def _filters(path: Path, s: Any) -> str | None:
    found = first_filters(s.trained)
    if found is None:
        return "the first layer's weights are no pictures"
    save_filters(path, found[1], found[0])
    return None


def _activations(path: Path, s: Subject) -> str | None:
    """Of the first input that is rightly told, or else of the first."""
    if not len(s.inputs):
        return "there are no data"
    right = s.probabilities.argmax(1) == s.labels
    k = int(right.argmax())
    layers = activations(s.predictor, s.inputs[k])
    if not layers:
        return "the network has no layer that can be drawn"
    save_activations(path, s.inputs[k], layers, f"number {k} of the data: {s.classes[int(s.labels[k])]}")
    return None


def _misread(path: Path, s: Strips) -> str | None:
    found = s.worst(_MISTAKES)
    if not len(found):
        return "there is no mistake"
    save_misread(path, s.inputs[found], [s.said(k) for k in found], [s.read(k) for k in found])
    return None


def _places(path: Path, s: Passages) -> None:
    save_places(path, s.losses, s.score.least)


def _none(path: Path, s: Any) -> str:
    return "they are of networks that tell classes"


_COMMON: dict[str, Callable[[Path, Any], str | None]] = {"curves.png": _curves, "filters.png": _filters}
_OF_CLASSES: dict[str, Callable[[Path, Any], str | None]] = {
    "confusion.png": _confusion,
    "classes.png": _classes,
    "roc.png": _roc,
    "mistakes.png": _mistakes,
    "activations.png": _activations,
}
_NONE = dict.fromkeys(_OF_CLASSES, _none)
_PICTURES: dict[type, dict[str, Callable[[Path, Any], str | None]]] = {
    Subject: _COMMON | _OF_CLASSES,
    Strips: _COMMON | _NONE | {"mistakes.png": _misread},
    Passages: _COMMON | _NONE | {"places.png": _places},
}
