"""mx.test_utils: random arrays, and checks of a symbol's outputs and gradients.

MXNet's module has no `__all__`, and scripts that take everything from it count on the names of what it imports.
"""

from __future__ import annotations

import json
import logging
import numbers
import os
import random
import struct
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.testing as npt
from numpy import random as rnd

from ...errors import ParameterError
from .comparison import (
    almost_equal,
    assert_allclose,
    assert_almost_equal,
    assert_almost_equal_ignore_nan,
    assert_almost_equal_with_err,
    assert_exception,
    default_atols,
    default_dtype,
    default_rtols,
    effective_dtype,
    get_atol,
    get_etol,
    get_rtol,
    get_tols,
    same,
    same_array,
)
from .context import Context, current_context
from .digits import get_mnist, get_mnist_iterator
from .drawing import chi_square_check, gen_buckets_probs_with_ppf, mean_check, var_check, verify_generator
from .executor import Executor
from .ndarray import NDArray, array
from .surroundings import DummyIter, discard_stderr, environment, retry
from .symbol import Symbol
from .trials import (
    assign_each,
    assign_each2,
    collapse_sum_like,
    compare_ndarray_tuple,
    compare_optimizer,
    create_2d_tensor,
    create_vector,
    default_numeric_eps,
    same_symbol_structure,
)
from .util import getenv, setenv

__all__ = [
    "Context",
    "DummyIter",
    "OrderedDict",
    "Symbol",
    "almost_equal",
    "array",
    "assert_allclose",
    "assert_almost_equal",
    "assert_almost_equal_ignore_nan",
    "assert_almost_equal_with_err",
    "assert_exception",
    "assign_each",
    "assign_each2",
    "check_consistency",
    "check_numeric_gradient",
    "check_speed",
    "check_symbolic_backward",
    "check_symbolic_forward",
    "chi_square_check",
    "collapse_sum_like",
    "compare_ndarray_tuple",
    "compare_optimizer",
    "contextmanager",
    "create_2d_tensor",
    "create_vector",
    "current_context",
    "default_atols",
    "default_context",
    "default_dtype",
    "default_numeric_eps",
    "default_rtols",
    "discard_stderr",
    "effective_dtype",
    "environment",
    "gen_buckets_probs_with_ppf",
    "get_atol",
    "get_etol",
    "get_mnist",
    "get_mnist_iterator",
    "get_rtol",
    "get_tols",
    "getenv",
    "json",
    "list_gpus",
    "logging",
    "mean_check",
    "np",
    "np_reduce",
    "npt",
    "numbers",
    "numeric_grad",
    "os",
    "rand_coord_2d",
    "rand_ndarray",
    "rand_shape_2d",
    "rand_shape_3d",
    "rand_shape_nd",
    "random_arrays",
    "random_sample",
    "random_uniform_arrays",
    "retry",
    "rnd",
    "same",
    "same_array",
    "same_symbol_structure",
    "set_default_context",
    "setenv",
    "simple_forward",
    "struct",
    "sys",
    "time",
    "traceback",
    "var_check",
    "verify_generator",
]

_context: list[Context] = []


def default_context() -> Context:
    """Give the device that tests run on."""
    return _context[-1] if _context else current_context()


def set_default_context(ctx: Context) -> None:
    """Set the device that tests run on."""
    _context[:] = [ctx]


def list_gpus() -> list[int]:
    """Give []."""
    return []


# Random input


