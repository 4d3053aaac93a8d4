"""Kernels of the elementwise operators; errors of the domain give nan and inf in silence, as in MXNet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphnn.op import Op
from graphnn.ops import activation, arithmetic, binary, compare, identity, small, unary
from graphnn.types import TensorType

from . import activation as _  # noqa: F401  entered with this family
from . import special
from .calls import flags, like_output, number, quiet, workspace
from .registry import Run, kernel, linked

__all__: list[str] = []


# One ufunc of two arrays, or of an array and a scalar (`_R`: of the scalar and the array).

_TWO: dict[str, np.ufunc] = {
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "hypot": np.hypot,
}
_TRUTH: dict[str, np.ufunc] = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "lesser": np.less,
    "lesser_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
_UFUNCS: dict[type[Op], np.ufunc] = {
    arithmetic.elemwise_add: np.add,
    arithmetic.elemwise_sub: np.subtract,
    arithmetic.elemwise_mul: np.multiply,
    arithmetic._grad_add: np.add,
    arithmetic.broadcast_add: np.add,
    arithmetic.broadcast_sub: np.subtract,
    arithmetic.broadcast_mul: np.multiply,
    **{getattr(binary, prefix + k): f for k, f in _TWO.items() for prefix in ("_", "broadcast_")},
    **{getattr(compare, prefix + k): f for k, f in _TRUTH.items() for prefix in ("_", "broadcast_")},
}
_WITH_SCALAR: dict[type[Op], np.ufunc] = {
    arithmetic._plus_scalar: np.add,
    arithmetic._minus_scalar: np.subtract,
    arithmetic._mul_scalar: np.multiply,
    binary._hypot_scalar: np.hypot,
    **{getattr(compare, f"_{k}_scalar"): f for k, f in _TRUTH.items() if k.startswith("logical")},
}
_COMPARE_SCALAR = {getattr(compare, f"_{k}_scalar"): f for k, f in _TRUTH.items() if not k.startswith("logical")}
_SCALAR_WITH: dict[type[Op], np.ufunc] = {arithmetic._rminus_scalar: np.subtract, binary._rpower_scalar: np.power}


def _casting(y: np.ndarray) -> dict[str, Any]:
    """Give the ufunc's arguments: an integer or half result of a float loop is written as it comes."""
    return {"out": y} if y.dtype.kind == "f" else {"out": y, "casting": "unsafe"}


@linked(*_UFUNCS)
def _two(op, ins, outs, scratch):
    f, (x, w), y = _UFUNCS[type(op)], ins, outs[0]
    if f is np.power and y.dtype.kind in "iu":
        return quiet(f, x, w, dtype=np.float64, **_casting(y))
    return quiet(f, x, w, **_casting(y))


