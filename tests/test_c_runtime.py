"""The threads of generated programs: they meet where they should, never hang, and leave the machine to others."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import pytest

from graphnn.backends.c import library, toolchain
from graphnn.errors import BackendError

RUNTIME = resources.files("graphnn.backends.c").joinpath("runtime.h").read_text("utf-8")
# Each thread writes its number, all meet, each checks what the others wrote, all meet. `rounds` counts in thread 0.
BODY = r"""
static int slots[GN_MAX_THREADS][32];
static atomic_int errors, rounds;

static void body(void *const *arrays, int thread, int threads)
{
    (void)arrays;
    for (int k = 0; k < 4; k++) {
        slots[thread][0] = 100 * k + thread;
        gn_barrier();
        for (int t = 0; t < threads; t++)
            if (slots[t][0] != 100 * k + t)
                atomic_fetch_add(&errors, 1);
        gn_barrier();
    }
    if (thread == 0)
        atomic_fetch_add(&rounds, threads);
}

GN_EXPORT int stress(int runs)
{
    atomic_store(&errors, 0);
    atomic_store(&rounds, 0);
    for (int k = 0; k < runs; k++)
        gn_run(body, NULL);
    return atomic_load(&errors) ? -1 : atomic_load(&rounds);
}
"""
MAIN = (
    "int main(void) { for (int n = 1; n < 5; n++) if (gn_start(n) || stress(300) != 300 * n) return 1; gn_stop(); }\n"
)
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")
VARIANTS = {"futex": (), "condition": ("-DGN_NO_FUTEX",)}


@pytest.fixture(scope="module")
def target():
    try:
        return toolchain.find()
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=VARIANTS)
def code(request, target):
    return toolchain.compile(RUNTIME + BODY, target, VARIANTS[request.param])


@pytest.fixture
def program(code):
    loaded = library.open_library(code)
    yield loaded
    loaded.gn_stop()


def own_threads() -> int:
    return len(os.listdir("/proc/self/task"))


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_all_threads_meet(program, threads):
    assert program.gn_start(threads) == 0
    assert program.stress(300) == 300 * threads


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_all_threads_meet_ten_thousand_times(program, threads):
    assert program.gn_start(threads) == 0
    assert program.stress(10_000) == 10_000 * threads


def test_without_a_start_there_is_one_thread(program):
    assert program.stress(10) == 10


def test_two_programs_have_pools_of_their_own(code):
    a, b = library.open_library(code), library.open_library(code)
    assert (a.gn_start(2), b.gn_start(3)) == (0, 0)
    for _ in range(500):
        assert (a.stress(1), b.stress(1)) == (2, 3)
    a.gn_stop()
    assert (a.stress(1), b.stress(1)) == (1, 3)
    b.gn_stop()


@LINUX
def test_threads_end(program):
    before = own_threads()
    for n in (4, 2, 3):
        assert program.gn_start(n) == 0
        assert own_threads() == before + n - 1
    program.gn_stop()
    program.gn_stop()
    assert own_threads() == before
    assert (program.gn_start(2), program.stress(5)) == (0, 10)


@LINUX
def test_a_worker_leaves_the_callers_processor(program):
    everywhere = os.sched_getaffinity(0)
    if len(everywhere) < 2:
        pytest.skip("needs two processors")
    before = set(os.listdir("/proc/self/task"))
    assert program.gn_start(2) == 0
    (worker,) = set(os.listdir("/proc/self/task")) - before
    here = min(everywhere)
    for _ in range(50):  # the system may move this thread in between
        for thread in (0, int(worker)):
            os.sched_setaffinity(thread, {here})
        assert program.stress(1) == 2
        os.sched_setaffinity(0, everywhere)
        assert program.stress(1) == 2
        if os.sched_getaffinity(int(worker)) == everywhere - {here}:
            break
    else:
        pytest.fail("the worker stayed")


@pytest.mark.parametrize("threads", [0, -1, 257, 1 << 30])
def test_numbers_of_threads_out_of_range(program, threads):
    assert program.gn_start(threads) == errno.EINVAL
    assert program.stress(3) == 3


def test_waiting_threads_take_no_time(program):
    assert program.gn_start(4) == 0
    program.stress(10)
    time.sleep(0.01)
    start = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - start < 0.02


def test_a_change_that_was_seen_restores_spinning(target):
    look = r"""
