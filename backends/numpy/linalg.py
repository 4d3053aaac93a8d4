"""Kernels of graphnn/ops/linalg.py: BLAS through numpy.matmul, straight into the output."""

from __future__ import annotations

from functools import partial

import numpy as np

from graphnn.ops.linalg import FullyConnected, batch_dot, dot

from .calls import sequence, workspace
from .registry import linked

# OpenBLAS is faster at y^T = W x^T than at y = x W^T where the weight is large and the batch small beside its rows:
# by 10% at 128 rows of 2048, by half at 8.
ROWS, WEIGHTS = 16, 1 << 18


def _rows(op, x):
    return x.size // x.shape[-1] if not op.flatten else x.shape[0]


def _turned(op, x, w):
    return _rows(op, x) * ROWS <= w.shape[1] and w.size >= WEIGHTS


def _fully_connected_scratch(op, ins, outs):
    return outs[0].nbytes if _turned(op, ins[0], ins[1]) else 0


@linked(FullyConnected, scratch=_fully_connected_scratch)
def fully_connected(op, ins, outs, scratch):
    x, w, y = ins[0], ins[1], outs[0]
    turned = _turned(op, x, w)
    x, y = x.reshape(-1, w.shape[1]), y.reshape(-1, w.shape[0])
    b = None if op.no_bias else ins[2]
    if turned:
        z = workspace(scratch, y).reshape(w.shape[0], -1)
        first = partial(np.matmul, w, x.T, z)
        second = partial(np.copyto, y, z.T) if b is None else partial(np.add, z.T, b, y)
    else:
        first, second = partial(np.matmul, x, w.T, y), partial(np.add, y, b, y)
    return sequence([first, second] if turned or b is not None else [first])


@linked(dot)
def dot_kernel(op, ins, outs, scratch):
    a, b = ins
    if op.transpose_a:
        a = (a if a.ndim == 2 else a.reshape(a.shape[0], -1)).T
    else:
        a = a.reshape(-1, a.shape[-1])
    b = b.reshape(-1, b.shape[-1]).T if op.transpose_b else b.reshape(b.shape[0], -1)
    return partial(np.matmul, a, b, outs[0].reshape(a.shape[0], b.shape[1]))


@linked(batch_dot)
def batch_dot_kernel(op, ins, outs, scratch):
    a, b = ins
    a = a.swapaxes(1, 2) if op.transpose_a else a
    b = b.swapaxes(1, 2) if op.transpose_b else b
    return partial(np.matmul, a, b, outs[0])
