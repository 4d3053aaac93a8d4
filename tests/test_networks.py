"""Random networks: rewriting, sharing memory, saving and inferring change no number; the rate is in the summary."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from networks import RATE, Network, networks

from graphnn import backend as backends
from graphnn import sym
from graphnn.bound import Bound
from graphnn.executor import Executor
from graphnn.formats import params
from graphnn.passes.decompose import decompose
from graphnn.passes.norm import fold_norm
from graphnn.passes.simplify import simplify
from graphnn.plan import Graph, make_plan
from graphnn.symbol import Symbol

COUNT = 100
SETTINGS = settings(
    max_examples=COUNT,
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
# GRAPHNN_NETWORKS=10000 draws that many, others each time; without it the slow test draws the same few hundred.
WANTED = os.environ.get("GRAPHNN_NETWORKS")
MANY = settings(SETTINGS, max_examples=int(WANTED or 200), derandomize=not WANTED)
ALGORITHMS = ["im2col", "krow", "strided", "winograd"]


def bind(network: Network, **options: object) -> Executor:
    """Bind with values that the names and shapes alone decide."""
    ex = network.net.simple_bind(data=network.shape, type_dict={"data": "float64"}, **options)
    rng = np.random.default_rng(0)
    for a in ex.arg_dict.values():
        a[...] = rng.normal(size=a.shape)
    for name, a in ex.aux_dict.items():
        a[...] = rng.uniform(0.5, 1.5, a.shape) if name.endswith("var") else rng.normal(size=a.shape)
    ex.arg_dict["softmax_label"][...] = rng.integers(0, 3, network.labels)
    return ex


def results(ex: Executor) -> dict[str, np.ndarray]:
    """Run inference, training, inference; copy all that came out."""
    start = perf_counter()
    found = {"inference before": ex.forward()[0].copy(), "output": ex.forward(is_train=True)[0].copy()}
    ex.backward()
    found |= {f"grad:{n}": g.copy() for n, g in ex.grad_dict.items()}
    found |= {f"aux:{n}": a.copy() for n, a in ex.aux_dict.items()}
    found["inference"] = ex.forward()[0].copy()
    RATE["runs"] += 1
    RATE["seconds"] += perf_counter() - start
    return found


def close(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-4, atol=1e-8, err_msg=name)


def equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def check_rewrites(network: Network) -> None:
    close(results(bind(network)), results(bind(network, optimize=False)))


def check_algorithms(network: Network, algorithm: str) -> None:
    close(results(bind(network, conv_algo=algorithm)), results(bind(network, optimize=False)))


def check_planner(network: Network) -> None:
    """The same graph with and without shared memory, forward and backward: the same bits."""
    ex = bind(network)
    bound = Bound(network.net, {"data": network.shape}, {"data": "float64"})
    for graph, inputs in (bound.training(dict.fromkeys(bound.arguments, "write"))[:2], bound.inference()):
        found = [run(ex, rewritten(graph), inputs, in_place) for in_place in (True, False)]
        equal(*found)


def rewritten(graph: Graph) -> Graph:
    b = backends.get("numpy")
    values = fold_norm(simplify(decompose(b.supports)(graph.values)))
    for rewrite in b.passes():
        values = rewrite(values)
    return graph.with_values(values)


def run(ex: Executor, graph: Graph, inputs: dict, in_place: bool) -> dict[str, np.ndarray]:
    """Run on copies of the executor's arrays, all others filled with junk."""
    b = backends.get("numpy")
    plan = make_plan(graph, inputs, b.scratch, in_place=in_place)
    own = {**ex.arg_dict, **ex.aux_dict}
    arrays = {n: own[n].copy() if n in own else np.full(t.shape, 7, t.dtype) for n, t in inputs.items()}
    arrays |= {f"output:{k}": np.full(t.shape, 7, t.dtype) for k, t in enumerate(plan.heads)}
    b.link(plan, arrays, 1).run()
    return arrays


