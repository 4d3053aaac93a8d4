"""Operators that run at once: a graph of one node, bound to the arrays at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ... import backend as backends
from ... import sym
from ...graph import Value
from ...naming import NameManager
from ...op import Op, variable
from ...plan import Graph
from ...symbol import Symbol, Variable
from . import empty
from .base import told
from .seeds import next_seed

__all__ = ["apply", "check", "invoke", "shape_of"]


def check(path: str) -> Callable[..., Symbol]:
    """Give the function of mx.sym of this name, such as linalg.gemm; raise AttributeError if there is none."""
    return reduce(getattr, path.split("."), sym)  # type: ignore[return-value]


def invoke(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[np.ndarray]:
    """Run one operator for inference; arrays among the arguments are inputs, states among them are written."""
    symbol, arrays = _symbol(function, args, kwargs)
    if any(not a.size for a in arrays.values()):
        return empty.results(symbol, arrays, _run)
    return _run(symbol, arrays)


def _run(symbol: Symbol, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    states = symbol.list_auxiliary_states()
    aux = {name: a for name, a in arrays.items() if name in states}
    inputs = {name: a for name, a in arrays.items() if name not in states}
    executor = symbol.bind(inputs, grad_req="null", aux_states=aux, seed=next_seed())
    with told():
        return executor.forward()


def shape_of(function: str, arrays: Sequence[np.ndarray], **kwargs: Any) -> tuple[int, ...]:
    """Give the shape that an operator would give."""
    symbol, inputs = _symbol(function, arrays, kwargs)
    outs = symbol.infer_shape(**{name: a.shape for name, a in inputs.items()})[1]
    assert outs is not None  # every input's shape is given
    return outs[0]


def apply(op: Op, arrays: Sequence[np.ndarray], numbers: np.ndarray, random: bool) -> list[np.ndarray]:
    """Run an update operator once on (parameter, gradient, states): give the new parameter and states."""
    dtype = str(arrays[0].dtype)
    given = [*arrays, *([np.array([next_seed(), 1], np.uint64)] if random else []), numbers.astype(dtype)]
    named = {f"x{k}": np.ascontiguousarray(a) for k, a in enumerate(given)}
    ins = [variable(name, a.shape, str(a.dtype)) for name, a in named.items()]
    node = op(*ins).node
    heads = tuple(Value(node, k) for k in range(len(arrays) - 1))
    outs = {f"output:{k}": np.zeros(v.shape, v.dtype) for k, v in enumerate(heads)}
    plan = backends.compile(Graph(heads), {v.node.name: v.type for v in ins})
    backends.get("numpy").link(plan, {**named, **outs}, 1).run()
    return list(outs.values())


def _symbol(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Symbol, dict[str, np.ndarray]]:
    arrays: dict[str, np.ndarray] = {}

    def variable(x: Any) -> Any:
        if isinstance(x, (list, tuple)) and x and all(map(_is_array, x)):
            return [variable(item) for item in x]
        if not _is_array(x):
            return x
        name = f"x{len(arrays)}"
        arrays[name] = np.ascontiguousarray(x) if np.ndim(x) else np.asarray(x)
        return Variable(name)

    with NameManager():
        given = {k: variable(_plain(v)) for k, v in kwargs.items() if k not in ("ctx", "name")}
        symbol = check(function)(*[variable(x) for x in args], **given)
    return symbol, arrays


def _plain(x: Any) -> Any:
    """Give a shape or axes in a NumPy array, which are parameters, as a tuple."""
    return tuple(x.tolist()) if isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.kind in "iu" else x


def _is_array(x: Any) -> bool:
    return hasattr(x, "__array__") and not isinstance(x, (np.generic, type))
