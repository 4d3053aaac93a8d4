"""The parts of a report that are about sequences: what a language model writes; strips."""

from __future__ import annotations

import numpy as np

from ..sequences import Passages, Strips
from .charts import lines as chart_of
from .markup import Html, join, tag
from .sections import picture, said, section

__all__ = ["places", "strips", "written"]

_WORST, _RIGHT = 24, 6  # strips that are shown
_PIECE = 200  # characters; a longer text would be cut


def written(s: Passages) -> list[Html]:
    """What a language model writes."""
    if not s.sample:
        return []
    lines = [[line[k : k + _PIECE] for k in range(0, len(line), _PIECE)] for line in s.sample.split("\n")]
    text = Html("\n".join(join(line) for line in lines))
    return [section("What it writes", tag("pre", text, class_="sample"))]


def places(s: Passages) -> list[Html]:
    """The perplexity by how much of a row the model has read."""
    by_place = np.exp(s.losses.mean(0, dtype=np.float64)).tolist()
    read = list(range(1, len(by_place) + 1))
    chart = chart_of("perplexity", "", read, {"test": by_place}, along="characters read before")
    return [section("By place in a row", tag("div", chart, class_="charts"))]


def strips(s: Strips) -> list[Html]:
    """The worst-read strips, and some that were read rightly."""
    wrong = s.worst(_WORST).tolist()
    right = [k for k in range(len(s.labels)) if s.read(k) == s.said(k)][:_RIGHT]
    parts = {"Worst-read strips": wrong, "Read rightly": right}
    return [section(title, _sheet(s, found) if found else said("There is none.")) for title, found in parts.items()]


def _sheet(s: Strips, numbers: list[int]) -> Html:
    return tag("div", *(_strip(s, k) for k in numbers), class_="sheet strips")


def _strip(s: Strips, k: int) -> Html:
    words = ["is ", tag("b", s.said(k)), ", read ", tag("b", s.read(k) or "nothing")]
    return tag("figure", picture(s.inputs[k], k), tag("figcaption", *words))
