"""Kernels of graphnn/ops/shape.py, join.py and pad.py: copies between views built when the program is linked."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from graphnn.ops import join
from graphnn.ops import pad as pads
from graphnn.ops import shape as ops

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


def _margins(y, mode, pad_width):
    """Give, axis by axis, (margin, source) views of the padded array `y`; the margins cover all axes done before."""
    pairs = []
    for axis in range(y.ndim):
        before, after = pad_width[2 * axis : 2 * axis + 2]
        lead, n = (slice(None),) * axis, y.shape[axis] - before - after
        # Axes not yet padded are cut to the centre.
        rest = tuple(slice(pad_width[2 * i], y.shape[i] - pad_width[2 * i + 1]) for i in range(axis + 1, y.ndim))

        def part(start, stop, step, lead=lead, rest=rest):
            return y[(*lead, slice(start, None if stop < 0 else stop, step), *rest)]

        first, last = before, before + n - 1
        if mode == "edge":
            sources = part(first, first + 1, 1), part(last, last + 1, 1)
        else:
            sources = part(first + before, first, -1), part(last - 1, last - 1 - after, -1)
        if before:
            pairs.append((part(0, before, 1), sources[0]))
        if after:
            pairs.append((part(last + 1, last + 1 + after, 1), sources[1]))
    return pairs


def _centre(y, pad_width):
    return y[tuple(slice(a, n - b) for n, a, b in zip(y.shape, pad_width[::2], pad_width[1::2], strict=True))]


@linked(pads.Pad)
def pad(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    centre = _centre(y, op.pad_width)
    if op.mode != "constant":
        return copies([(centre, x), *_margins(y, op.mode, op.pad_width)])

    def run():
        y.fill(op.constant_value)
        np.copyto(centre, x)

    return run


def _pad_scratch(op, ins, outs):
    return 0 if op.mode == "constant" else ins[0].nbytes


@linked(pads._backward_Pad, scratch=_pad_scratch)
def backward_pad(op, ins, outs, scratch):
    g, dx = ins[0], outs[0]
    if op.mode == "constant":
        return partial(np.copyto, dx, _centre(g, op.pad_width))
    work = scratch[: g.nbytes].view(g.dtype).reshape(g.shape)
    centre = _centre(work, op.pad_width)
    steps = _margins(work, op.mode, op.pad_width)[::-1]

    def fold(margin, source):
        if op.mode == "reflect":
            np.add(source, margin, source)
            return
        axis = next(i for i, (m, n) in enumerate(zip(margin.shape, source.shape, strict=True)) if m != n)
        for i in range(margin.shape[axis]):
            np.add(source, margin[(slice(None),) * axis + (slice(i, i + 1),)], source)

    # An edge margin of one element has the shape of its source and is added whole.
    adds = [
        (lambda m=m, s=s: np.add(s, m, s)) if m.shape == s.shape else (lambda m=m, s=s: fold(m, s)) for m, s in steps
    ]

    def run():
        np.copyto(work, g)
        for add in adds:
            add()
        np.copyto(dx, centre)

    return run


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
