"""What a step computes, for profiles: its arithmetic, and the algorithm that a convolution gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from graphnn.op import Op
from graphnn.types import TensorType

from .conv import rule
from .conv.geometry import Geometry
from .conv.ops import ANCHORS

__all__ = ["work"]

Types = Sequence[TensorType]
Work = tuple[int, str]


def work(op: Op, ins: Types, outs: Types) -> Work:
    """Give the operations of a convolution or product, a multiply-add as two, and its algorithm.

    (0, "") for all others. A convolution counts what it computes directly, whatever its algorithm.
    """
    if op.name in CONVOLUTIONS:
        return CONVOLUTIONS[op.name](op, ins, outs)
    if type(op) in ANCHORS:
        flops, _ = _plain(op, ins, outs)
        return flops, ""
    found = PRODUCTS.get(op.name)
    return (found(op, ins, outs), "product") if found else (0, "")


def _geometry(op: Any, data: TensorType) -> Geometry:
    return Geometry.of(op.conv, data.shape, data.nbytes // data.size)


def _products(outputs: TensorType, weight: TensorType, filters: int) -> int:
    """Each output of a convolution takes as many multiply-adds as one filter has elements."""
    return 2 * outputs.size * weight.size // filters


def _forward(op: Any, ins: Types, outs: Types) -> Work:
    name = rule.for_forward(_geometry(op, ins[0]), op.algo)
    return _products(outs[0], ins[1], op.conv.num_filter), name


def _data_grad(op: Any, ins: Types, outs: Types) -> Work:
    """Each place within the stride is a convolution of its own."""
    phases = [p.geometry for p in _geometry(op, outs[0]).phases() if p.rows and p.columns]
    names = dict.fromkeys(rule.for_forward(g, op.algo) for g in phases)
    return _products(ins[0], ins[1], op.conv.num_filter), ", ".join(names)


def _weight_grad(op: Any, ins: Types, outs: Types) -> Work:
    name = rule.for_weight_grad(_geometry(op, ins[0]), op.algo)
    return _products(ins[1], outs[0], op.conv.num_filter), name


def _plain(op: Any, ins: Types, outs: Types) -> Work:
    """A convolution as users write it, or a gradient of one."""
    outputs, weight = {"Convolution": (outs[0], ins[1]), "conv_data_grad": (ins[0], ins[1])}.get(
        op.name, (ins[1], outs[0])
    )
    return _products(outputs, weight, getattr(op, "conv", op).num_filter), ""


CONVOLUTIONS: dict[str, Callable[[Any, Types, Types], Work]] = {
    "_conv_last": _forward,
    "_conv_last_data_grad": _data_grad,
    "_conv_last_weight_grad": _weight_grad,
}


def _dot(op: Any, ins: Types, outs: Types) -> int:
    inner = ins[0].shape[0 if op.transpose_a else -1] if ins[0].ndim else 1
    return 2 * outs[0].size * inner


def _batch_dot(op: Any, ins: Types, outs: Types) -> int:
    return 2 * outs[0].size * ins[0].shape[-2 if op.transpose_a else -1]


PRODUCTS: dict[str, Callable[[Any, Types, Types], int]] = {
    "FullyConnected": lambda op, ins, outs: 2 * outs[0].size * math.prod(ins[1].shape[1:]),
    "dot": _dot,
    "batch_dot": _batch_dot,
}
