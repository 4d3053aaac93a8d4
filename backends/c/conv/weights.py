"""Gradients of convolution weights: a register tile of weights over the pixels of a block of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from graphnn.types import TensorType

from ..finish import panel_variants
from ..kernel import Kernel, Phase, choice, emits, fill, load, share, split
from ..ops import conv_weights
from ..toolchain import Target
from .geometry import Axis, Part
from .tile import most_pixels, products, zeros
from .winograd_weights import winograd_weights

__all__ = ["Span", "spans", "weights_kernel"]

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


@dataclass(frozen=True)
class _Panels:
    """Vectors of output channels a panel and lanes of each; panels a group; elements of an image and its gradient."""

    nv: int
    lanes: int
    count: int
    image: int
    grad: int

    @property
    def nr(self) -> int:
        return self.nv * self.lanes


def weights_kernel(op: conv_weights, x: TensorType, g: TensorType, target: Target) -> Kernel:
    """Write the loops: blocks of images outside, tiles inside, shared among the threads; then the order of weights.

    Every weight is summed by one thread in the order of the images, so results do not depend on their number.
    """
    n, part = _collapsed(op, x.shape[0])
    vectors = -(-op.filters // target.lanes)
    nv = min(vectors, 2 if vectors % 3 else 3 if target.registers > 16 and vectors == 3 else 2)
    image = part.rows.size * part.columns.size * op.channels * op.groups
    grad = part.rows.count * part.columns.count * op.filters * op.groups
    panels = _Panels(nv, target.lanes, -(-op.filters // (nv * target.lanes)), image, grad)
    found = units(part, op.channels, most_pixels(nv, target.registers) if nv > 1 else 16)
    size = part.taps * op.channels * panels.nr
    text = _blocks(op, part, found, panels, n, size)
    end = _ordered(op, part, panels.nr, panels.count)
    return Kernel((Phase(text), Phase(end)), shared=4 * op.groups * panels.count * size)


def _blocks(op: conv_weights, part: Part, found: Sequence[Unit], panels: _Panels, n: int, size: int) -> str:
    """Write the loops over blocks of images n0 to n1 and, within, over a thread's tiles: q in panel p."""
    tiles, at = [], 0
    for unit in found:
        first = f"long channel = {unit.start} + (q - {at}) * {unit.size if unit.count > 1 else 0};\n"
        at += unit.count
        tiles.append((f"q < {at}", first + _variants(op, part, unit, panels)))
    return fill(
        """
        /* A block of images and gradients stays in the cache while all tiles of weights go through it. */
        for (long n0 = 0; n0 < $n; n0 += $block) {
          long n1 = n0 + $block < $n ? n0 + $block : $n;
          for (long u = ${total}L * t / T; u < ${total}L * (t + 1) / T; u++) {
            long q = u / $all_panels, p = u % $all_panels;
            float *w = (float *)z + p * ${size}L;
            const float *inputs = x0 + $group * $channels, *gradients = x1 + $group * $filters + p % $panels * $nr;
            $tiles
          }
        }
        """,
        n=n,
        block=max(1, min(n, BLOCK // (4 * (panels.image + panels.grad)))),
        total=at * panels.count * op.groups,
        all_panels=panels.count * op.groups,
        size=size,
        group=f"p / {panels.count}" if op.groups > 1 else "0",
        channels=op.channels,
        filters=op.filters,
        panels=panels.count,
        nr=panels.nr,
        tiles=choice(tiles),
    )


def _collapsed(op: conv_weights, n: int) -> tuple[int, Part]:
    part = op.part
    if part.rows.plain and part.columns.plain:
        m = part.rows.count * part.columns.count
        one = Axis(1, 1, 1, (0,), (0,), 1)
        return n, Part(one, Axis(m, m, 1, (0,), (0,), m), 0)
    return n, part


def _variants(op: conv_weights, part: Part, unit: Unit, panels: _Panels) -> str:
    def work(counts: Sequence[int]) -> str:
        return _unit(op, part, unit, counts, panels)

    return panel_variants(op.filters, panels.nr, panels.lanes, panels.count, work)


def _unit(op: conv_weights, part: Part, unit: Unit, counts: Sequence[int], panels: _Panels) -> str:
    """Write one tile: over the images of the block, over the spans of rows and columns where some tap is valid."""
    used = [j for j, c in enumerate(counts) if c]
    return fill(
        """
        $zeros
        for (long n = n0; n < n1; n++) {
          const float *image = inputs + n * ${image}L + channel, *gradient = gradients + n * ${grad}L;
          $loops
        }
        $sums
        """,
        zeros=zeros(unit.size, len(used)),
        image=panels.image,
        grad=panels.grad,
        loops="".join(
            _span(op, part, unit, r, c, counts, panels.lanes) for r in spans(part.rows) for c in spans(part.columns)
        ),
        sums="".join(_sums(op, i, tap, channel, used, panels) for i, (tap, channel) in enumerate(unit.rows)),
    )


def _span(op: conv_weights, part: Part, unit: Unit, r: Span, c: Span, counts: Sequence[int], lanes: int) -> str:
    """Write the products at the outputs of one span of rows and one of columns, where the same taps are valid."""
    rows, columns = part.rows, part.columns
    pitch_x, pitch_g = op.channels * op.groups, op.filters * op.groups
    wide = len(columns.offsets)
    valid = [i for i, (tap, _) in enumerate(unit.rows) if r.valid[tap // wide] and c.valid[tap % wide]]
    if not valid:
        return ""
    bases = [
        (rows.offsets[tap // wide] * columns.size + columns.offsets[tap % wide]) * pitch_x + z for tap, z in unit.rows
    ]
    loads = [load(f"b + {j * lanes}", count, lanes) for j, count in enumerate(counts) if count]
    return fill(
        """
        for (long i = $start; i < $end; i++) {
          const float *a = image + (i * $row_x + $first_x) * $pitch_x;
          const float *b = gradient + (i * $row_g + $first_g) * $pitch_g;
          $loop
        }
        """,
        start=r.start,
        end=r.start + r.count,
        row_x=rows.step * columns.size,
        first_x=c.start * columns.step,
        pitch_x=pitch_x,
        row_g=columns.count,
        first_g=c.start,
        pitch_g=pitch_g,
        loop=products(valid, bases, loads, c.count, columns.step * pitch_x, pitch_g),
    )


def _sums(op: conv_weights, i: int, tap: int, channel: int, used: Sequence[int], panels: _Panels) -> str:
    """Add row i of the accumulators to what the blocks before have made."""
    text = ""
    for k, j in enumerate(used):
        at = f"w + ({tap * op.channels + channel} + channel) * {panels.nr} + {j * panels.lanes}"
        text += f"if (n0) c{i}_{k} += LD({at}); ST({at}, c{i}_{k});\n"
    return text


def _ordered(op: conv_weights, part: Part, nr: int, panels: int) -> str:
    """Write the weights from the panels in their own order."""
    taps, c = part.taps, op.channels
    loops = f"for (long k = 0; k < {taps}; k++)", f"for (long i = 0; i < {c}; i++)"
    return fill(
        """
        $share {
          long g = o / $filters, f = o % $filters;
          const float *w = (const float *)z + (g * $panels + f / $nr) * ${panel}L + f % $nr;
          float *y = y0 + o * ${size}L;
          $outer $inner y[$at] = w[(k * $channels + i) * ${nr}L];
        }
        """,
        share=share(op.groups * op.filters, "o"),
        filters=op.filters,
        panels=panels,
        nr=nr,
        panel=taps * c * nr,
        size=taps * c,
        outer=loops[0] if op.last else loops[1],
        inner=loops[1] if op.last else loops[0],
        at=f"k * {c} + i" if op.last else f"i * {taps} + k",
        channels=c,
    )


@emits(conv_weights)
def emit_weights(op: conv_weights, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    assert math.prod(outs[0].shape) == op.groups * op.filters * op.channels * op.part.taps
    if op.grid:
        nr = (2 if op.filters // target.lanes % 2 == 0 else 1) * target.lanes
        return winograd_weights(op, ins[0], ins[1], target, _ordered(op, op.part, nr, op.filters // nr))
    return weights_kernel(op, ins[0], ins[1], target)
