"""Rows of the operator table for attention, windows of images, shapes and ranges as data, casts, estimators."""

from __future__ import annotations

import itertools

import numpy as np
from case import Case, op


def heads_of(x, heads, parts):
    """Give (parts, batch heads, length, d) of interleaved projections (length, batch, heads parts d)."""
    length, n, width = x.shape
    y = x.reshape(length, n, heads, parts, width // heads // parts)
    return np.einsum("lnhpd->pnhld", y).reshape(parts, n * heads, length, -1)


def scores(q, k):
    return np.einsum("bld,bmd->blm", q, k) / np.sqrt(q.shape[-1])


def weighted(a, v, heads):
    y = np.einsum("blm,bmd->bld", a, v).reshape(-1, heads, a.shape[1], v.shape[-1])
    return np.einsum("nhld->lnhd", y).reshape(a.shape[1], y.shape[0], -1)


def places(sizes, kernel, stride, dilate, pad):
    """Give (element of the kernel, window, place in the padded image) for all."""
    counts = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, d, p in zip(sizes, kernel, stride, dilate, pad, strict=True)
    ]
    for i, at in enumerate(itertools.product(*map(range, kernel))):
        for j, w in enumerate(itertools.product(*map(range, counts))):
            yield i, j, tuple(a * d + b * s for a, d, b, s in zip(at, dilate, w, stride, strict=True))


def windows(x, *how):
    """y[n, c prod(kernel) + i, j] = the element that window j has at element i of the kernel."""
    pad = how[-1]
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in pad)))
    found = list(places(x.shape[2:], *how))
    y = np.zeros((*x.shape[:2], found[-1][0] + 1, found[-1][1] + 1))
    for i, j, at in found:
        y[:, :, i, j] = padded[(..., *at)]
    return y.reshape(len(x), -1, y.shape[-1])


def image(x, sizes, *how):
    """The sum of the windows, each element where it came from."""
    found = list(places(sizes, *how))
    x = x.reshape(len(x), -1, found[-1][0] + 1, found[-1][1] + 1)
    y = np.zeros((*x.shape[:2], *(n + 2 * p for n, p in zip(sizes, how[-1], strict=True))))
    for i, j, at in found:
        y[(..., *at)] += x[:, :, i, j]
    return y[(..., *(slice(p, p + n) for n, p in zip(sizes, how[-1], strict=True)))]


HOW = {"kernel": (2, 3), "stride": (2, 1), "dilate": (1, 2), "pad": (1, 0)}

CASES = [
    # --- graphnn/ops/attention.py
    Case(
        op("_contrib_interleaved_matmul_selfatt_qk", heads=2),
        ((4, 3, 2 * 3 * 5),),
        lambda x: scores(*heads_of(x, 2, 3)[:2]),
    ),
    Case(
        op("_contrib_interleaved_matmul_selfatt_valatt", heads=2),
        ((4, 3, 2 * 3 * 5), (6, 4, 4)),
        lambda x, a: weighted(a, heads_of(x, 2, 3)[2], 2),
    ),
    Case(
        op("_contrib_interleaved_matmul_encdec_qk", heads=2),
        ((4, 3, 10), (5, 3, 20)),
        lambda q, kv: scores(heads_of(q, 2, 1)[0], heads_of(kv, 2, 2)[0]),
    ),
    Case(
        op("_contrib_interleaved_matmul_encdec_valatt", heads=2),
        ((5, 3, 20), (6, 4, 5)),
        lambda kv, a: weighted(a, heads_of(kv, 2, 2)[1], 2),
    ),
    Case(op("im2col", **HOW), ((2, 3, 5, 7),), lambda x: windows(x, *HOW.values())),
    Case(op("im2col", kernel=(3,)), ((2, 3, 7),), lambda x: windows(x, (3,), (1,), (1,), (0,))),
    Case(op("col2im", output_size=(5, 7), **HOW), ((2, 12, 9),), lambda x: image(x, (5, 7), *HOW.values())),
    # --- graphnn/ops/small.py
    Case(op("shape_array"), ((3, 4, 2),), lambda x: np.array([3, 4, 2])),
    Case(op("size_array"), ((3, 4, 2),), lambda x: np.array([24])),
    Case(
        op("_contrib_arange_like", start=2, step=0.5, repeat=3),
        ((3, 4),),
        lambda x: 2 + 0.5 * (np.arange(12) // 3).reshape(3, 4),
    ),
    Case(op("_contrib_arange_like", axis=-2), ((3, 4),), lambda x: np.arange(3)),
    Case(op("_contrib_index_array"), ((3, 4),), lambda x: np.stack(np.indices((3, 4)), -1)),
    Case(op("_contrib_index_array", axes=(-1, 0)), ((3, 4),), lambda x: np.stack(np.indices((3, 4))[::-1], -1)),
    Case(op("_linspace", start=1, stop=3, num=5), (), lambda: np.linspace(1, 3, 5)),
    Case(op("_linspace", start=1, stop=3, num=4, endpoint=False), (), lambda: np.arange(1, 3, 0.5)),
    Case(op("_zeros_without_dtype", shape=(2, 3)), (), lambda: np.zeros((2, 3))),
    Case(op("_contrib_div_sqrt_dim"), ((3, 4),), lambda x: x / 2),
    Case(op("_contrib_quadratic", a=2, b=-3, c=0.5), ((3, 4),), lambda x: 2 * x * x - 3 * x + 0.5),
    # The estimators' gradients are not those of what they compute: see test_estimators.py.
    Case(op("_contrib_round_ste"), ((3, 4),), np.round, grad=()),
    Case(op("_contrib_sign_ste"), ((3, 4),), np.sign, grad=()),
    Case(op("_contrib_gradientmultiplier", scalar=-0.5), ((3, 4),), np.copy, grad=()),
    Case(op("_identity_with_attr_like_rhs"), ((3, 4), (3, 4)), lambda x, y: x, grad=[0]),
    Case(op("amp_cast", dtype="float64"), ((3, 4),), np.copy),
    Case(op("amp_multicast", num_outputs=2), ((3, 4), (2,)), lambda x, y: (x, y)),
    Case(op("all_finite"), ((3, 4),), lambda x: np.ones(1)),
    Case(
        op("multi_all_finite", num_arrays=2),
        ((2,), (3, 4)),
        lambda x, y: np.zeros(1),
        draw=lambda rng: [[1, np.inf], rng.normal(size=(3, 4))],
    ),
    Case(
        op("_contrib_allclose", atol=0.5),
        ((3, 4), (3, 4)),
        lambda x, y: np.ones(1),
        draw=lambda rng: [np.ones((3, 4)), np.full((3, 4), 1.25)],
        tags=("allocates",),
    ),
]