def check_files(network: Network, folder: Path) -> None:
    """Symbol and parameters through their files: the same text, the same bits."""
    ex = bind(network)
    arrays = {f"arg:{n}": a for n, a in ex.arg_dict.items()} | {f"aux:{n}": a for n, a in ex.aux_dict.items()}
    network.net.save(str(folder / "net.json"))
    params.save(folder / "net.params", arrays)
    net = sym.load(str(folder / "net.json"))
    assert net.tojson() == network.net.tojson()
    again = bind(Network(net, network.shape, network.labels, network.layers))
    read = params.load(folder / "net.params")
    equal(read, arrays)
    again.copy_params_from(
        {n.removeprefix("arg:"): a for n, a in read.items() if n.startswith("arg:")},
        {n.removeprefix("aux:"): a for n, a in read.items() if n.startswith("aux:")},
    )
    equal(results(again), results(ex))


def check_shapes(network: Network) -> None:
    """What inference says is what runs, for every value inside."""
    internals = network.net.get_internals()
    arguments, outs, aux = internals.infer_shape(data=network.shape)
    names = dict(zip(internals.list_outputs(), outs, strict=True))
    ex = bind(network)
    assert [a.shape for a in ex.arg_arrays] == arguments and [a.shape for a in ex.aux_arrays] == aux
    seen: dict[str, tuple[int, ...]] = {}
    ex.set_monitor_callback(lambda name, array: seen.update({name: array.shape}), monitor_all=True)
    ex.forward(is_train=True)
    assert seen == names


CHECKS = [check_rewrites, check_planner, check_shapes]


@SETTINGS
@given(networks())
def test_rewrites_on_and_off(network):
    check_rewrites(network)


@settings(SETTINGS, max_examples=COUNT // 2)
@given(networks())
def test_planner_on_and_off(network):
    check_planner(network)


@settings(SETTINGS, max_examples=COUNT // 4)
@given(networks())
def test_files(tmp_path, network):
    check_files(network, tmp_path)


@SETTINGS
@given(networks())
def test_inferred_shapes_are_those_that_run(network):
    check_shapes(network)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(SETTINGS, max_examples=COUNT // 4)
@given(network=networks())
def test_algorithms_of_convolution(algorithm, network):
    check_algorithms(network, algorithm)


# Shapes at which kernels once failed.
X = sym.Variable("data")
EDGES = {
    "a window in the padding alone": (
        sym.Convolution(X, kernel=(1, 1), pad=(1, 0), stride=(2, 1), num_filter=1),
        (1,) * 4,
    ),
    "weights that meet only padding": (sym.Convolution(X, kernel=(3, 3), pad=(1, 1), num_filter=1), (1, 2, 1, 1)),
    "a large batch of few channels": (
        sym.Convolution(X, kernel=(3, 2), stride=(2, 1), pad=(1, 2), num_filter=4),
        (3200, 3, 7, 6),
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_windows_in_the_padding(name):
    net, shape = EDGES[name]
    net = sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=3), name="softmax")
    check_rewrites(Network(net, shape, shape[0], ()))


@pytest.mark.slow
@MANY
@given(networks(depth=12))
def test_many(tmp_path, network):
    for check in CHECKS:
        check(network)
    for algorithm in ALGORITHMS:
        check_algorithms(network, algorithm)
    check_files(network, tmp_path)


def test_networks_are_of_every_kind() -> None:
    """The draws must not shrink to trivial ones: every layer occurs often."""
    seen: dict[str, int] = {}

    @settings(SETTINGS, max_examples=100)
    @given(networks())
    def draw(network: Network) -> None:
        for layer in set(network.layers):
            seen[layer] = seen.get(layer, 0) + 1
        assert isinstance(network.net, Symbol)

    draw()
    assert len(seen) == 8 and min(seen.values()) >= 5
