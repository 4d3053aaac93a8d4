"""Rows of the operator table for padded sequences and losses (graphnn/ops/sequence.py, loss.py, identity.py)."""

from __future__ import annotations

import numpy as np
from case import Case, op

__all__ = ["CASES"]

LENGTHS = np.array([2, 0, 5, 3.7])  # of sequences of 5 at most


def drawn(shape, *others):
    """Draw data, and take the others as they are."""
    return lambda rng: [rng.uniform(-2, 2, shape), *others]


def masked(x, lengths, axis=0, value=0.0):
    x = np.moveaxis(x, axis, 0)
    inside = np.arange(len(x))[:, None] < np.trunc(lengths)
    return np.moveaxis(np.where(inside.reshape(*inside.shape, *(1,) * (x.ndim - 2)), x, value), 0, axis)


def last(x, lengths, axis=0):
    x = np.moveaxis(x, axis, 0)
    return np.stack([x[max(int(n) - 1, 0), k] for k, n in enumerate(lengths)])


def turned(x, lengths):
    y = x.copy()
    for k, n in enumerate(lengths):
        y[: int(n), k] = x[: int(n), k][::-1]
    return y


def soft_within(x, lengths, axis, temperature=1.0):
    x = np.moveaxis(x, axis, -1)
    inside = np.arange(x.shape[-1]) < lengths[..., None]
    e = np.where(inside, np.exp(x / temperature), 0)
    return np.moveaxis(e / np.maximum(e.sum(-1, keepdims=True), 1e-300), -1, axis)


def hinge(x, label, margin=1.0, regularization_coefficient=1.0, use_linear=False):
    t = np.where(label[..., None] == np.arange(x.shape[-1]), 1, -1)
    v = np.maximum(margin - t * x, 0)
    return regularization_coefficient * np.sum(v if use_linear else v * v)


def sparse(x, t, penalty):
    """Give the penalty whose gradient is sent back with momentum 0: the divergence of the means from t."""
    m = x.mean(0)
    return -penalty * len(x) * np.sum(t * np.log(m) + (1 - t) * np.log(1 - m))


CASES = [
    *[
        Case(
            op("SequenceMask", use_sequence_length=True, axis=axis, value=-0.5),
            (shape, (4,)),
            lambda x, n, axis=axis: masked(x, n, axis, -0.5),
            grad=[0],
            draw=drawn(shape, LENGTHS),
        )
        for shape, axis in (((5, 4), 0), ((5, 4, 3, 2), 0), ((4, 5, 3), 1))
    ],
    *[
        Case(
            op("SequenceLast", use_sequence_length=True, axis=axis),
            (shape, (4,)),
            lambda x, n, axis=axis: last(x, n, axis),
            grad=[0],
            draw=drawn(shape, LENGTHS),
        )
        for shape, axis in (((5, 4), 0), ((5, 4, 3, 2), 0), ((4, 5, 3), 1))
    ],
    *[
        Case(
            op("SequenceReverse", use_sequence_length=True),
            (shape, (4,)),
            turned,
            grad=[0],
            draw=drawn(shape, LENGTHS),
        )
        for shape in ((5, 4), (5, 4, 3, 2))
    ],
    Case(op("SequenceMask", value=3), ((5, 4, 3),), np.copy, grad=[0]),
    Case(op("SequenceLast"), ((5, 4, 3),), lambda x: x[-1], grad=[0]),
    Case(op("SequenceLast", axis=1), ((5, 4, 3),), lambda x: x[:, -1], grad=[0]),
    Case(op("SequenceReverse"), ((5, 4, 3),), lambda x: x[::-1], grad=[0]),
    *[
        Case(
            op("softmax", use_length=True, axis=axis, temperature=temperature),
            (shape, lengths.shape),
            lambda x, n, axis=axis, t=temperature: soft_within(x, n, axis, t or 1),
            grad=[0],
            draw=drawn(shape, lengths),
        )
        for shape, axis, temperature, lengths in (
            ((3, 4), -1, None, np.array([2, 4, 0])),
            ((2, 4, 3), 1, 0.5, np.array([[1, 4, 2], [3, 0, 9]])),
        )
    ],
    *[
        Case(
            op("SVMOutput", **params),
            (shape, shape[:-1]),
            lambda x, label: x,
            grad=[0],
            loss=lambda x, label, params=params: hinge(x, label, **params),
            draw=lambda rng, shape=shape: [rng.uniform(-2, 2, shape), rng.integers(-1, 5, shape[:-1])],
        )
        for shape, params in (
            ((5, 4), {}),
            ((2, 3, 4), {"margin": 0.5, "regularization_coefficient": 0.3}),
            ((5, 4), {"use_linear": True, "margin": 0.7}),
        )
    ],
    Case(
        op("IdentityAttachKLSparseReg", sparseness_target=0.2, penalty=0.3, momentum=0.0),
        ((5, 4), (4,)),
        lambda x, m: x,
        grad=(),  # tests/test_sequence.py
        low=0.1,
        high=0.9,
    ),
]
