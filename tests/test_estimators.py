"""Operators whose gradient is by intent not that of what they compute."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym


@pytest.mark.parametrize(
    ("name", "params", "factor"),
    [
        ("_contrib_round_ste", {}, 1.0),
        ("_contrib_sign_ste", {}, 1.0),
        ("_contrib_gradientmultiplier", {"scalar": -2.5}, -2.5),
    ],
)
def test_the_gradient_passes(name, params, factor):
    rng = np.random.default_rng(0)
    x, head = rng.normal(size=(2, 3, 4))
    ex = getattr(sym, name)(sym.Variable("x"), **params).bind({"x": x}, {"x": np.zeros_like(x)})
    ex.forward(is_train=True)
    ex.backward([head])
    np.testing.assert_allclose(ex.grad_dict["x"], factor * head)
