"""Gradients of 3x3 weights by minimal filtering: F(3x3, 4x4), the gradient in the place of the filter."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from graphnn.types import TensorType

from ..kernel import Kernel, Phase, fill, share, split
from ..ops import conv_weights
from ..toolchain import Target
from .geometry import Grid
from .minimal import filtering, map_columns
from .tile import most_pixels, products, zeros
from .winograd import by_class, classes, input_transform, map_step, tile_place

__all__ = ["weights_cost", "winograd_weights"]

BLOCK = 64  # tiles that are transformed before they are multiplied
PARTS = 4  # sums that threads make side by side


def weights_cost(grid: Grid, channels: int, filters: int, images: int, lanes: int) -> float:
    """Estimate the cycles for all images, on the scale of tile.runs_cost."""
    products_ = 36 * channels * filters / lanes / 2 * 1.15
    transforms = 36 * 4.5 * (channels + filters) / lanes
    return images * grid.count * (products_ + transforms) + 36 * channels * filters / lanes * 4


@dataclass(frozen=True)
class _Block:
    """Channels c and filters k, tiles of a block, vectors of a panel.

    V and Z, the transforms, are each thread's own; all see M, the products, one for each of the `parts` that the tiles
    are cut into, and W, the weights in panels, behind them.
    """

    c: int
    k: int
    tiles: int
    nv: int
    lanes: int
    parts: int
    points: int = filtering(3, 4).n ** 2

    @property
    def nr(self) -> int:
        return self.nv * self.lanes

    @property
    def v_step(self) -> int:
        return self.tiles * self.c + self.lanes

    @property
    def z_step(self) -> int:
        return self.tiles * self.k + self.lanes

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Give the elements of V (inputs), Z (gradients) and M (products)."""
        return self.points * self.v_step, self.points * self.z_step, self.points * self.c * self.k


def winograd_weights(op: conv_weights, x: TensorType, g: TensorType, target: Target, ordered: str) -> Kernel:
    """Write the loops over blocks of tiles: both transforms, a product for each point; at the end the way back.

    The tiles are cut into parts, always the same, each of which one thread sums up: results do not depend on the number
    of threads, which never wait for each other. `ordered` writes the weights from panels.
    """
    grid, lanes = op.grid, target.lanes
    assert grid is not None
    tiles = x.shape[0] * grid.count
    nv = 2 if op.filters // lanes % 2 == 0 else 1
    parts = PARTS if tiles >= PARTS * BLOCK else 1
    block = _Block(op.channels, op.filters, min(BLOCK, tiles), nv, lanes, parts)
    v, z, m = block.sizes
    inputs, call_in = _inputs(grid, block)
    gradients, call_gradients = _gradients(grid, block)
    text = fill(
        """
        /* A part's tiles block by block: inputs to V, gradients to Z, and V^T Z added to M point by point. */
        float *V = (float *)s, *Z = V + ${v}L;
        $share {
          float *M = (float *)z + part * ${m}L;
          long first = ${tiles}L * part / $parts, end = ${tiles}L * (part + 1) / $parts;
          for (long start = first; start < end; start += $block) {
            long count = end - start < $block ? end - start : $block;
            for (long k = 0; k < count; k++) {
              long tile = start + k;
              $place
              $call_in
              $call_gradients
            }
            $products
          }
        }
        """,
        v=v,
        m=m,
        share=share(parts, "part"),
        parts=parts,
        tiles=tiles,
        block=block.tiles,
        place=tile_place(grid),
        call_in=call_in,
        call_gradients=call_gradients,
        products=_multiply(block, target),
    )
    end = f"z += {4 * parts * m}L;\n{ordered}"
    shared = 4 * (parts * m + 9 * block.c * block.k)
    return Kernel((Phase(text), Phase(_back(block)), Phase(end)), 4 * (v + z), shared, (*inputs, *gradients))


def _inputs(grid: Grid, block: _Block) -> tuple[list[tuple[str, str]], str]:
    """Give the functions that transform the inputs of a tile, V = B^T x B, and the call for a tile."""
    f, c = filtering(3, 4), block.c
    rows, columns = classes(grid, 0, f.n), classes(grid, 1, f.n)
    found = {
        (i, j): input_transform(f.bt, r[2], q[2], grid.size[1], c, c, block.v_step, block.lanes)
        for i, r in enumerate(rows) for j, q in enumerate(columns)
    }  # fmt: skip
    row, column = f"down * 4 - {grid.pad[0]}", f"across * 4 - {grid.pad[1]}"
    origin = f"((image * {grid.size[0]} + {row}) * {grid.size[1]} + {column}) * {c}L"
    return list(found.values()), by_class(grid, f.n, found, f"(x0 + {origin}, V + k * {c})")


