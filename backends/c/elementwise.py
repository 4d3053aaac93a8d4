"""Elementwise steps, alone or fused, with broadcasting; and sums over all axes but the last of what they compute."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from graphnn.op import OPS, Op
from graphnn.ops.reduce import sum as sum_op
from graphnn.types import Shape, TensorType

from .body import Body, collapse, evaluate
from .expressions import SUMS, template
from .kernel import EMITTERS, Kernel, Phase, emits, share
from .ops import fused
from .toolchain import Target

__all__ = ["RULES", "body_of", "enter_expressions", "fused_kernel"]

RULES: dict[type[Op], Callable[[Any, Sequence[TensorType]], Body]] = {}  # operators with bodies of their own

ROWS = 512  # rows that one partial sum covers, at least
HELD = 4  # vectors of channels whose per-channel inputs stay in registers


def body_of(op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Body | None:
    """Give the body that computes one operator alone; None where it has no expression or does not broadcast so."""
    if type(op) in RULES:
        return RULES[type(op)](op, ins)
    if type(op).__name__ in SUMS and OPS.get(op.name) is type(op):
        return _sum_body(op, ins)
    if isinstance(op, sum_op):
        return _sum_of_rows(op, ins, outs)
    text = template(op)
    if text is None:
        return None
    shape = outs[0].shape
    views = _views(op, [t.shape for t in ins], shape)
    if views is None:
        return None
    return Body(shape, views, ((text, tuple(range(len(ins)))),), (len(ins),))


def _views(op: Op, shapes: Sequence[Shape], shape: Shape) -> tuple[Shape, ...] | None:
    axis = getattr(op, "axis", None)
    views = []
    for s in shapes:
        if s == shape:
            views.append(s)
        elif len(s) == 1 and isinstance(axis, int) and len(shape) > 1 and s[0] == shape[axis]:
            at = axis % len(shape)
            views.append(tuple(n if i == at else 1 for i, n in enumerate(shape)))
        elif len(s) == len(shape) and all(a in (1, b) for a, b in zip(s, shape, strict=True)):
            views.append(s)
        elif math.prod(s) == math.prod(shape):
            views.append(shape)
        elif math.prod(s) == 1:
            views.append((1,) * len(shape))
        else:
            return None
    return tuple(views)


def _sum_of_rows(op: sum_op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Body | None:
    """A sum over all axes but the last is one by channel."""
    shape = ins[0].shape
    if len(shape) < 2 or op.axes(len(shape)) != tuple(range(len(shape) - 1)) or outs[0].shape != shape[-1:]:
        return None
    return Body(shape, (shape,), (("{0}", (0,)),), (), (1,))


def _sum_body(op: Op, ins: Sequence[TensorType]) -> Body | None:
    shape = ins[0].shape
    if len(shape) < 2 or op.axis % len(shape) != len(shape) - 1:  # type: ignore[attr-defined]
        return None
    views = _views(op, [t.shape for t in ins], shape)
    if views is None:
        return None
    return Body(shape, views, ((SUMS[op.name], tuple(range(len(ins)))),), (), (len(ins),))


def fused_kernel(body: Body, target: Target) -> Kernel:
    """Write the loops of a body."""
    if body.sums:
        return _summing(body, target.lanes)
    dims = collapse(body.shape, body.views)
    if len(dims.sizes) == 1:
        return _flat(body, dims.sizes[0], dims.strides, target.lanes)
    if len(dims.sizes) == 2 and _channels(dims.sizes[1], target.lanes) <= HELD:
        return _rows(body, dims.sizes, dims.strides, target.lanes)
    return _nest(body, dims.sizes, dims.strides, target.lanes)


def _channels(n: int, lanes: int) -> int:
    return -(-n // lanes)


def _load(i: int, at: str, stride: int, count: int, lanes: int) -> str:
    """Load input i at an address as a vector; `count` lanes of it, or all."""
    if stride == 0:
        return f"set1(x{i}[{at}])"
    return f"LD(x{i} + {at})" if count == lanes else f"lds(x{i} + {at}, {count})"


def _store(k: int, at: str, value: str, count: int, lanes: int) -> str:
    return f"ST(y{k} + {at}, {value});" if count == lanes else f"sts(y{k} + {at}, {value}, {count});"


def _point(body: Body, loads: Sequence[str], at: str, count: int, lanes: int, tag: str = "") -> str:
    """Write one vector's work: load the inputs, compute, store the outputs at `at`."""
    names = [f"a{tag}_{i}" for i in range(len(loads))]
    lines, values = evaluate(body, names, f"v{tag}_")
    stores = " ".join(_store(k, at, values[v], count, lanes) for k, v in enumerate(body.full))
    used = set(re.findall(r"\w+", f"{lines} {stores}"))
    text = " ".join(f"vf {n} = {load};" for n, load in zip(names, loads, strict=True) if n in used)
    return f"{text} {lines} {stores}"


