"""Metrics of agreement and losses; what all metrics share: names, configurations, arrays by name."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from graphnn.errors import ParameterError
from graphnn.train.agreement import np_metric
from graphnn.train.metric import EvalMetric, create

RNG = np.random.default_rng(8)
LABELS = [RNG.integers(0, 3, 12).astype("f4") for _ in range(3)]
SCORES = [RNG.random((12, 3)).astype("f4") for _ in range(3)]


def correlation(x, y):
    return float(np.corrcoef(x, y)[0, 1])


def shown(metric, labels, preds):
    for label, pred in zip(labels, preds, strict=True):
        metric.update([label], [pred])
    return metric


def test_mcc_is_the_correlation_of_two_kinds():
    labels = [(y > 0).astype("f4") for y in LABELS]
    preds = [s[:, :2] for s in SCORES]
    each = [correlation(y, p.argmax(1)) for y, p in zip(labels, preds, strict=True)]
    assert shown(create("mcc"), labels, preds).get()[1] == pytest.approx(np.mean(each))
    whole = correlation(np.concatenate(labels), np.concatenate(preds).argmax(1))
    assert shown(create("mcc", average="micro"), labels, preds).get() == ("mcc", pytest.approx(whole))
    assert shown(create("pcc"), labels, preds).get()[1] == pytest.approx(whole)
    with pytest.raises(ParameterError, match="labels must be of at most 2 kinds"):
        create("mcc").update([LABELS[0]], [SCORES[0]])


def test_pcc_of_three_classes():
    """Gorodkin's definition, over one-hot columns."""
    x, y = np.eye(3)[np.concatenate(LABELS).astype(int)], np.eye(3)[np.concatenate(SCORES).argmax(1)]

    def cov(a, b):
        return ((a - a.mean(0)) * (b - b.mean(0))).sum()

    want = cov(x, y) / math.sqrt(cov(x, x) * cov(y, y))
    metric = shown(create("pcc"), LABELS, SCORES)
    assert metric.get()[1] == pytest.approx(want)
    metric.reset_local()
    assert math.isnan(metric.get()[1]) and metric.get_global()[1] == pytest.approx(want)
    grown = shown(create("pcc"), [np.zeros(2), np.array([0, 4.0])], [np.zeros(2), np.array([0, 4.0])])
    assert grown.get()[1] == pytest.approx(1)
    with pytest.raises(ParameterError, match="classes must be from 0 to"):
        create("pcc").update([np.array([-1.0])], [np.array([1.0])])


def test_pearson_by_batch_and_over_all():
    xs, ys = [RNG.random((6, 2)) for _ in range(3)], [RNG.random((6, 2)) for _ in range(3)]
    each = [correlation(x.ravel(), y.ravel()) for x, y in zip(xs, ys, strict=True)]
    assert shown(create("pearsonr"), xs, ys).get() == ("pearsonr", pytest.approx(np.mean(each)))
    whole = correlation(np.ravel(xs), np.ravel(ys))
    assert shown(create("pearsonr", average="micro"), xs, ys).get()[1] == pytest.approx(whole)


def test_losses_and_likelihood():
    for name in ("loss", "torch", "caffe"):
        metric = create(name)
        metric.update([], [np.arange(6.0).reshape(2, 3), np.ones(4)])
        assert metric.get() == (name, 1.9)
    metric = shown(create("nll_loss", eps=0.1), LABELS, SCORES)
    chosen = [s[np.arange(12), y.astype(int)] for s, y in zip(SCORES, LABELS, strict=True)]
    assert metric.get() == ("nll-loss", pytest.approx(-np.log(np.ravel(chosen) + 0.1).mean()))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("acc", {"axis": 2}), ("top_k_accuracy", {"top_k": 3}), ("f1", {"average": "micro"}), ("mcc", {}), ("pcc", {}),
        ("perplexity", {"ignore_label": 0}), ("mae", {}), ("ce", {"eps": 0.1}), ("nll_loss", {}), ("loss", {}),
        ("pearsonr", {"average": "micro"}), ("rmse", {"output_names": ["a"], "label_names": ["b"]}),
    ],
)  # fmt: skip
def test_a_configuration_makes_the_same_metric(name, params):
    config = create(name, **params).get_config()
    assert {k: config[k] for k in params} == params
    for again in (create(config), create(json.dumps(config))):
        assert again.get_config() == config and type(again) is type(create(name, **params))


def test_configurations_of_several():
    config = create(["acc", "mse"]).get_config()
    assert create(json.dumps(config)).get_config() == config
    with pytest.raises(ParameterError, match="a function has no configuration"):
        create(lambda a, b: 0).get_config()
    with pytest.raises(ParameterError, match="a metric's configuration is a JSON object"):
        create("{")


def test_arrays_by_name():
    arrays = {"a": SCORES[0], "b": SCORES[1]}
    metric = create("acc", output_names=["b"], label_names=["y"])
    metric.update_dict({"x": LABELS[1], "y": LABELS[0]}, arrays)
    assert metric.get()[1] == np.mean(SCORES[1].argmax(1) == LABELS[0])
    metric.reset()
    metric.update_dict({"y": LABELS[0]}, {"b": SCORES[1]}, pad=5)
    assert metric.num_inst == 7
    both = create(["acc", create("ce", output_names=["a"])])
    both.metrics[0].output_names = ["b"]
    both.update_dict({"y": LABELS[0]}, arrays)
    assert both.get()[1][0] == np.mean(SCORES[1].argmax(1) == LABELS[0])
    with pytest.raises(ParameterError, match="output_names has 'b', there are: a"):
        create("acc", output_names=["b"]).update_dict({"y": LABELS[0]}, {"a": SCORES[0]})


def test_a_metric_of_ones_own_as_mxnet_writes_it():
    class Own(EvalMetric):
        def __init__(self):
            super().__init__("own")

        def update(self, labels, preds):
            self.sum_metric += float(preds[0].sum())
            self.num_inst += 1

    metric = Own()
    metric.update_dict({"y": LABELS[0]}, {"a": np.ones(3)})
    assert metric.get() == metric.get_global() == ("own", 3.0)


def test_a_function_and_outputs_beyond_the_labels():
    metric = np_metric(lambda label, pred: (label - pred).sum(), "gap", allow_extra_outputs=True)
    metric.update([np.array([3.0])], [np.array([1.0]), np.array([9.0])])
    assert metric.get() == ("gap", 2.0)
