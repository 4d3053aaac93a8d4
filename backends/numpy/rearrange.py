"""Kernels of graphnn/ops/rearrange.py."""

from __future__ import annotations

from functools import partial

import numpy as np

from graphnn.ops import rearrange as ops

from .registry import kernel, linked


@linked(ops._diagonal)
def diagonal(op, ins, outs, scratch):
    return partial(np.copyto, outs[0], np.diagonal(ins[0], op.k, op.axis1, op.axis2))


@linked(ops._from_diagonal)
def from_diagonal(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    hole = np.diagonal(y, op.k, op.axis1, op.axis2)
    hole.flags.writeable = True

    def run():
        y.fill(0)
        np.copyto(hole, x)

    return run


@kernel(ops._np_cumsum)
def cumsum(op, x, y):
    with np.errstate(all="ignore"):
        np.cumsum(x.reshape(-1) if op.axis is None else x, op.axis or 0, y.dtype, y)
