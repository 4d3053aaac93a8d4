"""The operator table on the C backend: rows of an operator are one program, against their references in float64."""

from __future__ import annotations

import pytest
from c_memory import guarded  # noqa: F401
from c_rows import GROUPS, check_rows
from c_targets import native

native()


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
@pytest.mark.parametrize("rows", GROUPS, ids=lambda rows: rows[0].op.name)
def test_outputs_and_gradients(rows, optimize, guarded):  # noqa: F811
    check_rows(rows, optimize)
