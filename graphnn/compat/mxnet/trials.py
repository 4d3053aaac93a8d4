"""Checks that compare two optimisers or two symbols, and small arrays, of mx.test_utils."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...graph import toposort
from . import ndarray as nd
from .comparison import assert_almost_equal
from .ndarray import NDArray
from .symbol import Symbol

__all__ = [
    "assign_each",
    "assign_each2",
    "collapse_sum_like",
    "compare_ndarray_tuple",
    "compare_optimizer",
    "create_2d_tensor",
    "create_vector",
    "default_numeric_eps",
    "same_symbol_structure",
]


def default_numeric_eps() -> dict[np.dtype, float]:
    """Give the step of numerical gradients of each type, a power of two."""
    return {np.dtype(k): 2.0**-n for k, n in (("float16", 6), ("float32", 9), ("float64", 14))}


def compare_ndarray_tuple(t1: Any, t2: Any, rtol: Any = None, atol: Any = None) -> None:
    """Compare arrays or tuples of them, part by part; what is None on either side is left out."""
    if t1 is None or t2 is None:
        return
    if isinstance(t1, tuple):
        for a, b in zip(t1, t2, strict=True):
            compare_ndarray_tuple(a, b, rtol, atol)
    else:
        assert_almost_equal(t1, t2, rtol, atol)


def compare_optimizer(
    opt1: Any,
    opt2: Any,
    shape: Any,
    dtype: Any,
    w_stype: str = "default",
    g_stype: str = "default",
    rtol: float = 1e-4,
    atol: float = 1e-5,
    compare_states: bool = True,
    ntensors: int = 1,
) -> None:
    """Make one step of each of two optimisers on the same random parameters, and compare parameters and states.

    With a list of shapes opt2 gets all parameters in one call.
    """
    for stype in (w_stype, g_stype):
        if stype != "default":
            raise ParameterError(f"arrays are dense: storage {stype!r} is not supported")
    shapes = shape if isinstance(shape, list) else [shape]
    draw = [[nd.random.uniform(shape=s).astype(dtype) for s in shapes] for _ in range(2)]
    own, other = ([a.copy() for a in draw[0]] for _ in range(2))
    states = [[opt.create_state_multi_precision(k, w) for k, w in enumerate(own)] for opt in (opt1, opt2)]
    for k, w in enumerate(own):
        opt1.update_multi_precision(k, w, draw[1][k].copy(), states[0][k])
    if isinstance(shape, list):
        opt2.update_multi_precision(list(range(len(shapes))), other, [g.copy() for g in draw[1]], states[1])
    else:
        opt2.update_multi_precision(0, other[0], draw[1][0].copy(), states[1][0])
    if compare_states:
        compare_ndarray_tuple(tuple(states[0]), tuple(states[1]), rtol, atol)
    compare_ndarray_tuple(tuple(own), tuple(other), rtol, atol)


def same_symbol_structure(sym1: Symbol, sym2: Symbol) -> bool:
    """Tell whether two symbols are the same graph of the same operators, whatever their names."""
    graphs = [toposort(s.values) for s in (sym1, sym2)]
    places = [{n: k for k, n in enumerate(g)} for g in graphs]
    found = [
        [(n.op.name, [(place[v.node], v.index) for v in n.inputs]) for n in g]
        for g, place in zip(graphs, places, strict=True)
    ]
    return found[0] == found[1]


def collapse_sum_like(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum over the axes along which an array of `shape` would be broadcast to a's."""
    if len(a.shape) < len(shape):
        raise ValueError(f"{shape} has more axes than {a.shape}")
    lead = len(a.shape) - len(shape)
    ones = tuple(k + lead for k, n in enumerate(shape) if n == 1 and a.shape[k + lead] != 1)
    return np.sum(a, tuple(range(lead)) + ones).reshape(shape)


def assign_each(the_input: Any, function: Callable[[Any], Any] | None) -> np.ndarray:
    """Give function(x) of every element, or a copy."""
    made = np.array(the_input)
    for index in itertools.product(*map(range, made.shape)) if function else ():
        made[index] = function(made[index])  # type: ignore[misc]
    return made


def assign_each2(input1: Any, input2: Any, function: Callable[[Any, Any], Any] | None) -> np.ndarray:
    """Give function(x, y) of every pair of elements, or a copy of the first array."""
    made, other = np.array(input1), np.asarray(input2)
    for index in itertools.product(*map(range, made.shape)) if function else ():
        made[index] = function(made[index], other[index])  # type: ignore[misc]
    return made


def create_vector(size: int, dtype: Any = np.int64) -> NDArray:
    """Give 0, 1, ..., size - 1."""
    return nd.arange(0, size, dtype=dtype)


def create_2d_tensor(rows: int, columns: int, dtype: Any = np.int64) -> NDArray:
    """Give a matrix whose rows hold their number."""
    return NDArray(np.repeat(np.arange(rows, dtype=dtype)[:, None], columns, 1))
