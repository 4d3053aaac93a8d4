"""Recomputation: what is made again, that no number changes, what it saves, and the options that ask for it."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from networks import networks
from test_networks import SETTINGS, bind, close, equal, results
from test_step import trained

from graphnn import models, sym
from graphnn.backend import compile, get
from graphnn.backends.c import toolchain
from graphnn.bound import Bound
from graphnn.errors import BackendError, BindError, ParameterError
from graphnn.graph import text, toposort
from graphnn.op import find, variable
from graphnn.passes.recompute import recompute
from graphnn.runs.config import Config
from graphnn.tools.train import main
from graphnn.train.module import Module

SHARED = Path(os.environ.get("GRAPHNN_SHARED", Path(__file__).parents[1] / ".." / "shared")) / "mxnet"
SGD = {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01}


@pytest.fixture
def small(monkeypatch):
    """Make values of any size worth the trouble."""
    monkeypatch.setattr(import_module("graphnn.passes.recompute"), "SMALL", 0)


@pytest.fixture(params=["numpy", "c"])
def backend(request):
    if request.param == "c":
        try:
            toolchain.find()
        except BackendError as error:
            pytest.skip(str(error))
    return request.param


def apply(name, *xs, **params):
    return find(name).from_params(params)(*xs)


def lines(values):
    return [line.replace("float32[2,2] = ", "") for line in text(values).split("\n")]


x, w = variable("x", (2, 2)), variable("w", (2, 2))


# What is made again


def test_a_cheap_value_is_made_again_and_a_product_is_kept(small):
    y = apply("dot", x, w)
    z = apply("exp", y)
    outputs = [apply("dot", z, w), apply("dot", w, y), apply("dot", w, z)]
    before = ['%0: Variable() "x"', '%1: Variable() "w"', "%2: dot(%0, %1)", "%3: exp(%2)", "%4: dot(%3, %1)"]
    before += ["%5: dot(%1, %2)"]
    assert lines(outputs) == [*before, "%6: dot(%1, %3)", "return %4, %5, %6"]
    assert lines(recompute((0, 1, 1))(outputs)) == [
        *before,
        "%6: exp(%2)",
        "%7: dot(%1, %6)",
        "return %4, %5, %7",
    ]


def test_nothing_is_kept_for_the_sake_of_a_repetition(small):
    z = apply("exp", apply("dot", x, w))  # backward reads z, and not the product
    outputs = [apply("dot", z, w), apply("dot", w, z)]
    assert recompute((0, 1))(outputs) == outputs


def test_of_a_chain_every_other_value_is_kept(small):
    y = x
    chain = [y := apply(name, y) for name in ("sin", "cos", "tan", "exp")]
    outputs = [apply("dot", chain[-1], w), *(apply("dot", w, v) for v in chain)]
    made = toposort(recompute((0, 1, 1, 1, 1))(outputs))
    assert [n.op.name for n in made if n.name.endswith("_again")] == ["sin", "tan"]


def test_a_value_between_is_made_again_with_it(small):
    z = apply("exp", apply("sin", x))  # backward reads z alone
    made = toposort(recompute((0, 1))([apply("dot", z, w), apply("dot", w, z)]))
    assert sorted(n.name for n in made if n.name.endswith("_again")) == ["exp_again", "sin_again"]


def test_heads_and_what_is_small_are_kept(monkeypatch):
    z = apply("exp", apply("dot", x, w))
    outputs = [z, apply("dot", z, w), apply("dot", w, z)]
    assert recompute((0, 0, 1))(outputs) == outputs  # below 64 KiB
    monkeypatch.setattr(import_module("graphnn.passes.recompute"), "SMALL", 0)
    assert recompute((0, 0, 1))(outputs) == outputs  # a head lives anyway


def test_inference_stays_as_it_is(small):
    outputs = [apply("dot", apply("exp", x), w)]
    assert recompute(())(outputs) == outputs


def test_masks_are_not_drawn_again(small):
    net = sym.Activation(sym.Dropout(sym.Variable("data"), p=0.5), act_type="tanh")
    net = sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=3), name="softmax")
    bound = Bound(net, {"data": (4, 6)}, {})
    graph = bound.training(dict.fromkeys(bound.arguments, "write"))[0]
    before, after = toposort(graph.values), toposort(recompute(graph.parts)(graph.values))
    assert len(after) > len(before)
    masks = [[n for n in nodes if n.op.name == "_dropout_mask"] for nodes in (before, after)]
    assert masks[0] == masks[1] != []


# Results


@settings(SETTINGS, max_examples=30)
@given(network=networks())
def test_random_networks_give_the_same_bits(small, network):
    equal(results(bind(network)), results(bind(network, recompute=True)))


def check_in_c(network):
    """In float32, where C has kernels; loops fused otherwise round otherwise."""
    found = []
    for again in (False, True):
        ex = network.net.simple_bind(data=network.shape, backend="c", recompute=again)
        rng = np.random.default_rng(0)
        for a in (*ex.arg_arrays, *ex.aux_arrays):
            a[...] = rng.uniform(0.1, 1, a.shape)
        ex.arg_dict["softmax_label"][...] = rng.integers(0, 3, network.labels)
        found.append({k: v.astype("f8") for k, v in results(ex).items()})
    for name, a in found[0].items():
        np.testing.assert_allclose(a, found[1][name], rtol=1e-3, atol=1e-4 * max(1, np.abs(a).max()), err_msg=name)


@pytest.mark.parametrize("backend", ["c"], indirect=True)
@settings(SETTINGS, max_examples=4)
@given(network=networks())
def test_random_networks_in_c(small, backend, network):
    check_in_c(network)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["c"], indirect=True)
@settings(SETTINGS, max_examples=10)
@given(network=networks(depth=10))
def test_many_random_networks_in_c(small, backend, network):
    check_in_c(network)


def test_a_step_updates_parameters_alike(small, backend):
    found = [trained("sgd", SGD, True, backend=backend, recompute=again)[0] for again in (False, True)]
    if backend == "numpy":
        equal(*found)
    else:
        close(*({k: v.astype("f8") + 1 for k, v in each.items()} for each in found))  # float32, near 0 too


# Memory


def planned_mib(net, batch, image, backend):
    bound = Bound(net, {"data": (batch, *image)}, {})
    names = [n for n in bound.arguments if n not in ("data", "softmax_label")]
    graph, inputs, _ = bound.training(dict.fromkeys(names, "write"))
    return compile(graph, inputs, backend, recompute=True).planned_bytes / (1 << 20)


@pytest.mark.skipif(not (SHARED / "memory-plan.json").is_file(), reason="MXNet's memory plans are not here")
def test_resnet_50_needs_less_than_seven_tenths_of_mxnets_bytes(backend, monkeypatch):
    """MXNet prints MiB, and planned the second version of the network; the first, ours by default, keeps more."""
    monkeypatch.setattr(type(get(backend)), "scratch", lambda *_: 0)  # is counted apart, and takes seconds
    (row,) = (r for r in json.loads((SHARED / "memory-plan.json").read_text()) if r["name"] == "resnet-50")
    second = sym.load(str(SHARED / "symbols" / "planned" / "resnet-50-symbol.json"))
    assert planned_mib(second, row["batch"], (3, 224, 224), backend) <= 0.53 * row["train"]
    assert planned_mib(models.get("resnet-50"), row["batch"], (3, 224, 224), backend) <= 0.7 * row["train"]


# Options


@pytest.mark.parametrize("option", ["recompute", "tune"])
def test_the_options_are_yes_or_no(option):
    message = f"{option} must be True or False, got 'yes'"
    with pytest.raises(BindError, match=message):
        Module(tiny.network(), **{option: "yes"})
    with pytest.raises(BindError, match=message):
        tiny.network().simple_bind(data=(2, 6), **{option: "yes"})


@pytest.mark.parametrize("option", ["recompute", "exact", "tune"])
def test_a_config_takes_yes_or_no(option):
    assert getattr(Config.from_mapping({option: True}), option) is True
    assert getattr(Config.from_mapping({}), option) is False
    with pytest.raises(ParameterError, match=f"{option} must be true or false, got 'yes'"):
        Config.from_mapping({option: "yes"})


def test_a_module_hands_them_to_the_compiler(small):
    names = {}
    for again in (False, True):
        _, module = trained("sgd", SGD, True, recompute=again)
        names[again] = [s.name for s in module.plan().steps if s.name.endswith("_again")]
    assert names[True] and not names[False]


def test_a_run_records_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    network = tiny.write_network(tmp_path / "net-symbol.json")
    args = ["--symbol", network, "--data-dir", tiny.write_digits(tmp_path / "data"), "--batch-size", "8", "--quiet"]
    args += ["--epochs", "1", "--backend", "numpy", "--output", str(tmp_path / "run")]
    assert main([*args, "--recompute", "--exact", "--tune"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert [config[k] for k in ("recompute", "exact", "tune")] == [True] * 3
    assert main(["--resume", str(tmp_path / "run"), "--quiet"]) == 0
    with pytest.raises(SystemExit):
        main([*args, "--recompute", "yes"])
    assert "unrecognized arguments: yes" in capsys.readouterr().err
