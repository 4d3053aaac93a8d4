"""Rows of the operator table for images of another size (graphnn/ops/resize.py)."""

from __future__ import annotations

import numpy as np
from case import Case, op
from network_cases import deconvolve

__all__ = ["CASES"]


def repeated(x, k):
    return x.repeat(k, 2).repeat(k, 3)


def between(x, axis, places):
    """Give x at places between its elements, beyond the last its last."""
    first = np.minimum(np.floor(places).astype(int), x.shape[axis] - 1)
    part = np.reshape(places - np.floor(places), [-1 if i == axis else 1 for i in range(x.ndim)])
    after = np.minimum(first + 1, x.shape[axis] - 1)
    return np.take(x, first, axis) * (1 - part) + np.take(x, after, axis) * part


def bilinear(x, size, corners=True):
    for axis, m in ((2, size[0]), (3, size[1])):
        n, i = x.shape[axis], np.arange(m)
        x = between(x, axis, i * (n - 1) / max(m - 1, 1) if corners else np.maximum((i + 0.5) * n / m - 0.5, 0))
    return x


def averages(x, size):
    h, w = x.shape[2:]
    y = np.zeros((*x.shape[:2], *size))
    for i, j in np.ndindex(size):
        rows = slice(int(np.floor(i * h / size[0])), int(np.ceil((i + 1) * h / size[0])))
        columns = slice(int(np.floor(j * w / size[1])), int(np.ceil((j + 1) * w / size[1])))
        y[:, :, i, j] = x[:, :, rows, columns].mean((2, 3))
    return y


CASES = [
    Case(
        op("UpSampling", scale=2, sample_type="nearest", num_args=1),
        ((2, 3, 4, 5),),
        lambda x: repeated(x, 2),
        grad=[0],
    ),
    Case(
        op("UpSampling", scale=33, sample_type="nearest", num_args=1),
        ((1, 2, 1, 2),),
        lambda x: repeated(x, 33),
        grad=[0],
        rtol=1e-4,  # float32 sums of a thousand elements
        atol=1e-5,
    ),
    Case(
        op("UpSampling", scale=4, sample_type="nearest", num_args=2),
        ((2, 3, 2, 3), (2, 2, 4, 6)),
        lambda x, y: np.concatenate([repeated(x, 4), repeated(y, 2)], 1),
        grad=[0, 1],
    ),
    Case(
        op("UpSampling", scale=3, sample_type="nearest", num_args=2, multi_input_mode="sum"),
        ((2, 3, 2, 3), (2, 3, 6, 9)),
        lambda x, y: repeated(x, 3) + y,
        grad=[0, 1],
    ),
    *[
        Case(
            op("UpSampling", scale=scale, sample_type="bilinear", num_args=1, num_filter=3),
            ((2, 3, 4, 5), (3, 1, k, k)),
            lambda x, w, s=scale, pad=pad: deconvolve(x, w, stride=(s, s), pad=(pad, pad), num_group=3),
            grad=[0, 1],
            atol=1e-5,
        )
        for scale, k, pad in ((2, 4, 1), (3, 5, 1))
    ],
    *[
        Case(
            op("_contrib_BilinearResize2D", **params),
            ((2, 3, 4, 5),),
            lambda x, size=size, params=params: bilinear(x, size, params.get("align_corners", True)),
            grad=[0],
        )
        for params, size in (
            ({"height": 7, "width": 3}, (7, 3)),
            ({"height": 3, "width": 9, "align_corners": False}, (3, 9)),
            ({"height": 1, "width": 1}, (1, 1)),
            ({"scale_height": 1.5, "scale_width": 2.3}, (6, 11)),
            ({"scale_height": 1.5, "scale_width": 2.3, "mode": "odd_scale"}, (6, 10)),
            ({"mode": "to_even_up"}, (4, 6)),
            ({"mode": "to_even_down"}, (4, 4)),
            ({"mode": "to_odd_up"}, (5, 5)),
            ({"mode": "to_odd_down"}, (3, 5)),
        )
    ],
    Case(
        op("_contrib_BilinearResize2D", mode="like"),
        ((2, 3, 4, 5), (1, 2, 6, 3)),
        lambda x, like: bilinear(x, (6, 3)),
        grad=[0],
    ),
    *[
        Case(
            op("_contrib_AdaptiveAvgPooling2D", output_size=given),
            ((2, 3, 4, 7),),
            lambda x, size=size: averages(x, size),
            grad=[0],
        )
        for given, size in (((), (1, 1)), ((3,), (3, 3)), ((5, 2), (5, 2)))
    ],
]
