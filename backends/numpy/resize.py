"""Kernels of graphnn/ops/resize.py: two matrix products, one for columns and one for rows; and repeated pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphnn.ops.resize import _enlarged, _resample, weights
from graphnn.types import TensorType

from .calls import sequence
from .registry import Run, linked

__all__: list[str] = []


def _matrix(op: _resample, axis: int, dtype: np.dtype) -> np.ndarray:
    n, m = op.size[axis], op.to[axis]
    found = np.zeros((m, n), dtype)
    for i in range(m):
        for k, share in weights(op.kind, n, m, i):
            found[i, k] = share
    return found.T if op.back else found


def _scratch(op: _resample, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    return ins[0].nbytes // ins[0].shape[3] * outs[0].shape[3]


@linked(_resample, scratch=_scratch)
def resample(op: _resample, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    x, y = ins[0], outs[0]
    n, c, h, w = x.shape
    rows, columns = _matrix(op, 0, x.dtype), _matrix(op, 1, x.dtype)
    between = scratch[: n * c * h * y.shape[3] * x.itemsize].view(x.dtype)
    return sequence(
        [
            partial(np.matmul, x.reshape(-1, w), columns.T, between.reshape(n * c * h, -1)),
            partial(np.matmul, rows, between.reshape(n * c, h, -1), y.reshape(n * c, *y.shape[2:])),
        ]
    )


@linked(_enlarged)
def enlarged(op: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray], scratch: np.ndarray) -> Run:
    rows, w, c = op.rows(ins[0].shape)
    return partial(np.copyto, outs[0].reshape(rows, op.a, w, op.b, c), ins[0].reshape(rows, 1, w, 1, c))
