"""Tuning: the quickest algorithm is named, and kept; what cannot be kept or read is warned of, and costs no more."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from functools import partial

import numpy as np
import pytest

from graphnn import sym, tuning
from graphnn.backends.numpy import tune
from graphnn.errors import BindError
from graphnn.types import TensorType


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Give the folder of the picks in a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path / "graphnn" / "tuning"


@pytest.fixture
def timed(monkeypatch):
    """Make strided the quickest; give what was timed."""
    seen = []

    def times(ops, ins, outs):
        seen.append((next(iter(ops.values())).name, ins[0].shape))
        return {name: 1.0 if name == "strided" else 2.0 for name in ops}

    monkeypatch.setattr(tune, "_timed", times)
    return seen


def network():
    net = sym.Convolution(sym.Variable("x"), kernel=(3, 3), num_filter=4, name="a")
    return sym.Convolution(net, kernel=(3, 3), num_filter=4, attr={"__conv_algo__": "im2col"}, name="b")


def found(**options):
    steps = network().simple_bind(x=(6, 3, 9, 9), **options).plan(True).steps
    return sorted((s.op.name, s.op.algo) for s in steps if "conv_last" in s.op.name)


def test_each_convolution_that_names_none_gets_the_quickest(timed):
    assert found(tune=True) == [
        ("_conv_last", "im2col"),
        ("_conv_last", "strided"),
        ("_conv_last_data_grad", "im2col"),
        ("_conv_last_data_grad", "strided"),
        ("_conv_last_weight_grad", "im2col"),
        ("_conv_last_weight_grad", "strided"),
    ]


def test_a_slice_is_timed_where_threads_take_slices(timed):
    found(tune=True, threads=3)
    assert {shape[0] for _, shape in timed} == {2}


def test_what_was_found_is_kept(timed, folder):
    first = found(tune=True)
    assert len(timed) == 3
    assert found(tune=True) == first and len(timed) == 3
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert set(json.loads(file.read_text()).values()) == {"strided"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": "fft"}', b'{"a": [1]}', b"\xff", b" " * (1 << 21)])
def test_a_damaged_file_is_warned_of_and_written_anew(timed, folder, content):
    first = found(tune=True)
    (file,) = folder.iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged and ignored"):
        assert found(tune=True) == first
    assert file.read_bytes() == good and [file] == list(folder.iterdir())


def test_a_folder_of_others_is_not_used(timed, folder):
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.warns(UserWarning, match="not a folder of yours alone"):
        found(tune=True)
    assert not list(folder.iterdir())


def test_a_link_is_not_followed(timed, folder, tmp_path):
    (tmp_path / "other").mkdir(mode=0o700)
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "other")
    with pytest.warns(UserWarning, match="not a folder of yours alone"):
        found(tune=True)
    assert not list((tmp_path / "other").iterdir())


def test_a_folder_that_cannot_be_made_is_warned_of(timed, folder):
    folder.parent.parent.joinpath("graphnn").write_text("a file")
    with pytest.warns(UserWarning, match="what tuning finds is not kept"):
        found(tune=True)


def test_a_full_disk_is_warned_of_and_leaves_nothing(timed, folder, monkeypatch):
    def full(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="is not kept: .*No space left"):
        found(tune=True)
    assert not list(folder.iterdir())


def test_without_a_home_nothing_is_kept(timed, monkeypatch):
    monkeypatch.setattr(tuning, "cache_folder", lambda name: None)
    assert found(tune=True) == found(tune=True) and len(timed) == 6


def test_the_rules_pick_stays_where_nothing_is_clearly_quicker(monkeypatch):
    monkeypatch.setattr(tune, "_timed", lambda ops, ins, outs: {n: 0.98 if n == "strided" else 1.0 for n in ops})
    assert {algo for _, algo in found(tune=True)} == {"auto", "im2col"}


def test_what_is_timed_is_run():
    op = tune.conv_last(sym.Convolution(sym.Variable("x"), kernel=(3, 3), num_filter=4, no_bias=True).values[0].node.op)
    types = [TensorType((2, 9, 9, 3)), TensorType((3, 3, 3, 4))]
    assert tune.quickest(op, types, op.types(tuple(types))) in ("auto", *tune.rule.ALGORITHMS)


def test_results_are_the_same():
    results = []
    for option in ({}, {"tune": True}):
        ex = network().simple_bind(x=(2, 3, 9, 9), **option)
        for k, a in enumerate(ex.arg_arrays):
            a[...] = np.random.default_rng(k).normal(size=a.shape)
        results.append(ex.forward()[0].copy())
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-4)


def test_tune_is_a_yes_or_no():
    with pytest.raises(BindError, match="tune must be True or False, got 'yes'"):
        found(tune="yes")


# The rounds


@pytest.fixture
def calls():
    """Give three runs, two of which are slow, and how often each was called."""
    count = Counter()

    def run(name, seconds):
        count[name] += 1
        time.sleep(seconds)

    return {n: partial(run, n, 0.02 if n != "quick" else 0.001) for n in ("auto", "slow", "quick")}, count


def test_what_is_slow_runs_no_more_but_for_the_rules_pick(calls):
    runs, count = calls
    times = tuning.least_seconds(runs)
    assert count == {"auto": 6, "slow": 2, "quick": 6}
    assert tuning.quickest(times) == "quick" and times["quick"] < 0.02 <= times["auto"]


def test_what_takes_long_runs_two_rounds(calls, monkeypatch):
    monkeypatch.setattr(tuning, "PATIENCE", 0)
    runs, count = calls
    tuning.least_seconds(runs)
    assert count == {"auto": 3, "slow": 2, "quick": 3}


def test_what_is_short_runs_several_times_a_round():
    count = Counter()
    tuning.least_seconds({"auto": lambda: count.update(["a"])})
    assert 6 < count["a"] <= 251
