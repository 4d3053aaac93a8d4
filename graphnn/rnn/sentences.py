"""Sentences as numbers, in batches of one length each."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ..data import DataBatch, DataDesc, DataIter
from ..errors import ParameterError

__all__ = ["BucketSentenceIter", "encode_sentences"]

_log = logging.getLogger(__name__)
Vocab = dict[Any, int]


def encode_sentences(
    sentences: Sequence[Sequence[Hashable]],
    vocab: Vocab | None = None,
    invalid_label: int = -1,
    invalid_key: Hashable = "\n",
    start_label: int = 0,
    unknown_token: Hashable | None = None,
) -> tuple[list[list[int]], Vocab]:
    """Number words; give the sentences as numbers, and the vocabulary.

    Without `vocab` words are numbered in order of appearance from `start_label`, leaving out `invalid_label`, which is
    the number of `invalid_key`. With one, a word that it lacks counts as `unknown_token`, or is a ParameterError.
    """
    grows = vocab is None
    found: Vocab = {invalid_key: invalid_label} if vocab is None else vocab
    following = start_label
    coded = []
    for sentence in sentences:
        row = []
        for word in sentence:
            if word not in found:
                if not grows and unknown_token is None:
                    raise ParameterError(f"the word {word!r} is not in the vocabulary: give unknown_token")
                if unknown_token is not None:
                    word = unknown_token
            if word not in found:
                following += following == invalid_label
                found[word] = following
                following += 1
            row.append(found[word])
        coded.append(row)
    return coded, found


class BucketSentenceIter(DataIter):
    """Batches of sentences of about one length, filled up with `invalid_label`; the label is the next word.

    Each sentence goes to the smallest of `buckets` that holds it (None: every length that fills a batch); longer ones
    are left out, and so are the last of a bucket, fewer than a batch. `layout` NT gives batches (n, length), TN
    (length, n). reset() shuffles, by `seed` and the number of the epoch.
    """

    def __init__(
        self,
        sentences: Sequence[Sequence[int]],
        batch_size: int,
        buckets: Sequence[int] | None = None,
        invalid_label: float = -1,
        data_name: str = "data",
        label_name: str = "softmax_label",
        dtype: Any = "float32",
        layout: str = "NT",
        *,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        if layout not in ("NT", "TN"):
            raise ParameterError(f"layout must be NT (a row a sentence) or TN (a column a sentence), got {layout!r}")
        self.major_axis = layout.find("N")
        self.layout, self.data_name, self.label_name = layout, data_name, label_name
        self.dtype, self.invalid_label = dtype, invalid_label
        self.buckets = sorted(buckets) if buckets else _full_lengths(sentences, batch_size)
        if not self.buckets:
            raise ParameterError(f"no length has {batch_size} sentences: give buckets")
        self.default_bucket_key = max(self.buckets)
        self.data = self._filled(sentences)
        self.provide_data = [self._desc(data_name, self.default_bucket_key)]
        self.provide_label = [self._desc(label_name, self.default_bucket_key)]
        self.idx = [
            (k, start) for k, rows in enumerate(self.data) for start in range(0, len(rows) - batch_size + 1, batch_size)
        ]
        self.curr_idx = 0
        self._seed, self._resets = seed, 0
        self.reset()

    def _filled(self, sentences: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Give the rows of each bucket."""
        rows: list[list[np.ndarray]] = [[] for _ in self.buckets]
        left = 0
        for sentence in sentences:
            k = bisect_left(self.buckets, len(sentence))
            if k == len(self.buckets):
                left += 1
                continue
            row = np.full(self.buckets[k], self.invalid_label, self.dtype)
            row[: len(sentence)] = sentence
            rows[k].append(row)
        if left:
            _log.warning("%d sentences are longer than the largest bucket, %d: left out", left, self.buckets[-1])
        return [
            np.array(found, self.dtype).reshape(len(found), size)
            for found, size in zip(rows, self.buckets, strict=True)
        ]

    def _desc(self, name: str, length: int) -> DataDesc:
        shape = (self.batch_size, length) if self.major_axis == 0 else (length, self.batch_size)
        return DataDesc(name, shape, self.dtype, self.layout)

    def reset(self) -> None:
        """Shuffle the batches, and the sentences in each bucket."""
        self.curr_idx = 0
        rng = np.random.Generator(np.random.Philox(key=[self._seed, self._resets]))
        self._resets += 1
        rng.shuffle(self.idx)
        for rows in self.data:
            rng.shuffle(rows)

    def next(self) -> DataBatch:
        """The next batch, with its bucket as `bucket_key`; StopIteration at the end."""
        if self.curr_idx == len(self.idx):
            raise StopIteration
        k, start = self.idx[self.curr_idx]
        self.curr_idx += 1
        data = self.data[k][start : start + self.batch_size].copy()
        label = np.full_like(data, self.invalid_label)
        label[:, :-1] = data[:, 1:]
        if self.major_axis == 1:
            data, label = np.ascontiguousarray(data.T), np.ascontiguousarray(label.T)
        length = self.buckets[k]
        descs = [[self._desc(name, length)] for name in (self.data_name, self.label_name)]
        return DataBatch([data], [label], 0, None, length, *descs)


def _full_lengths(sentences: Sequence[Sequence[int]], batch_size: int) -> list[int]:
    """The lengths that at least a batch of sentences has."""
    counts = np.bincount([len(s) for s in sentences] or [0])
    return [int(n) for n in np.flatnonzero(counts >= batch_size) if n]
