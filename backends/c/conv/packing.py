"""Weights in panels."""

from __future__ import annotations

from collections.abc import Sequence

from graphnn.types import TensorType

from ..kernel import Kernel, emits, share
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
    text = f"static const int taps[{taps}] = {{{', '.join(str(i) for i in op.taps)}}};\n"
    text += f"{share(op.groups * panels * taps, 'u')} {{ "
    text += f"long q = u % {taps}, p = u / {taps} % {panels}, g = u / {taps * panels};\n"
    text += f"const float *w = x0 + g * {o * step_o}L + p * {op.nr * lane}L + taps[q] * {step_n}L;\n"
    text += f"long m = {lanes} - p * {op.nr}; if (m > {op.nr}) m = {op.nr};\n"
    text += f"float *y = y0 + u * {k * op.nr}L;\nfor (long k = 0; k < {k}; k++, y += {op.nr}) {{\n"
    text += f"for (long i = 0; i < m; i++) y[i] = w[k * {depth} + i * {lane}];\n"
    text += f"for (long i = m; i < {op.nr}; i++) y[i] = 0; }} }}\n"
    return Kernel.of(text)
