"""What all products share: panels of output channels of which the last may be narrower, and what ends a tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .body import Body, evaluate
from .kernel import fill, load, store

__all__ = ["finish_at", "panel_variants"]


def panel_variants(filters: int, nr: int, lanes: int, count: int, work: Callable[[Sequence[int]], str]) -> str:
    """Write `work(lanes of each vector)` for whole panels and, where it differs, for the last one (p: panel)."""
    whole = [lanes] * (nr // lanes)
    rest = filters - (count - 1) * nr
    if rest == nr:
        return work(whole)
    last = [max(0, min(lanes, rest - j * lanes)) for j in range(nr // lanes)]
    if count == 1:
        return work(last)
    return fill(
        """
        if (p % $count < $last_panel) {
          $whole
        } else {
          $last
        }
        """,
        count=count,
        last_panel=count - 1,
        whole=work(whole),
        last=work(last),
    )


def finish_at(
    body: Body, places: Sequence[int], counts: Sequence[int], lanes: int, at: str, channel: str, first: int
) -> Callable[[int, int, str], str]:
    """Give what stores accumulator (pixel, vector): the body over it, input k > 0 of the body being x{first + k - 1}.

    `places` are the pixels' offsets from output element `at`; `channel` is the first channel of the panel.
    """

    def finish(i: int, j: int, acc: str) -> str:
        count = counts[j]
        if count == 0:
            return f"(void){acc};"
        here = f"{at} + {places[i] + j * lanes}"
        there = f"{channel} + {j * lanes}"
        loads = []
        for k, view in enumerate(body.views[1:]):
            x = f"x{first + k}"
            if view == body.shape:
                loads.append(load(f"{x} + {here}", count, lanes))
            else:
                loads.append(f"set1({x}[0])" if view[-1] == 1 else load(f"{x} + {there}", count, lanes))
        named = [f"vf e{k} = {x};" for k, x in enumerate(loads)]
        lines, values = evaluate(body, [acc, *(f"e{k}" for k in range(len(loads)))])
        stores = [store(f"y{k} + {here}", values[v], count, lanes) for k, v in enumerate(body.full)]
        return f"{{ {' '.join([*named, *lines, *stores])} }}"

    return finish
