"""Kernels of graphnn/ops/crop.py."""

from __future__ import annotations

import numpy as np

from graphnn.ops import crop as ops
from graphnn.ops.join import cuts

from .calls import number
from .registry import linked


def _assign(x, value, y, part):
    """Give the function that copies x and then the value into a part of the copy."""

    def run():
        np.copyto(y, x)
        np.copyto(part, value)

    return run


@linked(ops._slice_assign)
def slice_assign(op, ins, outs, scratch):
    return _assign(ins[0], ins[1], outs[0], outs[0][cuts(op.begin, op.end, op.step)])


@linked(ops._slice_assign_scalar)
def slice_assign_scalar(op, ins, outs, scratch):
    y = outs[0]
    return _assign(ins[0], number(op.scalar, y.dtype), y, y[cuts(op.begin, op.end, op.step)])
