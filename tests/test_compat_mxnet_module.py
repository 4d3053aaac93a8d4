"""Scripts for `import mxnet as mx` on graphnn: modules, optimisers as objects, metrics, iterators, cells."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn.compat import mxnet as mx


def net(classes=3):
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=8, name="fc1")
    x = mx.sym.FullyConnected(mx.sym.Activation(x, act_type="relu"), num_hidden=classes, name="fc2")
    return mx.sym.SoftmaxOutput(x, name="softmax")


def data(rows=60, batch=20):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 5))
    return mx.io.NDArrayIter(x, (x @ rng.normal(size=(5, 3))).argmax(1), batch)


def module(**kwargs):
    mod = mx.mod.Module(net(), context=mx.cpu(), **kwargs)
    it = data()
    mod.bind(it.provide_data, it.provide_label)
    rng = np.random.default_rng(2)
    shapes = dict(zip(mod.symbol.list_arguments(), mod.symbol.infer_shape(data=(20, 5))[0], strict=True))
    params = {n: mx.nd.array(rng.normal(0, 0.3, shapes[n])) for n in mod.get_params()[0]}
    mod.init_params(arg_params=params, aux_params={})
    return mod, it


def trained(optimizer, params=(), steps=4):
    mod, it = module()
    mod.init_optimizer(optimizer=optimizer, optimizer_params=params)
    for _ in range(steps):
        it.reset()
        batch = next(it)
        mod.forward(batch, is_train=True)
        mod.backward()
        mod.update()
    return {k: v.asnumpy() for k, v in mod.get_params()[0].items()}


RANDOM = {"sgld"}  # draws differ
MATRICES = {"groupadagrad"}  # takes parameters of two axes only
# LBSGD and LARS look at the number of a parameter, Nadam goes on with each: alone, a parameter is the first.
BY_NUMBER = {"lars", "lbsgd", "nadam"}
NAMES = sorted(set(mx.optimizer.Optimizer.opt_registry) - RANDOM - MATRICES - BY_NUMBER - {"test", "my"})


@pytest.mark.parametrize("name", NAMES)
def test_a_step_by_hand_is_the_modules(name):
    """The optimiser as an object, parameter by parameter, changes what the module's one program changes."""
    params = {"learning_rate": 0.02, "wd": 0.01, "rescale_grad": 0.1, "clip_gradient": 0.3}
    whole = trained(name, params)

    class ByHand(mx.optimizer.Optimizer):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def create_state(self, index, weight):
            return self.inner.create_state(index, weight)

        def update(self, index, weight, grad, state):
            self.inner.update(index, weight, grad, state)

    names = dict(enumerate(["fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"]))
    alone = trained(ByHand(mx.optimizer.create(name, param_idx2name=names, **params)))
    for key, value in whole.items():
        np.testing.assert_allclose(alone[key], value, rtol=1e-5, atol=1e-6, err_msg=key)


def test_an_optimiser_of_ones_own():
    class Signs(mx.optimizer.Optimizer):
        def create_state(self, index, weight):
            return mx.nd.zeros(weight.shape)

        def update(self, index, weight, grad, state):
            self._update_count(index)
            state[:] = state + 1
            weight[:] -= self._get_lr(index) * mx.nd.sign(grad)

    before, _ = module()
    start = before.get_params()[0]
    after = trained(Signs(learning_rate=0.25), steps=1)
    for key, value in after.items():
        moved = np.abs(value - start[key].asnumpy())
        assert set(np.unique(moved.round(5))) <= {0, 0.25}
        assert moved.max() == pytest.approx(0.25)


def test_rates_and_decays_by_parameter():
    sym = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc", lr_mult=0.5, wd_mult=3)
    opt = mx.optimizer.SGD(sym=sym, param_idx2name={0: "fc_weight", 1: "fc_bias"}, wd=0.1, learning_rate=1.0)
    assert opt.lr_mult == {"fc_weight": 0.5, "fc_bias": 0.5}
    assert (opt._get_lr(0), opt._get_wd(1)) == (0.5, pytest.approx(0.3))
    opt.set_wd_mult({"fc_weight": 0})
    assert opt._get_wd(0) == 0
    assert mx.optimizer.create("sgd", param_idx2name={0: "b_bias"}, wd=1.0)._get_wd(0) == 0
    with pytest.raises(mx.MXNetError, match="no optimiser 'adma'; did you mean adam"):
        mx.optimizer.create("adma")
    with pytest.raises(TypeError, match="no parameter 'momentun'"):
        mx.optimizer.SGD(momentun=0.9)