def _flat(body: Body, n: int, strides: Sequence[tuple[int, ...]], lanes: int) -> Kernel:
    """All in one line: whole vectors, shared among the threads, and the rest."""
    vectors, rest = divmod(n, lanes)
    fixed = "".join(f"vf f{i} = set1(x{i}[0]);\n" for i, s in enumerate(strides) if s[0] == 0)

    def loads(at: str, count: int) -> list[str]:
        return [f"f{i}" if s[0] == 0 else _load(i, at, 1, count, lanes) for i, s in enumerate(strides)]

    text = fixed
    if vectors:
        text += f"{share(vectors)} {{ long o = i * {lanes}; {_point(body, loads('o', lanes), 'o', lanes, lanes)} }}\n"
    if rest:
        at = str(vectors * lanes)
        text += f"if (t == T - 1) {{ {_point(body, loads(at, rest), at, rest, lanes)} }}\n"
    return Kernel.of(text, serial=n <= SMALL)


SMALL = 4096  # elements: less is done by one thread


def _rows(body: Body, sizes: Sequence[int], strides: Sequence[tuple[int, ...]], lanes: int) -> Kernel:
    """Rows of few channels: what is the same for every row is loaded once."""
    rows, n = sizes
    text, work = "", ""
    for j in range(_channels(n, lanes)):
        count = min(lanes, n - j * lanes)
        loads = []
        for i, (outer, inner) in enumerate(strides):
            if outer == 0:
                text += f"vf f{j}_{i} = {_load(i, str(j * lanes * inner), inner, count, lanes)};\n"
                loads.append(f"f{j}_{i}")
            else:
                loads.append(_load(i, f"r * {outer} + {j * lanes * inner}", inner, count, lanes))
        work += _point(body, loads, f"r * {n} + {j * lanes}", count, lanes, f"{j}_") + "\n"
    return Kernel.of(f"{text}{share(rows, 'r')} {{ {work} }}\n", serial=rows * n <= SMALL)


def _nest(body: Body, sizes: Sequence[int], strides: Sequence[tuple[int, ...]], lanes: int) -> Kernel:
    """The general case: outer axes by one counter, vectors along the last."""
    *outer, n = sizes
    total = math.prod(outer)
    text = f"{share(total, 'r')} {{ long q = r;"
    index = []
    for k in reversed(range(len(outer))):
        index.append((k, f"i{k}"))
        text += f" long i{k} = q % {outer[k]}; q /= {outer[k]};"
    for i, s in enumerate(strides):
        terms = " + ".join(f"i{k} * {s[k]}" for k, _ in index if s[k]) or "0"
        text += f" long o{i} = {terms};"
    text += f" long o = r * {n};\n"
    vectors, rest = divmod(n, lanes)

    def work(at: str, count: int) -> str:
        loads = []
        for i, s in enumerate(strides):
            loads.append(_load(i, f"o{i}" + (f" + {at}" if s[-1] else ""), s[-1], count, lanes))
        return _point(body, loads, f"o + {at}", count, lanes)

    if vectors:
        text += f"for (long j = 0; j < {vectors * lanes}; j += {lanes}) {{ {work('j', lanes)} }}\n"
    if rest:
        text += f"{{ {work(str(vectors * lanes), rest)} }}\n"
    return Kernel.of(text + "}\n", serial=total * n <= SMALL)


