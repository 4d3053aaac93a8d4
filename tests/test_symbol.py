"""Symbols with MXNet 1.x's meaning: names, composition, attributes, inference, files, and what is an error here."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from graphnn import AttrScope, Group, NameManager, Prefix, Symbol, Variable, sym
from graphnn.errors import DTypeError, GraphError, ParameterError, ShapeError
from graphnn.train.initializer import Xavier

pytestmark = pytest.mark.usefixtures("fresh_names")


def value(symbol: Symbol, **arrays: object) -> np.ndarray:
    """Evaluate one output on arrays made of what is given."""
    return symbol.eval(**{k: np.array(v, np.float32) for k, v in arrays.items()})[0]


# Names


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda a, b: sym.FullyConnected(a, num_hidden=1), "fullyconnected0"),
        (lambda a, b: a + b, "_plus0"),
        (lambda a, b: a + 1, "_plusscalar0"),
        (lambda a, b: 1 - a, "_rminusscalar0"),
        (lambda a, b: -a, "_mulscalar0"),
        (lambda a, b: a / b, "_div0"),
        (lambda a, b: a**2, "_powerscalar0"),
        (lambda a, b: a == b, "_equal0"),
        (lambda a, b: sym.split(a, num_outputs=2), "split0"),
        (lambda a, b: sym.SliceChannel(a, num_outputs=2), "slicechannel0"),
        (lambda a, b: sym.stop_gradient(a), "stop_gradient0"),
        (lambda a, b: sym.BlockGrad(a), "blockgrad0"),
        (lambda a, b: sym.zeros((2,)), "_zeros0"),
        (lambda a, b: sym.random.uniform(shape=(2,)), "_random_uniform0"),
        (lambda a, b: sym.identity(a), "identity0"),
        (lambda a, b: a.reshape((1, -1)), "reshape0"),
        (lambda a, b: a.astype("float64"), "cast0"),
        (lambda a, b: sym.maximum(a, b), "_maximum0"),
        (lambda a, b: sym.relu(a, name="mine"), "mine"),
    ],
)
def test_automatic_names(make, name):
    assert make(Variable("a"), Variable("b")).name == name


def test_counters_count_by_hint_and_scopes_start_afresh():
    x = Variable("x")
    assert [sym.relu(x).name, sym.relu(x).name, sym.tanh(x).name] == ["relu0", "relu1", "tanh0"]
    with NameManager():
        assert sym.relu(x).name == "relu0"
    assert sym.relu(x).name == "relu2"


def test_prefix_also_changes_given_names_of_operators_but_not_variables():
    with Prefix("net_"):
        net = sym.FullyConnected(Variable("data"), num_hidden=1, name="fc")
        assert sym.relu(net).name == "net_relu0"
    assert net.list_arguments() == ["data", "net_fc_weight", "net_fc_bias"]


def test_threads_have_counters_of_their_own():
    x, names = Variable("x"), []
    sym.relu(x)
    thread = threading.Thread(target=lambda: names.append(sym.relu(x).name))
    thread.start()
    thread.join()
    assert names == ["relu0"]


def test_a_scope_ends_with_an_exception():
    with pytest.raises(ZeroDivisionError), Prefix("p_"), AttrScope(group="a"):
        raise ZeroDivisionError
    net = sym.relu(Variable("x"))
    assert (net.name, net.list_attr()) == ("relu0", {})


# Composition


def test_inputs_by_position_and_by_keyword_are_the_same():
    a, w = Variable("a"), Variable("w")
    one = sym.FullyConnected(a, w, num_hidden=2, no_bias=True, name="f")
    two = sym.FullyConnected(weight=w, data=a, num_hidden=2, no_bias=True, name="f")
    assert one.tojson() == two.tojson()
    assert one.list_arguments() == ["a", "w"]


def test_parameters_may_follow_the_inputs_by_position():
    net = sym.FullyConnected(Variable("a"), None, None, 7, name="f")
    assert net.attr("num_hidden") == "7"
    assert net.list_arguments() == ["a", "f_weight", "f_bias"]


def test_automatic_variables():
    net = sym.FullyConnected(num_hidden=4, name="fc")
    assert net.list_arguments() == ["fc_data", "fc_weight", "fc_bias"]
    net = sym.BatchNorm(Variable("x"), name="bn")
    assert net.list_arguments() == ["x", "bn_gamma", "bn_beta"]
    assert net.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert net.list_inputs() == ["x", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var"]
    assert sym.SoftmaxOutput(Variable("x"), name="softmax").list_arguments() == ["x", "softmax_label"]
    assert sym.LeakyReLU(Variable("x"), act_type="prelu", name="p").list_arguments() == ["x", "p_gamma"]
    assert sym.Concat(num_args=2, name="c").list_arguments() == ["c_arg0", "c_arg1"]


def test_any_number_of_inputs():
    a, b = Variable("a"), Variable("b")
    assert sym.Concat(a, b, dim=0, name="c").tojson() == sym.Concat([a, b], dim=0, name="c").tojson()
    assert sym.add_n(a, b, a).list_arguments() == ["a", "b"]
    assert sym.Concat(a, b, num_args=2).attr("num_args") == "2"
    with pytest.raises(GraphError, match="Concat: num_args is 1, but there are 2 inputs"):
        sym.Concat(a, b, num_args=1)


def test_calling_a_network_replaces_variables(mlp):
    other = sym.tanh(Variable("x"), name="tanh")
    new = mlp(data=other, name="head")
    assert new.list_arguments()[0] == "x"
    assert new.list_outputs() == ["head_output"]
    assert mlp.list_arguments()[0] == "data" and mlp.name == "softmax"  # the old one is as it was
    assert sym.split(Variable("x"), num_outputs=2)(name="halves").list_outputs() == ["halves_output0", "halves_output1"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net, x: net(x), GraphError, "compose by keyword"),
        (lambda net, x: net(dta=x), GraphError, "softmax has no argument 'dta'; it has: data, fc1_weight"),
        (lambda net, x: net(data=3), TypeError, "data must be a Symbol, got int"),
        (lambda net, x: net(data=Group([x, x])), GraphError, "data must be one output, got 2: pick one"),
        (lambda net, x: sym.relu(sym.split(x, num_outputs=2)), GraphError, "data of relu must be one output, got 2"),
        (lambda net, x: sym.relu(np.ones(2)), TypeError, "data of relu must be a Symbol, got ndarray"),
        (lambda net, x: sym.relu(x, data=x), GraphError, "relu got 'data' twice"),
        (lambda net, x: sym.relu(x, x), GraphError, "relu takes at most 1 positional arguments, got 2"),
        (lambda net, x: sym.relu(x, weight=x), GraphError, "relu has no input 'weight'; its inputs are: data"),
        (lambda net, x: sym.relu(x, name=3), TypeError, "relu: name must be text, got 3"),
        (lambda net, x: sym.FullyConnected(x, num_hiden=3), ParameterError, "no parameter 'num_hiden'.*num_hidden"),
        (lambda net, x: sym.FullyConnected(x), ParameterError, r"FullyConnected needs the parameter 'num_hidden'"),
        (lambda net, x: sym.FullyConnected(x, num_hidden=0), ParameterError, "num_hidden must be a positive whole"),
        (lambda net, x: sym.Activation(x, act_type="rely"), ParameterError, "act_type must be one of relu, sigmoid"),
        (lambda net, x: sym.FullyConnected(x, bias=x, num_hidden=1, no_bias=True), GraphError, "takes no input 'bias'"),
        (lambda net, x: sym.Convolutoin, AttributeError, "no operator 'Convolutoin'; did you mean Convolution"),
        (lambda net, x: x.nothing, AttributeError, "Symbol has no attribute 'nothing'"),
        (lambda net, x: Group([]), TypeError, "at least one Symbol"),
        (lambda net, x: Group([x, 1]), TypeError, "at least one Symbol"),
        (lambda net, x: Variable(""), TypeError, "a variable's name must be text"),
        (lambda net, x: Variable("w", size=3), ParameterError, "no parameter 'size'; attributes are spelt __size__"),
        (lambda net, x: Variable("w", shape=3), ShapeError, "the shape of 'w' must be a tuple, got 3"),
        (lambda net, x: Variable("w", shape=(2, "x")), ShapeError, "the shape of 'w' must hold"),
        (lambda net, x: Variable("w", init=3), ParameterError, "init of 'w' must be an initialiser or its JSON"),
        (lambda net, x: Variable("w", dtype="float31"), DTypeError, "unknown dtype 'float31'"),
        (lambda net, x: Variable("w", attr={"a": 1}), ParameterError, "attribute 'a' must be text, got 1"),
        (lambda net, x: AttrScope(a=1), ParameterError, "attribute 'a' must be text, got 1"),
    ],
)
def test_what_cannot_be_composed(mlp, call, error, message):
    with pytest.raises(error, match=message):
        call(mlp, Variable("x"))


# Operators of Python

A, B = [[-2.0, 0.5], [3.0, 1.0]], [[4.0, 0.25], [3.0, -2.0]]


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: abs(a) ** b,
        lambda a, b: a % b,
        lambda a, b: -a,
        lambda a, b: a + 2,
        lambda a, b: 2 + a,
        lambda a, b: a - 2,
        lambda a, b: 2 - a,
        lambda a, b: a * 2,
        lambda a, b: 2 * a,
        lambda a, b: a / 2,
        lambda a, b: 2 / a,
        lambda a, b: a**2,
        lambda a, b: 2**a,
        lambda a, b: a % 2,
        lambda a, b: 2 % a,
        lambda a, b: np.float32(2) * a,
        lambda a, b: a + np.array(2),
        lambda a, b: (a == b) * 1.0,
        lambda a, b: (a != b) * 1.0,
        lambda a, b: (a > b) * 1.0,
        lambda a, b: (a >= b) * 1.0,
        lambda a, b: (a < b) * 1.0,
        lambda a, b: (a <= b) * 1.0,
        lambda a, b: (a == 3) * 1.0,
        lambda a, b: (a != 3) * 1.0,
        lambda a, b: (1 > a) * 1.0,
        lambda a, b: (1 >= a) * 1.0,
        lambda a, b: (1 < a) * 1.0,
        lambda a, b: (1 <= a) * 1.0,
    ],
)
def test_arithmetic(f):
    symbol = f(Variable("a"), Variable("b"))
    given = {n: v for n, v in (("a", A), ("b", B)) if n in symbol.list_arguments()}
    np.testing.assert_allclose(value(symbol, **given), f(np.array(A), np.array(B)), rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "reference"),
    [(sym.maximum, np.maximum), (sym.minimum, np.minimum), (sym.hypot, np.hypot), (sym.power, np.power)],
)
def test_functions_of_symbols_and_numbers(function, reference):
    a, x, y = Variable("a"), np.abs(A), np.abs(B)
    np.testing.assert_allclose(value(function(a, Variable("b")), a=x, b=y), reference(x, y), rtol=1e-6)
    np.testing.assert_allclose(value(function(a, 2), a=x), reference(x, 2), rtol=1e-6)
    np.testing.assert_allclose(value(function(2, a), a=x), reference(2, x), rtol=1e-6)
    with pytest.raises(TypeError, match="one of the two must be a Symbol"):
        function(1, 2)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda a: a + np.ones(2), TypeError, "not with ndarray"),
        (lambda a: np.ones(2) + a, TypeError, "not with ndarray"),
        (lambda a: a * "x", TypeError, "not with str"),
        (lambda a: a + 1j, TypeError, "not with complex"),
        (lambda a: a == None, TypeError, "not with NoneType"),  # noqa: E711
        (lambda a: bool(a), GraphError, "a symbol has no truth value"),
        (lambda a: a in [Variable("b")], GraphError, "a symbol has no truth value"),
        (lambda a: hash(a), TypeError, "unhashable"),
    ],
)
def test_what_symbols_cannot_do(f, error, message):
    with pytest.raises(error, match=message):
        f(Variable("a"))


def test_in_place_operators_are_refused():
    a = Variable("a")
    for code in ("a += 1", "a -= 1", "a *= 1", "a /= 1", "a **= 1", "a %= 1"):
        with pytest.raises(GraphError, match="immutable: write a = a"):
            exec(code, {"a": a})


def test_scalars_are_stored_as_given():
    a = Variable("a")
    assert [(a + 1).attr("scalar"), (a + 1.0).attr("scalar"), (-a).attr("scalar")] == ["1", "1.0", "-1.0"]


# Outputs


def test_output_names():
    x = Variable("x")
    assert x.list_outputs() == ["x"]
    assert sym.relu(x, name="r").list_outputs() == ["r_output"]
    assert sym.split(x, num_outputs=3, name="s").list_outputs() == ["s_output0", "s_output1", "s_output2"]
    assert sym.BatchNorm(x, output_mean_var=True, name="bn").list_outputs() == ["bn_output", "bn_mean", "bn_var"]
    assert sym.make_loss(x).list_outputs() == ["make_loss0_loss"]


def test_indexing_and_iteration():
    parts = sym.split(Variable("x"), num_outputs=3, name="s")
    assert len(parts) == 3
    assert [p.list_outputs() for p in parts] == [["s_output0"], ["s_output1"], ["s_output2"]]
    assert parts["s_output1"].list_outputs() == parts[1].list_outputs() == parts[np.int64(1)].list_outputs()
    assert parts[1:].list_outputs() == ["s_output1", "s_output2"]
    np.testing.assert_array_equal(value(parts[2] - parts[0], x=[[1, 2, 5]]), [[4]])


def test_a_group_has_the_outputs_of_its_members():
    a = Variable("a")
    group = Group([sym.relu(a, name="r"), sym.split(a, num_outputs=2, name="s")])
    assert group.list_outputs() == ["r_output", "s_output0", "s_output1"]
    assert (group.name, group.list_attr(), len(group)) == (None, {}, 3)
    assert group(a=Variable("b")).list_arguments() == ["b"]


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ("nope", GraphError, "no output is named 'nope'"),
        ("fc1_outptu", GraphError, "did you mean fc1_output"),
        (-1, IndexError, "outputs count from 0"),
        (99, IndexError, "output 99 of"),
        (slice(99, None), GraphError, "no output in"),
    ],
)
def test_outputs_that_are_not_there(mlp, key, error, message):
    with pytest.raises(error, match=message):
        mlp.get_internals()[key]


def test_an_ambiguous_name():
    a = Variable("x")
    with pytest.raises(GraphError, match="there are 2 outputs named 'x'"):
        Group([a, Variable("x")])["x"]


def test_internals_and_children(mlp):
    assert mlp.get_internals().list_outputs() == [
        "data", "fc1_weight", "fc1_bias", "fc1_output", "relu1_output", "fc2_weight", "fc2_bias", "fc2_output",
        "softmax_label", "softmax_output",
    ]  # fmt: skip
    cut = mlp.get_internals()["relu1_output"]
    assert cut.list_arguments() == ["data", "fc1_weight", "fc1_bias"]
    assert mlp.get_children().list_outputs() == ["fc2_output", "softmax_label"]
    assert Variable("x").get_children() is None
    assert sym.BatchNorm(Variable("x"), name="bn").get_internals().list_outputs()[-1] == "bn_output"  # hidden stay so


# Attributes


def test_variable_attributes():
    v = Variable("w", shape=(3, 0), lr_mult=2.5, wd_mult=0, dtype=np.float16, init=Xavier(), __tag__="a")
    attrs = v.list_attr()
    assert attrs["__shape__"] == "(3, 0)"
    assert (attrs["__lr_mult__"], attrs["__wd_mult__"], attrs["__dtype__"], attrs["__tag__"]) == ("2.5", "0", "2", "a")
    assert json.loads(attrs["__init__"])[0] == "xavier"
    assert v.attr("lr_mult") == v.attr("__lr_mult__") == attrs["lr_mult"] == "2.5"
    assert v.attr("nothing") is None


def test_variables_that_are_made_inherit_attributes_and_given_ones_do_not():
    net = sym.FullyConnected(Variable("x"), num_hidden=2, name="fc", attr={"lr_mult": "3", "color": "red"})
    attrs = net.attr_dict()
    for name in ("fc", "fc_weight", "fc_bias"):
        assert attrs[name] == {"num_hidden": "2", "__lr_mult__": "3", "lr_mult": "3", "color": "red"}
    assert "x" not in attrs


def test_attribute_scopes():
    with AttrScope(ctx_group="dev1", color="red"):
        v = Variable("v")
        with AttrScope(color="blue"):
            inner = sym.relu(v)
            assert inner.attr("color") == "blue"
            assert inner.attr("ctx_group") == inner.attr("__ctx_group__") == "dev1"
            assert sym.relu(v, attr={"color": "green"}).attr("color") == "green"
        assert v.attr("color") == sym.relu(v).attr("color") == "red"
    assert sym.relu(v).list_attr() == {}


def test_parameters_are_stored_as_text_that_reads_back():
    net = sym.Convolution(Variable("x"), kernel=(np.int64(3), 3), num_filter=np.int32(4), pad=[1, 1], name="c")
    assert [net.attr(k) for k in ("kernel", "num_filter", "pad")] == ["(3, 3)", "4", "[1, 1]"]
    cast = sym.Cast(net, dtype=np.float16)
    assert cast.attr("dtype") == "float16"
    scaled = cast * np.float32(0.1)
    again = sym.load_json(scaled.tojson())
    assert again.values[0].node.op == scaled.values[0].node.op
    assert again.tojson() == scaled.tojson()
