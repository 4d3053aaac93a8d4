"""Modules made of modules: buckets that share parameters and memory, chains, losses in Python; states."""

from __future__ import annotations

import numpy as np
import pytest
from c_targets import native

from graphnn import AttrScope, rnn, sym
from graphnn.data import DataBatch, DataDesc, NDArrayIter
from graphnn.errors import BindError, ParameterError
from graphnn.train.base import BaseModule
from graphnn.train.bucketing import BucketingModule
from graphnn.train.initializer import Uniform, Xavier
from graphnn.train.metric import Perplexity
from graphnn.train.module import Module
from graphnn.train.python_module import PythonLossModule
from graphnn.train.sequential import SequentialModule

RNG = np.random.default_rng(3)


def sentence_net(length, hidden=8, words=9):
    data, label = sym.Variable("data"), sym.Variable("softmax_label")
    embedded = sym.Embedding(data, input_dim=words, output_dim=6, name="embed")
    outputs, _ = rnn.LSTMCell(hidden).unroll(length, embedded, merge_outputs=True)
    scores = sym.FullyConnected(sym.Reshape(outputs, shape=(-1, hidden)), num_hidden=words, name="pred")
    net = sym.SoftmaxOutput(scores, sym.Reshape(label, shape=(-1,)), name="softmax", use_ignore=True, ignore_label=0)
    return net, ("data",), ("softmax_label",)


def batch_of(length, n=4):
    x = RNG.integers(1, 9, (n, length)).astype("f4")
    y = np.roll(x, -1, 1)
    desc = [("data", (n, length))], [("softmax_label", (n, length))]
    return DataBatch([x], [y], 0, None, length, *desc)


def bucketed(key=12, **kw):
    module = BucketingModule(sentence_net, default_bucket_key=key, **kw)
    module.bind([("data", (4, key))], [("softmax_label", (4, key))])
    module.init_params(Xavier())
    return module


def alone(module, length):
    """The same network at one length, by itself, with the parameters of `module`."""
    net, data, label = sentence_net(length)
    single = Module(net, data, label)
    single.bind([("data", (4, length))], [("softmax_label", (4, length))])
    single.set_params(*module.get_params())
    return single


# Buckets


@pytest.mark.parametrize("whole", [True, False])
def test_buckets_train_one_set_of_parameters(whole):
    module = bucketed()
    params = {"learning_rate": 0.5, "momentum": 0.9, "rescale_grad": 0.25}
    module.init_optimizer(optimizer_params=params)
    weights, momenta = module.get_params()[0], {n: 0 for n in module.get_params()[0]}
    for length in (12, 3, 7, 3, 12):
        batch = batch_of(length)
        single = alone(module, length)
        single.forward_backward(batch)
        if whole:
            module.step(batch)
        else:
            module.forward_backward(batch)
            module.update()
        np.testing.assert_allclose(module.get_outputs()[0], single.get_outputs()[0], rtol=1e-5, atol=1e-6)
        for n, g in single.executor.grad_dict.items():
            momenta[n] = 0.9 * momenta[n] - 0.5 * 0.25 * g
            weights[n] = weights[n] + momenta[n]
        for n, w in module.get_params()[0].items():
            np.testing.assert_allclose(w, weights[n], rtol=1e-4, atol=1e-5, err_msg=f"{n} after {length}")


def test_the_largest_bucket_is_all_the_memory_there_is():
    module = bucketed()
    module.init_optimizer()
    module.step(batch_of(12))
    before = module.nbytes
    for length in (3, 7, 5, 11):
        module.step(batch_of(length))
    assert module.nbytes == before
    apart = 0
    for length in (12, 3, 7, 5, 11):
        single = alone(module, length)
        single.init_optimizer()
        single.step(batch_of(length))
        apart += single.nbytes
        assert length == 12 or single.nbytes < before
    assert before < apart / 3


def test_buckets_in_c_are_those_of_numpy():
    native()
    found = []
    for backend in ("numpy", "c"):
        module = bucketed(4, backend=backend)
        module.init_optimizer(optimizer_params={"learning_rate": 0.5})
        rng = np.random.default_rng(1)
        for length in (4, 2, 4):
            x = rng.integers(1, 9, (4, length)).astype("f4")
            desc = [("data", x.shape)], [("softmax_label", x.shape)]
            module.step(DataBatch([x], [x], 0, None, length, *desc))
        found.append(module.get_params()[0])
    for n, w in found[0].items():
        np.testing.assert_allclose(found[1][n], w, rtol=1e-4, atol=1e-5, err_msg=n)