def test_schedules_may_be_changed():
    schedule = mx.lr_scheduler.FactorScheduler(step=2, factor=0.5)
    opt = mx.optimizer.SGD(learning_rate=0.3, lr_scheduler=schedule)
    assert opt.learning_rate == 0.3
    schedule.base_lr = 0.4
    assert [schedule(k) for k in (1, 2, 3)] == [0.4, 0.4, 0.2]
    with pytest.raises(UserWarning):
        opt.set_learning_rate(1)
    assert mx.lr_scheduler.MultiFactorScheduler([1, 3], 0.1, base_lr=1)(2) == pytest.approx(0.1)
    assert mx.lr_scheduler.PolyScheduler(10, base_lr=1)(10) == 0
    assert mx.lr_scheduler.CosineScheduler(10, base_lr=2, final_lr=1)(5) == pytest.approx(1.5)
    with pytest.raises(ValueError, match="warmup_begin_lr"):
        mx.lr_scheduler.LRScheduler(base_lr=1, warmup_begin_lr=2)


def test_fit_score_predict_and_checkpoints(tmp_path):
    mx.random.seed(1)
    prefix, it = str(tmp_path / "m"), data()
    mod = mx.mod.Module(net())
    seen = []

    class Count(mx.metric.EvalMetric):
        def __init__(self):
            super().__init__("count")

        def update(self, labels, preds):
            seen.append((type(labels[0]), type(preds[0])))
            self.sum_metric += len(preds[0])
            self.num_inst += 1

    mod.fit(
        it, eval_data=data(), num_epoch=30, optimizer="adam", optimizer_params={"learning_rate": 0.05},
        initializer=mx.init.Xavier(), eval_metric=["acc", Count()], kvstore="local",
        batch_end_callback=mx.callback.Speedometer(20, 2), epoch_end_callback=mx.callback.do_checkpoint(prefix, 30),
    )  # fmt: skip
    assert mod.score(it, "acc")[0][1] > 0.9
    assert set(seen) == {(mx.nd.NDArray, mx.nd.NDArray)}
    predicted = mod.predict(it)
    assert isinstance(predicted, mx.nd.NDArray)
    symbol, arg, aux = mx.model.load_checkpoint(prefix, 30)
    again = mx.mod.Module.load(prefix, 30)
    again.bind(it.provide_data, it.provide_label, for_training=False)
    np.testing.assert_allclose(again.predict(it).asnumpy(), predicted.asnumpy(), rtol=1e-6)
    assert type(symbol) is type(again.symbol) is mx.sym.Symbol
    assert isinstance(arg["fc1_weight"], mx.nd.NDArray) and aux == {}


