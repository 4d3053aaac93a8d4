"""Convolution 3x3 of stride 1 by minimal filtering: tiles of the image are transformed, multiplied point by point as
small matrix products, and transformed back (Lavin and Gray, 2016, with channels last).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphnn.types import TensorType

from ..body import evaluate
from ..kernel import Kernel, Phase, emits, function, literal, share, split
from ..ops import pack_winograd, winograd
from ..toolchain import Target
from .geometry import Grid
from .minimal import Filtering, Matrix, filtering, map_columns, map_rows
from .tile import Run, most_pixels, tile

__all__ = ["by_class", "classes", "cost", "input_transform", "traffic"]

CACHED = 512 << 10  # bytes of transformed weights that stay in the second-level cache
TOGETHER = 128  # tiles: so few are transformed all at once, and threads share the points


def cost(grid: Grid, channels: int, filters: int, images: int, lanes: int) -> float:
    """Estimate the cycles for all images, on the scale of tile.runs_cost."""
    n = grid.m + 2
    products = n * n * channels * filters / lanes / 2 * 1.1
    transforms = (n * n * 4.5 * channels + (n * n * 2 + grid.m * n * 2) * filters) / lanes
    return images * grid.count * (products + transforms) + traffic(4 * n * n * channels * filters)


def traffic(nbytes: int) -> float:
    """Estimate the cycles to read weights once, by where they can stay."""
    return nbytes / 32 if nbytes < 1 << 20 else nbytes / 16 if nbytes < 8 << 20 else nbytes / 6


def classes(grid: Grid, axis: int, n: int) -> list[tuple[int, int, tuple[bool, ...], int]]:
    """Give runs of tiles along an axis with the same inputs inside: (first, end, inside, outputs kept)."""
    found: list[tuple[int, int, tuple[bool, ...], int]] = []
    for t in range(grid.down if axis == 0 else grid.across):
        inside, kept = grid.inside(axis, t, n), grid.kept(axis, t)
        if found and found[-1][2:] == (inside, kept):
            found[-1] = (found[-1][0], t + 1, inside, kept)
        else:
            found.append((t, t + 1, inside, kept))
    return found


def input_transform(
    matrix: Matrix, rows: Sequence[bool], columns: Sequence[bool], width: int, pitch: int, channels: int,
    step: int, lanes: int,
) -> tuple[str, str]:  # fmt: skip
    """Give (name, text) of a function: v[i][j] = matrix x matrix^T for each channel vector; rows of v are `step` apart.

    Inputs outside the image, where `rows` or `columns` is False, are 0.
    """
    n, k = len(matrix), len(matrix[0])
    inside = [j for j in range(k) if columns[j]]
    body = f"for (long c = 0; c < {channels}; c += {lanes}) {{ "
    body += f"vf {', '.join(f't{i}_{j}' for i in range(n) for j in inside)};\n"
    for j in inside:
        names = [f"x{i}" if rows[i] else None for i in range(k)]
        body += (
            "{ " + "".join(f"vf x{i} = LD(x + {(i * width + j) * pitch} + c); " for i in range(k) if names[i]) + "\n"
        )
        body += map_rows(matrix, names, [f"t{i}_{j}" for i in range(n)]) + "}\n"
    for i in range(n):
        body += f"{{ vf {', '.join(f'y{j}' for j in range(n))};\n"
        present = [f"t{i}_{j}" if columns[j] else None for j in range(k)]
        body += map_rows(matrix, present, [f"y{j}" for j in range(n)])
        body += "".join(f"ST(v + {(i * n + j) * step} + c, y{j}); " for j in range(n)) + "}\n"
    return function("tin", "(const float *x, float *v)", body + "}\n")


def _output_transform(
    op: winograd, f: Filtering, rows: int, columns: int, width: int, step: int, lanes: int
) -> tuple[str, str]:
    """Give a function that makes rows x columns outputs of a tile through the body."""
    more = "".join(f", const float *x{i + 1}" for i in range(1, len(op.body.views)))
    k = op.filters
    # The point at infinity is for the last output alone.
    down, across = (f.n if kept == f.m else f.n - 1 for kept in (rows, columns))
    left, right = (tuple(row[:n] for row in f.at[:kept]) for n, kept in ((down, rows), (across, columns)))
    body = f"for (long c = 0; c < {k}; c += {lanes}) {{ "
    body += f"vf {', '.join(f't{i}_{j}' for i in range(rows) for j in range(across))};\n"
    for j in range(across):
        body += "{ " + "".join(f"vf x_{i} = LD(v + {(i * f.n + j) * step} + c); " for i in range(down)) + "\n"
        body += map_columns(left, [f"x_{i}" for i in range(down)], [f"t{i}_{j}" for i in range(rows)]) + "}\n"
    for i in range(rows):
        body += f"{{ vf {', '.join(f'y{j}' for j in range(columns))};\n"
        body += map_columns(right, [f"t{i}_{j}" for j in range(across)], [f"y{j}" for j in range(columns)])
        for j in range(columns):
            body += _finish(op, f"y{j}", f"o + {(i * width + j) * k} + c")
        body += "}\n"
    return function("tout", f"(const float *v, float *y, long o{more})", body + "}\n")


def _finish(op: winograd, value: str, at: str) -> str:
    names, loads = [value], ""
    for k, view in enumerate(op.body.views[1:]):
        x = f"x{k + 2}"
        load = f"LD({x} + {at})" if view == op.body.shape else f"set1({x}[0])" if view[-1] == 1 else f"LD({x} + c)"
        loads += f"vf e{k} = {load}; "
        names.append(f"e{k}")
    lines, values = evaluate(op.body, names)
    return f"{{ {loads}{lines} ST(y + {at}, {values[op.body.full[0]]}); }}\n"


@emits(winograd)
def emit_winograd(op: winograd, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """Blocks of tiles by one thread each, or where tiles are few all tiles at once in three phases."""
    f, grid, lanes = filtering(op.grid.m, 3), op.grid, target.lanes
    n, points = ins[0].shape[0], filtering(op.grid.m, 3).n ** 2
    tiles = n * grid.count
    together = tiles <= TOGETHER
    weights = 4 * points * op.channels * op.filters
    block = tiles if together else min(tiles, 16 if weights <= CACHED else 64)
    v_step, m_step = block * op.channels + lanes, block * op.filters + lanes
    size = 4 * points * (v_step + m_step)
    functions: list[tuple[str, str]] = []
    width, pitch = grid.size[1], op.channels
    rows, columns = classes(grid, 0, f.n), classes(grid, 1, f.n)
    tin = {
        (r, c): input_transform(f.bt, rows[r][2], columns[c][2], width, pitch, op.channels, v_step, lanes)
        for r in range(len(rows)) for c in range(len(columns))
    }  # fmt: skip
    tout = {
        (r, c): _output_transform(op, f, rows[r][3], columns[c][3], grid.columns, m_step, lanes)
        for r in range(len(rows)) for c in range(len(columns))
    }  # fmt: skip
    functions = [*tin.values(), *tout.values()]
    place = f"long b = g / {grid.count}, q = g % {grid.count}, th = q / {grid.across}, tw = q % {grid.across};\n"
    origin = (
        f"((b * {grid.size[0]} + th * {grid.m} - {grid.pad[0]}) * {width} + tw * {grid.m} - {grid.pad[1]}) * {pitch}L"
    )
    call_in = by_class(grid, f.n, tin, f"(x0 + {origin}, V + k * {op.channels})")
    more = "".join(f", x{i + 1}" for i in range(1, len(op.body.views)))
    out = f"((b * {grid.rows} + th * {grid.m}) * {grid.columns} + tw * {grid.m}) * {op.filters}L"
    call_out = by_class(grid, f.n, tout, f"(M + k * {op.filters}, y0, {out}{more})")
    buffers = f"float *V = (float *){'z' if together else 's'}, *M = V + {points * v_step};\n"
    if together:
        phases = (
            f"{buffers}(void)M; {share(tiles, 'k')} {{ long g = k; {place}{call_in}}}\n",
            f"{buffers}{_products(op, points, tiles, v_step, m_step, target, True)}",
            f"{buffers}(void)V; {share(tiles, 'k')} {{ long g = k; {place}{call_out}}}\n",
        )
        return Kernel(tuple(map(Phase, phases)), shared=size, functions=tuple(functions))
    blocks, rest = divmod(tiles, block)
    text = f"{buffers}for (long u = {blocks + bool(rest)}L * t / T; u < {blocks + bool(rest)}L * (t + 1) / T; u++) {{\n"
    text += f"long count = {tiles} - u * {block} < {block} ? {tiles} - u * {block} : {block};\n"
    text += f"for (long k = 0; k < count; k++) {{ long g = u * {block} + k; {place}{call_in}}}\n"
    text += _products(op, points, block, v_step, m_step, target, False)
    text += f"for (long k = 0; k < count; k++) {{ long g = u * {block} + k; {place}{call_out}}}\n}}\n"
    return Kernel((Phase(text),), private=size, functions=tuple(functions))


def by_class(grid: Grid, n: int, functions: dict[tuple[int, int], tuple[str, str]], arguments: str) -> str:
    text = ""
    columns = classes(grid, 1, n)
    for r, (_, r_end, *_) in enumerate(classes(grid, 0, n)):
        text += f"{'else ' if r else ''}if (th < {r_end}) {{ "
        for c, (_, c_end, *_) in enumerate(columns):
            text += f"{'else ' if c else ''}if (tw < {c_end}) {functions[r, c][0]}{arguments}; "
        text += "}\n"
    return text


def _products(op: winograd, points: int, block: int, v_step: int, m_step: int, target: Target, shared: bool) -> str:
    """Write M[q] = V[q] U[q] for every point q, panel by panel. A last, smaller block is multiplied whole."""
    lanes = target.lanes
    nv = op.nr // lanes
    panels = op.filters // op.nr
    most = most_pixels(nv, target.registers)
    sizes = split(block, most)
    units = points * panels
    loop = share(units, "w") if shared else f"for (long w = 0; w < {units}; w++)"
    text = f"{loop} {{ long q = w / {panels}, p = w % {panels}; const float *U = x1 + w * {op.channels * op.nr}L;\n"
    text += f"const float *a0 = V + q * {v_step}; float *m0 = M + q * {m_step} + p * {op.nr};\n"
    at = 0
    groups = [(n, sizes.count(n)) for n in dict.fromkeys(sizes)]
    for n, count in groups:
        run = Run(0, tuple(range(n)), 0, op.channels)

        def store(i: int, j: int, acc: str) -> str:
            return f"ST(m + {i * op.filters + j * lanes}, {acc});"

        body = tile([i * op.channels for i in range(n)], [run], nv, lanes, "v_", "U", store)
        text += f"for (long k = {at}; k < {at + n * count}{'' if shared else ' && k < count'}; k += {n}) {{ "
        text += f"const float *v_ = a0 + k * {op.channels}; float *m = m0 + k * {op.filters};\n{body}}}\n"
        at += n * count
    return text + "}\n"


@emits(pack_winograd)
def emit_pack(op: pack_winograd, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """U = G w G^T: the nine elements of each weight by the matrix G x G, lane by lane."""
    o, c = (ins[0].shape[0], ins[0].shape[-1] if op.last else ins[0].shape[1])
    filters, channels = (c, o) if op.turned else (o, c)
    g = filtering(op.m, 3).g
    n = len(g)
    panels = filters // op.nr
    step_o, step_c, step_t = (9 * c, 1, c) if op.last else (9 * c, 9, 1)
    lane, depth = (step_c, step_o) if op.turned else (step_o, step_c)
    text = f"{share(panels * channels, 'u')} {{ long p = u / {channels}, k = u % {channels};\n"
    text += f"for (long i = 0; i < {op.nr}; i++) {{ const float *w = x0 + (p * {op.nr} + i) * {lane}L + k * {depth}L;\n"
    order = range(8, -1, -1) if op.turned else range(9)
    text += "".join(f"float w{k} = w[{t * step_t}]; " for k, t in enumerate(order)) + "\n"
    text += f"float *y = y0 + (p * {channels} + k) * {op.nr}L + i;\n"
    for i in range(n):
        for s in range(3):
            text += f"float r{i}_{s} = {_scalar(g[i], [f'w{r * 3 + s}' for r in range(3)])}; "
        for j in range(n):
            value = _scalar(g[j], [f"r{i}_{s}" for s in range(3)])
            text += f"y[{(i * n + j) * panels * channels * op.nr}L] = {value};\n"
    return Kernel.of(text + "} }\n")


def _scalar(row: Sequence[float], names: Sequence[str]) -> str:
    return " + ".join(f"{literal(a)} * {x}" for a, x in zip(row, names, strict=True) if a) or "0.0f"
