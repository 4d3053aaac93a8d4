"""BatchNorm's statistics in one pass: the sum by channel and the sum of squares about the mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphnn.graph import Node, Value, apply, rewrite, toposort
from graphnn.op import OPS, Op
from graphnn.types import Shape, TensorType

from .kernel import Kernel, Phase, emits, fill, literal, load, over_vectors, share
from .toolchain import Target

__all__ = ["join_moments", "moments"]

ROWS = 512  # rows of a block, at least


class moments(Op):
    """For x (..., c): sum[c] = sum of x, square[c] = sum of (x - sum / n)^2, over all axes but the last."""

    public = False
    name = "_moments"
    outputs = ("sum", "square")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [ins[0][-1:]] * 2


def join_moments(outputs: Sequence[Value]) -> list[Value]:
    """Put `moments` in the place of a sum and the sum of squares about that sum's mean, which read x twice."""
    sums = {node: total for node in toposort(outputs) if (total := _sum_of(node)) is not None}
    wanted = set(sums.values())
    made: dict[Node, Node] = {}

    def rule(node: Node, xs: tuple[Value, ...]) -> Value | None:
        if node in wanted:
            made[node] = apply(moments(), xs[0], name=f"{node.name}:moments", origin=node.origin)
            return Value(made[node], 0)
        return Value(made[sums[node]], 1) if node in sums else None

    return rewrite(outputs, rule)


def _sum_of(node: Node) -> Node | None:
    """Give the sum whose mean a sum of squares is about, if both are over the rows of one float32 array."""
    op: Any = node.op
    if op.name != "_channel_square" or OPS.get("_channel_square") is not node.op.__class__:
        return None
    x, mean = node.inputs
    if mean.node.op.name != "_mul_scalar" or op.axis % len(x.shape) != len(x.shape) - 1 or x.dtype != "float32":
        return None
    total = mean.node.inputs[0].node
    scale: float = mean.node.op.scalar  # type: ignore[attr-defined]
    is_mean = math.isclose(scale * (x.type.size // x.shape[-1]), 1.0, rel_tol=1e-9)
    return total if is_mean and total.op.name == "_channel_sum" and total.inputs == (x,) else None


@emits(moments)
def emit_moments(op: moments, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """Blocks of rows, always the same: sums about the block's first row, where little cancels; then their union
    (Chan, Golub and LeVeque, 1983: squares about two means differ by m (a - b)^2).
    """
    lanes, n = target.lanes, outs[0].size
    rows = ins[0].size // n
    blocks = max(1, min(rows, 256, max(8, rows // ROWS)))
    padded = -(-n // lanes) * lanes
    text = fill(
        """
        /* Block b: rows r0 to r1; the sum of each channel and of its squares about the mean of the block. */
        $share {
          long r0 = ${rows}L * b / $blocks, r1 = ${rows}L * (b + 1) / $blocks;
          float *p = (float *)z + b * ${pair}L;
          $channels
        }
        """,
        share=share(blocks, "b"),
        rows=rows,
        blocks=blocks,
        pair=2 * padded,
        channels=over_vectors("c", n, lanes, lambda count: _block(n, padded, count, lanes)),
    )
    phases = Phase(text, rows * n <= 4096), Phase(_union(rows, n, blocks, padded), True)
    return Kernel(phases, shared=8 * blocks * padded)


def _block(n: int, padded: int, count: int, lanes: int) -> str:
    """Write s, the sum of x - first, and q, that of its square, over the rows of a block, four sums side by side."""

    def row(at: str) -> str:
        return load(f"x + {at} * {n}", count, lanes)

    four = ""
    for d in range(4):
        four += f"{{ vf v = {row(f'(r + {d})')} - first; s{d} += v; q{d} += v * v; }}\n"
    return fill(
        """
        const float *x = x0 + c;
        float m = (float)(r1 - r0);
        vf first = $first;
        $zeros
        long r = r0;
        for (; r + 4 <= r1; r += 4) {
          $four
        }
        for (; r < r1; r++) {
          vf v = $row - first;
          s0 += v;
          q0 += v * v;
        }
        vf s = s0 + s1 + (s2 + s3), q = q0 + q1 + (q2 + q3);
        ST(p + c, s + m * first);
        ST(p + $padded + c, q - s * s / m);
        """,
        first=row("r0"),
        zeros=" ".join(f"vf s{d} = {{0}}, q{d} = {{0}};" for d in range(4)),
        four=four,
        row=row("r"),
        padded=padded,
    )


def _union(rows: int, n: int, blocks: int, padded: int) -> str:
    """Write the sums over all blocks: of the sums, and of the squares as they are about the mean of all."""
    return fill(
        """
        for (long c = 0; c < $n; c++) {
          const float *p = (const float *)z + c;
          float a = 0, q = 0;
          for (long b = 0; b < $blocks; b++) a += p[b * ${pair}L];
          float mean = a * $part;
          for (long b = 0; b < $blocks; b++) {
            const float *w = p + b * ${pair}L;
            float m = (float)(${rows}L * (b + 1) / $blocks - ${rows}L * b / $blocks), d = w[0] / m - mean;
            q += w[$padded] + m * d * d;
          }
          y0[c] = a;
          y1[c] = q;
        }
        """,
        n=n,
        blocks=blocks,
        pair=2 * padded,
        part=literal(1 / rows),
        rows=rows,
        padded=padded,
    )
