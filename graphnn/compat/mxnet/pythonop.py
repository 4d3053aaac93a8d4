"""The operators that MXNet had before CustomOp: NumpyOp and NDArrayOp, whose get_symbol() makes a Custom node."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...operator import CustomOp, CustomOpProp, register
from . import symbol
from .ndarray import NDArray

__all__ = ["NDArrayOp", "NumpyOp", "PythonOp"]

_count = itertools.count()


class PythonOp:
    """Base: override forward, backward, and what else differs from one input, one output of its shape."""

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad
        self._op_type = f"{type(self).__name__}_{next(_count)}"

    def __call__(self, *args: Any, **kwargs: Any) -> symbol.Symbol:
        return self.get_symbol(*args, **kwargs)

    def forward(self, in_data: Sequence[Any], out_data: Sequence[Any]) -> None:
        """Compute `out_data`, in place: the input, unless overridden."""
        out_data[0][:] = in_data[0]

    def backward(
        self, out_grad: Sequence[Any], in_data: Sequence[Any], out_data: Sequence[Any], in_grad: Sequence[Any]
    ) -> None:
        """Compute `in_grad`, in place: 1, unless overridden."""
        in_grad[0][:] = 1.0

    def infer_shape(self, in_shape: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Give the shapes of the arguments and of the outputs."""
        return list(in_shape), [in_shape[0]]

    def list_arguments(self) -> list[str]:
        """Name the arguments."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """Name the outputs."""
        return ["output"]

    def need_top_grad(self) -> bool:
        """Tell whether backward() reads the head gradient: False for a loss."""
        return self.need_top_grad_

    def get_symbol(self, *args: Any, **kwargs: Any) -> symbol.Symbol:
        """Make a node that runs this operator."""
        register(self._op_type)(_prop(self))
        made: symbol.Symbol = symbol.Custom(*args, op_type=self._op_type, **kwargs)
        return made

    def wrap(self, array: np.ndarray) -> Any:
        """Give what forward() and backward() see of an array."""
        return array


class NumpyOp(PythonOp):
    """An operator that computes with NumPy arrays, which it must fill in place."""


class NDArrayOp(PythonOp):
    """An operator that computes with NDArrays."""

    def wrap(self, array: np.ndarray) -> Any:
        """Give an NDArray of the same memory."""
        return NDArray(array)


def _prop(op: PythonOp) -> type[CustomOpProp]:
    """Make the properties, which run `op` itself."""

    class Run(CustomOp):
        def forward(self, is_train: Any, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
            op.forward(in_data, out_data)

        def backward(self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any) -> None:
            op.backward(out_grad, in_data, out_data, in_grad)

    class Prop(CustomOpProp):
        def __init__(self) -> None:
            super().__init__(need_top_grad=op.need_top_grad())

        def list_arguments(self) -> list[str]:
            return op.list_arguments()

        def list_outputs(self) -> list[str]:
            return op.list_outputs()

        def infer_shape(self, in_shape: Any) -> Any:
            return op.infer_shape(in_shape)

        def create_operator(self, ctx: Any, shapes: Any, dtypes: Any) -> CustomOp:
            return Run()

        def wrap(self, array: np.ndarray) -> Any:
            return op.wrap(array)

    return Prop
