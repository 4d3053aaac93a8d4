"""Curves: loss and accuracy by epoch, the loss over rising learning rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .figure import BLUE, GREY, ORANGE, figure_for, save

if TYPE_CHECKING:
    from ...runs.folder import Record
    from ...runs.rate import Search

__all__ = ["save_curves", "save_places", "save_search"]


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
        _finish(axes)
    save(figure, path)


def save_places(path: Path, losses: np.ndarray, least: float | None = None) -> None:
    """Draw the perplexity of a text by how many characters of a row came before, from -log p (n, t), as PNG.

    `least` is the loss on the average of all places that no model can go below.
    """
    figure = figure_for(path, (7, 3.5))
    axes = figure.subplots()
    axes.plot(np.arange(1, losses.shape[1] + 1), np.exp(losses.mean(0, dtype=np.float64)), color=BLUE, linewidth=1.5)
    whole = math.exp(losses.mean(dtype=np.float64))
    axes.axhline(whole, color=GREY, linewidth=1.2, label=f"all places: {whole:.4g}")
    if least is not None:
        text = f"least possible, all places: {math.exp(least):.4g}"
        axes.axhline(math.exp(least), color=ORANGE, linestyle="--", linewidth=1.2, label=text)
    axes.set_ylim(bottom=1)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.set_xlabel("characters read before")
    axes.set_ylabel("perplexity of the next character")
    _finish(axes)
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
    _finish(axes)
    save(figure, path)


def _finish(axes: Any) -> None:
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
