"""Kernels of graphnn/ops/linalg.py: BLAS through numpy.matmul, straight into the output."""

from __future__ import annotations

from functools import partial

import numpy as np

from graphnn.ops.linalg import FullyConnected, batch_dot, dot

from .registry import linked


@linked(FullyConnected)
def fully_connected(op, ins, outs, scratch):
    x, w, y = ins[0], ins[1], outs[0]
    x, w, y = x.reshape(-1, w.shape[1]), w.T, y.reshape(-1, w.shape[0])
    if op.no_bias:
        return partial(np.matmul, x, w, y)
    b = ins[2]

    def run():
        np.matmul(x, w, y)
        np.add(y, b, y)

    return run


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
