"""Gradients of 3x3 weights by minimal filtering: F(3x3, 4x4), the gradient in the place of the filter."""

from __future__ import annotations

from itertools import groupby

from graphnn.types import TensorType

from ..kernel import Kernel, Phase, share, split
from ..ops import conv_weights
from ..toolchain import Target
from .geometry import Grid
from .minimal import filtering, map_columns
from .tile import most_pixels, products, zeros
from .winograd import by_class, classes, input_transform

__all__ = ["weights_cost", "winograd_weights"]

BLOCK = 64  # tiles that are transformed before they are multiplied


def weights_cost(grid: Grid, channels: int, filters: int, images: int, lanes: int) -> float:
    """Estimate the cycles for all images, on the scale of tile.runs_cost."""
    products_ = 36 * channels * filters / lanes / 2 * 1.15
    transforms = 36 * 4.5 * (channels + filters) / lanes
    return images * grid.count * (products_ + transforms) + 36 * channels * filters / lanes * 4


def winograd_weights(op: conv_weights, x: TensorType, g: TensorType, target: Target, ordered: str) -> Kernel:
    """Write the loops over blocks of tiles: both transforms, a product for each point; at the end the way back.

    Threads share the tiles of a block, then its points, so that every sum is made by one thread in one order.
    `ordered` writes the weights from panels.
    """
    grid, lanes, f = op.grid, target.lanes, filtering(3, 4)
    assert grid is not None
    c, k = op.channels, op.filters
    nv = 2 if k // lanes % 2 == 0 else 1
    nr, points = nv * lanes, f.n * f.n
    tiles = x.shape[0] * grid.count
    block = min(BLOCK, tiles)
    v_step, z_step = block * c + lanes, block * k + lanes
    rows, columns = classes(grid, 0, f.n), classes(grid, 1, f.n)
    pairs = [(r, q) for r in range(len(rows)) for q in range(len(columns))]
    tin = {p: input_transform(f.bt, rows[p[0]][2], columns[p[1]][2], grid.size[1], c, c, v_step, lanes) for p in pairs}
    kept = [[i < row[3] for i in range(4)] for row in rows], [[i < column[3] for i in range(4)] for column in columns]
    din = {p: input_transform(f.g, kept[0][p[0]], kept[1][p[1]], grid.columns, k, k, z_step, lanes) for p in pairs}
    v_size, z_size, m_size = points * v_step, points * z_step, points * c * k
    buffers = f"float *V = (float *)z, *Z = V + {v_size}L, *M = Z + {z_size}L, *W = M + {m_size}L; (void)W;\n"
    place = f"long b = g / {grid.count}, q = g % {grid.count}, th = q / {grid.across}, tw = q % {grid.across};\n"
    origin = f"((b * {grid.size[0]} + th * 4 - {grid.pad[0]}) * {grid.size[1]} + tw * 4 - {grid.pad[1]}) * {c}L"
    there = f"((b * {grid.rows} + th * 4) * {grid.columns} + tw * 4) * {k}L"
    text = f"{buffers}for (long t0 = 0; t0 < {tiles}; t0 += {block}) {{\n"
    text += f"long count = {tiles} - t0 < {block} ? {tiles} - t0 : {block};\n"
    text += f"for (long k = count * t / T; k < count * (t + 1) / T; k++) {{ long g = t0 + k; {place}"
    text += by_class(grid, f.n, tin, f"(x0 + {origin}, V + k * {c})")
    text += by_class(grid, f.n, din, f"(x1 + {there}, Z + k * {k})") + "}\n"
    text += f"gn_barrier();\n{_multiply(c, k, nv, points, v_step, z_step, target)}gn_barrier();\n}}\n"
    back = buffers + _back(c, k, nr, lanes)
    end = f"z += {4 * (v_size + z_size + m_size)}L;\n{ordered}"
    functions = (*tin.values(), *din.values())
    size = 4 * (v_size + z_size + m_size + 9 * c * k)
    return Kernel((Phase(text), Phase(back), Phase(end)), shared=size, functions=functions)


def _multiply(c: int, k: int, nv: int, points: int, v_step: int, z_step: int, target: Target) -> str:
    """Write M[q] += V[q]^T Z[q] over the tiles of a block, in tiles of input channels by a panel of output channels."""
    lanes = target.lanes
    nr = nv * lanes
    panels = k // nr
    groups = [(n, len(list(g))) for n, g in groupby(split(c, most_pixels(nv, target.registers)))]
    total = points * panels
    text = f"{share(total, 'w')} {{ long q = w / {panels}, p = w % {panels};\n"
    text += f"const float *vq = V + q * {v_step}L, *zq = Z + q * {z_step}L + p * {nr}; float *m0 = M + w * {c * nr}L;\n"
    at = 0
    for n, count in groups:
        text += f"for (long i = {at}; i < {at + n * count}; i += {n}) {{ const float *a = vq + i, *b = zq; "
        text += f"float *m = m0 + i * {nr};\n"
        text += zeros(n, nv)
        text += products(range(n), list(range(n)), [f"LD(b + {j * lanes})" for j in range(nv)], "count", c, k)
        for i in range(n):
            for j in range(nv):
                place = f"m + {i * nr + j * lanes}"
                text += f"if (t0) c{i}_{j} += LD({place}); ST({place}, c{i}_{j}); "
            text += "\n"
        text += "}\n"
        at += n * count
    return text + "}\n"


def _back(c: int, k: int, nr: int, lanes: int) -> str:
    """Write W[3 x 3] = A^T M A, vector by vector of a panel."""
    f = filtering(3, 4)
    size = c * nr
    body = f"for (long e = 0; e < {size}; e += {lanes}) {{ "
    body += f"vf {', '.join(f't{i}_{j}' for i in range(3) for j in range(6))};\n"
    for j in range(6):
        body += "{ " + "".join(f"vf x_{i} = LD(m + {(i * 6 + j) * c * k}L + e); " for i in range(6)) + "\n"
        body += map_columns(f.at, [f"x_{i}" for i in range(6)], [f"t{i}_{j}" for i in range(3)]) + "}\n"
    for i in range(3):
        body += "{ vf y0_, y1_, y2_;\n" + map_columns(f.at, [f"t{i}_{j}" for j in range(6)], ["y0_", "y1_", "y2_"])
        body += "".join(f"ST(w + {(i * 3 + j) * size}L + e, y{j}_); " for j in range(3)) + "}\n"
    return f"{share(k // nr, 'p')} {{ const float *m = M + p * {size}L; float *w = W + p * {9 * size}L;\n{body}}}\n}}\n"
