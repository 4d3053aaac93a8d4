"""mx.operator: operators of one's own, which compute with NDArrays."""

from __future__ import annotations

import numpy as np

from ... import operator as native
from ...operator import CustomOp, get_all_registered_operators, register
from .ndarray import NDArray
from .pythonop import NDArrayOp, NumpyOp, PythonOp

__all__ = [
    "CustomOp",
    "CustomOpProp",
    "NDArrayOp",
    "NumpyOp",
    "PythonOp",
    "get_all_registered_operators",
    "register",
]


class CustomOpProp(native.CustomOpProp):
    """See graphnn.operator.CustomOpProp."""

    def wrap(self, array: np.ndarray) -> NDArray:
        """Give what forward() and backward() see of an array: an NDArray of the same memory."""
        return NDArray(array)
