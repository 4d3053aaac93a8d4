"""Kernels of graphnn/ops/matrix.py and trian.py: LAPACK through numpy.linalg, which works in float32 and float64."""

from __future__ import annotations

import numpy as np

from graphnn.errors import BackendError
from graphnn.ops import matrix as ops
from graphnn.ops import trian

from .registry import kernel, linked


def _solved(f, op, why, *args):
    """Call a function of numpy.linalg; what it cannot solve is an error that says why."""
    try:
        with np.errstate(all="ignore"):
            return f(*args)
    except np.linalg.LinAlgError as e:
        raise BackendError(f"{op.name}: {why} ({e})") from None


@kernel(ops._linalg_potrf)
def potrf(op, a, y):
    np.copyto(y, _solved(np.linalg.cholesky, op, "the matrix must be symmetric and positive definite", a))


@kernel(ops._linalg_inverse)
def inverse(op, a, y):
    np.copyto(y, _solved(np.linalg.inv, op, "the matrix has no inverse", a))


@kernel(ops._linalg_trsm)
def trsm(op, a, b, y):
    a = np.tril(a) if op.lower else np.triu(a)
    if op.rightside:  # y op(A) = b is op(A)^T y^T = b^T
        a = a if op.transpose else a.swapaxes(-1, -2)
        solution = _solved(np.linalg.solve, op, "the triangle has a 0 on its diagonal", a, b.swapaxes(-1, -2))
        np.multiply(solution.swapaxes(-1, -2), y.dtype.type(op.alpha), y)
        return
    a = a.swapaxes(-1, -2) if op.transpose else a
    solution = _solved(np.linalg.solve, op, "the triangle has a 0 on its diagonal", a, b)
    np.multiply(solution, y.dtype.type(op.alpha), y)


@kernel(ops._linalg_gelqf)
def gelqf(op, a, q, low):
    factor, upper = np.linalg.qr(a.swapaxes(-1, -2))
    np.copyto(q, factor.swapaxes(-1, -2))
    np.copyto(low, upper.swapaxes(-1, -2))


@kernel(ops._linalg_syevd)
def syevd(op, a, u, values):
    found, vectors = _solved(np.linalg.eigh, op, "the eigenvalues do not converge", a)
    rows = vectors.swapaxes(-1, -2)
    largest = np.take_along_axis(rows, np.abs(rows).argmax(-1)[..., None], -1)
    np.multiply(rows, np.where(largest < 0, -1, 1).astype(u.dtype), u)
    np.copyto(values, found)


@kernel(ops._linalg_det)
def det(op, a, y):
    np.copyto(y, np.linalg.det(a).reshape(y.shape))


@kernel(ops._linalg_slogdet)
def slogdet(op, a, sign, size):
    for y, found in zip((sign, size), np.linalg.slogdet(a), strict=True):
        np.copyto(y, np.reshape(found, y.shape))


@kernel(ops._inverse_slope)
def inverse_slope(op, a, y):
    size = np.linalg.det(a)[..., None, None]
    eye = np.eye(a.shape[-1], dtype=a.dtype)
    found = np.linalg.inv(np.where(size == 0, eye, a)).swapaxes(-1, -2)
    np.multiply(found, size if op.scaled else size != 0, y, casting="unsafe")


@linked(ops._triangle)
def triangle(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    mask = (np.tri(y.shape[-1], k=op.offset) if op.lower else np.tri(y.shape[-1], k=-op.offset).T) != 0

    def run():
        y.fill(0)
        np.copyto(y, x, where=mask)

    return run


def _packed(op, a):
    """Give the matrices, transposed for an upper triangle, and the places of the lower one in them."""
    a = a if op.below else a.swapaxes(-1, -2)
    return a, np.tril_indices(a.shape[-1], -abs(op.offset))


@kernel(trian._linalg_extracttrian)
def extracttrian(op, a, y):
    a, (rows, columns) = _packed(op, a)
    np.copyto(y, a[..., rows, columns])


@kernel(trian._linalg_maketrian)
def maketrian(op, x, y):
    y.fill(0)
    a, (rows, columns) = _packed(op, y)
    a[..., rows, columns] = x
