"""Scripts for `import mxnet as mx` on graphnn: arrays, symbols with a device first, executors, single operators."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from graphnn.compat import mxnet as mx
from graphnn.compat.mxnet import test_utils as tu

# Arrays


def test_arrays_are_float32_unless_told_otherwise():
    assert mx.nd.array([1, 2]).dtype is np.float32
    assert mx.nd.array(np.arange(3)).dtype is np.float32
    assert mx.nd.array(mx.nd.array([1], dtype="int32")).dtype is np.int32
    assert mx.nd.array(3.0).shape == (1,)
    assert [a.shape for a in (mx.nd.zeros(3), mx.nd.ones((2, 3)), mx.nd.full((2,), 7), mx.nd.eye(3))] == [
        (3,), (2, 3), (2,), (3, 3),
    ]  # fmt: skip
    assert mx.nd.arange(2, 8, 2, repeat=2).asnumpy().tolist() == [2, 2, 4, 4, 6, 6]


def test_arithmetic_keeps_the_left_type():
    a = mx.nd.array([[1, 2], [3, 4]])
    assert ((1 - a) / 2 + a**2 % 3).asnumpy().tolist() == [[1, 0.5], [-1, -0.5]]
    assert (a * np.float64(2)).dtype is np.float32
    assert (a >= 2).asnumpy().tolist() == [[0, 1], [1, 1]]
    n = mx.nd.array([7, -7], dtype="int32")
    assert (n / 2).asnumpy().tolist() == [3, -3]
    a += 1
    a[0] = 9
    a[1, 1] = mx.nd.array([5])
    assert a.asnumpy().tolist() == [[9, 9], [4, 5]]
    assert (np.ones(2, "float32") + mx.nd.ones(2)).asnumpy().tolist() == [2, 2]


def test_parts_and_shapes_share_memory():
    a = mx.nd.zeros((2, 3))
    a[1][:] = 4
    a.reshape((0, -1))[0, 0] = 7
    assert a.asnumpy().tolist() == [[7, 0, 0], [4, 4, 4]]
    assert a[0, 1].shape == a[1][2].shape == (1,)
    assert a.reshape((-1,)).shape == (6,)
    assert a.reshape(3, 2).shape == (3, 2)
    assert a.T.shape == (3, 2)
    assert len(list(a)) == 2
    with pytest.raises(ValueError, match="no truth value"):
        bool(a)
    with pytest.raises(ValueError, match="one element"):
        a.asscalar()


def test_operators_run_at_once():
    a = mx.nd.array([[1.0, 2], [3, 4]])
    assert mx.nd.dot(a, a, transpose_b=True).asnumpy().tolist() == [[5, 11], [11, 25]]
    assert a.sum().asnumpy().tolist() == [10]
    assert mx.nd.concat(a, a, dim=1).shape == (2, 4)
    assert [p.shape for p in mx.nd.split(a, num_outputs=2, axis=1)] == [(2, 1), (2, 1)]
    out = mx.nd.zeros((2, 2))
    assert mx.nd.exp(mx.nd.zeros((2, 2)), out=out) is out
    assert out.asnumpy().tolist() == [[1, 1], [1, 1]]
    assert mx.nd.linalg.gemm2(a, a).asnumpy().tolist() == [[7, 10], [15, 22]]
    with pytest.raises(AttributeError, match="no operator"):
        mx.nd.no_such_thing(a)


def test_saving_and_loading(tmp_path):
    path = str(tmp_path / "x.params")
    mx.nd.save(path, {"w": mx.nd.ones((2, 2))})
    assert mx.nd.load(path)["w"].asnumpy().tolist() == [[1, 1], [1, 1]]
    mx.nd.save(path, [mx.nd.ones(1), mx.nd.zeros(2)])
    assert [a.shape for a in mx.nd.load(path)] == [(1,), (2,)]
    assert pickle.loads(pickle.dumps(mx.nd.ones(2))).asnumpy().tolist() == [1, 1]


def test_equal_seeds_give_equal_draws():
    draws = []
    for _ in range(2):
        mx.random.seed(5)
        net = mx.sym.Dropout(mx.sym.Variable("x"), p=0.5)
        ex = net.simple_bind(mx.cpu(), x=(50,))
        draws.append(np.append(ex.forward(is_train=True)[0].asnumpy(), mx.random.uniform(0, 1, shape=(3,)).asnumpy()))
    assert draws[0].tolist() == draws[1].tolist()


# Devices


def test_devices_are_names():
    assert mx.cpu() == mx.Context("cpu", 0) != mx.cpu(1)
    with pytest.warns(UserWarning, match="the device is ignored"):
        assert repr(mx.gpu(1)) == "gpu(1)"
    with mx.Context("cpu", 3):
        assert mx.current_context() == mx.cpu(3)
    assert mx.current_context() == mx.cpu()
    assert mx.num_gpus() == 0
    with pytest.raises(ValueError, match="no device 'tpu'"):
        mx.Context("tpu")


# Symbols and executors


def small():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    return mx.sym.Activation(net, act_type="tanh", name="act")


def test_symbols_beget_their_kind():
    net = small()
    made = [
        net + 1, -net, net[0], net.get_internals(), net.sum(), net(data=mx.sym.Variable("other")), mx.sym.zeros((2,)),
        mx.sym.random.normal(shape=(2,)), mx.sym.Group([net, net]), mx.sym.load_json(net.tojson()), next(iter(net)),
        pickle.loads(pickle.dumps(net)), net.get_children(),
    ]  # fmt: skip
    assert {type(s) for s in made} == {mx.sym.Symbol}


def test_bind_by_list_and_dict():
    net = mx.sym.Variable("a") * mx.sym.Variable("b")
    a, b, ga = mx.nd.array([2, 3]), mx.nd.array([5, 7]), mx.nd.zeros(2)
    ex = net.bind(mx.cpu(), [a, b], [ga, None])
    assert ex.forward()[0].asnumpy().tolist() == [10, 21]
    a[:] = 1  # held by reference
    ex.forward(is_train=True)
    ex.backward(mx.nd.ones(2))
    assert ga.asnumpy().tolist() == [5, 7]
    assert ex.grad_arrays[1] is None
    ex = net.bind(mx.cpu(), {"b": b, "a": a, "unused": b})
    assert ex.forward(b=mx.nd.zeros(2))[0].asnumpy().tolist() == [0, 0]
    ex.backward(mx.nd.ones(2))  # no gradient arrays: nothing to do
    with pytest.raises(ValueError, match="key `b` is missing"):
        net.bind(mx.cpu(), {"a": a})
    with pytest.raises(TypeError, match="Unknown argument c"):
        ex.forward(c=b)


def test_what_an_executor_shows():
    ex = small().simple_bind(mx.cpu(), data=(4, 5))
    assert list(ex.arg_dict) == ["data", "fc_weight", "fc_bias"]
    assert ex.output_dict["act_output"] is ex.outputs[0]
    assert [a.shape for a in ex.arg_arrays] == [(4, 5), (3, 5), (3,)]
    assert ex.debug_str().endswith("MB allocated")
    seen = []
    ex.set_monitor_callback(lambda name, array: seen.append((name, type(array))))
    ex.forward()
    assert seen == [("fc_output", mx.nd.NDArray), ("act_output", mx.nd.NDArray)]


def test_reshape_shares_memory():
    ex = small().simple_bind(mx.cpu(), data=(4, 5))
    ex.arg_dict["data"][:] = 2
    less = ex.reshape(data=(2, 5))
    assert less.arg_dict["data"].asnumpy().tolist() == [[2] * 5] * 2
    assert tu.same_array(less.outputs[0], ex.outputs[0])
    assert tu.same_array(less.arg_dict["fc_weight"], ex.arg_dict["fc_weight"])
    with pytest.raises(mx.MXNetError, match="allow_up_sizing"):
        ex.reshape(data=(8, 5))


def test_types_and_unknown_shapes():
    net = small()
    assert net.infer_type(data=np.float64)[1] == [np.float64]
    assert net.infer_type_partial()[1] == [None]
    assert mx.sym.sin(mx.sym.Variable("x")).infer_shape_partial()[1] == [()]
    with mx.np_shape():
        assert mx.sym.sin(mx.sym.Variable("x")).infer_shape_partial()[1] == [None]
        assert mx.sym.sin(mx.sym.Variable("x")).infer_shape_partial(x=(-1, 3))[1] == [(-1, 3)]
    with pytest.raises(mx.base.NotImplementedForSymbol):
        bool(net)
    with pytest.raises(mx.MXNetError, match="non-differentiable"):
        mx.sym.batch_take(mx.sym.Variable("x"), mx.sym.Variable("i")).simple_bind(mx.cpu(), x=(2, 2), i=(2,))


class Scale(mx.operator.CustomOp):
    """y = factor x, dx = factor g."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, is_train, req, in_data, out_data, aux):
        assert isinstance(in_data[0], mx.nd.NDArray)
        self.assign(out_data[0], req[0], in_data[0] * self.factor)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] * self.factor)


