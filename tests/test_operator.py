"""CustomOp and CustomOpProp: MXNet's contract for operators in Python, on both backends and from files."""

from __future__ import annotations

import numpy as np
import pytest
from c_targets import native

from graphnn import operator, sym
from graphnn.errors import BindError, GraphError, ParameterError, ShapeError
from graphnn.ops.custom import PROPS

RNG = np.random.default_rng(9)


class Softmax(operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        y = np.exp(in_data[0] - in_data[0].max(1, keepdims=True))
        self.assign(out_data[0], req[0], y / y.sum(1, keepdims=True))

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        y = out_data[0].copy()
        y[np.arange(len(y)), in_data[1].astype(int)] -= 1
        self.assign(in_grad[0], req[0], y)
        self.assign(in_grad[1], req[1], 0)


class SoftmaxProp(operator.CustomOpProp):
    def __init__(self):
        super().__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def infer_shape(self, in_shape):
        return [in_shape[0], (in_shape[0][0],)], [in_shape[0]]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return Softmax()


class Scaled(operator.CustomOp):
    """y = factor x, z = x^2; counts its calls in a state, and remembers x for backward."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, is_train, req, in_data, out_data, aux):
        self.seen = in_data[0].copy()
        self.assign(out_data[0], req[0], self.factor * in_data[0])
        self.assign(out_data[1], req[1], in_data[0] ** 2)
        aux[0][:] += 1 + is_train

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        assert np.array_equal(self.seen, in_data[0])
        self.assign(in_grad[0], req[0], self.factor * out_grad[0] + 2 * self.seen * out_grad[1])


class ScaledProp(operator.CustomOpProp):
    def __init__(self, factor="1"):
        super().__init__()
        self.factor = float(factor)

    def list_outputs(self):
        return ["scaled", "squared"]

    def list_auxiliary_states(self):
        return ["calls"]

    def infer_shape(self, in_shape):
        return in_shape, [in_shape[0], in_shape[0]], [(1,)]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        assert in_shapes == [[2, 3]] and in_dtypes == [np.float32]
        return Scaled(self.factor)


@pytest.fixture(autouse=True)
def registered():
    operator.register("own_softmax")(SoftmaxProp)
    operator.register("scaled")(ScaledProp)
    yield
    for name in ("own_softmax", "scaled", "own_late"):
        PROPS.pop(name, None)


@pytest.fixture(params=["numpy", "c"])
def backend(request):
    if request.param == "c":
        native()
    return request.param


def test_a_loss_is_the_operator_in_symbols(backend):
    fc = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="fc")
    own = sym.Custom(fc, name="softmax", op_type="own_softmax")
    assert own.list_arguments() == ["data", "fc_weight", "fc_bias", "softmax_label"]
    assert own.infer_shape(data=(5, 3)) == ([(5, 3), (4, 3), (4,), (5,)], [(5, 4)], [])
    values = {n: RNG.standard_normal(s).astype("f4") for n, s in (("data", (5, 3)), ("fc_weight", (4, 3)))}
    values |= {"fc_bias": np.zeros(4, "f4"), "softmax_label": np.array([0, 1, 2, 3, 0], "f4")}
    found = []
    for net in (own, sym.SoftmaxOutput(fc, name="softmax")):
        ex = net.simple_bind(data=(5, 3), backend=backend)
        ex.copy_params_from(values)
        ex.forward(is_train=True)
        ex.backward()
        found.append([*ex.outputs, ex.grad_dict["data"], ex.grad_dict["fc_weight"]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_several_outputs_a_parameter_and_a_state(backend):
    net = sym.Custom(data=sym.Variable("x"), op_type="scaled", factor=3, name="op")
    assert net.list_outputs() == ["op_scaled", "op_squared"] and net.list_auxiliary_states() == ["op_calls"]
    assert net.attr_dict()["op"] == {"op_type": "scaled", "factor": "3"}
    ex = (net[0] * 2 + net[1]).simple_bind(x=(2, 3), backend=backend)
    x = RNG.standard_normal((2, 3)).astype("f4")
    (y,) = ex.forward(is_train=True, x=x)
    np.testing.assert_allclose(y, 6 * x + x * x, rtol=1e-5)
    g = RNG.standard_normal((2, 3)).astype("f4")
    ex.backward([g])
    np.testing.assert_allclose(ex.grad_dict["x"], g * (6 + 2 * x), rtol=1e-5)
    assert ex.aux_dict["op_calls"].tolist() == [2]
    ex.forward(is_train=False)
    assert ex.aux_dict["op_calls"].tolist() == [3]


def test_gradients_are_added_up():
    x = sym.Variable("x")
    ex = (sym.Custom(x, op_type="scaled", factor=3)[0] + x).simple_bind("add", x=(2, 3))
    for _ in range(2):
        ex.forward(is_train=True)
        ex.backward([np.ones((2, 3))])
    assert (ex.grad_dict["x"] == 8).all()


def test_files_load_before_and_after_registration():
    text = (
        sym.Custom(sym.Variable("x"), op_type="scaled", factor=3, name="op")[0].tojson().replace("scaled", "own_late")
    )
    early = sym.load_json(text)
    assert early.list_arguments() == ["x", "op_calls"]
    assert sym.load_json(early.tojson()).tojson() == early.tojson()
    with pytest.raises(BindError, match=r"op \(Custom\): unknown operator"):
        early.simple_bind(x=(2, 3), op_calls=(1,))
    operator.register("own_late")(ScaledProp)
    late = sym.load_json(early.tojson())
    assert late.list_auxiliary_states() == ["op_calls"]
    x = np.ones((2, 3), "f4")
    assert (late.eval(x=x, op_calls=np.zeros(1, "f4"))[0] == 3).all()


def test_mistakes_with_custom_operators():
    x = sym.Variable("x")
    with pytest.raises(ParameterError, match=r"no operator is registered as 'none_such'; there are: .*scaled"):
        sym.Custom(x, op_type="none_such")
    with pytest.raises(ParameterError, match=r"Custom scaled: .*unexpected keyword argument 'factors'"):
        sym.Custom(x, op_type="scaled", factors=3)
    with pytest.raises(GraphError, match=r"Custom takes at most 2 inputs here \(data, calls\), got 3"):
        sym.Custom(x, x, x, op_type="scaled")
    with pytest.raises(ParameterError, match="is for classes derived from CustomOpProp"):
        operator.register("other")(Scaled)

    @operator.register("own_late")
    class Short(ScaledProp):
        def infer_shape(self, in_shape):
            return in_shape, [in_shape[0]], [(1,)]

    with pytest.raises(
        ShapeError, match=r"infer_shape of own_late must give lists of \[1, 2, 1\] items, got \[1, 1, 1\]"
    ):
        sym.Custom(x, op_type="own_late").infer_shape(x=(2, 3))
    with pytest.raises(ParameterError, match="req must be null, write, inplace or add, got 'over'"):
        operator.CustomOp().assign(np.zeros(1), "over", 1)
    with pytest.raises(NotImplementedError, match=r"CustomOp: define forward\(is_train"):
        operator.CustomOp().forward(True, [], [], [], [])
