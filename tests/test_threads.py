"""Threads: every operator cut into slices gives what it gives whole; who fails lets nobody wait."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES
from table_rows import GROUPS, bound

from graphnn import models, sym
from graphnn.backend import compile, get
from graphnn.backends.numpy import threads
from graphnn.backends.numpy.pace import Pace
from graphnn.data import DataBatch
from graphnn.graph import Value, apply, outputs_of
from graphnn.op import variable
from graphnn.ops.norm import _batch_norm
from graphnn.passes.gradient import gradient
from graphnn.plan import Graph
from graphnn.train.initializer import Xavier
from graphnn.train.module import Module

ROWS = [c for c in CASES if get("numpy").supports(c.op) and not c.op.random and "composed" not in c.tags]


@pytest.fixture(autouse=True)
def cut_everything(monkeypatch):
    monkeypatch.setattr(threads, "LEAST", 0)


def run(plan, arrays, count):
    """Run a plan on copies of the arrays; give the heads."""
    heads = {f"output:{k}": np.full(t.shape, 9, t.dtype) for k, t in enumerate(plan.heads)}
    program = get("numpy").link(plan, {k: v.copy() for k, v in arrays.items()} | heads, count)
    program.run()  # by threads
    first = [h.copy() for h in heads.values()]
    program.run()  # the same calls one after another
    for a, b in zip(first, heads.values(), strict=True):
        np.testing.assert_array_equal(a, b)
    return first


@pytest.mark.parametrize("case", ROWS, ids=lambda c: c.id)
def test_operator(case):
    xs = [np.asarray(x, np.float64) for x in case.inputs(np.random.default_rng(5))]
    values = [variable(f"x{k}", x.shape, "float64") for k, x in enumerate(xs)]
    ys = outputs_of(apply(case.op, *values))
    if case.op.differentiable:
        found = gradient(ys[:1], [variable("g", ys[0].shape, ys[0].dtype)], values)
        ys += [g for g in found.values() if g is not None]
    arrays = {f"x{k}": x for k, x in enumerate(xs)}
    arrays["g"] = np.random.default_rng(6).normal(size=ys[0].shape).astype(ys[0].dtype)
    types = {v.node.name: v.type for v in values} | {"g": ys[0].type}
    plan = compile(Graph(tuple(ys)), types)
    whole = run(plan, arrays, 1)
    for count in (2, 3):
        for a, b in zip(whole, run(plan, arrays, count), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rows", GROUPS, ids=lambda rows: rows[0].op.name)
def test_operator_as_it_is_bound(rows):
    """Those too that are composed, and what becomes of them all."""
    rng = np.random.default_rng(7)
    inputs = [case.inputs(rng) for case in rows]
    found = []
    for count in (1, 2, 3):
        ex, rng = bound(rows, inputs, "numpy", True, count), np.random.default_rng(8)
        outs = [y.copy() for y in ex.forward(is_train=True)]
        if ex.grad_dict:
            ex.backward([rng.normal(size=y.shape).astype(y.dtype) for y in ex.outputs])
        found.append([*outs, *ex.grad_dict.values()])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            scale = max(1.0, float(np.abs(a).max(initial=0))) if np.isfinite(a).all() else 1.0
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=2e-6 * scale)


@pytest.mark.parametrize("axis", [0, -2])
def test_channels_that_come_first_are_cut(axis):
    """LayerNorm's rows are the channels of a BatchNorm along axis 0."""
    x, gamma, beta = (variable(name, shape) for name, shape in (("x", (10, 6)), ("gamma", (10,)), ("beta", (10,))))
    y = apply(_batch_norm(1e-3, False, axis), x, gamma, beta)
    found = gradient([Value(y)], [variable("g", (10, 6))], [x, gamma, beta])
    types = {v.node.name: v.type for v in (x, gamma, beta)} | {"g": x.type}
    plan = compile(Graph((*outputs_of(y), *found.values())), types)
    rng = np.random.default_rng(3)
    arrays = {name: rng.normal(size=t.shape).astype(np.float32) for name, t in types.items()}
    whole = run(plan, arrays, 1)
    for count in (2, 3):
        for a, b in zip(whole, run(plan, arrays, count), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "shape"), [("alexnet", (7, 1, 28, 28)), ("resnet-20", (6, 3, 32, 32))])
