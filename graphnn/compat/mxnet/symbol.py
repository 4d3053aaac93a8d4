"""mx.sym: graphnn's symbols, with MXNet's order of arguments where it has a device first."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ... import executor as executors
from ... import sym as native
from ... import symbol as core
from ...errors import GraphError
from ...given import given_dtypes, near, variables
from ...graph import Node, Value, toposort
from ...passes.infer import Inferred, infer
from .context import Context, cpu
from .executor import Executor, dict_of
from .ndarray import NDArray
from .seeds import next_seed
from .util import is_np_shape

__all__ = ["Group", "Symbol", "Variable", "fromjson", "load", "load_json", "var", "zeros"]


class Symbol(core.Symbol):
    """One or several outputs of a graph."""

    __slots__ = ()

    def bind(  # type: ignore[override]
        self,
        ctx: Context | None,
        args: Any,
        args_grad: Any = None,
        grad_req: Any = "write",
        aux_states: Any = None,
        group2ctx: Any = None,
        shared_exec: object = None,
    ) -> Executor:
        """Bind to arrays, held by reference; those of other names in a dict are left alone."""
        own = self if isinstance(args, Mapping) else _distinct(self)
        names, states = own.list_arguments(), own.list_auxiliary_states()
        if args_grad:
            _refuse_undifferentiable(self)
        bound = executors.bind(
            own,
            dict_of(args, names, "args"),
            dict_of(args_grad, names, "args_grad"),
            _only(grad_req, names),
            dict_of(aux_states, states, "aux_states"),
            seed=next_seed(),
        )
        return Executor(bound, own, ctx or cpu(), (args, args_grad, aux_states), group2ctx)

    def simple_bind(  # type: ignore[override]
        self,
        ctx: Context | None = None,
        grad_req: Any = "write",
        type_dict: Mapping[str, object] | None = None,
        stype_dict: object = None,
        group2ctx: Any = None,
        shared_arg_names: object = None,
        shared_exec: object = None,
        shared_buffer: object = None,
        **kwargs: Any,
    ) -> Executor:
        """Bind to new arrays of zeros for the given input shapes; keywords that name no variable are left alone."""
        there = {*self.list_arguments(), *self.list_auxiliary_states()}
        kwargs = {name: shape for name, shape in kwargs.items() if name in there}
        reqs = _only(grad_req, self.list_arguments())
        if reqs != "null":
            _refuse_undifferentiable(self)
        bound = executors.simple_bind(self, reqs, type_dict, seed=next_seed(), **kwargs)
        return Executor(bound, self, ctx or cpu(), groups=group2ctx)

    def eval(self, ctx: Context | None = None, **kwargs: Any) -> list[NDArray]:
        """Bind to the given arrays and run once for inference."""
        return self.bind(ctx, kwargs, grad_req="null", aux_states=kwargs).forward()

    def infer_type(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Give the types of arguments, outputs and states as NumPy's classes, or (None, None, None)."""
        found = super().infer_type(*args, **kwargs)
        return tuple(None if group is None else [np.dtype(d).type for d in group] for group in found)

    def infer_type_partial(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Give the types that can be told; None for the others."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self.infer_type(*args, **kwargs)
        return found if found[0] is not None else tuple(self._types_known(args, kwargs))

    def _types_known(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[list[Any]]:
        given = {**dict(zip(self.list_arguments(), args, strict=False)), **kwargs}
        found = infer(self.values, {}, given_dtypes(self.values, given)).dtypes
        arguments, states = variables(self.values)
        groups: list[Sequence[Any]] = [[Value(n) for n in arguments], self.values, [Value(n) for n in states]]
        return [[np.dtype(found[v]).type if found.get(v) else None for v in group] for group in groups]

    def _shapes(self, result: Inferred) -> Any:
        """Show what is not known as util.np_shape says."""
        found = super()._shapes(result)
        if not is_np_shape():
            return found
        return tuple([tuple(n or -1 for n in s) if s else None for s in group] for group in found)

    def gradient(self, wrt: Sequence[str]) -> None:
        """Raise NotImplementedError, as in MXNet: bind with gradient arrays instead."""
        raise NotImplementedError("bind() with args_grad gives gradients")

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name)


UNDIFFERENTIABLE = ("batch_take", "argmax_channel")  # in MXNet


def _refuse_undifferentiable(symbol: core.Symbol) -> None:
    """Raise MXNetError, as MXNet does at bind, where a gradient would go through an operator without one."""
    wanted = {v.node for v in symbol.values}
    for node in reversed(toposort(symbol.values)):
        if node not in wanted or not node.op.differentiable:
            continue
        if node.op.name in UNDIFFERENTIABLE:
            raise GraphError(f"{node.name}: operator {node.op.name} is non-differentiable: bind with grad_req='null'")
        wanted.update(v.node for v in node.inputs)


def _distinct(symbol: Symbol) -> Symbol:
    """Give the symbol with another name for each variable whose name an earlier one has, so that each has its array."""
    names = symbol.list_arguments()
    if len(set(names)) == len(names):
        return symbol
    new: dict[Node, Node] = {}
    taken: set[str] = set()
    for node in toposort(symbol.values):
        name = node.name
        while node.op.is_variable and name in taken:
            name += "_"
        taken.add(name)
        new[node] = replace(node, name=name, inputs=tuple(Value(new[v.node], v.index) for v in node.inputs))
    return Symbol([Value(new[v.node], v.index) for v in symbol.values])


def _only(grad_req: Any, names: Sequence[str]) -> Any:
    if not isinstance(grad_req, Mapping):
        return grad_req
    return {name: req for name, req in grad_req.items() if name in names}


def _same(symbol: core.Symbol) -> Symbol:
    return Symbol(symbol.values)


def Variable(name: str, *args: Any, **kwargs: Any) -> Symbol:
    """Make an input of the graph; see graphnn.symbol.Variable."""
    return _same(core.Variable(name, *args, **kwargs))


var = Variable


def Group(symbols: Sequence[core.Symbol]) -> Symbol:
    """Join symbols into one with all their outputs."""
    return _same(core.Group(symbols))


def zeros(shape: Any, dtype: Any = "float32", **kwargs: Any) -> Symbol:
    """Give zeros; sizes of 0 follow from the use."""
    return _same(native.zeros(shape, dtype, **kwargs))


def load(fname: str) -> Symbol:
    """Read a symbol file of any MXNet."""
    return _same(core.load(fname))


def load_json(json_str: str) -> Symbol:
    """Read a symbol from its JSON form."""
    if not isinstance(json_str, str):
        raise TypeError(f"the JSON form is text, got {type(json_str).__name__}")
    return _same(core.load_json(json_str))


fromjson = load_json


class _Namespace:
    """Functions of a namespace of graphnn.sym: sym.random, sym.linalg, sym.contrib, sym._internal."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Callable[..., Symbol]:
        return _made(getattr(self._inner, name))


def _made(function: Callable[..., core.Symbol]) -> Callable[..., Symbol]:
    """Give the function with results of this module's kind."""

    def made(*args: Any, **kwargs: Any) -> Symbol:
        return _same(function(*args, **kwargs))

    made.__name__ = made.__qualname__ = getattr(function, "__name__", "function")
    made.__doc__ = function.__doc__
    return made


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    found = getattr(native, name, None)
    if found is None:
        raise AttributeError(f"mx.sym has no function {name!r}{near(name, dir(native))}")
    if isinstance(found, (type, int, str)):
        return found
    return _made(found) if callable(found) else _Namespace(found)
