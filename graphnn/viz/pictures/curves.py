"""The curves of training: loss and accuracy by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .figure import BLUE, GREY, figure_for, save

if TYPE_CHECKING:
    from ...train.folder import Record

__all__ = ["save_curves"]


def save_curves(path: Path, records: Sequence[Record]) -> None:
    """Draw loss and accuracy by epoch, on training and test data, as PNG."""
    figure = figure_for(path, (9, 3.5))
    epochs = [r.epoch for r in records]
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part, colour in (("train", GREY), ("test", BLUE)):
            values = [getattr(r, f"{part}_{what}") for r in records]
            axes.plot(epochs, values, color=colour, label=part, marker="o", markersize=3, linewidth=1.5)
        axes.set_xlabel("epoch")
        axes.set_title(what)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.set_xlim(min(epochs, default=1) - 0.5, max(epochs, default=1) + 0.5)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    save(figure, path)
