"""Convolution 3x3 of stride 1 by minimal filtering: tiles of the image are transformed, multiplied point by point as
small matrix products, and transformed back (Lavin and Gray, 2016, with channels last).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphnn.types import TensorType

from ..body import evaluate
from ..kernel import Kernel, Phase, choice, emits, fill, function, literal, share, split
from ..ops import pack_winograd, winograd
from ..toolchain import Target
from .geometry import Grid
from .minimal import Filtering, Matrix, filtering, map_columns, map_rows
from .tile import Run, most_pixels, tile

__all__ = ["by_class", "classes", "cost", "input_transform", "map_step", "tile_place", "traffic"]

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
    down, across = "", ""
    for j in inside:
        names = [f"x{i}" if rows[i] else None for i in range(k)]
        loads = [f"vf x{i} = LD(x + {(i * width + j) * pitch} + c);" for i in range(k) if names[i]]
        down += map_step(loads, map_rows(matrix, names, [f"t{i}_{j}" for i in range(n)]), [])
    for i in range(n):
        present = [f"t{i}_{j}" if columns[j] else None for j in range(k)]
        stores = [f"ST(v + {(i * n + j) * step} + c, y{j});" for j in range(n)]
        across += map_step([_vectors("y", n)], map_rows(matrix, present, [f"y{j}" for j in range(n)]), stores)
    body = fill(
        _TRANSFORM,
        note="One tile of inputs: columns, then rows, through the matrix; what lies outside the image is left out.",
        channels=channels,
        lanes=lanes,
        between=", ".join(f"t{i}_{j}" for i in range(n) for j in inside),
        down=down,
        across=across,
    )
    return function("tin", "(const float *x, float *v)", body)


# A linear map of the columns of a tile, then of the rows of the result.
_TRANSFORM = """
    /* $note */
    for (long c = 0; c < $channels; c += $lanes) {
      vf $between;
      $down
      $across
    }
