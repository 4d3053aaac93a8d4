"""What a step computes, for profiles: its arithmetic, and the algorithm that a convolution gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphnn import backend as backends
from graphnn.op import Op
from graphnn.types import TensorType

from .conv.geometry import Part

__all__ = ["work"]

Types = Sequence[TensorType]
Work = tuple[int, str]


def work(op: Op, ins: Types, outs: Types) -> Work:
    """Give the operations of a convolution or product, a multiply-add as two, and its algorithm.

    (0, "") for all others. A convolution counts what it computes directly, whatever its algorithm.
    """
    found = WORK.get(op.name)
    if found:
        return found(op, ins, outs)
    other: Any = backends.get("numpy")
    numpy: Work = other.work(op, ins, outs)
    return numpy


def _taps(parts: Sequence[Part]) -> int:
    """Count the pairs of an output position and an element of the kernel in one image."""
    return sum(p.rows.count * p.columns.count * p.taps for p in parts)


def _conv(op: Any, ins: Types, outs: Types) -> Work:
    flops = 2 * ins[0].shape[0] * _taps(op.parts) * op.channels * op.filters * op.groups
    return flops, f"direct, panels of {op.nr}"


def _winograd(op: Any, ins: Types, outs: Types) -> Work:
    grid = op.grid
    return 2 * ins[0].shape[
        0
    ] * grid.rows * grid.columns * 9 * op.channels * op.filters, f"winograd F({grid.m}x{grid.m}, 3x3)"


def _depthwise(op: Any, ins: Types, outs: Types) -> Work:
    return 2 * ins[0].shape[0] * _taps(op.parts) * op.channels, "depthwise"


def _conv_weights(op: Any, ins: Types, outs: Types) -> Work:
    flops = 2 * ins[0].shape[0] * _taps([op.part]) * op.channels * op.filters * op.groups
    return flops, "direct" if op.grid is None else f"winograd F(3x3, {op.grid.m}x{op.grid.m})"


def _depthwise_weights(op: Any, ins: Types, outs: Types) -> Work:
    return 2 * ins[0].shape[0] * _taps([op.part]) * op.shape[0], "depthwise"


def _chunked(op: Any, ins: Types, outs: Types) -> Work:
    """Sum over the steps of a chunk, for all chunks."""
    found = [work(s.op, [x.type for x in s.ins], [y.type for y in s.outs]) for s in op.plan.steps]
    return op.count * sum(flops for flops, _ in found), "; ".join(dict.fromkeys(name for _, name in found if name))


WORK: dict[str, Callable[[Any, Types, Types], Work]] = {
    "_conv": _conv,
    "_winograd": _winograd,
    "_depthwise": _depthwise,
    "_conv_weights": _conv_weights,
    "_depthwise_weights": _depthwise_weights,
    "_product": lambda op, ins, outs: (2 * op.m * op.n * op.k, "product"),
    "_chunked": _chunked,
}
