"""Matrix algebra on the last two axes, MXNet's linalg: products, triangular solves, factorisations, determinants.

The axes before the last two are a batch. Triangular operands are read in the triangle that counts only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..graph import Value
from ..op import Op, PartialShapes
from ..types import Shape, known, merge, show_shape
from .composed import Composed, made
from .linalg import batch_dot
from .rearrange import _diagonal, _from_diagonal, diagonal_size
from .shape import _reshape_to, axis_of, transpose

__all__ = ["Solved", "product"]


def product(a: Value, b: Value, ta: bool = False, tb: bool = False) -> Value:
    """Give a b, either of them transposed where wanted, for each matrix of the batch."""
    batch = a.shape[:-2]
    a, b = (_reshape_to((math.prod(batch), *x.shape[-2:]))(x) for x in (a, b))
    y = batch_dot(ta, tb)(a, b)
    return _reshape_to((*batch, *y.shape[1:]))(y)


def turned(x: Value) -> Value:
    """Give the transpose of each matrix."""
    n = len(x.shape)
    return transpose((*range(n - 2), n - 1, n - 2))(x)


def _check_square(label: str, shape: Shape) -> None:
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ShapeError(f"{label} must be square matrices, got {show_shape(shape)}")


class _Square(Op):
    """Base: A (..., n, n) gives y of the same shape."""

    abstract = True
    inputs = ("A",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(ins[0], outs[0])
        if known(shape):
            assert shape is not None
            _check_square("A", shape)
        return [shape], [shape]


# Products


def _rows_axis(x: Value, axis: int) -> Value:
    """Move `axis` to where a matrix has its rows."""
    n, i = len(x.shape), axis_of(axis, len(x.shape))
    rest = [k for k in range(n - 1) if k != i]
    return x if i == n - 2 else transpose((*rest, i, n - 1))(x)


def _back(y: Value, axis: int) -> Value:
    """Move the rows back to `axis`."""
    n, i = len(y.shape), axis_of(axis, len(y.shape))
    order = list(range(n - 2))
    order.insert(i, n - 2)
    return y if i == n - 2 else transpose((*order, n - 1))(y)


def _product_shape(a: Shape, b: Shape, ta: bool, tb: bool, axis: int) -> Shape:
    if len(a) != len(b) or len(a) < 2:
        raise ShapeError(f"{show_shape(a)} and {show_shape(b)} must be matrices with equally many axes")
    i = axis_of(axis, len(a))
    if i == len(a) - 1:
        raise ShapeError(f"axis {axis} is the columns' axis of {show_shape(a)}")
    batch = a[:i] + a[i + 1 : -1]
    if batch != b[:i] + b[i + 1 : -1]:
        raise ShapeError(f"{show_shape(a)} and {show_shape(b)} differ in their batch")
    (m, k), (j, n) = (a[i], a[-1])[:: -1 if ta else 1], (b[i], b[-1])[:: -1 if tb else 1]
    if k != j:
        raise ShapeError(f"{show_shape(a)} and {show_shape(b)} differ in the axis summed over: {k} and {j}")
    return (*a[:i], m, *a[i + 1 : -1], n)


class _linalg_gemm2(Composed):
    """y = alpha op(A) op(B), op transposing where wanted; `axis` holds the rows of both."""

    transpose_a: bool = False
    transpose_b: bool = False
    alpha: float = 1.0
    axis: int = -2
    inputs = ("A", "B")
    aliases = ("linalg_gemm2",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        return (_product_shape(ins[0], ins[1], self.transpose_a, self.transpose_b, self.axis),)

    def decompose(self, *xs: Value) -> Value:
        a, b = (_rows_axis(x, self.axis) for x in xs)
        y = _back(product(a, b, self.transpose_a, self.transpose_b), self.axis)
        return y if self.alpha == 1 else y * self.alpha


class _linalg_gemm(Composed):
    """y = alpha op(A) op(B) + beta C, op transposing where wanted; `axis` holds the rows of all."""

    transpose_a: bool = False
    transpose_b: bool = False
    alpha: float = 1.0
    beta: float = 1.0
    axis: int = -2
    inputs = ("A", "B", "C")
    aliases = ("linalg_gemm",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        y = merge(ins[2], outs[0])
        if known(ins[0]) and known(ins[1]):
            y = merge(y, self._rule().shapes(*ins[:2])[0])
        return [*ins[:2], y], [y]

    def _rule(self) -> _linalg_gemm2:
        return _linalg_gemm2(self.transpose_a, self.transpose_b, self.alpha, self.axis)

    def decompose(self, *xs: Value) -> Value:
        return self._rule().decompose(*xs[:2]) + xs[2] * self.beta


class _linalg_syrk(Composed):
    """y = alpha A A^T, or alpha A^T A with `transpose`."""

    transpose: bool = False
    alpha: float = 1.0
    inputs = ("A",)
    aliases = ("linalg_syrk",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        return (_product_shape(ins[0], ins[0], self.transpose, not self.transpose, -2),)

    def decompose(self, *xs: Value) -> Value:
        return product(xs[0], xs[0], self.transpose, not self.transpose) * self.alpha


class _triangle(_Square):
    """y = the lower triangle of A up to diagonal `offset`, or the upper one from there; elsewhere 0."""

    lower: bool = True
    offset: int = 0
    public = False

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (self(gs[0]),)


def _mirrored(x: Value) -> Value:
    """Give the symmetric matrix whose lower triangle x has."""
    return _triangle()(x) + turned(_triangle(True, -1)(x))


class _Triangular(Op):
    """Base: op(A) is on the left of B, or on the right with `rightside`; A (..., n, n) is triangular."""

    abstract = True
    inputs = ("A", "B")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        a, b = ins[0], merge(ins[1], outs[0])
        if b is not None and len(b) >= 2:
            n = b[-1] if getattr(self, "rightside") else b[-2]  # noqa: B009  # a field of the subclasses
            a = merge(a, (*b[:-2], n, n))
        return [a, b], [b]


class _linalg_trmm(_Triangular, Composed):
    """y = alpha op(A) B, or alpha B op(A) with `rightside`, for triangular A; op transposes with `transpose`."""

    transpose: bool = False
    rightside: bool = False
    lower: bool = True
    alpha: float = 1.0
    aliases = ("linalg_trmm",)

    def decompose(self, *xs: Value) -> Value:
        a, b = _triangle(self.lower)(xs[0]), xs[1]
        y = product(b, a, False, self.transpose) if self.rightside else product(a, b, self.transpose)
        return y if self.alpha == 1 else y * self.alpha


class _linalg_trsm(_Triangular):
    """y solves op(A) y = alpha B, or y op(A) = alpha B with `rightside`, for triangular A."""

    transpose: bool = False
    rightside: bool = False
    lower: bool = True
    alpha: float = 1.0
    aliases = ("linalg_trsm",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        """u = op(A)^-T g (from the right: g op(A)^-T) is dB / alpha; dA = -u y^T, transposed or from the right."""
        a, y = xs[0], ys[0]
        u = _linalg_trsm(not self.transpose, self.rightside, self.lower)(a, gs[0])
        first, second = (y, u) if self.transpose != self.rightside else (u, y)
        da = product(first, second, self.rightside, not self.rightside)
        return -_triangle(self.lower)(da), u * self.alpha


def _solved(a: Value, b: Value, transposed: bool = False, right: bool = False) -> Value:
    return _linalg_trsm(transposed, right)(a, b)


# Factorisations and what follows from them


class Solved(_Square):
    """Base of what a library of linear algebra computes from square matrices; a singular one is an error at the run."""

    abstract = True


class _linalg_potrf(Solved):
    """y = L with A = L L^T for symmetric positive definite A (..., n, n); its lower triangle is read.

    Without `lower` y is U with A = U^T U, and the upper triangle is read.
    """

    lower: bool = True
    aliases = ("linalg_potrf",)

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | None:
        return None if self.lower else turned(_linalg_potrf()(turned(xs[0])))

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        """dA = L^-T S L^-1 / 2 with S the symmetric matrix of the lower triangle of L^T g."""
        inner = _mirrored(product(ys[0], gs[0], ta=True))
        return (_solved(ys[0], _solved(ys[0], inner, transposed=True), right=True) * 0.5,)


class _linalg_potri(_Square, Composed):
    """y = (L L^T)^-1 for lower triangular L; without `lower` (U^T U)^-1 for upper triangular U."""

    lower: bool = True
    aliases = ("linalg_potri",)

    def decompose(self, *xs: Value) -> Value:
        shape = xs[0].shape
        eye = made("_eye", N=shape[-1], dtype=xs[0].dtype)
        eye = made("broadcast_to", _reshape_to((1,) * (len(shape) - 2) + shape[-2:])(eye), shape=shape)
        inverse = _linalg_trsm(lower=self.lower)(xs[0], eye)
        return product(inverse, inverse, ta=self.lower, tb=not self.lower)


class _linalg_inverse(Solved):
    """y = A^-1."""

    aliases = ("linalg_inverse",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        """dA = -y^T g y^T."""
        return (-product(product(ys[0], gs[0], ta=True), ys[0], tb=True),)


class _Factors(Op):
    """Base: two outputs from matrices."""

    abstract = True
    inputs = ("A",)
    outputs = ("output0", "output1")


class _linalg_gelqf(_Factors):
    """Q (..., m, n) and lower triangular L (..., m, m) with A = L Q and Q Q^T = 1, for A (..., m, n) with m <= n."""

    aliases = ("linalg_gelqf",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(ins[0], outs[0])
        if shape is None:
            return ins, outs
        if len(shape) < 2 or shape[-2] > shape[-1] > 0:
            raise ShapeError(f"A must have no more rows than columns, got {show_shape(shape)}")
        return [shape], [shape, merge(outs[1], (*shape[:-1], shape[-2]))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        """dA = L^-T (gQ + S Q) with S the symmetric matrix of the lower triangle of L^T gL - gQ Q^T."""
        (q, low), (gq, gl) = ys, gs
        inner = -product(gq, q, tb=True)
        if gl is not None:
            inner = inner + product(low, gl, ta=True)
        return (_solved(low, gq + product(_mirrored(inner), q), transposed=True),)


class _linalg_syevd(_Factors):
    """U (..., n, n), whose rows are eigenvectors, and ascending eigenvalues L (..., n): A = U^T diag(L) U, A symmetric.

    The largest element of each row of U is positive.
    """

    aliases = ("linalg_syevd",)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        (x,), (u,) = Solved().infer_shape(ins, outs[:1])
        return [x], [u, outs[1] if x is None else merge(outs[1], x[:-1])]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        """dA = U^T ((K + K^T) / 2 + diag(gL)) U with K_ij = (gU U^T)_ij / (L_i - L_j) off the diagonal, else 0."""
        (u, values), (gu, gl) = ys, gs
        n = u.shape[-1]
        batch = (1,) * (len(u.shape) - 2)
        eye = _reshape_to((*batch, n, n))(made("_eye", N=n, dtype=u.dtype))
        gap = made("expand_dims", values, axis=-1) - made("expand_dims", values, axis=-2)
        inner = product(gu, u, tb=True) / (gap + eye) * (1.0 - eye)
        inner = (inner + turned(inner)) * 0.5
        if gl is not None:
            inner = inner + _from_diagonal(u.shape, 0, len(batch), len(batch) + 1)(gl)
        return (product(product(u, inner, ta=True), u),)


class _Determinant(Op):
    """Base: A (..., n, n) gives one number each; (1,) for a single matrix."""

    abstract = True
    inputs = ("A",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        _check_square("A", ins[0])
        return (ins[0][:-2] or (1,),) * self.num_outputs

    def slope(self, a: Value, g: Value, scaled: bool) -> Value:
        return _inverse_slope(scaled)(a) * _reshape_to((*a.shape[:-2], 1, 1))(g)


class _linalg_det(_Determinant):
    """y = det(A); the gradient at a singular matrix is 0, as in MXNet."""

    aliases = ("linalg_det",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (self.slope(xs[0], gs[0], True),)


class _linalg_slogdet(_Determinant):
    """The sign of det(A) and log |det(A)|; the gradient at a singular matrix is 0, as in MXNet."""

    outputs = ("output0", "output1")
    aliases = ("linalg_slogdet",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (None if gs[1] is None else self.slope(xs[0], gs[1], False),)


class _inverse_slope(_Square):
    """y = A^-T, times det(A) where `scaled`; 0 where A is singular."""

    scaled: bool
    public = False


# Diagonals and triangles as vectors


class _linalg_sumlogdiag(Composed):
    """y = the sum of the logarithms of the diagonal of A (..., n, n); (1,) for a single matrix."""

    inputs = ("A",)
    aliases = ("linalg_sumlogdiag",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        _check_square("A", ins[0])
        return (ins[0][:-2] or (1,),)

    def decompose(self, *xs: Value) -> Value:
        n = len(xs[0].shape)
        return made("sum", made("log", _diagonal(0, n - 2, n - 1)(xs[0])), axis=-1)


class _linalg_extractdiag(Composed):
    """y (..., m) = diagonal `offset` of A (..., n, n)."""

    offset: int = 0
    inputs = ("A",)
    aliases = ("linalg_extractdiag",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        _check_square("A", ins[0])
        return ((*ins[0][:-2], diagonal_size(ins[0][-2], ins[0][-1], self.offset)),)

    def decompose(self, *xs: Value) -> Value:
        n = len(xs[0].shape)
        return _diagonal(self.offset, n - 2, n - 1)(xs[0])


class _linalg_makediag(Composed):
    """y (..., n, n) = 0, but A (..., m) on diagonal `offset`; n = m + |offset|."""

    offset: int = 0
    inputs = ("A",)
    aliases = ("linalg_makediag",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        n = ins[0][-1] + abs(self.offset)
        return ((*ins[0][:-1], n, n),)

    def decompose(self, *xs: Value) -> Value:
        n = len(xs[0].shape)
        return _from_diagonal(tuple(self.shapes(xs[0].shape)[0]), self.offset, n - 1, n)(xs[0])
