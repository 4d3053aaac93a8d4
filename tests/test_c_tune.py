"""Tuning in C: the ways of each convolution, compiled together, timed, named and kept."""

from __future__ import annotations

import json

import numpy as np
import pytest

from graphnn import sym
from graphnn.backend import compile
from graphnn.backends.c import load_emitters, toolchain
from graphnn.backends.c.conv import tune
from graphnn.bound import Bound
from graphnn.errors import BackendError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Give the folder of the picks in a cache of the test's own."""
    try:
        toolchain.find()
    except BackendError as error:
        pytest.skip(str(error))
    load_emitters()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path / "graphnn" / "tuning"


@pytest.fixture
def timed(monkeypatch):
    """Make F(2x2, 3x3) the quickest, or what names another kind than the costs; give what was timed."""
    seen = []

    def measured(todo, target, threads):
        seen.extend((key, tuple(ways.plans)) for key, ways in todo.items())
        order = ("winograd2", "winograd", "direct")
        return {k: next((n for n in order if n in w.plans), "auto") for k, w in todo.items()}

    monkeypatch.setattr(tune, "_measured", measured)
    return seen


def network(kernel=(3, 3), names="ab"):
    lanes = toolchain.find().lanes
    net = sym.Variable("x")
    for name in names:
        net = sym.Convolution(net, kernel=kernel, num_filter=2 * lanes, pad=(1, 1), name=name)
    return net


def steps(net=None, frozen=False, size=8, **options):
    """Give the steps of a training program, with frozen parameters of one for inference."""
    bound = Bound(network() if net is None else net, {"x": (2, toolchain.find().lanes, size, size)}, {})
    if frozen:
        arrays = {k: np.ones(t.shape, t.dtype) for k, t in bound.types.items() if k != "x"}
        return compile(*bound.inference(), "c", frozen=arrays, **options).steps
    graph, inputs, _ = bound.training({k: "write" for k in bound.arguments if k != "x"})
    return compile(graph, inputs, "c", **options).steps


def ways(found):
    """Name operators of convolution with their tiles, sorted."""
    names = []
    for step in found:
        grid = getattr(step.op, "grid", None)
        if step.op.name in ("_conv", "_winograd", "_conv_weights"):
            names.append((step.op.name, grid.m if grid else 0))
    return sorted(names)


def test_each_convolution_gets_the_quickest(timed):
    other = [("_conv_weights", 0)] * 2
    found = ways(steps(tune=True))
    assert [n for n, _ in found] == ["_conv_weights"] * 2 + ["_winograd"] * 3
    assert [m for n, m in found if n == "_winograd"] == [2, 2, 2]
    assert (found[:2] == other) == (ways(steps())[:2] != other)  # the other kind than the costs pick


def test_no_minimal_filtering_where_it_is_not_wanted(timed):
    assert {n for n, _ in ways(steps(tune=True, conv_algo="direct"))} == {"_conv", "_conv_weights"}
    assert timed and not [n for _, names in timed for n in names if n.startswith("winograd")]


def test_panels_of_other_widths_are_tried(timed):
    steps(network((5, 5)), tune=True)
    names = {n for key, found in timed for n in found if "weight_grad" not in key}
    assert names > {"auto"} and names <= {"auto", "direct1", "direct2", "direct3"}


def test_what_was_found_is_kept(timed, folder):
    first = ways(steps(tune=True))
    count = len(timed)
    assert count == 5  # two forward, two of weights, one of data
    assert ways(steps(tune=True)) == first and len(timed) == count
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert set(json.loads(file.read_text()).values()) <= set(tune.get_args(tune.Algo))


def test_threads_and_constant_weights_are_measured_apart(timed):
    steps(tune=True, threads=2)
    steps(tune=True)
    steps(tune=True, frozen=True)
    keys = [key for key, _ in timed]
    assert len(set(keys)) == len(keys) == 5 + 5 + 2 and sum("packed" in key for key in keys) == 2


def test_another_compiler_has_a_file_of_its_own(timed, folder, monkeypatch):
    steps(tune=True)
    monkeypatch.setattr(tune, "version", lambda name: "0.0")
    tune._machine.cache_clear()
    steps(tune=True)
    tune._machine.cache_clear()
    assert len(timed) == 10 and len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": "krow"}', b'{"a": [1]}', b" " * (1 << 21)])
def test_a_damaged_file_is_warned_of_and_written_anew(timed, folder, content):
    first = ways(steps(tune=True))
    (file,) = folder.iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged and ignored"):
        assert ways(steps(tune=True)) == first
    assert file.read_bytes() == good


def test_a_pick_that_cannot_be_is_passed_over(timed, folder):
    net = network((5, 5))
    plain = ways(steps(net))
    steps(net, tune=True)
    (file,) = folder.iterdir()
    file.write_text(json.dumps(dict.fromkeys(json.loads(file.read_text()), "winograd4")))
    assert ways(steps(net, tune=True)) == plain


def test_a_convolution_without_a_choice_is_not_timed(monkeypatch):
    monkeypatch.setattr(tune, "load", None)
    net = sym.Convolution(sym.Variable("x"), kernel=(5, 5), num_filter=1, name="a")
    assert ways(steps(net, tune=True)) == ways(steps(net))


@pytest.mark.parametrize("frozen", [False, True])
def test_all_ways_are_timed_in_one_program(monkeypatch, frozen):
    compiled, runs = [], []
    load, times = tune.load, tune.least_seconds
    monkeypatch.setattr(tune, "load", lambda *args: compiled.append(args) or load(*args))

    def least(ways):
        runs.append(times(ways))
        return {name: float(name == "auto") for name in ways}

    monkeypatch.setattr(tune, "least_seconds", least)
    steps(network(names="a"), size=4, tune=True, threads=1 + frozen, frozen=frozen)
    assert len(compiled) == 1 and len(runs) == (1 if frozen else 2)
    assert all(0 < t < 60 for found in runs for t in found.values())


@pytest.mark.parametrize("name", ["direct1", "winograd2", "winograd4"])
def test_results_are_those_of_numpy(monkeypatch, name):
    results = []
    monkeypatch.setattr(tune, "_measured", lambda todo, target, threads: dict.fromkeys(todo, name))
    for options in ({"backend": "numpy"}, {"backend": "c", "tune": True}):
        ex = network(names="a").simple_bind(x=(2, toolchain.find().lanes, 4, 4), **options)
        for k, a in enumerate(ex.arg_arrays):
            a[...] = np.random.default_rng(k).normal(size=a.shape)
        ex.forward(True)
        ex.backward([np.ones_like(ex.outputs[0])])
        results.append([ex.outputs[0].copy(), *(g.copy() for g in ex.grad_arrays)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(a).max())  # minimal filtering rounds more
