"""Bringing numbers to those a network likes: mean and deviation of each channel, and the transform that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

__all__ = ["normalizer", "statistics"]

_CHUNK = 1024  # images counted at once: bincount makes 8 bytes of each


def statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give mean and standard deviation of each channel of x (n, c, ...): of bytes scaled to [0, 1], else of x as it is.

    Those of bytes are exact: sums over the 256 values. A channel of one value alone has deviation 1, so that one can
    divide.
    """
    if images.dtype != np.uint8:
        return _moments(images)
    values = np.arange(256) / 255
    means, deviations = [], []
    for c in range(images.shape[1]):
        count = sum(_histogram(images[k : k + _CHUNK, c]) for k in range(0, len(images), _CHUNK))
        share = count / np.sum(count)
        mean = float((share * values).sum())
        means.append(mean)
        deviations.append(float(np.sqrt((share * (values - mean) ** 2).sum())) or 1.0)
    return tuple(means), tuple(deviations)


def _moments(x: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    axes = (0, *range(2, x.ndim))
    mean, deviation = x.mean(axes, dtype=np.float64), x.std(axes, dtype=np.float64)
    flat = deviation <= np.maximum(1e-9 * np.abs(mean), 1e-20)  # what is constant but for rounding says nothing
    return tuple(map(float, mean)), tuple(map(float, np.where(flat, 1.0, deviation)))


def _histogram(x: np.ndarray) -> np.ndarray:
    return np.bincount(x.reshape(-1), minlength=256)


@final
@dataclass(frozen=True)
class normalizer:
    """y = (x - mean) / std by channel, as float32, for x (n, c, ...): uint8 of 255ths, or floats as they are."""

    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        shape = (-1, *(1,) * (x.ndim - 2))
        mean, std = (np.array(v, np.float64).reshape(shape) for v in (self.mean, self.std))
        if x.dtype != np.uint8:
            # in float64, since a large mean over a small deviation leaves little of a float32
            return ((x - mean) / std).astype(np.float32)
        out = x.astype(np.float32)
        np.multiply(out, (1 / std / 255).astype(np.float32), out=out)
        return np.add(out, (-mean / std).astype(np.float32), out=out)
