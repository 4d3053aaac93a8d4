"""Kernels of graphnn/ops/random.py: NumPy's generator, set anew at every run by the state (seed, call)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphnn.ops import random as ops

from .create import generator
from .registry import linked


def _generalized(g, mu, alpha, size):
    """A Poisson number whose mean is gamma distributed; without spread where alpha is 0."""
    spread = np.maximum(alpha, 1e-12)
    return g.poisson(np.where(alpha > 0, np.minimum(g.gamma(1 / spread, mu * spread, size), 1e15), mu))


_DRAWS: dict[str, Callable[..., Any]] = {
    "uniform": lambda g, a, b, size: a + (b - a) * g.random(size),
    "normal": lambda g, a, b, size: g.normal(a, b, size),
    "exponential": lambda g, a, size: g.exponential(1 / a, size),
    "gamma": lambda g, a, b, size: g.gamma(a, b, size),
    "poisson": lambda g, a, size: g.poisson(a, size),
    "negative_binomial": lambda g, a, b, size: g.negative_binomial(a, b, size),
    "generalized_negative_binomial": _generalized,
}


@linked(ops._draw)
def draw(op, ins, outs, scratch):
    y, f = outs[0], _DRAWS[op.kind]
    random, reset = generator(ins[0], op.stream)
    values = (op.a, op.b)[: len(ops.RANGES[op.kind])]

    def run():
        reset()
        np.copyto(y, f(random, *values, y.shape), casting="unsafe")

    return run


@linked(ops._draw_whole)
def draw_whole(op, ins, outs, scratch):
    y = outs[0]
    random, reset = generator(ins[0], op.stream)

    def run():
        reset()
        np.copyto(y, random.integers(op.low, op.high, y.shape, y.dtype))

    return run


@linked(ops._draw_order)
def draw_order(op, ins, outs, scratch):
    y = outs[0]
    random, reset = generator(ins[0], op.stream)

    def run():
        reset()
        np.copyto(y, random.permutation(y.size), casting="unsafe")

    return run


@linked(ops._draw_each)
def draw_each(op, ins, outs, scratch):
    (state, *values), y, f = ins, outs[0], _DRAWS[op.kind]
    random, reset = generator(state, op.stream)
    ranges = ops.RANGES[op.kind]
    more = (1,) * (y.ndim - values[0].ndim)

    def run():
        reset()
        given = [
            np.clip(np.nan_to_num(v.astype(np.float64)), low, high).reshape(*v.shape, *more)
            for v, (low, high) in zip(values, ranges, strict=True)
        ]
        with np.errstate(all="ignore"):
            np.copyto(y, f(random, *given, y.shape), casting="unsafe")

    return run


@linked(ops._draw_category)
def draw_category(op, ins, outs, scratch):
    state, p = ins
    y = outs[0]
    random, reset = generator(state, op.stream)

    def run():
        reset()
        ends = np.cumsum(np.maximum(np.nan_to_num(p.astype(np.float64)), 0), 1)
        marks = random.random(y.shape) * ends[:, -1:]
        for row, end, mark in zip(y, ends, marks, strict=True):
            np.copyto(row, np.minimum(np.searchsorted(end, mark, "right"), len(end) - 1), casting="unsafe")

    return run
