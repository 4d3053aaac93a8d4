"""Kernels of graphnn/ops/create.py."""

from __future__ import annotations

from functools import partial

import numpy as np

from graphnn.ops import create as ops

from .registry import kernel, linked


@kernel(ops._zeros)
def zeros(op, y):
    y.fill(0)


@kernel(ops._ones)
def ones(op, y):
    y.fill(1)


@kernel(ops._full)
def full(op, y):
    y.fill(y.dtype.type(op.value))


@linked(ops._arange)
def arange(op, ins, outs, scratch):
    low, _ = op.bounds()
    y = outs[0]
    values = (low + op.step * (np.arange(y.size) // op.repeat)).astype(y.dtype)
    return partial(np.copyto, y, values)


@linked(ops._eye)
def eye(op, ins, outs, scratch):
    y = outs[0]
    return partial(np.copyto, y, np.eye(y.shape[0], y.shape[1], op.k, y.dtype))


def generator(state, stream):
    """Give a Generator, and the function that sets it to key (seed, stream) and counter (0, call, 0, 0)."""
    bits = np.random.Philox(key=0)
    content = bits.state
    key, counter = content["state"]["key"], content["state"]["counter"]
    key[1], counter[:] = stream, 0

    def reset():
        key[0], counter[1] = state[0], state[1]
        bits.state = content

    return np.random.Generator(bits), reset


def _drawn(op, ins, outs):
    """float16 is drawn in float32 first."""
    return 2 * outs[0].nbytes if outs[0].dtype == "float16" else 0


def _target(y, scratch):
    return scratch[: 4 * y.size].view(np.float32).reshape(y.shape) if y.dtype == np.float16 else y


@linked(ops._uniform, scratch=_drawn)
def uniform(op, ins, outs, scratch):
    y = outs[0]
    draw = _target(y, scratch)
    random, reset = generator(ins[0], op.stream)

    def run():
        reset()
        random.random(dtype=draw.dtype, out=draw)
        if op.low != 0 or op.high != 1:
            np.multiply(draw, op.high - op.low, draw)
            np.add(draw, op.low, draw)
        if draw is not y:
            np.copyto(y, draw, casting="same_kind")

    return run


@linked(ops._normal, scratch=_drawn)
def normal(op, ins, outs, scratch):
    y = outs[0]
    draw = _target(y, scratch)
    random, reset = generator(ins[0], op.stream)

    def run():
        reset()
        random.standard_normal(dtype=draw.dtype, out=draw)
        if op.loc != 0 or op.scale != 1:
            np.multiply(draw, op.scale, draw)
            np.add(draw, op.loc, draw)
        if draw is not y:
            np.copyto(y, draw, casting="same_kind")

    return run


@linked(ops._dropout_mask, scratch=_drawn)
def dropout_mask(op, ins, outs, scratch):
    y = outs[0]
    draw = _target(y, scratch)
    random, reset = generator(ins[0], op.stream)
    kept = 1 / (1 - op.p)

    def run():
        reset()
        random.random(dtype=draw.dtype, out=draw)
        np.greater_equal(draw, op.p, y)
        np.multiply(y, kept, y)

    return run
