"""What all products share: panels of output channels of which the last may be narrower, and what ends a tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .body import Body, evaluate

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
    return f"if (p % {count} < {count - 1}) {{\n{work(whole)}}} else {{\n{work(last)}}}\n"


def finish_at(
    body: Body, places: Sequence[int], counts: Sequence[int], lanes: int, at: str, channel: str, first: int
) -> Callable[[int, int, str], str]:
    """Give what stores accumulator (pixel, vector): the body over it, input k > 0 of the body being x{first + k - 1}.

    `places` are the pixels' offsets from output element `at`; `channel` is the first channel of the panel.
    """
    shape = body.shape

    def finish(i: int, j: int, acc: str) -> str:
        count = counts[j]
        if count == 0:
            return f"(void){acc};"
        offset = f"{at} + {places[i] + j * lanes}"
        names, loads = [acc], ""
        for k, view in enumerate(body.views[1:]):
            x = f"x{first + k}"
            if view == shape:
                load = f"LD({x} + {offset})" if count == lanes else f"lds({x} + {offset}, {count})"
            elif view[-1] == 1:
                load = f"set1({x}[0])"
            else:
                place = f"{channel} + {j * lanes}"
                load = f"LD({x} + {place})" if count == lanes else f"lds({x} + {place}, {count})"
            loads += f"vf e{k} = {load}; "
            names.append(f"e{k}")
        lines, values = evaluate(body, names)
        stores = ""
        for k, v in enumerate(body.full):
            y = f"y{k} + {offset}"
            stores += f"ST({y}, {values[v]}); " if count == lanes else f"sts({y}, {values[v]}, {count}); "
        return f"{{ {loads}{lines} {stores}}}"

    return finish
