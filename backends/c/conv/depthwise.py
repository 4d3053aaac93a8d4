"""Depthwise convolution, one filter a channel: vectors of channels, each input of a tile loaded once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphnn.types import TensorType

from ..finish import finish_at
from ..kernel import Kernel, Phase, emits, share
from ..ops import depthwise, depthwise_weights, pack_depthwise
from ..toolchain import Target
from .geometry import Part, Strip, strips
from .weights import spans

__all__: list[str] = []


@emits(depthwise)
def emit_depthwise(op: depthwise, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """Write the loops over images and rows of tiles; within a tile channels come last, as they lie."""
    text = ""
    for part in op.parts:
        th, tw = _tile(part, target.registers)
        rows, columns = strips(part.rows, th), strips(part.columns, tw)
        total = sum(s.count for s in rows)
        text += f"{share(ins[0].shape[0] * total, 'u')} {{ long n = u / {total}, r = u % {total};\n"
        text += f"const float *xn = x0 + n * {part.rows.size * part.columns.size * op.channels}L;\n"
        text += f"long on = n * {part.rows.length * part.columns.length * op.channels}L;\n"
        at = 0
        for strip in rows:
            text += f"{'else ' if at else ''}if (r < {at + strip.count}) {{ "
            text += f"long i = {strip.start} + (r - {at}) * {strip.size};\n"
            text += "".join(_tiles(op, part, strip, column, target.lanes) for column in columns) + "}\n"
            at += strip.count
        text += "}\n"
    return Kernel.of(text)


def _tile(part: Part, registers: int) -> tuple[int, int]:
    """Give rows and columns of outputs whose sums stay in registers beside the weights."""
    most = max(1, registers - min(part.taps, 9) - 2)
    tw = min(4, part.columns.count, most)
    return min(4 if registers > 16 else 1, part.rows.count, max(1, most // tw)), tw


def _tiles(op: depthwise, part: Part, rows: Strip, columns: Strip, lanes: int) -> str:
    r, q, c = part.rows, part.columns, op.channels
    places = [(i * r.place * q.length + j * q.place) * c for i in range(rows.size) for j in range(columns.size)]
    text = f"for (long b_ = 0; b_ < {columns.count}; b_++) {{ long j = {columns.start} + b_ * {columns.size};\n"
    text += f"const float *xa = xn + (i * {r.step * q.size} + j * {q.step}) * {c}L; (void)xa;\n"
    text += f"long o0 = on + ((i * {r.place} + {r.first}) * {q.length} + j * {q.place} + {q.first}) * {c}L;\n"

    def work(count: int) -> str:
        finish = finish_at(op.body, places, [count], lanes, "o", "ch", 2)
        sums = "".join(f"vf c{k} = {{0}}; " for k in range(len(places)))
        ends = "".join(finish(k, 0, f"c{k}") + "\n" for k in range(len(places)))
        return f"long o = o0 + ch;\n{sums}\n{_inputs(op, part, rows, columns, count, lanes)}{ends}"

    whole = c // lanes * lanes
    if whole:
        text += f"for (long ch = 0; ch < {whole}; ch += {lanes}) {{\n{work(lanes)}}}\n"
    if c > whole:
        text += f"{{ long ch = {whole};\n{work(c - whole)}}}\n"
    return text + "}\n"


def _load(at: str, count: int, lanes: int) -> str:
    return f"LD({at})" if count == lanes else f"lds({at}, {count})"


def _inputs(op: depthwise, part: Part, rows: Strip, columns: Strip, count: int, lanes: int) -> str:
    """Write each input's load and the products with all taps that meet it."""
    r, q, c = part.rows, part.columns, op.channels
    wide = len(q.offsets)
    uses: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i in range(rows.size):
        for j in range(columns.size):
            for a, ro in enumerate(r.offsets):
                for b, so in enumerate(q.offsets):
                    if rows.valid[i][a] and columns.valid[j][b]:
                        place = (i * r.step + ro, j * q.step + so)
                        uses.setdefault(place, []).append((i * columns.size + j, a * wide + b))
    taps = sorted({t for pairs in uses.values() for _, t in pairs})
    text = "".join(f"vf w{t} = {_load(f'x1 + {(part.first_tap + t) * c} + ch', count, lanes)}; " for t in taps) + "\n"
    for (i, j), pairs in sorted(uses.items()):
        products = "".join(f"c{k} += v * w{t}; " for k, t in pairs)
        text += f"{{ vf v = {_load(f'xa + {(i * q.size + j) * c} + ch', count, lanes)}; {products} }}\n"
    return text


