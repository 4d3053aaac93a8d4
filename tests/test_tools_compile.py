"""graphnn-compile: what it writes and prints, and what it refuses in one line."""

from __future__ import annotations

import ctypes
import json
import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT

import numpy as np
import pytest
import tiny

import graphnn
from graphnn.backends.c import toolchain
from graphnn.data import load
from graphnn.data.scaling import normalizer
from graphnn.errors import BackendError
from graphnn.model import save_checkpoint
from graphnn.runs import loop
from graphnn.runs import run as runs
from graphnn.runs.config import Config
from graphnn.tools import compile as tool

WHY = "no C compiler: install gcc"


@contextmanager
def silent(label, total):
    yield lambda values: None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder of a trained network."""
    root = tmp_path_factory.mktemp("run")
    config = {"data_dir": tiny.write_digits(root / "data"), "batch_size": 8, "epochs": 2, "lr": 0.1}
    run = runs.start(Config.from_mapping(config), tiny.network, root / "run*" / "evil")
    loop.train(run, silent, lambda record: None)
    return run.folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def without_compiler(monkeypatch):
    def missing():
        raise BackendError(WHY)

    monkeypatch.setattr(toolchain, "find", missing)


@pytest.fixture
def compiler():
    try:
        return toolchain.find()
    except BackendError as error:
        pytest.skip(str(error))


def files():
    return sorted(os.listdir())


def compile(folder, *more):
    return tool.main(["--run", str(folder), *more])


# What it writes


def test_a_library_computes_what_predict_does(compiler, folder, capsys):
    assert compile(folder, "-o", "digits.so", "--batch", "3", "--json", "--quiet") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert err == ""
    assert told["function"] == "digits_run" and told["files"] == ["digits.so", "digits.h"] == files()[::-1]
    assert (told["inputs"], told["outputs"]) == ([[3, 1, 6, 6]], [[3, 10]])
    assert told["vector_width"] == compiler.lanes
    predictor = graphnn.load(folder)
    images = load("mnist", predictor.meta.config.data_dir).test_x[:3]
    x = normalizer(predictor.meta.mean, predictor.meta.std)(images)
    y, space = np.empty((3, 10), np.float32), np.empty(told["workspace_bytes"], np.uint8)
    if any("sanitize" in flag for flag in compiler.flags):
        return  # such a library is not loaded from here
    assert ctypes.CDLL("./digits.so").digits_run(*(ctypes.c_void_p(a.ctypes.data) for a in (x, y, space))) == 0
    np.testing.assert_allclose(y, predictor.predict(images), rtol=1e-5, atol=1e-5)


def test_what_is_printed(without_compiler, folder, capsys):
    assert compile(folder, "-o", "digits.c") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "digits_run: (1, 1, 6, 6) -> (1, 10), vectors of 4"
    assert lines[1].startswith("workspace ") and lines[2].endswith(" bytes, in digits.c") and len(lines) == 3
    assert err == "wrote digits.c, digits.h\n"
    text, header = (Path(name).read_text() for name in ("digits.c", "digits.h"))
    assert header in text
    assert f"#define DIGITS_WORKSPACE_BYTES {lines[1].split()[1]}\n" in header
    assert f"#define DIGITS_WEIGHT_BYTES {lines[2].split()[1]}\n" in header
    assert f"{lines[1].split()[1]} bytes of workspace, {lines[2].split()[1]} bytes of weights in it" in text
    assert "evil" not in text


def test_the_machine_does_not_matter_where_it_is_given(folder, monkeypatch):
    compile(folder, "-o", "a.c", "--name", "n", "--vector-width", "8")
    monkeypatch.setattr(toolchain, "find", None)
    compile(folder, "-o", "b.c", "--name", "n", "--vector-width", "8")
    assert Path("a.c").read_text() == Path("b.c").read_text()
    assert "#define LANES 8\n" in Path("b.c").read_text()


def test_weights_in_a_file(without_compiler, folder, capsys):
    assert compile(folder, "-o", "digits.c", "--weights", "w", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert files() == ["digits.c", "digits.h", "w"] == sorted(told["files"])
    assert os.path.getsize("w") == told["weight_bytes"]
    assert "int digits_check(const void *weights, size_t bytes);" in Path("digits.h").read_text()


def test_scaling_is_in_the_header(without_compiler, folder):
    compile(folder, "-o", "digits.c")
    meta = graphnn.load(folder).meta
    header = Path("digits.h").read_text()
    for word, (value,) in (("MEAN", meta.mean), ("STD", meta.std)):
        line = next(x for x in header.splitlines() if x.startswith(f"#define DIGITS_{word} "))
        assert np.float32(line.split("{")[1].rstrip("f}")) == np.float32(value)


def test_epochs_differ(without_compiler, folder):
    for epoch in ("1", "2"):
        assert compile(folder, "-o", f"e{epoch}.c", "--name", "n", "--epoch", epoch) == 0
    assert Path("e1.c").read_text() != Path("e2.c").read_text()
    assert compile(folder, "-o", "e3.c", "--epoch", "3") == 1


def test_a_symbol_with_parameters(without_compiler, folder, capsys):
    predictor = graphnn.load(folder)
    assert compile(folder, "-o", "a.c", "--name", "n") == 0
    symbol = f"{folder}/best-symbol.json"
    own = ["--symbol", symbol, "--params", f"{folder}/best-0000.params", "--shape", "data=1,1,6,6"]
    assert tool.main([*own, "-o", "b.c", "--name", "n"]) == 0
    scaled = [
        x for x in Path("a.c").read_text().splitlines() if "MEAN" not in x and "STD" not in x and "By channel" not in x
    ]
    assert [x for x in scaled if x] == [x for x in Path("b.c").read_text().splitlines() if x]
    features = predictor.symbol.get_internals()["relu_output"]
    features.save("cut.json")
    assert tool.main(["--symbol", "cut.json", *own[2:], "-o", "c.c"]) == 0
    assert "c_run: (1, 1, 6, 6) -> (1, 3, 4, 4)" in capsys.readouterr().out


def test_a_model_by_name_takes_the_image_of_its_data_set(without_compiler, capsys):
    net = graphnn.models.get("mlp")
    shapes, _, _ = net.infer_shape(data=(1, 1, 28, 28))
    arrays = {n: np.zeros(s, np.float32) for n, s in zip(net.list_arguments(), shapes, strict=True)}
    save_checkpoint("mlp", 0, None, {n: a for n, a in arrays.items() if n not in ("data", "softmax_label")}, {})
    assert tool.main(["--symbol", "mlp", "--params", "mlp-0000.params", "--batch", "5", "-o", "net.c"]) == 0
    assert "net_run: (5, 1, 28, 28) -> (5, 10)" in capsys.readouterr().out


# What it refuses


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["-o", "/dev/full"], "/dev/full: the suffix says what to write: it must be one of .c, .so"),
        (["-o", "net"], "net: the suffix says what to write: it must be one of .c, .so"),
        (["-o", "1a.c"], "1a.c: give --name: '1a' is no identifier of C"),
        (["-o", "no/net.c"], "no/net.c: No such file or directory"),
        (["-o", "folder.c"], "folder.c: Is a directory"),
        (["-o", "net.c", "--weights", "/dev/full"], "/dev/full: cannot be written: it is a device or a stream"),
        (["-o", "net.c", "--max-memory", "1", "--batch", "100000"], "more than 1.0 MiB"),
        (["-o", "net.so"], WHY),
        (["-o", "net.c", "--epoch", "9"], "model-0009.params: No such file or directory"),
    ],
)  # fmt: skip
def test_one_line_and_exit_code_1(without_compiler, folder, more, message, capsys):
    os.mkdir("folder.c")
    assert compile(folder, *more) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert files() == ["folder.c"]


def test_a_run_that_is_not_there(without_compiler, capsys):
    assert compile("nothing", "-o", "net.c") == 1
    assert capsys.readouterr().err == "error: nothing: no run is there: it has no config.json\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(without_compiler, folder, capsys):
    os.mkdir("locked", 0o500)
    assert compile(folder, "-o", "locked/net.c") == 1
    assert capsys.readouterr().err == "error: locked/net.c: Permission denied\n"


def test_parameters_that_are_missing(without_compiler, folder, capsys):
    save_checkpoint("none", 0, None, {}, {})
    own = ["--symbol", f"{folder}/best-symbol.json", "--params", "none-0000.params", "-o", "net.c"]
    assert tool.main([*own, "--shape", "data=1,1,6,6"]) == 1
    assert "error: no array for 'conv_weight'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "one of the arguments --run --symbol/--network is required"),
        (["--run", "r", "--symbol", "mlp"], "not allowed with argument"),
        (["--run", "r", "--params", "p"], "--params and --shape go with --symbol"),
        (["--symbol", "mlp"], "--symbol needs --params FILE"),
        (["--symbol", "x.json", "--params", "p"], "a symbol file needs --shape data=N,C,H,W"),
        (["--symbol", "mlp", "--params", "p", "--epoch", "1"], "--epoch goes with --run"),
        (["--symbol", "mlp", "--params", "p", "--shape", "data=1,2", "--batch", "2"], "--shape has the batch"),
        (["--run", "r", "--weights", "net.c"], "--weights must be another file than net.c"),
        (["--run", "r", "--weights", "net.h"], "--weights must be another file than net.h"),
        (["--run", "r", "--weights", "./net.h"], "--weights must be another file than net.h"),
        (["--run", "r", "--name", "a-b"], "must be an identifier of C"),
        (["--run", "r", "--vector-width", "5"], "invalid choice: 5"),
        (["--run", "r", "--batch", "0"], "must be a whole number from 1 on"),
    ],
)
def test_usage(args, message, capsys):
    with pytest.raises(SystemExit) as e:
        tool.main([*args, "-o", "net.c"])
    assert e.value.code == 2
    assert message in capsys.readouterr().err


def test_old_files_stay_where_the_new_ones_cannot_be_written(without_compiler, folder, capsys):
    for name in ("net.c", "net.h"):
        Path(name).write_text("old")
    assert compile(folder, "-o", "net.c", "--weights", "no/w") == 1
    assert [Path(name).read_text() for name in files()] == ["old", "old"]
    os.chmod("net.h", 0o640)
    assert compile(folder, "-o", "net.c") == 0
    assert "net_run" in Path("net.h").read_text()
    assert stat.S_IMODE(os.stat("net.h").st_mode) == 0o640


def test_ctrl_c_is_clean(folder):
    code = (
        "import sys, time; from graphnn.backends.c import ahead; from graphnn.tools.compile import main\n"
        "def slow(*a, **k): print('here', flush=True); time.sleep(60)\n"
        "ahead.compile = slow\n"
        f"sys.exit(main(['--run', {str(folder)!r}, '-o', 'net.c', '--vector-width', '4']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "here\n"
    time.sleep(0.1)
    process.send_signal(SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "interrupted\n")
    assert files() == []


def test_help_has_examples_and_loads_no_numpy():
    code = "import sys; from graphnn.tools.compile import parser; print(parser().format_help(), 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "graphnn-compile --run runs/alexnet -o alexnet.c" in done.stdout
    assert done.stdout.endswith("False\n")
