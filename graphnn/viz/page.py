"""One self-contained page: drawings as SVG with zoom, search and a panel for the chosen box."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from importlib import resources
from string import Template
from typing import Any

from ..errors import DrawingError
from ..graph import Node, Value
from ..params import show
from ..types import Shape, known
from .chart import size
from .drawing import Box, Drawing, digraph
from .layers import Layer, clean, size_text
from .renderer import render

__all__ = ["facts_of", "page"]

MOST_LISTED = 300  # layers of one box
LONGEST = 200  # characters of a name
PATIENCE = 30.0  # seconds for a drawing that the page can do without
POLICY = "default-src 'none'; script-src '{script}'; style-src '{style}'; base-uri 'none'; form-action 'none'"


def page(
    views: Sequence[tuple[str, Drawing]], facts: Mapping[Node, Sequence[tuple[str, str]]] | None = None
) -> tuple[str, str]:
    """Give a page of one or several drawings of one network, each with the name of its button; and a warning, empty
    if there is none.

    `facts` are lines of the panel for some nodes: (what, value). The page loads nothing, and its policy lets nothing
    run or load but what is in it. Of several drawings those after the first are left out where they cannot be laid
    out within 30 seconds, which the warning says; raises as render() where the first cannot be.
    """
    first = views[0][1]
    laid_out, lacking = [(*views[0], _svg(first))], []
    for name, drawing in views[1:]:
        try:
            laid_out.append((name, drawing, _svg(drawing, PATIENCE)))
        except DrawingError as error:
            lacking.append(f"the page is without {name!r}: {error}")
    return _written(laid_out, first, facts or {}), "; ".join(lacking)


def _written(
    views: Sequence[tuple[str, Drawing, str]], first: Drawing, facts: Mapping[Node, Sequence[tuple[str, str]]]
) -> str:
    style, script = _file("page.css"), _file("page.js")
    data = {"views": [{"name": name, "boxes": _boxes(drawing, facts)} for name, drawing, _ in views]}
    return Template(_file("page.html")).substitute(
        policy=POLICY.format(script=_hash(script), style=_hash(style)),
        title=html.escape(clean(first.title, LONGEST)),
        notes="".join(f"<p>{html.escape(clean(note, LONGEST))}</p>" for note in first.notes),
        legend="".join(map(_swatch, first.legend)),
        pictures="\n".join(
            f'<div class="picture"{" hidden" * (k > 0)}>{svg}</div>' for k, (_, _, svg) in enumerate(views)
        ),
        data=_json(data),
        style=style,
        script=script,
    )


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _swatch(entry: tuple[str, tuple[str, str]]) -> str:
    words, (fill, border) = entry
    box = f'<rect x="1" y="1" width="14" height="14" rx="4" fill="{fill}" stroke="{border}"/>'
    return f'<li><svg viewBox="0 0 16 16" aria-hidden="true">{box}</svg>{html.escape(words)}</li>'


def _svg(drawing: Drawing, timeout: float = 120.0) -> str:
    """Lay the drawing out; title and legend are the page's own."""
    bare = replace(drawing, title="", notes=(), legend=())
    text = render(digraph(bare), "svg", timeout)[0].decode()
    return text[text.index("<svg") :]


def _json(data: Any) -> str:
    """Write JSON that ends no script element."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# What the panel shows


def _boxes(drawing: Drawing, facts: Mapping[Node, Sequence[tuple[str, str]]]) -> dict[str, Any]:
    boxes = {box.id: box for box in drawing.boxes}
    reads: dict[str, list[tuple[str, str]]] = {id: [] for id in boxes}
    readers: dict[str, list[tuple[str, str]]] = {id: [] for id in boxes}
    for edge in drawing.edges:
        source, target = (edge.target, edge.source) if edge.dir == "back" else (edge.source, edge.target)
        for own, other in ((reads[target], source), (readers[source], target)):
            if all(id != other for id, _ in own):
                own.append((other, edge.label.strip()))
    labels = {id: _label(box) for id, box in boxes.items()}
    often = Counter(label for id, (label, _) in labels.items() if len(boxes[id].nodes) > 1)
    return {
        id: {
            "label": f"{label}: {clean(box.nodes[0].name, LONGEST)}" if often[label] > 1 else label,
            "lines": [clean(line, LONGEST) for line in box.lines],
            "more": [clean(line, LONGEST) for line in more],
            "layers": [_layer(node, facts.get(node, ())) for node in box.nodes[:MOST_LISTED]],
            "rest": "\n".join(f"{clean(n.name, LONGEST)} {n.op.name}" for n in box.nodes[MOST_LISTED:]),  # is searched
            "count": len(box.nodes),
            "reads": reads[id],
            "readers": readers[id],
        }
        for id, box in boxes.items()
        for label, more in [labels[id]]
    }


def _label(box: Box) -> tuple[str, list[str]]:
    """Give what names a box, and its other lines: a layer's name, or the text that its first lines are broken from."""
    if len(box.nodes) == 1:
        name = box.nodes[0].name
        return clean(name, LONGEST), [x for x in box.lines if x != name and box.shape != "small"]
    lines = list(box.lines)
    text = lines.pop(0) if lines else box.id
    while text.endswith(",") and lines:
        text += " " + lines.pop(0)
    return clean(text, LONGEST), lines


def _layer(node: Node, more: Sequence[tuple[str, str]]) -> dict[str, Any]:
    op = node.op
    named = fields(op) if hasattr(op, "__dataclass_fields__") else ()  # type: ignore[arg-type]
    told = [(f.name, value) for f in named if (value := getattr(op, f.name)) != f.default]
    values = [(name, clean(_value(value), LONGEST)) for name, value in told]
    return {
        "name": clean(node.name, LONGEST),
        "operator": "variable" if op.is_variable else clean(op.name, LONGEST),
        "values": [*values, *((what, clean(text, LONGEST)) for what, text in more)],
        "origin": clean(node.origin or "", LONGEST),
    }


def _value(value: object) -> str:
    return show(value) if isinstance(value, (int, float, str, tuple)) or value is None else str(value)


def facts_of(found: Sequence[Layer], shapes: Mapping[Value, Shape | None]) -> dict[Node, list[tuple[str, str]]]:
    """Give what the panel says of layers: shapes, parameters, the memory of the outputs (float32 where not known)."""
    facts: dict[Node, list[tuple[str, str]]] = {}
    for x in found:
        own = [("output", ", ".join(size_text(s) for s in x.shapes))]
        if x.shapes and all(known(s) for s in x.shapes):
            nbytes = [t.nbytes for t in x.node.types or ()] or [4 * math.prod(s or ()) for s in x.shapes]
            own.append(("output memory", size(sum(nbytes[: len(x.shapes)]))))
        own += [("parameters", f"{x.parameters:,}")] if x.parameters else []
        own += [("reads parameter", f"{v.node.name} {size_text(shapes.get(v))}") for v in x.weights]
        facts[x.node] = own
    return facts
