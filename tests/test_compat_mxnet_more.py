"""The compatibility module: what scripts and tests ask of arrays, iterators, metrics, optimisers and checks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tiny

from graphnn.compat import mxnet as mx
from graphnn.compat.mxnet import test_utils


def test_variables_of_one_name_have_an_array_each():
    a, b = mx.sym.Variable("x"), mx.sym.Variable("x")
    grads = [mx.nd.zeros((2,)), mx.nd.zeros((2,))]
    ex = (a * b).bind(mx.cpu(), [mx.nd.array([2, 3]), mx.nd.array([5, 7])], grads)
    assert ex.forward(True)[0].asnumpy().tolist() == [10, 21]
    ex.backward(mx.nd.ones((2,)))
    assert [g.asnumpy().tolist() for g in grads] == [[5, 7], [2, 3]]


def test_simple_bind_leaves_other_keywords_alone():
    net = mx.sym.take(mx.sym.Variable("a"), mx.sym.Variable("i"), mode="wrap")
    assert net.simple_bind(mx.cpu(), a=(4, 2), i=(3,), mode="wrap").outputs[0].shape == (3, 2)


def test_a_monitor_of_inputs_names_them_as_mxnet():
    net = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), "relu", name="act")
    ex = net.simple_bind(mx.cpu(), data=(3, 4))
    seen = []
    ex.set_monitor_callback(lambda name, array: seen.append((name, array.shape)), monitor_all=True)
    for _ in range(2):
        seen.clear()
        ex.forward()
        names = [name for name, _ in seen]
        assert names[:3] == ["data", "fc_data", "fc_weight"]
        assert names[3:] == ["fc_weight", "fc_bias", "fc_bias", "fc_output", "act_input0", "act_output"]
    assert seen[1] == ("fc_data", (3, 4))


def test_operators_before_customop():
    class Double(mx.operator.NumpyOp):
        def forward(self, in_data, out_data):
            assert isinstance(in_data[0], np.ndarray)
            out_data[0][:] = 2 * in_data[0]

        def backward(self, out_grad, in_data, out_data, in_grad):
            in_grad[0][:] = 2 * out_grad[0]

    net = Double().get_symbol(mx.sym.Variable("x"), name="double")
    grad = mx.nd.zeros((2,))
    ex = net.bind(mx.cpu(), [mx.nd.array([1, -3])], [grad])
    assert ex.forward(True)[0].asnumpy().tolist() == [2, -6]
    ex.backward(mx.nd.array([1, 10]))
    assert grad.asnumpy().tolist() == [2, 20]


def test_arrays_without_elements_only_where_they_are_asked_for():
    for shape in ((), (2, 0)):
        with pytest.raises(mx.MXNetError, match="np_shape"):
            mx.nd.zeros(shape)

    @mx.use_np_shape
    def made():
        """What it makes."""
        return mx.nd.ones((2, 0)).shape, mx.nd.ones(()).shape

    assert made() == ((2, 0), ()) and made.__doc__ == "What it makes."


def test_whole_numbers_in_a_range_step_as_numpy_does():
    assert mx.nd.arange(1.3, 5, 1.3, repeat=2, dtype=np.int32).asnumpy().tolist() == [1, 1, 2, 2, 3, 3]
    net = mx.sym.elemwise_add(mx.sym.arange(start=0, stop=None, infer_range=True), mx.sym.Variable("x"))
    assert net.bind(mx.cpu(), {"x": mx.nd.zeros((3,))}).forward()[0].asnumpy().tolist() == [0, 1, 2]


def test_logic_of_arrays_and_numbers():
    a, b = mx.nd.array([0, 1, 2]), mx.nd.array([0, 0, 3])
    assert mx.nd.logical_and(a, b).asnumpy().tolist() == [0, 0, 1]
    assert mx.nd.logical_or(a, 1).asnumpy().tolist() == [1, 1, 1]
    assert mx.nd.logical_xor(a, b).asnumpy().tolist() == [0, 1, 0]


def test_one_array_iterators_and_a_fixed_shuffle(tmp_path):
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    it = mx.io.CSVIter(str(tmp_path / "x.csv"), (2,), 2)
    batch = it.next()
    assert it.getdata().asnumpy().tolist() == [[1, 2], [3, 4]] and it.getlabel().shape == (2,)
    assert str(batch) == "DataBatch: data shapes: [(2, 2)] label shapes: [(2,)]"


def test_input_gradients_are_none_without_gradients():
    mod = mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), label_names=None)
    mod.bind([("data", (3, 4))], inputs_need_grad=True, grad_req="null")
    mod.init_params()
    mod.forward(mx.io.DataBatch([mx.nd.ones((3, 4))]), is_train=True)
    assert mod.get_input_grads() == [None]


@pytest.mark.parametrize("kind", ["f1", "mcc"])
def test_micro_averages_count_rows(kind):
    m = mx.metric.create(kind, average="micro")
    labels, preds = mx.nd.array([1, 0, 1]), mx.nd.array([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]])
    m.update([labels], [preds])
    m.update([labels[:2]], [preds[:2]])
    assert m.num_inst == 5 and m.sum_metric == pytest.approx(5 * m.get()[1])


class PlainMomentum(mx.optimizer.Optimizer):
    def create_state(self, index, weight):
        return mx.nd.zeros(weight.shape, dtype=weight.dtype)

    def update(self, index, weight, grad, state):
        self._update_count(index)
        state[:] = 0.9 * state - self._get_lr(index) * (grad + self._get_wd(index) * weight)
        weight += state


@pytest.mark.parametrize("shape", [(3, 2), [(3, 2), (4,)]], ids=["one", "list"])
def test_compare_optimizer(shape):
    count = len(shape) if isinstance(shape, list) else 1
    sgd = mx.optimizer.SGD(momentum=0.9, learning_rate=0.1, wd=0.01)
    plain = PlainMomentum(learning_rate=0.1, wd=0.01)
    test_utils.compare_optimizer(plain, sgd, shape, np.float32, ntensors=count)
    with pytest.raises(AssertionError):
        test_utils.compare_optimizer(PlainMomentum(learning_rate=0.2), sgd, shape, np.float32, ntensors=count)
    (only,) = mx.optimizer.RMSProp().create_state(0, mx.nd.ones((2,)))
    assert only.shape == (2,)


def test_checks_of_random_numbers():
    rng = np.random.default_rng(0)
    buckets, probs = test_utils.gen_buckets_probs_with_ppf(lambda q: 2 * q, 5)
    assert buckets[1] == (0.4, 0.8)
    test_utils.verify_generator(lambda n: rng.uniform(0, 2, n), buckets, probs, nsamples=20000)
    with pytest.raises(AssertionError, match="0 of 5"):
        test_utils.verify_generator(lambda n: rng.uniform(0, 1.9, n), buckets, probs, nsamples=20000)
    p, found, wanted = test_utils.chi_square_check(lambda n: np.arange(n) % 3, [0, 1, 2], [0.5, 0.25, 0.25], 12)
    assert found.tolist() == [4, 4, 4] and wanted.tolist() == [6, 3, 3]
    assert p == pytest.approx(np.exp(-(4 / 6 + 1 / 3 + 1 / 3) / 2))  # two degrees of freedom
    assert test_utils.mean_check(lambda n: rng.normal(1, 2, n), 1, 2, 20000)
    assert not test_utils.var_check(lambda n: rng.normal(1, 2.2, n), 2, 20000)


def test_small_helpers():
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    assert test_utils.same_symbol_structure(a * b + a, b * a + b)
    assert not test_utils.same_symbol_structure(a * b + a, a * b + b)
    assert test_utils.collapse_sum_like(np.ones((2, 3, 4)), (3, 1)).tolist() == [[8], [8], [8]]
    assert test_utils.assign_each2([1, 2], [3, 4], lambda x, y: x * y).tolist() == [3, 8]
    assert test_utils.create_2d_tensor(2, 3).asnumpy().tolist() == [[0, 0, 0], [1, 1, 1]]
    test_utils.assert_almost_equal(np.ones((2, 1)), np.ones((2, 3)))  # broadcast, as there


def test_cholesky_of_the_upper_triangle():
    a = np.array([[4.0, 2, 0], [2, 5, 1], [0, 1, 3]])
    upper = mx.nd.linalg.potrf(mx.nd.array(np.triu(a)), lower=False).asnumpy()
    np.testing.assert_allclose(upper.T @ upper, a, rtol=1e-5, atol=1e-6)
    inverse = mx.nd.linalg.potri(mx.nd.array(upper), lower=False).asnumpy()
    np.testing.assert_allclose(inverse @ a, np.eye(3), atol=1e-5)


def test_operators_on_arrays_without_elements():
    with mx.np_shape():
        none, some = mx.nd.zeros((0, 3)), mx.nd.ones((2, 3))
        assert mx.nd.tile(none, (2, 2)).shape == (0, 6)
        assert mx.nd.concat(none, some, dim=0).asnumpy().tolist() == [[1] * 3] * 2
        assert mx.nd.concat(none, none, dim=1).shape == (0, 6)
        with pytest.raises(mx.MXNetError, match="without elements"):
            none.max()
    with pytest.raises(mx.MXNetError, match="np_shape"):
        mx.nd.tile(none, (2, 2))


def test_an_error_in_a_custom_operator_is_mxnets():
    class Fails(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            raise KeyError("no such thing")

    @mx.operator.register("fails_in_forward")
    class FailsProp(mx.operator.CustomOpProp):
        def create_operator(self, ctx, in_shapes, in_dtypes):
            return Fails()

    with pytest.raises(mx.MXNetError, match="KeyError: 'no such thing'"):
        mx.nd.Custom(mx.nd.ones((2,)), op_type="fails_in_forward")
    ex = mx.sym.Custom(mx.sym.Variable("x"), op_type="fails_in_forward").simple_bind(mx.cpu(), x=(2,))
    with pytest.raises(mx.MXNetError, match="KeyError"):
        ex.forward()


def test_arrays_carry_the_name_of_their_device():
    with mx.AttrScope(ctx_group="near"):
        a = mx.sym.Variable("a")
    with mx.AttrScope(ctx_group="far"):
        net = a * mx.sym.Variable("b")
    groups = {"near": mx.cpu(1), "far": mx.cpu(2)}
    ex = net.simple_bind(mx.cpu(), group2ctx=groups, a=(2,))
    assert [x.context for x in ex.arg_arrays + ex.grad_arrays] == [mx.cpu(1), mx.cpu(2)] * 2
    mod = mx.mod.Module(net, ("a", "b"), None, group2ctxs=groups)
    mod.bind([("a", (2,)), ("b", (2,))], inputs_need_grad=True)
    mod.init_params()
    mod.forward(mx.io.DataBatch([mx.nd.ones((2,)), mx.nd.ones((2,))]), is_train=True)
    mod.backward([mx.nd.ones((2,))])
    assert [g.context for g in mod.get_input_grads()] == [mx.cpu(1), mx.cpu(2)]
    x = mx.nd.ones((2,), mx.cpu(3))
    assert x.context == mx.cpu(3) == x.copyto(mx.cpu(3)).context and x.as_in_context(mx.cpu(4)).context == mx.cpu(4)


def test_shapes_in_place_share_memory(tmp_path):
    x = mx.nd.zeros((2, 1, 3))
    views = [x.flatten(inplace=True), x.squeeze(axis=1, inplace=True), x.expand_dims(0, inplace=True)]
    copies = [x.flatten(), x.squeeze(axis=1), x.expand_dims(0)]
    x[:] = 1
    assert [v.shape for v in views] == [v.shape for v in copies] == [(2, 3), (2, 3), (1, 2, 1, 3)]
    assert all(v.asnumpy().all() for v in views) and not any(v.asnumpy().any() for v in copies)
    assert mx.nd.moveaxis(x, 2, 0).shape == (3, 2, 1)
    assert mx.nd.onehot_encode(mx.nd.array([2, 0]), mx.nd.ones((2, 3))).asnumpy().tolist() == [[0, 0, 1], [1, 0, 0]]
    mx.nd.save(str(tmp_path / "x.params"), {"x": x})
    stored = (tmp_path / "x.params").read_bytes()
    assert mx.nd.load_frombuffer(stored)["x"].shape == (2, 1, 3)
    with pytest.raises(mx.MXNetError):
        mx.nd.load_frombuffer(stored[:-3])


def test_a_drawing_warns_of_names_that_come_twice():
    net = mx.sym.FullyConnected(
        mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=2, name="fc"), num_hidden=2, name="fc"
    )
    with pytest.warns(UserWarning, match="multiple variables with the same name.*fc"):
        mx.viz.plot_network(net, shape={"x": (1, 2)})


def test_everything_from_test_utils_brings_what_scripts_count_on():
    names = {}
    exec("from graphnn.compat.mxnet.test_utils import *", names)
    wanted = "np os sys time logging json rnd array Context default_context environment".split()
    assert [name for name in wanted if name not in names] == []


def test_the_seed_decides_at_each_run_of_an_executor():
    ex = (mx.sym.random.normal(shape=(4,)) + mx.sym.Variable("x")).simple_bind(mx.cpu(), x=(4,))
    drawn = []
    for is_train in (True, False, False):
        mx.random.seed(7)
        drawn.append(ex.forward(is_train)[0].asnumpy().tolist())
    assert drawn[0] == drawn[1] == drawn[2] != ex.forward()[0].asnumpy().tolist()


def test_parameters_as_numpy_names_and_holds_them():
    a = mx.nd.array([[3, 1, 2]])
    assert mx.nd.topk(a, k=2, dtype=np.int32).dtype is np.int32
    assert mx.nd.ones((1, 3)).broadcast_to(shape=np.array([2, 3])).shape == (2, 3)
    with pytest.raises(mx.MXNetError, match="dtype must be one of"):
        mx.nd.topk(a, dtype=complex)


def test_methods_that_are_functions_of_their_own():
    parts = mx.sym.Variable("x").split_v2(3, axis=1)
    assert [s for s in parts.infer_shape(x=(2, 6))[1]] == [(2, 2)] * 3
    with pytest.raises(mx.MXNetError, match="must name an axis"):
        mx.nd.broadcast_like(mx.nd.ones((1, 3)), mx.nd.ones((2, 3)), lhs_axes=(), rhs_axes=())


def test_an_initialiser_of_ones_own_goes_by_its_name():
    @mx.init.register
    class Sevens(mx.init.Initializer):
        def __init__(self, times=1):
            super().__init__(times=times)
            self.__dict__["times"] = times

        def _init_weight(self, name, arr):
            arr[:] = 7 * self.times

    weight = mx.sym.Variable("w", init=Sevens(times=2))
    mod = mx.mod.Module(
        mx.sym.FullyConnected(mx.sym.Variable("data"), weight, num_hidden=2, name="f"), label_names=None
    )
    mod.bind([("data", (2, 3))])
    mod.init_params()
    assert (mod.get_params()[0]["w"].asnumpy() == 14).all()
    assert type(mx.init.create("xavier")) is mx.init.Xavier and isinstance(mx.init.create("sevens"), Sevens)


def test_states_of_an_updater_go_and_come():
    updater = mx.optimizer.get_updater(mx.optimizer.Adam())
    weight = mx.nd.ones((2,))
    updater(0, mx.nd.ones((2,)), weight)
    kept, before = updater.get_states(), [s.asnumpy() for s in updater.states[0]]
    updater(0, mx.nd.ones((2,)), weight)
    assert not np.array_equal(before[0], updater.states[0][0].asnumpy())
    updater.set_states(kept)
    assert all(np.array_equal(a, s.asnumpy()) for a, s in zip(before, updater.states[0], strict=True))
    (desc,) = mx.io.DataDesc.get_list([("data", (2, 3))], [("data", np.float16)])
    assert desc.shape == (2, 3) and desc.dtype is np.float16


def test_the_interface_before_module(tmp_path):
    mx.random.seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)).astype(np.float32)
    y = (x[:, 0] > x[:, 1]).astype(np.float32)
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2), name="softmax")
    model = mx.model.FeedForward.create(net, x, y, num_epoch=20, learning_rate=0.5, numpy_batch_size=16)
    assert model.score(mx.io.NDArrayIter(x, y, 16)) > 0.9
    outputs, data, labels = model.predict(mx.io.NDArrayIter(x, y, 16), return_data=True)
    assert outputs.shape == (50, 2) and np.array_equal(data, x) and np.array_equal(labels, y)
    model.save(str(tmp_path / "net"))
    again = mx.model.FeedForward.load(str(tmp_path / "net"), 20)
    np.testing.assert_allclose(again.predict(x), model.predict(x))
    with pytest.raises(mx.MXNetError, match="fit"):
        mx.model.FeedForward(net).predict(x)


def test_a_depth_of_zero():
    x = mx.nd.array([2, 0])
    assert mx.nd.one_hot(x, depth=0).shape == (2, 0)
    assert mx.nd.one_hot(x, 3, on_value=5, dtype="int32").asnumpy().tolist() == [[0, 0, 5], [5, 0, 0]]


def test_mnist_of_the_tutorials(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHNN_DATA", tiny.write_digits(tmp_path))
    mnist = mx.test_utils.get_mnist()
    assert mnist["train_data"].shape == (48, 1, 6, 6) and mnist["train_data"].dtype == np.float32
    assert 0.5 < mnist["train_data"].max() <= 1 and mnist["train_label"].tolist()[:12] == [*range(10), 0, 1]
    train, test = mx.test_utils.get_mnist_iterator(batch_size=8, input_shape=(36,), num_parts=2, part_index=1)
    assert train.provide_data[0].shape == (8, 36) and len(list(train)) == 3
    assert test.provide_data[0].name == "data" and test.provide_label[0].name == "softmax_label"


def test_what_is_logged_is_seen_without_a_handler(tmp_path):
    script = """if True:
        import logging
        from graphnn.compat import mxnet as mx
        logging.getLogger().setLevel(logging.DEBUG)
        net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2), name="softmax")
        data = mx.io.NDArrayIter(mx.nd.ones((8, 3)), mx.nd.zeros(8), 4)
        mx.mod.Module(net).fit(data, num_epoch=1, batch_end_callback=mx.callback.Speedometer(4, 1))
    """
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Epoch[0] Train-accuracy=" in found.stderr and "samples/sec" in found.stderr
