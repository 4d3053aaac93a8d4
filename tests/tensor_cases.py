"""Rows of the operator table for sorting, gathering, cutting and rearranging tensors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from case import Case, op


def ordered(*shape):
    """Draw distinct numbers at least 0.05 apart, so that a small step changes no order."""
    n = int(np.prod(shape))
    return lambda rng: [(rng.permutation(n) + rng.uniform(0, 0.9, n)).reshape(shape) / 2 - n / 4]


def order(x, axis, ascend):
    """The positions of the elements of x in order."""
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    return np.argsort(x if ascend else -x, axis)


def top(x, axis, k, kind, ascend):
    """What topk gives: values, positions, both or a mask of the first k elements."""
    at = order(x, axis, ascend)
    flat, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    at = np.take(at, np.arange(k or flat.shape[axis]), axis)
    values = np.take_along_axis(flat, at, axis)
    if kind == "mask":
        return np.isin(x, values).astype(float)
    return {"value": values, "indices": at, "both": (values, at)}[kind]


def columns(*shape, of):
    """Draw positions by axes: a column for each place of `shape` in an array of shape `of`, no two alike."""

    def draw(rng):
        chosen = rng.permutation(int(np.prod(of)))[: int(np.prod(shape))]
        return np.stack(np.unravel_index(chosen.reshape(shape), of)).astype(float)

    return draw


def gathered(x, i):
    return x[tuple(i.astype(int))]


def scattered(x, i, shape, old=0.0):
    y = np.zeros(shape) + old
    y[tuple(i.astype(int))] = x
    return y


def replaced(x, value, cut):
    y = np.array(x)
    y[cut] = value
    return y


def from_blocks(x, b):
    """Channel (i b + j) C + c holds row i and column j of the blocks of channel c."""
    n, c, h, w = x.shape
    y = np.zeros((n, c // b**2, h * b, w * b))
    for i in range(b):
        for j in range(b):
            y[:, :, i::b, j::b] = x[:, (i * b + j) * (c // b**2) :][:, : c // b**2]
    return y


def to_blocks(x, b):
    return np.concatenate([x[:, :, i::b, j::b] for i in range(b) for j in range(b)], 1)


def kronecker(*xs):
    """Every column is the Kronecker product of the inputs' columns."""
    y = xs[0]
    for x in xs[1:]:
        y = np.stack([np.kron(a, b) for a, b in zip(y.T, x.T, strict=True)], 1)
    return y


# What NumPy computes into arrays of its own only.
ALLOCATES = {
    "_backward_gather_nd", "_contrib_index_copy", "_ravel_multi_index", "_scatter_set_nd", "_unravel_index", "argsort",
    "gather_nd", "scatter_nd", "sort", "topk",
}  # fmt: skip

