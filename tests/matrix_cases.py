"""Rows of the operator table for matrix algebra, each with a batch axis or without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from case import Case, op


def triangular(*shape, upper=False, more=()):
    """Draw well-conditioned triangular matrices, and further arrays of the shapes `more`."""

    def draw(rng):
        a = np.tril(rng.uniform(0.2, 1, shape)) + np.eye(shape[-1])
        return [a.swapaxes(-1, -2) if upper else a, *(rng.uniform(-1, 1, s) for s in more)]

    return draw


def invertible(*shape):
    return lambda rng: [rng.uniform(-1, 1, shape) + 3 * np.eye(shape[-1])]


def symmetric(*shape):
    """Draw matrices whose symmetric part has eigenvalues apart: the references read that part."""
    return lambda rng: [rng.uniform(-0.2, 0.2, shape) + np.diag(np.arange(1.0, shape[-1] + 1))]


def part(a):
    return (a + a.swapaxes(-1, -2)) / 2


def cholesky_of_part(a):
    return np.linalg.cholesky(part(a))


def eigen(a):
    """Rows of eigenvectors, the largest element of each positive, and ascending eigenvalues."""
    values, vectors = np.linalg.eigh(part(a))
    rows = vectors.swapaxes(-1, -2)
    signs = np.sign(np.take_along_axis(rows, np.abs(rows).argmax(-1)[..., None], -1))
    return rows * signs, values


def flipped(a, yes=True):
    return a.swapaxes(-1, -2) if yes else a


def multiplied(a, b, ta, tb, alpha=1.0):
    return alpha * (flipped(a, ta) @ flipped(b, tb))


def solved(a, b, transpose, rightside, alpha):
    """op(A)^-1 B or B op(A)^-1."""
    inverse = np.linalg.inv(flipped(a, transpose))
    return alpha * (b @ inverse if rightside else inverse @ b)


def triangle(a, lower):
    return np.tril(a) if lower else np.triu(a)


def orthonormal(a):
    """The rows made orthonormal one after another, and the lower triangle; signs as LAPACK's: L_ii < 0 where m < n."""
    q, r = np.linalg.qr(a.swapaxes(-1, -2))
    return q.swapaxes(-1, -2), r.swapaxes(-1, -2)


def at_diagonal(x, k):
    n = x.shape[-1] + abs(k)
    y = np.zeros((*x.shape[:-1], n, n))
    rows = np.arange(x.shape[-1])
    y[..., rows + max(-k, 0), rows + max(k, 0)] = x
    return y


def packed(a, below, k):
    a = flipped(a, not below)
    return np.stack([a[..., i, j] for i in range(a.shape[-1]) for j in range(i + 1 - abs(k))], -1)


def unpacked(x, below, k):
    m = int(np.sqrt(2 * x.shape[-1]))
    y, places = np.zeros((*x.shape[:-1], m + abs(k), m + abs(k))), iter(np.moveaxis(x, -1, 0))
    for i in range(m + abs(k)):
        for j in range(i + 1 - abs(k)):
            y[..., i, j] = next(places)
    return flipped(y, not below)


ALLOCATES = {
    f"_linalg_{name}"
    for name in ("potrf", "potri", "trsm", "gelqf", "syevd", "det", "slogdet", "inverse", "extracttrian", "maketrian")
}