def test_a_bucket_forgets_what_another_has_overwritten():
    module = bucketed()
    module.forward(batch_of(12), is_train=True)
    large = module._module
    module.forward(batch_of(3), is_train=True)
    with pytest.raises(BindError, match=r"another network that shares this one's memory has run since: call forward"):
        large.backward()
    module.backward()


def test_buckets_learn_sentences(caplog):
    sentences = [[1 + (k + i) % 8 for i in range(2 + k % 4)] for k in range(160)]
    data = rnn.BucketSentenceIter(sentences, 8, buckets=[3, 5], invalid_label=0, seed=1)
    module = BucketingModule(sentence_net, default_bucket_key=data.default_bucket_key)
    params = {"learning_rate": 0.05}
    module.fit(data, eval_metric=Perplexity(0), num_epoch=8, optimizer="adam", optimizer_params=params)
    ((name, value),) = module.score(data, Perplexity(0))
    assert name == "perplexity" and value < 1.5


def test_checkpoints_of_buckets(tmp_path):
    module = bucketed()
    module.forward(batch_of(5), is_train=False)
    module.save_checkpoint(str(tmp_path / "net"), 3)
    names = ["net-0003.params", "net-12-symbol.json", "net-5-symbol.json", "net.buckets"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    batch = batch_of(5)
    module.forward(batch, is_train=False)
    for source in ({"sym_gen": sentence_net}, {}):
        again = BucketingModule.load(str(tmp_path / "net"), 3, default_bucket_key=12, **source)
        assert again.params_initialized and not again.binded
        again.bind([("data", (4, 12))], [("softmax_label", (4, 12))])
        again.forward(batch, is_train=False)
        assert np.array_equal(again.get_outputs()[0], module.get_outputs()[0])


def test_preparing_a_bucket_keeps_the_current_one():
    module = bucketed()
    module.forward(batch_of(7), is_train=False)
    module.prepare(batch_of(3))
    assert module.data_shapes == [("data", (4, 7))] and set(module._buckets) == {12, 7, 3}


def test_mistakes_with_buckets():
    with pytest.raises(BindError, match="give default_bucket_key"):
        BucketingModule(sentence_net)
    with pytest.raises(BindError, match="the batch has no bucket_key"):
        bucketed().forward(DataBatch([np.ones((4, 12))]))
    with pytest.raises(BindError, match="must describe itself in provide_data"):
        bucketed().forward(DataBatch([np.ones((4, 5))], bucket_key=5))
    with pytest.raises(BindError, match="the module is not bound"):
        BucketingModule(sentence_net, 12).forward(batch_of(3))


def test_buckets_that_need_other_parameters():
    def grows(key):
        net = sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc")
        return sym.SoftmaxOutput(net, name="softmax"), ("data",), ("softmax_label",)

    module = BucketingModule(grows, 8)
    module.bind([("data", (4, 8))], [("softmax_label", (4,))])
    with pytest.raises(BindError, match=r"'fc_weight' is float32\(3, 5\) with these inputs, but .* float32\(3, 8\)"):
        module.switch_bucket(5, [("data", (4, 5))], [("softmax_label", (4,))])


# Modules that share


def test_modules_that_share_parameters_and_optimiser():
    net, data, label = sentence_net(6)
    first, second = Module(net, data, label), Module(sentence_net(4)[0], data, label)
    first.bind([("data", (4, 6))], [("softmax_label", (4, 6))])
    first.init_params(Xavier())
    first.init_optimizer(optimizer_params={"learning_rate": 0.5, "momentum": 0.9})
    second.bind([("data", (4, 4))], [("softmax_label", (4, 4))], shared_module=first)
    assert second.params_initialized and second.optimizer_initialized
    assert second.executor.arg_dict["pred_weight"] is first.executor.arg_dict["pred_weight"]
    second.step(batch_of(4))
    first.step(batch_of(6))
    assert first._running is second._running and first._running.updates == 2


# Chains


def test_a_chain_is_the_network_in_one():
    data = sym.Variable("data")
    lower = sym.Activation(sym.FullyConnected(data, num_hidden=8, name="fc1"), act_type="tanh")
    upper = sym.SoftmaxOutput(sym.FullyConnected(sym.Variable("hidden"), num_hidden=3, name="fc2"), name="softmax")
    whole = sym.SoftmaxOutput(sym.FullyConnected(lower, num_hidden=3, name="fc2"), name="softmax")
    chain = SequentialModule()
    chain.add(Module(lower, label_names=())).add(Module(upper, ["hidden"]), take_labels=True, auto_wiring=True)
    shapes = [("data", (6, 5))], [("softmax_label", (6,))]
    chain.bind(*shapes)
    one = Module(whole)
    one.bind(*shapes)
    for module in (chain, one):
        module.init_params(Uniform(0.5))
        module.init_optimizer(optimizer_params={"learning_rate": 0.3})
    chain.set_params(*one.get_params())
    batch = DataBatch([RNG.standard_normal((6, 5)).astype("f4")], [np.array([0, 1, 2, 0, 1, 2.0])])
    for _ in range(3):
        for module in (chain, one):
            module.forward_backward(batch)
            module.update()
    np.testing.assert_allclose(chain.get_outputs()[0], one.get_outputs()[0], rtol=1e-5)
    for n, w in one.get_params()[0].items():
        np.testing.assert_allclose(chain.get_params()[0][n], w, rtol=1e-4, atol=1e-6)
    assert chain.output_shapes == [("softmax_output", (6, 3))] and chain.data_shapes == [("data", (6, 5))]
    with pytest.raises(BindError, match="no module has 'zz'"):
        chain.set_params({**one.get_params()[0], "zz": np.ones(1)}, {})


def test_mistakes_with_chains():
    with pytest.raises(BindError, match=r"the chain is empty: add\(\) modules first"):
        SequentialModule().bind([("data", (6, 5))])
    with pytest.raises(ParameterError, match="no option 'take_label'"):
        SequentialModule().add(PythonLossModule(), take_label=True)


def test_a_loss_in_python():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc")
    loss = PythonLossModule(grad_func=lambda scores, labels: scores - np.eye(3)[labels.astype(int)])
    chain = SequentialModule()
    chain.add(Module(net, label_names=())).add(loss, take_labels=True, auto_wiring=True)
    chain.bind([("data", (6, 5))], [("softmax_label", (6,))])
    chain.init_params(Uniform(0.1))
    chain.init_optimizer(optimizer_params={"learning_rate": 0.5})
    batch = DataBatch([RNG.standard_normal((6, 5)).astype("f4")], [np.array([0, 1, 2, 0, 1, 2.0])])
    for _ in range(200):
        chain.forward_backward(batch)
        chain.update()
    assert chain.predict(batch.data[0]).argmax(1).tolist() == [0, 1, 2, 0, 1, 2]
    with pytest.raises(BindError, match="a loss takes no head gradients"):
        loss.backward([np.ones(1)])


# States


def test_states_go_from_one_batch_to_the_next():
    cell = rnn.GRUCell(4)
    output, (state,) = cell(sym.Variable("data"), [sym.Variable("h")])
    module = Module(sym.Group([output, sym.BlockGrad(state, name="last")]), label_names=(), state_names=["h"])
    module.bind([("data", (2, 3))], for_training=False)
    module.init_params(Uniform(0.5))
    x = RNG.standard_normal((2, 3)).astype("f4")
    module.set_states(value=0)
    module.forward(DataBatch([x]))
    first = module.get_outputs()[1].copy()
    module.set_states(states=module.get_outputs()[1:])
    assert np.array_equal(module.get_states()[0], first) and "h" not in module.get_params()[0]
    module.forward(DataBatch([x]))
    assert not np.allclose(module.get_outputs()[1], first)
    module.set_states(value=0)
    module.forward(DataBatch([x]))
    assert np.array_equal(module.get_outputs()[1], first)
    with pytest.raises(ParameterError, match="give either states or one value"):
        module.set_states()


# Devices, which there is one of


def test_groups_of_devices_are_accepted():
    with AttrScope(ctx_group="dev1"):
        net = sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc")
    with AttrScope(ctx_group="dev2"):
        net = sym.SoftmaxOutput(net, name="softmax")
    assert net.attr("ctx_group") == "dev2" and net.attr_dict()["fc_weight"]["__ctx_group__"] == "dev1"
    groups = {"dev1": object(), "dev2": object()}
    plain, grouped = net.simple_bind(data=(2, 4)), net.simple_bind(data=(2, 4), group2ctx=groups)
    bound = net.bind(dict(plain.arg_dict), grad_req="null", group2ctx=groups)
    assert bound.arg_dict["data"] is plain.arg_dict["data"]
    assert grouped.forward()[0].shape == plain.forward()[0].shape == (2, 3)
    module = Module(net, group2ctxs=[groups], context=[object()], work_load_list=[1], compression_params={})
    module.bind([("data", (2, 4))], [("softmax_label", (2,))])


# Looking at modules, whole data sets


def test_what_a_module_says_of_itself():
    module = Module(sym.SoftmaxOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=3), name="softmax"))
    assert (module.data_names, module.label_names, module.output_names) == (
        ["data"], ["softmax_label"], ["softmax_output"],
    )  # fmt: skip
    assert not (module.binded or module.params_initialized or module.optimizer_initialized)
    for name in ("data_shapes", "label_shapes", "output_shapes"):
        with pytest.raises(BindError, match="the module is not bound"):
            getattr(module, name)
    module.bind([("data", (4, 5))], [("softmax_label", (4,))], inputs_need_grad=True)
    assert module.data_shapes == [("data", (4, 5))] and module.label_shapes == [("softmax_label", (4,))]
    assert module.binded and module.for_training and module.inputs_need_grad
    assert module.symbol.name == "softmax"