def test_states_are_saved_and_shown(tmp_path):
    mod, it = module()
    mod.init_optimizer(optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
    mod.forward_backward(next(it))
    mod.update()
    mod.save_checkpoint(str(tmp_path / "m"), 1, save_optimizer_states=True)
    again = mx.mod.Module.load(str(tmp_path / "m"), 1, load_optimizer_states=True)
    again.bind(it.provide_data, it.provide_label)
    again.init_optimizer(optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
    assert list(again._updater.states) == [0, 1, 2, 3]
    for k, state in mod._updater.states.items():
        assert state.asnumpy().any()
        assert np.array_equal(again._updater.states[k].asnumpy(), state.asnumpy())


def test_several_devices_only_cut_the_outputs():
    mod = mx.mod.Module(
        mx.sym.Activation(mx.sym.Variable("data"), act_type="relu"), label_names=None, context=[mx.cpu(0), mx.cpu(1)]
    )
    mod.bind([mx.io.DataDesc("data", (3, 8, 7), layout="TNC")])
    mod.init_params()
    mod.forward(mx.io.DataBatch([mx.nd.ones((3, 8, 7))]))
    assert [p.shape for p in mod.get_outputs(merge_multi_context=False)[0]] == [(3, 4, 7)] * 2
    with pytest.raises(TypeError, match="must be a tuple"):
        mx.mod.Module(net()).bind([("data", mx.nd.ones(2))])


def test_missing_and_extra_parameters():
    mod, _ = module()
    arg, aux = mod.get_params()
    less = {k: v for k, v in arg.items() if k != "fc1_bias"}
    mod.set_params(less, aux, allow_missing=True)
    with pytest.raises(RuntimeError, match="fc1_bias is not presented"):
        mod.set_params(less, aux)
    with pytest.raises(ValueError, match="no 'other'"):
        mod.set_params({**arg, "other": arg["fc1_bias"]}, aux)


def test_buckets():
    cell = mx.rnn.LSTMCell(6, prefix="lstm_")

    def sym_gen(length):
        cell.reset()
        embed = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=9, output_dim=4, name="embed")
        outputs, _ = cell.unroll(length, embed, merge_outputs=True)
        scores = mx.sym.FullyConnected(mx.sym.Reshape(outputs, shape=(-1, 6)), num_hidden=9, name="fc")
        label = mx.sym.Reshape(mx.sym.Variable("softmax_label"), shape=(-1,))
        return mx.sym.SoftmaxOutput(scores, label, name="softmax"), ("data",), ("softmax_label",)

    sentences = [[1, 2, 3], [4, 5, 6, 7, 8]] * 8
    it = mx.rnn.BucketSentenceIter(sentences, 4, buckets=[3, 5], invalid_label=0)
    mod = mx.mod.BucketingModule(sym_gen, default_bucket_key=it.default_bucket_key)
    metric = mx.metric.Perplexity(0)
    mod.fit(it, eval_metric=metric, num_epoch=30, optimizer="adam", optimizer_params={"learning_rate": 0.05})
    assert metric.get()[1] < 2
    assert all(isinstance(a, mx.nd.NDArray) for a in mod.get_params()[0].values())


def test_iterators(tmp_path):
    it = mx.io.ResizeIter(data(), 5)
    assert sum(1 for _ in it) == 5
    both = mx.io.PrefetchingIter([data(), data()], rename_data=[{"data": "a"}, {"data": "b"}])
    assert [d.name for d in both.provide_data] == ["a", "b"]
    assert len(next(both).data) == 2
    np.savetxt(tmp_path / "x.csv", np.arange(12).reshape(3, 4), delimiter=",")
    csv = mx.io.CSVIter(str(tmp_path / "x.csv"), (2, 2), 2)
    assert next(csv).data[0].asnumpy().tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert csv.getpad() == 0 and next(csv).pad == 1


def test_initialisers_fill_ndarrays():
    array = mx.nd.zeros((4, 5))
    mx.init.Xavier()(mx.init.InitDesc("w_weight"), array)
    assert array.asnumpy().any()

    class Sevens(mx.init.Initializer):
        def _init_weight(self, name, arr):
            arr[:] = 7

    mod = mx.mod.Module(net())
    it = data()
    mod.bind(it.provide_data, it.provide_label)
    mod.init_params(Sevens())
    arg = mod.get_params()[0]
    assert set(np.unique(arg["fc1_weight"].asnumpy())) == {7}
    assert not arg["fc1_bias"].asnumpy().any()


def test_a_monitor_sees_ndarrays():
    mod, it = module()
    kinds = []
    mon = mx.mon.Monitor(1, stat_func=lambda x: kinds.append(type(x)) or mx.nd.max(x), pattern="fc1.*", sort=True)
    mod.install_monitor(mon)
    mon.tic()
    mod.forward(next(it))
    assert [name for _, name, _ in mon.toc()] == ["fc1_bias", "fc1_output", "fc1_weight"]
    assert set(kinds) == {mx.nd.NDArray}


def test_cells_give_symbols_of_this_kind():
    stack = mx.rnn.SequentialRNNCell()
    stack.add(mx.rnn.GRUCell(3, prefix="a_"))
    stack.add(mx.rnn.DropoutCell(0.5))
    outputs, states = stack.unroll(2, [mx.sym.Variable("x0"), mx.sym.Variable("x1")])
    assert {type(s) for s in (*outputs, *states, *stack.begin_state())} == {mx.sym.Symbol}
    fused = mx.rnn.FusedRNNCell(3, mode="lstm", prefix="f_")
    weights = mx.nd.random.uniform(shape=(4 * 3 * (5 + 3 + 2),))
    unpacked = fused.unpack_weights({"f_parameters": weights})
    packed = fused.pack_weights(unpacked)["f_parameters"]
    assert np.array_equal(packed.asnumpy(), weights.asnumpy())


def test_drawing_wants_a_symbol(capsys):
    mx.viz.print_summary(net(), {"data": (1, 5)})
    assert "fc1" in capsys.readouterr().out
    for draw in (mx.viz.print_summary, mx.viz.plot_network):
        with pytest.raises(TypeError, match="must be a Symbol"):
            draw("net")
