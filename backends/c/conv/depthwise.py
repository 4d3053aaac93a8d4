"""Depthwise convolution, one filter a channel: vectors of channels, each input of a tile loaded once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphnn.types import TensorType

from ..finish import finish_at
from ..kernel import Kernel, Phase, choice, emits, fill, load, over_vectors, share
from ..ops import depthwise, depthwise_weights, pack_depthwise
from ..toolchain import Target
from .geometry import Part, Strip, strips
from .weights import Span, spans

__all__: list[str] = []


@emits(depthwise)
def emit_depthwise(op: depthwise, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """Write the loops over images and rows of tiles; within a tile channels come last, as they lie."""
    return Kernel.of("".join(_part(op, part, ins[0].shape[0], target) for part in op.parts))


def _part(op: depthwise, part: Part, images: int, target: Target) -> str:
    """Write the loop over a part's units: image n, row of tiles r."""
    th, tw = _tile(part, target.registers)
    rows, at = [], 0
    for strip in strips(part.rows, th):
        tiles = "".join(_tiles(op, part, strip, column, target.lanes) for column in strips(part.columns, tw))
        rows.append((f"r < {at + strip.count}", f"long i = {strip.start} + (r - {at}) * {strip.size};\n{tiles}"))
        at += strip.count
    return fill(
        """
        /* Unit u: image n, row r of tiles. */
        $share {
          long n = u / $total, r = u % $total;
          const float *image = x0 + n * ${image_in}L;
          long image_out = n * ${image_out}L;
          $rows
        }
        """,
        share=share(images * at, "u"),
        total=at,
        image_in=part.rows.size * part.columns.size * op.channels,
        image_out=part.rows.length * part.columns.length * op.channels,
        rows=choice(rows),
    )


