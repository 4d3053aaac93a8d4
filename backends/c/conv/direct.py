"""Direct convolution: no column buffer, no padded copy; taps outside the image are left out tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from graphnn.types import TensorType

from ..finish import finish_at, panel_variants
from ..kernel import Kernel, choice, emits, fill, share
from ..ops import conv
from ..toolchain import Target
from .geometry import Axis, Part, Strip, strips
from .tile import Run, crowding, most_pixels, runs_cost, tile

__all__ = ["choose", "collapsed", "direct_kernel"]

CACHED = 384 << 10  # bytes that stay in the second-level cache beside everything else
BLOCK = 256 << 10  # bytes of input that products without a window go through with all weights


@dataclass(frozen=True)
class Choice:
    """Vectors of output channels a panel, and the tile of each part: rows and columns of outputs."""

    nv: int
    tiles: tuple[tuple[int, int], ...]
    cycles: float


@lru_cache(maxsize=4096)
def choose(
    parts: tuple[Part, ...], channels: int, filters: int, target: Target, only: int = 0, pitch: int = 0
) -> Choice:
    """Pick tiles by the cost of their loops; `only` fixes the vectors of a panel (weights are packed already).

    `pitch` is the distance of two pixels, in elements, where that is not the number of channels.
    """
    vectors = -(-filters // target.lanes)
    best: Choice | None = None
    for nv in [only] if only else range(1, 5):
        if nv > vectors or nv >= target.registers // 3:
            continue
        panels = -(-vectors // nv)
        found = [_tile_of(p, channels, pitch or channels, nv, target.registers) for p in parts]
        cycles = panels * sum(c for _, c in found)
        if best is None or cycles < best.cycles * 0.99:
            best = Choice(nv, tuple(t for t, _ in found), cycles)
    assert best is not None
    return best


def _tile_of(part: Part, channels: int, pitch: int, nv: int, registers: int) -> tuple[tuple[int, int], float]:
    most = most_pixels(nv, registers)
    best: tuple[float, tuple[int, int]] | None = None
    for th in _sizes(part.rows.count, 4 if part.columns.count > 1 else most):
        for tw in _sizes(part.columns.count, most // th):
            cost = 0.0
            for rows in strips(part.rows, th):
                for columns in strips(part.columns, tw):
                    n = rows.size * columns.size
                    slow = crowding(_bases(part, rows, columns, pitch))
                    each = slow * runs_cost(runs_of(part, rows, columns, channels, pitch), nv) + 1.5 * n * nv + 12
                    cost += rows.count * columns.count * each
            if best is None or cost < best[0]:
                best = cost, (th, tw)
    assert best is not None
    return best[1], best[0]


def _sizes(count: int, most: int) -> list[int]:
    """Give the sizes of tiles that cover an axis with different numbers of tiles."""
    return sorted({-(-count // k) for k in range(1, count + 1) if -(-count // k) <= most})


def _bases(part: Part, rows: Strip, columns: Strip, pitch: int) -> list[int]:
    """Give the offset of each pixel's input from that of the tile's first."""
    r, c = part.rows, part.columns
    return [(i * r.step * c.size + j * c.step) * pitch for i in range(rows.size) for j in range(columns.size)]


def runs_of(part: Part, rows: Strip, columns: Strip, channels: int, pitch: int) -> list[Run]:
    """Give the runs of one tile: taps whose pixels are the same and whose inputs follow each other become one."""
    width = part.columns.size
    found: list[Run] = []
    lines: list[list[Run]] = []
    for r, ro in enumerate(part.rows.offsets):
        line: list[Run] = []
        for s, so in enumerate(part.columns.offsets):
            pixels = tuple(
                i * columns.size + j
                for i in range(rows.size)
                for j in range(columns.size)
                if rows.valid[i][r] and columns.valid[j][s]
            )
            if not pixels:
                continue
            row = (part.first_tap + r * len(part.columns.offsets) + s) * channels
            offset = (ro * width + so) * pitch
            last = line[-1] if line else None
            joins = last and last.pixels == pixels and last.offset + last.length == offset
            if last and joins and last.row + last.length == row:
                line[-1] = replace(last, length=last.length + channels)
            else:
                line.append(Run(row, pixels, offset, channels))
        lines.append(line)
    for line in lines:
        last = found[-1] if found else None
        if last and len(line) == 1 and _repeats(last, line[0]):
            jump = line[0].offset - last.offset - (last.repeat - 1) * last.jump
            found[-1] = replace(last, repeat=last.repeat + 1, jump=jump)
        else:
            found += line
    return found


def _repeats(last: Run, run: Run) -> bool:
    same = last.pixels == run.pixels and last.length == run.length
    follows = last.row + last.repeat * last.length == run.row
    jump = run.offset - last.offset - (last.repeat - 1) * last.jump
    return same and follows and (last.repeat == 1 or jump == last.jump)


def collapsed(parts: tuple[Part, ...], n: int, pitch: int) -> tuple[int, tuple[Part, ...]]:
    """Where every pixel is read by itself alone, take all images as one line of pixels, cut into blocks."""
    part = parts[0]
    if len(parts) > 1 or not (part.rows.plain and part.columns.plain):
        return n, parts
    m = n * part.rows.count * part.columns.count
    most = max(16, BLOCK // (4 * pitch))
    blocks = next(d for d in range(1, m + 1) if m % d == 0 and m // d <= most) if m > most else 1
    if m // blocks < 16:
        blocks = 1
    line = Axis(m // blocks, m // blocks, 1, (0,), (0,), m // blocks)
    return blocks, (Part(line, Axis(1, 1, 1, (0,), (0,), 1), 0),)


def _order(n: int, count: int, tiles: int, weights: int, image: int) -> str:
    """Pick the order of the loops over images n, panels p and rows of tiles r by what they read from which cache.

    A unit's number is u; the last letter of the order changes fastest.
    """

    def cycles(nbytes: int, times: int) -> float:
        return nbytes * times / (32 if nbytes <= CACHED else 10)

    costs = {
        ("n", "r", "p"): cycles(weights, n * tiles) + n * image / 10,
        ("n", "p", "r"): cycles(weights, n) + cycles(image, count) * n,
        ("p", "n", "r"): weights / 10 + cycles(n * image, count),
    }
    slow, middle, fast = min(costs, key=costs.__getitem__)
    sizes = {"n": n, "p": count, "r": tiles}
    inner, both = sizes[fast], sizes[fast] * sizes[middle]
    return fill(
        """
        long $fast = u % $inner;
        long $middle = u$by_inner % $between;
        long $slow = u$by_both;
        """,
        fast=fast,
        middle=middle,
        slow=slow,
        inner=inner,
        between=sizes[middle],
        by_inner=f" / {inner}L" if inner > 1 else "",
        by_both=f" / {both}L" if both > 1 else "",
    )


@dataclass(frozen=True)
class _Sizes:
    """Images, panels of output channels a group, lanes, and elements of an input and an output image."""

    images: int
    panels: int
    lanes: int
    image_in: int
    image_out: int


def direct_kernel(op: conv, x: TensorType, panels: TensorType, target: Target) -> Kernel:
    """Write the loops over images, panels and rows of tiles, shared among the threads in that order."""
    lanes = target.lanes
    n, parts = collapsed(op.parts, x.shape[0], op.channels * op.groups)
    chosen = choose(parts, op.channels, op.filters, target, op.nr // lanes, op.channels * op.groups)
    image_in = parts[0].rows.size * parts[0].columns.size * op.channels * op.groups
    image_out = parts[0].rows.length * parts[0].columns.length * op.filters * op.groups
    sizes = _Sizes(n, -(-op.filters // op.nr), lanes, image_in, image_out)
    text = ""
    for part, (th, tw) in zip(parts, chosen.tiles, strict=True):
        rows, columns = strips(part.rows, th), strips(part.columns, tw)
        tiles = sum(s.count for s in rows)
        order = _order(n, sizes.panels * op.groups, tiles, panels.nbytes, 4 * image_in)
        text += _part(op, part, rows, columns, order, sizes)
    return Kernel.of(text)


def _part(op: conv, part: Part, rows: Sequence[Strip], columns: Sequence[Strip], order: str, sizes: _Sizes) -> str:
    """Write the loop over the units of a part: image n, panel p, row of tiles r."""
    tiles, at = [], 0
    for strip in rows:
        row = fill("long i = $start + (r - $at) * $size;\n$tiles", start=strip.start, at=at, size=strip.size,
                   tiles="".join(_tiles(op, part, strip, column, sizes) for column in columns))  # fmt: skip
        at += strip.count
        tiles.append((f"r < {at}", row))
    group = f"p / {sizes.panels}"
    return fill(
        """
        /* Unit u: image n, panel p of output channels, row r of tiles; what is read again stays in the cache. */
        $share {
          $order
          const float *w = x1 + p * ${panel}L;
          (void)w;
          const float *image = x0 + n * ${image_in}L + $first_in;
          long channel = $first_out, image_out = n * ${image_out}L + channel;
          $tiles
        }
        """,
        share=share(sizes.images * sizes.panels * op.groups * at, "u"),
        order=order,
        panel=sum(p.taps for p in op.parts) * op.channels * op.nr,
        image_in=sizes.image_in,
        image_out=sizes.image_out,
        first_in=f"{group} * {op.channels}" if op.groups > 1 else "0",
        first_out=f"{group} * {op.filters} + p % {sizes.panels} * {op.nr}" if op.groups > 1 else f"p * {op.nr}",
        tiles=choice(tiles),
    )


def _tiles(op: conv, part: Part, rows: Strip, columns: Strip, sizes: _Sizes) -> str:
    """Write the loop over the tiles of one strip, in the row of tiles that begins with output row i."""
    pitch_x, pitch_y = op.channels * op.groups, op.filters * op.groups
    r, c, lanes = part.rows, part.columns, sizes.lanes
    bases = _bases(part, rows, columns, pitch_x)
    places = [(i * r.place * c.length + j * c.place) * pitch_y for i in range(rows.size) for j in range(columns.size)]
    runs = runs_of(part, rows, columns, op.channels, pitch_x)

    def work(counts: Sequence[int]) -> str:
        finish = finish_at(op.body, places, counts, lanes, "out", "channel", 2)
        return tile(bases, runs, op.nr // lanes, lanes, "inputs", "w", finish)

    return fill(
        """
        for (long tile = 0; tile < $count; tile++) {
          long j = $start + tile * $size;
          const float *inputs = image + (i * $row_in + j * $step) * $pitch_x;
          (void)inputs;
          long out = image_out + ((i * $row_place + $first_row) * $length + j * $place + $first) * $pitch_y;
          $tile
        }
        """,
        count=columns.count,
        start=columns.start,
        size=columns.size,
        row_in=r.step * c.size,
        step=c.step,
        pitch_x=pitch_x,
        row_place=r.place,
        first_row=r.first,
        length=c.length,
        place=c.place,
        first=c.first,
        pitch_y=pitch_y,
        tile=panel_variants(op.filters, op.nr, lanes, sizes.panels, work),
    )


@emits(conv)
def emit_conv(op: conv, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    return direct_kernel(op, ins[0], ins[1], target)
