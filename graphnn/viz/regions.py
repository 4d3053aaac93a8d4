"""What changed in a graph too large to lay out: layer by layer, each kind of change once, with its count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..graph import Node
from .drawing import Box, Colors, Drawing, Edge, Frame
from .layers import Layer

__all__ = ["excerpt"]

_BESIDE = 3  # frames in a row
_MOST = 150  # boxes
_MOST_IN_FRAME = 40

Region = list[Layer]


def excerpt(
    found: Sequence[Layer],
    states: Mapping[Node, str],
    kept: str,
    colors: Mapping[str, Colors],
    edge: Callable[[Node, Node], tuple[str, str]],
) -> tuple[Drawing, str]:
    """Draw the layers whose state is not `kept`, in a frame for each place: what is connected and of one layer.

    What is alike but for names and parameters is drawn once. What they read from outside stands small above them.
    Gives the drawing, and a line that says what is in it; of very many kinds the first are shown.
    """
    regions = list(_regions(x for x in found if states.get(x.node, kept) != kept))
    alike: dict[object, list[tuple[str, Region]]] = {}
    for owner, region in regions:
        alike.setdefault(_form(region, states), []).append((owner, region))
    frames: list[Frame] = []
    edges: list[Edge] = []
    count = 0
    for same in alike.values():
        owner, region = same[0]
        boxes, arrows = _drawn(f"r{len(frames)}", region[:_MOST_IN_FRAME], states, kept, colors, edge)
        if frames and count + len(boxes) > _MOST:
            break
        count += len(boxes)
        more = f", the first {_MOST_IN_FRAME} of {len(region)}" if len(region) > _MOST_IN_FRAME else ""
        frames.append(Frame(f"x {len(same)}: {owner}{more}" if len(same) > 1 else f"{owner}{more}", tuple(boxes)))
        edges += arrows
    rows = zip(frames, frames[_BESIDE:], strict=False)
    edges += [Edge(a.inside[-1].id, b.inside[0].id, style="invis") for a, b in rows]  # type: ignore[union-attr]
    shown = "each kind" if len(frames) == len(alike) else f"the first {len(frames)} of {len(alike)} kinds"
    places = f"{len(regions)} places" if len(regions) > 1 else "the place"
    said = f"too large to be drawn whole: {places} that changed, {shown} of change once"
    return Drawing(tuple(frames), tuple(edges)), said


def _regions(changed: Iterable[Layer]) -> Iterator[tuple[str, Region]]:
    """Give what is connected and belongs to one layer of the network, with its name.

    Of `conv+bn` and `conv:gradient` that layer is conv.
    """
    region_of: dict[Node, Region] = {}
    for x in changed:
        owner = _owner(x)
        joined = [x]
        for v in x.inputs:
            other = region_of.get(v.node)
            if other is not None and other is not joined and _owner(other[0]) == owner:
                joined = other + joined
                region_of |= {y.node: joined for y in joined}
        region_of[x.node] = joined
    regions = {id(region): region for region in region_of.values()}
    yield from ((_owner(region[0]), region) for region in regions.values())


def _owner(x: Layer) -> str:
    return x.node.name.partition(":")[0].partition("+")[0]


def _form(region: Region, states: Mapping[Node, str]) -> object:
    """What is equal for regions that are alike: operators, states, and who reads whom."""
    number: dict[Node, int] = {x.node: k for k, x in enumerate(region)}
    form = []
    for x in region:
        reads = tuple((number.setdefault(v.node, len(number)), v.index) for v in x.inputs)
        form.append((x.node.op.name, states[x.node], reads))
    return tuple(form)


def _drawn(
    prefix: str,
    region: Region,
    states: Mapping[Node, str],
    kept: str,
    colors: Mapping[str, Colors],
    edge: Callable[[Node, Node], tuple[str, str]],
) -> tuple[list[Box], list[Edge]]:
    """The boxes of a region, those of what it reads from outside first, and the arrows between them."""
    inside = {x.node for x in region}
    outside = list(dict.fromkeys(v.node for x in region for v in x.inputs if v.node not in inside))
    ids = {node: f"{prefix}n{k}" for k, node in enumerate([*outside, *(x.node for x in region)])}
    boxes = [Box(ids[n], (n.name,), colors[states.get(n, kept)], "small", (n,)) for n in outside]
    for x in region:
        lines = (f"{x.node.op.name} {x.detail}".strip(), x.node.name)
        boxes.append(Box(ids[x.node], lines, colors[states[x.node]], "box", (x.node,)))
    arrows = {(ids[v.node], ids[x.node]): edge(v.node, x.node) for x in region for v in x.inputs}
    return boxes, [Edge(a, b, "", "0" if style else "", style, color) for (a, b), (color, style) in arrows.items()]
