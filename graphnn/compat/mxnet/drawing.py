"""Checks of random numbers, as mx.test_utils has them: the mean, the variance, the counts in buckets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "chi_square_check",
    "gen_buckets_probs_with_ppf",
    "mean_check",
    "var_check",
    "verify_generator",
]

Generator = Callable[[int], Any]


def gen_buckets_probs_with_ppf(
    ppf: Callable[[float], float], nbuckets: int
) -> tuple[list[tuple[float, float]], list[float]]:
    """Give buckets between the quantiles of a distribution, and their probabilities, which are equal."""
    edges = [ppf(k / nbuckets) for k in range(nbuckets + 1)]
    return list(itertools.pairwise(edges)), [1.0 / nbuckets] * nbuckets


def mean_check(generator: Generator, mu: float, sigma: float, nsamples: int = 1000000) -> bool:
    """Tell whether the mean of samples lies within three standard errors of `mu`."""
    return bool(abs(np.mean(np.array(generator(nsamples)), dtype=np.float64) - mu) < 3 * sigma / math.sqrt(nsamples))


def var_check(generator: Generator, sigma: float, nsamples: int = 1000000) -> bool:
    """Tell whether the variance of normal samples lies within three standard errors of sigma^2."""
    error = sigma**2 * math.sqrt(2 / (nsamples - 1))
    return bool(abs(np.var(np.array(generator(nsamples)), dtype=np.float64, ddof=1) - sigma**2) < 3 * error)


def chi_square_check(
    generator: Generator, buckets: Sequence[Any], probs: Sequence[float], nsamples: int = 1000000
) -> tuple[float, np.ndarray, np.ndarray]:
    """Give the p-value of Pearson's chi-square test, the counts and the counts expected.

    Buckets are pairs (least, before) or, for whole numbers, the numbers.
    """
    if not buckets:
        raise ValueError("chi_square_check needs at least one bucket")
    samples = np.array(generator(nsamples)).reshape(-1)
    if isinstance(buckets[0], (tuple, list)):
        counts = [np.count_nonzero((samples >= low) & (samples < high)) for low, high in buckets]
    else:
        counts = [np.count_nonzero(samples == b) for b in buckets]
    found, wanted = np.array(counts, np.int32), nsamples * np.asarray(probs, np.float64)
    if (wanted <= 0).any():
        raise ValueError("every bucket must have a probability above 0")
    statistic = float(np.sum((found - wanted) ** 2 / wanted))
    return _upper_tail(statistic, len(found) - 1), found, wanted.astype(np.int32)


def _upper_tail(x: float, degrees: int) -> float:
    """Give P(X > x) of the chi-square distribution: Q(degrees / 2, x / 2) by its recurrence from 1 or 2 degrees."""
    half = x / 2
    odd = degrees % 2 == 1
    tail = math.erfc(math.sqrt(half)) if odd else math.exp(-half)
    a = 0.5 if odd else 1.0
    while a < degrees / 2:  # Q(a + 1, y) = Q(a, y) + y^a e^-y / Gamma(a + 1)
        tail += math.exp(a * math.log(half) - half - math.lgamma(a + 1)) if half > 0 else 0.0
        a += 1
    return min(tail, 1.0) if degrees > 0 else 1.0


def verify_generator(
    generator: Generator,
    buckets: Sequence[Any],
    probs: Sequence[float],
    nsamples: int = 1000000,
    nrepeat: int = 5,
    success_rate: float = 0.2,
    alpha: float = 0.05,
) -> list[float]:
    """Raise AssertionError if fewer than `success_rate` of the repeated tests have a p-value above `alpha`."""
    values = [chi_square_check(generator, buckets, probs, nsamples)[0] for _ in range(nrepeat)]
    passed = sum(p > alpha for p in values)
    if passed < nrepeat * success_rate:
        raise AssertionError(f"{passed} of {nrepeat} chi-square tests passed; p-values {values}")
    return values
