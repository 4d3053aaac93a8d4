"""Python's operators on NDArrays: NumPy's functions, in the left operand's type."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np

__all__ = ["Arithmetic"]


class Arithmetic(ABC):
    """Base of NDArray: every operator of Python is a call of `_binary` or `_in_place`."""

    __slots__ = ()
    __array_ufunc__ = None  # so that `numpy_array * nd` asks the NDArray

    @abstractmethod
    def _binary(self, function: Callable[..., Any], other: Any, swapped: bool = False) -> Self:
        """Apply `function` to self and an array or number, on its left if `swapped`."""

    @abstractmethod
    def _in_place(self, function: Callable[..., Any], other: Any) -> Self:
        """Apply `function` and keep the result in self."""

    def __add__(self, other: Any) -> Self:
        return self._binary(np.add, other)

    def __sub__(self, other: Any) -> Self:
        return self._binary(np.subtract, other)

    def __mul__(self, other: Any) -> Self:
        return self._binary(np.multiply, other)

    def __truediv__(self, other: Any) -> Self:
        return self._binary(np.true_divide, other)

    def __mod__(self, other: Any) -> Self:
        return self._binary(np.mod, other)

    def __pow__(self, other: Any) -> Self:
        return self._binary(np.power, other)

    def __eq__(self, other: Any) -> Self:  # type: ignore[override]
        return self._binary(np.equal, other)

    def __ne__(self, other: Any) -> Self:  # type: ignore[override]
        return self._binary(np.not_equal, other)

    def __gt__(self, other: Any) -> Self:
        return self._binary(np.greater, other)

    def __ge__(self, other: Any) -> Self:
        return self._binary(np.greater_equal, other)

    def __lt__(self, other: Any) -> Self:
        return self._binary(np.less, other)

    def __le__(self, other: Any) -> Self:
        return self._binary(np.less_equal, other)

    def __radd__(self, other: Any) -> Self:
        return self._binary(np.add, other, swapped=True)

    def __rsub__(self, other: Any) -> Self:
        return self._binary(np.subtract, other, swapped=True)

    def __rmul__(self, other: Any) -> Self:
        return self._binary(np.multiply, other, swapped=True)

    def __rtruediv__(self, other: Any) -> Self:
        return self._binary(np.true_divide, other, swapped=True)

    def __rmod__(self, other: Any) -> Self:
        return self._binary(np.mod, other, swapped=True)

    def __rpow__(self, other: Any) -> Self:
        return self._binary(np.power, other, swapped=True)

    def __iadd__(self, other: Any) -> Self:
        return self._in_place(np.add, other)

    def __isub__(self, other: Any) -> Self:
        return self._in_place(np.subtract, other)

    def __imul__(self, other: Any) -> Self:
        return self._in_place(np.multiply, other)

    def __itruediv__(self, other: Any) -> Self:
        return self._in_place(np.true_divide, other)

    def __imod__(self, other: Any) -> Self:
        return self._in_place(np.mod, other)

    def __ipow__(self, other: Any) -> Self:
        return self._in_place(np.power, other)
