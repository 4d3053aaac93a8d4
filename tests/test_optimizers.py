"""Every optimiser by its paper's formula, in float64, on both backends: six steps of three parameters."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from c_targets import native

from graphnn import backend as backends
from graphnn.errors import ParameterError
from graphnn.train.lr_scheduler import FactorScheduler
from graphnn.train.optimizer import OPTIMIZERS, Optimizer, create
from graphnn.train.running import Running
from graphnn.train.step import update_graph
from graphnn.types import TensorType

SHAPES = {"a_weight": (4, 3), "a_bias": (4,), "b_weight": (1, 5)}
STEPS = 6


def trained(optimizer: Optimizer, backend: str = "numpy", shapes=SHAPES, dtype="float32", steps=STEPS, state=(1, 1)):
    """Take steps with random gradients; give the weights before, the gradients of each step, the weights after each."""
    if backend == "c":
        native()
    rng = np.random.default_rng(7)
    weights = {n: rng.standard_normal(s).astype(dtype) for n, s in shapes.items()}
    grads = {n: np.zeros(s, dtype) for n, s in shapes.items()}
    first = {n: w.astype(np.float64) for n, w in weights.items()}
    running = Running(optimizer, weights, list(shapes), {})
    bound = SimpleNamespace(types={n: TensorType(s, dtype) for n, s in shapes.items()})
    plan = backends.compile(*update_graph(bound, running, list(shapes)), backend)
    random = np.array(state, np.uint64)
    arrays = {**weights, **{f"grad:{n}": g for n, g in grads.items()}, **running.arrays, "random:state": random}
    program = backends.get(backend).link(plan, arrays, 1)
    shown, after = [], []
    for _ in range(steps):
        for g in grads.values():
            g[...] = rng.standard_normal(g.shape)
        running.next_step()
        program.run()
        random[1] += np.uint64(1)
        shown.append({n: g.astype(np.float64) for n, g in grads.items()})
        after.append({n: w.astype(np.float64) for n, w in weights.items()})
    return first, shown, after


# The formulas: (weight, gradient, states to keep, step, what the optimiser was made with) -> new weight.
# `g` comes rescaled, and `wd` is that of the parameter.


def mixed(s, key, value, share):
    s[key] = share * s.get(key, 0) + (1 - share) * value
    return s[key]


def cut(g, clip):
    return g if clip is None else np.clip(g, -clip, clip)


def signum(w, g, s, t, lr, wd, clip, momentum=0.9, wd_lh=0.1):
    m = mixed(s, "m", -(cut(g, clip) + wd * w), momentum)
    return (1 - lr * wd_lh) * w + lr * np.sign(m)


def signsgd(w, g, s, t, lr, wd, clip):
    return w - lr * (np.sign(g) + wd * w)


def ftml(w, g, s, t, lr, wd, clip, beta1=0.6, beta2=0.999, epsilon=1e-8):
    g = cut(g + wd * w, clip)
    v = mixed(s, "v", g * g, beta2)
    d = (1 - beta1**t) / lr * (np.sqrt(v / (1 - beta2**t)) + epsilon)
    sigma = d - beta1 * s.get("d", 0)
    s["d"] = d
    s["z"] = beta1 * s.get("z", 0) + (1 - beta1) * g - sigma * w
    return -s["z"] / d


def adadelta(w, g, s, t, lr, wd, clip, rho=0.9, epsilon=1e-5):
    g = cut(g, clip)
    n = mixed(s, "n", g * g, rho)
    step = np.sqrt(s.get("d", 0) + epsilon) / np.sqrt(n + epsilon) * g
    mixed(s, "d", step * step, rho)
    return w - step - wd * w


def adamax(w, g, s, t, lr, wd, clip, beta1=0.9, beta2=0.999):
    g = cut(g + wd * w, clip)
    m = mixed(s, "m", g, beta1)
    s["u"] = np.maximum(beta2 * s.get("u", 0), np.abs(g))
    return w - lr / (1 - beta1**t) * m / s["u"]


def dcasgd(w, g, s, t, lr, wd, clip, momentum=0.9, lamda=0.5):
    g = cut(g, clip)
    s["m"] = momentum * s.get("m", 0) - lr * (g + wd * w + lamda * g * g * (w - s.get("p", w)))
    s["p"] = w
    return w + s["m"]


def ftrl(w, g, s, t, lr, wd, clip, lamda1=0.3, beta=1):
    g = cut(g, clip)
    n = s.get("n", 0)
    s["n"] = n + g * g
    s["z"] = s.get("z", 0) + g - (np.sqrt(s["n"]) - np.sqrt(n)) / lr * w
    new = -(s["z"] - lamda1 * np.sign(s["z"])) / ((beta + np.sqrt(s["n"])) / lr + wd)
    return np.where(np.abs(s["z"]) > lamda1, new, 0)


def graves(w, g, s, t, lr, wd, clip, gamma1=0.9, gamma2=0.9, epsilon=1e-8, clip_weights=1.0, centered=True):
    g = cut(g + wd * w, clip)
    n, m = mixed(s, "n", g * g, gamma1), mixed(s, "m", g, gamma1)
    s["d"] = gamma2 * s.get("d", 0) - lr * g / np.sqrt(n - m * m + epsilon)
    return np.clip(w + s["d"], -clip_weights, clip_weights)


def bounded(w, g, s, t, lr, wd, clip, gamma1=0.9, epsilon=1e-8, clip_weights=1.0):
    g = cut(g + wd * w, clip)
    new = w - lr * g / np.sqrt(mixed(s, "n", g * g, gamma1) + epsilon)
    return np.clip(new, -clip_weights, clip_weights)


def lamb(w, g, s, t, lr, wd, clip, beta1=0.9, beta2=0.999, epsilon=1e-6, lower_bound=2.0, upper_bound=3.0):
    g = cut(g, clip)
    m, v = mixed(s, "m", g, beta1) / (1 - beta1**t), mixed(s, "v", g * g, beta2) / (1 - beta2**t)
    u = m / (np.sqrt(v) + epsilon) + wd * w
    size = np.clip(np.sqrt((w * w).sum()), lower_bound, upper_bound)
    return w - lr * size / np.sqrt((u * u).sum()) * u


def lars(w, g, s, t, lr, wd, clip, momentum=0.9, eta=0.1, eps=0.01):
    size, slope = np.sqrt((w * w).sum()), np.sqrt((g * g).sum())
    if w.ndim > 1:
        lr = lr * eta * size / (slope + wd * size + eps)
    s["m"] = momentum * s.get("m", 0) - lr * (cut(g, clip) + wd * w)
    return w + s["m"]


def lbsgd(w, g, s, t, lr, wd, clip, momentum=0.9, batch_scale=2, warmup_epochs=1, updates_per_epoch=4):
    s["g"] = s.get("g", 0) + g
    if t % batch_scale:
        return w
    g, s["g"] = s["g"] / batch_scale, 0
    rise = min(t / (warmup_epochs * updates_per_epoch), 1)
    s["m"] = momentum * s.get("m", 0) - lr * (1 + (batch_scale - 1) * rise) * (cut(g, clip) + wd * w)
    return w + s["m"]


FORMULAS = {
    "signum": (signum, {"momentum": 0.9, "wd_lh": 0.1}),
    "signsgd": (signsgd, {}),
    "ftml": (ftml, {}),
    "adadelta": (adadelta, {}),
    "adamax": (adamax, {}),
    "dcasgd": (dcasgd, {"momentum": 0.9, "lamda": 0.5}),
    "ftrl": (ftrl, {"lamda1": 0.3}),
    "rmsprop": (graves, {"centered": True, "clip_weights": 1.0}),
    "rmsprop bounded": (bounded, {"clip_weights": 1.0}),
    "lamb": (lamb, {"lower_bound": 2.0, "upper_bound": 3.0}),
    "lars": (lars, {"momentum": 0.9, "eta": 0.1, "eps": 0.01}),
    "lbsgd": (lbsgd, {"momentum": 0.9, "batch_scale": 2, "warmup_epochs": 1, "updates_per_epoch": 4}),
}


@pytest.mark.parametrize("backend", ["numpy", "c"])
@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name, backend):
    formula, params = FORMULAS[name]
    common = {"learning_rate": 0.05, "wd": 0.1, "clip_gradient": 0.6, "rescale_grad": 0.5}
    first, shown, after = trained(create(name.split()[0], **common, **params), backend)
    want, states = dict(first), {n: {} for n in first}
    for t, (grads, got) in enumerate(zip(shown, after, strict=True), 1):
        for n, w in want.items():
            wd = 0.1 if n.endswith("weight") else 0.0
            want[n] = formula(w, 0.5 * grads[n], states[n], t, 0.05, wd, 0.6, **params)
            np.testing.assert_allclose(got[n], want[n], rtol=2e-4, atol=5e-6, err_msg=f"{n} after {t}")


def test_nadam_goes_through_the_parameters():
    """Dozat's formula, with the one product of momentums that MXNet keeps for all parameters."""
    beta1, beta2, decay, product = 0.9, 0.999, 0.004, 1.0
    first, shown, after = trained(create("nadam", learning_rate=0.05))
    want, states = dict(first), {n: {} for n in first}
    for t, (grads, got) in enumerate(zip(shown, after, strict=True), 1):
        now, following = (beta1 * (1 - 0.5 * 0.96 ** (s * decay)) for s in (t, t + 1))
        for n, g in grads.items():
            product *= now
            m, v = mixed(states[n], "m", g, beta1), mixed(states[n], "v", g * g, beta2)
            bar = (1 - now) * g / (1 - product) + following * m / (1 - product * following)
            want[n] = want[n] - 0.05 * bar / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
            np.testing.assert_allclose(got[n], want[n], rtol=2e-4, atol=5e-6, err_msg=f"{n} after {t}")


