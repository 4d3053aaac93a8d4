"""The C compiler: which one there is, what it can do on this machine, and how it makes a shared library.

`python -m graphnn.backends.c.toolchain` prints what is found, and with --preload what LD_PRELOAD must name for programs
compiled with GRAPHNN_C_SANITIZE=1.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from graphnn.errors import BackendError

__all__ = ["LINK", "SANITIZE", "Target", "compile", "find", "main", "preload"]

LINK = ("-shared", "-lm")  # beside Target.flags, when objects become a library
# Without the checks of each pointer, with which gcc takes six times as long: the address sanitizer sees bad accesses.
SANITIZE = (
    "-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined",
    "-fno-sanitize=null,alignment,object-size,pointer-overflow",
)  # fmt: skip

_FLAGS = (
    "-O2", "-std=gnu11", "-fPIC", "-fno-math-errno", "-ffp-contract=fast", "-fvisibility=hidden", "-pthread",
)  # fmt: skip
_OPTIONAL = ("-fno-semantic-interposition",)  # clang has it from version 11 on
# How to ask for this machine's instructions, best first; what a compiler does not take is not asked for again.
_NATIVE_X86 = (("-march=native", "-mprefer-vector-width=512", *_OPTIONAL), ("-march=native",), ())
_NATIVE_ARM = (("-mcpu=native", *_OPTIONAL), ("-march=native",), ())
# The isa with float32 lanes a vector and vector registers; the first whose macros are all defined.
_ISAS: tuple[tuple[tuple[str, ...], str, int, int], ...] = (
    (("__AVX512F__",), "avx512", 16, 32),
    (("__AVX2__", "__FMA__"), "avx2", 8, 16),
    (("__SSE__",), "sse", 4, 16),
    (("__ARM_NEON", "__aarch64__"), "neon", 4, 32),
    (("__ARM_NEON",), "neon", 4, 16),
    ((), "generic", 4, 16),
)
_HEADERS = "#include <math.h>\n#include <pthread.h>\n#include <stdint.h>\n"  # a compiler without a C library is none
_INSTALL = "install gcc or clang, or graphnn's extra 'zig': pip install -e '.[zig]' in a checkout"
_PROBE_SECONDS, _COMPILE_SECONDS = 60, 900


@dataclass(frozen=True)
class Target:
    """A compiler and the processor it compiles for.

    `command` begins every call; `version` is the first line it says about itself and `label` the same in two words.
    `lanes` are float32 numbers a vector, `registers` vector registers, `isa` is one of avx512, avx2, sse, neon,
    generic. `flags` are for compiling; LINK comes beside them in linking.
    """

    command: tuple[str, ...]
    version: str
    lanes: int
    registers: int
    isa: str
    flags: tuple[str, ...]
    label: str = "cc"

    def __str__(self) -> str:
        return f"{self.label}, {self.isa}"


# Finding


def find(environ: Mapping[str, str] = os.environ) -> Target:
    """Give the first that works of $CC (alone, where it is set), cc, gcc, clang and the package ziglang.

    GRAPHNN_C_SANITIZE=1 adds address and undefined-behaviour sanitizers. Raises BackendError, which says what to
    install. What was found is kept for the life of the process.
    """
    sanitize = environ.get("GRAPHNN_C_SANITIZE", "")
    if sanitize not in ("", "0", "1"):
        raise BackendError(f"GRAPHNN_C_SANITIZE must be 0 or 1, got {sanitize[:20]!r}")
    return _find(environ.get("CC", "").strip(), environ.get("PATH", os.defpath), sanitize == "1")


@cache
def _find(cc: str, path: str, sanitize: bool) -> Target:
    if os.name != "posix":
        raise BackendError("the C backend runs on Linux and macOS: use the numpy backend here")
    reasons = []
    for command in _candidates(cc, path):
        try:
            return _target(command, sanitize)
        except BackendError as error:
            reasons.append(str(error))
    if cc:
        raise BackendError(f"CC={_line(cc)}: {reasons[0] if reasons else 'there is no such compiler'}")
    raise BackendError("; ".join([f"no C compiler: {_INSTALL}", *reasons]))


def _candidates(cc: str, path: str) -> Iterator[tuple[str, ...]]:
    """Give the commands to try, programs by their whole path."""
    if cc:
        try:
            words = shlex.split(cc)
        except ValueError as error:
            raise BackendError(f"CC={_line(cc)}: {error}") from None
        if words and (program := shutil.which(words[0], path=path)):
            yield (program, *words[1:])
        return
    for name in ("cc", "gcc", "clang"):
        if program := shutil.which(name, path=path):
            yield (program,)
    yield from _zig()


def _zig() -> Iterator[tuple[str, ...]]:
    """Give the compiler inside the package ziglang: the program itself, which a time limit can end."""
    spec = find_spec("ziglang")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (program := Path(folder, "zig")).is_file():
            yield (str(program), "cc")


def _target(command: tuple[str, ...], sanitize: bool) -> Target:
    """Ask a compiler for its macros and its version; BackendError if it does not work."""
    native = _NATIVE_ARM if platform.machine() in ("arm64", "aarch64") else _NATIVE_X86
    refused: BackendError | None = None
    for flags in native:
        try:
            text = _ask((*command, *_FLAGS, *flags, "-dM", "-E", "-x", "c", "-"))
            break
        except BackendError as error:
            refused = refused or error
    else:
        raise refused or BackendError(f"{command[0]} does not work")
    macros = dict(line.split(" ", 2)[1:] for line in text.splitlines() if line.count(" ") >= 2)
    version = _line(_ask((*command, "--version")))
    _, isa, lanes, registers = next(row for row in _ISAS if all(m in macros for m in row[0]))
    all_flags = (*_FLAGS, *flags, *(SANITIZE if sanitize else ()))
    if sanitize and "__clang__" in macros:
        all_flags += ("-shared-libasan",)  # Python is not linked with it: it must be preloaded
    return Target(command, version, lanes, registers, isa, all_flags, _label(command, macros))


def _label(command: Sequence[str], macros: Mapping[str, str]) -> str:
    """Name a compiler as people do: gcc 12.2.0."""
    name = Path(command[0]).name
    if "__clang__" in macros:
        parts, name = ("__clang_major__", "__clang_minor__", "__clang_patchlevel__"), "clang"
    elif "__GNUC__" in macros:
        parts, name = ("__GNUC__", "__GNUC_MINOR__", "__GNUC_PATCHLEVEL__"), "gcc"
    else:
        return name
    zig = "zig cc, " if command[1:] == ("cc",) and Path(command[0]).name == "zig" else ""
    return f"{zig}{name} {'.'.join(macros.get(part, '0') for part in parts)}"


def _ask(command: Sequence[str]) -> str:
    """Run a compiler on the headers that every program has; give what it prints."""
    try:
        done = subprocess.run(
            command, env=_environment(), input=_HEADERS, capture_output=True, timeout=_PROBE_SECONDS,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(f"{command[0]}: {getattr(error, 'strerror', None) or 'it takes too long'}") from None
    if done.returncode:
        raise BackendError(f"{command[0]}: {_line(done.stderr) or f'exit code {done.returncode}'}")
    return done.stdout


def _environment(**more: str) -> dict[str, str]:
    """Give the compiler's environment: ours, without a sanitizer that is preloaded for Python."""
    drop = "LD_PRELOAD" if "asan" in os.environ.get("LD_PRELOAD", "") else ""
    return {name: value for name, value in os.environ.items() if name != drop} | more


