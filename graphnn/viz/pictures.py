"""Pictures of a run, by matplotlib (extra `plot`): the curves of training, the confusion matrix."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError
from ..formats import atomic

if TYPE_CHECKING:
    import numpy as np

    from ..train.folder import Record
    from ..train.rate import Search

__all__ = ["save_confusion", "save_curves", "save_search"]

_TRAIN, _TEST = "#9a9a9a", "#1f5fa8"
_MAX_LABEL = 20  # characters of a class's name in a picture
_MAX_NUMBERS = 20  # classes up to which a matrix shows its numbers


def save_curves(path: Path, records: Sequence[Record]) -> None:
    """Draw loss and accuracy by epoch, on training and test data, as PNG."""
    figure = _figure(path, (9, 3.5))
    epochs = [r.epoch for r in records]
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part, colour in (("train", _TRAIN), ("test", _TEST)):
            values = [getattr(r, f"{part}_{what}") for r in records]
            axes.plot(epochs, values, color=colour, label=part, marker="o", markersize=3, linewidth=1.5)
        axes.set_xlabel("epoch")
        axes.set_title(what)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    _save(figure, path)


def save_confusion(path: Path, matrix: np.ndarray, classes: Sequence[str]) -> None:
    """Draw a confusion matrix (true, predicted) as PNG, coloured by the share of each true class."""
    n = len(classes)
    side = max(4.0, min(1.5 + 0.45 * n, 24.0))
    figure = _figure(path, (side, side))
    axes = figure.subplots()
    share = matrix / matrix.sum(1, keepdims=True).clip(1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    labels = ["".join(filter(str.isprintable, c))[:_MAX_LABEL] for c in classes]
    axes.set_xticks(range(n), labels, rotation=90 if max(map(len, labels)) > 3 else 0, parse_math=False)
    axes.set_yticks(range(n), labels, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for i, j in ((i, j) for i in range(n) for j in range(n) if n <= _MAX_NUMBERS and matrix[i, j]):
        colour = "white" if share[i, j] > 0.5 else "black"
        axes.text(j, i, str(matrix[i, j]), ha="center", va="center", color=colour, fontsize=7)
    _save(figure, path)


def save_search(path: Path, found: Search) -> None:
    """Draw the loss over rising learning rates as PNG, with the rate that is suggested."""
    figure = _figure(path, (6, 3.5))
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color=_TEST, linewidth=1.5)
    axes.axvline(found.suggestion, color=_TRAIN, linestyle="--", label=f"--lr {found.suggestion:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss, moving average")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _save(figure, path)


def _figure(path: Path, size: tuple[float, float]) -> Any:
    """Make a figure that belongs to no window and no global state."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(f"drawing {path.name}", "matplotlib", "plot") from None
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> None:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that the font lacks
        figure.savefig(stream, format="png", metadata={"Software": None})
    atomic.write(path, stream.getvalue())