def rand_shape_nd(num_dim: int, dim: int | Sequence[int] = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """Draw a shape of sizes up to `dim`."""
    tops = [dim] * num_dim if isinstance(dim, int) else list(dim)
    return tuple(int(np.random.randint(0 if allow_zero_size else 1, top + 1)) for top in tops)


def rand_shape_2d(dim0: int = 10, dim1: int = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """Draw a shape of two sizes."""
    return rand_shape_nd(2, (dim0, dim1), allow_zero_size)


def rand_shape_3d(dim0: int = 10, dim1: int = 10, dim2: int = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """Draw a shape of three sizes."""
    return rand_shape_nd(3, (dim0, dim1, dim2), allow_zero_size)


def rand_coord_2d(x_low: int, x_high: int, y_low: int, y_high: int) -> tuple[int, int]:
    """Draw two coordinates."""
    return int(np.random.randint(x_low, x_high)), int(np.random.randint(y_low, y_high))


def rand_ndarray(shape: Any, stype: str = "default", density: Any = None, dtype: Any = None, **kwargs: Any) -> NDArray:
    """Draw a dense array from [-1, 1)."""
    if stype != "default":
        raise ParameterError(f"arrays are dense: storage {stype!r} is not supported")
    return array(np.random.uniform(-1, 1, shape), dtype=dtype or default_dtype())


def random_arrays(*shapes: tuple[int, ...]) -> Any:
    """Draw arrays from the normal distribution; one array for one shape."""
    found = [np.asarray(np.random.randn(*s)).astype(default_dtype()) for s in shapes]
    return found[0] if len(found) == 1 else found


def random_uniform_arrays(*shapes: tuple[int, ...], **kwargs: Any) -> list[np.ndarray]:
    """Draw arrays uniformly from [low, high)."""
    low, high, dtype = kwargs.get("low", 0.0), kwargs.get("high", 1.0), kwargs.get("dtype", default_dtype())
    return [np.random.uniform(low, high, s).astype(dtype) for s in shapes]


def random_sample(population: Sequence[Any], k: int) -> list[Any]:
    """Draw k of the elements, in their order."""
    return [population[i] for i in sorted(random.sample(range(len(population)), k))]


def np_reduce(dat: np.ndarray, axis: Any, keepdims: bool, numpy_reduce_func: Callable[..., Any]) -> np.ndarray:
    """Reduce over one, several or (None) all axes with a function of NumPy's kind."""
    axes = range(dat.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    whole = sorted({a % dat.ndim for a in axes}, reverse=True)
    result = dat
    for a in whole:
        result = numpy_reduce_func(result, axis=a)
    shape = [1 if a in whole else n for a, n in enumerate(dat.shape)]
    return np.reshape(result, shape) if keepdims else np.asarray(result)


# Running a symbol


def simple_forward(sym: Symbol, ctx: Context | None = None, is_train: bool = False, **inputs: Any) -> Any:
    """Bind to the arrays, run, give the outputs as NumPy arrays (one array for one output)."""
    exe = sym.bind(ctx or default_context(), {k: array(v) for k, v in inputs.items()})
    exe.forward(is_train)
    outputs = [y.asnumpy() for y in exe.outputs]
    return outputs[0] if len(outputs) == 1 else outputs


def _named(given: Any, names: Sequence[str], dtype: Any, what: str) -> dict[str, NDArray]:
    """Bring a list or dict of arrays to NDArrays by name."""
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        given = dict(zip(names, given, strict=False))
    elif set(given) - set(names):
        raise ValueError(f"{what}: {sorted(set(given) - set(names))} are none of {list(names)}")
    return {k: array(v, dtype=v.dtype if isinstance(v, NDArray) else dtype) for k, v in given.items()}


def _bind(
    sym: Symbol, location: Any, aux_states: Any, grad_req: Any, dtype: Any, ctx: Context | None
) -> tuple[Executor, dict[str, NDArray], dict[str, NDArray]]:
    args = _named(location, sym.list_arguments(), dtype, "location")
    aux = _named(aux_states, sym.list_auxiliary_states(), dtype, "aux_states")
    if isinstance(grad_req, (list, tuple)):
        grad_req = dict(zip(sym.list_arguments(), grad_req, strict=True))
    reqs = {k: grad_req if isinstance(grad_req, str) else grad_req.get(k, "null") for k in args}
    grads = {k: array(np.random.normal(size=v.shape), dtype=v.dtype) for k, v in args.items() if reqs[k] != "null"}
    exe = sym.bind(ctx or default_context(), args, grads, reqs, aux)
    return exe, args, {k: g.copy() for k, g in grads.items()}


def check_symbolic_forward(
    sym: Symbol,
    location: Any,
    expected: Any,
    rtol: Any = None,
    atol: Any = None,
    aux_states: Any = None,
    ctx: Context | None = None,
    equal_nan: bool = False,
    dtype: Any = np.float32,
) -> list[NDArray]:
    """Compare the outputs of one inference with `expected`, a list or a dict by output name."""
    exe, _, _ = _bind(sym, location, aux_states, "null", dtype, ctx)
    if isinstance(expected, Mapping):
        expected = [expected[k] for k in sym.list_outputs()]
    exe.forward(is_train=False)
    for name, want, got in zip(sym.list_outputs(), expected, exe.outputs, strict=False):
        assert_almost_equal(want, got, rtol, atol, (f"EXPECTED_{name}", f"FORWARD_{name}"), equal_nan)
    return exe.outputs


def check_symbolic_backward(
    sym: Symbol,
    location: Any,
    out_grads: Any,
    expected: Any,
    rtol: Any = None,
    atol: Any = None,
    aux_states: Any = None,
    grad_req: Any = "write",
    ctx: Context | None = None,
    grad_stypes: object = None,
    equal_nan: bool = False,
    dtype: Any = np.float32,
) -> list[NDArray | None]:
    """Compare the gradients for the head gradients `out_grads` with `expected`, by position or argument name."""
    exe, _, before = _bind(sym, location, aux_states, grad_req, dtype, ctx)
    if not isinstance(expected, Mapping):
        expected = dict(zip(sym.list_arguments(), expected, strict=False))
    if isinstance(out_grads, Mapping):
        out_grads = [out_grads[k] for k in sym.list_outputs()]
    heads = None if out_grads is None else [array(g, dtype=getattr(g, "dtype", dtype)) for g in out_grads]
    exe.forward(is_train=True)
    exe.backward(heads)
    for name, want in expected.items():
        got = exe.grad_dict[name]
        if got is None or want is None:
            continue
        added = exe.reqs[name] == "add"
        base = np.asarray(before[name]) if added else 0
        assert_almost_equal(
            want, np.asarray(got) - base, rtol, atol, (f"EXPECTED_{name}", f"BACKWARD_{name}"), equal_nan
        )
    return exe.grad_arrays


def numeric_grad(
    executor: Executor,
    location: Mapping[str, Any],
    aux_states: Mapping[str, Any] | None = None,
    eps: float = 1e-4,
    use_forward_train: bool = True,
    dtype: Any = np.float32,
) -> dict[str, np.ndarray]:
    """Give (f(x + eps / 2) - f(x - eps / 2)) / eps for every element, f the sum of all outputs."""
    ones = [np.ones(y.shape) for y in executor.outputs]
    return _differences(executor, list(location), ones, eps, aux_states or {}, use_forward_train)


def _differences(
    exe: Executor, names: Sequence[str], weights: Sequence[np.ndarray], eps: float, aux: Mapping[str, Any], train: bool
) -> dict[str, np.ndarray]:
    """Give the numerical gradient of sum(weights * outputs) for the arguments named."""

    def value() -> float:
        for name, a in aux.items():
            exe.aux_dict[name][:] = a
        outputs = exe.forward(is_train=train)
        return sum(float(np.sum(np.asarray(y, np.float64) * w)) for y, w in zip(outputs, weights, strict=True))

    found = {}
    for name in names:
        flat = exe.arg_dict[name]._data.reshape(-1)
        slope = np.zeros(flat.size)
        for i in range(flat.size):
            old = flat[i]
            flat[i] = old + eps / 2
            high = value()
            flat[i] = old - eps / 2
            slope[i] = (high - value()) / eps
            flat[i] = old
        found[name] = slope.reshape(exe.arg_dict[name].shape)
    return found


def check_numeric_gradient(
    sym: Symbol,
    location: Any,
    aux_states: Any = None,
    numeric_eps: float | None = None,
    rtol: Any = None,
    atol: Any = None,
    grad_nodes: Any = None,
    use_forward_train: bool = True,
    ctx: Context | None = None,
    grad_stype_dict: object = None,
    dtype: Any = np.float32,
) -> None:
    """Compare gradients with numerical ones, for random head gradients.

    Both are computed in float64, so the differences are exact to about eps^2 whatever `dtype` is.
    """
    args = _named(location, sym.list_arguments(), dtype, "location")
    wide = {k: v.astype(np.float64) if np.dtype(v.dtype).kind == "f" else v for k, v in args.items()}
    aux = {k: v.astype(np.float64) for k, v in _named(aux_states, sym.list_auxiliary_states(), dtype, "aux").items()}
    if grad_nodes is None:
        grad_nodes = [k for k, v in wide.items() if np.dtype(v.dtype).kind == "f"]
    reqs = dict(grad_nodes) if isinstance(grad_nodes, Mapping) else dict.fromkeys(grad_nodes, "write")
    exe, _, before = _bind(sym, wide, aux, reqs, np.float64, ctx)
    weights = [np.random.rand(*y.shape) + 0.1 for y in exe.outputs]
    exe.forward(is_train=True)
    exe.backward([array(w, dtype=y.dtype) for w, y in zip(weights, exe.outputs, strict=True)])
    got = {k: exe.grad_dict[k].asnumpy() for k in reqs if reqs[k] != "null"}  # type: ignore[union-attr]
    eps = numeric_eps or 1e-4
    wanted = _differences(exe, list(got), weights, eps, {k: v.asnumpy() for k, v in aux.items()}, use_forward_train)
    for name, slope in wanted.items():
        base = np.asarray(before[name]) if reqs[name] == "add" else 0
        assert_almost_equal(
            slope, got[name] - base, rtol or 1e-2, atol or 1e-3, (f"NUMERICAL_{name}", f"BACKWARD_{name}")
        )


def check_consistency(
    sym: Any,
    ctx_list: Sequence[Mapping[str, Any]],
    scale: float = 1.0,
    grad_req: Any = "write",
    arg_params: Mapping[str, Any] | None = None,
    aux_params: Mapping[str, Any] | None = None,
    rtol: Any = None,
    atol: Any = None,
    raise_on_err: bool = True,
    ground_truth: Mapping[str, Any] | None = None,
    equal_nan: bool = False,
    use_uniform: bool = False,
    rand_type: Any = np.float64,
) -> dict[str, NDArray]:
    """Run one symbol (or one a context) under each setting of shapes and types, and compare outputs and gradients."""
    symbols = list(sym) if isinstance(sym, (list, tuple)) else [sym] * len(ctx_list)
    runs = [s.simple_bind(grad_req=grad_req, **c) for s, c in zip(symbols, ctx_list, strict=True)]
    draw = np.random.uniform if use_uniform else np.random.normal
    first = runs[0]
    args = dict(arg_params or {})
    for name, a in first.arg_dict.items():
        args.setdefault(name, draw(size=a.shape) * scale if not use_uniform else draw(-scale, scale, a.shape))
    heads = [np.random.normal(size=y.shape) for y in first.outputs]
    results: list[dict[str, NDArray]] = []
    for exe in runs:
        for name, a in exe.arg_dict.items():
            a[:] = np.asarray(args[name]).astype(a.dtype)
        for name, a in exe.aux_dict.items():
            a[:] = np.asarray((aux_params or {}).get(name, 0))
        exe.forward(is_train=grad_req != "null")
        if grad_req != "null":
            exe.backward([array(h, dtype=y.dtype) for h, y in zip(heads, exe.outputs, strict=True)])
        grads = {f"grad of {k}": g for k, g in exe.grad_dict.items() if g is not None}
        results.append({**exe.output_dict, **grads})
    widest = max(range(len(runs)), key=lambda k: max(np.dtype(y.dtype).itemsize for y in runs[k].outputs))
    truth = dict(ground_truth or results[widest])
    for found in results:
        for want, got, name in zip(truth.values(), found.values(), found, strict=True):
            try:
                assert_almost_equal(got, want, rtol, atol, (name, "ground truth"), equal_nan)
            except AssertionError:
                if raise_on_err:
                    raise
    return truth


def check_speed(
    sym: Symbol,
    location: Any = None,
    ctx: Context | None = None,
    N: int = 20,
    grad_req: Any = None,
    typ: str = "whole",
    **kwargs: Any,
) -> float:
    """Give the seconds of one call: of forward and backward ("whole") or of "forward" alone."""
    exe = sym.simple_bind(ctx or default_context(), grad_req or "write", **kwargs)
    exe.copy_params_from(location or {k: np.random.normal(size=a.shape) for k, a in exe.arg_dict.items()})
    start = 0.0
    for k in range(N + 1):
        if k == 1:  # the first call compiles
            start = time.perf_counter()
        exe.forward(is_train=typ == "whole")
        if typ == "whole":
            exe.backward(exe.outputs)
    return (time.perf_counter() - start) / N
