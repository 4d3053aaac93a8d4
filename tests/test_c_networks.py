"""Random networks in C: against float64, the same bits with any number of threads, with and without rewrites."""

from __future__ import annotations

from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
from c_networks import LAYERS, Wide, wide_networks
from c_targets import native
from hypothesis import HealthCheck, given, settings
from networks import Network, networks

from graphnn import sym
from graphnn.backends.c import chunk
from graphnn.data import DataBatch
from graphnn.executor import Executor, plan_of
from graphnn.naming import NameManager
from graphnn.train.module import Module

native()
# Of the largest element of an array: a sum of some thousand float32 products is off by 1e-6 to 1e-5 of it, minimal
# filtering adds 1e-6, and some ten layers one after another multiply that. Most networks are below 1e-6.
RTOL = 1e-4
# Of the largest gradient of the network: that of a bias before BatchNorm is 0 but for rounding.
ZERO = 1e-6
RATE = 0.1
SETTINGS = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
MANY = settings(SETTINGS, max_examples=15)
INFERENCE = ("before", "after")
Arrays = dict[str, np.ndarray]


def values_of(network: Wide) -> tuple[Arrays, Arrays]:
    """Draw arguments, weights so that values keep their size, and states."""
    ex = network.net.simple_bind("null", data=network.shape)
    rng = np.random.default_rng(0)
    arg = {n: rng.normal(size=a.shape) / np.sqrt(a[0].size if a.ndim > 1 else 1) for n, a in ex.arg_dict.items()}
    arg["data"] = rng.normal(size=network.shape)
    arg["softmax_label"] = rng.integers(0, 3, network.shape[0])
    aux = {n: rng.uniform(0.5, 1.5, a.shape) for n, a in ex.aux_dict.items()}
    both = [{n: a.astype("float32") for n, a in arrays.items()} for arrays in (arg, aux)]
    return both[0], both[1]


def trained(ex: Executor) -> Arrays:
    """Copy what a training call makes."""
    found = {"output": ex.forward(is_train=True)[0].copy()}
    ex.backward()
    found |= {f"grad:{n}": g.copy() for n, g in ex.grad_dict.items()}
    return found | {f"aux:{n}": a.copy() for n, a in ex.aux_dict.items()}


def results(network: Wide, dtype: str = "float32", **options: object) -> Arrays:
    """Run inference, training and inference with the states that training left."""
    ex = network.net.simple_bind(data=network.shape, type_dict={"data": dtype}, **options)
    ex.copy_params_from(*values_of(network))
    found = {"before": ex.forward()[0].copy()} | trained(ex)
    return found | {"after": ex.forward()[0].copy()}


def training(network: Wide, **options: object) -> Arrays:
    ex = network.net.simple_bind(data=network.shape, **options)
    ex.copy_params_from(*values_of(network))
    return trained(ex)


def stepped(network: Wide, backend: str) -> Arrays:
    """Give parameters and states after two training steps, each one program."""
    module = Module(network.net, backend=backend)
    arg, aux = values_of(network)
    x, y = arg.pop("data"), arg.pop("softmax_label")
    module.bind([("data", x.shape)], [("softmax_label", y.shape)])
    module.set_params(arg, aux)
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": RATE, "momentum": 0.9})
    for _ in range(2):
        module.step(DataBatch([x], [y]))
    arg, aux = module.get_params()
    return arg | aux


@contextmanager
def chunks_of(network: Wide):
    """Let chunks be of single images where the network says so."""
    sizes = (256, 1 << 20) if network.small_chunks else (chunk.CACHE, chunk.LIGHT)
    with mock.patch.multiple(chunk, CACHE=sizes[0], LIGHT=sizes[1]):
        yield


def close(got: Arrays, want: Arrays) -> None:
    assert got.keys() == want.keys()
    top = max((np.abs(a).max() for n, a in want.items() if n.startswith("grad:")), default=0.0)
    for name, a in want.items():
        np.testing.assert_allclose(got[name], a, rtol=0, atol=RTOL * np.abs(a).max() + ZERO * top, err_msg=name)


def equal(got: Arrays, want: Arrays) -> None:
    assert got.keys() == want.keys()
    for name, a in want.items():
        np.testing.assert_array_equal(got[name], a, err_msg=name)


def check(network: Wide) -> None:
    """Outputs, gradients, states, a step; and threads."""
    with chunks_of(network):
        got = results(network, backend="c")
        close(got, results(network, "float64", optimize=False))
        for threads in (2, 3):
            equal(training(network, backend="c", threads=threads), {n: got[n] for n in got if n not in INFERENCE})
        close(stepped(network, "c"), stepped(network, "numpy"))


@SETTINGS
@given(wide_networks(depth=4))
def test_networks(network):
    check(network)


@pytest.mark.slow
@MANY
@given(wide_networks(depth=9))
def test_many_networks(network):
    check(network)


@pytest.mark.slow
@MANY
@given(wide_networks(depth=5))
def test_rewrites_on_and_off(network):
    with chunks_of(network):
        close(results(network, backend="c"), results(network, backend="c", optimize=False))


@pytest.mark.slow
@MANY
@given(networks(depth=8))
def test_tiny_networks(network: Network):
    check(Wide(network.net, network.shape, network.layers, True))


X = sym.Variable("data")


def depthwise():
    x = sym.Activation(X, act_type="relu")
    return sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=48, num_group=48, no_bias=True), (1, 48, 12, 9)


FOUND = {"depthwise": depthwise}  # networks that failed once


@pytest.mark.parametrize("name", FOUND)
def test_what_failed_once(name):
    with NameManager():
        x, shape = FOUND[name]()
        net = sym.SoftmaxOutput(sym.FullyConnected(sym.Flatten(x), num_hidden=3), name="softmax")
    want, *others = (training(Wide(net, shape, (), False), backend="c", threads=n) for n in (1, 2, 3))
    for got in others:
        equal(got, want)


def test_networks_are_of_every_kind():
    """The draws must not shrink to trivial ones: every layer and chunks occur often, images of one axis too."""
    seen = dict.fromkeys(LAYERS, 0) | {"1-d": 0, "chunked": 0}

    @settings(SETTINGS, max_examples=60)
    @given(wide_networks())
    def draw(network: Wide) -> None:
        for layer in set(network.layers):
            seen[layer] += 1
        seen["1-d"] += len(network.shape) == 3
        with chunks_of(network):
            seen["chunked"] += "_chunked" in str(plan_of(network.net, False, {"data": network.shape}, "c").steps_text())

    draw()
    assert min(seen.values()) >= 5, seen