ROWS = [
    *[
        Case(
            op("_linalg_gemm2", transpose_a=ta, transpose_b=tb, alpha=1.5),
            ((2, 4, 3) if ta else (2, 3, 4), (2, 5, 4) if tb else (2, 4, 5)),
            lambda a, b, ta=ta, tb=tb: multiplied(a, b, ta, tb, 1.5),
        )
        for ta in (False, True)
        for tb in (False, True)
    ],
    Case(op("_linalg_gemm2", axis=0), ((3, 2, 4), (4, 2, 5)), lambda a, b: np.einsum("mbk,kbn->mbn", a, b)),
    Case(
        op("_linalg_gemm", transpose_b=True, alpha=0.5, beta=1.5),
        ((3, 4), (5, 4), (3, 5)),
        lambda a, b, c: 0.5 * a @ b.T + 1.5 * c,
    ),
    Case(
        op("_linalg_gemm", axis=1),
        ((2, 3, 6, 4), (2, 4, 6, 5), (2, 3, 6, 5)),
        lambda a, b, c: np.einsum("amxk,akxn->amxn", a, b) + c,
    ),
    Case(op("_linalg_syrk", alpha=1.5), ((2, 3, 4),), lambda a: 1.5 * a @ flipped(a)),
    Case(op("_linalg_syrk", transpose=True), ((3, 4),), lambda a: a.T @ a),
    *[
        Case(
            op("_linalg_trmm", transpose=transpose, rightside=rightside, lower=lower, alpha=1.5),
            ((2, 3, 3), (2, 4, 3) if rightside else (2, 3, 4)),
            lambda a, b, transpose=transpose, rightside=rightside, lower=lower: (
                1.5
                * (
                    b @ flipped(triangle(a, lower), transpose)
                    if rightside
                    else flipped(triangle(a, lower), transpose) @ b
                )
            ),
        )
        for transpose, rightside, lower in ((False, False, True), (True, False, False), (True, True, True))
    ],
    *[
        Case(
            op("_linalg_trsm", transpose=transpose, rightside=rightside, lower=lower, alpha=1.5),
            ((2, 3, 3), (2, 4, 3) if rightside else (2, 3, 4)),
            lambda a, b, t=transpose, r=rightside, lower=lower: solved(triangle(a, lower), b, t, r, 1.5),
            draw=triangular(2, 3, 3, upper=not lower, more=[(2, 4, 3) if rightside else (2, 3, 4)]),
        )
        for transpose in (False, True)
        for rightside in (False, True)
        for lower in (False, True)
    ],
    Case(
        op("_linalg_potri"),
        ((2, 3, 3),),
        lambda a: np.linalg.inv(np.tril(a) @ flipped(np.tril(a))),
        draw=triangular(2, 3, 3),
    ),
    Case(op("_linalg_inverse"), ((2, 3, 3),), np.linalg.inv, draw=invertible(2, 3, 3)),
    Case(op("_linalg_det"), ((2, 3, 3),), np.linalg.det, draw=invertible(2, 3, 3)),
    Case(op("_linalg_det"), ((3, 3),), lambda a: np.linalg.det(a).reshape(1), draw=invertible(3, 3)),
    Case(op("_linalg_slogdet"), ((2, 3, 3),), lambda a: tuple(np.linalg.slogdet(a)), draw=invertible(2, 3, 3)),
    Case(op("_linalg_gelqf"), ((2, 3, 4),), orthonormal),
    Case(
        op("_linalg_sumlogdiag"),
        ((2, 3, 3),),
        lambda a: np.log(np.diagonal(a, 0, 1, 2)).sum(-1),
        draw=triangular(2, 3, 3),
    ),
    Case(op("_linalg_extractdiag", offset=-1), ((2, 4, 4),), lambda a: np.diagonal(a, -1, 1, 2)),
    *[Case(op("_linalg_makediag", offset=k), ((2, 3),), lambda x, k=k: at_diagonal(x, k)) for k in (0, 1, -2)],
    *[
        Case(op(f"_linalg_{name}", offset=k, lower=lower), (shape,), lambda x, f=f, below=below, k=k: f(x, below, k))
        for name, shape, f in (("extracttrian", (2, 4, 4), packed), ("maketrian", (2, 6), unpacked))
        for k, lower, below in ((0, True, True), (0, False, False), (1, True, False), (-2, False, True))
    ],
    # Defined on symmetric matrices, which a numerical step leaves: the references take the symmetric part.
    Case(
        op("_linalg_potrf"),
        ((2, 3, 3),),
        cholesky_of_part,
        draw=lambda rng: [part(symmetric(2, 3, 3)(rng)[0])],
    ),
    Case(
        op("_linalg_syevd"),
        ((2, 3, 3),),
        eigen,
        draw=lambda rng: [part(symmetric(2, 3, 3)(rng)[0])],
    ),
]


CASES = [replace(c, tags=("allocates",)) if c.op.name in ALLOCATES else c for c in ROWS]
