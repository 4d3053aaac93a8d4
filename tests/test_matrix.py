"""Matrices that cannot be factorised or inverted."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym
from graphnn.errors import BackendError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("potrf", "_linalg_potrf: the matrix must be symmetric and positive definite"),
        ("inverse", "_linalg_inverse: the matrix has no inverse"),
    ],
)
def test_what_has_no_solution_is_named(name, message):
    ex = getattr(sym, f"linalg_{name}")(sym.Variable("a")).simple_bind("null", a=(2, 2))
    with pytest.raises(BackendError, match=message):
        ex.forward(a=-np.ones((2, 2), "float32"))


def test_a_singular_matrix_has_determinant_and_gradient_zero():
    net = sym.linalg_det(sym.Variable("a"))
    ex = net.bind({"a": np.ones((2, 2))}, {"a": np.full((2, 2), 7.0)})
    assert ex.forward(is_train=True)[0] == 0
    ex.backward([np.ones(1)])
    assert not ex.grad_dict["a"].any()
