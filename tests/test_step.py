"""The training step as one program gives the numbers of forward, backward and update."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym
from graphnn.data import DataBatch
from graphnn.train.initializer import Xavier
from graphnn.train.module import Module


def network():
    net = sym.Variable("data")
    net = sym.Convolution(net, kernel=(3, 3), num_filter=4, pad=(1, 1), name="conv")
    net = sym.BatchNorm(net, fix_gamma=False, name="bn")
    net = sym.Activation(net, act_type="relu", name="relu")
    net = sym.Dropout(net, p=0.3, name="drop")
    net = sym.FullyConnected(sym.Flatten(net), num_hidden=3, name="fc")
    return sym.SoftmaxOutput(net, name="softmax")


def trained(optimizer, params, whole, **options):
    module = Module(network(), seed=3, **options)
    module.bind([("data", (8, 2, 5, 5))], [("softmax_label", (8,))])
    module.init_params(Xavier())
    module.init_optimizer(None, optimizer, params)
    rng = np.random.default_rng(1)
    for _ in range(4):
        x, y = rng.normal(size=(8, 2, 5, 5)).astype("f4"), rng.integers(0, 3, 8).astype("f4")
        batch = DataBatch([x], [y])
        if whole:
            module.step(batch)
        else:
            module.forward_backward(batch)
            module.update()
    arg, aux = module.get_params()
    return {**arg, **aux, "output": module.get_outputs()[0].copy()}, module


@pytest.mark.parametrize(
    ("optimizer", "params"),
    [
        ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01}),
        ("adam", {"learning_rate": 0.01}),
        ("rmsprop", {"learning_rate": 0.01, "clip_gradient": 0.1}),
    ],
)
def test_one_program_gives_the_same_bits(optimizer, params):
    whole, module = trained(optimizer, params, True)
    apart, _ = trained(optimizer, params, False)
    assert module._now.step is not None
    for name, value in apart.items():
        np.testing.assert_array_equal(whole[name], value, err_msg=name)


def test_step_with_a_monitor_runs_the_three_calls():
    _, module = trained("sgd", {"learning_rate": 0.1}, True)
    seen = []
    module.executor.set_monitor_callback(lambda name, array: seen.append(name))
    rng = np.random.default_rng(1)
    module.step(DataBatch([rng.normal(size=(8, 2, 5, 5))], [np.zeros(8)]))
    assert "conv_output" in seen


def test_plan_is_that_of_the_one_program_or_of_the_executor():
    _, module = trained("sgd", {"learning_rate": 0.1}, True)
    assert module.plan() is module._now.step.plan
    module.executor.set_monitor_callback(lambda name, array: None)
    assert module.plan() is module.executor.plan(True)
