"""A memory plan as a chart: steps across, the arena's offsets up, one box a buffer, by matplotlib (extra `plot`)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..arena import aligned
from ..graph import Node
from ..plan import Plan
from .drawing import COLORS, INK, Colors
from .layers import clean, kind_of
from .pictures.figure import encoded
from .training import BACKWARD, FORWARD, ROLES, UPDATE

__all__ = ["FORMATS", "MemoryBox", "boxes", "chart", "size"]

FORMATS = ("pdf", "png", "svg")
KEPT = "kept for backward"
PART_COLORS: Mapping[str, Colors] = {
    "forward only": ROLES[FORWARD],
    KEPT: ("#e9d8ee", "#8f5fa3"),
    "backward": ROLES[BACKWARD],
    "update": ROLES[UPDATE],
}
KIND_NAMES = {
    "weights": "convolution, dense",
    "norm": "norm",
    "activation": "activation",
    "pool": "pooling, reduction",
    "join": "elementwise, join",
    "shape": "shape, layout",
    "other": "a backend's own",
}
WIDTH, HEIGHT, DPI = 12.0, 6.4, 110
LETTER, LINE = 4.6, 9.0  # points that a letter and a line of a label take
FEWEST = 9  # letters of a label that still say something
PEAK, BOUND = "#c0392b", "#1f5fa8"


@dataclass(frozen=True)
class MemoryBox:
    """A buffer in the arena: `bytes` from `offset` on, alive from step `start` to before step `end`."""

    label: str
    kind: str
    start: int
    end: int
    offset: int
    bytes: int


def boxes(plan: Plan, roles: Mapping[str, str] | None = None) -> list[MemoryBox]:
    """Give the buffers over steps instead of nodes.

    `kind` is the family of the operator that fills a buffer or, for a plan of two parts, when it lives: forward only,
    kept for backward, backward or, where `roles` tells so of the node by name, update.
    """
    times = plan.step_times
    cut = next((k for k, step in enumerate(plan.steps) if step.part == 1), None)
    nodes = {n.name: n for n in plan.order}
    found = []
    for b in plan.buffers:
        start, end = bisect_left(times, b.start), bisect_right(times, b.end)
        name = b.label.rpartition(" ")[0]
        kind = _kind(nodes, name) if cut is None else _part(start, end, cut, (roles or {}).get(name, ""))
        found.append(MemoryBox(name, kind, start, max(end, start + 1), b.offset, aligned(b.size)))
    return found


def _kind(nodes: Mapping[str, Node], label: str) -> str:
    node = nodes.get(label) or nodes.get(label.rpartition(".")[0])
    kind = kind_of(node.op) if node is not None else "other"
    return kind if kind in KIND_NAMES else "other"


def _part(start: int, end: int, cut: int, role: str) -> str:
    if start >= cut:
        return "update" if role == UPDATE else "backward"
    return KEPT if end > cut else "forward only"


def size(n: int) -> str:
    """Write bytes: `12.3 MiB`."""
    if n < 1 << 10:
        return f"{n} bytes"
    return f"{n / (1 << 20):.1f} MiB" if n >= 1 << 20 else f"{n / (1 << 10):.1f} KiB"


def chart(plan: Plan, title: str, format: str, roles: Mapping[str, str] | None = None) -> bytes:
    """Draw a plan as pdf, png or svg."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = boxes(plan, roles)
    with mpl.rc_context({"svg.hashsalt": "graphnn", "svg.fonttype": "none", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.075, 0.17, 0.765, 0.69))
        unit, scale = _unit(plan.arena_bytes)
        _axes(axes, plan, scale)
        colors = COLORS if all(b.kind in KIND_NAMES for b in found) else PART_COLORS
        _boxes(axes, found, colors, scale)
        _lines(axes, plan, scale)
        axes.set_ylabel(f"offset in the arena ({unit})")
        axes.set_xlabel(f"step of {len(plan.steps)}")
        figure.text(0.075, 0.945, clean(title, 100), fontsize=14, color=INK, parse_math=False)
        figure.text(0.075, 0.895, _totals(plan), fontsize=9.5, color="#66727d", parse_math=False)
        _legend(figure, found, colors)
        return encoded(figure, format)


def _unit(total: int) -> tuple[str, int]:
    return ("MiB", 1 << 20) if total >= 1 << 20 else ("KiB", 1 << 10) if total >= 1 << 12 else ("bytes", 1)


