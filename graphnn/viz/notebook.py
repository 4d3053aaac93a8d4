"""What a notebook shows of a symbol."""

from __future__ import annotations

from ..errors import GraphnnError
from ..graph import toposort
from ..symbol import Symbol
from .drawing import digraph
from .network import network
from .renderer import render

__all__ = ["svg"]

MAX_NODES = 10_000  # among which repeats are looked for
MAX_BOXES = 300  # a picture of more is no picture, and takes its time
TIMEOUT = 10.0  # seconds


def svg(symbol: Symbol) -> str | None:
    """Give the drawing as SVG; None where nothing can draw it, or it is too large."""
    if len(toposort(symbol.values)) > MAX_NODES:
        return None
    drawn = network(symbol)
    if len(drawn.boxes) > MAX_BOXES:
        return None
    try:
        return render(digraph(drawn), "svg", TIMEOUT)[0].decode()
    except (GraphnnError, ImportError, OSError):
        return None
