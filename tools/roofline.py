"""The roofline picture of graphnn-bench: GFLOP/s over arithmetic intensity, under what the machine reaches at best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["save"]

# Okabe and Ito's colours, which most eyes tell apart; graphnn's own are the strongest.
_COLOURS = {
    "graphnn-numpy": "#0072b2",
    "graphnn-c": "#d55e00",
    "torch": "#009e73",
    "torch-last": "#56b4e9",
    "torch-compile": "#004d3a",
    "jax": "#cc79a7",
    "onnxruntime": "#e69f00",
    "openvino": "#7b5ea7",
    "mxnet": "#8c6d31",
}
_MARKERS = {"infer": "o", "train": "^"}
_GREY = "#5f6368"
_LONGEST = 24  # characters of a name


def save(path: Path, rows: Sequence[Mapping[str, Any]], roofs: Mapping[int, tuple[float | None, float | None]]) -> None:
    """Draw completed rows as PNG: one panel for each number of threads.

    x is the arithmetic of a case over the bytes its planned steps read and write, the same for all its runners; y its
    rate. `roofs` are, by number of threads, the peak in GFLOP/s and the memory's GB/s, None where not measured.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from graphnn.viz.pictures.figure import save as save_figure

    drawn = [r for r in rows if r["gflops"] and r["traffic_bytes"]]
    counts = sorted({r["threads"] for r in drawn}) or [1]
    figure = Figure(figsize=(1.6 + 5.6 * len(counts), 5.4), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(counts), squeeze=False, sharey=True)[0]
    for axes, threads in zip(panels, counts, strict=True):
        _panel(axes, threads, [r for r in drawn if r["threads"] == threads], *roofs.get(threads, (None, None)))
    panels[0].set_ylabel("GFLOP/s")
    _legend(figure, drawn)
    save_figure(figure, path)


def intensity(row: Mapping[str, Any]) -> float:
    """Give operations per byte."""
    return float(row["flops"] / row["traffic_bytes"])


def _panel(
    axes: Any, threads: int, rows: Sequence[Mapping[str, Any]], peak: float | None, memory: float | None
) -> None:
    """One number of threads: the roof, a column of points for each case, the case's name under it."""
    from matplotlib.ticker import LogLocator

    axes.set_xscale("log")
    axes.set_yscale("log")
    xs, rates = [intensity(r) for r in rows], [r["gflops"] for r in rows]
    low, high = (min(xs, default=1) / 1.8, max(xs, default=10) * 1.8)
    top, lowest = 1.6 * max([*rates, peak or 1]), min(rates, default=1)
    bottom = lowest / max(top / lowest, 4) ** 0.4  # room for names below the points
    _roof(axes, (low, high), peak, memory)
    for row, x in zip(rows, xs, strict=True):
        own = row["runner"].startswith("graphnn")
        style = {"s": 64 if own else 40, "edgecolors": "white", "linewidths": 0.7, "zorder": 4 if own else 3}
        colour = _COLOURS.get(row["runner"], _GREY)
        axes.scatter([x], [row["gflops"]], color=colour, marker=_MARKERS[row["mode"]], **style)
    _names(axes, rows, xs)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    axes.set_xlabel("operations per byte that the planned steps read and write")
    axes.set_title(f"{threads} thread{'s' if threads > 1 else ''}", loc="left", fontsize=11, color=_GREY)
    axes.grid(which="major", alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(lambda value, _: "")


def _roof(axes: Any, ends: tuple[float, float], peak: float | None, memory: float | None) -> None:
    """Draw what the machine reaches: the memory's slope up to the peak."""
    if peak is None:
        return
    low, high = ends
    bend = low if memory is None else min(max(peak / memory, low), high)
    axes.plot([bend, high], [peak, peak], color=_GREY, linewidth=1.6, zorder=2)
    axes.fill_between(
        [low, bend, high], [_under(x, peak, memory) for x in (low, bend, high)], peak * 10, color="#f1f1ee"
    )
    axes.annotate(
        f"peak of the micro-kernel: {peak:.0f} GFLOP/s",
        (high, peak), xytext=(-4, 5), textcoords="offset points", ha="right", fontsize=8, color=_GREY,
    )  # fmt: skip
    if memory is not None and bend > low:
        axes.plot([low, bend], [low * memory, bend * memory], color=_GREY, linewidth=1.6, zorder=2)
        axes.annotate(
            f"memory: {memory:.0f} GB/s",
            (low, low * memory), xytext=(10, -2), va="top", textcoords="offset points", fontsize=8, color=_GREY,
        )  # fmt: skip


def _under(x: float, peak: float, memory: float | None) -> float:
    return peak if memory is None else min(peak, x * memory)


def _names(axes: Any, rows: Sequence[Mapping[str, Any]], xs: Sequence[float]) -> None:
    """Write each case's name under its lowest point, and join its points."""
    cases: dict[tuple[Any, ...], list[float]] = {}
    for row, x in zip(rows, xs, strict=True):
        cases.setdefault((row["model"], row["batch"], row["mode"], x), []).append(row["gflops"])
    for (model, batch, _, x), rates in cases.items():
        axes.plot([x, x], [min(rates), max(rates)], color="#c9ccd1", linewidth=1, zorder=1)
        label = f"{Path(model).name.removesuffix('.json').removesuffix('-symbol')[:_LONGEST]}, {batch}"
        axes.annotate(
            label, (x, min(rates)), xytext=(0, -7), textcoords="offset points", rotation=90, fontsize=7.5,
            ha="center", va="top", color="#3c4043", parse_math=False,
        )  # fmt: skip


def _legend(figure: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Explain colours (runners) and marks (modes) above the panels."""
    from matplotlib.lines import Line2D

    found = dict.fromkeys(r["runner"] for r in rows)
    order = [name for name in _COLOURS if name in found] + [name for name in found if name not in _COLOURS]
    style: dict[str, Any] = {"linestyle": "", "markeredgecolor": "white", "markersize": 8}
    marks = [Line2D([], [], marker="s", color=_COLOURS.get(n, _GREY), label=n, **style) for n in order]
    modes = [m for m in _MARKERS if any(r["mode"] == m for r in rows)]
    words = {"infer": "inference", "train": "training step"}
    marks += [Line2D([], [], marker=_MARKERS[m], color=_GREY, label=words[m], **style) for m in modes]
    if marks:
        figure.legend(
            handles=marks,
            loc="outside upper center",
            ncols=min(len(marks), 5 * len(figure.axes)),
            frameon=False,
            fontsize=9,
        )
