"""Kernels of graphnn/ops/sequence.py."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from graphnn.ops import sequence as ops

from .indexing import integers
from .registry import linked


class _Lengths:
    """The lengths as integers in [0, steps], and working memory for one index and one flag for each step."""

    def __init__(self, lengths, steps, scratch):
        n = lengths.size
        self.index, self.fill = integers(lengths, scratch)
        self.rows = scratch[8 * n : 16 * n].view(np.int64)
        self.rest = scratch[16 * n :]
        self.steps = steps

    def read(self):
        self.fill()
        np.clip(self.index, 0, self.steps, self.rows)


def _row_bytes(op, ins, outs):
    return 16 * ins[1].size if len(ins) > 1 else 0


def _grid_bytes(op, ins, outs):
    if len(ins) == 1:
        return 0
    steps, n = op.grid(ins[0].shape)
    return 16 * n + 9 * steps * n + 8


@linked(ops.SequenceMask, scratch=_grid_bytes)
def sequence_mask(op, ins, outs, scratch):
    if len(ins) == 1:
        return partial(np.copyto, outs[0], ins[0])
    (x, lengths), y = ins, outs[0]
    steps, n = op.grid(x.shape)
    at = _Lengths(lengths, steps, scratch)
    shape = (*x.shape[:2], *(1,) * (x.ndim - 2))
    beyond = at.rest[: steps * n].view(bool).reshape(shape)
    count = np.arange(steps).reshape((-1, 1) if op.axis == 0 else (1, -1))
    rows = at.rows if op.axis == 0 else at.rows.reshape(-1, 1)

    def run():
        at.read()
        np.greater_equal(count, rows, beyond.reshape(x.shape[:2]))
        np.copyto(y, x)
        np.copyto(y, op.value, where=beyond, casting="unsafe")

    return run


def _last(lengths, shape, axis, scratch):
    """Give the rows of (shape[0] shape[1], rest) where sequences end, and the call that finds them."""
    steps, n = (shape[0], shape[1]) if axis == 0 else (shape[1], shape[0])
    at = _Lengths(lengths, steps, scratch)
    column = np.arange(n) * (1 if axis == 0 else steps)

    def find():
        at.read()
        np.subtract(at.rows, 1, at.rows)
        np.maximum(at.rows, 0, out=at.rows)
        if axis == 0:
            np.multiply(at.rows, n, at.rows)
        np.add(at.rows, column, at.rows)

    return at.rows, find


@linked(ops.SequenceLast, scratch=_row_bytes)
def sequence_last(op, ins, outs, scratch):
    if len(ins) == 1:
        return partial(np.copyto, outs[0], np.moveaxis(ins[0], op.axis, 0)[-1])
    (x, lengths), y = ins, outs[0]
    rows, find = _last(lengths, x.shape, op.axis, scratch)
    rest = math.prod(x.shape[2:])
    flat, out = x.reshape(-1, rest), y.reshape(-1, rest)

    def run():
        find()
        np.take(flat, rows, 0, out, "clip")

    return run


@linked(ops._backward_SequenceLast, scratch=_row_bytes)
def backward_sequence_last(op, ins, outs, scratch):
    (g, lengths), dx = ins, outs[0]
    rows, find = _last(lengths, op.shape, op.axis, scratch)
    rest = math.prod(op.shape[2:])
    flat, out = g.reshape(-1, rest), dx.reshape(-1, rest)

    def run():
        find()
        out.fill(0)
        out[rows] = flat

    return run


@linked(ops.SequenceReverse, scratch=_grid_bytes)
def sequence_reverse(op, ins, outs, scratch):
    if len(ins) == 1:
        return partial(np.copyto, outs[0], ins[0][::-1])
    (x, lengths), y = ins, outs[0]
    steps, n = x.shape[:2]
    at = _Lengths(lengths, steps, scratch)
    index = at.rest[: 8 * steps * n].view(np.int64).reshape(steps, n)
    inside = at.rest[8 * steps * n :][: steps * n].view(bool).reshape(steps, n)
    count, column = np.arange(steps)[:, None], np.arange(n)
    flat, out = x.reshape(steps * n, -1), y.reshape(steps * n, -1)

    def run():
        at.read()
        np.subtract(at.rows, 1, at.rows)
        np.subtract(at.rows, count, index)
        np.greater_equal(index, 0, inside)
        np.logical_not(inside, inside)
        np.copyto(index, count, where=inside)
        np.multiply(index, n, index)
        np.add(index, column, index)
        np.take(flat, index.reshape(-1), 0, out, "clip")

    return run
