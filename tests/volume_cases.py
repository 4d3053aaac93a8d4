"""Rows of the operator table for convolution and pooling in three dimensions, lp pooling, and the older spellings."""

from __future__ import annotations

import itertools

import numpy as np
from case import Case, op
from network_cases import convolve, pool

__all__ = ["CASES"]


def windows(x, kernel, stride, dilate, pad):
    """Give the elements of each window: (n, c, *positions, *kernel)."""
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in pad)))
    sizes = [(m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(x.shape[2:], kernel, stride, dilate, strict=True)]
    y = np.zeros((*x.shape[:2], *sizes, *kernel))
    for at in itertools.product(*map(range, kernel)):
        cut = [slice(i * d, i * d + (m - 1) * s + 1, s) for i, d, m, s in zip(at, dilate, sizes, stride, strict=True)]
        y[(..., *at)] = x[(slice(None), slice(None), *cut)]
    return y


def convolve3(x, w, b=0.0, stride=(1, 1, 1), dilate=(1, 1, 1), pad=(0, 0, 0), num_group=1):
    cut = windows(x, w.shape[2:], stride, dilate, pad)
    parts = [
        np.einsum("ncdhwijk,ocijk->nodhw", a, v)
        for a, v in zip(np.split(cut, num_group, 1), np.split(w, num_group, 0), strict=True)
    ]
    return np.concatenate(parts, 1) + np.reshape(b, (-1, 1, 1, 1))


def deconvolve3(x, w, b=0.0, stride=(1, 1, 1), dilate=(1, 1, 1), pad=(0, 0, 0), adj=(0, 0, 0), num_group=1):
    each = w.shape[1]
    full = [s * (m - 1) + d * (k - 1) + 1 + a for m, k, s, d, a in zip(
        x.shape[2:], w.shape[2:], stride, dilate, adj, strict=True
    )]  # fmt: skip
    y = np.zeros((len(x), each * num_group, *full))
    for at in itertools.product(*map(range, w.shape[2:])):
        cut = [
            slice(i * d, i * d + (m - 1) * s + 1, s) for i, d, m, s in zip(at, dilate, x.shape[2:], stride, strict=True)
        ]
        for g in range(num_group):
            rows = slice(g * x.shape[1] // num_group, (g + 1) * x.shape[1] // num_group)
            part = np.einsum("ncdhw,co->nodhw", x[:, rows], w[(rows, slice(None), *at)])
            y[(slice(None), slice(g * each, (g + 1) * each), *cut)] += part
    inner = [slice(p, n - p) for p, n in zip(pad, full, strict=True)]
    return y[(slice(None), slice(None), *inner)] + np.reshape(b, (-1, 1, 1, 1))


def pool3(x, kernel, kind, stride, pad=(0, 0, 0)):
    size = np.pad(np.ones_like(x), ((0, 0), (0, 0), *((p, p) for p in pad)))
    cut = windows(x, kernel, stride, (1, 1, 1), pad)
    if kind == "max":
        inside = windows(size[:, :, *[slice(p, n - p) for p, n in zip(pad, size.shape[2:], strict=True)]],
                         kernel, stride, (1, 1, 1), pad)  # fmt: skip
        return np.where(inside > 0, cut, -np.inf).max((-3, -2, -1))
    return cut.mean((-3, -2, -1)) if kind == "avg" else cut.sum((-3, -2, -1))


def last3(f):
    """Make a function of channels-last volumes from one of channels-first ones."""
    return lambda *xs: np.moveaxis(f(*(np.moveaxis(x, -1, 1) if x.ndim == 5 else x for x in xs)), 1, -1)


COMPOSED = ("composed",)
CLOSE = {"rtol": 1e-4, "atol": 2e-5}  # float32 sums of up to 72 products

CASES = [
    *[
        Case(
            op("Convolution", num_filter=4, **params),
            (shape, (4, shape[1] // params.get("num_group", 1), *params["kernel"]), (4,)),
            lambda x, w, b, params=params: convolve3(x, w, b, **{k: v for k, v in params.items() if k != "kernel"}),
            grad=(0, 1, 2),
            tags=COMPOSED,
            **CLOSE,
        )
        for shape, params in (
            ((2, 3, 4, 5, 3), {"kernel": (2, 3, 1)}),
            ((1, 4, 5, 4, 6), {"kernel": (3, 2, 2), "stride": (2, 1, 3), "pad": (1, 0, 1), "num_group": 2}),
            ((2, 2, 5, 6, 4), {"kernel": (2, 2, 2), "dilate": (3, 2, 1), "stride": (1, 2, 1)}),
            ((2, 3, 3, 2, 4), {"kernel": (1, 1, 1)}),
        )
    ],
    Case(
        op("Convolution", num_filter=4, kernel=(2, 3, 2), pad=(1, 0, 0), no_bias=True, layout="NDHWC"),
        ((2, 3, 4, 3, 2), (4, 2, 3, 2, 2)),
        last3(lambda x, w: convolve3(x, w, pad=(1, 0, 0))),
        grad=(0, 1),
        tags=COMPOSED,
        **CLOSE,
    ),
    *[
        Case(
            op("Deconvolution", num_filter=4, no_bias=False, **params),
            (shape, (shape[1], 4 // params.get("num_group", 1), *params["kernel"]), (4,)),
            lambda x, w, b, params=params: deconvolve3(x, w, b, **{k: v for k, v in params.items() if k != "kernel"}),
            grad=(0, 1, 2),
            **CLOSE,
        )
        for shape, params in (
            ((2, 3, 2, 3, 4), {"kernel": (2, 3, 1)}),
            (
                (1, 4, 3, 2, 3),
                {"kernel": (3, 2, 3), "stride": (2, 1, 3), "pad": (1, 0, 1), "adj": (1, 0, 2), "num_group": 2},
            ),
            ((2, 2, 2, 3, 2), {"kernel": (2, 2, 3), "dilate": (3, 1, 2)}),
        )
    ],
    Case(
        op("Deconvolution", num_filter=2, kernel=(4, 4, 4), stride=(2, 2, 2), target_shape=(4, 6, 8)),
        ((1, 3, 2, 3, 4), (3, 2, 4, 4, 4)),
        lambda x, w: deconvolve3(x, w, stride=(2, 2, 2), pad=(1, 1, 1)),
        grad=(0, 1),
        **CLOSE,
    ),
    *[
        Case(
            op("Pooling", kernel=(2, 3, 2), stride=(2, 1, 2), pad=pad, pool_type=kind),
            ((2, 3, 4, 5, 6),),
            lambda x, kind=kind, pad=pad: pool3(x, (2, 3, 2), kind, (2, 1, 2), pad),
        )
        for kind in ("max", "avg", "sum")
        for pad in ((0, 0, 0), (1, 2, 0))
    ],
    Case(
        op("Pooling", kernel=(2, 2, 3), pool_type="max", layout="NDHWC"),
        ((2, 4, 3, 5, 2),),
        last3(lambda x: pool3(x, (2, 2, 3), "max", (1, 1, 1))),
    ),
    Case(
        op("Pooling", global_pool=True, pool_type="avg"), ((2, 3, 4, 2, 5),), lambda x: x.mean((2, 3, 4), keepdims=True)
    ),
    *[
        Case(
            op("Pooling", kernel=(2, 3), stride=(2, 2), pad=(1, 1), pool_type="lp", p_value=p),
            ((2, 3, 4, 5),),
            lambda x, p=p: pool(x**p, (2, 3), "sum", (2, 2), (1, 1)) ** (1 / p),
            low=0.5,
            tags=COMPOSED,
        )
        for p in (1, 2, 3)
    ],
    Case(
        op("Pooling", kernel=(2,), stride=(2,), pool_type="lp", p_value=2),
        ((1, 2, 4),),
        lambda x: np.sqrt((x * x).reshape(1, 2, 2, 2).sum(-1)),
        draw=lambda rng: [np.array([[[0, 0, 1.5, -1], [2, 3, 0, 0]]])],
        grad=(),  # 0, not nan, where all of a window is 0: tests/test_kernels.py
        tags=COMPOSED,
    ),
    Case(
        op("Pooling", kernel=(3,), stride=(2,), pooling_convention="same"),
        ((2, 3, 7),),
        lambda x: np.stack([x[..., i : i + 3].max(-1) for i in (0, 2, 4, 6)], -1),
    ),
    Case(
        op("Pooling_v1", kernel=(3, 2), stride=(2, 2), pad=(1, 1), pool_type="avg"),
        ((2, 3, 5, 6),),
        lambda x: pool(x, (3, 2), "sum", (2, 2), (1, 1)) / 6,
        grad=(0,),
    ),
    Case(
        op("Pooling_v1", kernel=(2, 2), stride=(2, 2), pad=(1, 1), pool_type="max"),
        ((2, 3, 5, 6),),
        lambda x: pool(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (2, 2), "max", (2, 2)),
        grad=(0,),
    ),
    Case(
        op("Pooling_v1", kernel=(1, 1), global_pool=True, pool_type="sum"),
        ((2, 3, 4, 5),),
        lambda x: x.sum((2, 3), keepdims=True),
        grad=(0,),
    ),
    Case(
        op("Convolution_v1", kernel=(2, 3), num_filter=4, pad=(1, 0)),
        ((2, 3, 4, 5), (4, 3, 2, 3), (4,)),
        lambda x, w, b: convolve(x, w, b, pad=(1, 0)),
        grad=(0, 1, 2),
        **CLOSE,
    ),
]
