"""Kernels of graphnn/ops/gather.py."""

from __future__ import annotations

import math

import numpy as np

from graphnn.errors import BackendError
from graphnn.ops import gather as ops

from .registry import kernel


def _places(name, indices, shape):
    """Give the flat position (...) along the first axes of `shape` that each column of `indices` (m, ...) names."""
    with np.errstate(invalid="ignore"):
        index = indices.astype(np.int64)
    place = np.zeros(index.shape[1:], np.int64)
    for i, n in zip(index, shape, strict=False):
        if i.size and (i.min() < -n or i.max() >= n):
            raise BackendError(f"{name}: indices from {i.min()} to {i.max()} are not all in [{-n}, {n})")
        place = place * n + np.where(i < 0, i + n, i)
    return place.reshape(-1)


def _rows(a, indices):
    """Give `a` with the axes that `indices` names as one."""
    m = len(indices)
    return a.reshape(math.prod(a.shape[:m]), -1)


@kernel(ops.gather_nd)
def gather_nd(op, x, indices, y):
    place = _places(op.name, indices, x.shape)
    np.take(_rows(x, indices), place, 0, y.reshape(place.size, -1), "clip")


@kernel(ops.scatter_nd)
def scatter_nd(op, x, indices, y):
    place = _places(op.name, indices, y.shape)
    y.fill(0)
    _rows(y, indices)[place] = x.reshape(place.size, -1)


@kernel(ops._scatter_sum)
def scatter_sum(op, x, indices, y):
    place = _places("gather_nd", indices, y.shape)
    y.fill(0)
    np.add.at(_rows(y, indices), place, x.reshape(place.size, -1))


@kernel(ops._scatter_set_nd)
def scatter_set_nd(op, lhs, rhs, indices, y):
    place = _places(op.name, indices, y.shape)
    np.copyto(y, lhs)
    _rows(y, indices)[place] = rhs.reshape(place.size, -1)


@kernel(ops._contrib_index_copy)
def index_copy(op, old, index, new, y):
    place = _places("index_copy", index[None], y.shape[:1])
    np.copyto(y, old)
    y[place] = new


@kernel(ops._ravel_multi_index)
def ravel_multi_index(op, x, y):
    total = np.zeros(y.shape, np.int64)
    for i, step in zip(x, ops.steps(op), strict=True):
        total += i.astype(np.int64) * step
    np.copyto(y, total, casting="unsafe")


@kernel(ops._unravel_index)
def unravel_index(op, x, y):
    rest = x.astype(np.int64)
    for i, step in zip(y, ops.steps(op), strict=True):
        part = rest // step
        np.copyto(i, part, casting="unsafe")
        rest = rest - part * step
