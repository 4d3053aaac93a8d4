"""What a run is trained on and tested on: its data, and the batches that are made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ..data import Dataset, augment, load, load_own
from ..data.batches import Batches
from ..data.iterators import permutation
from ..data.mixing import Mixing
from ..data.scaling import normalizer
from ..errors import ParameterError
from .config import Config
from .folder import SCALED, Meta
from .telling import Progress

__all__ = ["batches_of", "data_of", "digest_of"]


def data_of(config: Config, progress: Progress | None = None) -> Dataset:
    """Load the data of a run: a set by name or one's own, with `holdout` rows of the training part to test on.

    They are the last ones, as the last part of CIFAR-10 is, or a text's end; of one's own data, which often are sorted
    by class, any, always the same.
    """
    if config.data is not None:
        data = load_own(config.data, config.label, config.image_size, config.workers, _each(progress))
    else:
        data = load(config.dataset, config.data_dir)
    n = config.holdout
    if n is None:
        return data
    x, y = data.train_x, data.train_y
    if n >= len(x):
        raise ParameterError(f"holdout is {n}, there are {len(x)} rows to train on")
    drawn = config.data is not None and data.kind != "text"
    order = permutation(0, 1, len(x))
    train, test = (np.sort(order[:-n]), np.sort(order[-n:])) if drawn else (slice(-n), slice(-n, None))
    said = f"tested on {n:,} of {len(x):,} training rows instead, {'drawn at random' if drawn else 'the last ones'}"
    return replace(
        data, train_x=x[train], train_y=y[train], test_x=x[test], test_y=y[test],
        note="; ".join(filter(None, (data.note, said))),
    )  # fmt: skip


def _each(progress: Progress | None) -> Callable[[str, int], Any] | None:
    """Progress without metrics."""
    if progress is None:
        return None
    whole = progress

    @contextmanager
    def show(text: str, total: int) -> Iterator[Callable[[], object]]:
        with whole(text, total, "image") as advance:
            yield lambda: advance([])

    return show


def digest_of(data: Dataset) -> str:
    """Tell data apart: over all labels, and at most 64 MB of rows evenly spread."""
    total = hashlib.blake2b(digest_size=16)
    for x in (data.train_x, data.test_x):
        step = max(1, x.nbytes // (32 << 20))
        total.update(np.ascontiguousarray(x[::step]).reshape(-1).data)
    for y in (data.train_y, data.test_y):
        total.update(np.ascontiguousarray(y).data)
    return total.hexdigest()


def batches_of(meta: Meta, data: Dataset) -> tuple[Batches, Batches]:
    """Make the batches to train on and to test on."""
    config = meta.config
    text = augment.recipe(data.name, meta.shape) if config.augment == "auto" else config.augment
    transforms = augment.parse(text)
    if transforms and meta.kind != "images":
        raise ParameterError(f"augment changes images; the data are {meta.kind}")
    if config.soft_labels and meta.kind not in ("images", "rows"):
        raise ParameterError(f"mixup, cutmix and label_smoothing need one class for each row; the data are {meta.kind}")
    if config.cutmix and len(meta.shape) != 3:
        raise ParameterError("cutmix cuts rectangles out of images; a row of these data is none")
    mixing = Mixing(len(meta.classes), config.label_smoothing, config.mixup, config.cutmix)
    scale = normalizer(meta.mean, meta.std) if meta.kind in SCALED else _as_numbers
    train = Batches(
        data.train_x, data.train_y, config.batch_size, scale, config.seed, shuffle=True,
        transforms=transforms, mixing=mixing if mixing.soft else None,
    )  # fmt: skip
    if len(train) < config.accumulate:
        raise ParameterError(
            f"batch_size {config.batch_size}{f' x {config.accumulate}' if config.accumulate > 1 else ''} "
            f"is larger than the data: there are {len(train.x)} rows"
        )
    return train, Batches(data.test_x, data.test_y, config.batch_size, scale, pad=True)


def _as_numbers(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32)