def _totals(plan: Plan) -> str:
    heads = plan.planned_bytes - plan.arena_bytes
    return (
        f"planned {size(plan.planned_bytes)}: arena {size(plan.arena_bytes)}, outputs {size(heads)}; "
        f"{len(plan.buffers)} buffers of {size(sum(aligned(b.size) for b in plan.buffers))} in all; "
        f"scratch {size(plan.scratch_bytes)}"
    )


def _axes(axes: Any, plan: Plan, scale: int) -> None:
    axes.set_xlim(0, max(len(plan.steps), 1))
    axes.set_ylim(0, max(plan.arena_bytes, 1) / scale * 1.04)
    axes.set_facecolor("#fafbfc")
    axes.tick_params(labelsize=9, colors=INK)
    axes.xaxis.get_major_locator().set_params(integer=True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    cut = next((k for k, step in enumerate(plan.steps) if step.part == 1), None)
    if cut:
        axes.axvline(cut, color="#66727d", linewidth=1, linestyle=":", zorder=4)
        for x, words, align in ((cut, "forward ", "right"), (cut, " backward and update", "left")):
            axes.text(
                x,
                1.005,
                words,
                transform=axes.get_xaxis_transform(),
                ha=align,
                va="bottom",
                fontsize=8.5,
                color="#66727d",
            )


def _boxes(axes: Any, found: Sequence[MemoryBox], colors: Mapping[str, Colors], scale: int) -> None:
    """Draw the buffers as one collection, and labels in those that have room."""
    from matplotlib.collections import PolyCollection

    corners = []
    for b in found:
        low, high = b.offset / scale, (b.offset + b.bytes) / scale
        corners.append([(b.start, low), (b.end, low), (b.end, high), (b.start, high)])
    fills, borders = zip(*(colors[b.kind] for b in found), strict=True) if found else ((), ())
    axes.add_collection(
        PolyCollection(
            corners, facecolors=fills, edgecolors=borders, linewidths=0.5 if len(found) < 100 else 0.25, zorder=2
        )
    )
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    points = axes.get_position()
    across = points.width * WIDTH * 72 / (right - left)
    up = points.height * HEIGHT * 72 / (top - bottom)
    for b in found:
        width, height = (b.end - b.start) * across, b.bytes / scale * up
        turned = width < height and width < 40
        length, room = (height, width) if turned else (width, height)
        letters = int((length - 4) / LETTER)
        if room >= LINE and letters >= min(len(b.label), FEWEST):
            x, y = (b.start + b.end) / 2, (b.offset + b.bytes / 2) / scale
            text = clean(b.label, letters)
            axes.text(
                x, y, text, ha="center", va="center", fontsize=7.5, color=INK, rotation=90 if turned else 0,
                parse_math=False, clip_on=True, zorder=3,
            )  # fmt: skip


def _lines(axes: Any, plan: Plan, scale: int) -> None:
    """Draw the arena's peak and the lower bound with their bytes; one line where they are the same."""
    peak, bound = plan.arena_bytes, plan.lower_bound
    top = axes.get_ylim()[1]
    near = abs(peak - bound) / scale < top * 0.06
    axes.axhline(peak / scale, color=PEAK, linewidth=1.3, zorder=5)
    if bound != peak:
        axes.axhline(bound / scale, color=BOUND, linewidth=1.3, linestyle="--", zorder=5)
    place = {"transform": axes.get_yaxis_transform(), "fontsize": 9, "clip_on": False, "parse_math": False}
    axes.text(1.01, peak / scale, f"peak\n{size(peak)}", color=PEAK, va="center" if not near else "bottom", **place)
    where = (bound / scale, "center") if not near else (bound / scale, "top")
    more = f"lower bound\n{size(bound)}" + (f"\n(peak {peak / bound - 1:+.2%})" if bound and peak != bound else "")
    axes.text(1.01, where[0], more, color=BOUND, va=where[1], **place)


def _legend(figure: Any, found: Sequence[MemoryBox], colors: Mapping[str, Colors]) -> None:
    from matplotlib.patches import Patch

    kinds = [k for k in (*KIND_NAMES, *PART_COLORS) if any(b.kind == k for b in found)]
    patches = [Patch(facecolor=colors[k][0], edgecolor=colors[k][1], label=KIND_NAMES.get(k, k)) for k in kinds]
    if patches:
        figure.legend(
            handles=patches,
            loc="lower left",
            bbox_to_anchor=(0.07, 0.01),
            ncols=len(patches),
            frameon=False,
            fontsize=9,
        )
