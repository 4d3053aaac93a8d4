"""Softmax in its forms along the last axis, and the gradients of loss heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphnn.ops import loss as ops
from graphnn.types import TensorType

from .kernel import Kernel, emits, literal, share
from .toolchain import Target

__all__: list[str] = []


def _vectors(n: int, lanes: int, work: str) -> str:
    """Write `work` for whole vectors at c, and for the rest with `INSIDE` as its mask and part loads and stores."""
    whole = n // lanes * lanes
    text = ""
    if whole:
        full = work.replace("LOAD(", "LD(").replace("STORE(", "ST(").replace("INSIDE", "(vi)(set1(1.0f) > set1(0.0f))")
        text += f"for (long c = 0; c < {whole}; c += {lanes}) {{ {full} }}\n"
    if n > whole:
        rest = n - whole
        part = work.replace("INSIDE", f"(vlane() < {rest})")
        part = _part(part, "LOAD(", "lds(", rest)
        part = _part(part, "STORE(", "sts(", rest)
        text += f"{{ long c = {whole}; {part} }}\n"
    return text


def _part(text: str, macro: str, call: str, rest: int) -> str:
    """Replace macro(...) by call(..., rest)."""
    out, at = "", 0
    while (found := text.find(macro, at)) >= 0:
        depth, end = 1, found + len(macro)
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        out += text[at:found] + call + text[found + len(macro) : end - 1] + f", {rest})"
        at = end
    return out + text[at:]


def _softmax_rows(rows: int, n: int, factor: float, lanes: int, log: bool = False) -> Kernel:
    """Per row: the largest, the exponentials and their sum, the quotient."""
    scale = "" if factor == 1 else f" * {literal(factor)}"
    text = f"{share(rows, 'r')} {{ const float *x = x0 + r * {n}L; float *y = y0 + r * {n}L; "
    text += "vf m = set1(-INFINITY), a = {0};\n"
    text += _vectors(n, lanes, f"m = vmax(m, sel(INSIDE, LOAD(x + c){scale}, set1(-INFINITY)));")
    text += "vf top = set1(vmaximum(m));\n"
    if log:
        text += _vectors(n, lanes, f"a += (vf)(INSIDE & (vi)vexp(LOAD(x + c){scale} - top));")
        text += "vf low = top + vlog(set1(vsum(a)));\n" + _vectors(n, lanes, f"STORE(y + c, LOAD(x + c){scale} - low);")
    else:
        work = f"vf e = (vf)(INSIDE & (vi)vexp(LOAD(x + c){scale} - top)); a += e; STORE(y + c, e);"
        text += _vectors(n, lanes, work)
        text += "vf part = set1(1.0f / vsum(a));\n" + _vectors(n, lanes, "STORE(y + c, LOAD(y + c) * part);")
    return Kernel.of(text + "}\n", serial=rows * n <= 512)


@emits(ops.SoftmaxOutput)
def softmax_output(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    n, c, rest = op.rows(ins[0].shape, ins[1].shape)
    return _softmax_rows(n, c, 1.0, target.lanes) if rest == 1 else None


@emits(ops.softmax, ops.softmin, ops.log_softmax)
def softmax(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    shape = ins[0].shape
    axis = op.along(len(shape))
    if math.prod(shape[axis + 1 :]) != 1:
        return None
    factor = 1 / (-op.divisor if isinstance(op, ops.softmin) else op.divisor)
    rows = math.prod(shape[:axis])
    return _softmax_rows(rows, shape[axis], factor, target.lanes, isinstance(op, ops.log_softmax))


@emits(ops.SoftmaxActivation)
def softmax_activation(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    shape = ins[0].shape
    if op.mode == "channel" and len(shape) > 2:
        return None
    return _softmax_rows(shape[0], math.prod(shape[1:]), 1.0, target.lanes)


@emits(ops._backward_softmax, ops._backward_log_softmax)
def backward_softmax(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    shape = ins[0].shape
    axis = op.along(len(shape))
    if math.prod(shape[axis + 1 :]) != 1:
        return None
    n, rows, lanes = shape[axis], math.prod(shape[:axis]), target.lanes
    log = isinstance(op, ops._backward_log_softmax)
    scale = "" if op.divisor == 1 else f" * {literal(1 / op.divisor)}"
    text = f"{share(rows, 'r')} {{ const float *g = x0 + r * {n}L, *y = x1 + r * {n}L; "
    text += f"float *d = y0 + r * {n}L; vf a = {{0}};\n"
    text += _vectors(n, lanes, "a += (vf)(INSIDE & (vi)LOAD(g + c));" if log else "a += LOAD(g + c) * LOAD(y + c);")
    text += "vf total = set1(vsum(a));\n"
    work = "LOAD(g + c) - vexp(LOAD(y + c)) * total" if log else "LOAD(y + c) * (LOAD(g + c) - total)"
    return Kernel.of(text + _vectors(n, lanes, f"STORE(d + c, ({work}){scale});") + "}\n")


@emits(ops._backward_SoftmaxOutput)
def backward_output(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    """dx = (prob - target) scale, row by row."""
    rows, n, rest = ins[0].shape
    if rest != 1:
        return None
    spread = op.smooth / (n - 1) if op.smooth and n > 1 else 0.0
    taken = 1 - op.smooth - spread
    text = f"float scale = {literal(op.scale)};\n"
    if op.valid:
        text += f"long count = 0; for (long r = 0; r < {rows}; r++) count += (long)x1[r] != {int(op.ignore)};\n"
        text += "scale /= count > 1 ? count : 1;\n"
    text += f"{share(rows, 'r')} {{ const float *p = x0 + r * {n}L; float *d = y0 + r * {n}L; float q = x1[r];\n"
    text += f"long label = q > -1.0f && q < {n}.0f ? (long)q : -1; float at = label >= 0 ? p[label] : 0, by = scale;\n"
    if op.use_ignore:
        text += f"if (q > -2147483648.0f && q < 2147483648.0f && (long)q == {int(op.ignore)}) {{ by = 0; }}\n"
    text += _vectors(n, target.lanes, f"STORE(d + c, (LOAD(p + c) - {literal(spread)}) * by);")
    text += f"if (label >= 0) d[label] = (at - {literal(spread)} - {literal(taken)}) * by; }}\n"
    return Kernel.of(text, serial=rows * n <= 4096)
