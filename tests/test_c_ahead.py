"""Networks as C files: what they compute, what they touch, what compilers and valgrind say of them."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cases import CASES

from graphnn import models, sym
from graphnn.backends.c import ahead, toolchain
from graphnn.backends.c.constants import HEAD, Block, definition
from graphnn.backends.c.library import open_library
from graphnn.bound import Bound
from graphnn.errors import BackendError, BindError, ParameterError
from graphnn.graph import Value, make_node
from graphnn.symbol import Symbol

try:
    TARGET = toolchain.find()
except BackendError as error:
    pytest.skip(str(error), allow_module_level=True)

PAGE = (Path(__file__).parents[1] / "docs" / "ahead-of-time.md").read_text("utf-8")
PLAIN, WITH_WEIGHTS = re.findall(r"^```c\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
STRICT = ("-std=c99", "-O1", "-Wall", "-Wextra", "-Werror")
SANITIZED = any(flag.startswith("-fsanitize") for flag in TARGET.flags)
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}  # a sanitizer is for Python alone
BASELINE = ("-mcpu=baseline",) if "zig" in TARGET.label else ()  # zig compiles for this machine, valgrind is behind
GUARD = 256


def small():
    """A convolution with BatchNorm, pooling, a sum of two branches, a dense layer, a loss."""
    x = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=9, pad=(1, 1), no_bias=True, name="conv")
    x = sym.Activation(sym.BatchNorm(x, fix_gamma=False, name="bn"), act_type="relu", name="relu")
    y = sym.Convolution(x, kernel=(3, 3), num_filter=9, pad=(1, 1), num_group=9, name="depthwise")
    x = sym.Pooling(
        sym.elemwise_add(sym.tanh(y, name="tanh"), x, name="add"),
        kernel=(2, 2),
        stride=(2, 2),
        pool_type="max",
        name="pool",
    )
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=5, name="fc"), name="softmax")


def setting(net, shape, seed=0, **others):
    """Give the bound network and random parameters."""
    bound = Bound(net, {"data": shape, **others}, {})
    rng = np.random.default_rng(seed)
    arrays = {}
    for name in (*bound.arguments, *bound.aux):
        if name in ("data", *others) or name.endswith("label"):
            continue
        x = rng.normal(size=bound.types[name].shape) * 0.2
        arrays[name] = (np.abs(x) + 0.5 if name.endswith(("_var", "_gamma")) else x).astype(np.float32)
    return bound, arrays


def wanted(bound, arrays, *inputs):
    """Give what the NumPy executor computes."""
    names = [n for n in bound.arguments if n not in arrays and not n.endswith("label")]
    ex = bound.symbol.simple_bind("null", **{n: x.shape for n, x in zip(names, inputs, strict=True)})
    ex.copy_params_from({n: a for n, a in arrays.items() if n in ex.arg_dict},
                        {n: a for n, a in arrays.items() if n in ex.aux_dict})  # fmt: skip
    return [y.copy() for y in ex.forward(False, **dict(zip(names, inputs, strict=True)))]


def written(bound, arrays, lanes=None, inputs=("data",), **more):
    return ahead.compile(bound, inputs, arrays, "digits", ahead.target_of(lanes, TARGET), **more)


def build(folder, program, main, flags):
    """Compile the files and a main program, as a user does; give the executable."""
    (folder / "digits.c").write_text(program.source)
    (folder / "digits.h").write_text(program.header)
    (folder / "main.c").write_text(main)
    if program.block is not None:
        (folder / "digits.weights").write_bytes(program.block)
    command = [*TARGET.command, *flags, "main.c", "digits.c", "-lm", "-o", "main"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr[:2000]
    return folder / "main"


def run(folder, command, data):
    data.tofile(folder / "data")
    done = subprocess.run([*command, "data"], cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
    return np.array(done.stdout.split(), np.float32)


class Library:
    """A program as a shared library, called through ctypes."""

    def __init__(self, program):
        self.program = program
        self.run = open_library(toolchain.compile(program.source, TARGET), SANITIZED).digits_run

    def __call__(self, *inputs, weights=None, filled=0xFF, skip=0):
        """Run in a workspace full of `filled`, `skip` bytes beside a multiple of 64; what is around it stays."""
        n = self.program.workspace_bytes
        raw = np.full(n + 2 * GUARD + 64, 0xA5, np.uint8)
        start = GUARD + -(raw.ctypes.data + GUARD) % 64 + skip
        raw[start : start + n] = filled
        outs = [np.full(t.size + 32, np.nan, np.float32) for t in self.program.interface.outputs]
        arrays = [*inputs, *(y[16:] for y in outs), raw[start:], *([weights] if weights is not None else [])]
        before = [x.copy() for x in inputs]
        assert self.run(*(ctypes.c_void_p(x.ctypes.data) for x in arrays)) == 0
        assert (raw[:start] == 0xA5).all() and (raw[start + n :] == 0xA5).all(), "written outside the workspace"
        assert all(np.isnan(y[:16]).all() and np.isnan(y[-16:]).all() for y in outs), "written outside the outputs"
        assert all(np.array_equal(a, b) for a, b in zip(inputs, before, strict=True))
        types = self.program.interface.outputs
        return [y[16:-16].reshape(t.shape) for y, t in zip(outs, types, strict=True)]


@pytest.fixture(scope="module")
def net():
    bound, arrays = setting(small(), (2, 3, 10, 8))
    x = np.random.default_rng(1).normal(size=(2, 3, 10, 8)).astype(np.float32)
    return bound, arrays, x, wanted(bound, arrays, x)[0]


@pytest.fixture(scope="module")
def library(net):
    return Library(written(*net[:2]))


# What it computes


@pytest.mark.parametrize(("lanes", "standard"), [(4, "c99"), (8, "gnu11"), (TARGET.lanes, "c99")])
def test_the_documents_program(net, lanes, standard, tmp_path):
    bound, arrays, x, y = net
    own = ("-march=native",) if lanes == TARGET.lanes and "-march=native" in TARGET.flags else ()
    build(tmp_path, written(bound, arrays, lanes), PLAIN, (*STRICT[1:], f"-std={standard}", *own, "-Wno-psabi"))
    assert len(PLAIN.splitlines()) <= 22
    np.testing.assert_allclose(run(tmp_path, ["./main"], x), y.ravel(), rtol=1e-5, atol=1e-5)


def test_the_documents_program_with_weights(net, tmp_path):
    bound, arrays, x, y = net
    program = written(bound, arrays, 4, apart=True)
    build(tmp_path, program, WITH_WEIGHTS, STRICT)
    x.tofile(tmp_path / "data")
    assert program.weight_bytes == len(program.block)

    def call():
        return subprocess.run(["./main", "data", "digits.weights"], cwd=tmp_path, capture_output=True, text=True)

    got = call()
    assert got.returncode == 0
    np.testing.assert_allclose(np.array(got.stdout.split(), np.float32), y.ravel(), rtol=1e-5, atol=1e-5)
    for at in (0, 9, 13, 17, HEAD, len(program.block) - 1):
        changed = bytearray(program.block)
        changed[at] ^= 1
        (tmp_path / "digits.weights").write_bytes(changed)
        assert call().returncode == 1, f"byte {at}"
    (tmp_path / "digits.weights").write_bytes(program.block[:-1])
    assert call().returncode == 1


@pytest.mark.parametrize(("name", "image", "lanes"), [("lenet", (1, 28, 28), 8), ("resnet-20", (1, 16, 16), 4)])
def test_models(name, image, lanes, tmp_path):
    bound, arrays = setting(models.get(name), (1, *image))
    x = np.random.default_rng(1).normal(size=(1, *image)).astype(np.float32)
    (y,) = wanted(bound, arrays, x)
    build(tmp_path, written(bound, arrays, lanes, apart=True), WITH_WEIGHTS, STRICT)
    x.tofile(tmp_path / "data")
    got = subprocess.run(["./main", "data", "digits.weights"], cwd=tmp_path, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(np.array(got.stdout.split(), np.float32), y.ravel(), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(SANITIZED or not shutil.which("valgrind"), reason="needs valgrind, and no sanitizer")
@pytest.mark.parametrize("lanes", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_valgrind(net, lanes, tmp_path):
    bound, arrays, x, y = net
    build(tmp_path, written(bound, arrays, lanes), PLAIN, ("-std=c99", "-O1", "-g", "-Wno-psabi", *BASELINE))
    command = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "./main"]
    np.testing.assert_allclose(run(tmp_path, command, x), y.ravel(), rtol=1e-5, atol=1e-5)


def test_exact_takes_no_winograd():
    x = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=32, pad=(1, 1), name="conv")
    bound, arrays = setting(x, (1, 32, 16, 16))
    assert "_winograd" in written(bound, arrays, 8).source
    assert "_winograd" not in written(bound, arrays, 8, conv_algo="direct").source


def test_several_inputs_and_outputs():
    a, b = sym.Variable("data"), sym.Variable("more")
    net = sym.Group([sym.FullyConnected(a * b, num_hidden=3, name="fc"), a + b, sym.BlockGrad(b)])
    bound, arrays = setting(net, (2, 5), more=(2, 5))
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(2, 5)).astype(np.float32) for _ in range(2))
    program = written(bound, arrays, inputs=("data", "more"))
    assert (
        "int digits_run(const float *data0, const float *data1, float *out0, float *out1, float *out2" in program.header
    )
    for got, want in zip(Library(program)(x, y), wanted(bound, arrays, x, y), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_outputs_that_depend_on_no_input():
    bound, arrays = setting(sym.Group([sym.Variable("w", shape=(3,)) * 2.0, sym.Variable("data")]), (2,))
    x = np.array([1, 2], np.float32)
    got = Library(written(bound, arrays))(x)
    np.testing.assert_array_equal(got[0], 2 * arrays["w"])
    np.testing.assert_array_equal(got[1], x)


# What it touches


@pytest.mark.parametrize("skip", [0, 1, 4, 63])
@pytest.mark.parametrize("filled", [0, 0xFF, 0x7F])
def test_any_workspace_will_do(net, library, filled, skip):
    """Each byte of it is used or not, none around it; what was in it does not matter."""
    first = library(net[2])[0]
    np.testing.assert_array_equal(library(net[2], filled=filled, skip=skip)[0], first)
    np.testing.assert_allclose(first, net[3], rtol=1e-5, atol=1e-5)


def test_calls_at_the_same_time(net, library):
    rng = np.random.default_rng(2)
    xs = [rng.normal(size=net[2].shape).astype(np.float32) for _ in range(8)]
    alone = [library(x)[0] for x in xs]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            for got, want in zip(pool.map(library, xs), alone, strict=True):
                np.testing.assert_array_equal(got[0], want)


def test_weights_anywhere(net):
    program = written(*net[:2], apart=True)
    run = Library(program)
    for skip in (0, 4, 36):
        raw = np.zeros(len(program.block) + 128, np.uint8)
        start = -raw.ctypes.data % 64 + skip
        raw[start : start + len(program.block)] = np.frombuffer(program.block, np.uint8)
        np.testing.assert_allclose(run(net[2], weights=raw[start:])[0], net[3], rtol=1e-5, atol=1e-5)


def test_null_pointers_and_foreign_weights(net, library):
    program = written(*net[:2], apart=True)
    run, x, y = Library(program).run, net[2], np.zeros(10, np.float32)
    space = np.zeros(program.workspace_bytes, np.uint8)
    good = [ctypes.c_void_p(a.ctypes.data) for a in (x, y, space, np.frombuffer(program.block, np.uint8))]
    assert run(*good) == 0
    for k in range(4):
        assert run(*(None if i == k else p for i, p in enumerate(good))) == 1
    other = written(net[0], {n: a + 1 for n, a in net[1].items()}, apart=True).block
    assert run(*good[:3], ctypes.c_void_p(np.frombuffer(other, np.uint8).ctypes.data)) == 2
    assert library.run(None, *good[1:3]) == 1


@pytest.mark.skipif(not shutil.which("nm"), reason="needs nm")
def test_an_object_has_no_variables(net, tmp_path):
    """It shows its functions, asks for mathematics and copying alone, and has nothing that could be written to."""
    for apart, shown in ((False, {"digits_run"}), (True, {"digits_run", "digits_check"})):
        (tmp_path / "digits.c").write_text(written(*net[:2], 4, apart=apart).source)
        subprocess.run([*TARGET.command, "-O1", "-c", "digits.c"], cwd=tmp_path, env=ENVIRONMENT, check=True)
        lines = subprocess.run(["nm", "digits.o"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        kinds = [line.split()[-2:] for line in lines.splitlines()]
        assert {name for kind, name in kinds if kind.isupper() and kind != "U"} == shown
        assert not [name for kind, name in kinds if kind in "bBdDC"]
        assert {name for kind, name in kinds if kind == "U"} <= {
            "memcpy",
            "memset",
            "memcmp",
            "expf",
            "_GLOBAL_OFFSET_TABLE_",
        }


def test_the_same_input_gives_the_same_file(net):
    assert written(*net[:2], 8) == written(*setting(small(), (2, 3, 10, 8)), 8)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_no_compiler_has_a_word_to_say(lanes, tmp_path):
    """Every row of the table of operators that can be compiled, with all warnings on."""

    def stderr(k, text):
        (tmp_path / f"{k}.c").write_text(text)
        command = [*TARGET.command, *STRICT, "-Wno-psabi", "-c", f"{k}.c", "-o", f"{k}.o"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=ENVIRONMENT).stderr

    texts = {case.id: text for case in CASES if (text := row(case, lanes))}
    assert len(texts) > 200
    with ThreadPoolExecutor(2) as pool:
        said = dict(zip(texts, pool.map(stderr, range(len(texts)), texts.values()), strict=True))
    assert {k: v for k, v in said.items() if v} == {}


def row(case, lanes):
    """Give the file of one row, None where it has no C."""
    node = make_node(case.op, [sym.Variable(f"x{i}").values[0] for i in range(len(case.shapes))], "y")
    net = Symbol([Value(node, i) for i in range(case.op.num_visible)])
    names = [f"x{i}" for i in range(len(case.shapes)) if f"x{i}" in net.list_inputs()]
    shapes = {n: x.shape for n, x in zip(names, case.inputs(np.random.default_rng(0)), strict=False)}
    bound = Bound(net, shapes, dict.fromkeys(names, "float32"))
    try:
        return written(bound, {n: np.ones(bound.types[n].shape) for n in bound.aux}, lanes, bound.arguments).source
    except BackendError:
        return None


# Weights


def test_arrays_give_back_every_bit(tmp_path):
    """Text, then a compiler, then the bits: whole ranges, denormal numbers, the ends, and what is no number."""
    rng = np.random.default_rng(0)
    bits = np.concatenate([rng.integers(0, 1 << 32, 20_000, np.uint32), np.arange(64, dtype=np.uint32)])
    ends = [0.0, -0.0, np.finfo("f").max, -np.finfo("f").max, np.inf, -np.inf, 1e10, 16777217, 1e-45, 1.17549435e-38]
    floats = np.concatenate([bits.view(np.float32), np.array(ends, np.float32)])
    arrays = {
        "f": floats, "g": rng.normal(size=50), "i": np.array([-(2**31), 2**31 - 1, 0], np.int32),
        "l": np.array([-(2**63), 2**63 - 1, -1], np.int64), "u": np.array([2**64 - 1, 0], np.uint64),
        "b": np.array([True, False]), "c": np.array([-128, 127], np.int8), "e": np.zeros(0, np.float32),
    }  # fmt: skip
    text = "#include <math.h>\n#include <stdint.h>\n" + "".join(definition(f"a_{k}", a) for k, a in arrays.items())
    for k in arrays:
        text += f'__attribute__((visibility("default"))) const void *get_{k}(void) {{ return a_{k}; }}\n'
    library = open_library(toolchain.compile(text, TARGET, ("-Wall", "-Wextra", "-Werror")), SANITIZED)
    for k, a in arrays.items():
        get = getattr(library, f"get_{k}")
        get.restype = ctypes.c_void_p
        raw = ctypes.string_at(get(), a.nbytes)
        if a.dtype.kind == "f":
            got = np.frombuffer(raw, a.dtype)
            np.testing.assert_array_equal(got, a)
            np.testing.assert_array_equal(np.signbit(got)[~np.isnan(a)], np.signbit(a)[~np.isnan(a)])
        else:
            assert raw == a.tobytes()


def test_a_block_is_little_endian():
    content = Block({"a": np.array([1.0], ">f4"), "b": np.array([2], np.int64)}).content
    assert len(content) == HEAD + 128 and content[:8] == b"graphnnW" and content[8:12] == b"\1\0\0\0"
    assert content[64:68] == np.array([1.0], "<f4").tobytes() and content[128:136] == b"\2" + bytes(7)


# What is refused


def test_steps_without_c_are_named():
    net = sym.Variable("data")
    for k in range(7):
        net = sym.LRN(net, nsize=3, name=f"norm{k}")
    with pytest.raises(BackendError, match=r"^no C ahead of time for norm0 \(LRN\), norm1 .*norm4 \(LRN\) and 2 more$"):
        written(*setting(net, (2, 3, 4, 4)))


def test_random_draws_are_refused():
    bound, arrays = setting(sym.Variable("data") + sym.random_uniform(shape=(2, 5), name="noise"), (2, 5))
    with pytest.raises(BackendError, match=r"no C ahead of time for .*uniform"):
        written(bound, arrays)


def test_other_types_are_refused():
    with pytest.raises(BackendError, match="the input 'data' is float64: only float32"):
        written(Bound(sym.Variable("data") + 1.0, {"data": (2,)}, {"data": "float64"}), {})
    with pytest.raises(BackendError, match="the output 'cast_output' is int32: only float32"):
        written(Bound(sym.Cast(sym.Variable("data"), dtype="int32", name="cast"), {"data": (2,)}, {}), {})


@pytest.mark.parametrize("name", ["", "1a", "a-b", "_a", "int", "class", "a b", "é", "a" * 64, "a;b", "a\n"])
def test_names(net, name):
    assert not ahead.is_name(name)
    with pytest.raises(ParameterError, match="the name must be an identifier of C"):
        ahead.compile(*net[:1], ["data"], net[1], name, TARGET)


def test_arrays_that_do_not_fit(net):
    bound, arrays = net[:2]
    with pytest.raises(BindError, match="no array for 'fc_bias'"):
        written(bound, {n: a for n, a in arrays.items() if n != "fc_bias"})
    with pytest.raises(BindError, match=r"'fc_bias' must be float32\[5\], got the shape \(6,\)"):
        written(bound, {**arrays, "fc_bias": np.zeros(6, np.float32)})
    with pytest.raises(BindError, match=r"more than 1\.0 KiB"):
        written(bound, arrays, max_memory=1024)
    with pytest.raises(ParameterError, match="vectors have 4, 8, 16 floats, not 3"):
        ahead.target_of(3, TARGET)


def test_hostile_names_stay_outside():
    """Whatever they are called, nodes give the same file."""

    def named(*names):
        data, weight, bias, fc, relu = names
        x = sym.FullyConnected(sym.Variable(data), sym.Variable(weight), sym.Variable(bias), num_hidden=3, name=fc)
        bound = Bound(sym.Activation(x, act_type="tanh", name=relu), {data: (2, 5)}, {})
        arrays = {weight: np.ones((3, 5), np.float32), bias: np.ones(3, np.float32)}
        return written(bound, arrays, inputs=(data,))

    bad = ["*/ int x; /*", "a\nb", "??/", '"', "\\", "// x", "#include <x>", "%s", "é\u202e", "x" * 500]
    first = named(*bad[:5])
    second = named(*bad[5:])
    assert (second.source, second.header) == (first.source, first.header)
    assert not any(x in first.source for x in ("int x;", "??/", "include <x>"))
