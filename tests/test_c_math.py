"""The functions of vector.h against float64: their largest errors in units in the last place, and special values."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest
from c_targets import NARROW, narrow, native, runs_here

from graphnn.backends.c import library, toolchain
from graphnn.backends.c.source import header, transpose_block

TARGET = native()
MOST, LEAST = np.finfo("float32").max, 2.0**-126  # the largest float32, the smallest that is no denormal


def softrelu(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# name: what it is in float64, and the most ulp that it may be off.
FUNCTIONS = {
    "vexp": (np.exp, 1.0),
    "vlog": (np.log, 1.0),
    "vtanh": (np.tanh, 1.5),
    "verf": (lambda x: np.array([math.erf(v) for v in x.tolist()]), 1.3),
    "vsigmoid": (lambda x: 1 / (1 + np.exp(-x)), 2.5),
    "vsoftrelu": (softrelu, 2.0),
    "vsqrt": (np.sqrt, 0.51),
    "vrsqrt": (lambda x: 1 / np.sqrt(x), 1.5),
    "vexpm1": (np.expm1, 1.0),
    "vlog1p": (np.log1p, 1.0),
    "vlog2": (np.log2, 1.0),
    "vlog10": (np.log10, 2.0),
    "vsin": (np.sin, 1.0),
    "vcos": (np.cos, 1.0),
    "vfloor": (np.floor, 0.0),
    "vceil": (np.ceil, 0.0),
    "vtrunc": (np.trunc, 0.0),
    "vabs": (np.abs, 0.0),
    "vrelu": (lambda x: np.where(x <= 0, 0, x), 0.0),
}
ODD = ("vtanh", "verf", "vexpm1", "vlog1p", "vsin", "vsqrt", "vceil", "vfloor", "vtrunc")  # f(-0.0) is -0.0
PAIRS = {
    "vmax": (np.maximum, 0.0),
    "vmin": (np.minimum, 0.0),
    "vpow": (np.power, 1.0),
}
EXPORT = '__attribute__((visibility("default"))) '
LOOP = (
    EXPORT + "void run_{0}(const float *a, const float *b, float *y, long n)\n"
    "{{ (void)b; for (long i = 0; i < n; i += LANES) ST(y + i, {0}({1})); }}\n"
)
REDUCE = (
    EXPORT + "float sum_of(const float *x) { return vsum(LD(x)); }\n" + EXPORT + "float largest_of(const float *x) "
    "{ return vmaximum(LD(x)); }\n"
)
EDGES = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1.1754944e-38, MOST, -MOST]
EDGES += [88.72283, 88.72284, -103.97208, -103.97209, -87.33655, 9.0, -9.0, 4.0, 0.9, 0.625, 0.5, 2.0**23, 2.0**24]


def sample() -> np.ndarray:
    """Give every 20011th float in the order of their bits, a dense grid about 0, the edges and their neighbours."""
    bits = np.arange(0, 1 << 32, 20011, dtype=np.uint64).astype(np.uint32).view("float32")
    edges = np.array(EDGES, "float32")
    with np.errstate(over="ignore"):
        near = [np.nextafter(edges, np.float32(to)) for to in (np.inf, -np.inf)]
    grid = [np.linspace(-most, most, 40_001).astype("float32") for most in (1, 5, 110)]
    x = np.concatenate([bits, edges, *near, *grid])
    return np.resize(x, -(-len(x) // 16) * 16)


def ulps(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Give the distance in units in the last place of float32 at `want`, which is finite."""
    exponent = np.floor(np.log2(np.maximum(np.abs(want), LEAST)))
    return np.abs(got - want) / 2.0 ** (exponent - 23)


def check(name: str, got: np.ndarray, want: np.ndarray, most: float) -> None:
    with np.errstate(over="ignore"):
        rounded = want.astype("float32")
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg=name)
    infinite = np.isinf(rounded)
    np.testing.assert_array_equal(got[infinite], rounded[infinite], err_msg=name)
    # 1 / (1 + e^-x) loses the results that are denormal
    usual = np.isfinite(rounded) & ((np.abs(want) >= LEAST) | (name != "vsigmoid"))
    assert ulps(got[usual].astype("float64"), want[usual]).max() <= most, name
    assert np.abs(got[np.isfinite(rounded) & ~usual]).max(initial=0) < LEAST


@pytest.fixture(scope="module", params=["native", *NARROW])
def program(request):
    target = TARGET if request.param == "native" else narrow(TARGET, request.param)
    if not runs_here(target):
        pytest.skip("this processor is narrower")
    text = f"#define LANES {target.lanes}\n" + header("vector.h") + transpose_block(target.lanes) + REDUCE
    text += "".join(LOOP.format(name, "LD(a + i)") for name in FUNCTIONS)
    text += "".join(LOOP.format(name, "LD(a + i), LD(b + i)") for name in PAIRS)
    return library.open_library(toolchain.compile(text, target)), target.lanes


def run(program, name: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    y = np.empty_like(a)
    getattr(program[0], f"run_{name}")(*(ctypes.c_void_p(v.ctypes.data) for v in (a, b, y)), ctypes.c_long(len(a)))
    return y


def test_errors_of_functions(program):
    x = sample()
    for name, (function, most) in FUNCTIONS.items():
        with np.errstate(all="ignore"):
            check(name, run(program, name, x, x), function(x.astype("float64")), most)


def test_errors_of_functions_of_two(program):
    rng = np.random.default_rng(3)
    x = sample()
    a, b = (rng.permutation(x) for _ in range(2))
    for name, (function, most) in PAIRS.items():
        with np.errstate(all="ignore"):
            check(name, run(program, name, a, b), function(a.astype("float64"), b.astype("float64")), most)


def test_signs_of_zero(program):
    x = np.resize(np.array([-0.0, 0.0], "float32"), 16)
    for name in ODD:
        np.testing.assert_array_equal(np.signbit(run(program, name, x, x)), np.signbit(x), err_msg=name)


def test_reductions_of_a_vector(program):
    loaded, lanes = program
    loaded.sum_of.restype = loaded.largest_of.restype = ctypes.c_float
    x = np.arange(16, dtype="float32")
    at = ctypes.c_void_p(x.ctypes.data)
    assert loaded.sum_of(at) == x[:lanes].sum()
    for k in range(lanes):
        x[:] = -2.0
        x[k] = -1.0
        assert loaded.largest_of(at) == -1.0
        x[k] = np.nan
        assert np.isnan(loaded.largest_of(at))
