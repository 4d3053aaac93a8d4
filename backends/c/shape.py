"""Copies in another order: transposes, slices, joins; and fills."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from graphnn.ops import create, join, pad, resize
from graphnn.ops.shape import SwapAxis, axis_of, transpose
from graphnn.types import Shape, TensorType

from .body import Body
from .elementwise import fused_kernel
from .kernel import Kernel, Phase, emits, fill, literal, share
from .toolchain import Target

__all__: list[str] = []


@emits(transpose, SwapAxis)
def emit_transpose(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """Axes that stay together are one; then rows are copied, or planes of the first and last axis transposed."""
    sizes, order = _joined(ins[0].shape, op.order(ins[0].ndim))
    strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    out = [sizes[a] for a in order]
    steps = [math.prod(out[i + 1 :]) for i in range(len(out))]
    if len(sizes) == 1:
        return _copy_rows(1, sizes[0], [], [], [])
    if order[-1] == len(sizes) - 1:
        lead = out[:-1]
        return _copy_rows(math.prod(lead), out[-1], lead, [strides[a] for a in order[:-1]], steps[:-1])
    return Kernel.of(_planes(sizes, order, strides, steps, 4 * target.lanes), serial=ins[0].size <= 1024)


def _planes(
    sizes: Sequence[int], order: Sequence[int], strides: Sequence[int], steps: Sequence[int], width: int
) -> str:
    """Write the transposes of planes, `width` columns a unit.

    The input's last axis is the output's axis `at`; the output's last axis is the input's axis `order[-1]`.
    """
    out = [sizes[a] for a in order]
    at = order.index(len(sizes) - 1)
    others = [i for i in range(len(out) - 1) if i != at]
    rows, columns = out[-1], out[at]
    blocks = -(-columns // width)
    lead = [(out[i], strides[order[i]], steps[i]) for i in others]
    return fill(
        """
        $share {
          long q = u / $blocks, j0 = u % $blocks * $width, x = j0, y = j0 * ${step}L;
          (void)q;
          $places
          long n = $columns - j0;
          if (n > $width) n = $width;
          transpose(x0 + x, $rows, n, $stride, y0 + y, $step);
        }
        """,
        share=share(math.prod(out[i] for i in others) * blocks, "u"),
        blocks=blocks,
        width=width,
        step=steps[at],
        places=_places(lead),
        columns=columns,
        rows=rows,
        stride=strides[order[-1]],
    )


def _places(axes: Sequence[tuple[int, int, int]]) -> str:
    """Add to x and y where row q of axes (size, stride of the input, stride of the output) begins."""
    axis = """
        {
          long k = q % $size;
          q /= $size;
          x += k * ${stride}L;
          y += k * ${step}L;
        }
    """
    return "".join(fill(axis, size=n, stride=i, step=o) for n, i, o in reversed(axes))


def _joined(shape: Shape, order: Sequence[int]) -> tuple[list[int], list[int]]:
    """Drop axes of size 1 and join those that stay side by side; give the input's sizes and the order of its axes."""
    kept = [a for a in order if shape[a] != 1] or [order[0]]
    groups: list[list[int]] = []
    real = [a for a in range(len(shape)) if shape[a] != 1] or [order[0]]
    after = dict(pairwise(real))
    for a in kept:
        if groups and after.get(groups[-1][-1]) == a:
            groups[-1].append(a)
        else:
            groups.append([a])
    ranked = sorted(range(len(groups)), key=lambda g: groups[g][0])
    sizes = [math.prod(shape[a] for a in groups[g]) for g in ranked]
    return sizes, [ranked.index(g) for g in range(len(groups))]


def _copy_rows(
    units: int, n: int, lead: Sequence[int], ins: Sequence[int], outs: Sequence[int], x: int = 0, y: int = 0
) -> Kernel:
    """Copy rows of n elements; the axes before them have these sizes, and strides in both arrays."""
    return Kernel.of(_rows_text(units, n, lead, ins, outs, x, y, "x0", "y0"), serial=units * n <= 1024)


def _rows_text(
    units: int, n: int, lead: Sequence[int], ins: Sequence[int], outs: Sequence[int], x: int, y: int, a: str, b: str
) -> str:
    """Write that copy from the array a, from element x on, to the array b, from element y on."""
    return fill(
        """
        $share {
          long q = u, x = $x, y = $y;
          (void)q;
          $places
          memcpy($b + y, $a + x, ${bytes}L);
        }
        """,
        share=share(units, "u"),
        x=x,
        y=y,
        places=_places(list(zip(lead, ins, outs, strict=True))),
        b=b,
        a=a,
        bytes=4 * n,
    )


