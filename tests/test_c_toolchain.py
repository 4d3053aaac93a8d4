"""The C compiler: how it is found, what it is asked, what it says when it fails."""

from __future__ import annotations

import ctypes
import os
import platform
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from graphnn.backends.c import toolchain
from graphnn.errors import BackendError

PATH = os.environ.get("PATH", os.defpath)
EXPORT = '__attribute__((visibility("default"))) '
ADD = EXPORT + "int add(int a, int b) { return a + b; }\n"


def found(**environ):
    try:
        return toolchain.find({"PATH": PATH, **environ})
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture
def target():
    return found()


@pytest.fixture
def script(tmp_path):
    """Make a compiler of one's own: a shell script."""

    def make(name, body):
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o700)
        return str(file)

    return make


def loaded(library, tmp_path):
    file = tmp_path / f"{len(list(tmp_path.iterdir()))}.so"  # one that is loaded must not be written into
    file.write_bytes(library)
    return ctypes.CDLL(str(file))


def test_what_is_found(target):
    assert os.path.isabs(target.command[0])
    assert target.version
    assert (target.isa, target.lanes, target.registers) in [
        ("avx512", 16, 32), ("avx2", 8, 16), ("sse", 4, 16), ("neon", 4, 32), ("neon", 4, 16), ("generic", 4, 16),
    ]  # fmt: skip
    assert str(target) == f"{target.label}, {target.isa}"
    assert "-ffast-math" not in target.flags


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists() or platform.machine() != "x86_64", reason="x86-64 Linux")
def test_the_isa_is_the_processors(target):
    flags = next(x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("flags")).split()
    assert target.isa == ("avx512" if "avx512f" in flags else "avx2" if {"avx2", "fma"} <= set(flags) else "sse")


def test_a_library_of_one_unit(target, tmp_path):
    assert loaded(toolchain.compile(ADD, target), tmp_path).add(2, 3) == 5


def test_a_library_of_many_units_hides_what_is_not_exported(target, tmp_path):
    units = [f"int part{k}(void) {{ return {k}; }}\n" for k in range(7)]
    head = "".join(f"int part{k}(void);\n" for k in range(7))
    total = head + EXPORT + f"int total(void) {{ return {' + '.join(f'part{k}()' for k in range(7))}; }}\n"
    library = loaded(toolchain.compile([*units, total], target), tmp_path)
    assert library.total() == 21
    assert not hasattr(library, "part3")


