"""Chains of elementwise work that runs block by block, each block in cache from the first operation to the last."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphnn.op import Op, Split
from graphnn.ops.norm import _scale_shift
from graphnn.types import Shape, TensorType

from .calls import sequence
from .norm import Layout
from .registry import Run, linked

__all__ = ["add_relu", "relu_grad_sums", "scale_shift_relu"]


class add_relu(Op):
    """z = max(x + y, 0), both of one shape."""

    public = False
    name = "_add_relu"
    inputs = ("lhs", "rhs")
    inplace = ((0, 0), (1, 0))
    elementwise = True

    def shapes(self, x: Shape, y: Shape) -> Sequence[Shape]:
        return [x]


class scale_shift_relu(_scale_shift):
    """y = max(x scale[c] + shift[c], 0)."""

    name = "_scale_shift_relu"
    grad = Op.grad  # made after gradients are


class relu_grad_sums(Op):
    """dx = g where y > 0, else 0; its sums by channel; and with x and mean (c,) given the sums of dx (x - mean[c])."""

    axis: int
    dot: bool
    public = False
    name = "_relu_grad_sums"
    inplace = ((0, 0),)

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return ("grad", "output", "data", "mean")[: 4 if self.dot else 2]

    @property
    def output_names(self) -> tuple[str, ...]:
        return ("dx", "sum", "dot")[: 3 if self.dot else 2]

    def shapes(self, g: Shape, *rest: Shape) -> Sequence[Shape]:
        return [g, *[(g[self.axis],)] * (self.num_outputs - 1)]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0, 0, None)[: len(ins)], (0, None, None)[: len(outs)], sum=True)


BLOCK = 32 << 10  # elements of each array in a block


@linked(add_relu)
def add_relu_kernel(op: Op, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    x, y, z = (a.reshape(-1) for a in (*ins, *outs))
    calls: list[Run] = []
    for k in range(0, z.size, BLOCK):
        s = slice(k, k + BLOCK)
        calls += [partial(np.add, x[s], y[s], z[s]), partial(np.clip, z[s], 0, np.inf, z[s])]
    return sequence(calls)


def _shift_scratch(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    layout = Layout(ins[0].shape, op.axis, ins[0].nbytes // ins[0].size)
    return 3 * max(layout.tile, layout.c) * layout.itemsize


@linked(scale_shift_relu, scratch=_shift_scratch)
def scale_shift_relu_kernel(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    """relu(x a + b) = max(x a, -b) + b."""
    layout = Layout(ins[0].shape, op.axis, ins[0].itemsize)
    x, y = layout.view(ins[0]), layout.view(outs[0])
    work = scratch.view(x.dtype)
    (scale, shift), calls = layout.vectors(ins[1:], work)
    low = work[-shift.size :].reshape(shift.shape)
    calls.append(partial(np.negative, shift, low))
    for s in layout.blocks:
        calls += [
            partial(np.multiply, x[s], scale, y[s]),
            partial(np.maximum, y[s], low, out=y[s]),
            partial(np.add, y[s], shift, y[s]),
        ]
    return sequence(calls)


def _sums_scratch(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    layout = Layout(ins[0].shape, op.axis, ins[0].nbytes // ins[0].size)
    return (layout.size + layout.tile) * layout.itemsize + layout.size


@linked(relu_grad_sums, scratch=_sums_scratch)
def relu_grad_sums_kernel(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    layout = Layout(ins[0].shape, op.axis, ins[0].itemsize)
    g, y, dx = (layout.view(a) for a in (*ins[:2], outs[0]))
    shape = (layout.count, *layout.row)
    n = layout.size * g.itemsize
    t = scratch[:n].view(g.dtype).reshape(shape)
    above = scratch[n : n + layout.size].view(bool).reshape(shape)
    data = layout.view(ins[2]) if op.dot else None
    rest = scratch[n + layout.size :]
    mean, copies = layout.vectors(ins[3:], rest.view(g.dtype)) if op.dot else ([], [])
    sums = [layout.sum(out) for out in outs[1:]]

    def run() -> None:
        for call in copies:
            call()
        for total in sums:
            total.start()
        for s in layout.blocks:
            m = s.stop - s.start
            np.greater(y[s], 0, above[:m])
            np.multiply(g[s], above[:m], dx[s])
            sums[0].add(dx[s])
            if data is not None:
                np.subtract(data[s], mean[0], t[:m])
                np.multiply(t[:m], dx[s], t[:m])
                sums[1].add(t[:m])
        for total in sums:
            total.finish()

    return run
