"""Rows of the operator table for CTCLoss and WarpCTC, with a reference that goes through every path."""

from __future__ import annotations

import itertools

import numpy as np
from case import Case, op

__all__ = ["CASES"]

TIMES = 6  # as often as named: tests/test_allocation.py makes the sequences longer until there are enough elements


def probabilities(x):
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


def one_loss(p, label, blank):
    """Give -log of the probability of label, a list, for p (t, classes): the sum over all paths that collapse to it."""
    total = 0.0
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        joined = [k for k, _ in itertools.groupby(path) if k != blank]
        if joined == label:
            total += np.prod(p[np.arange(len(p)), path])
    return -np.log(total) if total else 0.0


def losses(x, labels, steps=None, lengths=None, blank=0, end=0):
    p = probabilities(x)
    found = []
    for k in range(x.shape[1]):
        label = [int(c) for c in labels[k]]
        label = label[: int(lengths[k])] if lengths is not None else label[: (*label, end).index(end)]
        found.append(one_loss(p[: int(steps[k]) if steps is not None else None, k], label, blank))
    return np.array(found)


def row(labels, steps=None, lengths=None, **params):
    labels = np.tile(labels, (TIMES, 1))
    steps, lengths = (None if v is None else np.tile(v, TIMES) for v in (steps, lengths))
    shape = (4, len(labels), 3)
    more = [v for v in (steps, lengths) if v is not None]
    last = {"blank": 2, "end": -1} if params else {}

    def ref(x, labels, *more):
        rest = list(more)
        return losses(
            x, labels, rest.pop(0) if steps is not None else None, rest.pop(0) if lengths is not None else None, **last
        )

    return Case(
        op("CTCLoss", use_data_lengths=steps is not None, use_label_lengths=lengths is not None, **params),
        (shape, labels.shape, *(m.shape for m in more)),
        ref,
        grad=[0],
        draw=lambda rng: [rng.uniform(-2, 2, shape), labels, *more],
    )


CASES = [
    row([[1, 2, 0], [2, 2, 0], [1, 0, 0], [0, 0, 0]]),
    row([[1, 1, 1], [2, 2, 2]]),  # longer with the blanks between than the data
    row([[0, 1, -1], [1, 0, 1], [-1, -1, -1]], blank_label="last"),
    row([[1, 2], [2, 1], [1, 1]], steps=[4, 2, 2.5], lengths=[2, 1, 2]),
    Case(
        op("WarpCTC", label_length=2, input_length=4),
        ((12, 3), (6,)),
        lambda x, label: probabilities(x),
        grad=[0],
        loss=lambda x, label: losses(x.reshape(4, 3, 3), label.reshape(3, 2)).sum(),
        draw=lambda rng: [rng.uniform(-2, 2, (12, 3)), np.array([1, 2, 2, 0, 1, 1])],
    ),
]
