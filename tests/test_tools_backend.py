"""--backend: what auto takes, what is said of it, and that compiling is told."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from dataclasses import replace

import pytest
import tiny

from graphnn.backends import c, numpy
from graphnn.backends.c import toolchain
from graphnn.errors import BackendError
from graphnn.tools import bench, entry, options
from graphnn.tools import eval as eval_tool
from graphnn.tools import predict as predict_tool
from graphnn.tools import train as train_tool

TARGET = toolchain.Target(("cc",), "cc 1", 8, 16, "avx2", (), "gcc 1.2.3")
WHY = "no C compiler: install gcc"


class Standin(numpy.NumpyBackend):
    """The C backend's name, NumPy's kernels, and the log of a compiler."""

    name = "c"

    def link(self, plan, arrays, threads=1):
        logging.getLogger("graphnn.c").info("compiling 7 lines of C")
        return super().link(plan, arrays, threads)


@pytest.fixture
def with_c(monkeypatch):
    monkeypatch.setattr(c, "backend", Standin(), raising=False)
    monkeypatch.setattr(toolchain, "find", lambda: TARGET)


@pytest.fixture
def without_c(monkeypatch):
    def missing():
        raise BackendError(WHY)

    monkeypatch.setattr(c, "backend", Standin(), raising=False)
    monkeypatch.setattr(toolchain, "find", missing)


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """No pictures; the folder of the test is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


def test_auto_takes_c(with_c, capsys):
    assert options.backend_of("auto", False) == "c"
    assert capsys.readouterr().err == "backend: c (gcc 1.2.3, avx2)\n"


def test_auto_takes_numpy_without_a_compiler(without_c, capsys):
    assert options.backend_of("auto", False) == "numpy"
    assert capsys.readouterr().err == f"backend: numpy ({WHY})\n"


def test_c_without_a_compiler_is_an_error(without_c):
    with pytest.raises(BackendError, match=WHY):
        options.backend_of("c", False)


def test_quiet_says_nothing(with_c, capsys):
    assert options.backend_of("auto", True) == options.backend_of("c", True) == "c"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["numpy", "of_a_third_party"])
def test_other_names_are_taken_as_they_are(without_c, name, capsys):
    assert options.backend_of(name, False) == name
    assert capsys.readouterr().err == ""


# The commands


def train(tmp_path, *more):
    network, data = tiny.write_network(tmp_path / "net-symbol.json"), tiny.write_digits(tmp_path / "data")
    args = ["--symbol", network, "--data-dir", data, "--batch-size", "8", "--epochs", "1", "--output", "run", *more]
    return train_tool.main(args)


def recorded(tmp_path, run="run"):
    return json.loads((tmp_path / run / "config.json").read_text())["backend"]


def test_train_records_what_it_took(with_c, plain, tmp_path, capsys):
    assert train(tmp_path) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "backend: c (gcc 1.2.3, avx2)"
    assert "compiling 7 lines of C" in lines
    assert recorded(tmp_path) == "c"
    assert train(tmp_path, "--backend", "numpy") == 0
    assert recorded(tmp_path, "run-2") == "numpy"
    assert "backend: " not in capsys.readouterr().err


def test_train_takes_numpy_without_a_compiler(without_c, plain, tmp_path, capsys):
    assert train(tmp_path, "--backend", "auto") == 0
    assert capsys.readouterr().err.startswith(f"backend: numpy ({WHY})\nrun folder: ")
    assert recorded(tmp_path) == "numpy"
    assert train(tmp_path, "--backend", "c") == 1
    assert capsys.readouterr().err == f"error: {WHY}\n"
    assert not (tmp_path / "run-2").exists()


def test_a_file_of_options_may_name_it(with_c, plain, tmp_path):
    (tmp_path / "o.toml").write_text('backend = "numpy"\n')
    assert train(tmp_path, "--config", "o.toml", "--quiet") == 0
    assert recorded(tmp_path) == "numpy"


def test_a_run_goes_on_with_its_own(with_c, plain, tmp_path, capsys):
    assert train(tmp_path, "--backend", "numpy", "--quiet") == 0
    for more in ([], ["--backend", "auto"], ["--backend", "numpy"]):
        assert train_tool.main(["--resume", "run", *more]) == 0
    assert train_tool.main(["--resume", "run", "--backend", "c"]) == 1
    assert "--backend is 'numpy' in this run and cannot become 'c'" in capsys.readouterr().err


def test_eval_and_predict(with_c, plain, tmp_path, capsys):
    from PIL import Image

    assert train(tmp_path, "--backend", "numpy", "--quiet") == 0
    picture = Image.new("L", (6, 6), 9)
    picture.putpixel((2, 3), 250)
    picture.save("a.png")
    capsys.readouterr()
    for tool, more in ((eval_tool, []), (predict_tool, ["a.png"])):
        assert tool.main(["--run", "run", *more]) == 0
        err = capsys.readouterr().err
        assert err.startswith("backend: c (gcc 1.2.3, avx2)\n") and "compiling 7 lines of C\n" in err
        assert tool.main(["--run", "run", "--quiet", *more]) == 0
        err = capsys.readouterr().err
        assert "backend: " not in err and "compiling" not in err


def test_bench_names_it_in_its_rows(with_c, tmp_path, capsys):
    args = ["--symbol", tiny.write_network(tmp_path / "n.json"), "--shape", "data=1,1,6,6", "--batch", "2"]
    assert bench.main([*args, "--runs", "1", "--no-torch", "--json"]) == 0
    out, err = capsys.readouterr()
    assert {row["runner"] for row in json.loads(out)} == {"graphnn-c", "graphnn-numpy"}
    assert "left out" not in err


# What run() shows of compiling


def test_a_quiet_command_does_not_show_the_log_of_one_before(capsys):
    def command():
        logging.getLogger("graphnn.c").info("compiling")
        return 0

    assert [entry.run(command, False, quiet) for quiet in (False, True)] == [0, 0]
    assert capsys.readouterr().err == "compiling\n"
    assert logging.getLogger("graphnn.c").level == logging.NOTSET


@pytest.mark.filterwarnings("default")
def test_warnings_for_users_are_one_line(capsys):
    def command():
        warnings.warn("compiled programs are not kept: x", UserWarning, stacklevel=1)
        return 0

    shown = warnings.showwarning
    assert entry.run(command, False, True) == 0
    assert warnings.showwarning is shown
    assert capsys.readouterr().err == "warning: compiled programs are not kept: x\n"


def test_the_label_of_a_target_is_what_is_said():
    assert str(replace(TARGET, label="clang 17.0.1", isa="neon")) == "clang 17.0.1, neon"
