"""Text for a language model: sums spelt out, whose entropy is known, or a file of one's own; drawing from a model.

A row is t characters, its label the character after each. The sums are sentences such as "seven plus eight is fifteen."
drawn by themselves, so what the best of all models would reach can be computed: `entropy`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import FormatError, ParameterError
from ..formats.regular import reading
from .datasets import Dataset

__all__ = ["decode", "encode", "entropy", "load_text", "rolling", "sample", "sums", "vocabulary"]

LARGEST = 64 << 20  # bytes of a file
CHARACTERS = 4096  # different ones, at most: each is a class
_STREAM = [0, 0, 0, 2]  # sets these draws apart from others with the same key
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def load_text(
    path: str | os.PathLike[str] | None = None, t: int = 64, rows: int = 4000, seed: int = 0, test: float = 0.1
) -> Dataset:
    """Give rows of characters (n, t) as numbers, labels (n, t), and the characters as classes.

    Without `path` there are `rows` of sums made from `seed` and a tenth as many for the test, each beginning with a
    sentence. With it the text is cut into rows, the last `test` of them for the test. Arrays are uint8, int32 for more
    than 256 different characters. Raises FormatError for a file that is not UTF-8 or too large, ParameterError for
    numbers that leave no row.
    """
    if t < 1 or rows < 1 or not 0 < test < 1:
        raise ParameterError(f"t and rows must be at least 1 and test between 0 and 1, got {t}, {rows}, {test}")
    if path is None:
        return _sums(t, rows, max(1, round(rows * test)), seed)
    text = _read(Path(path))
    classes = vocabulary(text)
    whole = encode(text, classes)
    count = (len(whole) - 1) // t
    held = max(1, round(count * test))
    if count < 2:
        raise FormatError(path, "length", f"{len(whole)} characters make no two rows of {t}")
    data, labels = (whole[shift : shift + count * t].reshape(count, t) for shift in (0, 1))
    cut = count - held
    return Dataset(Path(path).stem, data[:cut], labels[:cut], data[cut:], labels[cut:], classes, "", str(path), "text")


def vocabulary(text: str) -> tuple[str, ...]:
    """Give the characters of a text in the order of their code points."""
    return tuple(sorted(set(text)))


def encode(text: str, classes: Sequence[str]) -> np.ndarray:
    """Give the number of each character, its place in `classes`; ParameterError for one that is not there."""
    places = {c: k for k, c in enumerate(classes)}
    if strange := sorted(set(text) - places.keys()):
        raise ParameterError(f"{strange[0]!r} is not one of the {len(classes)} characters")
    return np.fromiter((places[c] for c in text), np.uint8 if len(classes) <= 256 else np.int32, len(text))


def decode(numbers: Sequence[int] | np.ndarray, classes: Sequence[str]) -> str:
    """Give the text of numbers of characters."""
    return "".join(classes[int(k)] for k in numbers)


def _read(path: Path) -> str:
    """Read a text; what ends a line becomes a newline."""
    with reading(path) as (file, size):
        if size > LARGEST:
            raise FormatError(path, "size", f"more than {LARGEST:,} bytes: give a part of it")
        raw = file.read(size)
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise FormatError(path, f"byte {error.start}", "is not UTF-8") from None
    if (count := len(set(text))) > CHARACTERS:
        raise FormatError(path, "characters", f"{count} different ones, at most {CHARACTERS} are told apart")
    return text


# Sums


def _word(n: int) -> str:
    """Spell a number from 0 to 99."""
    if n < 20:
        return _UNITS[n]
    return _TENS[n // 10 - 2] + (f"-{_UNITS[n % 10]}" if n % 10 else "")


@cache
def sums() -> tuple[tuple[str, ...], ...]:
    """Give the sentences, operation by operation; one is drawn by drawing its operation first, all alike in it."""
    pairs = [(a, b) for a in range(10) for b in range(10)]
    return (
        tuple(f"{_word(a)} plus {_word(b)} is {_word(a + b)}. " for a, b in pairs),
        tuple(f"{_word(a)} minus {_word(b)} is {_word(a - b)}. " for a, b in pairs if a >= b),
        tuple(f"{_word(a)} times {_word(b)} is {_word(a * b)}. " for a, b in pairs),
    )


def entropy(rows: Sequence[str]) -> float:
    """Give the mean of -log p(c[k] | c[0] ... c[k-1]) in nats over the characters k >= 1 of rows of sums.

    No model of these rows reaches less, but by chance: p is the one they were drawn with. A row is a space, which is
    given, then sentences, of which the last may be cut: p is the product of the whole ones' and the share of those that
    begin like the last. exp() of it is the least perplexity. Raises ParameterError for another text.
    """
    if not rows or any(len(row) < 2 for row in rows):
        raise ParameterError("rows must have a space and a character behind it")
    return -sum(map(_log_p, rows)) / sum(len(row) - 1 for row in rows)


def _log_p(row: str) -> float:
    parts, total = row[1:].split(". "), 0.0
    for k, part in enumerate(parts):
        start = part if k == len(parts) - 1 else f"{part}. "
        if not (p := _share(start)):
            raise ParameterError(f"{start!r} does not begin a sum")
        total += math.log(p)
    return total


@cache
def _share(start: str) -> float:
    """Give the probability that a sentence begins like this."""
    return sum(sum(s.startswith(start) for s in kind) / len(kind) for kind in sums()) / len(sums())


def _sums(t: int, rows: int, held: int, seed: int) -> Dataset:
    """Make the rows; the test's are drawn behind the others."""
    bits = np.random.Philox(key=np.array([seed % 2**64, 0], np.uint64), counter=_STREAM)
    classes = vocabulary(" " + "".join(s for kind in sums() for s in kind))
    drawn = _sentences(bits)
    text = [_row(drawn, t + 1) for _ in range(rows + held)]
    ids = np.stack([encode(row, classes) for row in text])
    train, last = ids[:rows], ids[rows:]
    bound = entropy(text[rows:])
    note = f"no model can have a test perplexity under {math.exp(bound):.4f} (entropy {bound:.4f} nats a character)"
    return Dataset("text", train[:, :-1], train[:, 1:], last[:, :-1], last[:, 1:], classes, note, "generated", "text")