def _tile(part: Part, registers: int) -> tuple[int, int]:
    """Give rows and columns of outputs whose sums stay in registers beside the weights."""
    most = max(1, registers - min(part.taps, 9) - 2)
    tw = min(4, part.columns.count, most)
    return min(4 if registers > 16 else 1, part.rows.count, max(1, most // tw)), tw


def _tiles(op: depthwise, part: Part, rows: Strip, columns: Strip, lanes: int) -> str:
    """Write the loop over the tiles of one strip, in the row of tiles that begins with output row i."""
    r, q, c = part.rows, part.columns, op.channels
    places = [(i * r.place * q.length + j * q.place) * c for i in range(rows.size) for j in range(columns.size)]

    def work(count: int) -> str:
        finish = finish_at(op.body, places, [count], lanes, "out", "channel", 2)
        return fill(
            """
            long out = tile_out + channel;
            $zeros
            $inputs
            $ends
            """,
            zeros=" ".join(f"vf c{k} = {{0}};" for k in range(len(places))),
            inputs=_inputs(op, part, rows, columns, count, lanes),
            ends="\n".join(finish(k, 0, f"c{k}") for k in range(len(places))),
        )

    return fill(
        """
        for (long tile = 0; tile < $count; tile++) {
          long j = $start + tile * $size;
          const float *inputs = image + (i * $row_in + j * $step) * ${c}L;
          (void)inputs;
          long tile_out = image_out + ((i * $row_place + $first_row) * $length + j * $place + $first) * ${c}L;
          $channels
        }
        """,
        count=columns.count,
        start=columns.start,
        size=columns.size,
        row_in=r.step * q.size,
        step=q.step,
        c=c,
        row_place=r.place,
        first_row=r.first,
        length=q.length,
        place=q.place,
        first=q.first,
        channels=over_vectors("channel", c, lanes, work),
    )


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
    text = (
        "".join(f"vf w{t} = {load(f'x1 + {(part.first_tap + t) * c} + channel', count, lanes)}; " for t in taps) + "\n"
    )
    for (i, j), pairs in sorted(uses.items()):
        products = "".join(f"c{k} += v * w{t}; " for k, t in pairs)
        text += f"{{ vf v = {load(f'inputs + {(i * q.size + j) * c} + channel', count, lanes)}; {products} }}\n"
    return text


@emits(pack_depthwise)
def emit_pack(op: pack_depthwise, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """y[k][c] = w[c][taps[k]]: the taps outside, channels last."""
    c, taps = ins[0].shape[0], len(op.taps)
    text = fill(
        """
        static const int taps[$count] = {$taps};
        $share for (long i = 0; i < $c; i++) y0[k * $c + i] = x0[i * $n + taps[k]];
        """,
        count=taps,
        taps=", ".join(map(str, op.taps)),
        share=share(taps, "k"),
        c=c,
        n=ins[0].size // c,
    )
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
    rest = c - (vectors - 1) * lanes

    def work(count: int) -> str:
        return _sums(part, n, c, blocks, count, lanes)

    cases = f"if (channel < {c - rest}) {{\n  $whole\n}} else {{\n  $rest\n}}\n"
    text = fill(
        """
        /* Unit u: block b of images, and a vector of channels: one sum for each tap. */
        $share {
          long b = u / $vectors, channel = u % $vectors * $lanes;
          $work
        }
        """,
        share=share(blocks * vectors, "u"),
        vectors=vectors,
        lanes=lanes,
        work=work(lanes) if rest == lanes else fill(cases, whole=work(lanes), rest=work(rest)),
    )
    end = fill(
        """
        $share for (long k = 0; k < $taps; k++) {
          float a = 0;
          for (long b = 0; b < $blocks; b++) a += ((const float *)z)[(b * $taps + k) * ${padded}L + o];
          y0[o * $taps + k] = a;
        }
        """,
        share=share(c, "o"),
        taps=taps,
        blocks=blocks,
        padded=vectors * lanes,
    )
    assert math.prod(outs[0].shape) == c * taps
    return Kernel((Phase(text), Phase(end)), shared=4 * blocks * taps * vectors * lanes)


def _sums(part: Part, n: int, c: int, blocks: int, count: int, lanes: int) -> str:
    """Write the sums over the images of block b for the channels from channel on, one for each tap."""
    rows, columns, taps = part.rows, part.columns, part.taps
    padded = -(-c // lanes) * lanes
    return fill(
        """
        $zeros
        for (long n = ${n}L * b / $blocks; n < ${n}L * (b + 1) / $blocks; n++) {
          const float *image = x0 + n * ${image}L + channel;
          const float *gradient = x1 + n * ${grad}L + channel;
          $spans
        }
        $stores
        """,
        zeros=" ".join(f"vf c{t} = {{0}};" for t in range(taps)),
        n=n,
        blocks=blocks,
        image=rows.size * columns.size * c,
        grad=rows.count * columns.count * c,
        spans="".join(_span(part, r, q, c, count, lanes) for r in spans(rows) for q in spans(columns)),
        stores="\n".join(f"ST((float *)z + (b * {taps} + {t}) * {padded}L + channel, c{t});" for t in range(taps)),
    )


def _span(part: Part, r: Span, q: Span, c: int, count: int, lanes: int) -> str:
    """Write the products at the outputs of one span of rows and one of columns, where the same taps are valid."""
    rows, columns = part.rows, part.columns
    wide = len(columns.offsets)
    products = []
    for t in range(part.taps):
        if r.valid[t // wide] and q.valid[t % wide]:
            at = (rows.offsets[t // wide] * columns.size + columns.offsets[t % wide]) * c
            products.append(f"c{t} += g * {load(f'a + {at}', count, lanes)};")
    return fill(
        """
        for (long i = $r0; i < $r1; i++)
          for (long j = $q0; j < $q1; j++) {
            vf g = $gradient;
            const float *a = image + (i * $row + j * $step) * ${c}L;
            $products
          }
        """,
        r0=r.start,
        r1=r.start + r.count,
        q0=q.start,
        q1=q.start + q.count,
        gradient=load(f"gradient + (i * {columns.count} + j) * {c}L", count, lanes),
        row=rows.step * columns.size,
        step=columns.step,
        c=c,
        products="\n".join(products),
    )
