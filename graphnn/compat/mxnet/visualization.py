"""mx.viz: a drawing and a table of a network."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ... import viz
from ...graph import toposort
from ...symbol import Symbol
from ...types import Shape

if TYPE_CHECKING:
    import graphviz

__all__ = ["plot_network", "print_summary"]


def print_summary(
    symbol: Symbol,
    shape: Mapping[str, Shape] | None = None,
    line_length: int = 120,
    positions: Sequence[float] = (0.44, 0.64, 0.74, 1.0),
) -> None:
    """Print the layers with output shapes and parameter counts."""
    if not isinstance(symbol, Symbol):
        raise TypeError("symbol must be a Symbol")
    viz.print_summary(symbol, shape, line_length, positions)


def plot_network(
    symbol: Symbol,
    title: str = "plot",
    save_format: str = "pdf",
    shape: Mapping[str, Shape] | None = None,
    dtype: object = None,
    node_attrs: Mapping[str, str] | None = None,
    hide_weights: bool = True,
) -> graphviz.Digraph:
    """Draw a network; see graphnn.viz.plot_network. Warns, as MXNet does, of nodes that share a name."""
    if not isinstance(symbol, Symbol):
        raise TypeError("symbol must be a Symbol")
    names = Counter(node.name for node in toposort(symbol.values))
    if twice := [name for name, count in names.items() if count > 1]:
        warnings.warn(
            f"There are multiple variables with the same name in your graph: {', '.join(twice)}", stacklevel=2
        )
    return viz.plot_network(symbol, title, save_format, shape, node_attrs, hide_weights)
