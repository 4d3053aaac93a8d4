"""Matrix products y (m, n) = body(a b): which operand is packed, and the loops over panels and tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from graphnn.graph import Node, Value, apply, rewrite
from graphnn.ops.linalg import FullyConnected, dot
from graphnn.types import TensorType

from .body import Body, evaluate
from .conv.tile import Run, crowding, most_pixels, tile, zeros
from .conv.tile import products as inner
from .finish import finish_at, panel_variants
from .kernel import Kernel, Phase, emits, share, split
from .ops import product
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
        return _dots(op, target)
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
    if target.registers > 16 and vectors % 4 == 0 and crowding([i * pitch for i in range(most)]) > 1:
        nv, most = 4, 6
    return nv, most


def _tiles(n: int, most: int) -> list[tuple[int, int, int]]:
    """Cut n rows into nearly equal tiles: (first row, rows of a tile, how many)."""
    found, at = [], 0
    for size, group in groupby(split(n, most)):
        count = len(list(group))
        found.append((at, size, count))
        at += size * count
    return found


def _over_tiles(n: int, most: int, row: str, work: Callable[[int], str]) -> str:
    """Write the loops over the tiles number r0 to r1 of n rows: `work(rows of a tile)` where `row` is the first."""
    text, done = "", 0
    for at, size, count in _tiles(n, most):
        low, high = done, done + count
        text += f"for (long r = r0 > {low} ? r0 : {low}; r < (r1 < {high} ? r1 : {high}); r++) {{ "
        text += f"long {row} = {at} + (r - {low}) * {size};\n{work(size)}}}\n"
        done = high
    return text


def _count(n: int, most: int) -> int:
    return -(-n // most)


def _panels(op: product, target: Target) -> Kernel:
    """a as it lies, b (k, n) by panels of columns, each packed by who needs it unless it is shallow."""
    lanes = target.lanes
    nv, most = _vectors(op.n, 0 if op.ta else op.k, target)
    nr = nv * lanes
    count = -(-op.n // nr)
    tiles = _count(op.m, most)
    groups = 1 if count >= 4 else min(tiles, 8)
    packs = op.k > SHALLOW and op.m > most
    text = "long packed = -1; (void)packed;\n"
    text += f"for (long u = {count * groups}L * t / T, end = {count * groups}L * (t + 1) / T; u < end; u++) {{\n"
    text += (
        f"long p = u / {groups}, g = u % {groups}, r0 = {tiles}L * g / {groups}, r1 = {tiles}L * (g + 1) / {groups};\n"
    )
    text += f"long ch = p * {nr};\n"
    if packs:
        text += f"float *w = (float *)s;\nif (packed != p) {{ packed = p;\n{_pack_rows(op, nr, lanes, count)}}}\n"

    def work(counts: Sequence[int]) -> str:
        def rows(size: int) -> str:
            return f"long o = i * {op.n}L + ch;\n" + _row_tile(op, size, nv, counts, lanes, packs)

        return _over_tiles(op.m, most, "i", rows)

    text += panel_variants(op.n, nr, lanes, count, work) + "}\n"
    return Kernel.of(text, private=4 * op.k * nr if packs else 0)


def _outer(op: product, target: Target) -> Kernel:
    """a^T b of few rows each, a (k, m) and b (k, n): both are packed, and y is written row by row, as it lies.

    Where rows of b lie a multiple of 4 KB apart, a column of panels would not stay in the first cache.
    """
    lanes = target.lanes
    nv, most = _vectors(op.n, 0, target)
    nr = nv * lanes
    count = -(-op.n // nr)
    panel = op.k * nr
    pack = f"{share(count, 'p')} {{ long ch = p * {nr}; float *w = (float *)z + p * {panel}L;\n"
    pack += _pack_rows(op, nr, lanes, count) + "}\n"
    tiles = _tiles(op.m, most)
    total = sum(c for _, _, c in tiles)
    text = f"{share(total, 'r')} {{\n"
    done = 0
    for at, size, many in tiles:
        text += f"{'else ' if done else ''}if (r < {done + many}) {{ long i = {at} + (r - {done}) * {size};\n"
        text += f"float *q = (float *)s; for (long k = 0; k < {op.k}; k++) "
        text += f"memcpy(q + k * {size}, x0 + k * {op.m}L + i, {4 * size});\n"

        def work(counts: Sequence[int], size: int = size) -> str:
            finish = finish_at(op.body, [j * op.n for j in range(size)], counts, lanes, "o", "ch", 2)
            used = [j for j, c in enumerate(counts) if c]
            loads = [f"LD(b + {j * lanes})" for j in used]
            loop = inner(range(size), list(range(size)), loads, op.k, size, nr)
            ends = "".join(finish(j, v, f"c{j}_{k}") for j in range(size) for k, v in enumerate(used))
            b = f"(const float *)z + p * {panel}L"
            near = _near(op, size, counts, lanes)
            return f"{{ {near}{zeros(size, len(used))} const float *a = q, *b = {b};\n{loop}{ends}\n}}\n"

        text += f"for (long p = 0; p < {count}; p++) {{ long ch = p * {nr}, o = i * {op.n}L + ch;\n"
        text += panel_variants(op.n, nr, lanes, count, work) + "}\n}\n"
        done += many
    text += "}\n"
    return Kernel((Phase(pack), Phase(text)), private=4 * op.k * most, shared=4 * count * panel)


def _near(op: product, size: int, counts: Sequence[int], lanes: int) -> str:
    """Ask for what the end of a tile reads (a weight and its states), which comes from afar, before its products."""
    whole = [k for k, view in enumerate(op.body.views) if k and view == op.body.shape]
    places = [j * lanes for j, c in enumerate(counts) if c]
    lines = [
        f"__builtin_prefetch(x{k + 1} + o + {i * op.n + j}, 1);" for k in whole for i in range(size) for j in places
    ]
    return " ".join(lines) + "\n" if lines else ""


def _row_tile(op: product, size: int, nv: int, counts: Sequence[int], lanes: int, packed: bool) -> str:
    bases = [i * (1 if op.ta else op.k) for i in range(size)]
    places = [i * op.n for i in range(size)]
    finish = finish_at(op.body, places, counts, lanes, "o", "ch", 2)
    a = "x0 + i" if op.ta else f"x0 + i * {op.k}L"
    if packed and not op.ta:
        return tile(bases, [Run(0, tuple(range(size)), 0, op.k)], nv, lanes, f"({a})", "w", finish)
    used = [j for j, c in enumerate(counts) if c]
    if packed:
        loads, b, step = [f"LD(b + {j * lanes})" for j in used], "w", nv * lanes
    else:
        loads = [f"LD(b + {j * lanes})" if counts[j] == lanes else f"lds(b + {j * lanes}, {counts[j]})" for j in used]
        b, step = "x1 + ch", op.n
    loop = inner(range(size), bases, loads, op.k, op.m if op.ta else 1, step)
    ends = "".join(finish(i, j, f"c{i}_{k}") for i in range(size) for k, j in enumerate(used))
    return f"{{ {zeros(size, len(used))} const float *a = {a}, *b = {b};\n{loop}{ends}\n}}\n"


def _pack_rows(op: product, nr: int, lanes: int, count: int) -> str:
    """Copy the columns of one panel of b (k, n) together."""
    rest = op.n - (count - 1) * nr
    whole = f"memcpy(w + k * {nr}, x1 + k * {op.n}L + ch, {4 * nr});"
    if rest == nr:
        return f"for (long k = 0; k < {op.k}; k++) {whole}\n"
    part = f"{{ memset(w + k * {nr}, 0, {4 * nr}); memcpy(w + k * {nr}, x1 + k * {op.n}L + ch, {4 * rest}); }}"
    return f"for (long k = 0; k < {op.k}; k++) if (p < {count - 1}) {whole} else {part}\n"


def _packed_b(op: product, target: Target) -> Kernel:
    """b (n, k) narrow: its transpose is packed once for all, then the panels go as ever."""
    lanes = target.lanes
    nv, most = _vectors(op.n, op.k, target)
    nr = nv * lanes
    count = -(-op.n // nr)
    size = op.k * nr
    pack = (
        f"{share(count * nr // lanes, 'v')} {{ long p = v * {lanes} / {nr}, c = v * {lanes} % {nr}, n0 = v * {lanes};\n"
    )
    pack += f"float *w = (float *)z + p * {size}L + c; long m = {op.n} - n0; if (m > {lanes}) m = {lanes}; "
    pack += "if (m < 0) m = 0;\n"
    pack += f"if (m < {lanes}) for (long k = 0; k < {op.k}; k++) ST(w + k * {nr}, (vf){{0}});\n"
    pack += f"transpose(x1 + n0 * {op.k}L, m, {op.k}, {op.k}, w, {nr}); }}\n"
    tiles = _count(op.m, most)
    text = f"for (long u = {tiles * count}L * t / T, end = {tiles * count}L * (t + 1) / T; u < end; u++) {{\n"
    text += f"long p = u % {count}, q = u / {count}, r0 = q, r1 = q + 1, ch = p * {nr}; "
    text += f"const float *w = (const float *)z + p * {size}L;\n"

    def work(counts: Sequence[int]) -> str:
        def rows(size: int) -> str:
            return f"long o = i * {op.n}L + ch;\n" + _row_tile(replace(op, tb=False), size, nv, counts, lanes, True)

        return _over_tiles(op.m, most, "i", rows)

    text += panel_variants(op.n, nr, lanes, count, work) + "}\n"
    return Kernel((Phase(pack), Phase(text)), shared=4 * count * size)


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
    pack = f"{share(height // lanes, 'v')} {{ long p = v * {lanes} / {nr}, c = v * {lanes} % {nr}, m0 = v * {lanes};\n"
    pack += f"float *w = (float *)z + p * {size}L + c; long m = {op.m} - m0; if (m > {lanes}) m = {lanes}; "
    pack += "if (m < 0) m = 0;\n"
    pack += f"if (m < {lanes}) for (long k = 0; k < {op.k}; k++) ST(w + k * {nr}, (vf){{0}});\n"
    pack += f"transpose(x0 + m0 * {op.k}L, m, {op.k}, {op.k}, w, {nr}); }}\n"
    tiles = _count(op.n, most)

    def rows(size: int) -> str:
        run = Run(0, tuple(range(size)), 0, op.k)
        store = _store_turned(height, lanes, nr)
        return tile([i * op.k for i in range(size)], [run], nv, lanes, f"(x1 + i * {op.k}L)", "w", store)

    text = f"float *yt = (float *)z + {count * size}L;\n"
    text += f"for (long p = 0; p < {count}; p++) {{ const float *w = (const float *)z + p * {size}L;\n"
    text += f"long r0 = {tiles}L * t / T, r1 = {tiles}L * (t + 1) / T;\n"
    text += _over_tiles(op.n, most, "i", rows) + "}\n"
    end = _untransposed(op, height, count * size, lanes)
    return Kernel((Phase(pack), Phase(text), Phase(end)), shared=4 * (count * size + op.n * height))


def _store_turned(height: int, lanes: int, nr: int) -> Callable[[int, int, str], str]:
    return lambda i, j, acc: f"ST(yt + (i + {i}) * {height}L + p * {nr} + {j * lanes}, {acc});"


def _untransposed(op: product, height: int, at: int, lanes: int) -> str:
    """Write y from y^T (n, height), block by block of rows, through the body."""
    vectors, rest = divmod(op.n, lanes)
    text = f"const float *yt = (const float *)z + {at}L;\n"
    text += f"for (long v = {-(-op.m // lanes)}L * t / T; v < {-(-op.m // lanes)}L * (t + 1) / T; v++) {{ "
    text += f"long i0 = v * {lanes}, m = {op.m} - i0 < {lanes} ? {op.m} - i0 : {lanes};\n"
    text += f"float q[{lanes * lanes}] __attribute__((aligned(64)));\n"

    def work(counts: Sequence[int]) -> str:
        finish = finish_at(op.body, [0], counts, lanes, "o", "ch", 2)
        row = f"long o = (i0 + i) * {op.n}L + ch; vf c = LD(q + i * {lanes}); {finish(0, 0, 'c')}"
        return f"for (long i = 0; i < m; i++) {{ {row} }}\n"

    if vectors:
        text += f"for (long ch = 0; ch < {vectors * lanes}; ch += {lanes}) {{ "
        text += f"tr_block(yt + ch * {height}L + i0, {height}, q, {lanes});\n{work([lanes])}}}\n"
    if rest:
        text += f"{{ long ch = {vectors * lanes}; "
        text += f"transpose(yt + ch * {height}L + i0, {rest}, {lanes}, {height}, q, {lanes});\n{work([rest])}}}\n"
    return text + "}\n"


def _dots(op: product, target: Target) -> Kernel:
    """Few rows: dot products along k of every row of a with one or some rows of b.

    With one row of a the time is that of reading b: one row after another, with sums enough to hide the latency.
    """
    lanes = target.lanes
    columns = min(op.n, 1 if op.m < 3 else 2 if op.m < 5 else max(1, min(3, (target.registers - 3) // op.m)))
    deep = max(1, 8 // (op.m * columns))
    tiles = _count(op.n, columns)
    text = f"long r0 = {tiles}L * t / T, r1 = {tiles}L * (t + 1) / T;\n"
    text += _over_tiles(op.n, columns, "j", lambda size: _dot_tile(op, size, deep, lanes))
    return Kernel.of(text)


def _dot_tile(op: product, columns: int, deep: int, lanes: int) -> str:
    """Write the products of all rows of a with `columns` rows of b, `deep` vectors at a time."""
    text = f"const float *b = x1 + j * {op.k}L;\n" + "".join(zeros(op.m, columns, f"{d}_") for d in range(deep))

    def step(at: str, d: int, count: int) -> str:
        load = (lambda x: f"LD({x})") if count == lanes else (lambda x: f"lds({x}, {count})")
        line = "".join(f"vf b{j} = {load(f'b + {j * op.k} + {at}')}; " for j in range(columns))
        for i in range(op.m):
            sums = "".join(f"c{d}_{i}_{j} += a * b{j}; " for j in range(columns))
            line += f"{{ vf a = {load(f'x0 + {i * op.k} + {at}')}; {sums}}}\n"
        return f"{{ {line}}}\n"

    whole = op.k // (lanes * deep) * lanes * deep
    if whole:
        steps = "".join(step(f"k + {d * lanes}", d, lanes) for d in range(deep))
        text += f"for (long k = 0; k < {whole}; k += {lanes * deep}) {{\n{steps}}}\n"
    for at in range(whole, op.k, lanes):
        text += step(str(at), 0, min(lanes, op.k - at))
    for i in range(op.m):
        for j in range(columns):
            total = " + ".join(f"c{d}_{i}_{j}" for d in range(deep))
            text += _single(op, f"vsum({total})", f"{i * op.n} + j + {j}", f"j + {j}")
    return text


def _single(op: product, value: str, at: str, channel: str) -> str:
    """Store one element through the body."""
    names, loads = ["e"], f"vf e = set1({value}); "
    for k, view in enumerate(op.body.views[1:]):
        place = at if view == op.body.shape else "0" if view[-1] == 1 else channel
        loads += f"vf e{k} = set1(x{2 + k}[{place}]); "
        names.append(f"e{k}")
    lines, values = evaluate(op.body, names)
    stores = "".join(f"y{k}[{at}] = {values[v]}[0]; " for k, v in enumerate(op.body.full))
    return f"{{ {loads}{lines} {stores}}}\n"
