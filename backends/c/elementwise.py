"""Elementwise steps, alone or fused, with broadcasting; and sums over all axes but the last of what they compute."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphnn.op import OPS, Op
from graphnn.ops.reduce import sum as sum_op
from graphnn.types import Shape, TensorType

from .body import Body, collapse, evaluate
from .expressions import SUMS, template
from .kernel import EMITTERS, Kernel, Phase, emits, fill, share, store
from .kernel import load as load_vector
from .ops import fused
from .toolchain import Target

__all__ = ["RULES", "SMALL", "body_of", "emit_single", "enter_expressions", "fused_kernel"]

RULES: dict[type[Op], Callable[[Any, Sequence[TensorType]], Body]] = {}  # operators with bodies of their own

ROWS = 512  # rows that one partial sum covers, at least
SMALL = 4096  # elements: less is done by one thread
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
    return load_vector(f"x{i} + {at}", count, lanes) if stride else f"set1(x{i}[{at}])"


def _point(body: Body, loads: Sequence[str], at: str, count: int, lanes: int, tag: str = "") -> str:
    """Write one vector's work: load the inputs, compute, store the outputs at `at`."""
    names = [f"a{tag}_{i}" for i in range(len(loads))]
    lines, values = evaluate(body, names, f"v{tag}_")
    stores = "\n".join(store(f"y{k} + {at}", values[v], count, lanes) for k, v in enumerate(body.full))
    used = set(re.findall(r"\w+", f"{' '.join(lines)} {stores}"))
    return fill(
        """
        $loads
        $lines
        $stores
        """,
        loads="\n".join(f"vf {n} = {x};" for n, x in zip(names, loads, strict=True) if n in used),
        lines="\n".join(lines),
        stores=stores,
    )


def _flat(body: Body, n: int, strides: Sequence[tuple[int, ...]], lanes: int) -> Kernel:
    """All in one line: whole vectors, shared among the threads, and the rest."""
    vectors, rest = divmod(n, lanes)

    def point(at: str, count: int) -> str:
        loads = [f"f{i}" if s[0] == 0 else _load(i, at, 1, count, lanes) for i, s in enumerate(strides)]
        return _point(body, loads, at, count, lanes)

    text = "".join(f"vf f{i} = set1(x{i}[0]);\n" for i, s in enumerate(strides) if s[0] == 0)
    if vectors:
        loop = "$share {\n  long o = i * $lanes;\n  $point\n}\n"
        text += fill(loop, share=share(vectors), lanes=lanes, point=point("o", lanes))
    if rest:
        text += fill("if (t == T - 1) {\n  $point\n}\n", point=point(str(vectors * lanes), rest))
    return Kernel.of(text, serial=n <= SMALL)


def _rows(body: Body, sizes: Sequence[int], strides: Sequence[tuple[int, ...]], lanes: int) -> Kernel:
    """Rows of few channels: what is the same for every row is loaded once."""
    rows, n = sizes
    fixed, work = "", ""
    for j in range(_channels(n, lanes)):
        count = min(lanes, n - j * lanes)
        loads = []
        for i, (outer, inner) in enumerate(strides):
            if outer == 0:
                fixed += f"vf f{j}_{i} = {_load(i, str(j * lanes * inner), inner, count, lanes)};\n"
                loads.append(f"f{j}_{i}")
            else:
                loads.append(_load(i, f"r * {outer} + {j * lanes * inner}", inner, count, lanes))
        work += _point(body, loads, f"r * {n} + {j * lanes}", count, lanes, f"{j}_")
    text = fill("$fixed\n$share {\n  $work\n}\n", fixed=fixed, share=share(rows, "r"), work=work)
    return Kernel.of(text, serial=rows * n <= SMALL)


def _nest(body: Body, sizes: Sequence[int], strides: Sequence[tuple[int, ...]], lanes: int) -> Kernel:
    """The general case: outer axes by one counter, vectors along the last."""
    *outer, n = sizes
    axes = list(reversed(range(len(outer))))
    places = []
    for i, s in enumerate(strides):
        terms = " + ".join(f"i{k} * {s[k]}" for k in axes if s[k]) or "0"
        places.append(f"long o{i} = {terms};")

    indices, step = [], 1  # of the axes along which some input moves
    for k in axes:
        if any(s[k] for s in strides):
            indices.append(f"long i{k} = r / {step} % {outer[k]};")
        step *= outer[k]

    def work(count: int) -> str:
        at = "j" if count == lanes else str(n - count)
        loads = [_load(i, f"o{i}" + (f" + {at}" if s[-1] else ""), s[-1], count, lanes) for i, s in enumerate(strides)]
        return _point(body, loads, f"o + {at}", count, lanes)

    vectors, rest = divmod(n, lanes)
    loop = f"for (long j = 0; j < {vectors * lanes}; j += {lanes}) {{\n  $work\n}}\n"
    text = fill(
        """
        $share {
          $indices
          $places
          long o = r * $n;
          $vectors
          $rest
        }
        """,
        share=share(math.prod(outer), "r"),
        indices="\n".join(indices),
        places="\n".join(places),
        n=n,
        vectors=fill(loop, work=work(lanes)) if vectors else "",
        rest=fill("{\n  $work\n}\n", work=work(rest)) if rest else "",
    )
    return Kernel.of(text, serial=math.prod(sizes) <= SMALL)