def _summing(body: Body, lanes: int) -> Kernel:
    """Sums by channel: partial sums over blocks of rows, always the same blocks, then the sum of those.

    So results do not depend on the number of threads. Vectors of channels go in groups that stay in registers, rows in
    fours, so that additions do not wait for each other.
    """
    dims = collapse(body.shape, [*body.views, (*(1,) * (len(body.shape) - 1), body.shape[-1])])
    n = body.shape[-1]
    rows = math.prod(body.shape) // n
    blocks = max(1, min(rows, 256, max(8, rows // ROWS)))
    strides = [(0 if v[:-1] == (1,) * (len(v) - 1) else v[-1], int(v[-1] > 1)) for v in body.views]
    assert len(dims.sizes) <= 2
    padded = _channels(n, lanes) * lanes
    many = len(body.sums)
    text = f"{share(blocks, 'b')} {{ long r0 = {rows}L * b / {blocks}, r1 = {rows}L * (b + 1) / {blocks};\n"
    text += f"float *p = (float *)z + b * {many * padded};\n"
    vectors = _channels(n, lanes)
    whole = n // lanes
    group = next((g for g in (4, 3, 2, 1) if whole % g == 0), 1) if many < 3 else 1
    deep = max(1, 4 // (group * many))
    j = 0
    if whole:
        text += f"for (long c = 0; c < {whole * lanes}; c += {group * lanes}) {{\n"
        text += _accumulate(body, strides, "c", [lanes] * group, deep, padded, lanes) + "}\n"
        j = whole
    if j < vectors:
        text += "{\n" + _accumulate(body, strides, str(j * lanes), [n - j * lanes], 4, padded, lanes) + "}\n"
    text += "}\n"
    first = len(body.full)
    add = ""
    for k in range(many):
        add += f"for (long c = 0; c < {n}; c++) {{ float a = 0; const float *p = (const float *)z + {k * padded} + c; "
        add += f"for (long b = 0; b < {blocks}; b++) a += p[b * {many * padded}]; y{first + k}[c] = a; }}\n"
    small = rows * n <= SMALL
    return Kernel((Phase(text, small), Phase(add, True)), shared=4 * blocks * many * padded)


def _accumulate(
    body: Body,
    strides: Sequence[tuple[int, int]],
    at: str,
    counts: Sequence[int],
    deep: int,
    padded: int,
    lanes: int,
) -> str:
    """Write the loop over the rows r0..r1 for the vectors of channels from `at` on."""
    n = body.shape[-1]
    fixed, zero, end = "", "", ""
    for j, count in enumerate(counts):
        for i, (outer, inner) in enumerate(strides):
            if outer == 0:
                fixed += f"vf f{j}_{i} = {_load(i, f'({at}) * {inner} + {j * lanes * inner}', inner, count, lanes)};\n"
        for k in range(len(body.sums)):
            for d in range(deep):
                zero += f"vf m{k}_{j}_{d} = {{0}};"
            total = " + ".join(f"m{k}_{j}_{d}" for d in range(deep))
            end += f"ST(p + {k * padded} + {at} + {j * lanes}, {total});\n"

    def row(r: str, d: int) -> str:
        text = ""
        for j, count in enumerate(counts):
            loads = [
                f"f{j}_{i}" if outer == 0 else _load(i, f"({r}) * {outer} + {at} + {j * lanes}", inner, count, lanes)
                for i, (outer, inner) in enumerate(strides)
            ]
            names = [f"a{j}_{d}_{i}" for i in range(len(loads))]
            text += " ".join(f"vf {name} = {load};" for name, load in zip(names, loads, strict=True))
            lines, values = evaluate(body, names, f"v{j}_{d}_")
            text += lines
            text += " ".join(
                _store(k, f"({r}) * {n} + {at} + {j * lanes}", values[v], count, lanes) for k, v in enumerate(body.full)
            )
            text += " ".join(f"m{k}_{j}_{d} += {values[v]};" for k, v in enumerate(body.sums)) + "\n"
        return text

    loop = (
        f"long r = r0; for (; r + {deep} <= r1; r += {deep}) {{ {''.join(row(f'r + {d}', d) for d in range(deep))} }}"
    )
    rest = f"for (; r < r1; r++) {{ {row('r', 0)} }}" if deep > 1 else ""
    return f"{fixed}{zero}\n{loop}\n{rest}\n{end}"


@emits(fused)
def emit_fused(op: fused, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    return fused_kernel(op.body, target)


def emit_single(op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    body = body_of(op, ins, outs)
    return fused_kernel(body, target) if body else None


def enter_expressions() -> None:
    """Enter every operator that may have an expression and no emitter of its own."""
    for cls in set(OPS.values()):
        if cls not in EMITTERS and (cls.elementwise or cls is sum_op or cls.__name__ in SUMS or _may_have(cls)):
            emits(cls)(emit_single)


def _may_have(cls: type[Op]) -> bool:
    from .expressions import FIXED

    return cls.name in FIXED
