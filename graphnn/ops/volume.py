"""Convolution and Deconvolution in three dimensions, of those in two: depth becomes part of the batch and channels."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Value
from ..op import OPS
from .join import _backward_slice, slice, stack
from .pad import Pad
from .shape import _reshape_to, transpose

__all__ = ["convolve", "deconvolve"]

Sizes = Sequence[int]


def convolve(x: Value, w: Value, bias: Sequence[Value], stride: Sizes, dilate: Sizes, pad: Sizes, groups: int) -> Value:
    """y (n, o, d', h', w') of x (n, c, d, h, w) and w (o, c / groups, kd, kh, kw).

    A window's frames become channels: y of all depths is one Convolution of (n d', groups kd c / groups, h, w).
    """
    n, c, d, *image = x.shape
    o, each, depth, *kernel = w.shape
    x = transpose((0, 2, 1, 3, 4))(x)
    if pad[0]:
        # Pad takes the last axes: (1, n, d, rest).
        flat = _reshape_to((1, n, d, x.type.size // (n * d)))(x)
        flat = Pad("constant", (0, 0, 0, 0, pad[0], pad[0], 0, 0))(flat)
        d += 2 * pad[0]
        x = _reshape_to((n, d, c, *image))(flat)
    count = (d - dilate[0] * (depth - 1) - 1) // stride[0] + 1
    frames = []
    for k in range(depth):
        first = k * dilate[0]
        cut = slice((None, first), (None, first + (count - 1) * stride[0] + 1), (1, stride[0]))(x)
        frames.append(_reshape_to((n * count, groups, each, *image))(cut))
    joined = stack(2, depth)(*frames) if depth > 1 else frames[0]
    weight = _reshape_to((o, depth * each, *kernel))(transpose((0, 2, 1, 3, 4))(w))
    conv = OPS["Convolution"].from_params(
        {
            "kernel": tuple(kernel), "num_filter": o, "num_group": groups, "no_bias": not bias,
            "stride": tuple(stride[1:]), "dilate": tuple(dilate[1:]), "pad": tuple(pad[1:]),
        }
    )  # fmt: skip
    y = conv(_reshape_to((n * count, groups * depth * each, *image))(joined), weight, *bias)
    return transpose((0, 2, 1, 3, 4))(_reshape_to((n, count, *y.shape[1:]))(y))


def deconvolve(x: Value, w: Value, stride: Sizes, dilate: Sizes, pad: Sizes, sizes: Sizes, groups: int) -> Value:
    """y (n, o, *sizes) of x (n, c, d, h, w) and w (c, o / groups, kd, kh, kw).

    One Deconvolution gives what each frame of x adds to kd frames of y, (n d, groups kd o / groups, h', w').
    """
    n, c, d, *image = x.shape
    _, each, depth, *kernel = w.shape
    rows = _reshape_to((n * d, c, *image))(transpose((0, 2, 1, 3, 4))(x))
    weight = _reshape_to((c, depth * each, *kernel))(transpose((0, 2, 1, 3, 4))(w))
    inner = [s * (m - 1) + q * (k - 1) + 1 - 2 * p for m, k, s, q, p in zip(
        image, kernel, stride[1:], dilate[1:], pad[1:], strict=True
    )]  # fmt: skip
    flat = OPS["Deconvolution"].from_params(
        {
            "kernel": tuple(kernel), "num_filter": groups * depth * each, "num_group": groups,
            "stride": tuple(stride[1:]), "dilate": tuple(dilate[1:]), "pad": tuple(pad[1:]),
            "adj": tuple(m - k for m, k in zip(sizes[1:], inner, strict=True)),
        }
    )  # fmt: skip
    parts = _reshape_to((n, d, groups, depth, each * sizes[1] * sizes[2]))(flat(rows, weight))
    whole = max(stride[0] * (d - 1) + dilate[0] * (depth - 1) + 1, pad[0] + sizes[0])
    total: Value | None = None
    for k in range(depth):
        part = slice((None, None, None, k), (None, None, None, k + 1))(parts)
        part = _reshape_to((n, d, groups * part.shape[4]))(part)
        first = k * dilate[0]
        end = first + (d - 1) * stride[0] + 1
        placed = _backward_slice((n, whole, part.shape[2]), (None, first), (None, end), (1, stride[0]))(part)
        total = placed if total is None else total + placed
    assert total is not None
    kept = slice((None, pad[0]), (None, pad[0] + sizes[0]))(total)
    y = _reshape_to((n, sizes[0], groups * each, *sizes[1:]))(kept)
    return transpose((0, 2, 1, 3, 4))(y)
