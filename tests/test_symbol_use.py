"""Symbols: inference of shapes and types, files and copies, running and showing, as in MXNet."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

import graphnn
from graphnn import AttrScope, Group, Symbol, Variable, sym
from graphnn.errors import DTypeError, FormatError, GraphError, ShapeError

pytestmark = pytest.mark.usefixtures("fresh_names")


# Inference


def test_infer_shape(mlp):
    arguments, outs, aux = mlp.infer_shape(data=(16, 5))
    assert arguments == [(16, 5), (8, 5), (8,), (3, 8), (3,), (16,)]
    assert (outs, aux) == ([(16, 3)], [])
    assert mlp.infer_shape((16, 5))[1] == [(16, 3)]  # by position, in which MXNet 1.9.1 crashes
    assert mlp.infer_shape((16, 0), (8, 5))[0] == arguments


def test_infer_shape_from_what_comes_later():
    a, b = Variable("a"), Variable("b")
    assert (a + b).infer_shape(b=(2, 3))[0] == [(2, 3), (2, 3)]
    net = sym.FullyConnected(a, num_hidden=4, name="fc") + sym.zeros((0, 4))
    assert net.infer_shape(a=(7, 2))[1] == [(7, 4)]


def test_states_and_declared_shapes():
    net = sym.BatchNorm(Variable("x", shape=(4, 3)), name="bn")
    assert net.infer_shape() == ([(4, 3), (3,), (3,)], [(4, 3)], [(3,), (3,)])
    assert net.infer_shape(x=(2, 5))[1] == [(2, 5)]  # what is given wins over what is declared
    assert net.infer_shape(bn_moving_mean=(3,))[1] == [(4, 3)]
    part = Variable("x", shape=(0, None)) + Variable("y", shape=(2, -1))
    assert part.infer_shape_partial() == ([(2, 0), (2, 0)], [(2, 0)], [])


def test_unknown_shapes(mlp):
    assert mlp.infer_shape_partial() == ([()] * 6, [()], [])
    assert mlp.infer_shape_partial(data=(0, 5)) == ([(0, 5), (8, 5), (8,), (3, 8), (3,), (0,)], [(0, 3)], [])
    with pytest.warns(UserWarning, match=r"cannot tell the shapes of: data \?.*first undetermined inside: fc1"):
        assert mlp.infer_shape() == (None, None, None)
    with pytest.warns(UserWarning, match="cannot tell"):
        assert sym.relu(Variable("x")).infer_shape(x=()) == (None, None, None)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"dta": (1, 2)}, GraphError, "no argument 'dta'; did you mean data"),
        ({"data": 5}, ShapeError, "the shape of 'data' must be a tuple, got 5"),
        ({"data": (2, -3)}, ShapeError, "none negative"),
        ({"data": (2, 5), "fc1_weight": (8, 6)}, ShapeError, r"fc1 \(FullyConnected\)"),
        ({"data": (2, 5), "softmax_label": (3,)}, ShapeError, r"softmax \(SoftmaxOutput\)"),
    ],
)
def test_shapes_that_contradict(mlp, given, error, message):
    with pytest.raises(error, match=message):
        mlp.infer_shape(**given)
    with pytest.raises(ShapeError, match="7 shapes given for 6 arguments"):
        mlp.infer_shape(*[(1,)] * 7)


def test_a_shape_error_says_where_everything_came_from(mlp):
    with pytest.raises(ShapeError) as caught:
        mlp.infer_shape(data=(2, 5), fc1_weight=(8, 6))
    text = str(caught.value)
    assert "data" in text and "weight" in text and "(8, 6)" in text
    assert "fc1 was created at conftest.py:" in text


def test_infer_type(mlp):
    arguments, outs, aux = sym.BatchNorm(Variable("x"), name="bn").infer_type(x="float16")
    assert arguments == [np.float16, np.float32, np.float32]  # statistics of float16 are float32
    assert outs == ["float16"] and aux == [np.float32] * 2
    assert sym.Cast(Variable("x"), dtype="int32").infer_type(np.float64)[1] == [np.int32]
    assert (Variable("x", dtype="float64") + 1).infer_type()[1] == [np.float64]
    with pytest.warns(UserWarning, match="cannot tell the dtypes"):
        assert mlp.infer_type() == (None, None, None)
    with pytest.raises(DTypeError, match="_plus0"):
        (Variable("a") + Variable("b")).infer_type(a="float32", b="float64")
    with pytest.raises(DTypeError, match="2 dtypes given for 1 arguments"):
        sym.relu(Variable("x")).infer_type("float32", "float32")
    with pytest.raises(GraphError, match="no argument 'y'"):
        sym.relu(Variable("x")).infer_type(y="float32")


# Files and copies


def test_json_has_mxnets_form(mlp):
    graph = json.loads(mlp.tojson())
    assert set(graph) == {"nodes", "arg_nodes", "node_row_ptr", "heads", "attrs"}
    assert [n["name"] for n in graph["nodes"]][:4] == ["data", "fc1_weight", "fc1_bias", "fc1"]
    assert graph["nodes"][0] == {"op": "null", "name": "data", "inputs": []}
    assert graph["nodes"][3]["inputs"] == [[0, 0, 0], [1, 0, 0], [2, 0, 0]]
    assert graph["arg_nodes"] == [0, 1, 2, 5, 6, 8]
    assert graph["heads"] == [[9, 0, 0]]


def everything() -> Symbol:
    """A network with shared nodes, several outputs, attributes, auxiliary states and odd names."""
    with AttrScope(ctx_group="d"):
        x = Variable("data", shape=(2, 4, 6, 6), lr_mult=2)
    c = sym.Convolution(x, kernel=(3, 3), num_filter=4, pad=(1, 1), name='c"1"\n')
    b = sym.BatchNorm(c, name="bn", fix_gamma=False)
    parts = sym.split(sym.LeakyReLU(b, act_type="prelu", name="p") + c, num_outputs=2, name="s")
    return Group([parts[1], sym.Concat(parts[0], parts[1], parts[0], dim=1, name="j"), x])


@pytest.mark.parametrize(
    "again",
    [
        lambda net, folder: sym.load_json(net.tojson()),
        lambda net, folder: (net.save(folder / "n.json"), sym.load(folder / "n.json"))[1],
        lambda net, folder: pickle.loads(pickle.dumps(net)),
        lambda net, folder: copy.deepcopy(net),
        lambda net, folder: copy.copy(net),
    ],
    ids=["json", "file", "pickle", "deepcopy", "copy"],
)
def test_round_trips(again, tmp_path):
    net = everything()
    new = again(net, tmp_path)
    assert new is not net
    assert new.tojson() == net.tojson()
    assert str(new) == str(net)
    assert new.attr_dict() == net.attr_dict()
    assert new.infer_shape() == net.infer_shape()
    assert (new.list_outputs(), new.list_auxiliary_states()) == (net.list_outputs(), net.list_auxiliary_states())


def test_files_that_are_none(tmp_path):
    file = tmp_path / "x.json"
    file.write_text("{}")
    with pytest.raises(FormatError, match=r"x\.json: top level: the field 'arg_nodes' is missing"):
        sym.load(file)
    with pytest.raises(FileNotFoundError):
        sym.load(tmp_path / "absent.json")


# Running


def test_eval_takes_states_too():
    net = sym.BatchNorm(Variable("x"), name="bn", fix_gamma=False, eps=1e-9)
    arrays = dict(x=[[1, 2], [3, 4]], bn_gamma=[2, 2], bn_beta=[0, 1], bn_moving_mean=[1, 1], bn_moving_var=[4, 1])
    (got,) = net.eval(**{k: np.array(v, np.float32) for k, v in arrays.items()})
    np.testing.assert_allclose(got, [[0, 3], [2, 7]], rtol=1e-6)


def test_two_variables_of_one_name_are_two_arguments_and_one_array():
    net = Variable("x") * Variable("x")
    assert net.list_arguments() == ["x", "x"]
    x, g = np.array([3.0, 4.0], np.float32), np.zeros(2, np.float32)
    ex = net.bind({"x": x}, {"x": g})
    np.testing.assert_array_equal(ex.forward(is_train=True)[0], [9, 16])
    ex.backward(np.ones(2, np.float32))
    np.testing.assert_array_equal(g, [6, 8])


def test_a_long_chain_meets_no_recursion_limit():
    net = Variable("x")
    for _ in range(3_000):
        net = net + 1
    assert len(net.get_internals()) == 3_001
    assert net.infer_shape(x=(2,))[1] == [(2,)]
    assert net(x=Variable("y")).list_arguments() == ["y"]
    assert pickle.loads(pickle.dumps(net)).list_outputs() == net.list_outputs()
    assert str(net).count("\n") == 3_001
    ex = net.simple_bind(x=(2,))
    np.testing.assert_array_equal(ex.forward(is_train=True, x=[0, 1])[0], [3_000, 3_001])
    ex.backward(np.array([1, 2], np.float32))
    np.testing.assert_array_equal(ex.grad_dict["x"], [1, 2])


# Showing


def test_repr_text_and_completion(mlp):
    assert repr(mlp) == "<Symbol softmax>"
    assert repr(Group([mlp, Variable("x")])) == "<Symbol group softmax_output, x>"
    assert str(sym.relu(Variable("x")) + 1).splitlines() == [
        '%0: Variable() "x"',
        "%1: relu(%0)",
        "%2: _plus_scalar(%1)",
        "return %2",
    ]
    assert {"reshape", "infer_shape", "astype"} <= set(dir(mlp))
    assert graphnn.Symbol is Symbol
