"""The operators as functions on symbols: `sym.Convolution(data, kernel=(3, 3), num_filter=8, name="conv1")`.

The functions are made from the registry when first used, with the operator's inputs and parameters as signature.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from typing import Any

from .draws import Random
from .errors import ParameterError
from .op import OPS, Op, find, lookup
from .symbol import Group, Symbol, Variable, compose, load, load_json, var

# Operators that are also methods of Symbol, as in MXNet.
_METHODS = """
    abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort batch_dot broadcast_axes
    broadcast_like broadcast_to cast cbrt ceil clip cos cosh degrees depth_to_space diag dot exp expand_dims expm1
    fix flatten flip floor log log10 log1p log2 log_softmax max mean min nanprod nansum norm one_hot ones_like pad
    pick prod radians rcbrt reciprocal relu repeat reshape reshape_like rint round rsqrt shape_array sigmoid sign
    sin sinh size_array slice slice_axis slice_like softmax softmin sort space_to_depth split split_v2 sqrt square
    squeeze sum swapaxes take tan tanh tile topk transpose trunc zeros_like"""
METHODS = {**{name: name for name in _METHODS.split()}, "astype": "cast"}  # method -> operator


class _Internal:
    """Operators whose names begin with an underscore: `sym._internal._plus_scalar`."""

    def __getattr__(self, name: str) -> Callable[..., Symbol]:
        return _function(name)


_internal = _Internal()


class _Space:
    """Operators whose names begin with a prefix, called without it: `sym.contrib.arange_like`, `sym.linalg.gemm2`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __getattr__(self, name: str) -> Callable[..., Symbol]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _function(self._prefix + name, name)

    def __dir__(self) -> list[str]:
        lookup("")
        return sorted(k.removeprefix(self._prefix) for k, v in OPS.items() if v.public and k.startswith(self._prefix))


contrib, linalg, image, op = _Space("_contrib_"), _Space("_linalg_"), _Space("_image_"), _Space("")

random = Random()


def _creation(name: str, shape: Any, dtype: Any, kw: dict[str, Any], **params: Any) -> Symbol:
    if dtype is not None:
        params["dtype"] = dtype if isinstance(dtype, str) else _dtype(dtype)
    return compose(name, (), {"shape": shape, **params, **kw})


def _dtype(dtype: object) -> str:
    from .types import dtype_name

    return dtype_name(dtype)


def zeros(shape: Sequence[int] | int, dtype: Any = "float32", **kw: Any) -> Symbol:
    """Give zeros; sizes of 0 follow from the use."""
    return _creation("_zeros", shape, dtype, kw)


def ones(shape: Sequence[int] | int, dtype: Any = "float32", **kw: Any) -> Symbol:
    """Give ones."""
    return _creation("_ones", shape, dtype, kw)


def full(shape: Sequence[int] | int, val: float, dtype: Any = "float32", **kw: Any) -> Symbol:
    """Give an array filled with `val`."""
    return _creation("_full", shape, dtype, kw, value=float(val))


def arange(
    start: float, stop: float | None = None, step: float = 1.0, repeat: int = 1, dtype: Any = "float32", **kw: Any
) -> Symbol:
    """Give start, start + step, ... below stop, each `repeat` times; with one number, 0 to below it."""
    if stop is None and not kw.get("infer_range"):
        start, stop = 0, start
    params = {"start": start, "stop": stop, "step": step, "repeat": repeat, "dtype": _dtype(dtype)}
    return compose("_arange", (), {**params, **kw})


def linspace(start: float, stop: float, num: int, endpoint: bool = True, dtype: Any = "float32", **kw: Any) -> Symbol:
    """Give `num` evenly spaced numbers from `start` to `stop`, which is among them with `endpoint`."""
    params = {"start": start, "stop": stop, "num": num, "endpoint": endpoint, "dtype": _dtype(dtype)}
    return compose("_linspace", (), {**params, **kw})


def eye(N: int, M: int = 0, k: int = 0, dtype: Any = "float32", **kw: Any) -> Symbol:  # MXNet's names
    """Give a matrix (N, M) with 1 on diagonal `k`; M is N when 0."""
    return compose("_eye", (), {"N": N, "M": M, "k": k, "dtype": _dtype(dtype), **kw})


def split_v2(
    ary: Symbol, indices_or_sections: int | Sequence[int], axis: int = 0, squeeze_axis: bool = False, **kw: Any
) -> Symbol:
    """Cut into equal pieces, or before each of the indices, along `axis`."""
    if isinstance(indices_or_sections, int):
        pieces: dict[str, Any] = {"indices": (), "sections": indices_or_sections}
    else:
        pieces = {"indices": (0, *indices_or_sections)}
    return compose("_split_v2", (ary,), {**pieces, "axis": axis, "squeeze_axis": squeeze_axis, **kw})


