"""A user's own operator that lacks a rule, or whose kernel is not one: an error that names it."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym
from graphnn.backends.numpy import kernel, linked
from graphnn.backends.numpy.registry import LINKERS
from graphnn.errors import BackendError, GraphError, ShapeError
from graphnn.graph import Value, make_node
from graphnn.op import OPS, Op
from graphnn.symbol import Symbol


@pytest.fixture
def twice():
    """Give y = 2 x without gradient and kernel, and take it from the tables again."""
    cls = type("Twice", (Op,), {"__module__": __name__, "shapes": lambda self, x: [x]})
    yield cls
    OPS.pop("Twice")
    LINKERS.pop(cls, None)


def net(cls: type[Op]) -> Symbol:
    return Symbol([Value(make_node(cls(), sym.Variable("data").values, "mine"))])


def double(op, x, y):
    np.multiply(x, 2, out=y)


def test_no_shape_rule(twice):
    del twice.shapes
    with pytest.raises(ShapeError, match=r"mine \(Twice\): Twice has no shape rule: define shapes\(self, data\)"):
        net(twice).infer_shape(data=(2, 3))


def test_no_gradient_rule_is_told_at_bind(twice):
    kernel(twice)(double)
    with pytest.raises(GraphError, match=r"mine \(Twice\): has no gradient rule.*grad_req='null'\n  data <- \(2, 3\)"):
        net(twice).simple_bind(data=(2, 3))
    ex = net(twice).simple_bind("null", data=(2, 3))
    assert ex.forward(data=np.ones((2, 3)))[0].tolist() == [[2.0] * 3] * 2


def test_no_gradient_rule_where_no_gradient_comes(twice):
    kernel(twice)(double)
    blocked = sym.BlockGrad(net(twice)) + sym.Variable("w")
    ex = blocked.simple_bind(data=(2,), w=(2,))
    ex.forward(is_train=True, data=[1, 2], w=[3, 4])
    ex.backward(np.ones(2))
    assert (ex.grad_dict["data"].tolist(), ex.grad_dict["w"].tolist()) == ([0, 0], [1, 1])
    scaled = net(twice) * sym.Variable("w")
    assert scaled.simple_bind({"w": "write"}, data=(2,), w=(2,)).grad_dict.keys() == {"w"}


def test_a_rule_that_lets_none_through(twice):
    kernel(twice)(double)
    twice.grad = lambda self, xs, ys, gs: [None]
    ex = net(twice).simple_bind(data=(2,))
    ex.forward(is_train=True)
    ex.backward(np.ones(2))
    assert ex.grad_dict["data"].tolist() == [0, 0]


def test_a_kernel_that_gives_back_an_array(twice):
    kernel(twice)(lambda op, x, y: 2 * x)
    ex = net(twice).simple_bind("null", data=(2,))
    wanted = r"Twice: its NumPy kernel must be a kernel\(op, data, output\), which writes .* but gave back a ndarray"
    with pytest.raises(BackendError, match=wanted):
        ex.forward()


@pytest.mark.parametrize("f", [lambda op, x: 2 * x, lambda x, y: None])
def test_a_kernel_of_other_arguments_is_refused_when_linked(twice, f):
    kernel(twice)(f)
    with pytest.raises(BackendError, match=r"Twice: its NumPy kernel must be a kernel\(op, data, output\).*argument"):
        net(twice).simple_bind("null", data=(2,)).forward()


def test_a_kernel_may_give_back_its_output(twice):
    kernel(twice)(lambda op, x, y: np.multiply(x, 2, out=y))
    assert net(twice).simple_bind("null", data=(2,)).forward(data=[1, 2])[0].tolist() == [2, 4]


def test_linked_must_give_a_call(twice):
    linked(twice)(lambda op, ins, outs, scratch: double(op, ins[0], outs[0]))
    with pytest.raises(BackendError, match=r"Twice: its linked\(\) function must give a call, not NoneType"):
        net(twice).simple_bind("null", data=(2,)).forward()


def test_an_attribute_called_array_makes_no_constant(twice):
    kernel(twice)(double)
    twice.array = np.zeros(2)
    assert net(twice).simple_bind("null", data=(2,)).forward(data=[1, 2])[0].tolist() == [2, 4]


def test_an_act_type_of_relu_makes_no_relu(twice):
    kernel(twice)(double)
    twice.act_type, twice.elementwise = "relu", True
    conv = sym.Convolution(sym.Variable("data"), kernel=(1, 1), num_filter=1, no_bias=True, name="conv")
    ex = Symbol([Value(make_node(twice(), conv.values, "mine"))]).simple_bind("null", data=(1, 1, 1, 1))
    assert ex.forward(data=[[[[-3]]]], conv_weight=[[[[1]]]])[0].item() == -6
