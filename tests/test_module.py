"""Module's life cycle: bind, initialise, fit, score, predict, parameters in and out; optimisers by their formulas."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from graphnn import sym
from graphnn.data import DataBatch, NDArrayIter
from graphnn.errors import BindError, ParameterError, ShapeError
from graphnn.train.initializer import Constant, One, Xavier
from graphnn.train.module import Module

RNG = np.random.default_rng(5)
X = np.concatenate([RNG.normal(c, 0.3, (20, 2)) for c in ((0, 2), (2, 0), (-2, -2))]).astype("float32")
Y = np.repeat(np.arange(3.0), 20).astype("float32")


def network(norm: bool = False):
    x = sym.Variable("data")
    x = sym.BatchNorm(x, fix_gamma=False, name="bn") if norm else x
    x = sym.Activation(sym.FullyConnected(x, num_hidden=8, name="fc1"), act_type="relu")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=3, name="fc2"), name="softmax")


def batches(size: int = 7, **kw) -> NDArrayIter:
    return NDArrayIter(X, Y, size, **kw)


def bound(norm: bool = False, size: int = 7, **kw) -> Module:
    module = Module(network(norm), **kw)
    module.bind([("data", (size, 2))], [("softmax_label", (size,))])
    return module


def ready(norm: bool = False, **kw) -> Module:
    module = bound(norm, **kw)
    module.init_params(Xavier())
    return module


def values(module: Module) -> dict[str, np.ndarray]:
    arg, aux = module.get_params()
    return {**arg, **aux}


def step(module: Module) -> None:
    module.forward_backward(DataBatch([X[:7]], [Y[:7]]))
    module.update()


# Fitting


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(
    ("optimizer", "rate"),
    [("sgd", 0.5), ("nag", 0.03), ("adam", 0.05), ("adamw", 0.05), ("rmsprop", 0.02), ("adagrad", 0.3)],
)
def test_fit_separates_what_is_separable(optimizer, rate, norm):
    module = Module(network(norm), seed=1)
    params = {"learning_rate": rate, **({"momentum": 0.9} if optimizer == "nag" else {})}
    data = batches(shuffle=True, seed=2)
    module.fit(data, num_epoch=12, optimizer=optimizer, optimizer_params=params, initializer=Xavier())
    assert module.score(batches(), "acc") == [("accuracy", 1.0)]


def test_fit_calls_back_and_stops():
    seen = []

    def epoch_end(epoch, symbol, arg, aux):
        seen.append((epoch, sorted(arg)))
        return epoch == 2

    module = Module(network())
    ends = []
    module.fit(
        batches(),
        num_epoch=9,
        begin_epoch=1,
        epoch_end_callback=epoch_end,
        batch_end_callback=lambda p: ends.append(p.nbatch),
    )
    assert [e for e, _ in seen] == [1, 2]
    assert seen[0][1] == ["fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight"]
    assert ends == list(range(9)) * 2


def test_fit_wants_the_number_of_epochs():
    with pytest.raises(ParameterError, match="fit: give num_epoch"):
        Module(network()).fit(batches())


def test_padded_rows_never_count():
    module = ready(size=7)
    got = module.predict(batches())
    assert got.shape == (60, 3)
    for k in range(0, 60, 7):
        rows = X[k : k + 7]
        padded = np.concatenate([rows, X])[:7]
        module.forward(DataBatch([padded], []), is_train=False)
        np.testing.assert_array_equal(got[k : k + 7], module.get_outputs()[0][: len(rows)])
    right = np.mean(got.argmax(1) == Y)
    for size in (7, 13, 60):
        same = Module(network())
        same.bind([("data", (size, 2))], [("softmax_label", (size,))])
        same.set_params(*module.get_params())
        ((_, accuracy),) = same.score(NDArrayIter(X, Y, size), "acc")
        assert accuracy == pytest.approx(right, abs=1e-12)


def test_padded_sequences_of_outputs_with_a_row_for_each_step():
    net = sym.Reshape(sym.FullyConnected(sym.Variable("data"), num_hidden=6, name="fc"), shape=(-1, 2))
    net = sym.SoftmaxOutput(net, sym.Reshape(sym.Variable("softmax_label"), shape=(-1,)), name="softmax")
    module = Module(net)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 4)).astype(np.float32), rng.integers(0, 2, (6, 3)).astype(np.float32)
    data = NDArrayIter(x, y, 4)  # the last batch has two rows of padding
    module.bind(data.provide_data, data.provide_label, for_training=False)
    module.init_params()
    p = module.predict(data)
    assert p.shape == (18, 2)
    assert module.score(data, "acc") == [("accuracy", pytest.approx(np.mean(p.argmax(1) == y.ravel())))]


def test_predict_and_score_some_batches():
    module = ready()
    assert module.predict(batches(), num_batch=2).shape == (14, 3)
    assert module.score(batches(), "acc", num_batch=1)[0][1] in {k / 7 for k in range(8)}


# Parameters


def test_parameters_come_out_as_copies_and_go_in():
    module = ready(norm=True)
    arg, aux = module.get_params()
    arg["fc1_weight"][...] = 9
    assert (module.get_params()[0]["fc1_weight"] != 9).all()
    aux["bn_moving_mean"][...] = 4
    module.set_params(arg, aux)
    assert (values(module)["fc1_weight"] == 9).all() and (values(module)["bn_moving_mean"] == 4).all()


def test_set_params_refuses_what_is_missing_or_extra():
    module = ready(norm=True)
    arg, aux = module.get_params()
    del arg["fc1_bias"]
    with pytest.raises(BindError, match="arg_params: 'fc1_bias' is missing; allow_missing=True"):
        module.set_params(arg, aux)
    with pytest.raises(BindError, match="aux_params: 'bn_moving_mean' is missing"):
        module.set_params(module.get_params()[0], {})
    with pytest.raises(BindError, match="arg_params: the network has no 'zz'; allow_extra=True"):
        module.set_params({**module.get_params()[0], "zz": X}, aux)
    with pytest.raises(ShapeError, match=r"fc1_bias has shape \(8,\), got \(3,\)"):
        module.set_params({**module.get_params()[0], "fc1_bias": np.zeros(3)}, aux)


def test_set_params_leaves_what_is_missing():
    module = ready(norm=True)
    step_free = values(module)
    module.set_params({"fc1_bias": np.ones(8)}, {}, allow_missing=True)
    step_free["fc1_bias"] = np.ones(8)
    for name, value in values(module).items():
        np.testing.assert_array_equal(value, step_free[name], err_msg=name)


def test_init_params_fills_only_once():
    module = bound()
    module.init_params(One())
    module.init_params(Constant(3))
    assert (values(module)["fc1_weight"] == 1).all()
    module.init_params(Constant(3), force_init=True)
    assert (values(module)["fc1_weight"] == 3).all()
    module.init_params(One(), {"fc1_weight": np.full((8, 2), 5)}, allow_missing=True, force_init=True)
    assert (values(module)["fc1_weight"] == 5).all() and (values(module)["fc2_weight"] == 1).all()


def test_fixed_parameters_stay():
    module = ready(fixed_param_names=["fc1_weight"])
    module.init_optimizer(optimizer_params={"learning_rate": 0.5})
    before = values(module)
    step(module)
    moved = {n: (a != before[n]).any() for n, a in values(module).items()}
    assert moved == {"fc1_weight": False, "fc1_bias": True, "fc2_weight": True, "fc2_bias": True}


def test_inputs_need_grad():
    module = Module(network())
    module.bind([("data", (7, 2))], [("softmax_label", (7,))], inputs_need_grad=True)
    module.init_params(Xavier())
    module.forward_backward(DataBatch([X[:7]], [Y[:7]]))
    (g,) = module.get_input_grads()
    p = values(module)
    hidden = X[:7] @ p["fc1_weight"].T + p["fc1_bias"]
    head = module.get_outputs()[0] - np.eye(3)[Y[:7].astype(int)]
    np.testing.assert_allclose(g, (head @ p["fc2_weight"] * (hidden > 0)) @ p["fc1_weight"], rtol=1e-4, atol=1e-6)


def test_rebind_keeps_the_parameters(caplog):
    module = ready(norm=True)
    before = values(module)
    with caplog.at_level(logging.WARNING):
        module.bind([("data", (3, 2))], [("softmax_label", (3,))])
    assert "already bound; force_rebind=True binds again" in caplog.text
    assert module.executor.outputs[0].shape == (7, 3)
    module.bind([("data", (3, 2))], [("softmax_label", (3,))], force_rebind=True)
    assert module.executor.outputs[0].shape == (3, 3)
    for name, value in values(module).items():
        np.testing.assert_array_equal(value, before[name])


# What is refused


def test_calls_in_the_wrong_order():
    batch = DataBatch([X[:7]], [Y[:7]])
    module = Module(network())
    for call in (module.init_params, module.get_params, module.get_outputs, module.init_optimizer):
        with pytest.raises(BindError, match=r"the module is not bound: call bind\("):
            call()
    module = bound()
    with pytest.raises(BindError, match=r"the parameters are not set: call init_params\(\) first"):
        module.forward(batch)
    module.init_params()
    module.forward_backward(batch)
    with pytest.raises(BindError, match=r"there is no optimiser: call init_optimizer\(\) first"):
        module.update()


@pytest.mark.parametrize("kw", [{"data_names": ["x"]}, {"fixed_param_names": ["fc9_weight"]}])
def test_names_that_are_no_arguments(kw):
    with pytest.raises(BindError, match="is no argument of the symbol; arguments: data, fc1_weight"):
        Module(network(), **kw)


def test_bind_refuses_other_inputs():
    with pytest.raises(BindError, match="'x' is no input of the module; inputs: data, softmax_label"):
        Module(network()).bind([("x", (7, 2))])
    with pytest.raises(ShapeError, match="label must be"):
        Module(network()).bind([("data", (7, 2))], [("softmax_label", (6,))])


def test_batch_of_another_size():
    module = ready()
    module.forward(DataBatch([X[:7]], [Y[:7]]), is_train=False)
    whole = module.get_outputs()[0].copy()
    module.forward(DataBatch([X[:6]], [Y[:6]]), is_train=False)
    np.testing.assert_allclose(module.get_outputs()[0], whole[:6], rtol=1e-6)
    assert (module.data_shapes, module.output_shapes) == ([("data", (6, 2))], [("softmax_output", (6, 3))])
    module.forward(DataBatch([X[:3]]), is_train=False)
    np.testing.assert_allclose(module.get_outputs()[0], whole[:3], rtol=1e-6)
    with pytest.raises(ShapeError, match="label must be"):
        module.forward(DataBatch([X[:6]], [Y[:5]]))


@pytest.mark.parametrize(
    ("optimizer", "params", "message"),
    [
        ("sdg", {}, "no optimiser 'sdg'; did you mean sgd.*; there are: adadelta, adagrad"),
        ("sgd", {"momentun": 0.9}, "sgd has no parameter 'momentun'; it has: .*momentum"),
    ],
)
def test_optimisers_that_are_none(optimizer, params, message):
    with pytest.raises(ParameterError, match=message):
        ready().init_optimizer(optimizer=optimizer, optimizer_params=params)


# Optimisers by their formulas, in float64


def sgd(w, g, s, t, lr, momentum=0.0):
    s["m"] = momentum * s.get("m", 0) - lr * g
    return w + s["m"]


def nag(w, g, s, t, lr, momentum, decay):
    """As MXNet has it: the momentum kept has the decay of the new weight."""
    old = momentum * s.get("m", 0)
    new = w + momentum * (old - lr * (g + decay * w)) - lr * (g + decay * w)
    s["m"] = old - lr * (g + decay * new)
    return new


def adam(w, g, s, t, lr, decay=0.0, beta1=0.9, beta2=0.999, epsilon=1e-8):
    s["m"] = beta1 * s.get("m", 0) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0) + (1 - beta2) * g * g
    rate = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    return w - rate * (s["m"] / (np.sqrt(s["v"]) + epsilon) + decay * w)


def rmsprop(w, g, s, t, lr, gamma1=0.9, epsilon=1e-8):
    s["n"] = gamma1 * s.get("n", 0) + (1 - gamma1) * g * g
    return w - lr * g / np.sqrt(s["n"] + epsilon)


def adagrad(w, g, s, t, lr, decay=0.0, epsilon=1e-7):
    s["h"] = s.get("h", 0) + g * g
    return w - lr * (g / np.sqrt(s["h"] + epsilon) + decay * w)


@pytest.mark.parametrize("wd", [0.0, 0.1])
@pytest.mark.parametrize("clip", [None, 0.02])
@pytest.mark.parametrize(
    ("name", "params", "formula", "beside"),
    [
        ("sgd", {}, sgd, False),
        ("sgd", {"momentum": 0.9}, sgd, False),
        ("nag", {"momentum": 0.9}, nag, True),
        ("adam", {"beta1": 0.8, "beta2": 0.95}, adam, False),
        ("adamw", {}, adam, True),
        ("rmsprop", {"gamma1": 0.8}, rmsprop, False),
        ("adagrad", {}, adagrad, True),
    ],
)
def test_optimiser_formula(name, params, formula, beside, clip, wd):
    """Weights and gradients of four steps; `beside`: the decay is not in the gradient."""
    module = ready()
    options = {"learning_rate": 0.05, "wd": wd, "clip_gradient": clip, **params}
    module.init_optimizer(optimizer=name, optimizer_params=options)
    want = {n: a.astype(np.float64) for n, a in values(module).items()}
    state: dict[str, dict[str, np.ndarray]] = {n: {} for n in want}
    for t in range(1, 5):
        step(module)
        for n, w in want.items():
            decay = wd if n.endswith("_weight") else 0.0
            g = module.executor.grad_dict[n].astype(np.float64) / 7
            late = formula in (adam, rmsprop) and not beside  # cut with the decay in it
            g = g + decay * w if late else g
            g = g if clip is None else np.clip(g, -clip, clip)
            extra = {"decay": decay} if beside else {}
            want[n] = formula(w, g if beside or late else g + decay * w, state[n], t, 0.05, **params, **extra)
        for n, got in values(module).items():
            np.testing.assert_allclose(got, want[n], rtol=2e-4, atol=2e-6, err_msg=f"{n} after {t}")


def test_multipliers_of_rate_and_decay():
    x = sym.FullyConnected(
        sym.Variable("data"), sym.Variable("w_weight", lr_mult=0.5, wd_mult=0.0), num_hidden=3, name="fc"
    )
    module = Module(sym.SoftmaxOutput(x, name="softmax"))
    module.bind([("data", (7, 2))], [("softmax_label", (7,))])
    module.init_params(One())
    module.init_optimizer(optimizer_params={"learning_rate": 0.1, "wd": 10.0})
    step(module)
    g = module.executor.grad_dict["w_weight"] / 7
    np.testing.assert_allclose(values(module)["w_weight"], 1 - 0.05 * g, rtol=1e-5)
