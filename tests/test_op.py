"""What a class derived from Op gets: parameters from its fields, with annotations as text or as types."""

# No `from __future__ import annotations` here: fields are annotated with types, as in a user's own file.

from typing import Literal

import pytest

from graphnn.errors import ParameterError
from graphnn.op import OPS, Op
from graphnn.sym import signature
from graphnn.types import Shape


class Typed(Op):
    size: int
    rate: float = 0.5
    flag: bool = False
    shape: Shape = ()
    mode: Literal["a", "b"] = "a"
    axis: int | None = None
    odd: dict = None  # type: ignore[assignment]


del OPS["Typed"]  # other tests look at the registry


def test_annotations_that_are_types_parse():
    op = Typed.from_params({"size": "3", "rate": 2, "flag": "True", "shape": "(1, 2)", "mode": "b", "axis": "None"})
    assert (op.size, op.rate, op.flag, op.shape, op.mode, op.axis) == (3, 2.0, True, (1, 2), "b", None)
    assert str(signature(Typed)).startswith("(data: 'Symbol | None' = None, size: 'int' = None, rate: 'float' = 0.5")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, r"Typed needs the parameter 'size' \(int\)"),
        ({"size": "x"}, "Typed: size must be a whole number, got 'x'"),
        ({"size": 1, "mode": "c"}, "Typed: mode must be one of a, b, got 'c'"),
        ({"size": 1, "odd": {}}, "the field odd has the annotation dict; it must be a Literal or one of: int, Count"),
        ({"size": 1, "sise": 2}, "Typed has no parameter 'sise'; its parameters are: size, rate"),
    ],
)
def test_what_does_not_parse(params, message):
    with pytest.raises(ParameterError, match=message):
        Typed.from_params(params)