def test_training(name, shape):
    rng = np.random.default_rng(0)
    batch = DataBatch([rng.normal(size=shape)], [rng.integers(0, 10, shape[0])])
    found = []
    for count in (1, 2, 3):
        module = Module(models.get(name), threads=count)
        module.bind([("data", shape)], [("softmax_label", shape[:1])])
        module.init_params(Xavier())
        module.init_optimizer(None, "sgd", {"learning_rate": 0.01, "momentum": 0.9})
        for _ in range(2):
            module.step(batch)
        module.forward(batch, is_train=False)
        arg, aux = module.get_params()
        found.append({**arg, **aux, "output": module.get_outputs()[0].copy()})
    for other in found[1:]:
        for key, value in found[0].items():
            np.testing.assert_allclose(other[key], value, rtol=2e-3, atol=2e-5, err_msg=key)


def plan_of_relu():
    x = variable("x", (4, 3))
    y = apply(sym.Activation(sym.Variable("x"), act_type="relu").values[0].node.op, x)
    return compile(Graph(tuple(outputs_of(y))), {"x": x.type})


@pytest.mark.parametrize("thread", [0, 1])
@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failing_thread_lets_nobody_wait(thread, failure):
    plan = plan_of_relu()
    x, y = np.ones((4, 3), np.float32), np.zeros((4, 3), np.float32)
    program = get("numpy").link(plan, {"x": x, "output:0": y}, 2)
    calls = program._runs[0][0][thread]
    kept = list(calls)

    def fail():
        raise failure("on purpose")

    calls[:] = [fail]
    for _ in range(2):  # by threads, then one after another
        with pytest.raises(failure):
            program.run()
    calls[:] = kept
    program.run()
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", ["lenet", "mlp"])
def test_what_overflows_is_silent(name, count):
    """Warnings are errors here; errstate must hold in every thread."""
    shape = (4, 784) if name == "mlp" else (4, 1, 28, 28)
    module = Module(models.get(name, num_classes=10), threads=count)
    module.bind([("data", shape)], [("softmax_label", (4,))])
    module.init_params()
    args, aux = module.get_params()
    module.set_params({k: v * np.float32(1e38) for k, v in args.items()}, aux)
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 1e10, "momentum": 0.9})
    batch = DataBatch([np.full(shape, 1e3, "float32")], [np.zeros(4, "float32")])
    for _ in range(2):
        module.forward_backward(batch)
        module.update()
    module.forward(batch, is_train=False)
    assert not np.isfinite(module.get_outputs()[0]).all()


def test_a_chain_over_the_batch_has_no_barrier():
    net = sym.Variable("x")
    for _ in range(3):
        net = sym.exp(net)
    plan = net.plan(x=(4, 3))
    assert [len(phase) for phase in threads.phases(plan.steps, 2)] == [6]


def test_a_sum_over_the_batch_waits_and_adds():
    net = sym.Convolution(sym.Variable("x"), kernel=(1, 1), num_filter=2, name="c")
    executor = net.simple_bind(x=(4, 3, 2, 2), grad_req={"c_weight": "write"})
    steps = [s for s in executor.plan(True).steps if s.op.name == "_conv_last_weight_grad"]
    first, second = threads.phases(steps, 2)
    assert [p.outs[0].slot.name for p in first] == [None, "partial:1"]
    assert {p.op.name for p in second} == {"add_n"}


def test_pace_takes_the_faster_way_and_tries_the_other_now_and_then():
    pace = Pace()

    def run(seconds):
        way = pace.together()
        pace.took(way, seconds[way])
        return way

    assert [run({True: 1.0, False: 2.0}) for _ in range(8)] == [True, False] * 3 + [True, True]
    ways = [run({True: 3.0, False: 2.0}) for _ in range(200)]
    assert not any(ways[10:50]) and ways[64:].count(True) == 2  # busier now: alone, but for the tries