def test_parameters_in_a_file_of_their_own(tmp_path):
    net = sym.BatchNorm(sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc"), name="bn")
    first, second = Module(net, label_names=()), Module(net, label_names=())
    for module, scale in ((first, 1.0), (second, 2.0)):
        module.bind([("data", (4, 5))])
        module.init_params(Uniform(scale))
    first.save_params(str(tmp_path / "a.params"))
    second.load_params(str(tmp_path / "a.params"))
    for a, b in zip(first.get_params(), second.get_params(), strict=True):
        assert a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)


def test_predictions_batch_by_batch():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc")
    module = Module(net, label_names=())
    module.bind([("data", (4, 5))], for_training=False)
    module.init_params(Uniform(0.5))
    x = RNG.standard_normal((10, 5)).astype("f4")
    data = NDArrayIter(x, batch_size=4)
    whole = module.predict(data)
    assert whole.shape == (10, 3)
    apart = module.predict(data, merge_batches=False)
    assert [[y.shape for y in batch] for batch in apart] == [[(4, 3)], [(4, 3)], [(2, 3)]]
    assert np.array_equal(np.concatenate([b[0] for b in apart]), whole)
    seen = [(k, outs[0].copy(), batch.pad) for outs, k, batch in module.iter_predict(data)]
    assert [(k, pad) for k, _, pad in seen] == [(0, 0), (1, 0), (2, 2)]
    assert np.array_equal(np.concatenate([y for _, y, _ in seen]), whole)
    (only,) = module.predict(data, always_output_list=True)
    assert np.array_equal(only, whole) and np.allclose(module.predict(x), whole, atol=1e-6)
    assert module.predict(data, num_batch=1).shape == (4, 3)
    data.reset()
    next(data)
    assert module.predict(data, reset=False).shape == (6, 3)


