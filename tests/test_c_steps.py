"""Programs of the C backend as a whole: one call a step, what falls back, what is left to NumPy between segments."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from graphnn import models, sym
from graphnn.backend import compile, get
from graphnn.backends.c import CBackend
from graphnn.bound import Bound
from graphnn.data import DataBatch
from graphnn.errors import BackendError
from graphnn.executor import plan_of
from graphnn.train.module import Module
from graphnn.train.optimizer import create
from graphnn.train.running import Running
from graphnn.train.step import step_graph

try:
    get("c").passes()
except BackendError as error:
    pytest.skip(str(error), allow_module_level=True)


def module(net, shape, backend: str, threads: int = 1) -> Module:
    m = Module(net, backend=backend, threads=threads)
    m.bind([("data", shape)], [("softmax_label", shape[:1])])
    m.init_params()
    m.init_optimizer(None, "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    return m


def batch(shape) -> DataBatch:
    rng = np.random.default_rng(3)
    return DataBatch([rng.normal(size=shape).astype("float32")], [rng.integers(0, 3, shape[0]).astype("float32")])


def test_a_training_step_is_one_call(tmp_path):
    net = sym.load(str(tiny.write_network(tmp_path / "n.json")))
    m = module(net, (4, 1, 6, 6), "c")
    m.step(batch((4, 1, 6, 6)))
    program = m._now.step._program
    assert len(program._runs[None]) == 1 and {s.part for s in program.plan.steps} == {0, 1}


def test_numpy_kernels_run_between_segments():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=8)
    net = sym.relu(sym.cbrt(net))  # cbrt has no emitter
    net = sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=3), name="softmax")
    ours, numpy = (module(net, (5, 7), backend) for backend in ("c", "numpy"))
    for m in (ours, numpy):
        for _ in range(3):
            m.step(batch((5, 7)))
    found = CBackend().plan_fallbacks(ours._now.step.plan)
    assert any("cbrt" in line for line in found) and len(ours._now.step._program._runs[None]) > 2
    for name, a in numpy.get_params()[0].items():
        np.testing.assert_allclose(ours.get_params()[0][name], a, rtol=1e-4, atol=1e-6, err_msg=name)


# one network a family, or several where what they are made of differs
NETWORKS = [
    "alexnet", "lenet", "mlp", "resnet-20", "resnet-20-v2", "resnet-18", "resnet-50", "resnet-50-v2",
    "resnext-50-32x4d", "se-resnet-18", "vgg-11", "vgg-11-bn", "mobilenet", "mobilenet-v2", "squeezenet",
    "alexnet-imagenet", "inception-bn-28", "mobilefacenet",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("googlenet", "densenet-40-12")),
]  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_models_leave_nothing_to_numpy(name):
    """Inference and a training step with every optimiser's kind: each operator has an emitter."""
    image = models.MODELS[name].input
    net = models.get(name)
    bound = Bound(net, {"data": (2, *image)}, {})
    reqs = {n: "null" if n in ("data", "softmax_label") else "write" for n in bound.arguments}
    graph, inputs = bound.inference()
    plans = [compile(graph, inputs, "c")]
    for optimizer in ("sgd", "adam") if name in ("alexnet", "mlp") else ("sgd",):
        weights = {n: np.broadcast_to(np.float32(0), bound.types[n].shape) for n, r in reqs.items() if r != "null"}
        running = Running(create(optimizer), weights, list(weights), net.attr_dict())
        plans.append(compile(*step_graph(bound, reqs, running), "c"))
    for plan in plans:
        assert CBackend().plan_fallbacks(plan) == []


def detector():
    """Two scales with prelu, scores by channel, anchors, detections."""
    x = sym.Variable("data")
    deep = sym.Convolution(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), num_filter=20, name="deep")
    deep = sym.LeakyReLU(deep, act_type="prelu", name="deep_act")
    same = sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=20, name="same")
    up = sym.Crop(sym.UpSampling(deep, scale=2, sample_type="nearest", num_args=1), same)
    both = sym.LeakyReLU(same + up, act_type="prelu", name="both_act")
    scores = sym.Convolution(both, kernel=(1, 1), num_filter=6, name="scores")
    scores = sym.SoftmaxActivation(sym.Reshape(scores, shape=(0, 3, -1)), mode="channel")
    anchors = sym.contrib.MultiBoxPrior(both, sizes=(0.3,), ratios=(1, 2))
    shifts = sym.Flatten(sym.Convolution(both, kernel=(1, 1), num_filter=8, name="shifts"))
    return sym.Group([scores, anchors, sym.contrib.MultiBoxDetection(scores, shifts, anchors, name="found")])


def test_a_detector_leaves_only_its_detections_to_numpy():
    outs, shape = [], (2, 3, 8, 12)
    for backend in ("c", "numpy"):
        ex = detector().simple_bind("null", data=shape, backend=backend)
        rng = np.random.default_rng(0)
        for a in ex.arg_dict.values():
            a[...] = rng.normal(size=a.shape) * 0.2
        outs.append([y.copy() for y in ex.forward()])
        ops = [s.op.name for s in ex._program(False).plan.steps]
        assert not {"_contrib_MultiBoxPrior", "_anchors"} & set(ops)
    for ours, numpy in zip(*outs, strict=True):
        np.testing.assert_allclose(ours, numpy, rtol=1e-4, atol=1e-5)
    plan = plan_of(detector(), False, {"data": shape}, "c")
    assert CBackend().plan_fallbacks(plan) == ["found (_contrib_MultiBoxDetection)"]
    assert not [s for s in plan.steps if s.op.name in ("LeakyReLU", "_prelu")]
    assert any(s.op.name == "_conv" and "sel(" in str(s.op.body) for s in plan.steps)


@pytest.mark.parametrize("shape", [(6, 3, 16, 16), (1, 3, 16, 16)])
def test_frozen_inference_is_that_of_numpy(shape):
    net = models.get("resnet-20")
    rng = np.random.default_rng(0)
    outs = []
    for backend in ("c", "numpy"):
        ex = net.simple_bind("null", data=shape, backend=backend)
        rng = np.random.default_rng(0)
        for a in (*ex.arg_dict.values(), *ex.aux_dict.values()):
            a[...] = rng.uniform(0.1, 0.5, a.shape)
        ex.freeze("data")
        outs.append(ex.forward(data=rng.normal(size=shape))[0].copy())
    np.testing.assert_allclose(*outs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("hidden", [33, 144, 1024])
def test_weights_are_updated_where_their_gradient_is_made(hidden):
    """Widths that leave part panels, lie apart by powers of two, or neither."""
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=hidden, name="fc1")
    net = sym.SoftmaxOutput(sym.FullyConnected(sym.relu(net), num_hidden=3, name="fc2"), name="softmax")
    ours, numpy = (module(net, (20, 129), backend) for backend in ("c", "numpy"))
    for m in (ours, numpy):
        for _ in range(3):
            m.step(batch((20, 129)))
    assert any("sgd_mom" in s.name and s.op.name == "_product" for s in ours._now.step.plan.steps)
    for name, a in numpy.get_params()[0].items():
        np.testing.assert_allclose(ours.get_params()[0][name], a, rtol=1e-4, atol=1e-6, err_msg=name)
