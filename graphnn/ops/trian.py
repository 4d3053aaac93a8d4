"""Triangles of matrices as vectors: extracttrian and maketrian of MXNet's linalg."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..graph import Value
from ..op import Op
from ..types import Shape, show_shape

__all__ = ["Packed"]


class Packed(Op):
    """Base: a triangle, of which a vector has the rows of the lower one or the columns of the upper one.

    The triangle ends at diagonal `offset`; it is the lower one for offset < 0, the upper one for offset > 0, and what
    `lower` says for 0.
    """

    abstract = True
    offset: int = 0
    lower: bool = True
    inputs = ("A",)

    @property
    def below(self) -> bool:
        return self.lower if self.offset == 0 else self.offset < 0


class _linalg_extracttrian(Packed):
    """y (..., m (m + 1) / 2) = the triangle of A (..., n, n), m = n - |offset|."""

    offset: int = 0
    lower: bool = True
    aliases = ("linalg_extracttrian",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        if len(ins[0]) < 2 or ins[0][-1] != ins[0][-2] or abs(self.offset) >= ins[0][-1]:
            raise ShapeError(f"A must be square matrices with a diagonal {self.offset}, got {show_shape(ins[0])}")
        m = ins[0][-1] - abs(self.offset)
        return ((*ins[0][:-2], m * (m + 1) // 2),)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_linalg_maketrian(self.offset, self.lower)(gs[0]),)


class _linalg_maketrian(Packed):
    """y (..., n, n) = 0, but A (..., m (m + 1) / 2) in the triangle, n = m + |offset|."""

    offset: int = 0
    lower: bool = True
    aliases = ("linalg_maketrian",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        m = (math.isqrt(8 * ins[0][-1] + 1) - 1) // 2
        if m * (m + 1) // 2 != ins[0][-1]:
            raise ShapeError(f"A must have m (m + 1) / 2 elements in each row, got {show_shape(ins[0])}")
        n = m + abs(self.offset)
        return ((*ins[0][:-1], n, n),)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_linalg_extracttrian(self.offset, self.lower)(gs[0]),)