def _line(text: str) -> str:
    """Give the first line that speaks of an error, or the first, as printable text of at most 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = next((line for line in lines if "error" in line), lines[0] if lines else "")
    return "".join(c if c.isprintable() else "?" for c in line[:300])


# Compiling


def compile(sources: str | Sequence[str], target: Target, extra_flags: Sequence[str] = ()) -> bytes:
    """Make a shared library of C sources, one translation unit each, compiled in parallel; give its bytes.

    Everything happens in a private temporary folder. Raises BackendError with the compiler's first error.
    """
    units = [sources] if isinstance(sources, str) else list(sources)
    try:
        with tempfile.TemporaryDirectory(prefix="graphnn-c-") as folder:
            names = [f"unit{k}.c" for k in range(len(units))]
            for name, text in zip(names, units, strict=True):
                Path(folder, name).write_text(text, "utf-8")
            return _library(names, (*target.command, *target.flags, *extra_flags), target, folder)
    except OSError as error:  # a full disk
        raise BackendError(f"cannot compile the generated C: {error}") from None


def _library(names: Sequence[str], flags: Sequence[str], target: Target, folder: str) -> bytes:
    """Compile and link the files of a folder."""
    if len(names) > 1:
        objects = [name.removesuffix(".c") + ".o" for name in names]
        _run_all([(*flags, "-c", n, "-o", o) for n, o in zip(names, objects, strict=True)], target, folder)
        names = objects
    shared, *libraries = LINK
    _run_all([(*flags, shared, *names, "-o", "program.so", *libraries)], target, folder)
    return Path(folder, "program.so").read_bytes()


def _run_all(commands: Sequence[Sequence[str]], target: Target, folder: str) -> None:
    """Run commands, as many at a time as there are processors; none is left running when one fails."""
    running: list[subprocess.Popen[str]] = []
    allowed = getattr(os, "sched_getaffinity", None)
    jobs = len(allowed(0)) if allowed else os.cpu_count() or 1
    with ThreadPoolExecutor(min(jobs, len(commands))) as pool:
        futures = [pool.submit(_run, command, target, folder, running) for command in commands]
        try:
            for future in futures:
                future.result()
        except BaseException:  # KeyboardInterrupt too
            pool.shutdown(wait=False, cancel_futures=True)
            for process in running:
                _kill(process)
            raise


def _run(command: Sequence[str], target: Target, folder: str, running: list[subprocess.Popen[str]]) -> None:
    """Run one compiler in a process group of its own, so that what it starts ends with it."""
    own = _environment(TMPDIR=folder, ZIG_LOCAL_CACHE_DIR=folder)  # zig keeps objects too: not beyond this call
    try:
        process = subprocess.Popen(
            command, cwd=folder, env=own, process_group=0, encoding="utf-8",
            errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        raise BackendError(f"{target.label}: {command[0]}: {error.strerror}") from None
    running.append(process)
    try:
        _, errors = process.communicate(timeout=_COMPILE_SECONDS)
    except subprocess.TimeoutExpired:
        _kill(process)
        process.communicate()
        raise BackendError(f"{target.label} takes longer than {_COMPILE_SECONDS} s") from None
    if process.returncode:
        reason = _line(errors) or f"exit code {process.returncode}"
        raise BackendError(f"{target.label} cannot compile the generated C: {reason}")


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


# Sanitizers


def preload(target: Target) -> str:
    """Give the library of the address sanitizer that must be loaded before Python: LD_PRELOAD=..."""
    machine = platform.machine()
    for name in ("libasan.so", f"libclang_rt.asan-{machine}.so", "libclang_rt.asan.so"):
        found = _ask((*target.command, f"-print-file-name={name}")).strip()
        if os.path.isabs(found) and ("clang" in target.label) == ("clang" in name):
            return os.path.realpath(found)
    raise BackendError(f"{target.label} has no shared library of the address sanitizer: use gcc or clang")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the compiler, or with --preload the sanitizer's library."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        if words not in ([], ["--preload"]):
            raise BackendError("usage: python -m graphnn.backends.c.toolchain [--preload]")
        target = find()
        print(preload(target) if words else f"{target}\n{shlex.join((*target.command, *target.flags, *LINK))}")
    except BackendError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
