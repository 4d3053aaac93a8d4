"""Schedules against MXNet's update-by-update rules, written out here with their state, and from any starting point."""

import dataclasses
import math
import pickle

import pytest

from graphnn.errors import ParameterError
from graphnn.train.lr_scheduler import (
    CosineScheduler,
    FactorScheduler,
    LRScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    create,
)


def factor_rates(updates, step, factor, stop, base):
    """Multiply at every update that has passed another `step` updates, as MXNet's scheduler does."""
    rate, count = base, 0
    for n in range(updates):
        while n > count + step:
            count += step
            rate = max(rate * factor, stop)
        yield rate


def test_factor():
    scheduler = FactorScheduler(7, 0.5, stop_factor_lr=0.01, base_lr=0.4)
    assert [scheduler(n) for n in range(60)] == pytest.approx(list(factor_rates(60, 7, 0.5, 0.01, 0.4)), rel=1e-14)
    assert [FactorScheduler(3, 0.1)(n) for n in (0, 3, 4, 6, 7, 10**6)] == pytest.approx(
        [1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-8]
    )
    assert FactorScheduler(3)(100) == 0.01
    assert FactorScheduler(3, 0.5, stop_factor_lr=1.0)(3) == 0.01  # the stop is looked at only when the rate changes


def test_multi_factor():
    scheduler = MultiFactorScheduler([3, 5, 11], 0.1, base_lr=2.0)
    expected = [2.0] * 4 + [0.2] * 2 + [0.02] * 6 + [0.002] * 3
    assert [scheduler(n) for n in range(15)] == pytest.approx(expected)


@pytest.mark.parametrize("power", [1, 2, 0.9])
def test_poly(power):
    scheduler = PolyScheduler(20, base_lr=0.5, pwr=power, final_lr=0.1, warmup_steps=4)
    expected = [0.1 + 0.4 * pow(1 - (n - 4) / 16, power) for n in range(4, 21)]
    assert [scheduler(n) for n in range(4, 21)] == pytest.approx(expected)
    assert scheduler(21) == scheduler(1000) == 0.1
    assert PolyScheduler(10)(5) == pytest.approx(0.0025)


def test_cosine():
    scheduler = CosineScheduler(20, base_lr=0.5, final_lr=0.1, warmup_steps=4)
    expected = [0.1 + 0.4 * (1 + math.cos(math.pi * (n - 4) / 16)) / 2 for n in range(4, 21)]
    assert [scheduler(n) for n in range(4, 21)] == pytest.approx(expected)
    assert scheduler(12) == pytest.approx(0.3)
    assert scheduler(21) == scheduler(1000) == pytest.approx(0.1)


KINDS = [("factor", {"step": 3, "factor": 0.5}), ("multifactor", {"step": [2, 9]}), ("poly", {"max_update": 20})]
KINDS += [("cosine", {"max_update": 20})]


@pytest.mark.parametrize(("name", "given"), KINDS)
def test_warm_up(name, given):
    linear = create(name, base_lr=0.5, warmup_steps=5, warmup_begin_lr=0.1, **given)
    assert [linear(n) for n in range(5)] == pytest.approx([0.1, 0.18, 0.26, 0.34, 0.42])
    constant = create(name, base_lr=0.5, warmup_steps=5, warmup_begin_lr=0.1, warmup_mode="constant", **given)
    assert [constant(n) for n in range(5)] == [0.1] * 5
    assert [linear(n) for n in range(5, 30)] == [constant(n) for n in range(5, 30)]


def test_warm_up_counts_as_updates_of_the_schedule():
    scheduler = FactorScheduler(3, 0.5, base_lr=1.0, warmup_steps=8)
    assert [scheduler(n) for n in (7, 8, 9, 10)] == pytest.approx([7 / 8, 0.25, 0.25, 0.125])


@pytest.mark.parametrize(("name", "given"), KINDS)
def test_pure(name, given):
    scheduler = create(name, **given)
    forward = [scheduler(n) for n in range(40)]
    assert [scheduler(n) for n in reversed(range(40))] == forward[::-1]
    assert pickle.loads(pickle.dumps(scheduler)) == scheduler
    assert hash(scheduler) == hash(create(name, **given))
    with pytest.raises(dataclasses.FrozenInstanceError):
        scheduler.base_lr = 1.0
    assert dataclasses.replace(scheduler, base_lr=0.02)(1) == pytest.approx(2 * forward[1])


def test_names():
    assert create("CosineScheduler", max_update=3) == CosineScheduler(3) == create("cosine", max_update=3)
    assert isinstance(create("multifactor", step=[1]), LRScheduler)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FactorScheduler(0), "FactorScheduler: step must be at least 1, got 0"),
        (lambda: FactorScheduler(1, 1.5), r"FactorScheduler: factor must be in \[0, 1\], got 1.5"),
        (lambda: MultiFactorScheduler([]), r"step must be a list of increasing numbers from 1, got \[\]"),
        (lambda: MultiFactorScheduler([0, 3]), r"increasing numbers from 1, got \[0, 3\]"),
        (lambda: MultiFactorScheduler([3, 3]), r"increasing numbers from 1, got \[3, 3\]"),
        (lambda: MultiFactorScheduler(5), "increasing numbers from 1, got 5"),
        (lambda: MultiFactorScheduler([5], -0.1), r"factor must be in \[0, 1\], got -0.1"),
        (lambda: PolyScheduler(0), "PolyScheduler: max_update must be above warmup_steps, 0, got 0"),
        (lambda: CosineScheduler(5, warmup_steps=5), "max_update must be above warmup_steps, 5, got 5"),
        (lambda: PolyScheduler(5, pwr=0), "pwr must be positive, got 0"),
        (lambda: CosineScheduler(5, warmup_steps=-1), "warmup_steps must not be negative, got -1"),
        (lambda: CosineScheduler(5, warmup_mode="cubic"), "warmup_mode is linear or constant, got 'cubic'"),
        (lambda: CosineScheduler(5, warmup_begin_lr=1.0), "warmup_begin_lr must be at most base_lr, 0.01, got 1.0"),
        (lambda: create("cosin", max_update=3), "unknown schedule 'cosin', did you mean 'cosine'"),
        (
            lambda: create("poly", step=3),
            r"schedule 'poly': .*; its parameters are: max_update, base_lr",
        ),
        (lambda: create("factor"), "schedule 'factor': missing a required argument: 'step'"),
    ],
)
def test_messages(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
