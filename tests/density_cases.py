"""Rows of the operator table for densities, with references from their formulas."""

from __future__ import annotations

from math import gamma

import numpy as np
from case import Case, op

G = np.vectorize(gamma)
CONTINUOUS = {
    "uniform": lambda x, a, b: 1 / (b - a) + 0 * x,
    "normal": lambda x, m, s: np.exp(-(((x - m) / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi)),
    "gamma": lambda x, a, b: b**a * x ** (a - 1) * np.exp(-b * x) / G(a),
    "exponential": lambda x, k: k * np.exp(-k * x),
}
DISCRETE = {
    "poisson": lambda x, k: k**x * np.exp(-k) / G(x + 1),
    "negative_binomial": lambda x, k, p: G(x + k) / G(x + 1) / G(k) * p**k * (1 - p) ** x,
    "generalized_negative_binomial": lambda x, m, a: DISCRETE["negative_binomial"](x, 1 / a, 1 / (m * a + 1)),
}


def row(name, f, is_log, discrete):
    count = f.__code__.co_argcount - 1

    def draw(rng):
        x = rng.uniform(0.3, 0.9, (2, 3))
        params = [rng.uniform(0.3 + k, 0.6 + k, 2) for k in range(count)]
        params[1:] = (
            params[1:] if name in ("uniform", "gamma", "normal") else [rng.uniform(0.3, 0.6, 2) for _ in params[1:]]
        )
        return [np.floor(5 * x) if discrete else x, *params]

    def ref(x, *params):
        y = f(x, *(p[:, None] for p in params))
        return np.log(y) if is_log else y

    return Case(
        op(f"_random_pdf_{name}", is_log=is_log), ((2, 3), *[(2,)] * count), ref, draw=draw,
        grad=tuple(range(1 if discrete else 0, count + 1)), tags=("composed",),
    )  # fmt: skip


def dirichlet(x, a):
    return G(a.sum(-1))[:, None] * (x ** (a[:, None] - 1)).prod(-1) / G(a).prod(-1)[:, None]


CASES = [
    *[row(k, f, is_log, k in DISCRETE) for k, f in {**CONTINUOUS, **DISCRETE}.items() for is_log in (False, True)],
    Case(
        op("_random_pdf_dirichlet"), ((2, 3, 2), (2, 2)), dirichlet, low=0.3, high=0.9, tags=("composed",),
    ),
]  # fmt: skip
