"""What this machine reaches at best: float32 multiply-adds in registers, and memory read and written, by a C kernel.

A register-tiled product of two small panels that stay in the first-level cache, compiled here with the vector width
the compiler finds. `CC` names the compiler; else cc, gcc or clang is looked for.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")

__all__ = ["bandwidth", "cores_for", "peak_gflops", "pinned"]

SOURCE = r"""
#if defined(__AVX512F__)
enum { BYTES = 64, M = 12, N = 2 };  /* 32 registers: 24 sums, two of b, one of a */
#elif defined(__AVX__)
enum { BYTES = 32, M = 6, N = 2 };   /* 16 registers */
#else
enum { BYTES = 16, M = 8, N = 3 };
#endif
enum { LANES = BYTES / 4, K = 128 };
typedef float vec __attribute__((vector_size(BYTES)));
float a[K][M];
vec b[K][N];

long flops(void) { return 2L * K * M * N * LANES; }

float product(long times) {
    vec sum[M][N] = {{{0}}};
    for (long t = 0; t < times; t++) {
        __asm__ volatile("" ::: "memory");  /* every pass reads its panels */
        for (int k = 0; k < K; k++) {
_Pragma("GCC unroll 16")
            for (int i = 0; i < M; i++)
_Pragma("GCC unroll 4")
                for (int j = 0; j < N; j++) sum[i][j] += b[k][j] * a[k][i];
        }
    }
    float total = 0;
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) total += sum[i][j][0];
    return total;
}

void triad(float *restrict x, const float *restrict y, const float *restrict z, long n) {
    for (long i = 0; i < n; i++) x[i] = y[i] + 3 * z[i];
}
"""
# no -ffast-math: GCC would make a library that sets the processor to flush denormal numbers when it is loaded
FLAGS = ["-O3", "-ffp-contract=fast", "-fPIC", "-shared"]
_SECONDS = 2e-3  # of one measurement: short enough to lie between two turns of other processes
_TIMES = 200  # the best of so many counts: what disturbs only slows down
_FLOATS = 1 << 23  # of each array of a thread's triad: 32 MiB


def peak_gflops(threads: int = 1) -> float | None:
    """Give the GFLOP/s of the kernel on so many threads at once, each at its best; None without a C compiler."""
    library = _library()
    if library is None:
        return None
    size = library.flops()
    each = min(_timed(lambda: library.product(100)) for _ in range(9)) / 100
    times = max(100, int(_SECONDS / each))
    with pinned(threads):
        seconds = _together(threads, lambda k: min(_timed(lambda: library.product(times)) for _ in range(_TIMES)))
    return float(sum(times * size / best for best in seconds) / 1e9)


def bandwidth(threads: int = 1) -> float | None:
    """Give the GB/s of x = y + 3 z over arrays larger than most caches, two read and one written; None as above."""
    import numpy as np

    library = _library()
    if library is None:
        return None
    arrays = [[np.zeros(_FLOATS, np.float32).ctypes for _ in range(3)] for _ in range(threads)]
    for own in arrays:
        for array in own:
            ctypes.memset(array.data, 0, 4 * _FLOATS)  # each page is memory of its own, not the one of zeros
    with pinned(threads):
        run = [tuple(ctypes.c_void_p(array.data) for array in own) for own in arrays]
        seconds = _together(threads, lambda k: min(_timed(lambda: library.triad(*run[k], _FLOATS)) for _ in range(40)))
    return sum(3 * 4 * _FLOATS / best for best in seconds) / 1e9


def _timed(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def _together(threads: int, call: Callable[[int], T]) -> list[T]:
    """Give `call(k)` of every thread, all at once; ctypes lets Python go on meanwhile."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(call, range(threads)))


def cores_for(threads: int) -> list[int]:
    """Give the first `threads` of the cores this process may use; none where the system has no affinity."""
    return sorted(os.sched_getaffinity(0))[:threads] if hasattr(os, "sched_getaffinity") else []


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Keep this process on as many cores as threads, and put back what was."""
    cores = cores_for(threads)
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@cache
def _library() -> ctypes.CDLL | None:
    """Compile and load the kernel once in a process."""
    compiler = _compiler()
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "peak.c"), Path(folder, "peak.so")
        source.write_text(SOURCE)
        for native in (["-march=native"], ["-mcpu=native"], []):
            command = [*compiler, *FLAGS, *native, str(source), "-o", str(target)]
            if subprocess.run(command, capture_output=True).returncode == 0:
                break
        else:
            return None
        try:
            library = ctypes.CDLL(str(target))
        except OSError:
            return None
    library.flops.restype, library.product.restype = ctypes.c_long, ctypes.c_float
    library.product.argtypes = [ctypes.c_long]
    library.triad.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_long]
    library.triad.restype = None
    return library


def _compiler() -> list[str] | None:
    given = shlex.split(os.environ.get("CC", ""))
    if given:
        return given if shutil.which(given[0]) else None
    found = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    return [found] if found else None
