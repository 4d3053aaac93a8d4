"""How good a network for sequences is: perplexity of a text; strips read exactly, and mistakes a character."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.text import decode, entropy
from ..errors import ParameterError
from .evaluate import wilson

__all__ = ["StripScore", "TextScore", "edits", "least_loss", "score_strips", "score_text", "text_of"]


@dataclass(frozen=True)
class TextScore:
    """Mean of -log p(character) in nats, share of characters guessed, how many there are.

    `least` is the loss that no model can go below but by chance, None where it is not known.
    """

    loss: float
    accuracy: float
    count: int
    least: float | None = None

    @property
    def perplexity(self) -> float:
        """exp(loss): among so many characters, all alike, a guess would be as hard."""
        return math.exp(min(self.loss, 700.0))

    @property
    def least_perplexity(self) -> float | None:
        return None if self.least is None else math.exp(self.least)


@dataclass(frozen=True)
class StripScore:
    """Share of strips read without a mistake with its interval (wilson()), mean loss, how many strips.

    `errors` is the character error rate: edits from what was read to what is there, by characters that are there.
    """

    exact: float
    interval: tuple[float, float]
    errors: float
    loss: float
    count: int
    characters: int


def score_text(losses: np.ndarray, right: np.ndarray, least: float | None = None) -> TextScore:
    """Sum up -log p (n, t) of the characters that came and whether each (n, t) was the likeliest."""
    return TextScore(float(losses.mean(dtype=np.float64)), float(right.mean()), right.size, least)


def least_loss(inputs: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> float | None:
    """Give the entropy in nats a character of rows (n, t) and what follows (n, t); None unless they are our sums."""
    texts = (decode(x, classes) + classes[int(y[-1])] for x, y in zip(inputs, labels, strict=True))
    try:
        first = next(texts, "")
        entropy([first])  # a text that is none is told before all of it is decoded
        return entropy([first, *texts])
    except ParameterError:
        return None


def score_strips(found: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]], losses: np.ndarray) -> StripScore:
    """Compare what was read with what is there, strip by strip; losses (n,)."""
    n, right = len(wanted), sum(tuple(a) == tuple(b) for a, b in zip(found, wanted, strict=True))
    characters = sum(map(len, wanted))
    wrong = sum(edits(a, b) for a, b in zip(found, wanted, strict=True))
    return StripScore(
        right / n, wilson(right, n), wrong / max(1, characters), float(losses.mean(dtype=np.float64)), n, characters
    )


def edits(a: Sequence[object], b: Sequence[object]) -> int:
    """Give how many insertions, deletions and replacements lead from a to b, at least (Levenshtein 1966)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def text_of(numbers: Sequence[int], classes: Sequence[str]) -> str:
    """Write classes, counted from 1, as text; it ends at the first 0."""
    end = list(numbers).index(0) if 0 in numbers else len(numbers)
    return "".join(classes[k - 1] for k in numbers[:end])
