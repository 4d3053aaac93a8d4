"""Densities and probabilities of samples: MXNet's random_pdf_*, composed of their logarithms.

Parameters have shape s, samples (s, m): each parameter has m samples; y has the samples' shape. Samples must be such as
the distribution can give. `is_log` gives the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import ShapeError
from ..graph import Value
from ..op import PartialShapes
from ..types import Shape, merge, show_shape
from .composed import Composed, made
from .shape import _reshape_to

__all__: list[str] = []


def _log(x: Value) -> Value:
    return made("log", x)


def _gammaln(x: Value) -> Value:
    return made("gammaln", x)


class _Density(Composed):
    """Base: `log_density` of the sample and of parameters of its shape."""

    abstract = True
    is_log: bool = False

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        sample = merge(ins[0], outs[0])
        given: Shape | None = None
        for s in ins[1:]:
            given = merge(given, s)
        if sample is not None and given is not None:
            if len(sample) < len(given):
                raise ShapeError(f"sample must have an axis more than {show_shape(given)}, got {show_shape(sample)}")
            lead = merge(sample[: len(given)], given)
            sample, given = (*(lead or ()), *sample[len(given) :]), lead
        return [sample, *[given] * (len(ins) - 1)], [sample]

    def decompose(self, *xs: Value) -> Value:
        sample = xs[0]
        wide = [_reshape_to((*p.shape, *(1,) * (len(sample.shape) - len(p.shape))))(p) for p in xs[1:]]
        y = self.log_density(sample, *[made("broadcast_to", p, shape=sample.shape) for p in wide])
        return y if self.is_log else made("exp", y)

    def log_density(self, x: Value, *params: Value) -> Value:
        """Give the logarithm."""
        raise NotImplementedError(f"{type(self).__name__}: define log_density(x, *params)")


class _random_pdf_uniform(_Density):
    """y = 1 / (high - low)."""

    is_log: bool = False
    inputs = ("sample", "low", "high")
    aliases = ("random_pdf_uniform",)

    def log_density(self, x: Value, *params: Value) -> Value:
        low, high = params
        return -_log(high - low) + x * 0.0


class _random_pdf_normal(_Density):
    """y = exp(-((x - mu) / sigma)^2 / 2) / (sigma sqrt(2 pi))."""

    is_log: bool = False
    inputs = ("sample", "mu", "sigma")
    aliases = ("random_pdf_normal",)

    def log_density(self, x: Value, *params: Value) -> Value:
        mu, sigma = params
        z = (x - mu) / sigma
        return z * z * -0.5 - _log(sigma) + -0.5 * math.log(2 * math.pi)


class _random_pdf_gamma(_Density):
    """y = beta^alpha x^(alpha - 1) exp(-beta x) / Gamma(alpha): beta is a rate here."""

    is_log: bool = False
    inputs = ("sample", "alpha", "beta")
    aliases = ("random_pdf_gamma",)

    def log_density(self, x: Value, *params: Value) -> Value:
        alpha, beta = params
        return alpha * _log(beta) + (alpha + -1.0) * _log(x) - beta * x - _gammaln(alpha)


class _random_pdf_exponential(_Density):
    """y = lam exp(-lam x)."""

    is_log: bool = False
    inputs = ("sample", "lam")
    aliases = ("random_pdf_exponential",)

    def log_density(self, x: Value, *params: Value) -> Value:
        return _log(params[0]) - params[0] * x


class _random_pdf_poisson(_Density):
    """y = lam^x exp(-lam) / x!."""

    is_log: bool = False
    inputs = ("sample", "lam")
    aliases = ("random_pdf_poisson",)

    def log_density(self, x: Value, *params: Value) -> Value:
        x = made("BlockGrad", x)
        return x * _log(params[0]) - _gammaln(x + 1.0) - params[0]


def _failures(x: Value, k: Value, p: Value) -> Value:
    """The logarithm of the probability of x failures before k successes of probability p."""
    return _gammaln(x + k) - _gammaln(x + 1.0) - _gammaln(k) + k * _log(p) + x * _log(1.0 - p)


class _random_pdf_negative_binomial(_Density):
    """y = Gamma(x + k) / (x! Gamma(k)) p^k (1 - p)^x."""

    is_log: bool = False
    inputs = ("sample", "k", "p")
    aliases = ("random_pdf_negative_binomial",)

    def log_density(self, x: Value, *params: Value) -> Value:
        return _failures(made("BlockGrad", x), *params)


class _random_pdf_generalized_negative_binomial(_Density):
    """The negative binomial with k = 1 / alpha and p = 1 / (mu alpha + 1)."""

    is_log: bool = False
    inputs = ("sample", "mu", "alpha")
    aliases = ("random_pdf_generalized_negative_binomial",)

    def log_density(self, x: Value, *params: Value) -> Value:
        mu, alpha = params
        return _failures(made("BlockGrad", x), 1.0 / alpha, 1.0 / (mu * alpha + 1.0))


class _random_pdf_dirichlet(Composed):
    """y (s, m) = Gamma(sum alpha) prod x^(alpha - 1) / prod Gamma(alpha); alpha (s, k), x (s, m, k)."""

    is_log: bool = False
    inputs = ("sample", "alpha")
    aliases = ("random_pdf_dirichlet",)

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        sample, alpha = ins
        n = len(alpha)
        if n < 1 or len(sample) < n or sample[: n - 1] != alpha[:-1] or sample[-1] != alpha[-1]:
            raise ShapeError(f"sample {show_shape(sample)} must have the axes of alpha {show_shape(alpha)}")
        return [sample[:-1]]

    def decompose(self, *xs: Value) -> Value:
        x, alpha = xs
        n = len(alpha.shape)
        extra = (1,) * (len(x.shape) - n)
        wide = made("broadcast_to", _reshape_to((*alpha.shape[:-1], *extra, alpha.shape[-1]))(alpha), shape=x.shape)
        y = made("sum", (wide + -1.0) * _log(x) - _gammaln(wide), axis=(len(x.shape) - 1,))
        y = y + _gammaln(made("sum", wide, axis=(len(x.shape) - 1,)))
        return y if self.is_log else made("exp", y)
