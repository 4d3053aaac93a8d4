"""Gradients of convolution weights: a register tile of weights over the pixels of a block of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, product

from graphnn.types import TensorType

from ..kernel import Kernel, Phase, emits, share, split
from ..ops import conv_weights
from ..toolchain import Target
from .geometry import Axis, Part
from .tile import most_pixels, products, zeros
from .winograd_weights import winograd_weights

__all__ = ["spans", "weights_kernel"]

BLOCK = 384 << 10  # bytes of images and gradients that are gone through at once, to stay in the second-level cache
FEW = 8  # input channels: with fewer a tile covers several taps


@dataclass(frozen=True)
class Span:
    """Outputs [start, start + count) of an axis, at which the taps `valid` meet the input."""

    start: int
    count: int
    valid: tuple[bool, ...]


def spans(axis: Axis) -> list[Span]:
    """Cut an axis where the taps that meet the input change."""
    found = []
    for valid, group in groupby(range(axis.count), axis.valid):
        places = list(group)
        found.append(Span(places[0], len(places), valid))
    return found


@dataclass(frozen=True)
class Unit:
    """Rows of accumulators: weights of taps and channels `(tap, channel)`, the channels from `z size` on for each z."""

    rows: tuple[tuple[int, int], ...]
    count: int  # how many z there are
    start: int = 0  # of the channels, for z = 0

    @property
    def size(self) -> int:
        return len(self.rows)


def units(part: Part, channels: int, most: int) -> list[Unit]:
    """Divide the weights of one panel into tiles."""
    taps = part.taps
    if channels < FEW:
        rows = [(t, c) for t in range(taps) for c in range(channels)]
        found, at = [], 0
        for n in split(len(rows), most):
            found.append(Unit(tuple(rows[at : at + n]), 1))
            at += n
        return found
    sizes = split(channels, most)
    groups = [(n, len(list(g))) for n, g in groupby(sizes)]
    found = []
    for t in range(taps):
        at = 0
        for n, count in groups:
            found.append(Unit(tuple((t, c) for c in range(n)), count, at))
            at += n * count
    return found


def weights_kernel(op: conv_weights, x: TensorType, g: TensorType, target: Target) -> Kernel:
    """Write the loops: blocks of images outside, tiles inside, shared among the threads; then the order of weights.

    Every weight is summed by one thread in the order of the images, so results do not depend on their number.
    """
    lanes = target.lanes
    n, part = _collapsed(op, x.shape[0])
    vectors = -(-op.filters // lanes)
    nv = min(vectors, 2 if vectors % 3 else 3 if target.registers > 16 and vectors == 3 else 2)
    nr = nv * lanes
    panels = -(-op.filters // nr)
    found = units(part, op.channels, most_pixels(nv, target.registers) if nv > 1 else 16)
    image = part.rows.size * part.columns.size * op.channels * op.groups
    grad = part.rows.count * part.columns.count * op.filters * op.groups
    block = max(1, min(n, BLOCK // (4 * (image + grad))))
    total = sum(u.count for u in found) * panels * op.groups
    text = f"for (long n0 = 0; n0 < {n}; n0 += {block}) {{ long n1 = n0 + {block} < {n} ? n0 + {block} : {n};\n"
    text += f"for (long u = {total}L * t / T; u < {total}L * (t + 1) / T; u++) {{ "
    text += f"long q = u / {panels * op.groups}, p = u % {panels * op.groups};\n"
    size = part.taps * op.channels * nr
    text += f"float *w = (float *)z + p * {size}L;\n"
    group = f"p / {panels}" if op.groups > 1 else "0"
    text += (
        f"const float *xg = x0 + {group} * {op.channels}, *gg = x1 + {group} * {op.filters} + p % {panels} * {nr};\n"
    )
    at = 0
    for k, unit in enumerate(found):
        text += f"{'else ' if k else ''}if (q < {at + unit.count}) {{ "
        text += f"long z0 = {unit.start} + (q - {at}) * {unit.size if unit.count > 1 else 0};\n"
        text += _variants(op, part, unit, nv, lanes, panels, image, grad) + "}\n"
        at += unit.count
    text += "}\n}\n"
    return Kernel((Phase(text), Phase(_ordered(op, part, nr, panels))), shared=4 * op.groups * panels * size)


def _collapsed(op: conv_weights, n: int) -> tuple[int, Part]:
    part = op.part
    if part.rows.plain and part.columns.plain:
        m = part.rows.count * part.columns.count
        one = Axis(1, 1, 1, (0,), (0,), 1)
        return n, Part(one, Axis(m, m, 1, (0,), (0,), m), 0)
    return n, part


def _variants(op: conv_weights, part: Part, unit: Unit, nv: int, lanes: int, panels: int, image: int, grad: int) -> str:
    rest = op.filters - (panels - 1) * nv * lanes
    whole = [lanes] * nv
    last = [max(0, min(lanes, rest - j * lanes)) for j in range(nv)]
    text = [_unit(op, part, unit, counts, lanes, image, grad) for counts in (whole, last)]
    if last == whole:
        return text[0]
    if panels == 1:
        return text[1]
    return f"if (p % {panels} < {panels - 1}) {{\n{text[0]}}} else {{\n{text[1]}}}\n"


def _unit(op: conv_weights, part: Part, unit: Unit, counts: Sequence[int], lanes: int, image: int, grad: int) -> str:
    """Write one tile: over the images of the block, over the spans of rows and columns where some tap is valid."""
    rows, columns = part.rows, part.columns
    pitch_x, pitch_g = op.channels * op.groups, op.filters * op.groups
    wide = len(columns.offsets)
    bases = [
        (rows.offsets[tap // wide] * columns.size + columns.offsets[tap % wide]) * pitch_x + c for tap, c in unit.rows
    ]
    used = [j for j, c in enumerate(counts) if c]
    loads = [f"LD(b + {j * lanes})" if counts[j] == lanes else f"lds(b + {j * lanes}, {counts[j]})" for j in used]
    text = zeros(unit.size, len(used))
    text += f"for (long n = n0; n < n1; n++) {{ const float *xn = xg + n * {image}L + z0, *gn = gg + n * {grad}L;\n"
    for r, c in product(spans(rows), spans(columns)):
        valid = [i for i, (tap, _) in enumerate(unit.rows) if r.valid[tap // wide] and c.valid[tap % wide]]
        if not valid:
            continue
        loop = products(valid, bases, loads, c.count, columns.step * pitch_x, pitch_g)
        text += f"for (long i = {r.start}; i < {r.start + r.count}; i++) {{\n"
        text += f"const float *a = xn + (i * {rows.step * columns.size} + {c.start * columns.step}) * {pitch_x};\n"
        text += f"const float *b = gn + (i * {columns.count} + {c.start}) * {pitch_g};\n{loop}}}\n"
    text += "}\n"
    nr = len(counts) * lanes
    for i, (tap, channel) in enumerate(unit.rows):
        for k, j in enumerate(used):
            at = f"w + ({tap * op.channels + channel} + z0) * {nr} + {j * lanes}"
            text += f"if (n0) c{i}_{k} += LD({at}); ST({at}, c{i}_{k}); "
        text += "\n"
    return text


def _ordered(op: conv_weights, part: Part, nr: int, panels: int) -> str:
    """Write the weights from the panels in their own order."""
    taps, c = part.taps, op.channels
    total = op.groups * op.filters
    at = f"k * {c} + i" if op.last else f"i * {taps} + k"
    source = f"(k * {c} + i) * {nr}L"
    text = f"{share(total, 'o')} {{ long g = o / {op.filters}, f = o % {op.filters};\n"
    text += f"const float *w = (const float *)z + (g * {panels} + f / {nr}) * {taps * c * nr}L + f % {nr};\n"
    text += f"float *y = y0 + o * {taps * c}L;\n"
    loops = (f"for (long k = 0; k < {taps}; k++)", f"for (long i = 0; i < {c}; i++)")
    text += f"{loops[0] if op.last else loops[1]} {loops[1] if op.last else loops[0]} y[{at}] = w[{source}]; }}\n"
    return text


@emits(conv_weights)
def emit_weights(op: conv_weights, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    assert math.prod(outs[0].shape) == op.groups * op.filters * op.channels * op.part.taps
    if op.grid:
        nr = (2 if op.filters // target.lanes % 2 == 0 else 1) * target.lanes
        return winograd_weights(op, ins[0], ins[1], target, _ordered(op, op.part, nr, op.filters // nr))
    return weights_kernel(op, ins[0], ins[1], target)
