"""What follows a product by element ends its tiles: the sums are still in registers there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphnn.graph import Node, Value, apply, consumers, outputs_of, rewrite
from graphnn.types import Shape

from .body import Body
from .ops import conv, depthwise, fused, product, winograd

__all__ = ["absorb"]


def absorb(outputs: Sequence[Value]) -> list[Value]:
    """Move a fused node into the product whose result only it reads; of several, into the one that runs last."""
    readers = consumers(outputs)

    def rule(node: Node, xs: tuple[Value, ...]) -> Sequence[Value] | None:
        if not isinstance(node.op, fused) or node.op.body.sums:
            return None
        body = node.op.body
        found = [i for i, x in enumerate(xs) if _fits(body, i, x) and readers[node.inputs[i]] == 1]
        if len(body.full) > 1:
            found = [i for i in found if isinstance(xs[i].node.op, product)]
        return _joined(node, xs, found[-1]) if found else None

    return rewrite(outputs, rule)


def _one_result(x: Value) -> bool:
    op = x.node.op
    return isinstance(op, (conv, depthwise, product, winograd)) and len(op.body.full) == 1


def _fits(body: Body, i: int, x: Value) -> bool:
    """Tell whether input i is a product whose tiles can compute the body."""
    if not _one_result(x) or x.shape != body.shape or body.views[i] != body.shape:
        return False
    return all(v == body.shape or _is_row(v) for v in body.views)


def _is_row(view: Shape) -> bool:
    return all(n == 1 for n in view[:-1])


def _joined(node: Node, xs: tuple[Value, ...], at: int) -> Sequence[Value]:
    """Put the product's own body first, then the node's."""
    outer: Body = node.op.body  # type: ignore[attr-defined]
    made = xs[at].node
    inner: Body = made.op.body  # type: ignore[attr-defined]
    more = [(x, v) for i, (x, v) in enumerate(zip(xs, outer.views, strict=True)) if i != at]
    views = (*inner.views, *(v for _, v in more))
    shift = len(more)  # inner steps come after all inputs
    n = len(inner.views)
    steps = [(t, tuple(a if a < n else a + shift for a in args)) for t, args in inner.steps]
    result = inner.full[0] if inner.full[0] < n else inner.full[0] + shift
    names = iter(range(n, n + shift))
    index = [result if i == at else next(names) for i in range(len(xs))]
    base = len(views) + len(steps)
    for t, args in outer.steps:
        steps.append((t, tuple(index[a] if a < len(xs) else base + a - len(xs) for a in args)))
    full = tuple(index[v] if v < len(xs) else base + v - len(xs) for v in outer.full)
    body = Body(outer.shape, views, tuple(steps), full)
    op = replace(made.op, body=body)  # type: ignore[type-var]
    inputs = (*made.inputs, *(x for x, _ in more))
    name = f"{made.name}+{node.name}"
    return outputs_of(apply(op, *inputs, name=name, attrs=made.attrs, origin=node.origin))
