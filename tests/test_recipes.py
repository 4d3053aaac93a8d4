"""What options of a training do to its numbers, against the same written down in float64 NumPy."""

import math
from contextlib import contextmanager

import numpy as np
import pytest
import tiny

from graphnn import sym
from graphnn.errors import NumericError
from graphnn.model import load_params
from graphnn.runs import loop
from graphnn.runs import run as runs
from graphnn.runs.config import LEARNING_RATES, Config
from graphnn.runs.rate import find_rate
from graphnn.runs.schedule import optimizer_params
from graphnn.train.optimizer import create


@contextmanager
def silent(label, total):
    yield lambda values: None


def network(classes=10):
    x = sym.FullyConnected(sym.Flatten(sym.Variable("data")), num_hidden=12, name="a")
    x = sym.FullyConnected(sym.Activation(x, act_type="tanh"), num_hidden=classes, name="b")
    return sym.SoftmaxOutput(x, name="softmax")


def begun(folder, note=lambda text: None, **options):
    data = tiny.write_digits(folder.parent / "data")
    config = Config.from_mapping({"data_dir": data, "epochs": 2, "threads": 1, **options})
    return runs.start(config, network, folder, note)


def trained(folder, **options):
    run = begun(folder, **options)
    loop.train(run, silent, lambda record: None)
    return run.module.get_params()[0]


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("optimizer", LEARNING_RATES)
def test_added_up_gradients_are_those_of_a_larger_batch(tmp_path, optimizer, clip):
    whole = trained(tmp_path / "whole", batch_size=24, optimizer=optimizer, clip_norm=clip)
    parts = trained(tmp_path / "parts", batch_size=6, accumulate=4, optimizer=optimizer, clip_norm=clip)
    for name, w in whole.items():
        np.testing.assert_allclose(parts[name], w, rtol=0, atol=3e-7)


def hidden(w, x):
    return np.tanh(x.reshape(len(x), -1).astype(np.float64) @ w["a_weight"].T + w["a_bias"])


def probabilities(w, x):
    z = hidden(w, x) @ w["b_weight"].T + w["b_bias"]
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def gradients(w, x, y):
    """Of the sum of -log p[label] over a batch."""
    h, dz = hidden(w, x), probabilities(w, x) - np.eye(10)[y.astype(int)]
    x = x.reshape(len(x), -1).astype(np.float64)
    da = dz @ w["b_weight"] * (1 - h * h)
    return {"a_weight": da.T @ x, "a_bias": da.sum(0), "b_weight": dz.T @ h, "b_bias": dz.sum(0)}