ROWS = [
    # --- graphnn/ops/order.py
    *[
        Case(
            op("sort", axis=axis, is_ascend=ascend),
            ((3, 4, 5),),
            lambda x, axis=axis, ascend=ascend: top(x, axis, 0, "value", ascend),
            draw=ordered(3, 4, 5),
        )
        for axis, ascend in ((-1, True), (1, False), (None, True))
    ],
    *[
        Case(
            op("argsort", axis=axis, is_ascend=ascend, dtype="float64"),
            ((3, 4, 5),),
            lambda x, axis=axis, ascend=ascend: order(x, axis, ascend),
            draw=ordered(3, 4, 5),
        )
        for axis, ascend in ((-1, True), (0, False), (None, False))
    ],
    *[
        Case(
            op("topk", axis=axis, k=k, ret_typ=kind, is_ascend=ascend),
            ((3, 4, 5),),
            lambda x, axis=axis, k=k, kind=kind, ascend=ascend: top(x, axis, k, kind, ascend),
            grad=[0] if kind in ("value", "both") else [],
            draw=ordered(3, 4, 5),
        )
        for axis, k, kind, ascend in (
            (-1, 2, "value", False),
            (1, 3, "both", True),
            (None, 7, "value", False),
            (0, 0, "both", False),
            (-1, 2, "mask", True),
            (None, 7, "mask", False),
            (1, 2, "indices", False),
        )
    ],
    # --- graphnn/ops/gather.py
    Case(
        op("batch_take"),
        ((3, 4), (3,)),
        lambda a, i: a[np.arange(3), np.clip(i.astype(int), 0, 3)],
        grad=[0],
        draw=lambda rng: [rng.uniform(-1, 1, (3, 4)), np.array([2, -1, 6])],
    ),
    Case(
        op("gather_nd"),
        ((3, 4, 5), (2, 3, 2)),
        gathered,
        grad=[0],
        draw=lambda rng: [rng.uniform(-1, 1, (3, 4, 5)), rng.integers(-3, 3, (2, 3, 2))],
    ),
    Case(
        op("scatter_nd", shape=(3, 4, 5)),
        ((2, 3, 5), (2, 2, 3)),
        lambda x, i: scattered(x, i, (3, 4, 5)),
        grad=[0],
        draw=lambda rng: [rng.uniform(-1, 1, (2, 3, 5)), columns(2, 3, of=(3, 4))(rng)],
    ),
    Case(
        op("_backward_gather_nd", shape=(3, 4)),
        ((5, 4), (1, 5)),
        lambda x, i: np.stack([x[i[0] == k].sum(0) for k in range(3)]),
        grad=[0],
        draw=lambda rng: [rng.uniform(-1, 1, (5, 4)), np.array([[0, 2, 2, 0, 2]])],
    ),
    Case(
        op("_scatter_set_nd", shape=(3, 4)),
        ((3, 4), (5,), (2, 5)),
        lambda x, new, i: scattered(new, i, (3, 4), x),
        grad=[0, 1],
        draw=lambda rng: [rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, 5), columns(5, of=(3, 4))(rng)],
    ),
    Case(
        op("fill_element_0index"),
        ((3, 4), (3,), (3,)),
        lambda x, new, i: scattered(new[:2], np.stack([[0, 1], i[:2]]), (3, 4), x),
        grad=[0, 1],
        draw=lambda rng: [rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, 3), np.array([2, 0, 9])],
    ),
    Case(
        op("_contrib_index_copy"),
        ((4, 3), (2,), (2, 3)),
        lambda x, i, new: scattered(new, i[None], (4, 3), x),
        grad=[0, 2],
        draw=lambda rng: [rng.uniform(-1, 1, (4, 3)), np.array([3, 1]), rng.uniform(-1, 1, (2, 3))],
    ),
    Case(
        op("_ravel_multi_index", shape=(-1, 4, 5)),
        ((3, 6),),
        lambda i: np.ravel_multi_index(tuple(i.astype(int)), (3, 4, 5)),
        draw=lambda rng: [columns(6, of=(3, 4, 5))(rng)],
    ),
    Case(
        op("_unravel_index", shape=(3, 4, 5)),
        ((2, 3),),
        lambda i: np.stack(np.unravel_index(i.astype(int), (3, 4, 5))),
        draw=lambda rng: [rng.integers(0, 60, (2, 3))],
    ),
    # --- graphnn/ops/crop.py
    Case(op("Crop", num_args=1, h_w=(2, 3), offset=(1, 2)), ((2, 1, 5, 6),), lambda x: x[:, :, 1:3, 2:5]),
    Case(op("Crop", num_args=1, h_w=(2, 3), center_crop=True), ((2, 1, 5, 6),), lambda x: x[:, :, 1:3, 1:4]),
    Case(op("Crop", num_args=2), ((2, 3, 5, 6), (1, 2, 3, 4)), lambda x, y: x[:, :, :3, :4], grad=[0]),
    Case(op("_split_v2", indices=(0, 1, 4), axis=-2), ((2, 6, 3),), lambda x: tuple(np.split(x, (1, 4), 1))),
    Case(op("_split_v2", indices=(), sections=3), ((2, 6, 3),), lambda x: tuple(np.split(x, 3, 1))),
    Case(
        op("_split_v2", indices=(0, 1), axis=2, squeeze_axis=True),
        ((3, 4, 2),),
        lambda x: (x[:, :, 0], x[:, :, 1]),
    ),
    Case(
        op("_slice_assign", begin=(1, None), end=(3, -1), step=(None, 2)),
        ((4, 6), (2, 3)),
        lambda x, new: replaced(x, new, np.s_[1:3, :-1:2]),
    ),
    Case(
        op("_slice_assign_scalar", begin=(3,), end=(0,), step=(-2,), scalar=1.5),
        ((4, 6),),
        lambda x: replaced(x, 1.5, np.s_[3:0:-2]),
    ),
    # --- graphnn/ops/rearrange.py
    Case(op("depth_to_space", block_size=2), ((2, 12, 2, 5),), lambda x: from_blocks(x, 2)),
    Case(op("space_to_depth", block_size=2), ((2, 3, 4, 6),), lambda x: to_blocks(x, 2)),
    Case(op("diag", k=-1), ((4,),), lambda x: np.diag(x, -1)),
    Case(op("diag", k=1), ((4, 5),), lambda x: np.diag(x, 1)),
    Case(op("diag", k=-2, axis1=-1, axis2=0), ((3, 4, 5),), lambda x: np.diagonal(x, -2, 2, 0)),
    Case(op("moments", axes=(0, 2)), ((3, 4, 2),), lambda x: (x.mean((0, 2)), x.var((0, 2)))),
    Case(
        op("moments", axes=(1,), keepdims=True),
        ((3, 4),),
        lambda x: (x.mean(1, keepdims=True), x.var(1, keepdims=True)),
    ),
    Case(op("_np_cumsum", axis=1), ((3, 4, 2),), lambda x: np.cumsum(x, 1)),
    Case(op("_np_cumsum"), ((3, 4),), np.cumsum),
    Case(op("khatri_rao", num_args=3), ((2, 4), (3, 4), (5, 4)), kronecker),
]

CASES = [replace(c, tags=("allocates",)) if c.op.name in ALLOCATES else c for c in ROWS]
