"""The operator table on the C backend: rows of an operator are one program, against their references in float64."""

from __future__ import annotations

import numpy as np
import pytest
from c_memory import guarded  # noqa: F401
from c_targets import native
from table_rows import GROUPS, check_rows

from graphnn import sym

native()


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
@pytest.mark.parametrize("rows", GROUPS, ids=lambda rows: rows[0].op.name)
def test_outputs_and_gradients(rows, optimize, guarded):  # noqa: F811
    check_rows(rows, optimize)


@pytest.mark.parametrize("name", ["arena", "private", "shared", "a", "x0", "s"])
def test_variables_may_be_called_as_the_generated_code_calls_things(name):
    x = sym.Variable(name)
    net = sym.Group([sym.tanh(sym.sum(sym.exp(x), axis=1)), x * 3.0])
    value = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    got = net.simple_bind("null", backend="c", **{name: value.shape}).forward(**{name: value})
    np.testing.assert_allclose(got[0], np.tanh(np.exp(value).sum(1)), rtol=1e-5)
    np.testing.assert_allclose(got[1], 3 * value, rtol=1e-6)
