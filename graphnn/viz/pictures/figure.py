"""What every picture shares: a figure of its own, one look, names from files made harmless, a file that is whole."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import MissingExtraError
from ...formats import atomic
from ..layers import clean

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "encoded",
    "figure_for",
    "name_of",
    "need_matplotlib",
    "plain_axes",
    "save",
    "tick_names",
]

BLUE, ORANGE, GREY = "#1f5fa8", "#c8722a", "#9a9a9a"
_MAX_NAME = 20  # characters of a class's name
_DOTS = 120  # an inch
_UNDATED: Mapping[str, Any] = {"pdf": {"CreationDate": None}, "png": {"Software": None}, "svg": {"Date": None}}


def figure_for(path: Path, size: tuple[float, float]) -> Any:
    """Make a figure of a size in inches that belongs to no window and no global state.

    Raises MissingExtraError where there is no matplotlib.
    """
    need_matplotlib(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=_DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def need_matplotlib(path: Path) -> None:
    """Raise MissingExtraError where there is no matplotlib to draw `path` with."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise MissingExtraError(f"drawing {path.name}", "matplotlib", "plot")


def name_of(text: str, length: int = _MAX_NAME) -> str:
    """Give a name fit for a picture: short, on one line, no control characters, never empty.

    A text is drawn as it is only with `parse_math=False`.
    """
    return clean(text, length).strip() or "?"


def tick_names(axis: Any, names: Iterable[str], **options: Any) -> None:
    """Write names beside 0, 1, 2, ... on an axis, none of which is read as mathematics."""
    names = list(names)
    axis.set_ticks(range(len(names)), names, parse_math=False, **options)


def plain_axes(axes: Any) -> None:
    """Leave of an axes its picture alone."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_frame_on(False)


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG; `path` is there as a whole or not at all."""
    atomic.write(path, encoded(figure, "png"))


def encoded(figure: Any, format: str) -> bytes:
    """Draw a figure as pdf, png or svg, without a date, so that the same figure gives the same bytes."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that the font lacks
        figure.savefig(stream, format=format, metadata=_UNDATED[format])
    return stream.getvalue()