def test_group_adagrad_has_one_history_a_row():
    shapes = {"a_weight": (4, 3)}
    first, shown, after = trained(create("groupadagrad", learning_rate=0.1, eps=0.01), shapes=shapes)
    w, h = first["a_weight"], 0
    for grads, got in zip(shown, after, strict=True):
        g = grads["a_weight"]
        h = h + (g * g).mean(1, keepdims=True)
        w = w - 0.1 * g / np.sqrt(h + 0.01)
        np.testing.assert_allclose(got["a_weight"], w, rtol=1e-4, atol=1e-6)
    with pytest.raises(ParameterError, match="needs parameters of two axes"):
        trained(create("groupadagrad"))
    with pytest.raises(ParameterError, match="a_weight: groupadagrad has no weight decay"):
        trained(create("groupadagrad", wd=0.1), shapes=shapes)


@pytest.mark.parametrize("backend", ["numpy", "c"])
def test_sgld_draws_from_the_normal_distribution(backend):
    shapes = {"a_weight": (50, 40), "b_weight": (50, 40)}
    first, shown, after = trained(create("sgld", learning_rate=0.04, wd=0.5), backend, shapes, steps=2)
    noise = []
    for k, grads in enumerate(shown):
        before = first if k == 0 else after[k - 1]
        noise += [(after[k][n] - before[n] + 0.02 * (g + 0.5 * before[n])) / 0.2 for n, g in grads.items()]
    for e in noise:
        assert abs(e.mean()) < 0.1 and abs(e.std() - 1) < 0.05
    assert abs(np.corrcoef([e.ravel() for e in noise]) - np.eye(4)).max() < 0.1


