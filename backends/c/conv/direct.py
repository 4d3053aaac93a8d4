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
from .tile import Run, most_pixels, runs_cost, tile

__all__ = ["choose", "direct_kernel"]

L2 = 512 << 10  # bytes of weights that stay in the second-level cache beside everything else


@dataclass(frozen=True)
class Choice:
    """Vectors of output channels a panel, and the tile of each part: rows and columns of outputs."""

    nv: int
    tiles: tuple[tuple[int, int], ...]
    cycles: float


@lru_cache(maxsize=4096)
def choose(parts: tuple[Part, ...], channels: int, filters: int, target: Target, only: int = 0) -> Choice:
    """Pick tiles by the cost of their loops; `only` fixes the vectors of a panel (weights are packed already)."""
    vectors = -(-filters // target.lanes)
    best: Choice | None = None
    for nv in [only] if only else range(1, 5):
        if nv > vectors or nv >= target.registers // 3:
            continue
        panels = -(-vectors // nv)
        found = [_tile_of(p, channels, nv, target.registers) for p in parts]
        cycles = panels * sum(c for _, c in found)
        if best is None or cycles < best.cycles * 0.99:
            best = Choice(nv, tuple(t for t, _ in found), cycles)
    assert best is not None
    return best


def _tile_of(part: Part, channels: int, nv: int, registers: int) -> tuple[tuple[int, int], float]:
    most = most_pixels(nv, registers)
    best: tuple[float, tuple[int, int]] | None = None
    for th in range(1, min(most, part.rows.count, 4 if part.columns.count > 1 else most) + 1):
        for tw in range(1, min(most // th, part.columns.count) + 1):
            cost = 0.0
            for rows in strips(part.rows, th):
                for columns in strips(part.columns, tw):
                    n = rows.size * columns.size
                    each = runs_cost(runs_of(part, rows, columns, channels, channels), nv) + 1.5 * n * nv + 12
                    cost += rows.count * columns.count * each
            if best is None or cost < best[0]:
                best = cost, (th, tw)
    assert best is not None
    return best[1], best[0]


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


def collapsed(op: conv, n: int) -> tuple[int, tuple[Part, ...]]:
    """Where every pixel is read by itself alone, make the images one line of pixels."""
    part = op.parts[0]
    if len(op.parts) == 1 and part.rows.plain and part.columns.plain:
        m = n * part.rows.count * part.columns.count
        line, one = Axis(m, m, 1, (0,), (0,), m), Axis(1, 1, 1, (0,), (0,), 1)
        return 1, (Part(line, one, 0),)
    return n, op.parts


def direct_kernel(op: conv, x: TensorType, panels: TensorType, target: Target) -> Kernel:
    """Write the loops over images, panels and rows of tiles, shared among the threads in that order."""
    lanes = target.lanes
    n, parts = collapsed(op, x.shape[0])
    choice = choose(parts, op.channels, op.filters, target, op.nr // lanes)
    count = -(-op.filters // op.nr)
    image_in = parts[0].rows.size * parts[0].columns.size * op.channels * op.groups
    image_out = parts[0].rows.length * parts[0].columns.length * op.filters * op.groups
    weights = panels.nbytes
    images_first = n * weights + 4 * n * image_in <= weights + 4 * n * image_in * count or weights <= L2
    text = ""
    for part, (th, tw) in zip(parts, choice.tiles, strict=True):
        text += _part(op, part, strips(part.rows, th), strips(part.columns, tw), n, count, images_first, lanes)
    return Kernel.of(text.replace("IMAGE_IN", str(image_in)).replace("IMAGE_OUT", str(image_out)))


def _part(
    op: conv,
    part: Part,
    rows: Sequence[Strip],
    columns: Sequence[Strip],
    n: int,
    count: int,
    images_first: bool,
    lanes: int,
) -> str:
    total = sum(s.count for s in rows)
    panels = count * op.groups
    units = n * panels * total
    text = f"for (long u = {units}L * t / T, end = {units}L * (t + 1) / T; u < end; u++) {{\n"
    if images_first:
        order = f"long p = u % {panels}, r = u / {panels} % {total}, n = u / {panels * total};"
    else:
        order = f"long r = u % {total}, n = u / {total} % {n}, p = u / {total * n};"
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
    bases = [(i * r.step * c.size + j * c.step) * pitch_x for i in range(rows.size) for j in range(columns.size)]
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
