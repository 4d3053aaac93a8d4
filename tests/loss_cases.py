"""Rows of the operator table: losses and what ends a network (graphnn/ops/loss.py)."""

from __future__ import annotations

import numpy as np
from case import Case, op


def soft(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x)
    return e / e.sum(axis, keepdims=True)


def entropy(
    x: np.ndarray,
    label: np.ndarray,
    normalization: str = "null",
    use_ignore: bool = False,
    ignore_label: int = -1,
    smooth_alpha: float = 0.0,
) -> float:
    """The scalar whose gradient SoftmaxOutput sends back, for x (n, c), label (n,): log(sum(exp(x))) - target x."""
    n, c = x.shape
    at_label = label[:, None] == np.arange(c)
    target = np.where(at_label, 1 - smooth_alpha, smooth_alpha / (c - 1))
    rows = np.log(np.exp(x).sum(1)) - np.sum(target * x, 1)
    if use_ignore:
        rows = rows * (label != ignore_label)
    count = {"null": 1, "batch": n, "valid": max(1, np.sum(label != ignore_label))}[normalization]
    return float(np.sum(rows) / count)


CASES = [
    Case(op("softmax"), ((3, 4),), lambda x: soft(x, -1)),
    Case(op("softmax", axis=1, temperature=2.5), ((2, 3, 4),), lambda x: soft(x / 2.5, 1)),
    Case(op("softmax", axis=1), ((2, 3, 37),), lambda x: soft(x, 1)),
    Case(op("softmin", axis=0, temperature=0.5), ((3, 4),), lambda x: soft(-x / 0.5, 0)),
    Case(op("log_softmax"), ((3, 4),), lambda x: np.log(soft(x, -1))),
    Case(op("log_softmax", axis=1, temperature=2.5), ((2, 3, 4),), lambda x: np.log(soft(x / 2.5, 1))),
    Case(op("log_softmax", axis=0), ((3, 18),), lambda x: np.log(soft(x, 0))),
    Case(op("SoftmaxActivation"), ((3, 4),), lambda x: soft(x, 1)),
    Case(op("SoftmaxActivation"), ((2, 3, 4),), lambda x: soft(x, 2), grad=()),  # MXNet's is over axis 1
    Case(op("SoftmaxActivation", mode="channel"), ((2, 3, 4, 5),), lambda x: soft(x, 1)),
    *[
        Case(
            op("SoftmaxOutput", grad_scale=1.5, **more),
            ((5, 4), (5,)),
            lambda x, label: soft(x, 1),
            grad=[0],
            loss=lambda x, label, more=more: 1.5 * entropy(x, label, **more),
            draw=lambda rng: [rng.uniform(-2, 2, (5, 4)), np.array([1, 3, -1, 0, 7])],
        )
        for more in (
            {},
            {"normalization": "batch"},
            {"normalization": "valid"},
            {"use_ignore": True},
            {"use_ignore": True, "ignore_label": 3, "normalization": "valid"},
            {"use_ignore": True, "ignore_label": 7, "normalization": "batch", "smooth_alpha": 0.3},
        )
    ],
    *[
        Case(
            op("SoftmaxOutput", multi_output=True, **more),
            ((2, 4, 3, 7), shape),
            lambda x, label: soft(x, 1),
            grad=[0],
            loss=lambda x, label, more=more: (
                entropy(x.transpose(0, 2, 3, 1).reshape(-1, 4), label.reshape(-1), **more) / (1 if more else 21)
            ),
            draw=lambda rng, shape=shape: [rng.uniform(-2, 2, (2, 4, 3, 7)), rng.integers(0, 4, shape)],
        )
        for shape, more in (
            ((2, 21), {}),
            ((2, 3, 7), {"normalization": "valid", "use_ignore": True, "ignore_label": 2}),
        )
    ],
    Case(
        op("SoftmaxOutput", preserve_shape=True),
        ((2, 3, 4), (2, 3)),
        lambda x, label: soft(x, -1),
        grad=[0],
        loss=lambda x, label: entropy(x.reshape(-1, 4), label.reshape(-1)),
        draw=lambda rng: [rng.uniform(-2, 2, (2, 3, 4)), rng.integers(0, 4, (2, 3))],
    ),
    Case(
        op("SoftmaxOutput"),
        ((2, 3, 4), (2,)),
        lambda x, label: soft(x.reshape(2, 12), 1).reshape(x.shape),
        grad=[0],
        loss=lambda x, label: entropy(x.reshape(2, 12), label),
        draw=lambda rng: [rng.uniform(-2, 2, (2, 3, 4)), rng.integers(0, 12, 2)],
    ),
    Case(
        op("SoftmaxOutput", grad_scale=0.5),
        ((5, 4), (5, 4)),
        lambda x, label: soft(x, 1),
        grad=[0],
        loss=lambda x, label: -0.5 * np.sum(label * np.log(soft(x, 1))),
        draw=lambda rng: [rng.uniform(-2, 2, (5, 4)), soft(rng.uniform(-2, 2, (5, 4)), 1)],
    ),
    Case(
        op("LinearRegressionOutput", grad_scale=3),
        ((5, 3), (5, 3)),
        lambda x, label: x,
        grad=[0],
        loss=lambda x, label: np.sum((x - label) ** 2) / 2,
    ),
    Case(
        op("LinearRegressionOutput"),
        ((5, 1), (5,)),
        lambda x, label: x,
        grad=[0],
        loss=lambda x, label: np.sum((x[:, 0] - label) ** 2) / 2,
    ),
    Case(
        op("LogisticRegressionOutput"),
        ((5, 3), (5, 3)),
        lambda x, label: 1 / (1 + np.exp(-x)),
        grad=[0],
        loss=lambda x, label: np.sum(np.log1p(np.exp(x)) - label * x) / 3,
    ),
    Case(
        op("MAERegressionOutput"),
        ((5, 3), (5, 3)),
        lambda x, label: x,
        grad=[0],
        loss=lambda x, label: np.sum(np.abs(x - label)) / 3,
    ),
    Case(
        op("softmax_cross_entropy"),
        ((5, 4), (5,)),
        lambda x, label: np.array([entropy(x, label)]),
        grad=[0],
        draw=lambda rng: [rng.uniform(-2, 2, (5, 4)), rng.integers(0, 4, 5)],
    ),
]
