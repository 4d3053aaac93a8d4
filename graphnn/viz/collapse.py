"""What repeats in a network: runs of layers in one order, found as blocks, as copies of each other, and as chains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

from ..graph import Value
from .layers import Layer

__all__ = ["Group", "Part", "groups"]

MOST_IN_BLOCK = 80  # layers; a larger one is drawn open
LONGEST_PERIOD = 400  # parts of one copy

NEVER = 1 << 60  # the position of the last reader of what is read outside


@dataclass(frozen=True)
class Group:
    """Layers `start` to `end` (not included) of the sequence.

    `kind` is "block" (branches that one layer joins), "chain" (a layer of weights or a norm, and the norms and
    activations behind it), "prologue" (what depends on parameters alone) or "repeat" (`copies` alike, one after the
    other). `body` are the parts of the first copy. `beside` tells copies that all read the same from those that read
    the copy before.
    """

    kind: str
    start: int
    end: int
    body: tuple[Part, ...]
    copies: int = 1
    beside: bool = False


Part = int | Group


def groups(
    layers: Sequence[Layer], heads: Sequence[Value] = (), key: Callable[[Layer], Hashable] | None = None
) -> tuple[Part, ...]:
    """Give the layers (no variables among them, in graph order) as a tree of what belongs together.

    Two runs of layers are copies where layer by layer the operators (or what `key` gives) are equal and each input is
    the layer as far back, the same layer, or a variable for a variable: names say nothing.
    """
    return _Finder(layers, heads, key or (lambda layer: layer.node.op)).parts(0, len(layers), False)


Span = tuple[int, int]


class _Finder:
    """The layers as numbers: what each reads, and who reads it last."""

    def __init__(self, layers: Sequence[Layer], heads: Sequence[Value], key: Callable[[Layer], Hashable]) -> None:
        place = {layer.node: i for i, layer in enumerate(layers)}
        readers = Counter(node for layer in layers for node in {v.node for v in layer.inputs})
        for layer in layers:
            for v in layer.inputs:
                place.setdefault(v.node, -len(place) - 1)  # a variable, or a layer that is not among those looked at
        self.kinds = [layer.kind for layer in layers]
        self.keys = [key(layer) for layer in layers]
        self.inputs = [[(place[v.node], v.index) for v in layer.inputs] for layer in layers]
        # A variable that one layer alone reads belongs to it, as a weight does.
        self.sources = [{place[v.node] for v in layer.inputs if place[v.node] >= 0 or readers[v.node] > 1}
                        for layer in layers]  # fmt: skip
        self.bare: list[bool] = []
        for read in self.inputs:
            self.bare.append(all(j >= 0 and self.bare[j] for j, _ in read))
        self.last = list(range(len(layers)))
        for i, found in enumerate(self.sources):
            for j in found:
                if j >= 0:
                    self.last[j] = i
        for v in heads:
            if place.get(v.node, -1) >= 0:
                self.last[place[v.node]] = NEVER
        self.crossing = _crossing(self.last)

    def parts(self, start: int, end: int, inside: bool) -> tuple[Part, ...]:
        """Divide a range: first into blocks and single layers, then copies of these, then chains."""
        spans = list(self._spans(start, end, inside))
        return tuple(self._copies(spans))

    # Blocks

    def _spans(self, start: int, end: int, inside: bool) -> Iterator[Span]:
        """Give the outermost blocks, and what is in none as spans of one layer."""
        found: list[Span] = []
        seen: set[tuple[Hashable, ...]] = set()
        for join in range(start, end):
            first = self._block(start, join)
            if first is None:
                continue
            # A norm and an activation that follow are of the block, unless it is another's copy without them.
            core = tuple(self.keys[first : join + 1])
            span = (first, join + 1 if core in seen else self._with_followers(join, end))
            if inside and span == (start, end):
                continue
            seen.add(tuple(self.keys[slice(*span)]))
            while found and found[-1][0] >= span[0]:
                found.pop()
            if not found or found[-1][1] <= span[0]:
                found.append(span)
        at = start
        for a, b in found:
            yield from self._between(at, a)
            yield a, b
            at = b
        yield from self._between(at, end)

    def _between(self, start: int, end: int) -> Iterator[Span]:
        """Give what is in no block: single layers, and runs of several that depend on parameters alone."""
        at = start
        while at < end:
            stop = at + 1
            while self.bare[at] and stop < end and self.bare[stop]:
                stop += 1
            yield at, stop
            at = stop

    def _block(self, start: int, join: int) -> int | None:
        """Give the start of the shortest run up to `join` that reads one layer at most and is read by nobody else."""
        if len(self.sources[join]) < 2:
            return None
        wanted = set(self.sources[join])
        for first in range(join - 1, max(start, join - MOST_IN_BLOCK) - 1, -1):
            if self.last[first] > join:
                return None
            wanted.discard(first)
            wanted |= self.sources[first]
            if len(wanted) <= 1:
                return first if join - first > 1 and not self._mostly_copies(first, join) else None
        return None

    def _mostly_copies(self, start: int, end: int) -> bool:
        """Tell branches that are steps of one chain, which say more as such than as a block."""
        spans = [(i, i + 1) for i in range(start, end)]
        found = self._best(spans)
        if found is None:
            return False
        first, period, copies = found
        group = self._repeat(spans[first : first + period * copies], period, copies)
        return not group.beside and 2 * period * (copies - 1) > end - start

    def _with_followers(self, at: int, end: int) -> int:
        """Give the end of the norms and activations that alone read what is before them."""
        while at + 1 < end and self._follows(at + 1):
            at += 1
        return at + 1

    def _follows(self, i: int) -> bool:
        return self.kinds[i] in ("norm", "activation") and self.sources[i] == {i - 1} and self.last[i - 1] == i

    # Copies

    def _copies(self, spans: list[Span]) -> Iterator[Part]:
        found = self._best(spans)
        if found is None:
            yield from self._singles(spans)
            return
        first, period, copies = found
        after = first + period * copies
        yield from self._copies(spans[:first])
        yield self._repeat(spans[first:after], period, copies)
        yield from self._copies(spans[after:])

    def _repeat(self, spans: list[Span], period: int, copies: int) -> Group:
        start, end = spans[0][0], spans[-1][1]
        size = (end - start) // copies
        body = tuple(self._copies(spans[:period]))
        if len(body) == 1 and isinstance(body[0], Group):
            body = body[0].body
        second = range(start + size, start + 2 * size)
        beside = not any(start <= j < start + size for i in second for j in self.sources[i])
        return Group("repeat", start, end, body, copies, beside)

    def _best(self, spans: list[Span]) -> tuple[int, int, int] | None:
        """Give (first, period, copies), in spans, of the repetition that hides most layers; None if there is none."""
        import numpy as np

        numbers: dict[object, int] = {}
        tokens = np.array([numbers.setdefault(tuple(self.keys[a:b]), len(numbers)) for a, b in spans], np.int64)
        best, most = None, 0
        for period in range(1, min(len(spans) // 2, LONGEST_PERIOD) + 1):
            if (len(spans) - period) * MOST_IN_BLOCK <= most:
                break
            for a, b in self._runs(spans, tokens[:-period] == tokens[period:], period):
                first, copies = self._aligned(spans, a, b, period)
                hidden = spans[first + period * copies - 1][1] - spans[first + period - 1][1]
                body = spans[first + period - 1][1] - spans[first][0]
                if hidden > most and (body > 1 or copies > 2):
                    best, most = (first, period, copies), hidden
        return best

    def _runs(self, spans: list[Span], same: object, period: int) -> Iterator[Span]:
        """Give the runs, at least a period long, of parts that are like those a period later."""
        import numpy as np

        edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(same, np.int8), [0]))))
        for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            at = a
            for i in range(a, b + 1) if b - a >= period else ():
                if i == b or not self._alike(spans[i], spans[i + period]):
                    if i - at >= period:
                        yield at, i
                    at = i + 1

    def _alike(self, one: Span, other: Span) -> bool:
        away = other[0] - one[0]
        for i in range(*one):
            ins, others = self.inputs[i], self.inputs[i + away]
            if len(ins) != len(others):
                return False
            if not all(_same_input(a, b, away) for a, b in zip(ins, others, strict=True)):
                return False
        return True

    def _aligned(self, spans: list[Span], a: int, b: int, period: int) -> Span:
        """Choose where copies begin, where the run leaves a choice: where least is alive; of equals the last."""
        copies, slack = divmod(b - a + period, period)
        first = min(range(a, a + slack + 1), key=lambda i: (self.crossing[spans[i][0]], -i))
        return first, copies

    # Single parts

    def _singles(self, spans: list[Span]) -> Iterator[Part]:
        """Give blocks as groups; a layer of weights with what follows it as a chain."""
        at = 0
        while at < len(spans):
            a, b = spans[at]
            if b - a > 1:
                yield (
                    Group("prologue", a, b, tuple(range(a, b)))
                    if self.bare[b - 1]
                    else Group("block", a, b, self.parts(a, b, True))
                )
                at += 1
                continue
            end = at + 1
            while (
                self.kinds[a] in ("weights", "norm")
                and end < len(spans)
                and spans[end][1] - spans[end][0] == 1
                and self._follows(spans[end][0])
            ):
                end += 1
            yield a if end == at + 1 else Group("chain", a, a + end - at, tuple(range(a, a + end - at)))
            at = end


def _same_input(one: Span, other: Span, away: int) -> bool:
    """Tell that two inputs (layer, output) are the same, are as far back, or are two variables."""
    (a, j), (b, k) = one, other
    return a == b or (a < 0 and b < 0) or (a >= 0 and b - a == away and j == k)


def _crossing(last: Sequence[int]) -> list[int]:
    """Give for each position how many layers before it are read there or later."""
    change = [0] * (len(last) + 2)
    for i, end in enumerate(last):
        change[i + 1] += 1
        change[min(end, len(last)) + 1] -= 1
    total, found = 0, []
    for c in change[:-1]:
        total += c
        found.append(total)
    return found
