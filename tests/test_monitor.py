"""What a monitor sees: outputs of nodes, and the gradients that they give back."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from graphnn import sym
from graphnn.data import DataBatch
from graphnn.errors import ParameterError
from graphnn.train.initializer import Uniform
from graphnn.train.module import Module
from graphnn.train.monitor import Monitor


def test_monitor_sees_every_output_and_changes_nothing():
    def watched(monitor_all):
        net = sym.Dropout(sym.BatchNorm(sym.Variable("x"), name="bn"), name="drop")
        ex = sym.SoftmaxOutput(sym.Flatten(net, name="flat"), name="softmax").simple_bind(x=(2, 3), seed=3)
        ex.arg_dict["x"][...] = [[1, 2, 3], [4, 5, 6]]
        seen = {}
        if monitor_all is not None:
            ex.set_monitor_callback(lambda name, array: seen.update({name: array.copy()}), monitor_all)
        found = []
        for _ in range(2):
            found += [ex.forward(is_train=True)[0].copy()]
            ex.backward()
            found += [a.copy() for a in (*ex.aux_arrays, ex.grad_dict["x"])]
        return seen, found

    outputs, plain = watched(False)
    everything, again = watched(True)
    _, alone = watched(None)
    assert [n for n in outputs if "backward" not in n] == ["bn_output", "drop_output", "flat_output", "softmax_output"]
    assert {"x", "bn_moving_mean", "softmax_label"} <= set(everything)
    for a, b, c in zip(plain, again, alone, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, c)
    np.testing.assert_array_equal(outputs["softmax_output"], plain[4])
    np.testing.assert_array_equal(outputs["drop_output"], outputs["flat_output"])


def test_monitor_sees_what_each_node_gives_back():
    x = sym.Variable("x")
    twice = sym.elemwise_add(sym.tanh(x, name="tanh"), sym.sigmoid(x, name="sigmoid"), name="sum")
    net = sym.FullyConnected(twice, num_hidden=2, name="fc")
    ex = net.simple_bind({"x": "write", "fc_weight": "write", "fc_bias": "null"}, x=(1, 3))
    ex.arg_dict["x"][...] = 1
    ex.arg_dict["fc_weight"][...] = [[1, 2, 3], [4, 5, 6]]
    seen = {}
    ex.set_monitor_callback(lambda name, array: seen.update({name: array.copy()}))
    ex.forward(is_train=True)
    ex.backward(np.ones((1, 2), np.float32))
    inner = np.array([[5, 7, 9]], np.float32)
    given = {n: a for n, a in seen.items() if "_backward_" in n}
    assert list(given)[:5] == [
        *(f"fc_backward_output{k}" for k in range(3)),
        *(f"sum_backward_output{k}" for k in (0, 1)),
    ]
    np.testing.assert_allclose(given["fc_backward_output0"], inner)
    np.testing.assert_allclose(given["fc_backward_output2"], [1, 1])
    np.testing.assert_allclose(given["tanh_backward_output"], inner * (1 - np.tanh(1) ** 2), rtol=1e-5)
    both = given["tanh_backward_output"] + given["sigmoid_backward_output"]
    np.testing.assert_allclose(both, ex.grad_dict["x"], rtol=1e-6)


def test_a_monitor_every_other_batch(caplog):
    net = sym.SoftmaxOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc"), name="softmax")
    module = Module(net)
    module.bind([("data", (2, 3))], [("softmax_label", (2,))])
    module.init_params(Uniform(0.5))
    module.init_optimizer()
    monitor = Monitor(2, pattern="fc_weight|(fc|softmax)_output", sort=True)
    module.install_monitor(monitor)
    batch = DataBatch([np.ones((2, 3), "f4")], [np.zeros(2)])
    seen = []
    for _ in range(4):
        monitor.tic()
        module.step(batch)
        seen.append(monitor.toc())
    assert [[(step, name) for step, name, _ in found] for found in seen] == [
        [(1, "fc_output"), (1, "fc_weight"), (1, "softmax_output")], [],
        [(3, "fc_output"), (3, "fc_weight"), (3, "softmax_output")], [],
    ]  # fmt: skip
    assert not module.executor.monitored
    monitor.tic()
    module.forward(batch)
    value = np.linalg.norm(module.get_outputs()[0]) / np.sqrt(6)
    with caplog.at_level(logging.INFO):
        monitor.toc_print()
    line = next(r.getMessage() for r in caplog.records if "softmax_output" in r.getMessage())
    assert line.startswith("Batch:       5 softmax_output                 ")
    assert float(line.split()[-1]) == pytest.approx(value, rel=1e-5)
    with pytest.raises(ParameterError, match="interval must be a whole number from 1"):
        Monitor(0)
