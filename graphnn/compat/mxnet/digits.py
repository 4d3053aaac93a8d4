"""MNIST, as the scripts of MXNet's tutorials get it: mx.test_utils.get_mnist."""

from __future__ import annotations

import numpy as np

from ...data.datasets import load
from .io import NDArrayIter

__all__ = ["get_mnist", "get_mnist_iterator"]


def get_mnist() -> dict[str, np.ndarray]:
    """Give train_data (60000, 1, 28, 28) float32 in [0, 1], train_label (60000,), test_data and test_label.

    The files are those of graphnn.data.load("mnist"): of $GRAPHNN_DATA, or downloaded once. Raises DataNotFoundError.
    """
    found = load("mnist")
    return {
        "train_data": found.train_x.astype(np.float32) / 255,
        "train_label": found.train_y,
        "test_data": found.test_x.astype(np.float32) / 255,
        "test_label": found.test_y,
    }


def get_mnist_iterator(
    batch_size: int, input_shape: tuple[int, ...], num_parts: int = 1, part_index: int = 0
) -> tuple[NDArrayIter, NDArrayIter]:
    """Give iterators over the training and the test images, as (1, 28, 28) or flat by the length of `input_shape`."""
    found = get_mnist()

    def batches(part: str, shuffle: bool) -> NDArrayIter:
        x, y = (found[f"{part}_{what}"][part_index::num_parts] for what in ("data", "label"))
        x = x if len(input_shape) == 3 else x.reshape(len(x), -1)
        return NDArrayIter(x, y, batch_size, shuffle, "discard")

    return batches("train", True), batches("test", False)
