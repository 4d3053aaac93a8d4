"""plot_network: a network as a Graphviz drawing, one box an operator, data flowing down; repeats as one box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import TYPE_CHECKING

from ..graph import Node, Value
from ..symbol import Symbol
from ..types import Shape
from .collapse import Group, Part, groups
from .drawing import COLORS, Box, Colors, Drawing, Edge, Frame, digraph
from .layers import LABEL_LENGTH, Layer, clean, layers, size_text
from .renderer import use_renderer

if TYPE_CHECKING:
    import graphviz

__all__ = ["ALL", "MOST_OPEN", "Look", "contents", "draw", "network", "plot_network"]

ALL = 1 << 20  # a depth that opens everything
MOST_OPEN = 60  # layers up to which a network is drawn open unless told otherwise
MOST_NAMED = 10  # operators of a block that are written out
MOST_VARIABLES = 4  # that a closed group alone reads and that are drawn
MOST_ARROWS = 3  # between two boxes; more are drawn as one
TIE = "\x1f"  # a space at which no line is broken
HALF = 21  # characters of each of two names
WORDS = {
    "Convolution": "conv",
    "Deconvolution": "deconv",
    "BatchNorm": "bn",
    "FullyConnected": "dense",
    "Pooling": "pool",
    "elemwise_add": "add",
    "elemwise_mul": "mul",
    "broadcast_add": "add",
    "broadcast_mul": "mul",
    "_plus": "add",
    "_mul": "mul",
    "SliceChannel": "split",
}

Shapes = Mapping[Value, Shape | None]


@dataclass(frozen=True)
class Look:
    """How layers are shown. `colors` and `lines` take those of a box: one, or all of a closed group.

    `key` decides what is alike, and so what may become copies of one block; `edge` gives an arrow's colour and style by
    its ends; `opens` tells groups that are opened whatever the depth.
    """

    colors: Callable[[Sequence[Layer]], Colors] | None = None
    lines: Callable[[Sequence[Layer]], Sequence[str]] | None = None
    key: Callable[[Layer], Hashable] | None = None
    edge: Callable[[Node, Node], tuple[str, str]] | None = None
    opens: Callable[[Sequence[Layer]], bool] | None = None


def plot_network(
    symbol: Symbol,
    title: str = "plot",
    save_format: str = "svg",
    shape: Mapping[str, Shape] | None = None,
    node_attrs: Mapping[str, str] | None = None,
    hide_weights: bool = True,
    depth: int | None = None,
) -> graphviz.Digraph:
    """Draw a network: a box for each operator, colours by kind, parameter counts, and shapes on the edges.

    `shape` maps input names to shapes, batch first; without it edges and counts stay bare. `node_attrs` are Graphviz
    attributes for every node. `hide_weights=False` draws the parameters too. `depth` says how many levels of repeated
    and branched blocks are opened: 0 none; None all in a network of at most 60 layers, else none. Show the result in a
    notebook, or call its render(), which writes `save_format` with the system's dot, or (SVG and PNG only) with
    graphviz-pure.
    """
    use_renderer()
    return digraph(network(symbol, shape, hide_weights, depth), title, save_format, node_attrs)


def network(
    symbol: Symbol,
    shape: Mapping[str, Shape] | None = None,
    hide_weights: bool = True,
    depth: int | None = None,
    look: Look | None = None,
) -> Drawing:
    """Give the drawing of a network."""
    found, shapes = layers(symbol, shape)
    return draw(found, shapes, symbol.values, hide_weights, depth, look)


def draw(
    found: Sequence[Layer],
    shapes: Shapes,
    heads: Sequence[Value],
    hide_weights: bool = True,
    depth: int | None = None,
    look: Look | None = None,
) -> Drawing:
    """Give the drawing of layers in graph order, variables among them."""
    return _Drawer(found, shapes, hide_weights, look or Look()).draw(heads, depth)


class _Drawer:
    """The boxes made so far, and which box shows which node."""

    def __init__(self, found: Sequence[Layer], shapes: Shapes, hide_weights: bool, look: Look) -> None:
        self.found, self.shapes, self.hide_weights, self.look = found, shapes, hide_weights, look
        self.operators = [x for x in found if not x.node.op.is_variable]
        self.ids: dict[Node, str] = {}
        self.count = 0

    def draw(self, heads: Sequence[Value], depth: int | None) -> Drawing:
        if depth is None:
            depth = ALL if len(self.operators) <= MOST_OPEN else 0
        tree: tuple[Part, ...] = tuple(range(len(self.operators)))
        if depth < ALL:
            tree = groups(self.operators, heads, self.look.key)
        visible = list(self._visible(tree, depth))
        hidden = self._hidden(visible)
        starts = {self.operators[p.start if isinstance(p, Group) else p].node: p for p in visible}
        boxes: dict[Part, Box] = {}
        loose: list[Box | Frame] = []
        for x in self.found:
            if x.node in starts:
                boxes[starts[x.node]] = self._box(starts[x.node])
                if not self.hide_weights:
                    loose += self._weights(x)
            elif x.node.op.is_variable and x.node not in hidden:
                loose.append(self._variable(x))
        self._stand_in(tree, depth)
        standing: dict[str, list[Node]] = {}
        for node, id in self.ids.items():
            standing.setdefault(id, []).append(node)
        boxes = {part: replace(box, nodes=tuple(standing[box.id])) for part, box in boxes.items()}
        parts = sorted([*loose, *self._placed(tree, boxes, depth)], key=_number)
        edges = self._edges(visible)
        return Drawing(tuple(parts), (*edges, *self._later_copies(edges)))

    def _layers(self, part: Part) -> Sequence[Layer]:
        return self.operators[part.start : part.end] if isinstance(part, Group) else [self.operators[part]]

    def _hidden(self, visible: Sequence[Part]) -> set[Node]:
        """Find the variables that show inside a closed group: many that nobody else reads."""
        reads = [{v.node for x in self._layers(p) for v in x.inputs if v.node.op.is_variable} for p in visible]
        readers = Counter(node for found in reads for node in found)
        own = [{node for node in found if readers[node] == 1} for found in reads]
        return {node for part, found in zip(visible, own, strict=True) for node in found
                if isinstance(part, Group) and len(found) > MOST_VARIABLES}  # fmt: skip

    def _new(self, nodes: Sequence[Node]) -> str:
        id, self.count = f"n{self.count}", self.count + 1
        self.ids.update(dict.fromkeys(nodes, id))
        return id

    # Boxes

    def _variable(self, x: Layer) -> Box:
        return Box(self._new([x.node]), (x.node.name,), self._colors([x]), "small", (x.node,))

    def _colors(self, own: Sequence[Layer]) -> Colors:
        return COLORS[_kind(own)] if self.look.colors is None else self.look.colors(own)

    def _box(self, part: Part) -> Box:
        own = self._layers(part)
        nodes = tuple(x.node for x in own)
        id = self._new(nodes)
        counts = [x.parameters for x in own]
        total = sum(n for n in counts if n is not None) if None not in counts else 0
        lines = [*_lines(part, own), f"{total:,} parameters" if total else ""]
        lines += self.look.lines(own) if self.look.lines is not None else []
        stack = isinstance(part, Group) and part.copies > 1
        return Box(id, tuple(x for x in lines if x), self._colors(own), "stack" if stack else "box", nodes)

    def _weights(self, x: Layer) -> list[Box]:
        made = []
        for v in x.weights:
            if v.node not in self.ids:
                shape = self.shapes.get(v)
                lines = (v.node.name, size_text(shape) if shape else "")
                made.append(Box(self._new([v.node]), lines, COLORS["data"], "plain", (v.node,)))
        return made

    # Frames and edges

    def _opens(self, part: Group, depth: int) -> bool:
        """Tell whether a group is drawn open; arithmetic on parameters alone only where everything is."""
        if part.kind == "prologue":
            return depth > ALL // 2
        return depth > 0 or (self.look.opens is not None and self.look.opens(self._layers(part)))

    def _visible(self, tree: Sequence[Part], depth: int) -> Iterator[Part]:
        """Give the single layers and closed groups that are drawn when `depth` levels are opened."""
        for part in tree:
            if isinstance(part, Group) and self._opens(part, depth):
                yield from self._visible(part.body, depth - 1)
            else:
                yield part

    def _stand_in(self, tree: Sequence[Part], depth: int) -> None:
        """Let the boxes of the first copy in an opened repeat stand for the others."""
        for part in tree:
            if isinstance(part, Group) and self._opens(part, depth):
                self._stand_in(part.body, depth - 1)
                size = (part.end - part.start) // part.copies
                for i in range(part.start + size, part.end):
                    self.ids[self.operators[i].node] = self.ids[self.operators[i - size].node]

    def _placed(self, tree: Sequence[Part], boxes: Mapping[Part, Box], depth: int) -> list[Box | Frame]:
        """Put the boxes of opened repeats into frames."""
        found: list[Box | Frame] = []
        for part in tree:
            if part in boxes:
                found.append(boxes[part])
            elif isinstance(part, Group):
                inside = self._placed(part.body, boxes, depth - 1)
                found += [Frame(f"x {part.copies}{_beside(part)}", tuple(inside))] if part.copies > 1 else inside
        return found

    def _edges(self, visible: Sequence[Part]) -> list[Edge]:
        found: list[Edge] = []
        level: dict[str, int] = {}
        for part in visible:
            own = self._layers(part)
            target = self.ids[own[0].node]
            reads = [v for x in own for v in x.inputs if self.ids.get(v.node, target) != target]
            several = Counter(self.ids[v.node] for v in dict.fromkeys(reads))
            if len(own) > 1 or max(several.values(), default=0) > MOST_ARROWS or self._aside(own[-1], reads):
                reads = list({self.ids[v.node]: v for v in reversed(reads)}.values())[::-1]
            # Heavy edges keep the longest chain straight, past labels and short cuts; wide joins stay amid their
            # branches.
            deepest = max((level.get(self.ids[v.node], 0) for v in reads), default=0)
            level[target] = deepest + 1
            for v in reads:
                source = self.ids[v.node]
                weight = "8" if level.get(source, 0) == deepest and len(reads) <= 2 else "1"
                color, style = self.look.edge(v.node, own[-1].node) if self.look.edge else ("", "")
                times = f" {several[source]} x" if several[source] > MOST_ARROWS else ""
                text = "" if style else times + _edge_label(v, self.shapes)
                found.append(Edge(source, target, text, "0" if style else weight, style, color))
            if not self.hide_weights and len(own) == 1:
                found += [Edge(self.ids[v.node], target, style="dashed") for v in own[0].weights]
        return found

    def _aside(self, layer: Layer, reads: Sequence[Value]) -> bool:
        return self.look.edge is not None and any(self.look.edge(v.node, layer.node)[1] for v in reads)

    def _later_copies(self, edges: Sequence[Edge]) -> list[Edge]:
        """Join the variables that later copies of an opened repeat alone read to the layer that stands for theirs."""
        joined = {e.source for e in edges}
        found = {(self.ids[v.node], self.ids[x.node]): v for x in self.operators for v in x.inputs
                 if v.node.op.is_variable and self.ids.get(v.node, "") not in ("", *joined)}  # fmt: skip
        return [Edge(a, b, _edge_label(v, self.shapes), "1") for (a, b), v in found.items()]


def _number(part: Box | Frame) -> int:
    while isinstance(part, Frame):
        part = part.inside[0]
    return int(part.id[1:])


# The text of a box


def _kind(own: Sequence[Layer]) -> str:
    """Give the kind that colours a box: a layer's own, for a group what weighs most in it."""
    kinds = [x.kind for x in own]
    return next((k for k in ("loss", "weights") if k in kinds), Counter(kinds).most_common(1)[0][0])


