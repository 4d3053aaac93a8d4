"""Charts as SVG: lines over epochs, and a confusion matrix. Colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..layers import clean
from .markup import Html, tag

__all__ = ["lines", "matrix", "share_bar", "ticks"]

_WIDTH, _HEIGHT = 440, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 30, 38
_CELL, _LETTER = 34, 6.4  # sizes of a cell and of a letter
_MAX_NAME = 14


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Give round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`, at most `most`."""
    if not high > low:
        return [low]
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(m for m in (1, 2, 5, 10, 20) if (high - low) / (m * step) <= most - 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def lines(
    title: str, unit: str, epochs: Sequence[int], series: Mapping[str, Sequence[float]], along: str = "epoch"
) -> Html:
    """Draw values by epoch, or what else is `along`, a line for each of `series`, which the style colours in turn."""
    values = [v for ys in series.values() for v in ys if math.isfinite(v)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    low, high = (0.0 if 0 <= low <= high * 0.6 else low - room), high + room
    first, last = (epochs[0], epochs[-1]) if epochs else (0, 1)

    def at(epoch: float, value: float) -> tuple[float, float]:
        across = (epoch - first) / (last - first) if last > first else 0.5
        up = (value - low) / (high - low)
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    parts = [tag("text", title, x=_LEFT, y=16, class_="title")]
    for value in ticks(low, high):
        _, y = at(first, value)
        parts.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
        parts.append(tag("text", f"{value:.4g}", x=_LEFT - 6, y=f"{y + 4:.1f}", text_anchor="end"))
    for epoch in sorted({round(t) for t in ticks(first, last)}):
        x, _ = at(epoch, low)
        parts.append(tag("text", str(epoch), x=f"{x:.1f}", y=_HEIGHT - _BOTTOM + 16, text_anchor="middle"))
    parts.append(tag("text", along, x=_WIDTH - _RIGHT, y=_HEIGHT - 6, text_anchor="end"))
    parts.append(tag("text", unit, x=_WIDTH - _RIGHT, y=16, text_anchor="end"))
    for k, (name, ys) in enumerate(series.items()):
        parts += _line(k, name, along, [(e, v, *at(e, v)) for e, v in zip(epochs, ys, strict=True) if math.isfinite(v)])
    what = f"{title} by {along}: {', '.join(series)}"
    return tag("svg", *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=what, class_="chart")


def _line(k: int, name: str, along: str, points: list[tuple[int, float, float, float]]) -> list[Html]:
    """A line with its points, which say their value, and its entry among the names."""
    way = " ".join(f"{x:.1f},{y:.1f}" for _, _, x, y in points)
    parts = [tag("polyline", points=way, class_=f"line s{k}")]
    radius = 2.5 if len(points) <= 60 else 1.2
    for epoch, value, x, y in points:
        said = tag("title", f"{name}, {along} {epoch}: {value:.6g}")
        parts.append(tag("circle", said, cx=f"{x:.1f}", cy=f"{y:.1f}", r=radius, class_=f"dot s{k}"))
    x = _LEFT + 110 + 74 * k
    parts.append(tag("line", x1=x, x2=x + 16, y1=12, y2=12, class_=f"line s{k}"))
    parts.append(tag("text", name, x=x + 21, y=16))
    return parts


def matrix(counts: np.ndarray, names: Sequence[str]) -> Html:
    """Draw a confusion matrix (true, predicted): cells coloured by their share of the true class, with their counts."""
    n, names = len(names), [clean(name, _MAX_NAME) for name in names]
    longest = max(map(len, names))
    left, top = 40 + round(_LETTER * longest), 40 + (round(0.9 * _LETTER * longest) if longest > 2 else 0)
    share = counts / counts.sum(1, keepdims=True).clip(1)
    parts = [
        tag("text", "predicted", x=left + n * _CELL / 2, y=14, text_anchor="middle", class_="title"),
        tag("text", "true", x=0, y=top - 8, class_="title"),
    ]
    for k, name in enumerate(names):
        x, y = left + (k + 0.5) * _CELL, top + (k + 0.5) * _CELL
        turned = f"rotate(-60 {x} {top - 6})" if longest > 2 else None
        parts.append(tag("text", name, x=x, y=top - 6, transform=turned, text_anchor=None if turned else "middle"))
        parts.append(tag("text", name, x=left - 6, y=y + 4, text_anchor="end"))
    parts.append(tag("rect", x=left, y=top, width=n * _CELL, height=n * _CELL, class_="empty"))
    for i, j in np.argwhere(counts):
        said = f"{names[i]} taken for {names[j]}: {counts[i, j]} ({share[i, j]:.1%})"
        parts += _cell(left + j * _CELL, top + i * _CELL, int(counts[i, j]), float(share[i, j]), said)
    label = "confusion matrix: rows are true, columns predicted"
    width, height = left + n * _CELL + 40, top + n * _CELL + 4
    box = f"0 0 {width} {height}"
    return tag("svg", *parts, viewBox=box, width=width, height=height, role="img", aria_label=label, class_="matrix")


def _cell(x: float, y: float, count: int, share: float, said: str) -> list[Html]:
    side, half = _CELL - 1, _CELL / 2
    kind = "count strong" if share > 0.5 else "count"
    shown = str(count) if count < 10_000 else f"{count // 1000}k"
    return [
        tag("rect", tag("title", said), x=x, y=y, width=side, height=side, fill_opacity=f"{0.08 + 0.92 * share:.3f}"),
        tag("text", shown, x=x + half - 0.5, y=y + half + 4, text_anchor="middle", class_=kind),
    ]


def share_bar(value: float) -> Html:
    """Draw a share from 0 to 1 as a bar."""
    ground = tag("rect", width=60, height=8, class_="empty")
    bar = tag("rect", width=f"{60 * min(max(value, 0), 1):.1f}", height=8)
    return tag("svg", ground, bar, viewBox="0 0 60 8", width=60, height=8, class_="bar", aria_hidden="true")