def _gradients(grid: Grid, block: _Block) -> tuple[list[tuple[str, str]], str]:
    """Give the functions that transform the gradient of a tile, Z = G g G^T, and the call for a tile."""
    f, k = filtering(3, 4), block.k
    rows, columns = ([[i < x[3] for i in range(4)] for x in classes(grid, axis, f.n)] for axis in (0, 1))
    found = {
        (i, j): input_transform(f.g, r, q, grid.columns, k, k, block.z_step, block.lanes)
        for i, r in enumerate(rows) for j, q in enumerate(columns)
    }  # fmt: skip
    origin = f"((image * {grid.rows} + down * 4) * {grid.columns} + across * 4) * {k}L"
    return list(found.values()), by_class(grid, f.n, found, f"(x1 + {origin}, Z + k * {k})")


def _multiply(block: _Block, target: Target) -> str:
    """Write M[q] += V[q]^T Z[q] over the tiles of a block, in tiles of input channels by a panel of output channels."""
    panels = block.k // block.nr
    tiles, at = "", 0
    for n, group in groupby(split(block.c, most_pixels(block.nv, target.registers))):
        end = at + n * len(list(group))
        tiles += _multiply_tile(block, at, end, n)
        at = end
    return fill(
        """
        for (long w = 0; w < $count; w++) {
          long q = w / $panels, p = w % $panels;
          const float *inputs = V + q * ${v_step}L, *gradients = Z + q * ${z_step}L + p * $nr;
          float *products = M + w * ${panel}L;
          $tiles
        }
        """,
        count=block.points * panels,
        panels=panels,
        v_step=block.v_step,
        z_step=block.z_step,
        nr=block.nr,
        panel=block.c * block.nr,
        tiles=tiles,
    )


def _multiply_tile(block: _Block, start: int, end: int, n: int) -> str:
    """Write the products of input channels [start, end), n at a time."""
    nr, nv, lanes = block.nr, block.nv, block.lanes
    sums = ""
    for i in range(n):
        for j in range(nv):
            place = f"m + {i * nr + j * lanes}"
            sums += f"if (start > first) c{i}_{j} += LD({place}); ST({place}, c{i}_{j});\n"
    loads = [f"LD(b + {j * lanes})" for j in range(nv)]
    return fill(
        """
        for (long i = $start; i < $end; i += $n) {
          const float *a = inputs + i, *b = gradients;
          float *m = products + i * $nr;
          $zeros
          $products
          $sums
        }
        """,
        start=start,
        end=end,
        n=n,
        nr=nr,
        zeros=zeros(n, nv),
        products=products(range(n), list(range(n)), loads, "count", block.c, block.k),
        sums=sums,
    )


def _back(block: _Block) -> str:
    """Write W[3 x 3] = A^T M A for the sum M of all parts, vector by vector of a panel."""
    at, size = filtering(3, 4).at, block.c * block.nr
    down, across = "", ""
    for j in range(6):
        loads = []
        for i in range(6):
            places = [part * block.sizes[2] + (i * 6 + j) * block.c * block.k for part in range(block.parts)]
            loads.append(f"vf m{i} = {' + '.join(f'LD(m + {place}L + e)' for place in places)};")
        down += map_step(loads, map_columns(at, [f"m{i}" for i in range(6)], [f"t{i}_{j}" for i in range(3)]), [])
    for i in range(3):
        work = map_columns(at, [f"t{i}_{j}" for j in range(6)], ["w0", "w1", "w2"])
        stores = [f"ST(w + {(i * 3 + j) * size}L + e, w{j});" for j in range(3)]
        across += map_step(["vf w0, w1, w2;"], work, stores)
    return fill(
        """
        $share {
          const float *m = (const float *)z + p * ${size}L;
          float *w = (float *)z + ${sums}L + p * ${all}L;
          for (long e = 0; e < $size; e += $lanes) {
            vf $between;
            $down
            $across
          }
        }
        """,
        share=share(block.k // block.nr, "p"),
        size=size,
        sums=block.parts * block.sizes[2],
        all=9 * size,
        lanes=block.lanes,
        between=", ".join(f"t{i}_{j}" for i in range(3) for j in range(6)),
        down=down,
        across=across,
    )
