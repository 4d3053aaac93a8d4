"""Kernels of graphnn/ops/shape.py, join.py and pad.py: copies between views built when the program is linked."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np

from graphnn.ops import join
from graphnn.ops import pad as pads
from graphnn.ops import shape as ops

from .calls import sequence, workspace
from .registry import linked


def copies(pairs):
    """Give the function that copies each (target, source)."""
    pairs = list(pairs)
    if len(pairs) == 1:
        return partial(np.copyto, *pairs[0])

    def run():
        for y, x in pairs:
            np.copyto(y, x)

    return run


@linked(ops._reshape_to, ops.Reshape, ops.Flatten, ops.expand_dims, ops.squeeze, ops.reshape_like)
def view(op, ins, outs, scratch):
    return partial(np.copyto, outs[0], ins[0].reshape(outs[0].shape))


@linked(ops.transpose, ops.SwapAxis)
def transpose(op, ins, outs, scratch):
    return partial(np.copyto, outs[0], ins[0].transpose(op.order(ins[0].ndim)))


def _pieces(y, axis, sizes):
    """Cut `y` along `axis` into pieces of the given sizes."""
    lead, at = (slice(None),) * axis, 0
    for n in sizes:
        yield y[(*lead, slice(at, at + n))]
        at += n


@linked(join.Concat)
def concat(op, ins, outs, scratch):
    axis = op.dim % outs[0].ndim
    return copies(zip(_pieces(outs[0], axis, [x.shape[axis] for x in ins]), ins, strict=True))


@linked(join.stack)
def stack(op, ins, outs, scratch):
    return copies(zip(np.moveaxis(outs[0], op.axis, 0), ins, strict=True))


@linked(join.SliceChannel)
def slice_channel(op, ins, outs, scratch):
    x = np.moveaxis(ins[0], op.axis, 0)
    if op.squeeze_axis:
        return copies(zip(outs, x, strict=True))
    ys = [np.moveaxis(y, op.axis, 0) for y in outs]
    return copies(zip(ys, _pieces(x, 0, [len(y) for y in ys]), strict=True))


@linked(join.slice)
def slice_kernel(op, ins, outs, scratch):
    return partial(np.copyto, outs[0], ins[0][join.cuts(op.begin, op.end, op.step)])


@linked(join._backward_slice)
def backward_slice(op, ins, outs, scratch):
    y = outs[0]
    hole = y[join.cuts(op.begin, op.end, op.step)]
    g = ins[0]

    def run():
        y.fill(0)
        np.copyto(hole, g)

    return run


@linked(join.slice_axis)
def slice_axis(op, ins, outs, scratch):
    lead = (slice(None),) * (op.axis % ins[0].ndim)
    return partial(np.copyto, outs[0], ins[0][(*lead, slice(op.begin, op.end))])


@linked(join.slice_like)
def slice_like(op, ins, outs, scratch):
    return partial(np.copyto, outs[0], ins[0][tuple(map(slice, outs[0].shape))])


def _spans(x, before, after, mode):
    """Give, for one axis, (span of the padded array, what it is copied from): the centre, then each margin."""
    spans = [(slice(before, before + x), slice(None))]
    if before:
        spans.append((slice(0, before), slice(0, 1) if mode == "edge" else slice(before, 0, -1)))
    if after:
        # x - 2 counts down to x - 1 - after; a stop of -1 would mean the end.
        stop = x - 2 - after
        inner = slice(x - 1, x) if mode == "edge" else slice(x - 2, None if stop < 0 else stop, -1)
        spans.append((slice(before + x, before + x + after), inner))
    return spans


def _regions(op, x):
    """Give (region of the padded array, source in one of shape `x`): the centre first, then margins and corners."""
    pads = zip(x, op.pad_width[::2], op.pad_width[1::2], strict=True)
    spans = [_spans(n, a, b, op.mode) for n, a, b in pads]
    return [tuple(zip(*region, strict=True)) for region in itertools.product(*spans)]


@linked(pads.Pad)
def pad(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    if op.mode != "constant":
        return copies((y[to], x[source]) for to, source in _regions(op, x.shape))
    centre = y[_centre(op, x.shape)]

    def run():
        y.fill(op.constant_value)
        np.copyto(centre, x)

    return run


def _centre(op, x):
    return tuple(slice(a, a + n) for n, a in zip(x, op.pad_width[::2], strict=True))


def _pad_scratch(op, ins, outs):
    return outs[0].nbytes if op.mode == "edge" else 0


@linked(pads._backward_Pad, scratch=_pad_scratch)
def backward_pad(op, ins, outs, scratch):
    """Copy the centre; then add every margin to where it was copied from, an edge's summed first."""
    g, dx = ins[0], outs[0]
    centre = partial(np.copyto, dx, g[_centre(op, dx.shape)])
    if op.mode == "constant":
        return centre
    calls = [centre]
    for region, source in _regions(op, dx.shape)[1:]:
        part, to = g[region], dx[source]
        if part.shape != to.shape:
            axes = tuple(i for i in range(dx.ndim) if part.shape[i] != to.shape[i])
            total = workspace(scratch, to)
            calls.append(partial(np.add.reduce, part, axis=axes, keepdims=True, out=total))
            part = total
        calls.append(partial(np.add, to, part, out=to))
    return sequence(calls)


@linked(pads.tile)
def tile(op, ins, outs, scratch):
    pairs = op.pairs(ins[0].shape)
    y = outs[0].reshape([n for pair in pairs for n in pair])
    return partial(np.copyto, y, ins[0].reshape([n for _, size in pairs for n in (1, size)]))


@linked(pads.repeat)
def repeat(op, ins, outs, scratch):
    x = ins[0]
    axis = x.ndim - 1 if op.axis is None else op.axis % x.ndim
    rows, rest = math.prod(x.shape[: axis + 1]), math.prod(x.shape[axis + 1 :])
    return partial(np.copyto, outs[0].reshape(rows, op.repeats, rest), x.reshape(rows, 1, rest))


@linked(pads.reverse)
def reverse(op, ins, outs, scratch):
    return partial(np.copyto, outs[0], np.flip(ins[0], op.axis))
