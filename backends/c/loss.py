"""Softmax in its forms, and the gradients of loss heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphnn.ops import loss as ops
from graphnn.types import Shape, TensorType

from .kernel import Kernel, emits, fill, literal, load, over_columns, over_vectors, share, store
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


def _softmax_columns(rows: int, n: int, inner: int, factor: float, lanes: int, log: bool = False) -> Kernel:
    """The same along the middle axis of x (rows, n, inner), for vectors of columns."""
    scale = "" if factor == 1 else f" * {literal(factor)}"

    def work(count: int) -> str:
        x = load(f"x + k * {inner}L", count, lanes) + scale
        e = store(f"y + k * {inner}L", "e", count, lanes)
        y = f"{x} - m" if log else f"{load(f'y + k * {inner}L', count, lanes)} * a"
        return fill(
            """
            const float *x = x0 + r * ${plane}L + c;
            float *y = y0 + r * ${plane}L + c;
            vf m = set1(-INFINITY), a = {0};
            for (long k = 0; k < $n; k++) m = vmax(m, $x);
            for (long k = 0; k < $n; k++) {
              vf e = vexp($x - m);
              a += e;
              $keep
            }
            $end
            for (long k = 0; k < $n; k++) $store
            """,
            plane=n * inner,
            n=n,
            x=x,
            keep="" if log else e,
            end="m += vlog(a);" if log else "a = 1.0f / a;",
            store=store(f"y + k * {inner}L", y, count, lanes),
        )

    return Kernel.of(over_columns(rows, inner, lanes, work), serial=rows * n * inner <= 512)


def _softmax(shape: Shape, axis: int, factor: float, lanes: int, log: bool = False) -> Kernel:
    rows, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    if inner == 1:
        return _softmax_rows(rows, shape[axis], factor, lanes, log)
    return _softmax_columns(rows, shape[axis], inner, factor, lanes, log)


@emits(ops.SoftmaxOutput)
def softmax_output(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    return _softmax(op.rows(ins[0].shape, ins[1].shape), 1, 1.0, target.lanes)


@emits(ops.softmax, ops.softmin, ops.log_softmax)
def softmax(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    if len(ins) > 1:
        return None
    factor = 1 / (-op.divisor if isinstance(op, ops.softmin) else op.divisor)
    shape, log = ins[0].shape, isinstance(op, ops.log_softmax)
    return _softmax(shape, op.along(len(shape)), factor, target.lanes, log)


@emits(ops.SoftmaxActivation)
def softmax_activation(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    shape = ins[0].shape
    return _softmax(shape, 1 if op.mode == "channel" else len(shape) - 1, 1.0, target.lanes)


@emits(ops._backward_softmax, ops._backward_log_softmax)
def backward_softmax(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """dx = y (g - sum of g y), and for the logarithm dx = g - exp(y) sum of g, along the axis, over the divisor."""
    shape = ins[0].shape
    axis = op.along(len(shape))
    rows, n, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    log = isinstance(op, ops._backward_log_softmax)
    scale = "" if op.divisor == 1 else f" * {literal(1 / op.divisor)}"
    if inner == 1:
        return _backward_rows(rows, n, scale, target.lanes, log)
    return _backward_columns(rows, n, inner, scale, target.lanes, log)


def _backward_columns(rows: int, n: int, inner: int, scale: str, lanes: int, log: bool) -> Kernel:
    def work(count: int) -> str:
        g, y = load(f"g + k * {inner}L", count, lanes), load(f"y + k * {inner}L", count, lanes)
        value = f"{g} - vexp({y}) * total" if log else f"{y} * ({g} - total)"
        return fill(
            """
            long first = r * ${plane}L + c;
            const float *g = x0 + first, *y = x1 + first;
            float *dx = y0 + first;
            vf total = {0};
            for (long k = 0; k < $n; k++) total += $term;
            for (long k = 0; k < $n; k++) $store
            """,
            plane=n * inner,
            n=n,
            term=g if log else f"{g} * {y}",
            store=store(f"dx + k * {inner}L", f"({value}){scale}", count, lanes),
        )

    return Kernel.of(over_columns(rows, inner, lanes, work), serial=rows * n * inner <= 512)


def _backward_rows(rows: int, n: int, scale: str, lanes: int, log: bool) -> Kernel:

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
def backward_output(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """dx = (prob - target) scale; dx may lie in the place of prob."""
    rows, n, rest = ins[0].shape
    spread = op.smooth / (n - 1) if op.smooth and n > 1 else 0.0
    write = _output_rows if rest == 1 else _output_columns
    text = fill(
        """
        float scale = $scale;
        $valid
        $rows
        """,
        scale=literal(op.scale),
        valid=_over_valid(rows * rest, int(op.ignore)) if op.valid else "",
        rows=write(op, ins[0].shape, spread, target.lanes),
    )
    return Kernel.of(text, serial=rows * n * rest <= 4096)


def _output_columns(op: Any, shape: Shape, spread: float, lanes: int) -> str:
    """Write it for prob (rows, n, rest) and labels (rows, rest)."""
    rows, n, rest = shape
    ignored = f"factor = sel(label == set1({literal(int(op.ignore))}), set1(0.0f), factor);" if op.use_ignore else ""

    def work(count: int) -> str:
        prob = load(f"prob + k * {rest}L", count, lanes)
        less = f"{literal(spread)} - vbool(label == set1((float)k)) * {literal(1 - op.smooth - spread)}"
        return fill(
            """
            const float *prob = x0 + r * ${plane}L + c;
            float *dx = y0 + r * ${plane}L + c;
            vf label = vtrunc($label), factor = set1(scale);
            $ignored
            for (long k = 0; k < $n; k++) $store
            """,
            plane=n * rest,
            label=load(f"x1 + r * {rest}L + c", count, lanes),
            ignored=ignored,
            n=n,
            store=store(f"dx + k * {rest}L", f"({prob} - {less}) * factor", count, lanes),
        )

    return over_columns(rows, rest, lanes, work)


def _output_rows(op: Any, shape: Shape, spread: float, lanes: int) -> str:
    """Write it row by row. The label's element is read before."""
    rows, n, _ = shape
    off = literal(spread)

    def results(count: int) -> str:
        return store("dx + c", f"({load('prob + c', count, lanes)} - {off}) * factor", count, lanes) + "\n"

    ignored = "if (given > -2147483648.0f && given < 2147483648.0f && (long)given == $label) {\n  factor = 0;\n}\n"
    return fill(
        """
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
        share=share(rows, "r"),
        n=n,
        ignored=fill(ignored, label=int(op.ignore)) if op.use_ignore else "",
        results=over_vectors("c", n, lanes, results),
        off=off,
        taken=literal(1 - op.smooth - spread),
    )


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
