"""Curves: loss and accuracy by epoch, the loss over rising learning rates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .figure import BLUE, GREY, figure_for, save

if TYPE_CHECKING:
    from ...train.folder import Record
    from ...train.rate import Search

__all__ = ["save_curves", "save_search"]


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


def save_search(path: Path, found: Search) -> None:
    """Draw the loss over rising learning rates as PNG, with the rate that is suggested."""
    figure = figure_for(path, (6, 3.5))
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color=BLUE, linewidth=1.5)
    axes.axvline(found.suggestion, color=GREY, linestyle="--", label=f"--lr {found.suggestion:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss, moving average")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save(figure, path)
