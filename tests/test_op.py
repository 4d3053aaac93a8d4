"""What a class derived from Op gets: parameters from its fields, with annotations as text or as types."""

# No `from __future__ import annotations` here: fields are annotated with types, as in a user's own file.

from typing import Literal

import pytest

from graphnn.errors import ParameterError, ShapeError
from graphnn.op import OPS, Op, find
from graphnn.sym import signature
from graphnn.types import Shape, TensorType


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


def test_a_built_in_operator_is_not_replaced_in_silence():
    built_in = find("relu")
    with pytest.raises(ParameterError, match="there is an operator 'relu' already: choose another name"):
        type("relu", (Op,), {"__module__": __name__})
    with pytest.raises(ParameterError, match="there is an operator 'identity' already"):
        type("Mine", (Op,), {"__module__": __name__, "aliases": ("identity",)})
    assert find("relu") is built_in
    assert "Mine" not in OPS


def test_a_class_may_be_defined_again():
    for _ in range(2):  # as a notebook's cell does
        again = type("Again", (Op,), {"__module__": __name__, "shapes": lambda self, x: [x, x]})
    assert OPS.pop("Again") is again
    with pytest.raises(ShapeError, match=r"shapes\(\) of Again gave 2 shapes for 1 outputs"):
        again().types((TensorType((2,)),))
