"""Random tensors: `sym.random.normal(loc, scale, shape=...)`, from numbers or from symbols as MXNet's functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .symbol import Symbol, compose
from .types import dtype_name

__all__ = ["Random"]


def _drawn(name: str, shape: Any, dtype: Any, kw: dict[str, Any], **params: Any) -> Symbol:
    """Draw by `_sample_name` from symbols, by `_random_name` from numbers; `params` are in the operators' order."""
    if dtype is not None:
        kw["dtype"] = dtype if isinstance(dtype, str) else dtype_name(dtype)
    if shape is not None:
        kw["shape"] = shape
    symbols = [isinstance(v, Symbol) for v in params.values()]
    if all(symbols):
        return compose(f"_sample_{name}", tuple(params.values()), kw)
    if any(symbols):
        raise TypeError(f"random.{name}: {' and '.join(params)} must be all symbols or all numbers")
    return compose(f"_random_{name}", (), {**params, **kw})


def _like(name: str) -> Callable[..., Symbol]:
    def function(self: Random, data: Symbol, **kw: Any) -> Symbol:
        return compose(f"_random_{name}_like", (data,), kw, hint=f"{name}_like")

    function.__name__ = f"{name}_like"
    function.__doc__ = f"Draw as {name}() does, a tensor of the shape of `data`."
    return function


class Random:
    """Random tensors: `sym.random.normal(loc, scale, shape=...)`."""

    def uniform(self, low: Any = 0, high: Any = 1, shape: Any = None, dtype: Any = None, **kw: Any) -> Symbol:
        """Draw from [low, high)."""
        return _drawn("uniform", shape, dtype, kw, low=low, high=high)

    def normal(self, loc: Any = 0, scale: Any = 1, shape: Any = None, dtype: Any = None, **kw: Any) -> Symbol:
        """Draw from the normal distribution of mean `loc` and standard deviation `scale`."""
        return _drawn("normal", shape, dtype, kw, loc=loc, scale=scale)

    def randn(self, *shape: int, loc: Any = 0, scale: Any = 1, dtype: Any = None, **kw: Any) -> Symbol:
        """Draw from the normal distribution; the sizes come by position."""
        return self.normal(loc, scale, shape, dtype, **kw)

    def exponential(self, scale: Any = 1, shape: Any = None, dtype: Any = None, **kw: Any) -> Symbol:
        """Draw from the exponential distribution of mean `scale`."""
        return _drawn("exponential", shape, dtype, kw, lam=1.0 / scale)

    def gamma(self, alpha: Any = 1, beta: Any = 1, shape: Any = None, dtype: Any = None, **kw: Any) -> Symbol:
        """Draw from the gamma distribution of shape `alpha` and scale `beta`."""
        return _drawn("gamma", shape, dtype, kw, alpha=alpha, beta=beta)

    def poisson(self, lam: Any = 1, shape: Any = None, dtype: Any = None, **kw: Any) -> Symbol:
        """Draw from the Poisson distribution of mean `lam`."""
        return _drawn("poisson", shape, dtype, kw, lam=lam)

    def negative_binomial(self, k: Any = 1, p: Any = 1, shape: Any = None, dtype: Any = None, **kw: Any) -> Symbol:
        """Draw how often one fails before `k` successes of probability `p`."""
        return _drawn("negative_binomial", shape, dtype, kw, k=k, p=p)

    def generalized_negative_binomial(
        self, mu: Any = 1, alpha: Any = 1, shape: Any = None, dtype: Any = None, **kw: Any
    ) -> Symbol:
        """Draw from the negative binomial distribution of mean `mu` and variance mu + alpha mu^2."""
        return _drawn("generalized_negative_binomial", shape, dtype, kw, mu=mu, alpha=alpha)

    def randint(self, low: int, high: int, shape: Any = None, dtype: Any = None, **kw: Any) -> Symbol:
        """Draw whole numbers from `low` to below `high`."""
        return _drawn("randint", shape, dtype, kw, low=low, high=high)

    def multinomial(
        self, data: Symbol, shape: Any = None, get_prob: bool = True, dtype: Any = "int32", **kw: Any
    ) -> Symbol:
        """Draw positions with the probabilities in each row of `data`, and the logarithms of those with `get_prob`."""
        return _drawn_from("_sample_multinomial", data, shape, dtype, {"get_prob": get_prob, **kw})

    def shuffle(self, data: Symbol, **kw: Any) -> Symbol:
        """Put the slices along the first axis in random order."""
        return compose("_shuffle", (data,), kw)

    uniform_like = _like("uniform")
    normal_like = _like("normal")
    exponential_like = _like("exponential")
    gamma_like = _like("gamma")
    poisson_like = _like("poisson")
    negative_binomial_like = _like("negative_binomial")
    generalized_negative_binomial_like = _like("generalized_negative_binomial")


def _drawn_from(name: str, data: Symbol, shape: Sequence[int] | int | None, dtype: Any, kw: dict[str, Any]) -> Symbol:
    given = {} if shape is None else {"shape": shape}
    return compose(name, (data,), {**given, "dtype": dtype if isinstance(dtype, str) else dtype_name(dtype), **kw})
