"""From classes to what a network is trained towards: smoothed labels, and images mixed with one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

__all__ = ["Mixing"]


@final
@dataclass(frozen=True)
class Mixing:
    """Labels (n,) become probabilities (n, classes): t = (1 - smoothing) onehot(label) + smoothing / classes.

    Then, with l from Beta(a, a), once a batch, and images paired with others of the batch at random:

        mixup, a > 0     x = l x_i + (1 - l) x_j, t = l t_i + (1 - l) t_j (Zhang et al. 2018)
        cutmix, a > 0    a rectangle of the share 1 - l of x_j goes into x_i, t by the shares (Yun et al. 2019)

    With both, every batch has one of them, by the toss of a coin.
    """

    classes: int
    smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def soft(self) -> bool:
        """Whether labels become probabilities at all."""
        return bool(self.smoothing or self.mixup or self.cutmix)

    def __call__(self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Mix images x (n, c, h, w) float32, which may be changed in place, with labels y (n,)."""
        if not self.soft:
            return x, y
        target = np.full((len(y), self.classes), self.smoothing / self.classes, np.float32)
        target[np.arange(len(y)), y.astype(np.intp)] += 1 - self.smoothing
        ways = [(a, mix) for a, mix in ((self.mixup, _mixup), (self.cutmix, _cutmix)) if a]
        if not ways:
            return x, target
        alpha, mix = ways[int(rng.integers(len(ways)))]
        other = rng.permutation(len(x))
        share = mix(x, x[other], float(rng.beta(alpha, alpha)), rng)
        return x, np.float32(share) * target + np.float32(1 - share) * target[other]


def _mixup(x: np.ndarray, other: np.ndarray, share: float, rng: np.random.Generator) -> float:
    x *= np.float32(share)
    other *= np.float32(1 - share)
    x += other
    return share


def _cutmix(x: np.ndarray, other: np.ndarray, share: float, rng: np.random.Generator) -> float:
    """Put a rectangle of `other` into x in place; give the share of x that is left."""
    h, w = x.shape[-2:]
    (top, bottom), (left, right) = (_side(n, (1 - share) ** 0.5, rng) for n in (h, w))
    x[..., top:bottom, left:right] = other[..., top:bottom, left:right]
    return 1 - (bottom - top) * (right - left) / (h * w)


def _side(length: int, part: float, rng: np.random.Generator) -> tuple[int, int]:
    half, centre = part * length / 2, int(rng.integers(length))
    return max(0, round(centre - half)), min(length, round(centre + half))