@emits(pack_depthwise)
def emit_pack(op: pack_depthwise, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    c, taps = ins[0].shape[0], len(op.taps)
    n = ins[0].size // c
    text = f"static const int taps[{taps}] = {{{', '.join(map(str, op.taps))}}};\n"
    text += f"{share(taps, 'k')} for (long i = 0; i < {c}; i++) y0[k * {c} + i] = x0[i * {n} + taps[k]];\n"
    return Kernel.of(text, serial=taps * c <= 4096)


@emits(depthwise_weights)
def emit_weights(
    op: depthwise_weights, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target
) -> Kernel:
    """Sums over blocks of images, always the same, by vectors of channels; then the sum of the blocks."""
    part, lanes, c = op.part, target.lanes, ins[0].shape[-1]
    n, taps = ins[0].shape[0], part.taps
    vectors = -(-c // lanes)
    blocks = min(n, 8)
    rows, columns = part.rows, part.columns
    wide = len(columns.offsets)
    text = f"{share(blocks * vectors, 'u')} {{ long b = u / {vectors}, ch = u % {vectors} * {lanes};\n"

    def work(count: int) -> str:
        body = "".join(f"vf c{t} = {{0}}; " for t in range(taps)) + "\n"
        body += f"for (long n = {n}L * b / {blocks}; n < {n}L * (b + 1) / {blocks}; n++) {{\n"
        body += f"const float *xn = x0 + n * {rows.size * columns.size * c}L + ch;\n"
        body += f"const float *gn = x1 + n * {rows.count * columns.count * c}L + ch;\n"
        for r in spans(rows):
            for q in spans(columns):
                valid = [t for t in range(taps) if r.valid[t // wide] and q.valid[t % wide]]
                body += f"for (long i = {r.start}; i < {r.start + r.count}; i++)\n"
                body += f"for (long j = {q.start}; j < {q.start + q.count}; j++) {{\n"
                body += f"vf g = {_load(f'gn + (i * {columns.count} + j) * {c}L', count, lanes)};\n"
                body += f"const float *a = xn + (i * {rows.step * columns.size} + j * {columns.step}) * {c}L;\n"
                for t in valid:
                    at = (rows.offsets[t // wide] * columns.size + columns.offsets[t % wide]) * c
                    body += f"c{t} += g * {_load(f'a + {at}', count, lanes)}; "
                body += "}\n"
        body += "}\n"
        stores = "".join(f"ST((float *)z + (b * {taps} + {t}) * {vectors * lanes}L + ch, c{t}); " for t in range(taps))
        return body + stores + "\n"

    rest = c - (vectors - 1) * lanes
    text += work(lanes) if rest == lanes else f"if (ch < {c - rest}) {{ {work(lanes)} }} else {{ {work(rest)} }}\n"
    text += "}\n"
    size = taps * vectors * lanes
    end = f"{share(c, 'o')} for (long k = 0; k < {taps}; k++) {{ float a = 0;\n"
    end += f"for (long b = 0; b < {blocks}; b++) a += ((const float *)z)[(b * {taps} + k) * {vectors * lanes}L + o];\n"
    end += f"y0[o * {taps} + k] = a; }}\n"
    assert math.prod(outs[0].shape) == c * taps
    return Kernel((Phase(text), Phase(end)), shared=4 * blocks * size)