@emits(join.Concat)
def emit_concat(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    shape = outs[0].shape
    axis = axis_of(op.dim, len(shape))
    rows, rest = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    text, at = "", 0
    for k, t in enumerate(ins):
        n = t.shape[axis] * rest
        text += _rows_text(rows, n, [rows], [n], [shape[axis] * rest], 0, at, f"x{k}", "y0")
        at += n
    return Kernel.of(text, serial=outs[0].size <= 1024)


@emits(join.SliceChannel)
def emit_split(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    shape = ins[0].shape
    axis = axis_of(op.axis, len(shape))
    rows, rest = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    n = shape[axis] // len(outs) * rest
    text = ""
    for k in range(len(outs)):
        text += _rows_text(rows, n, [rows], [shape[axis] * rest], [n], k * n, 0, "x0", f"y{k}")
    return Kernel.of(text, serial=ins[0].size <= 1024)


def _cut(op: Any, shape: Shape) -> tuple[list[int], list[int]] | None:
    """Give where a slice begins and how much it takes of each axis; None where it skips elements."""
    if isinstance(op, join.slice_axis):
        axis = axis_of(op.axis, len(shape))
        cuts = [slice(None)] * axis + [slice(op.begin, op.end)]
    else:
        cuts = list(join.cuts(op.begin, op.end, op.step))
    found = [c.indices(n) for c, n in zip([*cuts, *[slice(None)] * (len(shape) - len(cuts))], shape, strict=True)]
    if any(step != 1 for *_, step in found):
        return None
    return [a for a, _, _ in found], [b - a for a, b, _ in found]


@emits(join.slice, join.slice_axis)
def emit_slice(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    found = _cut(op, ins[0].shape)
    if found is None:
        return None
    begin, sizes = found
    outer, n, strides, steps, first = _cut_rows(ins[0].shape, begin, sizes)
    return _copy_rows(math.prod(outer), n, outer, strides, steps, x=first)


@emits(join._backward_slice)
def emit_backward_slice(
    op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target
) -> Kernel | None:
    found = _cut(op, op.shape)
    if found is None:
        return None
    outer, n, strides, steps, first = _cut_rows(op.shape, *found)
    copy = _copy_rows(math.prod(outer), n, outer, steps, strides, y=first)
    total = math.prod(op.shape)
    zero = fill(
        """
        long a = ${total}L * t / T, b = ${total}L * (t + 1) / T;
        memset(y0 + a, 0, 4 * (b - a));
        """,
        total=total,
    )
    return Kernel((Phase(zero), copy.phases[0]))


def _cut_rows(
    shape: Shape, begin: Sequence[int], sizes: Sequence[int]
) -> tuple[list[int], int, list[int], list[int], int]:
    """Give (outer sizes, elements a row, strides of the whole, strides of the piece, first element of the whole)."""
    inner = len(shape)
    while inner and sizes[inner - 1] == shape[inner - 1]:
        inner -= 1
    inner = max(inner - 1, 0)
    n = math.prod(sizes[inner:])
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    steps = [math.prod(sizes[i + 1 :]) for i in range(len(shape))]
    first = sum(b * s for b, s in zip(begin, strides, strict=True))
    return list(sizes[:inner]), n, strides[:inner], steps[:inner], first


@emits(resize._enlarged)
def emit_enlarged(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """Each pixel of a row b times, for each of a rows."""
    rows, w, c = op.rows(ins[0].shape)
    text = """
        $share {
          const float *x = x0 + r / $a * ${row}L;
          float *y = y0 + r * ${larger}L;
          for (long j = 0; j < $w; j++, x += $c) {
            for (long i = 0; i < $b; i++, y += $c) memcpy(y, x, $bytes);
          }
        }
    """
    body = fill(
        text, share=share(rows * op.a, "r"), a=op.a, row=w * c, larger=w * op.b * c, w=w, c=c, b=op.b, bytes=4 * c
    )
    return Kernel.of(body, serial=outs[0].size <= 1024)


@emits(pad.tile)
def emit_tile(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """Each axis of the output as two, of which the first repeats."""
    pairs = op.pairs(ins[0].shape)
    shape = tuple(n for pair in pairs for n in pair)
    view = tuple(n for _, size in pairs for n in (1, size))
    return fused_kernel(Body(shape, (view,), (("{0}", (0,)),), (1,)), target)


@emits(create._zeros, create._ones, create._full)
def emit_fill(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    value = {"_zeros": 0.0, "_ones": 1.0}.get(op.name, getattr(op, "value", 0.0))
    n = outs[0].size
    return Kernel.of(f"{share(n)} y0[i] = {literal(float(value))};\n", serial=n <= 4096)