@linked(*_WITH_SCALAR)
def _with_scalar(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    return quiet(_WITH_SCALAR[type(op)], x, number(op.scalar, x.dtype), **_casting(y))


@linked(binary._maximum_scalar, binary._minimum_scalar)
def _extremum_scalar(op, ins, outs, scratch):
    """np.clip is three times as fast as np.maximum with a scalar."""
    x, y = ins[0], outs[0]
    value = number(op.scalar, x.dtype)
    largest = isinstance(op, binary._maximum_scalar)
    if x.dtype.kind != "f":
        return partial(np.maximum if largest else np.minimum, x, value, out=y)
    return quiet(np.clip, x, *((value, np.inf) if largest else (-np.inf, value)), out=y)


@linked(*_COMPARE_SCALAR)
def _compare_scalar(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    value = op.scalar if x.dtype.kind == "f" or not float(op.scalar).is_integer() else int(op.scalar)
    return quiet(_COMPARE_SCALAR[type(op)], x, value, **_casting(y))


@linked(*_SCALAR_WITH)
def _scalar_with(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    f = _SCALAR_WITH[type(op)]
    if f is np.power and y.dtype.kind in "iu":
        return quiet(f, float(op.scalar), x, dtype=np.float64, **_casting(y))
    return quiet(f, number(op.scalar, x.dtype), x, **_casting(y))


@linked(arithmetic.add_n)
def _add_n(op, ins, outs, scratch):
    y = outs[0]
    # The input whose memory the output has must be read first.
    xs = sorted(ins, key=lambda x: not np.may_share_memory(x, y))
    if len(xs) == 1:
        return quiet(np.copyto, y, xs[0])

    def add() -> None:
        np.add(xs[0], xs[1], out=y)
        for x in xs[2:]:
            np.add(y, x, out=y)

    return quiet(add)


# Division and remainder


def _divide(x: Any, w: Any, y: np.ndarray, scratch: np.ndarray) -> Run:
    """y = x / w; integers towards zero: the remainder with the sign of x is taken off first."""
    if y.dtype.kind == "f":
        return quiet(np.divide, x, w, out=y)
    rest = workspace(scratch, y)

    def divide() -> None:
        np.fmod(x, w, out=rest)
        np.subtract(x, rest, out=rest)
        np.floor_divide(rest, w, out=y)

    return quiet(divide)


@linked(arithmetic.elemwise_div, arithmetic.broadcast_div, scratch=like_output)
def _div(op, ins, outs, scratch):
    return _divide(ins[0], ins[1], outs[0], scratch)


@linked(arithmetic._div_scalar, scratch=like_output)
def _div_scalar(op, ins, outs, scratch):
    return _divide(ins[0], number(op.scalar, ins[0].dtype), outs[0], scratch)


@linked(arithmetic._rdiv_scalar, scratch=like_output)
def _rdiv_scalar(op, ins, outs, scratch):
    return _divide(number(op.scalar, ins[0].dtype), ins[0], outs[0], scratch)


def _remainder(x: Any, w: Any, y: np.ndarray, scratch: np.ndarray) -> Run:
    zero = workspace(scratch, y, bool)

    def remainder() -> None:
        np.equal(w, 0, out=zero)
        np.remainder(x, w, out=y)
        np.copyto(y, 0, where=zero)

    return quiet(remainder)


@linked(binary._mod, binary.broadcast_mod, scratch=flags)
def _mod(op, ins, outs, scratch):
    return _remainder(ins[0], ins[1], outs[0], scratch)


@linked(binary._mod_scalar, scratch=flags)
def _mod_scalar(op, ins, outs, scratch):
    value = number(op.scalar, ins[0].dtype)
    return quiet(np.remainder, ins[0], value, out=outs[0]) if value else quiet(outs[0].fill, 0)


@linked(binary._rmod_scalar, scratch=flags)
def _rmod_scalar(op, ins, outs, scratch):
    return _remainder(number(op.scalar, ins[0].dtype), ins[0], outs[0], scratch)


@linked(binary._power_scalar, scratch=like_output)
def _power_scalar(op, ins, outs, scratch):
    x, y, p = ins[0], outs[0], op.scalar
    if p == 2:
        return quiet(np.multiply, x, x, out=y)
    if y.dtype.kind != "f":
        return quiet(np.power, x, p, dtype=np.float64, **_casting(y))
    if p == 0.5:
        return quiet(np.sqrt, x, out=y)
    if p == 3:
        return quiet(_cube, x, workspace(scratch, y), y)
    return quiet(np.power, x, float(p), out=y)


def _cube(x: np.ndarray, square: np.ndarray, y: np.ndarray) -> None:
    np.multiply(x, x, out=square)
    np.multiply(square, x, out=y)


# One tensor

_UNARY: dict[type[Op], Callable[..., object]] = {
    unary.abs: np.abs,
    unary.sign: np.sign,
    small._contrib_sign_ste: np.sign,
    unary.rint: np.rint,
    unary.ceil: np.ceil,
    unary.floor: np.floor,
    unary.trunc: np.trunc,
    unary.fix: np.trunc,
    unary.logical_not: np.logical_not,
    unary.negative: np.negative,
    unary.square: np.square,
    unary.sqrt: np.sqrt,
    unary.cbrt: np.cbrt,
    unary.reciprocal: np.reciprocal,
    unary.exp: np.exp,
    unary.expm1: np.expm1,
    unary.log: np.log,
    unary.log10: np.log10,
    unary.log2: np.log2,
    unary.log1p: np.log1p,
    unary.sin: np.sin,
    unary.cos: np.cos,
    unary.tan: np.tan,
    unary.arcsin: np.arcsin,
    unary.arccos: np.arccos,
    unary.arctan: np.arctan,
    unary.sinh: np.sinh,
    unary.cosh: np.cosh,
    unary.tanh: np.tanh,
    unary.arcsinh: np.arcsinh,
    unary.arccosh: np.arccosh,
    unary.arctanh: np.arctanh,
    unary.degrees: np.degrees,
    unary.radians: np.radians,
}
_SPECIAL: dict[type[Op], Callable[..., object]] = {
    unary.erf: special.erf,
    unary.erfinv: special.erfinv,
    unary.gamma: special.gamma,
    unary.gammaln: special.gammaln,
    unary._digamma: special.digamma,
}
_WHOLE = {unary.rint, unary.ceil, unary.floor, unary.trunc, unary.fix, unary.round}


@linked(*_UNARY)
def _unary(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    if type(op) in _WHOLE and x.dtype.kind != "f":
        return partial(np.copyto, y, x)
    return quiet(_UNARY[type(op)], x, **_casting(y))


@linked(*_SPECIAL, scratch=lambda op, ins, outs: special.room(ins[0].size))
def _special(op, ins, outs, scratch):
    return partial(_SPECIAL[type(op)], ins[0], outs[0], scratch)


def _two_arrays(op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    return 2 * outs[0].nbytes


@linked(unary.round, small._contrib_round_ste, scratch=_two_arrays)
def _round(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    if x.dtype.kind != "f":
        return partial(np.copyto, y, x)
    size, whole = workspace(scratch, x), workspace(scratch[x.nbytes :], x)

    def round_() -> None:
        np.abs(x, out=size)
        np.floor(size, out=whole)
        np.subtract(size, whole, out=size)
        np.greater_equal(size, 0.5, out=size)
        np.add(whole, size, out=whole)
        np.copysign(whole, x, out=y)

    return quiet(round_)


@linked(unary.rsqrt, unary.rcbrt)
def _reciprocal_root(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    root = np.sqrt if isinstance(op, unary.rsqrt) else np.cbrt

    def reciprocal_root() -> None:
        root(x, **_casting(y))
        np.divide(1.0, y, **_casting(y))

    return quiet(reciprocal_root)


@kernel(unary._copy, identity.BlockGrad, identity.make_loss, identity.MakeLoss)
def _same(op, x, y):
    np.copyto(y, x)


@linked(identity.Cast)
def _cast(op, ins, outs, scratch):
    return quiet(np.copyto, outs[0], ins[0], casting="unsafe")


@kernel(identity.ones_like)
def _ones(op, x, y):
    y.fill(1)


@kernel(arithmetic.zeros_like)
def _zeros(op, x, y):
    y.fill(0)


@linked(activation.clip)
def _clip(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    return quiet(np.clip, x, number(op.a_min, x.dtype), number(op.a_max, x.dtype), out=y)


@linked(activation.smooth_l1, scratch=like_output)
def _smooth_l1(op, ins, outs, scratch):
    x, y, square = ins[0], outs[0], op.scalar * op.scalar
    edge = 1 / square if square else math.inf
    inner = workspace(scratch, x)

    def smooth_l1() -> None:
        """y = s^2 c (x - c / 2) with c = x clipped at the edges of the square part."""
        np.clip(x, -edge, edge, out=inner)
        np.multiply(inner, -0.5, out=inner)
        np.add(x, inner, out=y)
        np.multiply(inner, -2 * square, out=inner)
        np.multiply(y, inner, out=y)

    return quiet(smooth_l1)
