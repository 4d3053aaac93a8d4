"""What a network's outputs are worth: the loss, and how many rows are right, by kind of data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..data.strings import decode, exact

__all__ = ["TALLIES", "Tally"]

_EPS = 1e-12  # as in the metric cross-entropy
Arrays = Sequence[np.ndarray]


class Tally(NamedTuple):
    """Sums over rows: their loss, how many are right, how many there are."""

    loss: float
    right: float
    rows: int


def classes(outputs: Arrays, label: np.ndarray, pad: int) -> Tally:
    """loss = sum of -t log(p + eps) with p (n, classes), t the label's onehot or itself; right: the largest agree.

    n may be several times the batch, such as steps of sequences: labels (batch, steps) count one by one. The last `pad`
    rows of the batch are left out.
    """
    p = outputs[0]
    count = len(p) - pad * (len(p) // len(label))
    p = p[:count]
    chosen = p.argmax(1)
    if label.shape == outputs[0].shape:
        target = label[:count]
        loss = -np.sum(target * np.log(p + _EPS), dtype=np.float64)
        return Tally(float(loss), float((chosen == target.argmax(1)).sum()), count)
    wanted = label.reshape(-1)[:count].astype(np.intp)
    loss = -np.log(p[np.arange(count), wanted] + _EPS).sum(dtype=np.float64)
    return Tally(float(loss), float((chosen == wanted).sum()), count)


def strings(outputs: Arrays, label: np.ndarray, pad: int) -> Tally:
    """loss = sum of the losses (n,); right: strips whose most likely classes, from p (n, t, classes), are the label."""
    loss, p = outputs
    count = len(loss) - pad
    p = p[:count]
    # CTCLoss makes 0 of what is no number.
    total = float(loss[:count].sum(dtype=np.float64)) if np.isfinite(p).all() else math.nan
    return Tally(total, count * exact(decode(p), label[:count]), count)


TALLIES: dict[str, Callable[[Arrays, np.ndarray, int], Tally]] = {
    "images": classes,
    "rows": classes,
    "text": classes,
    "strings": strings,
}
