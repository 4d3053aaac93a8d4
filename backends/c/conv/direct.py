"""Direct convolution: no column buffer, no padded copy; taps outside the image are left out tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from graphnn.types import TensorType

from ..finish import finish_at, panel_variants
from ..kernel import Kernel, emits
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
        "nrp": cycles(weights, n * tiles) + n * image / 10,
        "npr": cycles(weights, n) + cycles(image, count) * n,
        "pnr": weights / 10 + cycles(n * image, count),
    }
    order = min(costs, key=costs.__getitem__)
    sizes = {"n": n, "p": count, "r": tiles}
    text, step = "", 1
    for k, letter in enumerate(reversed(order)):
        text += (
            f"long {letter} = u" + (f" / {step}L" if step > 1 else "") + (f" % {sizes[letter]}; " if k < 2 else "; ")
        )
        step *= sizes[letter]
    return text


def direct_kernel(op: conv, x: TensorType, panels: TensorType, target: Target) -> Kernel:
    """Write the loops over images, panels and rows of tiles, shared among the threads in that order."""
    lanes = target.lanes
    n, parts = collapsed(op.parts, x.shape[0], op.channels * op.groups)
    choice = choose(parts, op.channels, op.filters, target, op.nr // lanes, op.channels * op.groups)
    count = -(-op.filters // op.nr)
    image_in = parts[0].rows.size * parts[0].columns.size * op.channels * op.groups
    image_out = parts[0].rows.length * parts[0].columns.length * op.filters * op.groups
    text = ""
    for part, (th, tw) in zip(parts, choice.tiles, strict=True):
        tiles = sum(s.count for s in strips(part.rows, th))
        order = _order(n, count * op.groups, tiles, panels.nbytes, 4 * image_in)
        text += _part(op, part, strips(part.rows, th), strips(part.columns, tw), n, count, order, lanes)
    return Kernel.of(text.replace("IMAGE_IN", str(image_in)).replace("IMAGE_OUT", str(image_out)))


def _part(
    op: conv,
    part: Part,
    rows: Sequence[Strip],
    columns: Sequence[Strip],
    n: int,
    count: int,
    order: str,
    lanes: int,
) -> str:
    total = sum(s.count for s in rows)
    panels = count * op.groups
    units = n * panels * total
    text = f"for (long u = {units}L * t / T, end = {units}L * (t + 1) / T; u < end; u++) {{\n"
    taps = panels_taps(op)
    text += f"{order}\nconst float *w = x1 + p * {taps * op.channels * op.nr}L;\n(void)w;\n"
    inner = f"p / {count} * {op.channels}" if op.groups > 1 else "0"
    text += f"const float *xn = x0 + n * IMAGE_INL + {inner};\n"
    channel = f"p / {count} * {op.filters} + p % {count} * {op.nr}" if op.groups > 1 else f"p * {op.nr}"
    text += f"long ch = {channel}, on = n * IMAGE_OUTL + ch;\n"
    at = 0
    for strip in rows:
        text += f"{'' if at == 0 else 'else '}if (r < {at + strip.count}) {{ "
        text += f"long i = {strip.start} + (r - {at}) * {strip.size};\n"
        for column in columns:
            text += _tiles(op, part, strip, column, count, lanes)
        text += "}\n"
        at += strip.count
    return text + "}\n"


def panels_taps(op: conv) -> int:
    return sum(p.taps for p in op.parts)


def _tiles(op: conv, part: Part, rows: Strip, columns: Strip, count: int, lanes: int) -> str:
    """Write the loop over the tiles of one strip, in the row of tiles that begins with output row i."""
    pitch_x, pitch_y = op.channels * op.groups, op.filters * op.groups
    r, c = part.rows, part.columns
    bases = _bases(part, rows, columns, pitch_x)
    places = [(i * r.place * c.length + j * c.place) * pitch_y for i in range(rows.size) for j in range(columns.size)]
    runs = runs_of(part, rows, columns, op.channels, pitch_x)
    text = f"for (long b_ = 0; b_ < {columns.count}; b_++) {{ long j = {columns.start} + b_ * {columns.size};\n"
    text += f"const float *xa = xn + (i * {r.step * c.size} + j * {c.step}) * {pitch_x};\n(void)xa;\n"
    text += f"long o = on + ((i * {r.place} + {r.first}) * {c.length} + j * {c.place} + {c.first}) * {pitch_y};\n"

    def work(counts: Sequence[int]) -> str:
        finish = finish_at(op.body, places, counts, lanes, "o", "ch", 2)
        return tile(bases, runs, op.nr // lanes, lanes, "xa", "w", finish)

    return text + panel_variants(op.filters, op.nr, lanes, count, work) + "}\n"


@emits(conv)
def emit_conv(op: conv, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    return direct_kernel(op, ins[0], ins[1], target)
