"""How good a classifier is, drawn: confusion matrix, precision and recall of each class, ROC curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .figure import BLUE, GREY, ORANGE, figure_for, name_of, save, tick_names

if TYPE_CHECKING:
    from ...train.evaluate import ClassScore, Curve

__all__ = ["save_classes", "save_confusion", "save_roc"]

_MAX_NUMBERS = 20  # classes up to which a matrix shows its numbers
_MAX_NAMED = 60  # classes up to which a matrix names them
_MAX_BARS = 40  # classes in a picture of bars
_MAX_COLOURS = 10  # curves told apart by colour
_GRID = 501  # points of a mean curve


def save_confusion(path: Path, matrix: np.ndarray, classes: Sequence[str]) -> None:
    """Draw a confusion matrix (true, predicted) as PNG, coloured by the share of each true class."""
    n = len(classes)
    side = max(4.0, min(1.5 + 0.45 * n, 24.0)) if n <= _MAX_NAMED else 12.0
    figure = figure_for(path, (side, side))
    axes = figure.subplots()
    share = matrix / matrix.sum(1, keepdims=True).clip(1)
    # few mistakes among many classes are single pixels: a root lets them be seen
    axes.imshow(share if n <= _MAX_NAMED else np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    if n <= _MAX_NAMED:
        labels = [name_of(c) for c in classes]
        tick_names(axes.xaxis, labels, rotation=90 if max(map(len, labels)) > 3 else 0)
        tick_names(axes.yaxis, labels)
    axes.set_xlabel("predicted" if n <= _MAX_NAMED else "predicted (number of the class)")
    axes.set_ylabel("true" if n <= _MAX_NAMED else "true (number of the class)")
    for i, j in np.argwhere(matrix) if n <= _MAX_NUMBERS else ():
        colour = "white" if share[i, j] > 0.5 else "black"
        axes.text(j, i, str(matrix[i, j]), ha="center", va="center", color=colour, fontsize=7)
    save(figure, path)


def save_classes(path: Path, scores: Sequence[ClassScore]) -> None:
    """Draw precision and recall of each class as bars, as PNG; of more than 40 those with the lowest F1."""
    shown = sorted(scores, key=lambda s: s.f1)[:_MAX_BARS] if len(scores) > _MAX_BARS else list(scores)
    figure = figure_for(path, (7, 1.2 + 0.34 * len(shown)))
    axes = figure.subplots()
    y = np.arange(len(shown))
    for offset, what, colour in ((-0.19, "precision", BLUE), (0.19, "recall", ORANGE)):
        values = [getattr(s, what) for s in shown]
        axes.barh(y + offset, [v or 0 for v in values], 0.36, color=colour, label=what)
        for k, value in enumerate(values):
            _bar_text(axes, k + offset, value)
    tick_names(axes.yaxis, (f"{name_of(s.label)} ({s.count})" for s in shown))
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(0, 1.1)  # room for the numbers
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_xlabel("share; beside a class stands how many there are of it")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if len(shown) < len(scores):
        axes.set_title(f"the {len(shown)} of {len(scores)} classes with the lowest F1", fontsize=10)
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    save(figure, path)


def _bar_text(axes: Any, y: float, value: float | None) -> None:
    text = "never predicted" if value is None else f"{value:.3f}"
    axes.text((value or 0) + 0.01, y, text, va="center", fontsize=6.5, color="#444444")


def save_roc(path: Path, curves: Sequence[Curve | None], classes: Sequence[str]) -> None:
    """Draw each class's ROC curve against the rest, and their mean, as PNG; the legend gives the areas.

    Of more than ten classes the ten with the smallest area have colours, the others are grey. On the right the same
    with a logarithmic axis, on which good classifiers differ.
    """
    figure = figure_for(path, (11.5, 4.3))
    lines = _lines({k: c for k, c in enumerate(curves) if c is not None}, classes)
    linear, logarithmic = figure.subplots(1, 2)
    for axes in (linear, logarithmic):
        handles = [_plot(axes, line) for line in lines]
        axes.set_xlabel("share of the other classes taken for it")
        axes.grid(alpha=0.3)
    linear.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    linear.set_ylabel("share of the class that is found")
    _logarithmic(logarithmic.xaxis, min(line.curve.false[line.curve.false > 0].min() for line in lines[:-1]))
    told = [(handle, line.text) for handle, line in zip(handles, lines, strict=True) if line.text]
    title = "area, class against the rest"
    legend = figure.legend(*zip(*told, strict=True), title=title, loc="outside right upper", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    save(figure, path)


def _logarithmic(axis: Any, low: float) -> None:
    """Make an axis of shares from `low`, which is under 1, to 1 logarithmic; few decades have numbers between them."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low = min(low, 0.5)
    axis.axes.set_xscale("log")
    axis.axes.set_xlim(low, 1)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if low > 0.01 else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


class _Line(NamedTuple):
    curve: Curve
    text: str
    colour: Any
    width: float = 1.4
    style: str = "-"
    alpha: float = 1.0


def _lines(curves: Mapping[int, Curve], classes: Sequence[str]) -> list[_Line]:
    """The other classes' lines, then the named ones', then the mean; of the others one is in the legend."""
    from matplotlib import color_sequences

    rising = sorted(curves, key=lambda k: curves[k].area)
    named, others = sorted(rising[:_MAX_COLOURS]), rising[_MAX_COLOURS:]
    lines = [_Line(curves[k], "", GREY, 0.6, alpha=0.4) for k in others]
    if others:
        lines[0] = lines[0]._replace(text=f"{curves[others[0]].area:.4f}  the lowest of {len(others)} others")
    for k, colour in zip(named, color_sequences["tab10"], strict=False):
        lines.append(_Line(curves[k], f"{curves[k].area:.4f}  {name_of(classes[k])}", colour))
    mean = _mean(list(curves.values()))
    return [*lines, _Line(mean, f"{mean.area:.4f}  mean of all", "black", style="--")]


def _plot(axes: Any, line: _Line) -> Any:
    """Draw a line; give it."""
    x, y = line.curve.false, line.curve.true
    return axes.plot(x, y, color=line.colour, linewidth=line.width, linestyle=line.style, alpha=line.alpha)[0]


def _mean(curves: Sequence[Curve]) -> Curve:
    """The mean of curves at the same shares of others, and of their areas."""
    x = np.append(0, np.geomspace(1e-6, 1, _GRID))
    y = np.mean([np.interp(x, c.false, c.true) for c in curves], axis=0)
    return type(curves[0])(x, y, float(np.mean([c.area for c in curves])))
