"""Strips of several digits, composed of MNIST's, for a reader trained by CTC; decoding; the share read exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ParameterError
from .datasets import Dataset, load

__all__ = ["decode", "exact", "load_strings"]

_STREAM = [0, 0, 0, 3]  # sets these draws apart from others with the same key
GAP = 2  # columns between two digits, at least
INK = 20  # columns of a digit, at most: MNIST scales digits into a box of 20 x 20
DIGITS = tuple("0123456789")


def load_strings(
    train: int = 30_000, test: int = 1000, longest: int = 5, width: int = 112, seed: int = 0, shortest: int = 1
) -> Dataset:
    """Give strips (n, 1, 28, width) and labels (n, longest), both uint8, of `shortest` to `longest` digits each.

    Digit d is class d + 1 in the labels, 0 fills up behind, as MXNet's CTCLoss has it. Digits are cut to their ink and
    lie at random places, at least 2 columns apart. Those of the training strips are of MNIST's training images, those
    of the test strips of its test images. Raises ParameterError for a width that does not hold the digits.
    """
    if not 1 <= shortest <= longest or longest * (INK + GAP) > width + GAP or min(train, test) < 1:
        raise ParameterError(
            f"strips need numbers of at least 1, shortest at most longest, and {longest * (INK + GAP) - GAP} columns "
            f"for {longest} digits, got {train} and {test} strips, {shortest} to {longest} digits, width {width}"
        )
    mnist = load("mnist")
    bits = [np.random.Philox(key=np.array([seed % 2**64, k], np.uint64), counter=_STREAM) for k in (0, 1)]
    lengths = (shortest, longest)
    x, y = _strips(mnist.train_x[:, 0], mnist.train_y, train, lengths, width, bits[0])
    test_x, test_y = _strips(mnist.test_x[:, 0], mnist.test_y, test, lengths, width, bits[1])
    return Dataset("digit-strings", x, y, test_x, test_y, DIGITS, "", f"composed of mnist, {mnist.source}", "strings")


def _strips(
    images: np.ndarray, labels: np.ndarray, n: int, lengths: tuple[int, int], width: int, bits: np.random.Philox
) -> tuple[np.ndarray, np.ndarray]:
    """Compose n strips of digits (m, 28, 28)."""
    shortest, longest = lengths
    strips, found = np.zeros((n, 1, images.shape[1], width), np.uint8), np.zeros((n, longest), np.uint8)
    draws = bits.random_raw(n * (2 * longest + 2)).reshape(n, -1) >> np.uint64(32)
    counts = shortest + _below(draws[:, 0], longest - shortest + 1)
    chosen = _below(draws[:, 1 : longest + 1], len(images))
    for strip, label, count, which, free in zip(strips, found, counts, chosen, draws[:, longest + 1 :], strict=True):
        inks = [_ink(images[k]) for k in which[:count]]
        label[:count] = labels[which[:count]] + 1
        left = width - sum(ink.shape[1] for ink in inks) - GAP * (count - 1)
        places = np.sort(_below(free[:count], left + 1))  # how much of what is left lies before each digit
        at = 0
        for ink, before in zip(inks, places, strict=True):
            strip[0, :, at + before : at + before + ink.shape[1]] = ink
            at += ink.shape[1] + GAP
    return strips, found


def _below(raw: np.ndarray, n: int) -> np.ndarray:
    """Give whole numbers from 0 to n - 1 from 32 random bits each."""
    return (raw * np.uint64(n) >> np.uint64(32)).astype(np.int64)


def _ink(image: np.ndarray) -> np.ndarray:
    """Cut the empty columns off both sides."""
    columns = np.flatnonzero(image.any(axis=0))
    return image[:, columns[0] : columns[-1] + 1]


def decode(probabilities: np.ndarray) -> list[tuple[int, ...]]:
    """Give the classes of each strip from p (n, t, classes): each step's likeliest, repeats joined, blanks (0) out.

    Graves et al. 2006, equation 4, "best path decoding"; not always the likeliest label.
    """
    best = probabilities.argmax(axis=-1)
    changed = np.diff(best, axis=1, prepend=-1) != 0
    return [tuple(int(c) for c in row[keep & (row != 0)]) for row, keep in zip(best, changed, strict=True)]


def exact(found: Sequence[tuple[int, ...]], labels: np.ndarray) -> float:
    """Give the share of strips read without a mistake; labels (n, longest) end at their first 0."""
    if len(found) != len(labels):
        raise ParameterError(f"{len(found)} strips were read, there are labels for {len(labels)}")
    right = sum(a == tuple(int(c) for c in row[: _length(row)]) for a, row in zip(found, labels, strict=True))
    return right / len(labels)


def _length(label: np.ndarray) -> int:
    """Count the classes before the first blank."""
    blanks = np.flatnonzero(label == 0)
    return int(blanks[0]) if len(blanks) else len(label)
