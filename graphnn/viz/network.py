"""plot_network: a network as a Graphviz drawing, one box an operator, data flowing down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..graph import Node, Value
from ..symbol import Symbol
from ..types import Shape
from .layers import Layer, clean, layers, size_text
from .renderer import use_renderer

if TYPE_CHECKING:
    import graphviz

__all__ = ["plot_network"]

# kind -> (fill, border)
COLORS = {
    "data": ("#ffffff", "#7d8894"),
    "weights": ("#d6e4f2", "#5b84ad"),
    "norm": ("#e6e0f0", "#8a7bab"),
    "activation": ("#f8efcf", "#b79b45"),
    "pool": ("#dcebdc", "#6f9c74"),
    "shape": ("#eceef0", "#9aa3ac"),
    "join": ("#f6e3d2", "#bf8857"),
    "source": ("#f3f4f5", "#9aa3ac"),
    "loss": ("#f3d9d8", "#b3706d"),
    "other": ("#f3f4f5", "#7d8894"),
}
INK, FAINT = "#26323d", "#66727d"
FONT = "Helvetica"


def plot_network(
    symbol: Symbol,
    title: str = "plot",
    save_format: str = "svg",
    shape: Mapping[str, Shape] | None = None,
    node_attrs: Mapping[str, str] | None = None,
    hide_weights: bool = True,
) -> graphviz.Digraph:
    """Draw a network: a box for each operator, colours by kind, parameter counts, and shapes on the edges.

    `shape` maps input names to shapes, batch first; without it edges and counts stay bare. `node_attrs` are Graphviz
    attributes for every node. `hide_weights=False` draws the parameters too. Show the result in a notebook, or call
    its render(), which writes `save_format` with the system's dot, or (SVG and PNG only) with graphviz-pure.
    """
    import graphviz

    use_renderer()
    found, shapes = layers(symbol, shape)
    graph = graphviz.Digraph(
        name=title,
        format=save_format,
        graph_attr={"ranksep": "0.25", "nodesep": "0.3", "pad": "0.15", "bgcolor": "white"},
        node_attr={
            "shape": "box", "style": "rounded,filled", "fontname": FONT, "fontsize": "11", "fontcolor": INK,
            "margin": "0.16,0.06", "width": "1.8", "height": "0.44", "penwidth": "1.1", **(node_attrs or {}),
        },
        edge_attr={
            "fontname": FONT, "fontsize": "9.5", "fontcolor": FAINT, "color": "#8c97a1", "arrowsize": "0.6",
            "penwidth": "1.0",
        },
    )  # fmt: skip
    # Ids are numbers of our own: names come from files.
    ids: dict[Node, str] = {}
    depth: dict[Node, int] = {}
    for layer in found:
        ids[layer.node] = f"n{len(ids)}"
        _node(graph, ids[layer.node], layer)
        # Heavy edges keep the longest chain straight, past labels and short cuts; wide joins stay amid their branches.
        deepest = max((depth[v.node] for v in layer.inputs), default=0)
        depth[layer.node] = deepest + 1
        for v in layer.inputs:
            weight = "8" if depth[v.node] == deepest and len(layer.inputs) <= 2 else "1"
            graph.edge(ids[v.node], ids[layer.node], label=_edge_label(v, shapes), weight=weight)
        for v in () if hide_weights else layer.weights:
            if v.node not in ids:
                ids[v.node] = f"n{len(ids)}"
                _weight(graph, ids[v.node], v, shapes.get(v))
            graph.edge(ids[v.node], ids[layer.node], style="dashed")
    return graph


def _label(*lines: str) -> str:
    """Join lines to a label in which nothing is markup."""
    import graphviz

    # dot decodes entities even in plain labels; graphviz.escape() leaves them.
    texts = (graphviz.escape(clean(line).replace("&", "&amp;")) for line in lines if line)
    return graphviz.nohtml("\\n".join(texts))


def _node(graph: graphviz.Digraph, id: str, layer: Layer) -> None:
    fill, border = COLORS[layer.kind]
    if layer.node.op.is_variable:
        graph.node(id, _label(layer.node.name), width="1.2", height="0.36", fillcolor=fill, color=border)
        return
    what = f"{layer.node.op.name} {layer.detail}".strip()
    count = f"{layer.parameters:,} parameters" if layer.parameters else ""
    graph.node(id, _label(what, layer.node.name, count), fillcolor=fill, color=border)


def _weight(graph: graphviz.Digraph, id: str, v: Value, shape: Shape | None) -> None:
    label = _label(v.node.name, size_text(shape) if shape else "")
    graph.node(id, label, shape="plain", fontsize="9.5", fontcolor=FAINT, style="")


def _edge_label(v: Value, shapes: Mapping[Value, Shape | None]) -> str:
    """Write the shape without the batch, as MXNet does; nothing where it is not known."""
    shape = shapes.get(v)
    return f" {size_text(shape[1:]) or '1'} " if shape else ""