@dataclass(frozen=True)
class _Sums:
    """Rows of n channels: strides of each input from row to row and along it, blocks of rows, channels with padding."""

    body: Body
    rows: int
    n: int
    strides: tuple[tuple[int, int], ...]
    blocks: int
    padded: int
    lanes: int


def _summing(body: Body, lanes: int) -> Kernel:
    """Sums by channel: partial sums over blocks of rows, always the same blocks, then the sum of those.

    So results do not depend on the number of threads. Vectors of channels go in groups that stay in registers, rows in
    fours, so that additions do not wait for each other.
    """
    n = body.shape[-1]
    rows = math.prod(body.shape) // n
    blocks = max(1, min(rows, 256, max(8, rows // ROWS)))
    strides = tuple((0 if v[:-1] == (1,) * (len(v) - 1) else v[-1], int(v[-1] > 1)) for v in body.views)
    dims = collapse(body.shape, [*body.views, (*(1,) * (len(body.shape) - 1), n)])
    assert len(dims.sizes) <= 2
    sums = _Sums(body, rows, n, strides, blocks, _channels(n, lanes) * lanes, lanes)
    many = len(body.sums)
    text = fill(
        """
        $share {
          long r0 = ${rows}L * b / $blocks, r1 = ${rows}L * (b + 1) / $blocks;
          float *p = (float *)z + b * $size;
          $channels
        }
        """,
        share=share(blocks, "b"),
        rows=rows,
        blocks=blocks,
        size=many * sums.padded,
        channels=_partial(sums),
    )
    small = rows * n <= SMALL
    return Kernel((Phase(text, small), Phase(_totals(sums), True)), shared=4 * blocks * many * sums.padded)


def _partial(sums: _Sums) -> str:
    """Write the sums of one block, group by group of vectors of channels."""
    lanes, many = sums.lanes, len(sums.body.sums)
    whole, rest = divmod(sums.n, lanes)
    group = next((g for g in (4, 3, 2, 1) if whole % g == 0), 1) if many < 3 else 1
    deep = max(1, 4 // (group * many))
    text = ""
    if whole:
        loop = f"for (long c = 0; c < {whole * lanes}; c += {group * lanes}) {{\n  $work\n}}\n"
        text += fill(loop, work=_accumulate(sums, "c", [lanes] * group, deep))
    if rest:
        text += fill("{\n  $work\n}\n", work=_accumulate(sums, str(whole * lanes), [rest], 4))
    return text


def _totals(sums: _Sums) -> str:
    """Write the sums of all blocks."""
    first, many = len(sums.body.full), len(sums.body.sums)
    total = """
        for (long c = 0; c < $n; c++) {
          float a = 0;
          const float *p = (const float *)z + $start + c;
          for (long b = 0; b < $blocks; b++) a += p[b * $size];
          y$output[c] = a;
        }
    """
    return "".join(
        fill(total, n=sums.n, start=k * sums.padded, blocks=sums.blocks, size=many * sums.padded, output=first + k)
        for k in range(many)
    )


def _accumulate(sums: _Sums, at: str, counts: Sequence[int], deep: int) -> str:
    """Write the loop over the rows r0..r1 for the vectors of channels from `at` on."""
    lanes, many = sums.lanes, len(sums.body.sums)
    fixed, zero, end = "", "", ""
    for j, count in enumerate(counts):
        for i, (outer, inner) in enumerate(sums.strides):
            if outer == 0:
                fixed += f"vf f{j}_{i} = {_load(i, f'({at}) * {inner} + {j * lanes * inner}', inner, count, lanes)};\n"
        for k in range(many):
            parts = [f"m{k}_{j}_{d}" for d in range(deep)]
            zero += "".join(f"vf {m} = {{0}};\n" for m in parts)
            end += f"ST(p + {k * sums.padded} + {at} + {j * lanes}, {' + '.join(parts)});\n"
    one = fill("for (; r < r1; r++) {\n  $row\n}\n", row=_row(sums, at, counts, "r", 0))
    return fill(
        """
        $fixed
        $zero
        long r = r0;
        for (; r + $deep <= r1; r += $deep) {
          $rows
        }
        $one
        $end
        """,
        fixed=fixed,
        zero=zero,
        deep=deep,
        rows="".join(_row(sums, at, counts, f"r + {d}", d) for d in range(deep)),
        one=one if deep > 1 else "",
        end=end,
    )


def _row(sums: _Sums, at: str, counts: Sequence[int], r: str, d: int) -> str:
    """Write the work of row `r`, added to the sums number d."""
    body, lanes = sums.body, sums.lanes
    text = ""
    for j, count in enumerate(counts):
        loads = [
            f"f{j}_{i}" if outer == 0 else _load(i, f"({r}) * {outer} + {at} + {j * lanes}", inner, count, lanes)
            for i, (outer, inner) in enumerate(sums.strides)
        ]
        names = [f"a{j}_{d}_{i}" for i in range(len(loads))]
        lines, values = evaluate(body, names, f"v{j}_{d}_")
        here = f"({r}) * {sums.n} + {at} + {j * lanes}"
        text += fill(
            """
            $loads
            $lines
            $stores
            $sums
            """,
            loads="\n".join(f"vf {name} = {x};" for name, x in zip(names, loads, strict=True)),
            lines="\n".join(lines),
            stores="\n".join(store(f"y{k} + {here}", values[v], count, lanes) for k, v in enumerate(body.full)),
            sums="\n".join(f"m{k}_{j}_{d} += {values[v]};" for k, v in enumerate(body.sums)),
        )
    return text


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