def test_a_new_shape_keeps_parameters_and_rate():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="fc")
    module = Module(net, label_names=())
    module.bind([("data", (7, 4))])
    module.init_params()
    module.init_optimizer(optimizer_params={"learning_rate": 1})
    for n, bias in ((7, -1), (14, -3)):  # MXNet's numbers: the gradients stay divided by 7
        module.reshape([("data", (n, 4))])
        module.forward(DataBatch([np.ones((n, 4), "f4")]), is_train=True)
        module.backward([np.ones((n, 4), "f4")])
        module.update()
        assert module.get_outputs()[0].shape == (n, 4)
        np.testing.assert_allclose(module.get_params()[0]["fc_bias"], bias, rtol=1e-6)


def test_the_dtype_of_the_data_is_the_networks():
    module = Module(sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="fc"), label_names=())
    module.bind([DataDesc("data", (3, 2), np.float16)])
    module.init_params()
    module.init_optimizer(optimizer_params={"learning_rate": 0.5, "multi_precision": True})
    module.forward(DataBatch([np.ones((3, 2))]), is_train=True)
    module.backward([np.ones((3, 4))])
    before = module.get_params()[0]["fc_bias"]
    module.update()
    after = module.get_params()[0]["fc_bias"]
    assert module.get_outputs()[0].dtype == after.dtype == np.float16
    np.testing.assert_allclose(after, before - 0.5, rtol=1e-3)


def test_a_module_of_ones_own_says_what_it_lacks():
    with pytest.raises(NotImplementedError, match="Own: define forward"):
        type("Own", (BaseModule,), {})().forward(None)