def test_large_layers_without_a_gradient_stay():
    for name in ("lamb", "lars", "adamax"):
        optimizer = create(name, learning_rate=0.1)
        running = Running(optimizer, {"w_weight": np.ones((2, 2), "f4")}, ["w_weight"], {})
        bound = SimpleNamespace(types={"w_weight": TensorType((2, 2))})
        w = np.ones((2, 2), "f4")
        arrays = {"w_weight": w, "grad:w_weight": np.zeros((2, 2), "f4"), **running.arrays}
        plan = backends.compile(*update_graph(bound, running, ["w_weight"]), "numpy")
        running.next_step()
        backends.get("numpy").link(plan, arrays, 1).run()
        assert (w == 1).all(), name


@pytest.mark.parametrize("name", ["sgd", "adam", "signum"])
def test_half_precision(name):
    """With multi_precision steps too small for float16 add up."""
    rate = 1e-4
    params = {"learning_rate": rate, **({"momentum": 0.9} if name != "adam" else {})}
    _, _, plain = trained(create(name, **params), dtype="float16", steps=40)
    _, _, exact = trained(create(name, multi_precision=True, **params), dtype="float16", steps=40)
    _, _, whole = trained(create(name, **params), steps=40)
    for n, w in whole[-1].items():
        np.testing.assert_allclose(exact[-1][n], w, rtol=2e-3, atol=2e-3)
        assert np.isfinite(plain[-1][n]).all()
    first = trained(create(name, multi_precision=True, **params), dtype="float16", steps=1)[0]
    moved = {n: np.abs(exact[-1][n] - first[n]).max() for n in first}
    assert max(moved.values()) > 1e-3


