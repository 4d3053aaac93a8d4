"""Convolution in NumPy: kernels over channels-last data; channels-first data is transposed around them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from graphnn.op import Op
from graphnn.passes.layout import Form, Perm
from graphnn.types import TensorType

from ..calls import sequence
from ..registry import LINKERS, SCRATCH, Run, linked
from . import backward, rule
from .forward import forward, forward_size
from .geometry import Geometry
from .ops import ANCHORS, conv_last, conv_last_data_grad, conv_last_weight_grad, ordered

__all__: list[str] = []

Types = Sequence[TensorType]


def _item(t: TensorType) -> int:
    return t.nbytes // t.size


def _image(a: np.ndarray) -> np.ndarray:
    """View (n, w, c) as (n, 1, w, c), and a kernel (kw, c, o) as (1, kw, c, o)."""
    return a[:, None] if a.ndim == 3 else a


def _kernel(a: np.ndarray) -> np.ndarray:
    return a[None] if a.ndim == 3 else a


# Forward


def _forward_scratch(op: conv_last, ins: Types, outs: Types) -> int:
    g = Geometry.of(op.conv, ins[0].shape, _item(ins[0]))
    return forward_size(g, rule.for_forward(g, op.algo), not op.conv.no_bias) * g.itemsize


@linked(conv_last, scratch=_forward_scratch)
def conv_last_kernel(op: conv_last, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    x, w = ins[:2]
    g = Geometry.of(op.conv, x.shape, x.itemsize)
    bias = ins[2] if len(ins) > 2 else None
    name = rule.for_forward(g, op.algo)
    return sequence(forward(g, name, _image(x), _kernel(w), bias, op.act == "relu", _image(outs[0]), scratch))


# Gradient of the data


def _data_scratch(op: conv_last_data_grad, ins: Types, outs: Types) -> int:
    g = Geometry.of(op.conv, outs[0].shape, _item(outs[0]))
    return backward.data_grad_size(g, partial(rule.for_forward, wanted=op.algo)) * g.itemsize


@linked(conv_last_data_grad, scratch=_data_scratch)
def conv_last_data_grad_kernel(
    op: conv_last_data_grad, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray
) -> Run:
    (dy, w), dx = ins, outs[0]
    g = Geometry.of(op.conv, dx.shape, dx.itemsize)
    pick = partial(rule.for_forward, wanted=op.algo)
    return sequence(backward.data_grad(g, pick, _image(dy), _kernel(w), _image(dx), scratch))


# Gradient of the weight


def _weight_scratch(op: conv_last_weight_grad, ins: Types, outs: Types) -> int:
    g = Geometry.of(op.conv, ins[0].shape, _item(ins[0]))
    return backward.weight_grad_size(g, rule.for_weight_grad(g, op.algo)) * g.itemsize


@linked(conv_last_weight_grad, scratch=_weight_scratch)
def conv_last_weight_grad_kernel(
    op: conv_last_weight_grad, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray
) -> Run:
    x, dy = ins
    g = Geometry.of(op.conv, x.shape, x.itemsize)
    name = rule.for_weight_grad(g, op.algo)
    return sequence(backward.weight_grad(g, name, _image(x), _image(dy), _kernel(outs[0]), scratch))


# The operators as users write them, for programs without the layout pass: the same kernels on transposed copies.


def _form(op: Op, ins: Sequence[TensorType]) -> Form:
    return ANCHORS[type(op)](op, ins, {})


def _copied(types: Types, orders: Sequence[Perm | None]) -> int:
    return sum(t.nbytes for t, perm in zip(types, orders, strict=True) if perm)


def _around_scratch(op: Op, ins: Types, outs: Types) -> int:
    form = _form(op, ins)
    moved_ins = [_moved_type(t, perm) for t, perm in zip(ins, form.ins, strict=True)]
    moved_outs = [_moved_type(t, perm) for t, perm in zip(outs, form.outs, strict=True)]
    return _copied((*ins, *outs), (*form.ins, *form.outs)) + SCRATCH[type(form.op)](form.op, moved_ins, moved_outs)


def _moved_type(t: TensorType, perm: Perm | None) -> TensorType:
    return TensorType(ordered(t.shape, perm), t.dtype)


@linked(*ANCHORS, scratch=_around_scratch)
def around(op: Op, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    form = _form(op, [TensorType(a.shape, str(a.dtype)) for a in ins])
    before: list[Run] = []
    after: list[Run] = []

    def moved(a: np.ndarray, perm: Perm | None, calls: list[Run], reads: bool) -> np.ndarray:
        nonlocal scratch
        if perm is None:
            return a
        there = a.transpose(perm)
        here = scratch[: a.nbytes].view(a.dtype).reshape(there.shape)
        scratch = scratch[a.nbytes :]
        calls.append(partial(np.copyto, here, there) if reads else partial(np.copyto, there, here))
        return here

    new_ins = [moved(a, perm, before, True) for a, perm in zip(ins, form.ins, strict=True)]
    new_outs = [moved(a, perm, after, False) for a, perm in zip(outs, form.outs, strict=True)]
    return sequence([*before, LINKERS[type(form.op)](form.op, new_ins, new_outs, scratch), *after])