"""


def map_step(before: Sequence[str], work: str, after: Sequence[str]) -> str:
    """Write the map of one column or row: loads or declarations, the map, and what follows it."""
    block = """
        {
          $before
          $work
          $after
        }
    """
    return fill(block, before="\n".join(before), work=work, after="\n".join(after))


def _vectors(name: str, n: int) -> str:
    return f"vf {', '.join(f'{name}{j}' for j in range(n))};"


def _output_transform(
    op: winograd, f: Filtering, rows: int, columns: int, width: int, step: int, lanes: int
) -> tuple[str, str]:
    """Give a function that makes rows x columns outputs of a tile through the body."""
    k = op.filters
    # The point at infinity is for the last output alone.
    high, wide = (f.n if kept == f.m else f.n - 1 for kept in (rows, columns))
    left, right = (tuple(row[:n] for row in f.at[:kept]) for n, kept in ((high, rows), (wide, columns)))
    down, across = "", ""
    for j in range(wide):
        loads = [f"vf m{i} = LD(v + {(i * f.n + j) * step} + c);" for i in range(high)]
        down += map_step(
            loads, map_columns(left, [f"m{i}" for i in range(high)], [f"t{i}_{j}" for i in range(rows)]), []
        )
    for i in range(rows):
        work = map_columns(right, [f"t{i}_{j}" for j in range(wide)], [f"y{j}" for j in range(columns)])
        ends = [_finish(op, f"y{j}", f"o + {(i * width + j) * k} + c") for j in range(columns)]
        across += map_step([_vectors("y", columns)], work, ends)
    body = fill(
        _TRANSFORM,
        note="One tile of products back to outputs: columns, then rows; each through what follows the convolution.",
        channels=k,
        lanes=lanes,
        between=", ".join(f"t{i}_{j}" for i in range(rows) for j in range(wide)),
        down=down,
        across=across,
    )
    more = "".join(f", const float *x{i + 1}" for i in range(1, len(op.body.views)))
    return function("tout", f"(const float *v, float *y, long o{more})", body)


def _finish(op: winograd, value: str, at: str) -> str:
    """Write what stores a vector of outputs at `at` through the body."""
    loads = []
    for k, view in enumerate(op.body.views[1:]):
        x = f"x{k + 2}"
        vector = f"LD({x} + {at})" if view == op.body.shape else f"set1({x}[0])" if view[-1] == 1 else f"LD({x} + c)"
        loads.append(f"vf e{k} = {vector};")
    lines, values = evaluate(op.body, [value, *(f"e{k}" for k in range(len(loads)))])
    return f"{{ {' '.join([*loads, *lines])} ST(y + {at}, {values[op.body.full[0]]}); }}"


@dataclass(frozen=True)
class _Block:
    """Tiles of a block, points, the distances of two points in V (inputs) and M (products)."""

    tiles: int
    points: int
    v_step: int
    m_step: int
    shared: bool  # whether threads share one block

    @property
    def nbytes(self) -> int:
        return 4 * self.points * (self.v_step + self.m_step)

    @property
    def buffers(self) -> str:
        return f"float *V = (float *){'z' if self.shared else 's'}, *M = V + {self.points * self.v_step};\n"


@emits(winograd)
def emit_winograd(op: winograd, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    """Blocks of tiles by one thread each, or where tiles are few all tiles at once in three phases."""
    points, lanes = filtering(op.grid.m, 3).n ** 2, target.lanes
    tiles = ins[0].shape[0] * op.grid.count
    together = tiles <= TOGETHER
    weights = 4 * points * op.channels * op.filters
    size = tiles if together else min(tiles, 16 if weights <= CACHED else 64)
    block = _Block(size, points, size * op.channels + lanes, size * op.filters + lanes, together)
    place = tile_place(op.grid)
    inputs, call_in = _inputs(op, block, lanes)
    outputs, call_out = _outputs(op, block, lanes)
    make = _together if together else _in_blocks
    kernel = make(tiles, block, place + call_in, _products(op, block, target), place + call_out)
    return kernel.calling((*inputs, *outputs))


def tile_place(grid: Grid) -> str:
    """Write where a tile of all images lies: its image, and how many tiles down and across."""
    return fill(
        """
        long image = tile / $count, within = tile % $count, down = within / $across, across = within % $across;
        """,
        count=grid.count,
        across=grid.across,
    )


def _inputs(op: winograd, block: _Block, lanes: int) -> tuple[list[tuple[str, str]], str]:
    """Give the functions that transform the inputs of a tile, and the C that calls the right one for a tile."""
    f, grid, pitch = filtering(op.grid.m, 3), op.grid, op.channels
    rows, columns = classes(grid, 0, f.n), classes(grid, 1, f.n)
    found = {
        (i, j): input_transform(f.bt, r[2], c[2], grid.size[1], pitch, op.channels, block.v_step, lanes)
        for i, r in enumerate(rows) for j, c in enumerate(columns)
    }  # fmt: skip
    row, column = f"down * {grid.m} - {grid.pad[0]}", f"across * {grid.m} - {grid.pad[1]}"
    origin = f"((image * {grid.size[0]} + {row}) * {grid.size[1]} + {column}) * {pitch}L"
    return list(found.values()), by_class(grid, f.n, found, f"(x0 + {origin}, V + k * {op.channels})")


def _outputs(op: winograd, block: _Block, lanes: int) -> tuple[list[tuple[str, str]], str]:
    """Give the functions that make the outputs of a tile, and the C that calls the right one for a tile."""
    f, grid = filtering(op.grid.m, 3), op.grid
    rows, columns = classes(grid, 0, f.n), classes(grid, 1, f.n)
    found = {
        (i, j): _output_transform(op, f, r[3], c[3], grid.columns, block.m_step, lanes)
        for i, r in enumerate(rows) for j, c in enumerate(columns)
    }  # fmt: skip
    first = f"((image * {grid.rows} + down * {grid.m}) * {grid.columns} + across * {grid.m}) * {op.filters}L"
    more = "".join(f", x{i + 1}" for i in range(1, len(op.body.views)))
    return list(found.values()), by_class(grid, f.n, found, f"(M + k * {op.filters}, y0, {first}{more})")


def _together(tiles: int, block: _Block, call_in: str, products: str, call_out: str) -> Kernel:
    """Write three phases; in each the threads share all tiles, or all points."""
    each = """
        $buffers
        (void)$other;
        $share {
          long tile = k;
          $call
        }
    """
    loop = share(tiles, "k")
    phases = (
        fill(each, buffers=block.buffers, other="M", share=loop, call=call_in),
        block.buffers + products,
        fill(each, buffers=block.buffers, other="V", share=loop, call=call_out),
    )
    return Kernel(tuple(map(Phase, phases)), shared=block.nbytes)


def _in_blocks(tiles: int, block: _Block, call_in: str, products: str, call_out: str) -> Kernel:
    """Write the loop over a thread's blocks, each of which goes all the way through."""
    text = fill(
        """
        /* A block goes all the way through: inputs to V, products M = V U, M to outputs. */
        $buffers
        for (long u = ${blocks}L * t / T; u < ${blocks}L * (t + 1) / T; u++) {
          long count = $tiles - u * $block < $block ? $tiles - u * $block : $block;
          for (long k = 0; k < count; k++) {
            long tile = u * $block + k;
            $call_in
          }
          $products
          for (long k = 0; k < count; k++) {
            long tile = u * $block + k;
            $call_out
          }
        }
        """,
        buffers=block.buffers,
        blocks=-(-tiles // block.tiles),
        tiles=tiles,
        block=block.tiles,
        call_in=call_in,
        products=products,
        call_out=call_out,
    )
    return Kernel((Phase(text),), private=block.nbytes)


def by_class(grid: Grid, n: int, functions: dict[tuple[int, int], tuple[str, str]], arguments: str) -> str:
    """Write the call of the function for the tile (down, across): `functions` has one for each pair of classes."""
    rows = []
    for r, (_, r_end, *_) in enumerate(classes(grid, 0, n)):
        cases = ""
        for c, (_, c_end, *_) in enumerate(classes(grid, 1, n)):
            cases += f"{'else ' if c else ''}if (across < {c_end}) {functions[r, c][0]}{arguments};\n"
        rows.append((f"down < {r_end}", cases))
    return choice(rows)


def _products(op: winograd, block: _Block, target: Target) -> str:
    """Write M[q] = V[q] U[q] for every point q, panel by panel. A last, smaller block is multiplied whole."""
    panels = op.filters // op.nr
    sizes = split(block.tiles, most_pixels(op.nr // target.lanes, target.registers))
    tiles, at = "", 0
    for n in dict.fromkeys(sizes):
        end = at + n * sizes.count(n)
        tiles += _product_tile(op, at, end, n, target.lanes, "" if block.shared else " && k < count")
        at = end
    units = block.points * panels
    return fill(
        """
        $loop {
          long q = w / $panels, p = w % $panels;
          const float *U = x1 + w * ${panel}L;
          const float *points = V + q * $v_step;
          float *products = M + q * $m_step + p * $nr;
          $tiles
        }
        """,
        loop=share(units, "w") if block.shared else f"for (long w = 0; w < {units}; w++)",
        panels=panels,
        panel=op.channels * op.nr,
        v_step=block.v_step,
        m_step=block.m_step,
        nr=op.nr,
        tiles=tiles,
    )


def _product_tile(op: winograd, start: int, end: int, n: int, lanes: int, more: str) -> str:
    """Write the products of tiles [start, end) with one panel, n at a time."""

    def store(i: int, j: int, acc: str) -> str:
        return f"ST(m + {i * op.filters + j * lanes}, {acc});"

    run = Run(0, tuple(range(n)), 0, op.channels)
    return fill(
        """
        for (long k = $start; k < $end$more; k += $n) {
          const float *inputs = points + k * $channels;
          float *m = products + k * $filters;
          $body
        }
        """,
        start=start,
        end=end,
        more=more,
        n=n,
        channels=op.channels,
        filters=op.filters,
        body=tile([i * op.channels for i in range(n)], [run], op.nr // lanes, lanes, "inputs", "U", store),
    )


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
    order = range(8, -1, -1) if op.turned else range(9)
    return Kernel.of(
        fill(
            """
            $share {
              long p = u / $channels, k = u % $channels;
              for (long i = 0; i < $nr; i++) {
                const float *w = x0 + (p * $nr + i) * ${lane}L + k * ${depth}L;
                $loads
                float *y = y0 + (p * $channels + k) * ${nr}L + i;
                $points
              }
            }
            """,
            share=share(panels * channels, "u"),
            channels=channels,
            nr=op.nr,
            lane=lane,
            depth=depth,
            loads="\n".join(f"float w{k} = w[{t * step_t}];" for k, t in enumerate(order)),
            points="".join(_points(g, i, panels * channels * op.nr) for i in range(n)),
        )
    )


def _points(g: Matrix, i: int, step: int) -> str:
    """Write row i of G w G^T, to places `step` apart."""
    text = ""
    for s in range(3):
        text += f"float r{i}_{s} = {_scalar(g[i], [f'w{r * 3 + s}' for r in range(3)])};\n"
    for j, row in enumerate(g):
        value = _scalar(row, [f"r{i}_{s}" for s in range(3)])
        text += f"y[{(i * len(g) + j) * step}L] = {value};\n"
    return text


def _scalar(row: Sequence[float], names: Sequence[str]) -> str:
    return " + ".join(f"{literal(a)} * {x}" for a, x in zip(row, names, strict=True) if a) or "0.0f"
