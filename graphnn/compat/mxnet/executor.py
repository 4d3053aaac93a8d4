"""mx.executor.Executor: graphnn's executor with NDArrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import executor as executors
from ...errors import BindError
from ...graph import Node, Value, toposort
from ...symbol import Symbol
from .base import told
from .context import Context
from .ndarray import NDArray
from .seeds import next_seed

if TYPE_CHECKING:
    from ...types import Shape

__all__ = ["Executor", "dict_of", "raw", "wrapped"]


def raw(array: Any) -> Any:
    """Give the NumPy array of an NDArray, the same memory; anything else as it is."""
    return array._data if isinstance(array, NDArray) else array


def wrapped(arrays: Mapping[str, Any]) -> dict[str, NDArray]:
    """Give NDArrays of the same memory by name."""
    return {name: NDArray(raw(a)) for name, a in arrays.items()}


def dict_of(given: Any, names: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """Bring a list or dict of NDArrays to a dict of the arrays that are named."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        missing = [n for n in names if n not in given] if what == "args" else []
        if missing:
            raise BindError(f"key `{missing[0]}` is missing in `{what}`")
        return {n: raw(given[n]) for n in names if given.get(n) is not None}
    given = list(given)
    if len(given) != len(names):
        raise BindError(f"{what}: {len(given)} arrays for {len(names)}: {', '.join(names)}")
    return {n: raw(a) for n, a in zip(names, given, strict=True) if a is not None}


# Operators of one input that MXNet knows a name of; that of others is input0.
NAMED = frozenset(
    "Convolution Deconvolution Dropout FullyConnected L2Normalization LRN LeakyReLU MakeLoss Pad Pooling SliceChannel "
    "SwapAxis log_softmax softmax softmin".split()
)


class _Inputs:
    """A monitor that shows inputs as MXNet does: before each node, and a variable under its own name as well."""

    def __init__(self, symbol: Symbol, callback: Callable[[str, NDArray], object]) -> None:
        self._order, self._callback = list(symbol.get_internals().values), callback
        self._seen: dict[Value, np.ndarray] = {}

    def __call__(self, name: str, array: np.ndarray) -> None:
        value = self._order[len(self._seen) % len(self._order)]
        if len(self._seen) == len(self._order):
            self._seen.clear()
        if not value.node.op.is_variable:
            if value.index == 0:
                self._show_inputs(value.node)
            self._callback(name, NDArray(array))
        self._seen[value] = array

    def _show_inputs(self, node: Node) -> None:
        names = node.op.input_names(len(node.inputs))
        if len(names) == 1 and node.op.name not in NAMED and not node.op.variadic:
            names = ("input0",)
        for label, source in zip(names, node.inputs, strict=True):
            array = NDArray(self._seen[source])
            if source.node.op.is_variable:
                self._callback(source.node.name, array)
            self._callback(f"{node.name}_{label}", array)


class Executor:
    """A symbol bound to NDArrays. `outputs` are the same arrays at every call."""

    def __init__(
        self,
        executor: executors.Executor,
        symbol: Symbol,
        ctx: Context,
        given: tuple[Any, Any, Any] | None = None,
        groups: Mapping[str, Context] | None = None,
    ) -> None:
        self._executor, self._symbol, self._ctx = executor, symbol, ctx
        self._given = given
        self._draws = any(n.op.random for n in toposort(executor.symbol.values))
        self.outputs = [NDArray(a) for a in executor.outputs]
        attrs = symbol.attr_dict() if groups else {}
        place = {n: (groups or {}).get(attrs.get(n, {}).get("__ctx_group__", "")) for n in executor.arg_dict}
        self.arg_dict = {n: NDArray(a, place[n]) for n, a in executor.arg_dict.items()}
        self.aux_dict = wrapped(executor.aux_dict)
        self.grad_dict: dict[str, NDArray | None] = {
            n: NDArray(executor.grad_dict[n], place[n]) if n in executor.grad_dict else None for n in self.arg_dict
        }

    @property
    def arg_arrays(self) -> list[NDArray]:
        return [self.arg_dict[n] for n in self._symbol.list_arguments()]

    @property
    def grad_arrays(self) -> list[NDArray | None]:
        return [self.grad_dict[n] for n in self._symbol.list_arguments()]

    @property
    def aux_arrays(self) -> list[NDArray]:
        return [self.aux_dict[n] for n in self._symbol.list_auxiliary_states()]

    @property
    def reqs(self) -> Mapping[str, str]:
        """What is done with the gradient of each argument: write, add or null."""
        return self._executor.reqs

    @property
    def output_dict(self) -> dict[str, NDArray]:
        return dict(zip(self._symbol.list_outputs(), self.outputs, strict=True))

    def forward(self, is_train: bool = False, **kwargs: Any) -> list[NDArray]:
        """Copy `kwargs` into arguments, run, give the outputs."""
        for name in kwargs:
            if name not in self.arg_dict:
                raise TypeError(f"Unknown argument {name}")
        if self._draws:  # what random.seed() said last decides, and calls of either kind draw alike after it
            self._executor.random_state[:] = next_seed(), 0, 0
        with told():
            self._executor.forward(bool(is_train), **kwargs)
        return self.outputs

    def backward(self, out_grads: Any = None, is_train: bool = True) -> None:
        """Compute the gradients of the last forward(); with no gradient arrays, nothing."""
        if not self._executor.grad_dict:
            return
        if isinstance(out_grads, Mapping):
            out_grads = [out_grads[n] for n in self._symbol.list_outputs()]
        given = out_grads if isinstance(out_grads, (list, tuple)) else [out_grads] if out_grads is not None else []
        for g in given:
            if g is not None and not isinstance(g, NDArray):
                raise TypeError(f"head gradients must be NDArrays, got {type(g).__name__}")
        with told():
            self._executor.backward([raw(g) for g in given] or None)

    def copy_params_from(
        self,
        arg_params: Mapping[str, Any],
        aux_params: Mapping[str, Any] | None = None,
        allow_extra_params: bool = False,
    ) -> None:
        """Copy values into arguments and states by name."""
        self._executor.copy_params_from(arg_params, aux_params, allow_extra_params)

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: Shape) -> Executor:
        """Give an executor for other input shapes that shares parameters."""
        new = self._executor.reshape(partial_shaping, allow_up_sizing, **kwargs)
        return Executor(new, self._symbol, self._ctx)

    def set_monitor_callback(self, callback: Callable[[str, NDArray], object], monitor_all: bool = False) -> None:
        """Call `callback(name, array)` with every output of every node at each forward()."""
        watch = _Inputs(self._executor.symbol, callback) if monitor_all else None
        self._executor.set_monitor_callback(watch or (lambda name, array: callback(name, NDArray(array))), monitor_all)

    def debug_str(self) -> str:
        """Give the steps and the memory plan as text, with MXNet's line of the megabytes they share."""
        plan = self._executor.plan(bool(self._executor.grad_dict))
        return f"{self._executor.debug_str()}\nTotal {plan.arena_bytes >> 20} MB allocated"

    def get_optimized_symbol(self) -> Symbol:
        """Give the symbol: rewriting is done on a copy inside."""
        return self._symbol
