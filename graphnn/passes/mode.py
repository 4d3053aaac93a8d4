"""Put the training or the inference form of every operator in place, and collect what running it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..graph import Node, Value, named_after, outputs_of, rewrite

__all__ = ["Moded", "set_mode"]

Updates = list[tuple[str, Value, int]]


@dataclass(frozen=True)
class Moded:
    """The outputs in one mode, and the updates by name (0: of forward, 1: of backward)."""

    outputs: list[Value]
    updates: Updates


def set_mode(outputs: Sequence[Value], is_train: bool, state: Value | None) -> Moded:
    """Rewrite for training or inference. `state` is the variable (seed, call) that random operators read."""
    updates: Updates = []
    streams = 0

    def rule(node: Node, xs: tuple[Value, ...]) -> Value | Sequence[Value] | None:
        nonlocal streams
        if node.op.random and state is not None:
            new = node.op.seeded(xs, state, streams, is_train)
            streams += new is not None
            if new is not None:
                return named_after(node, xs, [new] if isinstance(new, Value) else list(new))
        out = node.op.for_mode(is_train, xs)
        ys = None if out is None else named_after(node, xs, [out] if isinstance(out, Value) else list(out))
        for k, value, part in node.op.effects(is_train, xs, ys or outputs_of(node)):
            if xs[k].node.op.is_variable:
                updates.append((xs[k].node.name, value, part))
        return ys

    return Moded(rewrite(outputs, rule), updates)
