"""What graphnn-bench shows: the table, the roofline; the machine's peak."""

from __future__ import annotations

import os

import numpy as np
import pytest

from graphnn.errors import MissingExtraError
from graphnn.tools import peak_kernel, results, roofline
from graphnn.viz.pictures.figure import need_matplotlib

CASE = {"model": "m", "mode": "train", "batch": 8, "threads": 1}


def row(runner, median, **more):
    measured = {"median_ms": median, "min_ms": 1.0, "gflops": 100 / median, "flops": 100_000_000}
    return {**CASE, "runner": runner, **measured, "planned_bytes": None, "traffic_bytes": 1_000_000, **more}


ROWS = [
    row("graphnn-numpy", 2.0, planned_bytes=1_500_000),
    row("torch", 4.0),
    row("jax", 2.5),
    row("torch", 8.0, batch=1),
]


def test_ratios_are_to_the_same_case():
    ours, torch, jax, other = results.completed(ROWS, {1: 200.0})
    assert (ours["to_torch"], ours["to_best_peer"], ours["peak_share"]) == (0.5, 0.8, 0.25)
    assert (torch["to_torch"], torch["to_best_peer"]) == (1, 1.6)
    assert (jax["to_torch"], other["to_torch"], other["to_best_peer"]) == (0.625, 1, 1)


def test_without_peers_or_a_peak_there_are_no_ratios():
    (ours,) = results.completed(ROWS[:1], {1: None})
    assert (ours["to_torch"], ours["to_best_peer"], ours["peak_share"]) == (None, None, None)
    assert results.completed([row("graphnn-c", 1.0, gflops=None)], {1: 9.0})[0]["peak_share"] is None


def test_the_table_writes_what_is_known():
    head, ours, torch, _, _ = results.table(results.completed(ROWS, {1: 200.0}))
    assert head.split("  ")[-1].strip() == "planned MB"
    assert ours.split() == "m train 8 1 graphnn-numpy 2.000 1.000 0.500 0.800 50.0 25.0% 1.5".split()
    assert torch.split() == "m train 8 1 torch 4.000 1.000 1.000 1.600 25.0 12.5% -".split()
    with_peak = results.table([r | {"peak_mb": 12.34} for r in results.completed(ROWS, {})])
    assert (with_peak[0].split()[-2:], with_peak[1].split()[-1]) == (["peak", "MB"], "12.3")


def test_control_characters_of_a_name_are_not_printed():
    (_, line) = results.table(results.completed([row("graphnn-numpy", 1.0, model="a\x1b[2Jb")], {}))
    assert "\x1b" not in line


@pytest.mark.parametrize("roofs", [{1: (100.0, 20.0)}, {1: (100.0, None)}, {}])
def test_the_roofline_is_a_picture(tmp_path, roofs):
    pytest.importorskip("matplotlib")
    rows = [*ROWS, row("mine", 1.0, threads=2, model="$x_1$"), row("jax", 1.0, gflops=None)]
    roofline.save(tmp_path / "roof.png", results.completed(rows, {}), roofs)
    assert (tmp_path / "roof.png").read_bytes().startswith(b"\x89PNG")


def test_a_roofline_of_nothing(tmp_path):
    pytest.importorskip("matplotlib")
    roofline.save(tmp_path / "roof.png", [], {1: (100.0, 20.0)})
    assert (tmp_path / "roof.png").stat().st_size > 1000


def test_a_picture_needs_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="matplotlib"):
        need_matplotlib(tmp_path / "roof.png")


# the peak


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(peak_kernel, "_SECONDS", 1e-4)
    monkeypatch.setattr(peak_kernel, "_TIMES", 20)
    monkeypatch.setattr(peak_kernel, "_FLOATS", 1 << 16)
    if peak_kernel._library() is None:
        pytest.skip("no C compiler")


def test_the_peak_is_that_of_a_core_of_today(quick):
    assert 1 < peak_kernel.peak_gflops() < 2000
    assert peak_kernel.peak_gflops(2) > 1
    assert 0.1 < peak_kernel.bandwidth() < 10_000


def test_without_a_compiler_there_is_no_peak(monkeypatch):
    peak_kernel._library.cache_clear()
    monkeypatch.setenv("CC", "/no/compiler --fast")
    try:
        assert (peak_kernel.peak_gflops(), peak_kernel.bandwidth()) == (None, None)
    finally:
        peak_kernel._library.cache_clear()


def test_a_compiler_that_fails_gives_no_peak(monkeypatch):
    peak_kernel._library.cache_clear()
    monkeypatch.setenv("CC", "false")
    try:
        assert peak_kernel.peak_gflops() is None
    finally:
        peak_kernel._library.cache_clear()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no affinity")
def test_pinning_is_undone():
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyError), peak_kernel.pinned(1):
        assert os.sched_getaffinity(0) == {min(before)}
        raise KeyError
    assert os.sched_getaffinity(0) == before


def test_the_kernel_leaves_denormal_numbers_alone(quick):
    peak_kernel.peak_gflops()
    assert np.array([1e-310])[0] * np.float64(0.5) > 0