def _sentences(bits: np.random.Philox) -> Iterator[str]:
    """Draw sentences without end."""
    while True:
        for raw in bits.random_raw(2 * 512).reshape(-1, 2):
            kind, place = (int(r) >> 32 for r in raw)  # 32 bits each
            chosen = sums()[kind * len(sums()) >> 32]
            yield chosen[place * len(chosen) >> 32]


def _row(drawn: Iterator[str], length: int) -> str:
    text = " "
    while len(text) < length:
        text += next(drawn)
    return text[:length]


# Samples


def sample(
    following: Callable[[np.ndarray], np.ndarray],
    prefix: Sequence[int] | np.ndarray,
    length: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> np.ndarray:
    """Draw `length` more numbers (length,) behind `prefix`, one by one, from p^(1 / temperature).

    `following` gives p (classes,) from all the numbers before, (k,). With temperature 0 the likeliest is taken. The
    same seed draws the same. Raises ParameterError for an empty prefix or a temperature under 0.
    """
    if len(prefix) < 1 or not 0 <= temperature < math.inf:
        raise ParameterError(
            f"the prefix must not be empty nor the temperature under 0, got {len(prefix)} and {temperature}"
        )
    bits = np.random.Philox(key=np.array([seed % 2**64, 1], np.uint64), counter=_STREAM).random_raw(max(length, 1))
    numbers = [int(k) for k in prefix]
    for k in range(length):
        p = np.asarray(following(np.array(numbers)), np.float64)
        numbers.append(_drawn(p, temperature, (int(bits[k]) >> 11) / 2**53))
    return np.array(numbers[len(prefix) :], np.int64)


def _drawn(p: np.ndarray, temperature: float, u: float) -> int:
    """Give the first place where the sum of p^(1 / temperature), scaled to 1, is over u."""
    if temperature == 0:
        return int(np.argmax(p))
    with np.errstate(divide="ignore"):
        logs = np.log(p) / temperature
    total = np.cumsum(np.exp(logs - logs.max()))
    return min(int(np.searchsorted(total, u * total[-1], side="right")), len(p) - 1)


def rolling(predict: Callable[[np.ndarray], np.ndarray], t: int) -> Callable[[np.ndarray], np.ndarray]:
    """Make sample()'s `following` from a model of rows: `predict` gives p (t, classes) from numbers (1, t).

    The model reads the last t numbers; a shorter beginning is filled up behind, where a model that reads from left to
    right does not look yet.
    """

    def following(numbers: np.ndarray) -> np.ndarray:
        last = numbers[-t:]
        row = np.zeros((1, t), np.float32)
        row[0, : len(last)] = last
        return np.asarray(predict(row))[len(last) - 1]

    return following
