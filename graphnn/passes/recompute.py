"""Recomputation: what is cheap to make is made again in the backward part, instead of being kept for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..graph import Node, Value, apply, outputs_of, toposort

__all__ = ["recompute"]

SMALL = 64 << 10  # bytes of a value that is not worth the trouble
CHEAP = frozenset({"_prelu", "_scale_shift"})  # beside what is elementwise: maps by channel


def recompute(parts: Sequence[int]) -> Callable[[Sequence[Value]], list[Value]]:
    """Make the pass. `parts` says of each output with which part it is wanted: 0 forward, 1 backward.

    A forward value by element that backward nodes read is computed again for them, from values that are kept. Of a
    chain of such values every other one is kept, so that no more than one step is repeated for each: the time is at
    most that of the forward part's elementwise steps (Chen et al., 2016, with the layers' products always kept).
    Runs after common subexpressions are merged, which would undo it.
    """
    return lambda outputs: _Recompute(outputs, parts).run()


class _Recompute:
    """The working state of one run."""

    def __init__(self, outputs: Sequence[Value], parts: Sequence[int]) -> None:
        self.outputs = list(outputs)
        self.order = toposort(outputs)
        late = [bool(p) for p in parts] or [False] * len(self.outputs)
        first = [v for v, p in zip(outputs, late, strict=True) if not p]
        self.forward = set(toposort(first))
        self.heads = set(first)
        self.saved = {v for n in self.order if n not in self.forward for v in n.inputs if v.node in self.forward}
        self.dropped: set[Value] = set()
        self.copies: dict[Node, Node] = {}

    def run(self) -> list[Value]:
        for node in self.order:
            v = Value(node)
            if node in self.forward and v in self.saved and v not in self.heads and self._cheap(node):
                if v.type.nbytes >= SMALL and self._from_kept(node):
                    self.dropped.add(v)
        return self._rebuilt()

    def _cheap(self, node: Node) -> bool:
        op = node.op
        known = not (op.is_variable or op.is_constant or op.view or op.random) and bool(node.inputs)
        return known and op.num_outputs == 1 and (op.elementwise or op.name in CHEAP)

    def _from_kept(self, node: Node) -> bool:
        """Tell whether a node can be repeated from values that the backward part keeps anyway."""
        stack, seen = [node], set()
        while stack:
            for v in stack.pop().inputs:
                small = v.type.nbytes < SMALL or v.node.op.is_variable or v.node.op.is_constant
                if v in self.dropped:
                    return False
                if v in self.saved or small or v.node in seen:
                    continue
                if not self._cheap(v.node):
                    return False
                seen.add(v.node)
                stack.append(v.node)
        return True

    def _rebuilt(self) -> list[Value]:
        new: dict[Value, Value] = {}
        for node in self.order:
            if node in self.forward:
                new.update((v, v) for v in outputs_of(node))
                continue
            inputs = [self._again(v) if v in self.dropped else new[v] for v in node.inputs]
            same = all(a == b for a, b in zip(inputs, node.inputs, strict=True))
            kept = node if same else apply(node.op, *inputs, name=node.name, attrs=node.attrs, origin=node.origin)
            new.update(zip(outputs_of(node), outputs_of(kept), strict=True))
        return [self._again(v) if v in self.dropped and v not in self.heads else new[v] for v in self.outputs]

    def _again(self, v: Value) -> Value:
        """Give a copy of a forward value, made from values that are kept; each is copied once."""
        todo = [v.node]
        while todo:
            node = todo[-1]
            open_ = [x.node for x in node.inputs if self._repeats(x) and x.node not in self.copies]
            if node in self.copies or not open_:
                todo.pop()
                if node not in self.copies:
                    inputs = [Value(self.copies[x.node], x.index) if self._repeats(x) else x for x in node.inputs]
                    self.copies[node] = apply(node.op, *inputs, name=f"{node.name}_again", origin=node.origin)
            else:
                todo += open_
        return Value(self.copies[v.node], v.index)

    def _repeats(self, v: Value) -> bool:
        """Tell whether a value is made again, since it is kept neither for backward nor by itself."""
        return v not in self.saved and v.type.nbytes >= SMALL and self._cheap(v.node)