@mx.operator.register("scale_for_tests")
class ScaleProp(mx.operator.CustomOpProp):
    def __init__(self, factor):
        super().__init__(need_top_grad=True)
        self.factor = float(factor)

    def create_operator(self, ctx, shapes, dtypes):
        return Scale(self.factor)


def test_custom_operators_see_ndarrays():
    net = mx.sym.Custom(mx.sym.Variable("x"), op_type="scale_for_tests", factor=3)
    tu.check_symbolic_forward(net, [np.array([1.0, 2])], [[3, 6]])
    tu.check_symbolic_backward(net, [np.array([1.0, 2])], [np.array([1.0, 10])], [[3, 30]])


# The checks themselves


def test_checks_find_what_is_wrong():
    net = mx.sym.square(mx.sym.Variable("x"))
    x = np.array([[1.0, 2], [3, -4]])
    tu.check_numeric_gradient(net, [x])
    tu.check_symbolic_forward(
        net, {"x": x}, {"square0_output": x**2} if "square0_output" in net.list_outputs() else [x**2]
    )
    tu.check_symbolic_backward(net, [x], [np.ones_like(x)], {"x": 2 * x}, grad_req="add")
    with pytest.raises(AssertionError):
        tu.check_symbolic_forward(net, [x], [x])
    with pytest.raises(AssertionError):
        tu.check_symbolic_backward(net, [x], [np.ones_like(x)], [x])
    wrong = mx.sym.BlockGrad(net) + mx.sym.Variable("y")
    with pytest.raises(AssertionError):
        tu.check_numeric_gradient(wrong, {"x": x, "y": x})
    tu.check_consistency(
        net, [{"ctx": mx.cpu(), "x": (2, 2)}, {"ctx": mx.cpu(), "x": (2, 2), "type_dict": {"x": "float64"}}]
    )


