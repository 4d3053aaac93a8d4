"""What outputs are worth, from the definitions: soft and hard labels, steps of sequences, strips, padding, NaN."""

import math

import numpy as np
import pytest

from graphnn.runs.score import TALLIES, classes, strings


def probabilities(n, k, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(k), n).astype(np.float32)


@pytest.mark.parametrize("pad", [0, 2])
def test_classes(pad):
    p, y = probabilities(6, 4), np.array([0, 1, 2, 3, 0, 1], np.float32)
    found = classes([p], y, pad)
    rows = range(6 - pad)
    assert found.loss == pytest.approx(-sum(math.log(p[i, int(y[i])]) for i in rows), rel=1e-5)
    assert (found.right, found.rows) == (sum(p[i].argmax() == y[i] for i in rows), 6 - pad)


def test_probabilities_as_labels():
    p, t = probabilities(5, 3), probabilities(5, 3, 1)
    found = classes([p], t, 1)
    assert found.loss == pytest.approx(-(t[:4] * np.log(p[:4])).sum(), rel=1e-5)
    assert found.right == (p[:4].argmax(1) == t[:4].argmax(1)).sum()


def test_steps_of_sequences_count_one_by_one():
    p, y = probabilities(12, 3), np.arange(12, dtype=np.float32).reshape(4, 3) % 3
    found = classes([p], y, 1)
    assert found.rows == 9
    assert found.loss == pytest.approx(-np.log(p[np.arange(9), y.reshape(-1)[:9].astype(int)]).sum(), rel=1e-5)


def test_strips():
    p = np.zeros((3, 4, 3), np.float32)
    for row, path in enumerate(([1, 1, 0, 2], [0, 2, 2, 0], [1, 0, 1, 0])):
        p[row, np.arange(4), path] = 1
    label = np.array([[1, 2], [1, 0], [1, 1]], np.float32)
    assert strings([np.array([1.0, 2.0, 4.0]), p], label, 0) == (7.0, 2.0, 3)
    assert strings([np.array([1.0, 2.0, 4.0]), p], label, 1) == (3.0, 1.0, 2)


@pytest.mark.parametrize("kind", TALLIES)
def test_what_is_no_number_makes_the_loss_none(kind):
    p = np.full((2, 4, 3), np.nan, np.float32)
    outputs = [np.zeros(2), p] if kind == "strings" else [p[:, 0]]
    label = np.ones((2, 2) if kind == "strings" else 2, np.float32)
    assert math.isnan(TALLIES[kind](outputs, label, 0).loss)
