"""Shape errors as text: what did not fit, what was wanted, where each input came from, who made the node."""

from __future__ import annotations

import sys

import pytest

from graphnn import sym
from graphnn.errors import DTypeError, GraphError, ShapeError
from graphnn.symbol import Symbol


def here() -> int:
    """Give the caller's line, which errors name."""
    return sys._getframe(1).f_lineno


def test_message_names_node_operator_shapes_sources_and_line():
    x = sym.Variable("data")
    net = sym.Pooling(sym.Convolution(x, kernel=(3, 3), num_filter=2, name="conv1"), kernel=(2, 2), name="pool1")
    net, line = sym.FullyConnected(sym.Flatten(net, name="flat"), num_hidden=10, name="fc1"), here()
    with pytest.raises(ShapeError) as caught:
        net.simple_bind(data=(64, 1, 8, 8), fc1_weight=(10, 256))
    assert str(caught.value) == (
        "fc1 (FullyConnected): data (64, 50) does not fit weight (10, 256): expected weight (10, 50)\n"
        "  data   <- flat <- pool1 <- conv1 <- data given as (64, 1, 8, 8)\n"
        "  weight <- fc1_weight given as (10, 256)\n"
        "  bias   <- fc1_bias\n"
        f"  fc1 was created at test_shape_errors.py:{line}"
    )


def test_long_chains_are_cut():
    x = sym.Variable("data")
    for k in range(50):
        x = sym.exp(x, name=f"exp{k}")
    with pytest.raises(ShapeError, match=r"lhs <- exp49 <- exp48 <- exp47 <- \.\.\. <- data given as \(2, 3\)"):
        (x + sym.Variable("y")).infer_shape(data=(2, 3), y=(2, 4))


x, y = sym.Variable("x"), sym.Variable("y")
conv = sym.Convolution(x, kernel=(3, 3), num_filter=4, name="c")


@pytest.mark.parametrize(
    ("net", "shapes", "message"),
    [
        (x + y, {"x": (2, 3), "y": (2, 4)}, r"lhs \(2, 3\) does not fit rhs \(2, 4\): expected rhs \(2, 3\)"),
        (x + y, {"x": (2, 3), "y": (3,)}, r"lhs \(2, 3\) does not fit rhs \(3,\): expected rhs \(2, 3\)"),
        (conv, {"x": (2, 3, 8, 8), "c_weight": (4, 2, 3, 3)}, r"expected weight \(4, 3, 3, 3\)"),
        (conv, {"x": (2, 3, 8, 8), "c_bias": (5,)}, r"do not fit bias \(5,\): expected bias \(4,\)"),
        (conv, {"x": (2, 3, 2, 8)}, r"the kernel \(3, 3\) is larger than the padded input \(2, 8\)"),
        (conv, {"x": (2, 3, 8)}, r"data must have 4 axes for kernel \(3, 3\), got \(2, 3, 8\)"),
        (sym.Reshape(x, shape=(4, 5)), {"x": (2, 3)}, r"\(2, 3\) does not reshape to \(4, 5\)"),
        (sym.broadcast_add(x, y), {"x": (2, 3), "y": (4, 3)}, r"\(2, 3\) and \(4, 3\) do not broadcast"),
        (sym.dot(x, y), {"x": (2, 3), "y": (4, 5)}, "differ in the axis summed over: 3 and 4"),
        (sym.SoftmaxOutput(x, y), {"x": (2, 3), "y": (4,)}, r"label must be \(2,\) or \(2, 3\) for data \(2, 3\)"),
        (sym.LinearRegressionOutput(x, y), {"x": (4, 2), "y": (4,)}, "label must have the elements of data"),
        (sym.Concat(x, y, dim=1), {"x": (2, 3), "y": (4, 3)}, r"does not fit arg1 \(4, 3\): expected arg1 \(2, \?\)"),
        (sym.SliceChannel(x, num_outputs=3), {"x": (2, 4)}, r"axis 1 of \(2, 4\) does not split into 3 pieces"),
    ],
)
def test_binding_refuses(net: Symbol, shapes: dict[str, tuple[int, ...]], message: str) -> None:
    for bind in (net.simple_bind, net.infer_shape, net.plan):
        with pytest.raises(ShapeError, match=message) as caught:
            bind(**shapes)
        assert "was created at test_shape_errors.py:" in str(caught.value)
        assert "x given as" in str(caught.value)


@pytest.mark.parametrize(
    ("net", "shapes", "message"),
    [
        (conv, {}, r"shape of: x \?, c_weight \?.*; first undetermined: c \(Convolution\); give .* 'x'"),
        (conv, {"x": (0, 3, 8, 8)}, r"cannot tell the shape of: x \(\?, 3, 8, 8\)"),
        (x + y, {}, r"cannot tell the shape of: x \?, y \?"),
    ],
)
def test_binding_names_what_is_missing(net, shapes, message):
    with pytest.raises(ShapeError, match=message):
        net.simple_bind(**shapes)


@pytest.mark.parametrize(
    ("shapes", "error", "message"),
    [
        ({"x": 5}, ShapeError, "the shape of 'x' must be a tuple, got 5"),
        ({"x": (2, "a")}, ShapeError, "must hold at most 32 sizes, none negative"),
        ({"x": (2, -3)}, ShapeError, "must hold at most 32 sizes, none negative"),
        ({"x": (1,) * 33}, ShapeError, "must hold at most 32 sizes"),
        ({"x": (2, 3, 8, 8), "z": (2,)}, GraphError, "no argument 'z'.*arguments: "),
        ({"x": (2, 3, 8, 8), "c_wieght": (2,)}, GraphError, "did you mean c_weight"),
    ],
)
def test_shapes_that_are_none(shapes, error, message):
    with pytest.raises(error, match=message):
        conv.simple_bind(**shapes)


def test_dtypes_that_do_not_agree():
    with pytest.raises(DTypeError, match=r"_plus\d+ \(elemwise_add\): .*float32.*float64.*cast\(\) first"):
        (x + y).simple_bind(x=(2, 3), y=(2, 3), type_dict={"x": "float32", "y": "float64"})
