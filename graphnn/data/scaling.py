"""Bringing bytes to the numbers a network likes: mean and deviation of images, and the transform that uses them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["normalizer", "statistics"]

_CHUNK = 1024  # images counted at once: bincount makes 8 bytes of each


def statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give mean and standard deviation of each channel of uint8 images (n, c, h, w), scaled to [0, 1].

    They are exact: sums over the 256 values. A channel of one value alone has deviation 1, so that one can divide.
    """
    values = np.arange(256) / 255
    means, deviations = [], []
    for c in range(images.shape[1]):
        count = sum(_histogram(images[k : k + _CHUNK, c]) for k in range(0, len(images), _CHUNK))
        share = count / np.sum(count)
        mean = float((share * values).sum())
        means.append(mean)
        deviations.append(float(np.sqrt((share * (values - mean) ** 2).sum())) or 1.0)
    return tuple(means), tuple(deviations)


def _histogram(x: np.ndarray) -> np.ndarray:
    return np.bincount(x.reshape(-1), minlength=256)


def normalizer(mean: Sequence[float], std: Sequence[float]) -> Callable[[np.ndarray], np.ndarray]:
    """Make the transform of images (n, c, h, w) into float32: (x - mean) / std, x in [0, 1], or uint8 of 255ths."""
    scale = np.array([1 / s for s in std], np.float32).reshape(1, -1, 1, 1)
    byte_scale = np.array([1 / (255 * s) for s in std], np.float32).reshape(1, -1, 1, 1)
    shift = np.array([-m / s for m, s in zip(mean, std, strict=True)], np.float32).reshape(1, -1, 1, 1)

    def transform(images: np.ndarray) -> np.ndarray:
        out = images.astype(np.float32)
        np.multiply(out, byte_scale if images.dtype == np.uint8 else scale, out=out)
        return np.add(out, shift, out=out)

    return transform
