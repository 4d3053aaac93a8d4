"""Matrix products y (m, n) = body(a b): which operand is packed, and the loops over panels and tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphnn.graph import Node, Value, apply, rewrite
from graphnn.ops.linalg import FullyConnected, dot
from graphnn.types import TensorType

from .body import Body
from .conv.tile import Run, crowding, most_pixels, tile, zeros
from .conv.tile import products as inner
from .dots import dots
from .finish import finish_at, panel_variants
from .kernel import Kernel, Phase, choice, emits, fill, load, over_vectors, share
from .ops import product
from .rows import over_tiles, tiles_of
from .toolchain import Target

__all__ = ["lower_products"]

FEW_ROWS = 13  # rows of a: with fewer, y is a row of dot products and nothing is packed
SHALLOW = 256  # rows of b: with fewer it is read where it lies


# From the core's operators


def lower_products(outputs: Sequence[Value]) -> list[Value]:
    """Put `product` in the place of dense layers and matrix products."""

    def rule(node: Node, xs: tuple[Value, ...]) -> Value | None:
        op = node.op
        if not isinstance(op, (FullyConnected, dot)) or any(x.dtype != "float32" for x in xs):
            return None
        shape = Value(node).shape
        if isinstance(op, FullyConnected):
            n, k = xs[1].shape
            new = product(xs[0].type.size // k, n, k, False, True, _end(shape, len(xs) > 2))
        else:
            if (op.transpose_a and op.transpose_b) or min(len(x.shape) for x in xs) < 2:
                return None
            k = xs[0].shape[0] if op.transpose_a else xs[0].shape[-1]
            m, n = xs[0].type.size // k, xs[1].type.size // k
            if shape[-1] != n:
                return None
            new = product(m, n, k, op.transpose_a, op.transpose_b, _end(shape, False))
        return Value(apply(new, *xs, name=node.name, attrs=node.attrs, origin=node.origin))

    return rewrite(outputs, rule)


def _end(shape: tuple[int, ...], bias: bool) -> Body:
    channel = (*(1,) * (len(shape) - 1), shape[-1])
    return Body(shape, (shape, channel), (("{0} + {1}", (0, 1)),), (2,)) if bias else Body(shape, (shape,), (), (0,))


# The loops


@emits(product)
def emit_product(op: product, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    if op.tb and op.m < FEW_ROWS:
        return dots(op, target)
    if op.tb:
        return _turned(op, target) if op.m <= 2 * op.n and op.n > 2 * target.lanes else _packed_b(op, target)
    if op.ta and op.m > 16 and op.k <= SHALLOW and op.n > 64:
        return _outer(op, target)
    return _panels(op, target)


def _vectors(n: int, pitch: int, target: Target) -> tuple[int, int]:
    """Give the vectors of a panel over n columns, and the rows of a tile; `pitch` is what lies between two rows.

    Rows whose distance is a multiple of 4 KB compete for the same lines of the first cache: then few and wide tiles.
    """
    vectors = -(-n // target.lanes)
    nv = vectors if vectors <= 3 and target.registers > 16 else min(vectors, 2 if vectors % 3 else 3)
    most = most_pixels(nv, target.registers)
    if crowding([i * pitch for i in range(most)]) > 1:
        nv, most = (4, 6) if target.registers > 16 and vectors % 4 == 0 else (nv, min(most, 7))
    return nv, most


def _panels(op: product, target: Target) -> Kernel:
    """a as it lies, b (k, n) by panels of columns, each packed by who needs it unless it is shallow."""
    lanes = target.lanes
    nv, most = _vectors(op.n, 0 if op.ta else op.k, target)
    nr = nv * lanes
    count = -(-op.n // nr)
    tiles = -(-op.m // most)
    groups = 1 if count >= 4 else min(tiles, 8)
    packs = op.k > SHALLOW and op.m > most

    def work(counts: Sequence[int]) -> str:
        def rows(size: int) -> str:
            return f"long out = i * {op.n}L + channel;\n" + _row_tile(op, size, nv, counts, lanes, packs)

        return over_tiles(op.m, most, "i", rows)

    text = fill(
        """
        /* Unit u: panel p of columns, rows of tiles r0 to r1 of the group g. */
        long packed = -1;
        (void)packed;
        $share {
          long p = u / $groups, g = u % $groups, r0 = ${tiles}L * g / $groups, r1 = ${tiles}L * (g + 1) / $groups;
          long channel = p * $nr;
          $pack
          $work
        }
        """,
        share=share(count * groups, "u"),
        groups=groups,
        tiles=tiles,
        nr=nr,
        pack=_pack_once(op, nr, count) if packs else "",
        work=panel_variants(op.n, nr, lanes, count, work),
    )
    return Kernel.of(text, private=4 * op.k * nr if packs else 0)


def _pack_once(op: product, nr: int, count: int) -> str:
    """Pack panel p, unless the unit before was of the same panel."""
    return fill(
        """
        float *w = (float *)s;
        if (packed != p) {
          packed = p;
          $pack
        }
        """,
        pack=_pack_rows(op, nr, count),
    )


def _outer(op: product, target: Target) -> Kernel:
    """a^T b of few rows each, a (k, m) and b (k, n): both are packed, and y is written row by row, as it lies.

    Where rows of b lie a multiple of 4 KB apart, a column of panels would not stay in the first cache.
    """
    lanes = target.lanes
    nv, most = _vectors(op.n, 0, target)
    nr = nv * lanes
    count = -(-op.n // nr)
    panel = op.k * nr
    pack = fill(
        """
        $share {
          long channel = p * $nr;
          float *w = (float *)z + p * ${panel}L;
          $pack
        }
        """,
        share=share(count, "p"),
        nr=nr,
        panel=panel,
        pack=_pack_rows(op, nr, count),
    )
    cases, done = [], 0
    for at, size, many in tiles_of(op.m, most):
        first = f"long i = {at} + (r - {done}) * {size};\n"
        done += many
        cases.append((f"r < {done}", first + _outer_tile(op, size, nr, count, lanes)))
    text = fill("$share {\n  $cases\n}\n", share=share(done, "r"), cases=choice(cases))
    return Kernel((Phase(pack), Phase(text)), private=4 * op.k * most, shared=4 * count * panel)


def _near(op: product, size: int, counts: Sequence[int], lanes: int) -> str:
    """Ask for what the end of a tile reads (a weight and its states), which comes from afar, before its products."""
    whole = [k for k, view in enumerate(op.body.views) if k and view == op.body.shape]
    places = [i * op.n + j * lanes for i in range(size) for j, c in enumerate(counts) if c]
    return "\n".join(f"__builtin_prefetch(x{k + 1} + out + {place}, 1);" for k in whole for place in places)


def _outer_tile(op: product, size: int, nr: int, count: int, lanes: int) -> str:
    """Write `size` rows of y from i on: their columns of a are packed, then all panels of b gone through."""

    def work(counts: Sequence[int]) -> str:
        finish = finish_at(op.body, [j * op.n for j in range(size)], counts, lanes, "out", "channel", 2)
        used = [j for j, c in enumerate(counts) if c]
        loads = [f"LD(b + {j * lanes})" for j in used]
        b = f"(const float *)z + p * {op.k * nr}L"
        loop = inner(range(size), list(range(size)), loads, op.k, size, nr)
        return _near(op, size, counts, lanes) + "\n" + _tile_block(size, used, "columns", b, loop, finish)

    return fill(
        """
        float *columns = (float *)s;
        for (long k = 0; k < $k; k++) memcpy(columns + k * $size, x0 + k * ${m}L + i, $bytes);
        for (long p = 0; p < $count; p++) {
          long channel = p * $nr, out = i * ${n}L + channel;
          $work
        }
        """,
        k=op.k,
        size=size,
        m=op.m,
        bytes=4 * size,
        count=count,
        nr=nr,
        n=op.n,
        work=panel_variants(op.n, nr, lanes, count, work),
    )


def _tile_block(
    size: int, used: Sequence[int], a: str, b: str, loop: str, finish: Callable[[int, int, str], str]
) -> str:
    """Write a tile of `size` rows by the vectors `used`: zeros, the loop over the pointers a and b, the ends."""
    return fill(
        """
        {
          $zeros
          const float *a = $a, *b = $b;
          $loop
          $ends
        }
        """,
        zeros=zeros(size, len(used)),
        a=a,
        b=b,
        loop=loop,
        ends="\n".join(finish(i, j, f"c{i}_{k}") for i in range(size) for k, j in enumerate(used)),
    )


def _row_tile(op: product, size: int, nv: int, counts: Sequence[int], lanes: int, packed: bool) -> str:
    bases = [i * (1 if op.ta else op.k) for i in range(size)]
    places = [i * op.n for i in range(size)]
    finish = finish_at(op.body, places, counts, lanes, "out", "channel", 2)
    a = "x0 + i" if op.ta else f"x0 + i * {op.k}L"
    if packed and not op.ta:
        return tile(bases, [Run(0, tuple(range(size)), 0, op.k)], nv, lanes, f"({a})", "w", finish)
    used = [j for j, c in enumerate(counts) if c]
    if packed:
        loads, b, step = [f"LD(b + {j * lanes})" for j in used], "w", nv * lanes
    else:
        loads, b, step = [load(f"b + {j * lanes}", counts[j], lanes) for j in used], "x1 + channel", op.n
    loop = inner(range(size), bases, loads, op.k, op.m if op.ta else 1, step)
    return _tile_block(size, used, a, b, loop, finish)


def _pack_rows(op: product, nr: int, count: int) -> str:
    """Copy the columns of one panel of b (k, n) together."""
    rest = op.n - (count - 1) * nr
    whole = f"memcpy(w + k * {nr}, x1 + k * {op.n}L + channel, {4 * nr});"
    if rest == nr:
        return f"for (long k = 0; k < {op.k}; k++) {whole}\n"
    return fill(
        """
        for (long k = 0; k < $k; k++)
          if (p < $last) $whole else {
            memset(w + k * $nr, 0, $bytes);
            memcpy(w + k * $nr, x1 + k * ${n}L + channel, $rest);
          }
        """,
        k=op.k,
        last=count - 1,
        whole=whole,
        nr=nr,
        bytes=4 * nr,
        n=op.n,
        rest=4 * rest,
    )


def _pack_turned(x: str, first: str, n: int, k: int, nr: int, lanes: int) -> str:
    """Write the panels of the transpose of x (n, k), `lanes` rows of it at a time; rows behind the last are 0."""
    return fill(
        """
        $share {
          long p = v * $lanes / $nr, c = v * $lanes % $nr, $first = v * $lanes;
          float *w = (float *)z + p * ${panel}L + c;
          long rows = $n - $first;
          if (rows > $lanes) rows = $lanes;
          if (rows < 0) rows = 0;
          if (rows < $lanes) for (long k = 0; k < $k; k++) ST(w + k * $nr, (vf){0});
          transpose($x + $first * ${k}L, rows, $k, $k, w, $nr);
        }
        """,
        share=share(-(-n // nr) * nr // lanes, "v"),
        lanes=lanes,
        nr=nr,
        first=first,
        panel=k * nr,
        n=n,
        k=k,
        x=x,
    )


def _packed_b(op: product, target: Target) -> Kernel:
    """b (n, k) narrow: its transpose is packed once for all, then the panels go as ever."""
    lanes = target.lanes
    nv, most = _vectors(op.n, op.k, target)
    nr = nv * lanes
    count = -(-op.n // nr)

    def work(counts: Sequence[int]) -> str:
        def rows(size: int) -> str:
            return f"long out = i * {op.n}L + channel;\n" + _row_tile(
                replace(op, tb=False), size, nv, counts, lanes, True
            )

        return over_tiles(op.m, most, "i", rows)

    text = fill(
        """
        $share {
          long p = u % $count, q = u / $count, r0 = q, r1 = q + 1, channel = p * $nr;
          const float *w = (const float *)z + p * ${panel}L;
          $work
        }
        """,
        share=share(-(-op.m // most) * count, "u"),
        count=count,
        nr=nr,
        panel=op.k * nr,
        work=panel_variants(op.n, nr, lanes, count, work),
    )
    pack = _pack_turned("x1", "n0", op.n, op.k, nr, lanes)
    return Kernel((Phase(pack), Phase(text)), shared=4 * count * op.k * nr)


def _turned(op: product, target: Target) -> Kernel:
    """b (n, k) wide: y^T = b a^T, so that b is read as it lies and only a is packed, transposed.

    Three phases: a^T in panels of rows of y; tiles of y^T; the transpose of those through the body.
    """
    lanes = target.lanes
    nv, most = _vectors(op.m, op.k, target)
    nr = nv * lanes
    count = -(-op.m // nr)
    size = op.k * nr
    height = count * nr

    def rows(size: int) -> str:
        run = Run(0, tuple(range(size)), 0, op.k)
        store = _store_turned(height, lanes, nr)
        return tile([i * op.k for i in range(size)], [run], nv, lanes, f"(x1 + i * {op.k}L)", "w", store)

    text = fill(
        """
        float *yt = (float *)z + ${at}L;
        for (long p = 0; p < $count; p++) {
          const float *w = (const float *)z + p * ${size}L;
          long r0 = ${tiles}L * t / T, r1 = ${tiles}L * (t + 1) / T;
          $work
        }
        """,
        at=count * size,
        count=count,
        size=size,
        tiles=-(-op.n // most),
        work=over_tiles(op.n, most, "i", rows),
    )
    pack = _pack_turned("x0", "m0", op.m, op.k, nr, lanes)
    end = _untransposed(op, height, count * size, lanes)
    return Kernel((Phase(pack), Phase(text), Phase(end)), shared=4 * (count * size + op.n * height))


def _store_turned(height: int, lanes: int, nr: int) -> Callable[[int, int, str], str]:
    return lambda i, j, acc: f"ST(yt + (i + {i}) * {height}L + p * {nr} + {j * lanes}, {acc});"


def _untransposed(op: product, height: int, at: int, lanes: int) -> str:
    """Write y from y^T (n, height), block by block of rows, through the body."""

    def work(count: int) -> str:
        finish = finish_at(op.body, [0], [count], lanes, "out", "channel", 2)
        at = f"yt + channel * {height}L + i0"
        whole = f"tr_block({at}, {height}, block, {lanes});"
        return fill(
            """
            $transpose
            for (long i = 0; i < rows; i++) {
              long out = (i0 + i) * ${n}L + channel;
              vf c = LD(block + i * $lanes);
              $finish
            }
            """,
            transpose=whole if count == lanes else f"transpose({at}, {count}, {lanes}, {height}, block, {lanes});",
            n=op.n,
            lanes=lanes,
            finish=finish(0, 0, "c"),
        )

    return fill(
        """
        const float *yt = (const float *)z + ${at}L;
        for (long v = ${blocks}L * t / T; v < ${blocks}L * (t + 1) / T; v++) {
          long i0 = v * $lanes, rows = $m - i0 < $lanes ? $m - i0 : $lanes;
          float block[$square] __attribute__((aligned(64)));
          $channels
        }
        """,
        at=at,
        blocks=-(-op.m // lanes),
        lanes=lanes,
        m=op.m,
        square=lanes * lanes,
        channels=over_vectors("channel", op.n, lanes, work),
    )
