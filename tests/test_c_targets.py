"""The generator for narrower processors and for clang: rows of the operator table, and programs without warnings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from c_memory import guarded  # noqa: F401
from c_targets import NARROW, narrow, native, runs_here, use
from table_rows import GROUPS, check_rows

from graphnn import models
from graphnn.backends.c import toolchain
from graphnn.backends.c.program import emit_steps
from graphnn.backends.c.source import Source
from graphnn.backends.c.toolchain import Target
from graphnn.executor import plan_of

TARGET = native()
ROWS = {rows[0].op.name: rows for rows in GROUPS}
SOME = ["Convolution", "Deconvolution", "Pooling", "FullyConnected", "BatchNorm", "SoftmaxOutput", "transpose", "sum"]
# Phases share their parameters; a line may hold several statements.
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-misleading-indentation")
PROGRAMS = {"alexnet": (4, 1, 28, 28), "resnet-20": (2, 1, 28, 28), "mobilenet-v2": (1, 3, 32, 32)}


def clang() -> Target:
    """Give the compiler of the package ziglang."""
    pytest.importorskip("ziglang")
    return toolchain.find({"PATH": ""})


@pytest.mark.parametrize("name", [n if n == "sse" else pytest.param(n, marks=pytest.mark.slow) for n in NARROW])
@pytest.mark.parametrize("rows", SOME)
def test_rows_on_narrow_processors(rows, name, guarded, monkeypatch):  # noqa: F811
    target = narrow(TARGET, name)
    if not runs_here(target):
        pytest.skip("this processor is narrower")
    use(monkeypatch, target)
    check_rows(ROWS[rows], True)


@pytest.mark.slow
@pytest.mark.parametrize("rows", SOME)
def test_rows_by_clang(rows, guarded, monkeypatch):  # noqa: F811
    use(monkeypatch, clang())
    check_rows(ROWS[rows], True)


def units(name: str, target: Target, threads: int) -> list[str]:
    """Give the C of a training program."""
    plan = plan_of(models.get(name), True, {"data": PROGRAMS[name]}, "c")
    source = Source(target, threads)
    for part in (0, 1):
        source.add([(s, k) for s, k in emit_steps(plan, target) if s.part == part and k is not None])
    return source.units()


def check_warnings(name: str, target: Target, threads: int) -> None:
    kept = tuple(f for f in target.flags if not f.startswith("-O"))
    toolchain.compile(units(name, target, threads), replace(target, flags=(*kept, "-O0")), WARNINGS)


@pytest.mark.parametrize("threads", [pytest.param(1, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_warnings(name, threads):
    check_warnings(name, TARGET, threads)


@pytest.mark.slow
@pytest.mark.parametrize("width", NARROW)
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_warnings_on_narrow_processors(name, width, monkeypatch):
    target = narrow(TARGET, width)
    use(monkeypatch, target)
    check_warnings(name, target, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_warnings_by_clang(name, monkeypatch):
    use(monkeypatch, clang())
    check_warnings(name, clang(), 2)
