"""Pooling with channels last: vectors of channels over the window of each output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphnn.ops.pool import Pooling, _max_pool_grad, _pool_grad
from graphnn.types import Shape, TensorType

from .kernel import Kernel, emits, share
from .toolchain import Target

__all__: list[str] = []

Geometry = list[tuple[int, int, int, int]]  # (kernel, stride, pad, positions) of rows and columns


def _geometry(op: Pooling, shape: Shape) -> tuple[Geometry, tuple[int, int]]:
    sizes = op.sizes(shape)
    found = op.geometry(sizes)
    if len(found) == 1:
        found, sizes = [(1, 1, 0, 1), *found], (1, *sizes)
    return found, (sizes[0], sizes[1])


def _window(geometry: Geometry, sizes: tuple[int, int]) -> str:
    """Write the bounds of the window of output (i, j), inside the image: rows a0..a1, columns b0..b1."""
    text = ""
    for var, low, (k, s, p, _), n in zip("ij", "ab", geometry, sizes, strict=True):
        text += f"long {low}0 = {var} * {s} - {p}, {low}1 = {low}0 + {k}; "
        text += f"if ({low}0 < 0) {low}0 = 0; if ({low}1 > {n}) {low}1 = {n};\n"
    return text


def _divisor(op: Pooling, geometry: Geometry, sizes: tuple[int, int]) -> str:
    """Write what an average divides by at output (i, j)."""
    if op.pool_type != "avg":
        return "1.0f"
    parts = []
    for var, low, (k, s, p, _), n in zip("ij", "ab", geometry, sizes, strict=True):
        if op.count_include_pad is False:
            parts.append(f"({low}1 > {low}0 ? {low}1 - {low}0 : 1)")
        else:
            left = f"({n + 2 * p} - {var} * {s})"
            parts.append(f"({left} >= {k} ? {k} : {left} > 1 ? {left} : 1)")
    return f"(float)({parts[0]} * {parts[1]})"


def _channels(c: int, lanes: int, work: Callable[[int], str]) -> str:
    """Write `work(lanes)` for vectors of channels at c."""
    whole = c // lanes * lanes
    text = f"for (long c = 0; c < {whole}; c += {lanes}) {{ {work(lanes)} }}\n" if whole else ""
    return text + (f"{{ long c = {whole}; {work(c - whole)} }}\n" if c > whole else "")


def _load(at: str, n: int, lanes: int) -> str:
    return f"LD({at})" if n == lanes else f"lds({at}, {n})"


def _store(at: str, value: str, n: int, lanes: int) -> str:
    return f"ST({at}, {value});" if n == lanes else f"sts({at}, {value}, {n});"


@emits(Pooling)
def pooling(op: Pooling, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    if not op.last:
        return None
    geometry, sizes = _geometry(op, ins[0].shape)
    n, c, (h, w), lanes = ins[0].shape[0], ins[0].shape[-1], sizes, target.lanes
    (*_, oh), (*_, ow) = geometry
    join = "m = vmax(m, v);" if op.pool_type == "max" else "m += v;"
    first = "set1(-INFINITY)" if op.pool_type == "max" else "(vf){0}"
    empty = " if (a1 <= a0 || b1 <= b0) m = (vf){0};" if op.pool_type == "max" else ""
    scale = " * part" if op.pool_type == "avg" else ""

    def work(count: int) -> str:
        x = _load(f"x + (a * {w} + b) * {c}L + c", count, lanes)
        loops = f"for (long a = a0; a < a1; a++) for (long b = b0; b < b1; b++) {{ vf v = {x}; {join} }}"
        return f"vf m = {first}; {loops}{empty} {_store('y + c', f'm{scale}', count, lanes)}"

    text = f"{share(n * oh, 'u')} {{ long n = u / {oh}, i = u % {oh}; const float *x = x0 + n * {h * w * c}L;\n"
    text += f"for (long j = 0; j < {ow}; j++) {{ float *y = y0 + (u * {ow} + j) * {c}L;\n{_window(geometry, sizes)}"
    if scale:
        text += f"float part = 1.0f / {_divisor(op, geometry, sizes)};\n"
    return Kernel.of(text + _channels(c, lanes, work) + "} }\n")


def _backward(op: Pooling, shape: Shape, lanes: int, head: str, work: Callable[[int, int, int], str]) -> Kernel:
    """Write the loops over images, each by one thread, since windows may overlap: zeros, then every output's share."""
    geometry, sizes = _geometry(op, shape)
    n, c, (h, w) = shape[0], shape[-1], sizes
    (*_, oh), (*_, ow) = geometry
    text = f"{share(n, 'n')} {{ float *d = y0 + n * {h * w * c}L; memset(d, 0, {4 * h * w * c}L);\n"
    text += f"for (long i = 0; i < {oh}; i++) for (long j = 0; j < {ow}; j++) {{ "
    text += f"long o = ((n * {oh} + i) * {ow} + j) * {c}L;\n"
    text += _window(geometry, sizes) + head.replace("DIVISOR", _divisor(op, geometry, sizes))
    return Kernel.of(text + _channels(c, lanes, lambda count: work(count, h * w, w)) + "} }\n")


@emits(_max_pool_grad)
def max_pool_grad(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    """The gradient goes to the first of the largest."""
    if not op.pool.last:
        return None
    lanes, shape = target.lanes, outs[0].shape
    c = shape[-1]

    def work(count: int, size: int, w: int) -> str:
        at = f"n * {size * c}L + (a * {w} + b) * {c}L + c"
        d = f"d + (a * {w} + b) * {c}L + c"
        one = f"vi here = ({_load(f'x1 + {at}', count, lanes)} == y) & ~done; done |= here; "
        one += _store(d, f"{_load(d, count, lanes)} + (vf)(here & (vi)g)", count, lanes)
        loops = f"for (long a = a0; a < a1; a++) for (long b = b0; b < b1; b++) {{ {one} }}"
        g, y = (_load(f"{x} + o + c", count, lanes) for x in ("x0", "x2"))
        return f"vf g = {g}, y = {y}; vi done = {{0}}; {loops}"

    return _backward(op.pool, shape, lanes, "", work)


@emits(_pool_grad)
def pool_grad(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    """Every element of the window gets the same."""
    if not op.pool.last:
        return None
    lanes, shape = target.lanes, outs[0].shape
    c = shape[-1]

    def work(count: int, size: int, w: int) -> str:
        d = f"d + (a * {w} + b) * {c}L + c"
        loops = "for (long a = a0; a < a1; a++) for (long b = b0; b < b1; b++) { "
        loops += f"{_store(d, f'{_load(d, count, lanes)} + g', count, lanes)} }}"
        return f"vf g = {_load('x0 + o + c', count, lanes)} * part; {loops}"

    return _backward(op.pool, shape, lanes, "float part = 1.0f / DIVISOR;\n", work)