def test_rates():
    step = FactorScheduler(1, factor=0.5, base_lr=0.3)
    assert create("sgd", lr_scheduler=step).rate(1) == 0.3
    assert create("sgd", lr_scheduler=step, learning_rate=0.8).rate(3) == pytest.approx(0.2)
    assert create("adam", lr_scheduler=step).rate(1) == 0.001  # Adam's own, as in MXNet
    later = create("sgd", lr_scheduler=step, begin_num_update=2)
    running = Running(later, {}, [], {})
    running.next_step()
    assert running.learning_rate == pytest.approx(0.3 / 4)
    with pytest.raises(ParameterError, match="the schedule gives the rate"):
        later.set_learning_rate(1.0)
    plain = create("sgd")
    plain.set_learning_rate(0.7)
    assert plain.rate(9) == 0.7


def test_multipliers_by_name_and_number():
    optimizer = create("sgd", learning_rate=0.5, wd=0.1)
    optimizer.set_lr_mult({"a_weight": 2.0, 1: 3.0})
    optimizer.set_wd_mult({"a_bias": 5.0})
    ops = [optimizer.update(n, {}, k) for k, n in enumerate(SHAPES)]
    assert [op.lr_mult for op in ops] == [2.0, 3.0, 1.0]
    assert [op.wd for op in ops] == pytest.approx([0.1, 0.5, 0.1])


def test_lars_keeps_the_momentum_of_a_changed_rate():
    step = FactorScheduler(1, factor=0.5, base_lr=0.4)
    numbers = create("lars", momentum=0.8, lr_scheduler=step).numbers(3, 5)
    assert numbers == pytest.approx([0.1, 0.4] * 4 + [0.1, 0.8])
    assert create("lars", momentum=0.8, lr_scheduler=step, momentum_correction=False).numbers(3, 1)[1] == 0.8


def test_names_are_mxnets():
    create("sgd")
    assert set(OPTIMIZERS) >= set(
        """adadelta adagrad adam adamax ccsgd dcasgd ftml ftrl groupadagrad lamb lars lbsgd nadam nag rmsprop sgd sgld
        signum""".split()
    )
    with pytest.raises(ParameterError, match="batch_scale must be a whole number from 1"):
        create("lbsgd", batch_scale=0)
