"""Softmax in its forms along the last axis, and the gradients of loss heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphnn.ops import loss as ops
from graphnn.types import TensorType

from .kernel import Kernel, emits, fill, literal, load, over_vectors, share, store
from .toolchain import Target

__all__: list[str] = []


def _inside(count: int, lanes: int) -> str:
    """Write the mask of the first `count` lanes."""
    return "(vi)(set1(1.0f) > set1(0.0f))" if count == lanes else f"(vlane() < {count})"


def _softmax_rows(rows: int, n: int, factor: float, lanes: int, log: bool = False) -> Kernel:
    """y = exp(x - max x) / sum of that, row by row, or its logarithm: lanes behind a row's end count for nothing."""
    scale = "" if factor == 1 else f" * {literal(factor)}"

    def largest(count: int) -> str:
        x = load("x + c", count, lanes)
        return f"m = vmax(m, sel({_inside(count, lanes)}, {x}{scale}, set1(-INFINITY)));\n"

    text = fill(
        """
        $share {
          const float *x = x0 + r * ${n}L;
          float *y = y0 + r * ${n}L;
          vf m = set1(-INFINITY), a = {0};
          $largest
          vf top = set1(vmaximum(m));
          $results
        }
        """,
        share=share(rows, "r"),
        n=n,
        largest=over_vectors("c", n, lanes, largest),
        results=(_logarithms if log else _quotients)(n, scale, lanes),
    )
    return Kernel.of(text, serial=rows * n <= 512)


def _logarithms(n: int, scale: str, lanes: int) -> str:
    """Write y = x - (top + log(sum of exp(x - top)))."""

    def exponentials(count: int) -> str:
        return f"a += (vf)({_inside(count, lanes)} & (vi)vexp({load('x + c', count, lanes)}{scale} - top));\n"

    def results(count: int) -> str:
        return store("y + c", f"{load('x + c', count, lanes)}{scale} - low", count, lanes) + "\n"

    return fill(
        """
        $exponentials
        vf low = top + vlog(set1(vsum(a)));
        $results
        """,
        exponentials=over_vectors("c", n, lanes, exponentials),
        results=over_vectors("c", n, lanes, results),
    )


def _quotients(n: int, scale: str, lanes: int) -> str:
    """Write y = exp(x - top) and divide it by its sum."""

    def exponentials(count: int) -> str:
        return fill(
            """
            vf e = (vf)($inside & (vi)vexp($x$scale - top));
            a += e;
            $store
            """,
            inside=_inside(count, lanes),
            x=load("x + c", count, lanes),
            scale=scale,
            store=store("y + c", "e", count, lanes),
        )

    def results(count: int) -> str:
        return store("y + c", f"{load('y + c', count, lanes)} * part", count, lanes) + "\n"

    return fill(
        """
        $exponentials
        vf part = set1(1.0f / vsum(a));
        $results
        """,
        exponentials=over_vectors("c", n, lanes, exponentials),
        results=over_vectors("c", n, lanes, results),
    )


@emits(ops.SoftmaxOutput)
def softmax_output(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    n, c, rest = op.rows(ins[0].shape, ins[1].shape)
    return _softmax_rows(n, c, 1.0, target.lanes) if rest == 1 else None


@emits(ops.softmax, ops.softmin, ops.log_softmax)
def softmax(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    shape = ins[0].shape
    axis = op.along(len(shape))
    if math.prod(shape[axis + 1 :]) != 1 or len(ins) > 1:
        return None
    factor = 1 / (-op.divisor if isinstance(op, ops.softmin) else op.divisor)
    rows = math.prod(shape[:axis])
    return _softmax_rows(rows, shape[axis], factor, target.lanes, isinstance(op, ops.log_softmax))


@emits(ops.SoftmaxActivation)
def softmax_activation(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    shape = ins[0].shape
    if op.mode == "channel" and len(shape) > 2:
        return None
    return _softmax_rows(math.prod(shape[:-1]), shape[-1], 1.0, target.lanes)


@emits(ops._backward_softmax, ops._backward_log_softmax)
def backward_softmax(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    """dx = y (g - sum of g y), and for the logarithm dx = g - exp(y) sum of g, row by row, over the divisor."""
    shape = ins[0].shape
    axis = op.along(len(shape))
    if math.prod(shape[axis + 1 :]) != 1:
        return None
    n, rows, lanes = shape[axis], math.prod(shape[:axis]), target.lanes
    log = isinstance(op, ops._backward_log_softmax)
    scale = "" if op.divisor == 1 else f" * {literal(1 / op.divisor)}"

    def sums(count: int) -> str:
        g, y = load("g + c", count, lanes), load("y + c", count, lanes)
        return f"a += (vf)({_inside(count, lanes)} & (vi){g});\n" if log else f"a += {g} * {y};\n"

    def results(count: int) -> str:
        g, y = load("g + c", count, lanes), load("y + c", count, lanes)
        value = f"{g} - vexp({y}) * total" if log else f"{y} * ({g} - total)"
        return store("dx + c", f"({value}){scale}", count, lanes) + "\n"

    text = fill(
        """
        $share {
          const float *g = x0 + r * ${n}L, *y = x1 + r * ${n}L;
          float *dx = y0 + r * ${n}L;
          vf a = {0};
          $sums
          vf total = set1(vsum(a));
          $results
        }
        """,
        share=share(rows, "r"),
        n=n,
        sums=over_vectors("c", n, lanes, sums),
        results=over_vectors("c", n, lanes, results),
    )
    return Kernel.of(text)


@emits(ops._backward_SoftmaxOutput)
def backward_output(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    """dx = (prob - target) scale, row by row. The label's element is read before: dx may lie in the place of prob."""
    rows, n, rest = ins[0].shape
    if rest != 1:
        return None
    spread = op.smooth / (n - 1) if op.smooth and n > 1 else 0.0
    lanes, off = target.lanes, literal(spread)

    def results(count: int) -> str:
        return store("dx + c", f"({load('prob + c', count, lanes)} - {off}) * factor", count, lanes) + "\n"

    ignored = "if (given > -2147483648.0f && given < 2147483648.0f && (long)given == $label) {\n  factor = 0;\n}\n"
    text = fill(
        """
        float scale = $scale;
        $valid
        $share {
          const float *prob = x0 + r * ${n}L;
          float *dx = y0 + r * ${n}L;
          float given = x1[r];
          long label = given > -1.0f && given < $n.0f ? (long)given : -1;
          float at = label >= 0 ? prob[label] : 0, factor = scale;
          $ignored
          $results
          if (label >= 0) dx[label] = (at - $off - $taken) * factor;
        }
        """,
        scale=literal(op.scale),
        valid=_over_valid(rows, int(op.ignore)) if op.valid else "",
        share=share(rows, "r"),
        n=n,
        ignored=fill(ignored, label=int(op.ignore)) if op.use_ignore else "",
        results=over_vectors("c", n, lanes, results),
        off=off,
        taken=literal(1 - op.smooth - spread),
    )
    return Kernel.of(text, serial=rows * n <= 4096)


def _over_valid(rows: int, ignore: int) -> str:
    """Divide the scale by the number of labels that are not ignored."""
    return fill(
        """
        long count = 0;
        for (long r = 0; r < $rows; r++) count += (long)x1[r] != $ignore;
        scale /= count > 1 ? count : 1;
        """,
        rows=rows,
        ignore=ignore,
    )
