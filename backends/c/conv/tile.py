"""The register tile that every product is made of: some pixels by some vectors of output channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..kernel import fill

__all__ = ["Run", "crowding", "most_pixels", "products", "runs_cost", "tile", "zeros"]

Finish = Callable[[int, int, str], str]  # (pixel, vector, accumulator) -> the statement that stores it


@dataclass(frozen=True)
class Run:
    """Products of `length` consecutive inputs and panel rows, `repeat` times, for the pixels named.

    Input: `a[offset + base[pixel] + k]`, and `jump` further at each repetition; weights from panel row `row` on.
    """

    row: int
    pixels: tuple[int, ...]
    offset: int
    length: int
    repeat: int = 1
    jump: int = 0


def zeros(rows: int, nv: int, tag: str = "") -> str:
    """Declare the accumulators c0_0, ..., named c{tag}0_0 with a tag."""
    return "".join(" ".join(f"vf c{tag}{i}_{j} = {{0}};" for j in range(nv)) + "\n" for i in range(rows))


def products(
    rows: Sequence[int], bases: Sequence[int], loads: Sequence[str], count: int | str, a_step: int, b_step: int
) -> str:
    """Write `for k < count: acc[i][j] += a[k a_step + bases[i]] * b[k b_step][j]` for the accumulator rows named.

    `loads` are the vectors of b at pointer `b`, which moves on.
    """
    at = "k" if a_step == 1 else f"k * {a_step}"
    work = ""
    for i in rows:
        work += f"v = a[{at} + {bases[i]}]; " + " ".join(f"c{i}_{j} += v * b{j};" for j in range(len(loads))) + "\n"
    unroll = min(4, count) if isinstance(count, int) else 4
    return fill(
        """
        $unroll
        for (long k = 0; k < $count; k++, b += $step) {
          $load
          float v;
          $work
        }
        """,
        unroll=f"UNROLL({unroll})" if unroll > 1 else "",
        count=count,
        step=b_step,
        load=" ".join(f"vf b{j} = {x};" for j, x in enumerate(loads)),
        work=work,
    )


def tile(bases: Sequence[int], runs: Sequence[Run], nv: int, lanes: int, a: str, b: str, finish: Finish) -> str:
    """Write acc[pixel][vector] += a[...] * b[row][vector] over all runs, then `finish` for each accumulator.

    `bases` are the pixels' constant offsets from the pointer `a`; `b` points to a panel of rows of nv vectors.
    """
    accumulators = [(i, j) for i in range(len(bases)) for j in range(nv)]
    return fill(
        """
        {
          $zeros
          $runs
          $ends
        }
        """,
        zeros=zeros(len(bases), nv),
        runs="".join(_run(run, bases, nv, lanes, a, b) for run in runs),
        ends="\n".join(end for i, j in accumulators if (end := finish(i, j, f"c{i}_{j}"))),
    )


def _run(run: Run, bases: Sequence[int], nv: int, lanes: int, a: str, b: str) -> str:
    """Write the products of one run."""
    loads = [f"LD(b + {j * lanes})" for j in range(nv)]
    loop = products(run.pixels, bases, loads, run.length, 1, nv * lanes)
    again = f"for (int r = 0; r < {run.repeat}; r++, a += {run.jump}) {{\n  $loop\n}}\n"
    return fill(
        """
        {
          const float *a = $a + $offset, *b = $b + $row;
          $loop
        }
        """,
        a=a,
        offset=run.offset,
        b=b,
        row=run.row * nv * lanes,
        loop=fill(again, loop=loop) if run.repeat > 1 else loop,
    )


def most_pixels(nv: int, registers: int) -> int:
    """Give how many pixels' accumulators fit the registers, beside the weights' and one broadcast."""
    most = (registers - nv - 1) // nv
    return min(most, 16 if nv == 1 else 14 if nv == 2 else most)


def crowding(bases: Sequence[int]) -> float:
    """Give the factor by which a tile slows where its pixels' inputs compete for the same lines of the first cache.

    Lines 4 KB apart share a set, of which there are 64 of 8 or more ways.
    """
    sets = [line % 64 for line in {base // 16 for base in bases}]
    most = max(sets.count(s) for s in set(sets))
    return 1.0 if most <= 7 else 1.35


def runs_cost(runs: Sequence[Run], nv: int) -> float:
    """Estimate the cycles of a tile's loops: two multiply-adds or two loads a cycle, four cycles of latency."""
    total = 0.0
    for run in runs:
        n = len(run.pixels)
        each = max(n * nv / 2, (n + nv) / 2, 4.0)
        total += run.repeat * (run.length * each + 6)
    return total
