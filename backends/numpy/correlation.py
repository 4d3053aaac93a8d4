"""Kernels of graphnn/ops/correlation.py: one product of shifted views for each displacement and place in the patch."""

from __future__ import annotations

import itertools

import numpy as np

from graphnn.ops import correlation as ops

from .registry import kernel


def _pairs(op, size):
    """For each displacement and place in the patch: its number, and where x1 and x2 are read for output of `size`."""
    shifts, k, s, base = op.displacements, op.kernel_size, op.stride1, op.max_displacement
    for number, (dy, dx) in enumerate(itertools.product(shifts, shifts)):
        for i, j in itertools.product(range(k), range(k)):
            starts = (base + i, base + j), (base + i + dy, base + j + dx)
            first, second = (
                tuple(slice(a, a + s * (n - 1) + 1, s) for a, n in zip(start, size, strict=True)) for start in starts
            )
            yield number, (..., *first), (..., *second)


def _padded(op, x):
    p = op.pad_size
    return np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)]) if p else x


@kernel(ops.Correlation)
def correlation(op, x1, x2, y):
    a, b = _padded(op, x1), _padded(op, x2)
    y[...] = 0
    for number, first, second in _pairs(op, y.shape[2:]):
        found = a[first] * b[second] if op.is_multiply else np.abs(a[first] - b[second])
        y[:, number] += found.sum(1)
    y /= op.kernel_size**2 * x1.shape[1]


@kernel(ops._correlation_grad)
def correlation_grad(op, g, x1, x2, dx1, dx2):
    op = op.of
    a, b = _padded(op, x1), _padded(op, x2)
    da, db = np.zeros_like(a), np.zeros_like(b)
    scaled = g / (op.kernel_size**2 * x1.shape[1])
    for number, first, second in _pairs(op, g.shape[2:]):
        part = scaled[:, number, None]
        if op.is_multiply:
            da[first] += part * b[second]
            db[second] += part * a[first]
        else:
            sign = np.where(a[first] >= b[second], part, -part)
            da[first] += sign
            db[second] -= sign
    p = op.pad_size
    inner = (..., slice(p, p + x1.shape[2]), slice(p, p + x1.shape[3]))
    dx1[...], dx2[...] = da[inner], db[inner]
