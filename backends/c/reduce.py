"""Sums over axes that are not all but the last: over planes around a kept axis, or down columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from graphnn.ops import activation, norm, reduce
from graphnn.types import Shape, TensorType

from .body import Body
from .elementwise import SMALL, emit_single, fused_kernel
from .expressions import SUMS
from .kernel import Kernel, emits, fill, literal, load, over_columns, share, store
from .toolchain import Target

__all__: list[str] = []

BLOCK = 1024  # elements whose sums are added up before they join the total: rounding stays small


@emits(norm._channel_sum, norm._channel_square, norm._channel_dot, activation._prelu_sum)
def channel_sums(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    """Write y[c] = the sum over the axes around `axis`; channels last they go by rows."""
    shape = ins[0].shape
    a, c, b = norm.rows(shape, op.axis % len(shape))
    whole = [t.size == ins[0].size for t in ins]
    if b == 1:
        views = tuple((a, c) if w else (1, c) for w in whole)
        return fused_kernel(Body((a, c), views, ((SUMS[op.name], tuple(range(len(ins)))),), (), (len(ins),)), target)
    return _planes(a, c, b, SUMS[op.name], whole, target.lanes)


@emits(reduce.sum, reduce.mean)
def sums(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel | None:
    """Sums and means whose kept axes lie together, or whose reduced axes do (r: reduced, k: kept)."""
    shape, mean = ins[0].shape, isinstance(op, reduce.mean)
    if not mean and (found := emit_single(op, ins, outs, target)):
        return found
    kind, sizes = _joined(shape, op.axes(len(shape)))
    factor = outs[0].size / ins[0].size if mean else 1.0
    if kind in ("r", "kr", "rkr"):
        a, c, b = {"r": (1, 1), "kr": (1,), "rkr": ()}[kind] + sizes
        return _planes(a, c, b, "{0}", [True], target.lanes, factor)
    if kind in ("", "k", "rk", "krk"):
        rows, n, inner = {"": (1, 1, 1), "k": (1, 1), "rk": (1,), "krk": ()}[kind] + sizes
        return _columns(rows, n, inner, target.lanes, factor)
    return None


def _joined(shape: Shape, axes: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    """Join neighbouring axes that are all reduced or all kept; give a letter and the size of each."""
    real = [(i in axes, n) for i, n in enumerate(shape) if n != 1]
    groups = [(away, math.prod(n for _, n in g)) for away, g in groupby(real, lambda x: x[0])]
    return "".join("r" if away else "k" for away, _ in groups), tuple(n for _, n in groups)


def _planes(a: int, c: int, b: int, text: str, whole: Sequence[bool], lanes: int, factor: float = 1.0) -> Kernel:
    """Write y[c] = factor times the sum of an expression over arrays (a, c, b), the others being of shape (c,)."""

    def term(count: int) -> str:
        values = [load(f"x{i} + at + k", count, lanes) if w else f"set1(x{i}[c])" for i, w in enumerate(whole)]
        value = text.format(*(f"v{i}" for i in range(len(values))))
        names = " ".join(f"vf v{i} = {v};" for i, v in enumerate(values))
        inside = value if count == lanes else f"(vf)((vlane() < {count}) & (vi)({value}))"
        return f"{names}\ns += {inside};\n"

    body = fill(
        """
        $share {
          float total = 0;
          for (long p = 0; p < $a; p++) {
            long at = (p * $c + c) * ${b}L;
            $pieces
          }
          y0[c] = total$scale;
        }
        """,
        share=share(c, "c"),
        a=a,
        c=c,
        b=b,
        pieces=_pieces(b, lanes, term),
        scale="" if factor == 1 else f" * {literal(factor)}",
    )
    return Kernel.of(body, serial=a * b * c <= SMALL)


def _pieces(b: int, lanes: int, term: Callable[[int], str]) -> str:
    """Add the sums of `term(lanes)` over pieces of b numbers to the total."""
    whole, rest = divmod(b, lanes)
    pieces = """
        for (long k0 = 0; k0 < $whole; k0 += $block) {
          long end = k0 + $block < $whole ? k0 + $block : $whole;
          vf s = {0};
          for (long k = k0; k < end; k += $lanes) {
            $term
          }
          total += vsum(s);
        }
    """
    last = "{\n  long k = $first;\n  vf s = {0};\n  $term\n  total += vsum(s);\n}\n"
    text = fill(pieces, whole=whole * lanes, block=BLOCK, lanes=lanes, term=term(lanes)) if whole else ""
    return text + (fill(last, first=whole * lanes, term=term(rest)) if rest else "")


def _columns(rows: int, n: int, inner: int, lanes: int, factor: float = 1.0) -> Kernel:
    """Write y (rows, inner) = factor times the sum over the middle axis of x (rows, n, inner)."""

    def work(count: int) -> str:
        return fill(
            """
            const float *x = x0 + r * ${plane}L + c;
            vf total = {0};
            for (long k0 = 0; k0 < $n; k0 += $block) {
              long end = k0 + $block < $n ? k0 + $block : $n;
              vf s = {0};
              for (long k = k0; k < end; k++) s += $x;
              total += s;
            }
            $store
            """,
            plane=n * inner,
            n=n,
            block=BLOCK,
            x=load(f"x + k * {inner}L", count, lanes),
            store=store(f"y0 + r * {inner}L + c", f"total * {literal(factor)}", count, lanes),
        )

    return Kernel.of(over_columns(rows, inner, lanes, work), serial=rows * n * inner <= SMALL)
