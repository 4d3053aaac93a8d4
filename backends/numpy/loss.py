"""Kernels of graphnn/ops/loss.py."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from graphnn.ops import loss as ops

from .calls import quiet
from .indexing import integers
from .registry import linked


def _line(shape, axis):
    """Give the shape of a reduction along `axis`."""
    return (*shape[:axis], 1, *shape[axis + 1 :])


def _line_bytes(op, ins, outs):
    t = outs[0]
    return t.nbytes // t.shape[op.along(t.ndim)]


def _stage(x, y, divisor):
    """Give the array to exponentiate, and the function that makes it: x / divisor, in the type of y."""
    if divisor == 1 and x.dtype == y.dtype:
        return x, None

    def run():
        np.copyto(y, x, casting="unsafe")
        np.divide(y, divisor, y)

    return y, run


def _softmax(x, y, axis, line, divisor=1.0):
    """Give the function that writes the softmax of x along `axis` to y; `line` holds one reduction."""
    source, stage = _stage(x, y, divisor)

    def run():
        if stage:
            stage()
        np.maximum.reduce(source, axis, out=line, keepdims=True)
        np.subtract(source, line, y)
        np.exp(y, y)
        np.add.reduce(y, axis, out=line, keepdims=True)
        np.divide(y, line, y)

    return run


def _lined(op, y, scratch):
    axis = op.along(y.ndim)
    shape = _line(y.shape, axis)
    return axis, scratch[: math.prod(shape) * y.itemsize].view(y.dtype).reshape(shape)


def _softmax_bytes(op, ins, outs):
    return _line_bytes(op, ins, outs) + (outs[0].size if len(ins) > 1 else 0)


def _within(op, x, length, y, scratch):
    """Softmax of the first elements, as many as `length` says; the others are 0."""
    axis, line = _lined(op, y, scratch)
    counts = np.arange(y.shape[axis]).reshape(-1, *(1,) * (y.ndim - 1 - axis))
    beyond = scratch[line.nbytes :][: y.size].view(bool).reshape(y.shape)
    length = np.expand_dims(length, axis)
    after = _softmax(y, y, axis, line)

    def run():
        np.greater_equal(counts, length, out=beyond)
        np.divide(x, op.divisor, y, casting="unsafe")
        np.copyto(y, -np.inf, where=beyond)
        after()
        np.copyto(y, 0, where=beyond)

    return quiet(run)


@linked(ops.softmax, ops.softmin, scratch=_softmax_bytes)
def softmax(op, ins, outs, scratch):
    if len(ins) > 1:
        return _within(op, ins[0], ins[1], outs[0], scratch)
    axis, line = _lined(op, outs[0], scratch)
    divisor = -op.divisor if isinstance(op, ops.softmin) else op.divisor
    return _softmax(ins[0], outs[0], axis, line, divisor)


@linked(ops.log_softmax, scratch=lambda op, ins, outs: _line_bytes(op, ins, outs) + outs[0].nbytes)
def log_softmax(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    axis, line = _lined(op, y, scratch[y.nbytes :])
    work = scratch[: y.nbytes].view(y.dtype).reshape(y.shape)
    source, stage = _stage(x, y, op.divisor)

    def run():
        if stage:
            stage()
        np.maximum.reduce(source, axis, out=line, keepdims=True)
        np.subtract(source, line, y)
        np.exp(y, work)
        np.add.reduce(work, axis, out=line, keepdims=True)
        np.log(line, line)
        np.subtract(y, line, y)

    return run


@linked(ops._backward_softmax, scratch=_line_bytes)
def backward_softmax(op, ins, outs, scratch):
    (g, y), dx = ins, outs[0]
    axis, line = _lined(op, dx, scratch)

    def run():
        np.multiply(g, y, dx)
        np.add.reduce(dx, axis, out=line, keepdims=True)
        np.subtract(g, line, dx)
        np.multiply(dx, y, dx)
        if op.divisor != 1:
            np.divide(dx, op.divisor, dx)

    return run


@linked(ops._backward_log_softmax, scratch=_line_bytes)
def backward_log_softmax(op, ins, outs, scratch):
    (g, y), dx = ins, outs[0]
    axis, line = _lined(op, dx, scratch)

    def run():
        np.add.reduce(g, axis, out=line, keepdims=True)
        np.exp(y, dx)
        np.multiply(dx, line, dx)
        np.subtract(g, dx, dx)
        if op.divisor != 1:
            np.divide(dx, op.divisor, dx)

    return run


def _in_rows(x, y, rows, scratch):
    """Softmax over the middle axis of (n, c, rest)."""
    line = scratch[: y.nbytes // rows[1]].view(y.dtype).reshape(rows[0], 1, rows[2])
    return _softmax(x.reshape(rows), y.reshape(rows), 1, line)


def _head_bytes(op, ins, outs):
    return outs[0].nbytes


@linked(ops.SoftmaxActivation, scratch=_head_bytes)
def softmax_activation(op, ins, outs, scratch):
    shape = ins[0].shape
    channel = op.mode == "channel"
    rows = (shape[0], shape[1], math.prod(shape[2:])) if channel else (math.prod(shape[:-1]), shape[-1], 1)
    return _in_rows(ins[0], outs[0], rows, scratch)


@linked(ops.SoftmaxOutput, scratch=_head_bytes)
def softmax_output(op, ins, outs, scratch):
    return _in_rows(ins[0], outs[0], op.rows(ins[0].shape, ins[1].shape), scratch)


def _label_bytes(op, ins, outs):
    # Indices, positions (8 bytes each), the values there (8 bytes at most), two masks.
    return 26 * ins[1].size


class _Labels:
    """The element of each row of an array (n, c, rest) that its label (n, rest) names; no element if out of range."""

    def __init__(self, shape, label, dtype, scratch):
        n, self.classes, self.rest = shape
        m = label.size
        self.index, self.fill = integers(label, scratch)
        self.position = scratch[8 * m : 16 * m].view(np.int64)
        self.values = scratch[16 * m : 16 * m + m * np.dtype(dtype).itemsize].view(dtype)
        self.inside = scratch[24 * m : 25 * m].view(np.bool_)
        self.other = scratch[25 * m : 26 * m].view(np.bool_)
        self.base = (np.arange(n)[:, None] * (self.classes * self.rest) + np.arange(self.rest)).reshape(-1)

    def locate(self):
        self.fill()
        np.greater_equal(self.index, 0, self.inside)
        np.less(self.index, self.classes, self.other)
        np.logical_and(self.inside, self.other, self.inside)
        np.clip(self.index, 0, self.classes - 1, self.position)
        np.multiply(self.position, self.rest, self.position)
        np.add(self.position, self.base, self.position)

    def gather(self, flat):
        np.take(flat, self.position, 0, self.values, "clip")


@linked(ops._backward_SoftmaxOutput, scratch=_label_bytes)
def backward_softmax_output(op, ins, outs, scratch):
    (prob, label), dx = ins, outs[0]
    at = _Labels(prob.shape, label, dx.dtype, scratch)
    flat = dx.reshape(-1)
    spread = op.smooth / (prob.shape[1] - 1) if op.smooth and prob.shape[1] > 1 else 0.0
    taken = 1 - op.smooth - spread  # what the label has more than the other classes
    kept = at.other.reshape(dx.shape[0], 1, dx.shape[2])

    def run():
        at.locate()
        if spread:
            np.subtract(prob, spread, dx)
        else:
            np.copyto(dx, prob)
        at.gather(flat)
        np.subtract(at.values, taken, at.values, where=at.inside)
        flat[at.position] = at.values
        scale = op.scale
        if op.use_ignore or op.valid:
            np.not_equal(at.index, op.ignore, at.other)
            if op.valid:
                scale /= max(np.count_nonzero(at.other), 1)
        if op.use_ignore:
            np.multiply(dx, kept, dx)
        if scale != 1:
            np.multiply(dx, scale, dx)

    return run


@linked(ops.LinearRegressionOutput, ops.MAERegressionOutput, ops.SVMOutput)
def identity(op, ins, outs, scratch):
    return partial(np.copyto, outs[0], ins[0])


@linked(ops.LogisticRegressionOutput)
def logistic(op, ins, outs, scratch):
    x, y = ins[0], outs[0]

    def run():
        # 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2, which cannot overflow.
        np.multiply(x, 0.5, y)
        np.tanh(y, y)
        np.multiply(y, 0.5, y)
        np.add(y, 0.5, y)

    return run


def _entropy_bytes(op, ins, outs):
    return ins[0].nbytes + 16 * ins[0].shape[0] + 26 * ins[1].size


@linked(ops.softmax_cross_entropy, scratch=_entropy_bytes)
def softmax_cross_entropy(op, ins, outs, scratch):
    (x, label), y = ins, outs[0]
    n, c = x.shape
    labels = 26 * n
    at = _Labels((n, c, 1), label, x.dtype, scratch[:labels])
    line = scratch[labels + 6 * n :][: n * x.itemsize].view(x.dtype).reshape(n, 1)  # 32 n: aligned
    work = scratch[labels + 14 * n :][: x.nbytes].view(x.dtype).reshape(n, c)
    flat = work.reshape(-1)
    sums = line.reshape(-1)

    def run():
        at.locate()
        np.maximum.reduce(x, 1, out=line, keepdims=True)
        np.subtract(x, line, work)
        at.gather(flat)
        np.exp(work, work)
        np.add.reduce(work, 1, out=line, keepdims=True)
        np.log(line, line)
        np.subtract(sums, at.values, sums)
        np.multiply(sums, at.inside, sums)
        np.add.reduce(sums, 0, out=y, keepdims=True)

    return run
