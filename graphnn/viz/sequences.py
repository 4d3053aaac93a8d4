"""What pictures and reports are about where a network reads sequences: what it says of a text, or of strips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..data.strings import decode
from ..train.sequences import StripScore, TextScore, least_loss, score_strips, score_text, text_of
from .subject import Subject

if TYPE_CHECKING:
    from ..predictor import Trained
    from ..runs.folder import Record

__all__ = ["Passages", "Strips", "Told"]

Outputs = Iterable[Sequence[np.ndarray]]  # as Runner.run() gives them
_EPS = 1e-12  # as in the metric cross-entropy


@dataclass(frozen=True, eq=False)
class Passages:
    """A language model and rows of a text: characters (n, t), those that follow (n, t), -log p of these and whether
    each was the likeliest, both (n, t); and a `sample` of what it writes.
    """

    trained: Trained
    records: Sequence[Record]
    inputs: np.ndarray
    labels: np.ndarray
    losses: np.ndarray
    right: np.ndarray
    sample: str = ""

    @classmethod
    def of(
        cls, trained: Trained, records: Sequence[Record], inputs: np.ndarray, labels: np.ndarray, outputs: Outputs,
        sample: str = "",
    ) -> Passages:  # fmt: skip
        """Take in the outputs p (rows t, classes)."""
        wanted, at = labels.reshape(-1).astype(np.intp), 0
        losses, right = np.empty(wanted.size, np.float32), np.empty(wanted.size, bool)
        for (p,) in outputs:
            y = wanted[at : at + len(p)]
            losses[at : at + len(p)] = -np.log(p[np.arange(len(p)), y] + _EPS)
            right[at : at + len(p)] = p.argmax(1) == y
            at += len(p)
        return cls(trained, records, inputs, labels, losses.reshape(labels.shape), right.reshape(labels.shape), sample)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.trained.classes

    @cached_property
    def score(self) -> TextScore:
        return score_text(self.losses, self.right, least_loss(self.inputs, self.labels, self.classes))


@dataclass(frozen=True, eq=False)
class Strips:
    """A reader and strips (n, c, h, w), labels (n, longest), what was read, the losses (n,)."""

    trained: Trained
    records: Sequence[Record]
    inputs: np.ndarray
    labels: np.ndarray
    found: Sequence[tuple[int, ...]]
    losses: np.ndarray

    @classmethod
    def of(
        cls, trained: Trained, records: Sequence[Record], inputs: np.ndarray, labels: np.ndarray, outputs: Outputs
    ) -> Strips:
        """Take in the outputs: losses (rows,) and p (rows, t, classes)."""
        found, losses = [], [np.empty(0, np.float32)]
        for loss, p in outputs:
            found += decode(p)
            losses.append(np.where(np.isfinite(p).all((1, 2)), loss, np.nan))  # CTCLoss gives 0 where there is no path
        return cls(trained, records, inputs, labels, found, np.concatenate(losses))

    @property
    def classes(self) -> tuple[str, ...]:
        return self.trained.classes

    @cached_property
    def score(self) -> StripScore:
        wanted = [[int(c) for c in row if c] for row in self.labels]
        return score_strips(self.found, wanted, self.losses)

    def said(self, k: int) -> str:
        """What stands on strip k."""
        return text_of(self.labels[k].tolist(), self.classes)

    def read(self, k: int) -> str:
        """What was read of strip k."""
        return text_of(self.found[k], self.classes)

    def worst(self, most: int) -> np.ndarray:
        """Give the numbers (at most `most`,) of strips read with a mistake, that of the largest loss first."""
        wrong = np.array([k for k in range(len(self.labels)) if self.read(k) != self.said(k)], np.intp)
        return wrong[np.argsort(-self.losses[wrong], kind="stable")][:most]


Told: TypeAlias = Subject | Passages | Strips  # what a network of any kind says of data