def _lines(part: Part, own: Sequence[Layer]) -> list[str]:
    first, last = own[0], own[-1]
    if not isinstance(part, Group):
        return [f"{first.node.op.name} {first.detail}".strip(), first.node.name]
    if part.kind == "chain":
        return [f"{first.node.op.name} {first.detail}".strip(), f"+ {', '.join(map(_word, own[1:]))}", first.node.name]
    size = len(own) // part.copies
    names = f"{first.node.name} to {last.node.name}"
    if len(names) > LABEL_LENGTH:
        names = f"{clean(first.node.name, HALF)} to {clean(last.node.name, HALF)}"
    count = f"x {part.copies}{_beside(part)}: " if part.copies > 1 else ""
    what = "of parameters: " if part.kind == "prologue" else "block of " if size > 2 else ""
    return [*contents(own[:size], f"{count}{what}"), names]


def _beside(part: Group) -> str:
    return " side by side" if part.beside else ""


def _word(layer: Layer) -> str:
    """Give an operator as one reads it: relu for an Activation that is one, add for elemwise_add."""
    op = layer.node.op
    name = str(getattr(op, "act_type", "")) or op.name
    return WORDS.get(name, name).strip("_")


def contents(own: Sequence[Layer], before: str = "", what: str = "layers") -> list[str]:
    """Write a few operators in order, more as counts, as lines that begin with `before`."""
    words = [_word(x) for x in own]
    text = ", ".join(words)
    if len(words) > MOST_NAMED:
        text = f"{len(words)} {what}: " + ", ".join(f"{n}{TIE}{w}" for w, n in Counter(words).most_common())
    return [line.replace(TIE, " ") for line in wrap(before + text, LABEL_LENGTH - 8)]


def _edge_label(v: Value, shapes: Shapes) -> str:
    """Write the shape without the batch, as MXNet does; nothing where it is not known."""
    shape = shapes.get(v)
    return f" {size_text(shape[1:]) or '1'} " if shape else ""
