"""Local rules that hold on every backend: common subexpressions and identities."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Node, Value, apply, outputs_of, rewrite
from ..op import Op

__all__ = ["merge_common", "simplify"]

_NEUTRAL = {
    ("_plus_scalar", 0.0),
    ("_minus_scalar", 0.0),
    ("_mul_scalar", 1.0),
    ("_div_scalar", 1.0),
    ("_power_scalar", 1.0),
}


def simplify(outputs: Sequence[Value]) -> list[Value]:
    """Apply the rules and merge equal subexpressions."""
    return merge_common(rewrite(outputs, _rule))


def _rule(node: Node, xs: tuple[Value, ...]) -> Value | None:
    op = node.op
    if xs and (op.name, getattr(op, "scalar", None)) in _NEUTRAL and node.types and xs[0].type == node.types[0]:
        return xs[0]
    if op.name == "_mul_scalar" and xs[0].node.op.name == "_mul_scalar" and xs[0].dtype.startswith("float"):
        return type(op)(op.scalar * xs[0].node.op.scalar)(*xs[0].node.inputs)  # type: ignore[attr-defined,call-arg]
    if op.name == "transpose" and xs[0].node.op.name == "transpose":
        return _transposes(node, xs[0])
    if op.name == "_copy":
        return xs[0]
    return None


def _transposes(node: Node, x: Value) -> Value:
    """Join two transposes into one, or into nothing."""
    inner = _axes(x.node.op, len(x.shape))
    outer = _axes(node.op, len(x.shape))
    axes = tuple(inner[a] for a in outer)
    source = x.node.inputs[0]
    return source if axes == tuple(range(len(axes))) else type(node.op)(axes)(source, name=node.name)  # type: ignore[call-arg]


def _axes(op: Op, ndim: int) -> tuple[int, ...]:
    axes: tuple[int, ...] = op.axes  # type: ignore[attr-defined]
    return axes or tuple(range(ndim))[::-1]


def merge_common(outputs: Sequence[Value]) -> list[Value]:
    """Merge nodes of equal operator and equal inputs; random ones stay apart."""
    seen: dict[object, Node] = {}

    def rule(node: Node, xs: tuple[Value, ...]) -> list[Value] | None:
        if node.op.is_variable or node.op.random:
            return None
        key = (node.op, xs)
        hit = seen.get(key)
        if hit is not None:
            return outputs_of(hit)
        kept = node if xs == node.inputs else apply(node.op, *xs, name=node.name, attrs=node.attrs, origin=node.origin)
        seen[key] = kept
        return outputs_of(kept)

    return rewrite(outputs, rule)