def histogram(a: Symbol, bins: Any = 10, range: Any = None, **kw: Any) -> Symbol:
    """Count the elements in `bins` equal bins over `range`, or between the edges that the symbol `bins` has."""
    if isinstance(bins, Symbol):
        return compose("_histogram", (a, bins), kw)
    return compose("_histogram", (a,), {"bin_cnt": bins, "range": range, **kw})


def _either(name: str, both: str, right: str, left: str, doc: str) -> Callable[[Any, Any], Symbol]:
    """Make a function of two symbols, or of a symbol and a number on either side."""

    def function(lhs: Symbol | float, rhs: Symbol | float) -> Symbol:
        if isinstance(lhs, Symbol) and isinstance(rhs, Symbol):
            return compose(both, (lhs, rhs), {})
        if isinstance(lhs, Symbol):
            return compose(right, (lhs,), {"scalar": rhs})
        if isinstance(rhs, Symbol):
            return compose(left, (rhs,), {"scalar": lhs})
        raise TypeError(f"{name}: one of the two must be a Symbol")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


maximum = _either("maximum", "_maximum", "_MaximumScalar", "_MaximumScalar", "Give the larger, element by element.")
minimum = _either("minimum", "_minimum", "_MinimumScalar", "_MinimumScalar", "Give the smaller, element by element.")
power = pow = _either("power", "_power", "_PowerScalar", "_RPowerScalar", "Give lhs ** rhs, element by element.")
hypot = _either("hypot", "_hypot", "_HypotScalar", "_HypotScalar", "Give sqrt(lhs^2 + rhs^2), element by element.")


def signature(cls: type[Op]) -> inspect.Signature:
    """Give the signature of an operator's function; MXNet's parameters that mean nothing here come by keyword."""
    p = inspect.Parameter
    if isinstance(cls.aux, property):  # its parameters say what its inputs are
        own = [p("data", p.VAR_POSITIONAL, annotation="Symbol"), p("op_type", p.KEYWORD_ONLY, annotation="str")]
        own.append(p("name", p.KEYWORD_ONLY, default=None, annotation="str | None"))
        own.append(p("attr", p.KEYWORD_ONLY, default=None, annotation="Mapping[str, str] | None"))
        own.append(p("settings", p.VAR_KEYWORD, annotation="object"))
        return inspect.Signature(own, return_annotation="Symbol")
    out = [p("data", p.VAR_POSITIONAL, annotation="Symbol | Sequence[Symbol]")] if cls.variadic else []
    kind = p.KEYWORD_ONLY if cls.variadic else p.POSITIONAL_OR_KEYWORD
    kinds = cls.field_types()
    if not cls.variadic:
        out += [p(n, kind, default=None, annotation="Symbol | None") for n in cls.inputs]
    for f in fields(cls) if hasattr(cls, "__dataclass_fields__") else ():  # type: ignore[arg-type]
        if f.name != cls.variadic:
            # A parameter without default follows inputs that have one: None stands for "must be given".
            default = None if f.default is MISSING else f.default
            out.append(p(f.name, kind, default=default, annotation=kinds[f.name]))
    extra = sorted({*cls.ignored, cls.variadic} - {""})
    out += [p(n, p.KEYWORD_ONLY, default=None, annotation="object") for n in extra]
    out.append(p("name", p.KEYWORD_ONLY, default=None, annotation="str | None"))
    out.append(p("attr", p.KEYWORD_ONLY, default=None, annotation="Mapping[str, str] | None"))
    return inspect.Signature(out, return_annotation="Symbol")


def _function(name: str, hint: str | None = None) -> Callable[..., Symbol]:
    try:
        cls = find(name)
    except ParameterError as e:
        raise AttributeError(str(e)) from None

    def function(*args: Any, **kwargs: Any) -> Symbol:
        return compose(name, args, kwargs, hint)

    function.__name__ = function.__qualname__ = hint or name
    function.__doc__ = cls.__doc__
    function.__signature__ = signature(cls)  # type: ignore[attr-defined]
    return function


def __getattr__(name: str) -> Callable[..., Symbol]:
    if name.startswith("__"):
        raise AttributeError(name)
    function = _function(name)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    lookup("")
    return sorted({*globals(), *(k for k, v in OPS.items() if v.public)})


__all__ = [
    "Group", "Symbol", "Variable", "arange", "contrib", "eye", "full", "histogram", "hypot", "image", "linalg",
    "linspace", "load", "load_json", "maximum", "minimum", "ones", "op", "pow", "power", "random", "split_v2", "var",
    "zeros",
]  # fmt: skip
