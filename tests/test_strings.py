"""Strips of digits: what is on them, their labels, decoding."""

import numpy as np
import pytest

from graphnn.data import load, strings
from graphnn.errors import ParameterError


@pytest.fixture(scope="module")
def data():
    return strings.load_strings(40, 7, longest=4, width=90, seed=2)


def test_shapes_and_labels(data):
    assert data.train_x.shape == (40, 1, 28, 90) and data.test_x.shape == (7, 1, 28, 90)
    assert data.train_y.shape == (40, 4) and data.train_x.dtype == data.train_y.dtype == np.uint8
    lengths = (data.train_y != 0).sum(1)
    assert set(lengths) == {1, 2, 3, 4} and data.train_y.max() <= 10
    for label, n in zip(data.train_y, lengths, strict=True):
        assert (label[:n] > 0).all() and (label[n:] == 0).all()
    assert (data.classes, data.kind) == (tuple("0123456789"), "strings")


def test_ink_is_that_of_mnist_in_order(data):
    """Each strip has as many pieces as digits, at least 2 columns apart, and each is one of that digit's images."""
    mnist = load("mnist")
    wanted = {}
    for image, digit in zip(mnist.test_x[:, 0], mnist.test_y, strict=True):
        wanted.setdefault(strings._ink(image).tobytes(), set()).add(int(digit))
    for strip, label in zip(data.test_x[:, 0], data.test_y, strict=True):
        filled = strip.any(0)
        at = np.flatnonzero(filled)
        cuts = np.split(at, np.flatnonzero(np.diff(at) > strings.GAP) + 1)
        if len(cuts) == (label > 0).sum():  # a digit may have a gap of its own
            for cut, c in zip(cuts, label, strict=False):
                assert c - 1 in wanted[strip[:, cut[0] : cut[-1] + 1].tobytes()]


def test_the_seed_decides(data):
    again = strings.load_strings(40, 7, longest=4, width=90, seed=2)
    other = strings.load_strings(40, 7, longest=4, width=90, seed=3)
    assert (again.train_x == data.train_x).all() and (again.test_y == data.test_y).all()
    assert (other.train_y != data.train_y).any()


def test_the_narrowest_strip_holds_the_widest_digits():
    data = strings.load_strings(30, 1, longest=3, width=64, shortest=3)
    assert (data.train_y > 0).all()


@pytest.mark.parametrize("wrong", [{"width": 107}, {"shortest": 6}, {"shortest": 0}, {"train": 0}])
def test_strips_that_cannot_be(wrong):
    with pytest.raises(ParameterError, match="108 columns for 5 digits"):
        strings.load_strings(**wrong)


def test_repeats_are_joined_and_blanks_taken_out():
    paths = np.array([[1, 1, 0, 1, 2, 2, 0], [0, 0, 3, 3, 3, 0, 3], [0, 0, 0, 0, 0, 0, 0]])
    found = strings.decode(np.eye(4)[paths])
    assert found == [(1, 1, 2), (3, 3), ()]
    labels = np.array([[1, 1, 2, 0], [3, 0, 3, 0], [0, 0, 0, 0]])
    assert strings.exact(found, labels) == pytest.approx(2 / 3)
    with pytest.raises(ParameterError, match="2 strips were read, there are labels for 3"):
        strings.exact(found[:2], labels)
