"""What a notebook shows of a symbol."""

from __future__ import annotations

from ..errors import GraphnnError
from ..graph import toposort
from ..symbol import Symbol
from .network import plot_network
from .renderer import render

__all__ = ["svg"]

MAX_NODES = 1000  # a picture of more is no picture, and takes its time
TIMEOUT = 10.0  # seconds


def svg(symbol: Symbol) -> str | None:
    """Give the drawing as SVG; None where nothing can draw it, or it is too large."""
    if len(toposort(symbol.values)) > MAX_NODES:
        return None
    try:
        return render(plot_network(symbol), "svg", TIMEOUT)[0].decode()
    except (GraphnnError, ImportError, OSError):
        return None
