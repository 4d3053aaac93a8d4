"""The C expression of every elementwise operator, over vectors `{0}`, `{1}`, ... of its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphnn.op import OPS, Op
from graphnn.ops.activation import SELU_ALPHA, SELU_SCALE

from .kernel import literal

__all__ = ["FIXED", "SUMS", "template"]

_BINARY = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "maximum": "vmax({0}, {1})",
    "minimum": "vmin({0}, {1})",
    "power": "vpow({0}, {1})",
    "hypot": "vsqrt({0} * {0} + {1} * {1})",
    "equal": "vbool({0} == {1})",
    "not_equal": "vbool({0} != {1})",
    "greater": "vbool({0} > {1})",
    "greater_equal": "vbool({0} >= {1})",
    "lesser": "vbool({0} < {1})",
    "lesser_equal": "vbool({0} <= {1})",
}
_SCALAR = {  # {c}: the scalar
    "_plus_scalar": "{{0}} + {c}",
    "_minus_scalar": "{{0}} - {c}",
    "_rminus_scalar": "{c} - {{0}}",
    "_mul_scalar": "{{0}} * {c}",
    "_div_scalar": "{{0}} / {c}",
    "_rdiv_scalar": "{c} / {{0}}",
    "_maximum_scalar": "vmax({{0}}, set1({c}))",
    "_minimum_scalar": "vmin({{0}}, set1({c}))",
    "_equal_scalar": "vbool({{0}} == set1({c}))",
    "_not_equal_scalar": "vbool({{0}} != set1({c}))",
    "_greater_scalar": "vbool({{0}} > set1({c}))",
    "_greater_equal_scalar": "vbool({{0}} >= set1({c}))",
    "_lesser_scalar": "vbool({{0}} < set1({c}))",
    "_lesser_equal_scalar": "vbool({{0}} <= set1({c}))",
}
_ACTIVATION = {
    "relu": "vrelu({0})",
    "sigmoid": "vsigmoid({0})",
    "tanh": "vtanh({0})",
    "softsign": "{0} / (1.0f + vabs({0}))",
    "softrelu": "vsoftrelu({0})",
}
_PRELU = "sel({0} > set1(0.0f), {0}, {0} * {1})"
FIXED = {
    "elemwise_add": _BINARY["add"],
    "elemwise_sub": _BINARY["sub"],
    "elemwise_mul": _BINARY["mul"],
    "elemwise_div": _BINARY["div"],
    "_grad_add": _BINARY["add"],
    **{f"_{name}": text for name, text in _BINARY.items() if name not in ("add", "sub", "mul", "div")},
    **{f"broadcast_{name}": text for name, text in _BINARY.items()},
    "_copy": "{0}",
    "broadcast_to": "{0}",
    "broadcast_axis": "{0}",
    "ones_like": "set1(1.0f)",
    "abs": "vabs({0})",
    "sign": "sel({0} != {0}, {0}, vbool({0} > set1(0.0f)) - vbool({0} < set1(0.0f)))",
    "ceil": "vceil({0})",
    "floor": "vfloor({0})",
    "trunc": "vtrunc({0})",
    "fix": "vtrunc({0})",
    "negative": "-{0}",
    "square": "{0} * {0}",
    "sqrt": "vsqrt({0})",
    "rsqrt": "vrsqrt({0})",
    "reciprocal": "1.0f / {0}",
    "exp": "vexp({0})",
    "expm1": "vexpm1({0})",
    "log": "vlog({0})",
    "log2": "vlog2({0})",
    "log10": "vlog10({0})",
    "log1p": "vlog1p({0})",
    "sin": "vsin({0})",
    "cos": "vcos({0})",
    "erf": "verf({0})",
    "relu": _ACTIVATION["relu"],
    "sigmoid": _ACTIVATION["sigmoid"],
    "tanh": _ACTIVATION["tanh"],
    "softsign": _ACTIVATION["softsign"],
    "_relu_grad": "(vf)(({1} > set1(0.0f)) & (vi){0})",
    "LinearRegressionOutput": "{0}",
    "MAERegressionOutput": "{0}",
    "LogisticRegressionOutput": "vsigmoid({0})",
    "_scale_shift": "{0} * {1} + {2}",
    "_prelu": _PRELU,
    "_prelu_slope": "sel({1} > set1(0.0f), {0}, {0} * {2})",
    "_channel_affine": "{2} * {0} + {3} * {1} + {4}",
    "zeros_like": "set1(0.0f)",
    "where": "sel({0} != set1(0.0f), {1}, {2})",
}


def _leaky(op: Any) -> str | None:
    match op.act_type:
        case "prelu":
            return _PRELU
        case "leaky":
            return f"sel({{0}} > set1(0.0f), {{0}}, {{0}} * {literal(op.slope)})"
        case "elu":
            return f"sel({{0}} > set1(0.0f), {{0}}, vexpm1({{0}}) * {literal(op.slope)})"
        case "selu":
            low = literal(SELU_SCALE * SELU_ALPHA)
            return f"sel({{0}} > set1(0.0f), {{0}} * {literal(SELU_SCALE)}, vexpm1({{0}}) * {low})"
        case "gelu":
            return f"{{0}} * (verf({{0}} * {literal(0.5**0.5)}) * 0.5f + 0.5f)"
    return None


def _smooth(op: Any) -> str:
    square = op.scalar * op.scalar
    edge = 1 / square if square else math.inf
    low = f"{{0}} * {{0}} * {literal(square / 2)}"
    return f"sel(vabs({{0}}) < set1({literal(edge)}), {low}, vabs({{0}}) - {literal(edge / 2)})"


_BY_FIELDS: dict[str, Callable[[Any], str | None]] = {
    "Activation": lambda op: _ACTIVATION[op.act_type],
    "clip": lambda op: f"vclip({{0}}, {literal(op.a_min)}, {literal(op.a_max)})",
    "hard_sigmoid": lambda op: f"vclip({{0}} * {literal(op.alpha)} + {literal(op.beta)}, 0.0f, 1.0f)",
    "add_n": lambda op: " + ".join(f"{{{i}}}" for i in range(op.num_args)),
    "LeakyReLU": _leaky,
    "smooth_l1": _smooth,
}

# Sums by channel: the expression that is summed over all axes but the last.
SUMS = {
    "_channel_sum": "{0}",
    "_channel_square": "({0} - {1}) * ({0} - {1})",
    "_channel_dot": "{0} * ({1} - {2})",
    "_prelu_sum": "sel({1} > set1(0.0f), set1(0.0f), {0} * {1})",
}


def template(op: Op) -> str | None:
    """Give the expression of an operator; None where it has none here."""
    if OPS.get(op.name) is not type(op):
        return None  # a user's own class
    if op.name in FIXED:
        return FIXED[op.name]
    if op.name in _SCALAR:
        return _SCALAR[op.name].format(c=literal(op.scalar))  # type: ignore[attr-defined]
    rule = _BY_FIELDS.get(op.name)
    return rule(op) if rule else None
