"""Kernels of graphnn/ops/linalg.py: BLAS through numpy.matmul, straight into the output."""

from __future__ import annotations

from functools import partial

import numpy as np

from graphnn.ops.linalg import FullyConnected, batch_dot, dot

from .calls import sequence, workspace
from .product import blocked, product
from .registry import linked

# OpenBLAS is faster at y^T = W x^T than at y = x W^T where the weight is large and the batch small beside its rows:
# by 10% at 128 rows of 2048, by half at 8.
ROWS, WEIGHTS = 16, 1 << 18

# Rows and columns of the small products (product.py) of y^T = W x^T. For 128 rows of 2048 and 1024 outputs the step
# takes 5.5 ms on a Zen 4, 5.95 as a whole, in a program where W is not in cache. The gradients are no quicker so.
FORWARD = (8, 32)


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
        calls = blocked(w, x.T, z, *FORWARD)
        return sequence([*calls, partial(np.copyto, y, z.T) if b is None else partial(np.add, z.T, b, y)])
    calls = product(x, w.T, y)
    return sequence(calls if b is None else [*calls, partial(np.add, y, b, y)])


@linked(dot)
def dot_kernel(op, ins, outs, scratch):
    a, b = ins
    if op.transpose_a:
        a = (a if a.ndim == 2 else a.reshape(a.shape[0], -1)).T
    else:
        a = a.reshape(-1, a.shape[-1])
    b = b.reshape(-1, b.shape[-1]).T if op.transpose_b else b.reshape(b.shape[0], -1)
    out = outs[0].reshape(a.shape[0], b.shape[1])
    return sequence(product(a, b, out))


@linked(batch_dot)
def batch_dot_kernel(op, ins, outs, scratch):
    a, b = ins
    a = a.swapaxes(1, 2) if op.transpose_a else a
    b = b.swapaxes(1, 2) if op.transpose_b else b
    return partial(np.matmul, a, b, outs[0])