def test_clipped_steps_with_momentum_and_their_average(tmp_path):
    """lr rises in 2 of the 8 steps and falls by a cosine; the norm is of the mean gradients, before the decay."""
    lr, decay, limit, beta, wd = 0.5, 0.8, 0.3, 0.9, 0.01
    run = begun(
        tmp_path / "run",
        batch_size=6,
        accumulate=2,
        clip_norm=limit,
        ema=decay,
        lr=lr,
        wd=wd,
        momentum=beta,
        warmup=0.5,
    )
    w = {n: a.astype(np.float64) for n, a in run.module.get_params()[0].items()}
    moved, average = ({n: np.zeros_like(a) for n, a in w.items()} for _ in range(2))
    clipped = 0
    for t in range(1, 9):
        total = dict.fromkeys(w, 0.0)
        for k in range(2 * ((t - 1) % 4), 2 * ((t - 1) % 4) + 2):
            batch = run.feed.source.make(1 + (t - 1) // 4, k)
            total = {n: total[n] + g / 12 for n, g in gradients(w, batch.data[0], batch.label[0]).items()}
        norm = math.sqrt(sum((g**2).sum() for g in total.values()))
        clipped += norm > limit
        rate = lr * t / 2 if t < 2 else lr * (1 + math.cos(math.pi * (t - 2) / 6)) / 2
        for n, g in total.items():
            whole = g * min(1, limit / norm) + (wd * w[n] if n.endswith("weight") else 0)
            moved[n] = beta * moved[n] - rate * whole
            w[n] = w[n] + moved[n]
            average[n] = decay * average[n] + (1 - decay) * w[n]
    assert clipped > 4
    loop.train(run, silent, lambda record: None)
    kept, _ = load_params(str(run.folder / "model"), 2)
    for n, a in run.module.get_params()[0].items():
        np.testing.assert_allclose(a, w[n], rtol=0, atol=1e-6)
        np.testing.assert_allclose(kept[n], average[n] / (1 - decay**8), rtol=0, atol=1e-6)


def test_the_search_for_a_rate(tmp_path):
    """Each step is on a batch of its own, at the next rate; the loss is that before the step, and averaged."""
    run = begun(tmp_path / "run", batch_size=6, optimizer="sgd", momentum=0.0, wd=0.0)
    w = {n: a.astype(np.float64) for n, a in run.module.get_params()[0].items()}
    rates = [1e-6 * 1e7 ** (t / 200) for t in range(1, 201)]
    mean, wanted, source = 0.0, [], run.feed.source
    for t, lr in enumerate(rates):
        batch = source.make(1 + t // len(source), t % len(source))
        x, y = batch.data[0], batch.label[0]
        mean = 0.9 * mean - 0.1 * np.log(probabilities(w, x)[np.arange(6), y.astype(int)]).mean()
        wanted.append(mean / (1 - 0.9 ** (t + 1)))
        if wanted[-1] > 4 * min(wanted):
            break
        w = {n: w[n] - lr * g / 6 for n, g in gradients(w, x, y).items()}
    found = find_rate(run, silent)
    stable = sum(lr < 0.1 for lr in rates)
    assert len(found.losses) > stable and len(found.losses) == len(found.rates)
    np.testing.assert_allclose(found.rates, rates[: len(found.rates)], rtol=1e-9)
    np.testing.assert_allclose(found.losses[:stable], wanted[:stable], rtol=1e-5)
    assert found.suggestion == found.rates[int(np.argmin(found.losses))] / 10


def test_a_network_without_a_finite_loss_has_no_rate(tmp_path):
    run = begun(tmp_path / "run", batch_size=6, momentum=0.0)
    run.module.set_params({n: a * np.nan for n, a in run.module.get_params()[0].items()}, {})
    with pytest.raises(NumericError, match="the loss grows from the first steps on"):
        find_rate(run, silent)


def test_frozen_parameters_keep_every_bit(tmp_path):
    before = begun(tmp_path / "run", batch_size=8).module.get_params()[0]
    after = trained(tmp_path / "frozen", batch_size=8, freeze="a_*", clip_norm=0.1, ema=0.9, wd=0.1)
    assert {n for n, a in after.items() if (a == before[n]).all()} == {"a_weight", "a_bias"}


def rate(schedule, t, lr=0.4, steps=6, epochs=7, warmup=1.5, cycle=2.0, factor=0.1):
    """The rate of step t from 1, from the definitions."""
    whole, warm = steps * epochs, int(steps * warmup)
    if schedule == "onecycle":
        top = 0.3 * whole
        low, high, share = (lr / 25, lr, t / top) if t < top else (lr / 250_000, lr, 1 - (t - top) / (whole - top))
        return low + (high - low) * (1 - math.cos(math.pi * share)) / 2
    if t < warm:
        return lr * t / warm
    left = (t - warm) / (whole - warm)
    if schedule == "restarts":
        ends = [warm + cycle * steps * (2**k - 1) for k in range(6)]
        k = max(k for k, end in enumerate(ends) if end <= t)
        return lr * (1 + math.cos(math.pi * (t - ends[k]) / (ends[k + 1] - ends[k]))) / 2
    return {
        "constant": lr,
        "cosine": lr * (1 + math.cos(math.pi * left)) / 2,
        "poly": lr * (1 - left) ** 2,
        "step": lr * factor ** ((t > whole // 2) + (t > whole * 3 // 4)),
    }[schedule]


@pytest.mark.parametrize("factor", [0.1, 0.5])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "poly", "step", "onecycle", "restarts"])
def test_schedules_of_a_run(schedule, factor):
    options = {"schedule": schedule, "lr": 0.4, "epochs": 7, "warmup": 1.5, "cycle": 2, "lr_factor": factor}
    scheduler = create("sgd", **optimizer_params(Config.from_mapping(options), 6)).lr_scheduler
    wanted = [rate(schedule, t, factor=factor) for t in range(1, 43)]
    np.testing.assert_allclose([scheduler(t) for t in range(1, 43)], wanted, rtol=1e-9, atol=1e-12)
