"""Channels last inside: transposes at the borders, every operator between them in its channels-last form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..graph import Node, Value, apply, outputs_of, toposort
from ..op import OPS, Op
from ..types import TensorType

__all__ = ["Anchors", "Form", "Perm", "channels_last", "last"]

Perm = tuple[int, ...]


class Form(NamedTuple):
    """An operator in another layout: the axes order of each input and output it takes and gives; None: as it is."""

    op: Op
    ins: tuple[Perm | None, ...]
    outs: tuple[Perm | None, ...]


Anchors = Mapping[type[Op], Callable[[Any, Sequence[TensorType], Mapping[str, str]], Form | None]]


def last(ndim: int) -> Perm:
    """Give the order that moves axis 1 to the end: (0, 2, 3, 1)."""
    return (0, *range(2, ndim), 1)


def channels_last(anchors: Anchors, eager: bool = False) -> Callable[[Sequence[Value]], list[Value]]:
    """Make the pass. `anchors` give the operators for which a backend wants channels last, with their forms.

    Operators between anchors follow (Op.channels_last) where an input has come channels last already, so that
    transposes stay at the borders of the region; with `eager` also where an input exists in both orders, which may
    take a transpose, and memory, more.
    """
    return lambda outputs: _Relayout(anchors, eager).run(outputs)


class _Relayout:
    """The working state of one run: for each old value its new value in every order made so far."""

    def __init__(self, anchors: Anchors, eager: bool) -> None:
        self.anchors, self.eager = anchors, eager
        self.made: dict[Value, dict[Perm | None, Value]] = {}

    def run(self, outputs: Sequence[Value]) -> list[Value]:
        for node in toposort(outputs):
            if node.op.is_variable:
                self.made[Value(node)] = {None: Value(node)}
                continue
            form = self._form(node)
            inputs = [self._get(v, p) for v, p in zip(node.inputs, form.ins, strict=True)]
            new = apply(form.op, *inputs, name=node.name, attrs=node.attrs, origin=node.origin)
            for v, made, perm in zip(outputs_of(node), outputs_of(new), form.outs, strict=True):
                self.made[v] = {perm: made}
        return [self._get(v, None) for v in outputs]

    def _form(self, node: Node) -> Form:
        types = [v.type for v in node.inputs]
        anchor = self.anchors.get(type(node.op))
        form = anchor(node.op, types, node.attrs) if anchor else self._following(node, types)
        return form or Form(node.op, (None,) * len(node.inputs), (None,) * node.op.num_outputs)

    def _following(self, node: Node, types: Sequence[TensorType]) -> Form | None:
        orders = [self.made[v] for v in node.inputs]
        if not any(any(perm is not None for perm in made) if self.eager else None not in made for made in orders):
            return None
        found = node.op.channels_last(types)
        if found is None:
            return None
        op, ins, outs = found
        moved = [t.ndim for t, m in zip(types, ins, strict=True) if m]
        if not moved or min(moved) < 3:
            return None
        perms = tuple(last(t.ndim) if m else None for t, m in zip(types, ins, strict=True))
        results = node.types or ()
        return Form(op, perms, tuple(last(t.ndim) if m else None for t, m in zip(results, outs, strict=True)))

    def _get(self, v: Value, perm: Perm | None) -> Value:
        """Give a value in an order, transposing from one that exists."""
        made = self.made[v]
        if perm not in made:
            source, value = next(iter(made.items()))
            made[perm] = transposed(value, _between(source, perm, len(value.shape)))
        return made[perm]


def _between(source: Perm | None, target: Perm | None, ndim: int) -> Perm:
    """Give the axes that turn order `source` into order `target`."""
    here = source or tuple(range(ndim))
    there = target or tuple(range(ndim))
    return tuple(here.index(a) for a in there)


def transposed(x: Value, axes: Perm) -> Value:
    """Transpose; where only axes of size 1 move, it is a view."""
    moved = [a for a in axes if x.shape[a] != 1]
    if moved == sorted(moved):
        shape = tuple(x.shape[a] for a in axes)
        return OPS["_reshape_to"].from_params({"shape": shape})(x)
    return OPS["transpose"].from_params({"axes": axes})(x)
