"""Custom: an operator that a user wrote in Python under MXNet's contract; graphnn.operator has the classes for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DTypeError, ParameterError, ShapeError
from ..graph import Value, apply
from ..op import Op, PartialDTypes, PartialShapes, find
from ..types import Shape, dtype_name, known, merge

__all__ = ["PROPS", "Custom", "Instance"]

PROPS: dict[str, Callable[..., Any]] = {}  # op_type -> what makes its properties
Settings = tuple[tuple[str, str], ...]


class Instance:
    """The user's operator of one node, made at the first run; forward and backward share it."""

    def __init__(self) -> None:
        self.operator: Any = None

    def get(self, custom: Custom, arrays: Sequence[np.ndarray]) -> Any:
        """Give the operator, made for arrays like these."""
        if self.operator is None:
            shapes, dtypes = [list(a.shape) for a in arrays], [a.dtype.type for a in arrays]
            self.operator = custom.prop.create_operator("cpu", shapes, dtypes)
        return self.operator


class Custom(Op):
    """The operator registered as `op_type`; every other keyword is text that its properties are made with."""

    op_type: str
    settings: Settings = ()
    inputs = ()
    random = True  # nobody knows: two equal nodes stay apart, and nothing is computed ahead

    @classmethod
    def known(cls, params: Mapping[str, object]) -> bool:
        return params.get("op_type") in PROPS

    @classmethod
    def from_params(cls, params: Mapping[str, object]) -> Op:
        if not cls.known(params):
            there = ", ".join(sorted(PROPS)) or "none"
            raise ParameterError(
                f"Custom: no operator is registered as {str(params.get('op_type'))[:80]!r}; there are: {there}"
            )
        rest = tuple((k, str(v)) for k, v in params.items() if k != "op_type")
        op = cls(str(params["op_type"]), rest)
        _ = op.prop
        return op

    @cached_property
    def prop(self) -> Any:
        """The properties; ParameterError for settings that they do not take."""
        try:
            return PROPS[self.op_type](**dict(self.settings))
        except TypeError as e:
            raise ParameterError(f"Custom {self.op_type}: {e}") from None

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        return tuple(self.prop.list_arguments())

    @property
    def aux(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(self.prop.list_auxiliary_states())

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return (*self.arguments, *self.aux)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        return tuple(self.prop.list_outputs())

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        n = len(self.arguments)
        if n and not any(known(s) for s in ins[:n]):
            return ins, outs
        try:
            found = self.prop.infer_shape([list(s or ()) for s in ins[:n]])
        except Exception as e:
            if all(known(s) for s in ins[:n]):
                raise ShapeError(f"infer_shape of {self.op_type}: {type(e).__name__}: {e}") from e
            return ins, outs  # it needs more than is known yet
        args, results, aux = self._three(found, "infer_shape")
        new = [tuple(int(k) for k in s) for s in (*args, *aux)]
        made = [tuple(int(k) for k in s) for s in results]
        merged = [merge(a, b or None) for a, b in zip(ins, new, strict=True)]
        return merged, [merge(a, b or None) for a, b in zip(outs, made, strict=True)]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        n = len(self.arguments)
        if n and ins[0] is None:
            return ins, outs
        first = np.dtype(ins[0]).type if n else np.float32
        found = self.prop.infer_type([np.dtype(d).type if d else first for d in ins[:n]])
        args, results, aux = self._three(found, "infer_type")
        new = [dtype_name(d) for d in (*args, *aux)]
        for name, old, wanted in zip(self.input_names(), ins, new, strict=True):
            if old not in (None, wanted):
                raise DTypeError(f"{self.op_type} wants {name} as {wanted}, got {old}: cast() first")
        return list(new), [dtype_name(d) for d in results]

    def _three(self, found: Any, rule: str) -> tuple[list[Any], list[Any], list[Any]]:
        """Arguments', outputs' and states' parts of what a rule gave: two lists, or three."""
        groups = [list(g) for g in found] if isinstance(found, (tuple, list)) else []
        groups += [[]] if len(groups) == 2 else []
        wanted = [len(self.arguments), len(self.output_names), len(self.aux)]
        if [len(g) for g in groups] != wanted:
            raise ShapeError(
                f"{rule} of {self.op_type} must give lists of {wanted} items, got {[len(g) for g in groups]}"
            )
        return groups[0], groups[1], groups[2]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | Sequence[Value] | None:
        node = apply(_custom_forward(self, Instance(), is_train), *xs)
        return [Value(node, k) for k in range(self.num_outputs)]

    def effects(self, is_train: bool, xs: Sequence[Value], ys: Sequence[Value]) -> Sequence[tuple[int, Value, int]]:
        n, m = len(self.arguments), self.num_outputs
        return [(n + k, Value(ys[0].node, m + k), 0) for k in range(len(self.aux))]


class _custom_forward(Op):
    """The outputs, then the states as forward() left them."""

    custom: Custom
    instance: Instance
    is_train: bool
    public, random = False, True

    def __str__(self) -> str:
        return f"Custom{{op_type={self.custom.op_type}}}"

    @property
    def is_loss(self) -> bool:  # type: ignore[override]
        return not self.custom.prop.need_top_grad_

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return self.custom.input_names()

    @property
    def output_names(self) -> tuple[str, ...]:
        return (*self.custom.output_names, *(f"new_{n}" for n in self.custom.aux))

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        m = self.custom.num_outputs
        args, outs = self.custom.infer_shape(list(ins), [None] * m)
        return [s or () for s in (*outs, *args[len(self.custom.arguments) :])]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        args, made = self.custom.infer_dtype(ins, [None] * self.custom.num_outputs)
        return args, [*made, *args[len(self.custom.arguments) :]]

    def grad(self, xs: Sequence[Value], ys: Sequence[Value], gs: Sequence[Value | None]) -> Sequence[Value | None]:
        custom = self.custom
        n, m = len(custom.arguments), custom.num_outputs
        zeros = find("_zeros")
        heads = [
            g if g is not None else zeros.from_params({"shape": y.shape, "dtype": y.dtype})()
            for y, g in zip(ys[:m], gs[:m], strict=True)
        ]
        node = apply(_custom_backward(custom, self.instance), *heads, *xs[:n], *ys[:m], *xs[n:])
        return [*(Value(node, k) for k in range(n)), *([None] * len(custom.aux))]


class _custom_backward(Op):
    """The gradients of the arguments, of (out_grad, in_data, out_data, aux)."""

    custom: Custom
    instance: Instance
    public, random = False, True

    def __str__(self) -> str:
        return f"Custom{{op_type={self.custom.op_type}}} backward"

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        custom = self.custom
        heads = (f"grad_{n}" for n in custom.output_names)
        return (*heads, *custom.arguments, *(f"out_{n}" for n in custom.output_names), *custom.aux)

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(f"grad_{n}" for n in self.custom.arguments)

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        m = self.custom.num_outputs
        return ins[m : m + len(self.custom.arguments)]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        m = self.custom.num_outputs
        return ins, list(ins[m : m + len(self.custom.arguments)])