def test_tolerances_follow_the_types():
    a = np.ones(3, "float32")
    tu.assert_almost_equal(a, a + 5e-4)
    assert not tu.almost_equal(a.astype("float64"), a.astype("float64") + 5e-4)
    assert not tu.almost_equal(np.arange(3), np.arange(3) + 1)
    assert tu.same(mx.nd.ones(2), np.ones(2))
    tu.assert_exception(mx.nd.array, ValueError, "x")


def test_a_store_within_the_process():
    kv = mx.kv.create("local")
    kv.init("w", mx.nd.ones(2))
    kv.push("w", [mx.nd.ones(2), mx.nd.ones(2)])
    out = mx.nd.zeros(2)
    kv.pull("w", out)
    assert out.asnumpy().tolist() == [2, 2]
    kv.set_optimizer(mx.optimizer.SGD(learning_rate=0.5))
    kv.push("w", mx.nd.ones(2))
    kv.pull("w", out)
    assert out.asnumpy().tolist() == [1.5, 1.5]
    with pytest.raises(mx.MXNetError, match="one process"):
        mx.kv.create("dist_sync")
    with pytest.raises(TypeError, match="a key is a whole number or a string"):
        kv.init(2.5, mx.nd.ones(2))
    with pytest.raises(mx.MXNetError, match="call init"):
        kv.pull("v", out)
