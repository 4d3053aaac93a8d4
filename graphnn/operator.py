"""Operators of one's own in Python under MXNet's contract: CustomOp computes, CustomOpProp describes, register names.

    @register("sigmoid")
    class SigmoidProp(CustomOpProp):
        def create_operator(self, ctx, in_shapes, in_dtypes):
            return Sigmoid()

makes `sym.Custom(data, op_type="sigmoid")`, and lets files with such nodes be bound. An Op of graphnn.op is quicker and
is seen by the passes; this is for operators that exist already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import ParameterError
from .ops.custom import PROPS

__all__ = ["CustomOp", "CustomOpProp", "get_all_registered_operators", "register"]


class CustomOp:
    """The computation: forward() writes out_data, backward() writes in_grad, both by assign()."""

    def forward(
        self, is_train: bool, req: Sequence[str], in_data: Sequence[Any], out_data: Sequence[Any], aux: Sequence[Any]
    ) -> None:
        """Compute the outputs; `aux` are states that may be changed in place."""
        raise NotImplementedError(f"{type(self).__name__}: define forward(is_train, req, in_data, out_data, aux)")

    def backward(
        self,
        req: Sequence[str],
        out_grad: Sequence[Any],
        in_data: Sequence[Any],
        out_data: Sequence[Any],
        in_grad: Sequence[Any],
        aux: Sequence[Any],
    ) -> None:
        """Compute the gradients of the arguments; left as it is: none flow, and in_grad is 0."""
        for r, g in zip(req, in_grad, strict=True):
            self.assign(g, r, 0)

    def assign(self, dst: Any, req: str, src: Any) -> None:
        """dst = src for "write" and "inplace", dst += src for "add", nothing for "null"."""
        if req in ("write", "inplace"):
            dst[...] = src
        elif req == "add":
            dst[...] += src
        elif req != "null":
            raise ParameterError(f"assign: req must be null, write, inplace or add, got {req!r}")


class CustomOpProp:
    """The description. Keywords of sym.Custom come to the constructor as text.

    `need_top_grad` False says that it is a loss, whose gradient needs none from above.
    """

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad

    def list_arguments(self) -> list[str]:
        """Name the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """Name the outputs."""
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """Name the states."""
        return []

    def infer_shape(self, in_shape: list[Any]) -> Any:
        """Give the shapes of arguments, outputs and, where there are any, states; [] stands for an unknown shape."""
        return in_shape, [in_shape[0]] * len(self.list_outputs()), []

    def infer_type(self, in_type: list[Any]) -> Any:
        """Give the dtypes of arguments, outputs and, where there are any, states."""
        one = in_type[0] if in_type else np.float32
        return in_type, [one] * len(self.list_outputs()), [one] * len(self.list_auxiliary_states())

    def declare_backward_dependency(
        self, out_grad: Sequence[int], in_data: Sequence[int], out_data: Sequence[int]
    ) -> list[int]:
        """Say what backward() reads; accepted, and not used: it may read all."""
        return [*(out_grad if self.need_top_grad_ else ()), *in_data, *out_data]

    def create_operator(self, ctx: str, in_shapes: list[Any], in_dtypes: list[Any]) -> CustomOp:
        """Make the operator for arguments of these shapes and dtypes."""
        raise NotImplementedError(f"{type(self).__name__}: define create_operator(ctx, in_shapes, in_dtypes)")

    def wrap(self, array: np.ndarray) -> Any:
        """Give what forward() and backward() see of an array: itself, or a view of it."""
        return array


def register(reg_name: str) -> Callable[[type[CustomOpProp]], type[CustomOpProp]]:
    """Register a class of properties for sym.Custom(..., op_type=reg_name); a later one of that name replaces it."""
    if not isinstance(reg_name, str) or not reg_name:
        raise ParameterError(f"register: the name must be text, got {reg_name!r}")

    def enter(prop_cls: type[CustomOpProp]) -> type[CustomOpProp]:
        if not (isinstance(prop_cls, type) and issubclass(prop_cls, CustomOpProp)):
            raise ParameterError(f"register({reg_name!r}) is for classes derived from CustomOpProp, got {prop_cls!r}")
        PROPS[reg_name] = prop_cls
        return prop_cls

    return enter


def get_all_registered_operators() -> list[str]:
    """Name what is registered."""
    return sorted(PROPS)
