"""A drawing before it is laid out: boxes, frames around boxes, edges, a title and a legend; and its DOT text."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..graph import Node
from .layers import clean

if TYPE_CHECKING:
    import graphviz

__all__ = ["COLORS", "INK", "Box", "Colors", "Drawing", "Edge", "Frame", "digraph"]

Colors = tuple[str, str]  # fill, border

# kind -> colours
COLORS: Mapping[str, Colors] = {
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
TITLE_LENGTH = 120


@dataclass(frozen=True)
class Box:
    """One box with its lines of text, and the nodes it stands for: one, those of a closed group or of all copies.

    `shape` is "box", "small" (a variable), "stack" (several alike) or "plain" (text alone).
    """

    id: str
    lines: tuple[str, ...]
    colors: Colors
    shape: str = "box"
    nodes: tuple[Node, ...] = ()
    ink: str = INK


@dataclass(frozen=True)
class Frame:
    """A dashed frame with a label around boxes and frames."""

    label: str
    inside: tuple[Box | Frame, ...]


@dataclass(frozen=True)
class Edge:
    """An arrow between two boxes by id. `weight` keeps it straight; `style` is a Graphviz style; `color` its own.

    `dir` "back" lays out as if the arrow went the other way, which it is drawn; `constraint` "false" lays out without.
    """

    source: str
    target: str
    label: str = ""
    weight: str = ""
    style: str = ""
    color: str = ""
    dir: str = ""
    constraint: str = ""


@dataclass(frozen=True)
class Drawing:
    """What is drawn. `legend` are texts with their colours."""

    parts: tuple[Box | Frame, ...]
    edges: tuple[Edge, ...]
    title: str = ""
    legend: tuple[tuple[str, Colors], ...] = ()
    notes: tuple[str, ...] = ()  # lines under the title
    rows: tuple[tuple[str, ...], ...] = ()  # ids of boxes that stand side by side

    @property
    def boxes(self) -> list[Box]:
        """Give all boxes, those in frames too."""
        found: list[Box] = []
        stack = list(reversed(self.parts))
        while stack:
            part = stack.pop()
            if isinstance(part, Box):
                found.append(part)
            else:
                stack.extend(reversed(part.inside))
        return found


# DOT. Ids are our own and everything else is a label: names come from files.

SHAPES: Mapping[str, Mapping[str, str]] = {
    "box": {},
    "small": {"width": "1.2", "height": "0.36"},
    "stack": {"peripheries": "2"},
    "plain": {"shape": "plain", "fontsize": "9.5", "fontcolor": FAINT, "style": ""},
}


def digraph(
    drawing: Drawing, name: str = "plot", save_format: str = "svg", node_attrs: Mapping[str, str] | None = None
) -> graphviz.Digraph:
    """Write a drawing as DOT."""
    import graphviz

    head = {"label": _head(drawing), "labelloc": "t", "fontname": FONT} if drawing.title or drawing.legend else {}
    graph = graphviz.Digraph(
        name=name,
        format=save_format,
        graph_attr={"ranksep": "0.25", "nodesep": "0.3", "pad": "0.15", "bgcolor": "white", **head},
        node_attr={
            "shape": "box", "style": "rounded,filled", "fontname": FONT, "fontsize": "11", "fontcolor": INK,
            "margin": "0.16,0.06", "width": "1.8", "height": "0.44", "penwidth": "1.1", **(node_attrs or {}),
        },
        edge_attr={
            "fontname": FONT, "fontsize": "9.5", "fontcolor": FAINT, "color": "#8c97a1", "arrowsize": "0.6",
            "penwidth": "1.0",
        },
    )  # fmt: skip
    for number, part in enumerate(drawing.parts):
        _part(graph, part, str(number))
    for edge in drawing.edges:
        more = {k: v for k in ("weight", "style", "color", "dir", "constraint") if (v := getattr(edge, k))}
        graph.edge(edge.source, edge.target, label=edge.label, **more)
    for row in drawing.rows:
        with graph.subgraph() as same:
            same.attr(rank="same")
            for id in row:
                same.node(id)
    return graph


def label(*lines: str) -> str:
    """Join lines to a label in which nothing is markup."""
    import graphviz

    # dot decodes entities even in plain labels; graphviz.escape() leaves them.
    texts = (graphviz.escape(clean(line).replace("&", "&amp;")) for line in lines if line)
    return graphviz.nohtml("\\n".join(texts))


def _part(graph: graphviz.Digraph, part: Box | Frame, path: str) -> None:
    if isinstance(part, Box):
        look = dict(SHAPES[part.shape])
        if part.shape != "plain":
            look |= {"fillcolor": part.colors[0], "color": part.colors[1]}
        if part.ink != INK:
            look["fontcolor"] = part.ink
        graph.node(part.id, label(*part.lines), **look)
        return
    with graph.subgraph(name=f"cluster_{path}") as inner:
        inner.attr(
            label=label(part.label), labeljust="l", style="rounded,dashed", color="#9aa3ac", fontname=FONT,
            fontsize="11", fontcolor=FAINT, margin="10",
        )  # fmt: skip
        for number, x in enumerate(part.inside):
            _part(inner, x, f"{path}_{number}")


def _head(drawing: Drawing) -> str:
    """Write title, notes and legend as one table of Graphviz's HTML, in which every text is escaped."""

    def text(words: str, size: int, color: str = INK) -> str:
        return f'<font point-size="{size}" color="{color}">{html.escape(clean(words, TITLE_LENGTH)) or " "}</font>'

    rows = [f"<tr><td>{text(drawing.title, 15)}</td></tr>"] if drawing.title else []
    rows += [f"<tr><td>{text(note, 11, FAINT)}</td></tr>" for note in drawing.notes]
    cells = [
        f'<td bgcolor="{fill}" color="{border}" border="1" style="rounded">{text(words, 11)}</td>'
        for words, (fill, border) in drawing.legend
    ]
    if cells:
        rows.append(
            f'<tr><td><table border="0" cellspacing="6" cellpadding="4"><tr>{"".join(cells)}</tr></table></td></tr>'
        )
    return f'<<table border="0" cellborder="0" cellspacing="0">{"".join(rows)}</table>>'