GN_EXPORT int looks_after(int old, int looks)
{
    static struct gn_word word;
    gn_pool.spin = 320;
    atomic_store(&word.value, (unsigned)old + 1);
    atomic_store(&word.looks, (unsigned)looks);
    gn_wait(&word, (unsigned)old, 0);
    return (int)atomic_load(&word.looks);
}
"""
    loaded = library.open_library(toolchain.compile(RUNTIME + look, target))
    assert [loaded.looks_after(old, looks) for old in (5, 16) for looks in (10, 320)] == [320] * 4


def test_several_files_share_one_pool(target):
    other = "void part(void *const *arrays, int thread, int threads);\n"
    first = RUNTIME + BODY + other + "GN_EXPORT int both(void) { gn_run(part, NULL); return stress(5); }\n"
    second = (
        RUNTIME
        + other
        + r"""
static int seen[GN_MAX_THREADS][32];
GN_EXPORT int wrong;
void part(void *const *arrays, int thread, int threads)
{
    (void)arrays;
    seen[thread][0] = 1;
    gn_barrier();
    for (int t = 0; t < threads; t++)
        if (!seen[t][0]) wrong = 1;
}
"""
    )
    loaded = library.open_library(toolchain.compile([first, second], target))
    assert (loaded.gn_start(3), loaded.both()) == (0, 15)
    assert ctypes.c_int.in_dll(loaded, "wrong").value == 0
    loaded.gn_stop()


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_warnings(target, variant):
    toolchain.compile(RUNTIME + BODY, target, (*WARNINGS, *VARIANTS[variant]))
    toolchain.compile(RUNTIME, target, (*WARNINGS, *VARIANTS[variant]))


@pytest.mark.slow
def test_zig_takes_it(tmp_path):
    pytest.importorskip("ziglang")
    zig = toolchain.find({"PATH": ""})
    loaded = library.open_library(toolchain.compile(RUNTIME + BODY, zig, WARNINGS))
    assert (loaded.gn_start(2), loaded.stress(100)) == (0, 200)
    loaded.gn_stop()


# In processes of their own

BEGIN = """
import ctypes, os, sys
program = ctypes.CDLL(sys.argv[1])
"""
FORK = """
assert program.gn_start(3) == 0 and program.stress(20) == 60
for work in (lambda: program.stress(20) == 60, lambda: program.gn_stop() or program.stress(20) == 20,
             lambda: program.gn_start(2) == 0 and program.stress(20) == 40, lambda: True):
    child = os.fork()
    if child == 0:
        os._exit(0 if work() and program.stress(1) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert program.stress(20) == 60
program.gn_stop()
"""
NO_MEMORY = """
import errno, resource
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (40 << 20), size + (40 << 20)))
assert program.gn_start(64) == errno.EAGAIN
assert program.stress(10) == 10
assert len(os.listdir("/proc/self/task")) == 1
"""
END_WITHOUT_STOP = "assert program.gn_start(3) == 0 and program.stress(5) == 15"


@pytest.mark.parametrize("script", [FORK, pytest.param(NO_MEMORY, marks=LINUX), END_WITHOUT_STOP])
def test_in_a_process_of_its_own(code, tmp_path, script):
    (tmp_path / "p.so").write_bytes(code)
    command = [sys.executable, "-W", "ignore", "-c", BEGIN + script, str(tmp_path / "p.so")]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.slow
def test_on_a_busy_machine(code, tmp_path):
    """With four processes that never rest; what hangs meets the time limit."""
    (tmp_path / "p.so").write_bytes(code)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        for threads in (2, 4):
            script = f"assert program.gn_start({threads}) == 0 and program.stress(500) == {500 * threads}"
            subprocess.run([sys.executable, "-c", BEGIN + script, str(tmp_path / "p.so")], check=True, timeout=120)
    finally:
        for process in busy:
            process.kill()
            process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_sanitizers_see_nothing(target, tmp_path, sanitizer, variant):
    source, program = tmp_path / "p.c", tmp_path / "p"
    source.write_text(RUNTIME + BODY + MAIN)
    flags = ("-g", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", *VARIANTS[variant])
    compiler = (*target.command, *target.flags, *flags, str(source), "-o", str(program))
    if subprocess.run(compiler, capture_output=True).returncode:
        pytest.skip(f"{target.label} has no sanitizer for {sanitizer}")
    # the thread sanitizer takes no random addresses on some kernels
    fixed = ("setarch", "-R") if Path("/usr/bin/setarch").exists() else ()
    done = subprocess.run([*fixed, str(program)], capture_output=True, text=True, timeout=300)
    assert (done.stderr, done.returncode) == ("", 0)
