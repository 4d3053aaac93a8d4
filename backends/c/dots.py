"""Products with few rows, y = body(a b^T): sums of products along rows of both, with nothing packed."""

from __future__ import annotations

from .body import evaluate
from .conv.tile import zeros
from .kernel import Kernel, fill, load
from .ops import product
from .rows import over_tiles
from .toolchain import Target

__all__ = ["dots"]


def dots(op: product, target: Target) -> Kernel:
    """Few rows: dot products along k of every row of a with one or some rows of b.

    With one row of a the time is that of reading b: one row after another, with sums enough to hide the latency.
    """
    lanes = target.lanes
    columns = min(op.n, 1 if op.m < 3 else 2 if op.m < 5 else max(1, min(3, (target.registers - 3) // op.m)))
    deep = max(1, 8 // (op.m * columns))
    tiles = -(-op.n // columns)
    share_of_tiles = f"long r0 = {tiles}L * t / T, r1 = {tiles}L * (t + 1) / T;\n"
    text = share_of_tiles + over_tiles(op.n, columns, "j", lambda size: _dot_tile(op, size, deep, lanes))
    return Kernel.of(text)


def _dot_tile(op: product, columns: int, deep: int, lanes: int) -> str:
    """Write the products of all rows of a with `columns` rows of b, `deep` vectors at a time."""
    whole = op.k // (lanes * deep) * lanes * deep
    rest = range(whole, op.k, lanes)
    ends = ""
    for i in range(op.m):
        for j in range(columns):
            total = " + ".join(f"c{d}_{i}_{j}" for d in range(deep))
            ends += _single(op, f"vsum({total})", f"{i * op.n} + j + {j}", f"j + {j}")
    loop = f"for (long k = 0; k < {whole}; k += {lanes * deep}) {{\n  $steps\n}}\n"
    steps = "".join(_dot_step(op, columns, f"k + {d * lanes}", d, lanes, lanes) for d in range(deep))
    return fill(
        """
        const float *b = x1 + j * ${k}L;
        $zeros
        $loop
        $rest
        $ends
        """,
        k=op.k,
        zeros="".join(zeros(op.m, columns, f"{d}_") for d in range(deep)),
        loop=fill(loop, steps=steps) if whole else "",
        rest="".join(_dot_step(op, columns, str(at), 0, min(lanes, op.k - at), lanes) for at in rest),
        ends=ends,
    )


def _dot_step(op: product, columns: int, at: str, d: int, count: int, lanes: int) -> str:
    """Write the products of one vector of every row, from element `at` on, into the sums number d."""
    rows = ""
    for i in range(op.m):
        sums = " ".join(f"c{d}_{i}_{j} += a * b{j};" for j in range(columns))
        rows += f"{{ vf a = {load(f'x0 + {i * op.k} + {at}', count, lanes)}; {sums} }}\n"
    return fill(
        """
        {
          $loads
          $rows
        }
        """,
        loads="\n".join(f"vf b{j} = {load(f'b + {j * op.k} + {at}', count, lanes)};" for j in range(columns)),
        rows=rows,
    )


def _single(op: product, value: str, at: str, channel: str) -> str:
    """Store one element through the body."""
    loads = [f"vf e = set1({value});"]
    for k, view in enumerate(op.body.views[1:]):
        place = at if view == op.body.shape else "0" if view[-1] == 1 else channel
        loads.append(f"vf e{k} = set1(x{2 + k}[{place}]);")
    lines, values = evaluate(op.body, ["e", *(f"e{k}" for k in range(len(loads) - 1))])
    stores = [f"y{k}[{at}] = {values[v]}[0];" for k, v in enumerate(op.body.full)]
    return f"{{ {' '.join([*loads, *lines, *stores])} }}\n"