def test_vectors_run_at_full_width(target, tmp_path):
    source = f"""
typedef float lanes __attribute__((vector_size({4 * target.lanes})));
{EXPORT}void twice(lanes *x) {{ for (int i = 0; i < 4; i++) x[i] = x[i] * 2.0f + 1.0f; }}
"""
    n = 4 * target.lanes
    memory = (ctypes.c_char * (4 * n + 64))()
    x = (ctypes.c_float * n).from_address(-(-ctypes.addressof(memory) // 64) * 64)
    x[:] = range(n)
    loaded(toolchain.compile(source, target), tmp_path).twice(x)
    assert list(x) == [2 * k + 1 for k in range(n)]


def test_zig():
    pytest.importorskip("ziglang")
    zig = next(toolchain._zig())
    target = toolchain.find({"PATH": "", "CC": ""})
    assert target.command == zig
    assert target.label.startswith("zig cc, clang ")


@pytest.mark.slow  # zig builds its C library's parts at the first call: 5 s
def test_zig_compiles_at_full_width(tmp_path):
    pytest.importorskip("ziglang")
    target = toolchain.find({"PATH": "", "CC": ""})
    with_cc = found()
    assert (target.isa, target.lanes) == (with_cc.isa, with_cc.lanes)
    test_vectors_run_at_full_width(target, tmp_path)
    test_a_library_of_many_units_hides_what_is_not_exported(target, tmp_path)


def test_no_compiler(monkeypatch):
    monkeypatch.setattr(toolchain, "find_spec", lambda name: None)
    with pytest.raises(BackendError, match=r"^no C compiler: install gcc or clang, or graphnn's extra 'zig': pip"):
        toolchain.find({"PATH": "/nowhere"})


def test_a_compiler_that_fails_is_named(monkeypatch, script, tmp_path):
    monkeypatch.setattr(toolchain, "find_spec", lambda name: None)
    cc = script("cc", "echo 'cc: error: no headers' >&2; exit 1")
    with pytest.raises(BackendError) as error:
        toolchain.find({"PATH": str(tmp_path)})
    assert str(error.value).startswith("no C compiler: install ")
    assert str(error.value).endswith(f"; {cc}: cc: error: no headers")


@pytest.mark.parametrize(
    ("cc", "reason"),
    [
        ("/nowhere/cc -m64", "there is no such compiler"),
        ("cc '", "No closing quotation"),
        ("false", "exit code 1"),
        ("nowhere\x1b[2J", "there is no such compiler"),
    ],
)
def test_cc_that_does_not_work(cc, reason):
    with pytest.raises(BackendError, match=r"^CC=.*: ") as error:
        toolchain.find({"PATH": PATH, "CC": cc})
    assert reason in str(error.value)
    assert str(error.value).isprintable()


def test_cc_with_spaces_and_arguments(target, script):
    given = f"{shlex.join(target.command)} -DX=1"
    assert toolchain.find({"PATH": PATH, "CC": given}).command == (*target.command, "-DX=1")
    wrapper = script("my cc", f'exec {shlex.join(target.command)} "$@"')
    assert found(CC=f"'{wrapper}' -DX='a b'").command == (wrapper, "-DX=a b")


def test_flags_that_a_compiler_does_not_take_are_left_out(target, script):
    refuse = 'for a in "$@"; do case $a in -mprefer*|-fno-semantic*) echo "error: $a" >&2; exit 1;; esac; done'
    old = found(CC=script("old", f'{refuse}\nexec {shlex.join(target.command)} "$@"'))
    assert not [f for f in old.flags if f.startswith(("-mprefer", "-fno-semantic"))]
    assert (old.isa, "-march=native" in old.flags) == (target.isa, True)


def test_a_compile_error_is_one_line(target):
    with pytest.raises(BackendError, match=r"^\S.* cannot compile the generated C: unit1\.c:1:\d+: .*error") as error:
        toolchain.compile([ADD, "int f(void) { return nothing; }", "}"], target)
    assert "\n" not in str(error.value)


def test_a_compiler_that_takes_too_long_is_ended(target, script, monkeypatch, tmp_path):
    monkeypatch.setattr(toolchain, "_COMPILE_SECONDS", 0.2)
    slow = toolchain.Target((script("slow", f"sleep 60 & echo $! >{tmp_path}/pid; wait"),), "", 4, 16, "sse", ())
    with pytest.raises(BackendError, match=r"takes longer than 0.2 s"):
        toolchain.compile(ADD, slow)
    state = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"  # what it had started is gone too


def test_the_folder_is_private_and_removed(target, script, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    look = 'echo "$(pwd) $(stat -c %a . 2>/dev/null || stat -f %Lp .) $TMPDIR $ZIG_LOCAL_CACHE_DIR"'
    spy = script("spy", f'{look} >"{tmp_path}/seen"; exec {shlex.join(target.command)} "$@"')
    spied = toolchain.Target((spy,), "", 4, 16, "sse", target.flags)
    toolchain.compile(ADD, spied)
    folder, mode, temporary, zig = (tmp_path / "seen").read_text().split()
    assert temporary == zig == folder
    assert Path(folder).parent == tmp_path.resolve()
    assert not Path(folder).exists()
    if mode.isdigit():  # GNU stat
        assert int(mode, 8) == stat.S_IRWXU


def test_sanitizers(target):
    checked = found(GRAPHNN_C_SANITIZE="1")
    assert set(toolchain.SANITIZE) <= set(checked.flags)
    assert not set(toolchain.SANITIZE) & set(target.flags)
    with pytest.raises(BackendError, match="GRAPHNN_C_SANITIZE must be 0 or 1, got 'yes'"):
        toolchain.find({"PATH": PATH, "GRAPHNN_C_SANITIZE": "yes"})


OVERFLOW = EXPORT + "int past(int *x, int n) { return x[n]; }\n"
USE = """
import ctypes, sys
from graphnn.backends.c import toolchain
open(sys.argv[1], "wb").write(toolchain.compile(sys.argv[2], toolchain.find()))
memory = ctypes.CDLL(None)
memory.malloc.restype = ctypes.c_void_p
ctypes.CDLL(sys.argv[1]).past(ctypes.c_void_p(memory.malloc(16)), 4)
"""


@pytest.mark.slow
def test_a_sanitizer_sees_a_read_past_the_end(tmp_path):
    command = [sys.executable, "-m", "graphnn.backends.c.toolchain", "--preload"]
    library = subprocess.run(command, capture_output=True, text=True)
    if library.returncode:
        pytest.skip(library.stderr)
    settings = {"GRAPHNN_C_SANITIZE": "1", "LD_PRELOAD": library.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "l.so"), OVERFLOW],
        env=os.environ | settings, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr


def test_main(target, capsys):
    assert toolchain.main([]) == 0
    assert capsys.readouterr().out.splitlines()[0] == str(toolchain.find())
    assert toolchain.main(["--what"]) == 1
    assert capsys.readouterr().err.startswith("error: usage: ")
