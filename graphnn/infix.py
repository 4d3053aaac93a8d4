"""Python's operators on symbols: + - * / % ** and comparisons, with symbols and with numbers on either side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NoReturn, Self

from .errors import GraphError

__all__ = ["Infix"]


class Infix(ABC):
    """Base of Symbol: every operator of Python is a call of `_infix`, but for those that symbols cannot have."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # so that `numpy_value * symbol` asks the symbol

    @abstractmethod
    def _infix(self, both: str, scalar: str, other: object) -> Self:
        """Apply the operator `both` to self and a symbol, or `scalar` to self with a number as its parameter."""

    def __add__(self, other: object) -> Self:
        return self._infix("_plus", "_PlusScalar", other)

    def __sub__(self, other: object) -> Self:
        return self._infix("_minus", "_MinusScalar", other)

    def __mul__(self, other: object) -> Self:
        return self._infix("_mul", "_MulScalar", other)

    def __truediv__(self, other: object) -> Self:
        return self._infix("_div", "_DivScalar", other)

    def __mod__(self, other: object) -> Self:
        return self._infix("_mod", "_ModScalar", other)

    def __pow__(self, other: object) -> Self:
        return self._infix("_power", "_PowerScalar", other)

    def __radd__(self, other: object) -> Self:
        return self._infix("_plus", "_PlusScalar", other)

    def __rsub__(self, other: object) -> Self:
        return self._infix("_minus", "_RMinusScalar", other)

    def __rmul__(self, other: object) -> Self:
        return self._infix("_mul", "_MulScalar", other)

    def __rtruediv__(self, other: object) -> Self:
        return self._infix("_div", "_RDivScalar", other)

    def __rmod__(self, other: object) -> Self:
        return self._infix("_mod", "_RModScalar", other)

    def __rpow__(self, other: object) -> Self:
        return self._infix("_power", "_RPowerScalar", other)

    def __neg__(self) -> Self:
        return self * -1.0

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return self._infix("_equal", "_equal_scalar", other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        return self._infix("_not_equal", "_not_equal_scalar", other)

    def __gt__(self, other: object) -> Self:
        return self._infix("_greater", "_greater_scalar", other)

    def __ge__(self, other: object) -> Self:
        return self._infix("_greater_equal", "_greater_equal_scalar", other)

    def __lt__(self, other: object) -> Self:
        return self._infix("_lesser", "_lesser_scalar", other)

    def __le__(self, other: object) -> Self:
        return self._infix("_lesser_equal", "_lesser_equal_scalar", other)

    def __bool__(self) -> NoReturn:
        raise GraphError("a symbol has no truth value: == and < build graph nodes")

    def _in_place(self, other: object) -> NoReturn:
        raise GraphError("symbols are immutable: write a = a + b")

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __imod__ = __ipow__ = _in_place
