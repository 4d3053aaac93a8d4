"""Callbacks: MXNet's log lines, checkpoints at the right epochs, early stopping."""

import logging
import math
import sys
import types

import numpy as np
import pytest

from graphnn.errors import ParameterError
from graphnn.train import metric
from graphnn.train.callback import BatchEndParam, EarlyStop, Speedometer, do_checkpoint, log_train_metric


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


class Clock:
    """A clock that advances by `step` seconds at every batch."""

    def __init__(self, step):
        self.step, self.now = step, 0.0

    def __call__(self):
        return self.now


def run(callback, clock, batches=7, epochs=1, accuracy=None):
    """Epochs in which every even batch is right."""
    for epoch in range(epochs):
        if accuracy is not None:
            accuracy.reset()
        for nbatch in range(batches):
            clock.now += clock.step
            if accuracy is not None:
                accuracy.update([np.zeros(2)], [np.eye(2)[[nbatch % 2] * 2]])
            callback(BatchEndParam(epoch, nbatch, accuracy))


def test_speedometer_with_reset(lines):
    clock, accuracy = Clock(0.5), metric.Accuracy()
    run(Speedometer(16, 3, clock=clock), clock, 7, 2, accuracy)
    assert lines() == [
        "Epoch[0] Batch [0-3]\tSpeed: 32.00 samples/sec\taccuracy=0.500000",
        "Epoch[0] Batch [3-6]\tSpeed: 32.00 samples/sec\taccuracy=0.666667",
        "Epoch[1] Batch [0-3]\tSpeed: 32.00 samples/sec\taccuracy=0.500000",
        "Epoch[1] Batch [3-6]\tSpeed: 32.00 samples/sec\taccuracy=0.666667",
    ]
    assert accuracy.get_global()[1] == 4 / 7


def test_speedometer_without_reset(lines):
    clock, accuracy = Clock(0.25), metric.create(["acc", metric.CustomMetric(lambda label, pred: 2.5, "loss")])
    run(Speedometer(4, frequent=2, auto_reset=False, clock=clock), clock, 5, 1, accuracy)
    assert lines() == [
        "Epoch[0] Batch [0-2]\tSpeed: 16.00 samples/sec\taccuracy=0.666667\tloss=2.500000",
        "Epoch[0] Batch [0-4]\tSpeed: 16.00 samples/sec\taccuracy=0.600000\tloss=2.500000",
    ]


def test_speedometer_without_metric_and_with_a_clock_that_stands(lines):
    run(Speedometer(4, 2, clock=Clock(0)), Clock(0), 3)
    assert lines() == ["Iter[0] Batch [2]\tSpeed: inf samples/sec"]
    with pytest.raises(ParameterError, match="frequent must be at least 1, got 0"):
        Speedometer(4, 0)


def test_speedometer_by_the_real_clock(lines):
    run(Speedometer(4, 2), Clock(0), 3, 1, metric.Accuracy())
    assert lines()[0].startswith("Epoch[0] Batch [0-2]\tSpeed: ")


@pytest.mark.parametrize(("auto_reset", "last"), [(False, "0.600000"), (True, "0.500000")])
def test_log_train_metric(lines, auto_reset, last):
    callback = log_train_metric(2, auto_reset)
    run(callback, Clock(0), 5, 1, metric.Accuracy())
    assert lines() == [
        "Iter[0] Batch[0] Train-accuracy=1.000000",
        f"Iter[0] Batch[2] Train-accuracy={'0.500000' if auto_reset else '0.666667'}",
        f"Iter[0] Batch[4] Train-accuracy={last}",
    ]
    callback(BatchEndParam(0, 0, None))
    with pytest.raises(ParameterError, match="period must be at least 1, got 0"):
        log_train_metric(0)


@pytest.mark.parametrize(("period", "epochs"), [(1, [1, 2, 3, 4]), (2, [2, 4]), (0, [1, 2, 3, 4])])
def test_do_checkpoint(monkeypatch, period, epochs):
    saved = []
    model = types.ModuleType("graphnn.model")
    model.save_checkpoint = lambda *arguments: saved.append(arguments)
    monkeypatch.setitem(sys.modules, "graphnn.model", model)
    callback = do_checkpoint("net", period)
    for epoch in range(4):
        assert callback(epoch, "symbol", {"w": 1}, {}) is None
    assert saved == [("net", epoch, "symbol", {"w": 1}, {}) for epoch in epochs]


def evaluate(stop, values, name="loss"):
    """What `stop` answers when the metric takes `values` in successive epochs."""
    current = metric.create(lambda label, pred: value, name=name)
    answers = []
    for epoch, value in enumerate(values):  # noqa: B007  the metric reads `value`
        current.reset()
        current.update([np.zeros(1)], [np.zeros(1)])
        answers.append(stop(BatchEndParam(epoch, 0, metric.create(["acc", current]))))
    return answers


def test_early_stop():
    lowest = EarlyStop("loss", patience=2, mode="min")
    assert evaluate(lowest, [3.0, 2.0, 2.0, 1.0, 1.5, 1.0]) == [False] * 5 + [True]
    assert (lowest.best, lowest.best_epoch) == (1.0, 3)
    assert evaluate(EarlyStop("loss", 2), [0.1, 0.3, math.nan, 0.2]) == [False] * 3 + [True]
    assert evaluate(EarlyStop("loss", 1, "max"), [0.1, 0.2, 0.2]) == [False, False, True]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_early_stop_when_all_is_nan(mode):
    stop = EarlyStop("loss", 3, mode)
    assert evaluate(stop, [math.nan] * 3) == [False, False, True]
    assert stop.best_epoch is None


def test_early_stop_messages():
    with pytest.raises(ParameterError, match=r"no metric 'f1' in the evaluation, only \['accuracy', 'loss'\]"):
        evaluate(EarlyStop("f1"), [1.0])
    with pytest.raises(ParameterError, match=r"no metric 'f1' in the evaluation, only \[\]"):
        EarlyStop("f1")(BatchEndParam(0, 0, None))
    with pytest.raises(ParameterError, match="patience must be at least 1, got 0"):
        EarlyStop("loss", 0)
    with pytest.raises(ParameterError, match="mode must be 'max' or 'min', got 'mean'"):
        EarlyStop("loss", 1, "mean")
