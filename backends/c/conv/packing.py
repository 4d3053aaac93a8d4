"""Weights in panels."""

from __future__ import annotations

from collections.abc import Sequence

from graphnn.types import TensorType

from ..kernel import Kernel, emits, fill, share
from ..ops import pack
from ..toolchain import Target

__all__: list[str] = []


@emits(pack)
def emit_pack(op: pack, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """Go through the panels in order; a table of constants names the kernel's elements."""
    lanes, k, n = op.sizes(ins[0].shape)
    panels = -(-lanes // op.nr)
    taps = len(op.taps)
    o, c = (k, lanes) if op.turned else (lanes, k)
    # strides in the weight of: group, lane, k, kernel element
    step_c, step_n = (1, c) if op.last else (n, 1)
    step_o = c * n
    lane, depth = (step_c, step_o) if op.turned else (step_o, step_c)
    text = fill(
        """
        static const int taps[$count] = {$taps};
        $share {
          long tap = u % $count, panel = u / $count % $panels, group = u / $per_group;
          const float *w = x0 + group * ${group}L + panel * ${panel}L + taps[tap] * ${step_n}L;
          long filled = $lanes - panel * $nr;
          if (filled > $nr) filled = $nr;
          float *y = y0 + u * ${size}L;
          for (long k = 0; k < $depth; k++, y += $nr) {
            for (long i = 0; i < filled; i++) y[i] = w[k * $step_depth + i * $step_lane];
            for (long i = filled; i < $nr; i++) y[i] = 0;
          }
        }
        """,
        count=taps,
        taps=", ".join(map(str, op.taps)),
        share=share(op.groups * panels * taps, "u"),
        panels=panels,
        per_group=taps * panels,
        group=o * step_o,
        panel=op.nr * lane,
        step_n=step_n,
        lanes=lanes,
        nr=op.nr,
        size=k * op.nr,
        depth=k,
        step_depth=depth,
        step_lane=lane,
    )
    return Kernel.of(text)
