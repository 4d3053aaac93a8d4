"""Pooling with channels last: vectors of channels over the window of each output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphnn.ops.pool import Pooling, _max_pool_grad, _pool_grad
from graphnn.types import Shape, TensorType

from .kernel import Kernel, emits, fill, load, over_vectors, share, store
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
        text += fill(
            """
            long ${low}0 = $var * $stride - $pad, ${low}1 = ${low}0 + $kernel;
            if (${low}0 < 0) ${low}0 = 0;
            if (${low}1 > $n) ${low}1 = $n;
            """,
            low=low,
            var=var,
            stride=s,
            pad=p,
            kernel=k,
            n=n,
        )
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


@emits(Pooling)
def pooling(op: Pooling, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    if ins[0].ndim > 4:
        return None
    if not op.last:
        return None
    geometry, sizes = _geometry(op, ins[0].shape)
    n, c, (h, w), lanes = ins[0].shape[0], ins[0].shape[-1], sizes, target.lanes
    (*_, oh), (*_, ow) = geometry
    largest, average = op.pool_type == "max", op.pool_type == "avg"

    def work(count: int) -> str:
        return fill(
            """
            vf m = $first;
            for (long a = a0; a < a1; a++)
              for (long b = b0; b < b1; b++) {
                vf v = $input;
                $join
              }
            $empty
            $store
            """,
            first="set1(-INFINITY)" if largest else "(vf){0}",
            input=load(f"x + (a * {w} + b) * {c}L + c", count, lanes),
            join="m = vmax(m, v);" if largest else "m += v;",
            empty="if (a1 <= a0 || b1 <= b0) m = (vf){0};" if largest else "",
            store=store("y + c", "m * part" if average else "m", count, lanes),
        )

    return Kernel.of(
        fill(
            """
            $share {
              long n = u / $oh, i = u % $oh;
              const float *x = x0 + n * ${image}L;
              for (long j = 0; j < $ow; j++) {
                float *y = y0 + (u * $ow + j) * ${c}L;
                $window
                $part
                $channels
              }
            }
            """,
            share=share(n * oh, "u"),
            oh=oh,
            image=h * w * c,
            ow=ow,
            c=c,
            window=_window(geometry, sizes),
            part=f"float part = 1.0f / {_divisor(op, geometry, sizes)};" if average else "",
            channels=over_vectors("c", c, lanes, work),
        )
    )


def _backward(op: Pooling, shape: Shape, lanes: int, averaged: bool, work: Callable[[int, int, int], str]) -> Kernel:
    """Write the loops over images, each by one thread, since windows may overlap: zeros, then every output's share."""
    geometry, sizes = _geometry(op, shape)
    n, c, (h, w) = shape[0], shape[-1], sizes
    (*_, oh), (*_, ow) = geometry
    return Kernel.of(
        fill(
            """
            $share {
              float *dx = y0 + n * ${image}L;
              memset(dx, 0, ${bytes}L);
              for (long i = 0; i < $oh; i++)
                for (long j = 0; j < $ow; j++) {
                  long o = ((n * $oh + i) * $ow + j) * ${c}L;
                  $window
                  $part
                  $channels
                }
            }
            """,
            share=share(n, "n"),
            image=h * w * c,
            bytes=4 * h * w * c,
            oh=oh,
            ow=ow,
            c=c,
            window=_window(geometry, sizes),
            part=f"float part = 1.0f / {_divisor(op, geometry, sizes)};" if averaged else "",
            channels=over_vectors("c", c, lanes, lambda count: work(count, h * w, w)),
        )
    )


@emits(_max_pool_grad)
def max_pool_grad(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    """The gradient goes to the first of the largest."""
    if ins[0].ndim > 4:
        return None
    if not op.pool.last:
        return None
    lanes, shape = target.lanes, outs[0].shape
    c = shape[-1]

    def work(count: int, size: int, w: int) -> str:
        d = f"dx + (a * {w} + b) * {c}L + c"
        return fill(
            """
            vf g = $gradient, y = $output;
            vi done = {0};
            for (long a = a0; a < a1; a++)
              for (long b = b0; b < b1; b++) {
                vi here = ($input == y) & ~done;
                done |= here;
                $add
              }
            """,
            gradient=load("x0 + o + c", count, lanes),
            output=load("x2 + o + c", count, lanes),
            input=load(f"x1 + n * {size * c}L + (a * {w} + b) * {c}L + c", count, lanes),
            add=store(d, f"{load(d, count, lanes)} + (vf)(here & (vi)g)", count, lanes),
        )

    return _backward(op.pool, shape, lanes, False, work)


@emits(_pool_grad)
def pool_grad(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    """Every element of the window gets the same."""
    if ins[0].ndim > 4:
        return None
    if not op.pool.last:
        return None
    lanes, shape = target.lanes, outs[0].shape
    c = shape[-1]

    def work(count: int, size: int, w: int) -> str:
        d = f"dx + (a * {w} + b) * {c}L + c"
        return fill(
            """
            vf g = $gradient * part;
            for (long a = a0; a < a1; a++)
              for (long b = b0; b < b1; b++) {
                $add
              }
            """,
            gradient=load("x0 + o + c", count, lanes),
            add=store(d, f"{load(d, count, lanes)} + g", count, lanes),
        )

    return _backward(op.pool, shape, lanes, True, work)
