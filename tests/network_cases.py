"""Rows of the operator table for convolution, pooling and normalisation, with references written as their sums."""

from __future__ import annotations

import itertools

import numpy as np
from case import Case, op


def two(values, default):
    """Give sizes for two spatial axes; one-dimensional ones get a leading axis of length 1."""
    values = tuple(values) or (default,) * 2
    return values if len(values) == 2 else (default, *values)


def convolve(x, w, b=0.0, stride=(), dilate=(), pad=(), num_group=1):
    """y[n, o, p] = b[o] + the sum over c and k of w[o, c, k] x[n, c, p stride + k dilate - pad]."""
    if x.ndim == 3:
        stride, dilate, pad = (
            (default, *(given or (default,))) for given, default in ((stride, 1), (dilate, 1), (pad, 0))
        )
        return convolve(x[:, :, None], w[:, :, None], b, stride, dilate, pad, num_group)[:, :, 0]
    (sh, sw), (dh, dw), (ph, pw) = two(stride, 1), two(dilate, 1), two(pad, 0)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    (o, each, kh, kw), (h, v) = w.shape, x.shape[2:]
    oh, ow = (h - dh * (kh - 1) - 1) // sh + 1, (v - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((len(x), o, oh, ow)) + np.reshape(b, (-1, 1, 1))
    for f, i, j in itertools.product(range(o), range(oh), range(ow)):
        first = f // (o // num_group) * each
        window = x[:, first : first + each, i * sh : i * sh + dh * kh : dh, j * sw : j * sw + dw * kw : dw]
        y[:, f, i, j] += np.sum(window[:, :, :kh, :kw] * w[f], axis=(1, 2, 3))
    return y


def deconvolve(x, w, b=0.0, stride=(), dilate=(), pad=(), adj=(), num_group=1, target=None):
    """y[n, o, p stride + k dilate - pad] = b[o] + the sum over c, p and k of x[n, c, p] w[c, o, k]."""
    if x.ndim == 3:
        whole = ((default, *(given or (default,))) for given, default in ((stride, 1), (dilate, 1), (pad, 0), (adj, 0)))
        return deconvolve(x[:, :, None], w[:, :, None], b, *whole, num_group)[:, :, 0]
    (sh, sw), (dh, dw), (ph, pw), (ah, aw) = two(stride, 1), two(dilate, 1), two(pad, 0), two(adj, 0)
    (n, c, h, v), (_, each, kh, kw) = x.shape, w.shape
    full = np.zeros((n, each * num_group, sh * (h - 1) + dh * (kh - 1) + 1 + ah, sw * (v - 1) + dw * (kw - 1) + 1 + aw))
    for f, i, j, k, m in itertools.product(range(c), range(h), range(v), range(kh), range(kw)):
        first = f // (c // num_group) * each
        full[:, first : first + each, i * sh + k * dh, j * sw + m * dw] += x[:, f, i, j, None] * w[f, :, k, m]
    sizes = target or (full.shape[2] - 2 * ph, full.shape[3] - 2 * pw)
    if target:
        ph, pw = ((have - want + 1) // 2 for have, want in zip(full.shape[2:], target, strict=True))
    return full[:, :, ph : ph + sizes[0], pw : pw + sizes[1]] + np.reshape(b, (-1, 1, 1))


def pool(x, kernel, kind="max", stride=(), pad=(), full=False, include=True):
    """The largest element, the mean or the sum of every window, cut at the border of the padded image."""
    if x.ndim == 3:
        args = ((1, *kernel), kind, (1, *(stride or (1,))), (0, *(pad or (0,))), full, include)
        return pool(x[:, :, None], *args)[:, :, 0]
    stride, pad = two(stride, 1), two(pad, 0)
    over = [n + 2 * p - k for n, p, k in zip(x.shape[2:], pad, kernel, strict=True)]
    out = [(-(-m // s) if full else m // s) + 1 for m, s in zip(over, stride, strict=True)]
    y = np.zeros((*x.shape[:2], *out))
    for place in itertools.product(*map(range, out)):
        start = [i * s - p for i, s, p in zip(place, stride, pad, strict=True)]
        # Windows wholly outside the image give 0.
        if any(a >= n for a, n in zip(start, x.shape[2:], strict=True)):
            continue
        end = [min(a + k, n + p) for a, k, n, p in zip(start, kernel, x.shape[2:], pad, strict=True)]
        inside = [slice(max(a, 0), min(b, n)) for a, b, n in zip(start, end, x.shape[2:], strict=True)]
        window = x[:, :, *inside]
        count = np.prod([b - a for a, b in zip(start, end, strict=True)]) if include else window[0, 0].size
        total = window.max((2, 3)) if kind == "max" else window.sum((2, 3)) / (count if kind == "avg" else 1)
        y[:, :, *place] = total
    return y


def normalise(x, gamma, beta, axis=1, eps=1e-3, fix_gamma=True, mean=None, var=None):
    """y = gamma (x - mean) / sqrt(var + eps) + beta; mean and biased variance of the batch unless they are given."""
    x = np.moveaxis(x, axis, -1)
    over = tuple(range(x.ndim - 1))
    mean, var = (x.mean(over), x.var(over)) if mean is None else (mean, var)
    scale = 1 if fix_gamma else gamma
    return np.moveaxis(scale * (x - mean) / np.sqrt(var + eps) + beta, -1, axis)


def respond(x, nsize, alpha, beta, knorm):
    """y[c] = x[c] / (knorm + alpha / nsize times the sum of x^2 over the nsize channels around c)^beta."""
    y = np.zeros_like(x)
    for c in range(x.shape[1]):
        around = x[:, max(0, c - nsize // 2) : c + nsize // 2 + 1]
        y[:, c] = x[:, c] / (knorm + alpha / nsize * np.sum(around**2, axis=1)) ** beta
    return y


def states(*shape, channels):
    """Draw data, gamma, beta, moving mean and a positive moving variance."""
    sizes = (shape, *[(channels,)] * 3)
    return lambda rng: [*(rng.uniform(-2, 2, s) for s in sizes), rng.uniform(0.5, 2, channels)]


CONVOLUTIONS = [
    ((2, 3, 5, 6), {"kernel": (2, 3)}),
    ((2, 3, 5, 6), {"kernel": (1, 1), "stride": (2, 3)}),
    ((2, 3, 7, 6), {"kernel": (3, 2), "stride": (2, 1), "pad": (1, 2)}),
    ((2, 3, 7, 8), {"kernel": (3, 2), "dilate": (2, 3), "stride": (1, 2), "pad": (2, 0)}),
    ((3, 4, 5, 6), {"kernel": (3, 3), "num_group": 2, "pad": (1, 1)}),
    ((2, 4, 5, 6), {"kernel": (3, 3), "num_group": 4, "stride": (2, 2)}),
    ((1, 3, 4, 5), {"kernel": (4, 5)}),
    ((3, 2, 8), {"kernel": (3,), "stride": (2,), "pad": (1,)}),
    ((2, 4, 9), {"kernel": (2,), "dilate": (3,), "num_group": 2}),
]
DECONVOLUTIONS = [
    ((2, 3, 3, 4), {"kernel": (2, 3)}),
    ((2, 3, 3, 4), {"kernel": (3, 2), "stride": (2, 3), "pad": (1, 1), "adj": (1, 2)}),
    ((2, 4, 3, 4), {"kernel": (3, 3), "num_group": 2, "dilate": (2, 1), "stride": (1, 2)}),
    ((2, 3, 3, 4), {"kernel": (4, 4), "stride": (2, 2), "target_shape": (6, 7)}),
    ((3, 2, 5), {"kernel": (3,), "stride": (2,), "pad": (1,)}),
]
POOLS = [
    ({"kernel": (2, 3)}, {}),
    ({"kernel": (3, 2), "stride": (2, 1), "pad": (1, 0)}, {}),
    ({"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "pooling_convention": "full"}, {"full": True}),
    ({"kernel": (2, 2), "stride": (2, 3), "pooling_convention": "full"}, {"full": True}),
    ({"kernel": (2, 3), "stride": (2, 5), "pad": (1, 2), "pooling_convention": "full"}, {"full": True}),
    ({"kernel": (1, 2), "stride": (3, 2), "pad": (0, 1), "pooling_convention": "full"}, {"full": True}),
]


def without(params, *names):
    return {k: v for k, v in params.items() if k not in names}


def last(f):
    """Make a function of channels-last images (and weights) from one of channels-first ones; bias is as it was."""

    def of_last(x, w=None, *bias):
        weights = () if w is None else (np.moveaxis(w, -1, 1), *bias)
        return np.moveaxis(f(np.moveaxis(x, -1, 1), *weights), 1, -1)

    return of_last


def moved(shape):
    """Put the channels of a shape last."""
    return (shape[0], *shape[2:], shape[1])


def layout_of(ndim):
    return {3: "NWC", 4: "NHWC"}[ndim]


CASES = [
    *[
        Case(
            op("Convolution", num_filter=4, **params),
            (shape, (4, shape[1] // params.get("num_group", 1), *params["kernel"]), (4,)),
            lambda x, w, b, params=params: convolve(x, w, b, **without(params, "kernel")),
            atol=1e-5,  # float32 sums of up to 60 products
        )
        for shape, params in CONVOLUTIONS
    ],
    *[
        Case(
            op("Convolution", num_filter=4, layout=layout_of(len(shape)), **params),
            (moved(shape), (4, *params["kernel"], shape[1] // params.get("num_group", 1)), (4,)),
            last(lambda x, w, b, params=params: convolve(x, w, b, **without(params, "kernel"))),
            atol=1e-5,
        )
        for shape, params in CONVOLUTIONS
    ],
    Case(
        op("Convolution", num_filter=4, kernel=(3,), stride=(2,), no_bias=True, layout="NWC"),
        ((2, 8, 3), (4, 3, 3)),
        last(lambda x, w: convolve(x, w, stride=(2,))),
        atol=1e-5,
    ),
    Case(
        op("Convolution", num_filter=4, kernel=(2, 3), no_bias=True), ((2, 3, 5, 6), (4, 3, 2, 3)), convolve, atol=1e-5
    ),
    *[
        Case(
            op("Deconvolution", num_filter=4, no_bias=False, **params),
            (shape, (shape[1], 4 // params.get("num_group", 1), *params["kernel"]), (4,)),
            lambda x, w, b, params=params: deconvolve(
                x, w, b, target=params.get("target_shape"), **without(params, "kernel", "target_shape")
            ),
            atol=1e-5,
        )
        for shape, params in DECONVOLUTIONS
    ],
    Case(op("Deconvolution", num_filter=4, kernel=(2, 3)), ((2, 3, 3, 4), (3, 4, 2, 3)), deconvolve, atol=1e-5),
    *[
        Case(
            op("Pooling", pool_type=kind, **params),
            ((2, 3, 6, 7),),
            lambda x, kind=kind, params=params, more=more: pool(
                x, kind=kind, **without(params, "pooling_convention"), **more
            ),
        )
        for kind in ("max", "avg", "sum")
        for params, more in POOLS
    ],
    Case(
        op("Pooling", kernel=(3, 3), pool_type="avg", pad=(1, 2), stride=(2, 2), count_include_pad=False),
        ((2, 3, 6, 7),),
        lambda x: pool(x, (3, 3), "avg", (2, 2), (1, 2), include=False),
    ),
    *[
        Case(
            op("Pooling", pool_type=kind, global_pool=True),
            ((2, 3, 4, 5),),
            lambda x, kind=kind: pool(x, (4, 5), kind),
        )
        for kind in ("max", "avg", "sum")
    ],
    *[
        Case(
            op("Pooling", kernel=(3,), stride=(2,), pad=(1,), pool_type=kind),
            ((2, 3, 8),),
            lambda x, kind=kind: pool(x, (3,), kind, (2,), (1,)),
        )
        for kind in ("max", "avg")
    ],
    *[
        Case(
            op("Pooling", layout="NHWC", pool_type=kind, **params),
            ((2, 6, 7, 3),),
            last(
                lambda x, kind=kind, params=params, more=more: pool(
                    x, kind=kind, **without(params, "pooling_convention"), **more
                )
            ),
        )
        for kind in ("max", "avg", "sum")
        for params, more in POOLS
    ],
    Case(
        op("Pooling", kernel=(2,), stride=(4,), pool_type="avg", count_include_pad=False, pooling_convention="full"),
        ((2, 3, 7),),
        lambda x: pool(x, (2,), "avg", (4,), full=True, include=False),
    ),
    Case(
        op("Pooling", layout="NHWC", kernel=(3, 2), pool_type="avg", pad=(1, 1), count_include_pad=False),
        ((2, 6, 7, 3),),
        last(lambda x: pool(x, (3, 2), "avg", (1, 1), (1, 1), include=False)),
    ),
    *[
        Case(
            op("Pooling", layout="NHWC", pool_type=kind, global_pool=True),
            ((2, 4, 5, 3),),
            last(lambda x, kind=kind: pool(x, (4, 5), kind)),
        )
        for kind in ("max", "avg", "sum")
    ],
    *[
        Case(
            op("Pooling", layout="NWC", kernel=(3,), stride=(2,), pad=(1,), pool_type=kind),
            ((2, 8, 3),),
            last(lambda x, kind=kind: pool(x, (3,), kind, (2,), (1,))),
        )
        for kind in ("max", "avg", "sum")
    ],
    *[
        Case(
            op("BatchNorm", fix_gamma=fix_gamma, axis=axis, eps=eps),
            (
                shape,
                *[(shape[axis],)] * 4,
            ),
            lambda x, gamma, beta, mean, var, axis=axis, eps=eps, fix_gamma=fix_gamma: normalise(
                x, gamma, beta, axis, eps, fix_gamma
            ),
            grad=(0, 1, 2),
            draw=states(*shape, channels=shape[axis]),
            rtol=1e-4,
            atol=1e-5,
        )
        for fix_gamma in (True, False)
        for shape, axis, eps in (((3, 4, 2, 5), 1, 1e-3), ((6, 4), 1, 0.1), ((3, 5, 4), -1, 2e-5), ((3, 4, 5), 1, 1e-3))
    ],
    Case(
        op("BatchNorm", fix_gamma=False, use_global_stats=True),
        ((3, 4, 2, 5), *[(4,)] * 4),
        lambda x, gamma, beta, mean, var: normalise(x, gamma, beta, fix_gamma=False, mean=mean, var=var),
        grad=(0, 1, 2),
        draw=states(3, 4, 2, 5, channels=4),
    ),
    Case(
        op("BatchNorm", fix_gamma=False, output_mean_var=True),
        ((3, 4, 2, 5), *[(4,)] * 4),
        lambda x, gamma, beta, mean, var: (
            normalise(x, gamma, beta, fix_gamma=False),
            x.mean((0, 2, 3)),
            1 / np.sqrt(x.var((0, 2, 3)) + 1e-3),
        ),
        grad=(),  # gradients of mean and variance are dropped, as in MXNet
        draw=states(3, 4, 2, 5, channels=4),
        atol=1e-5,
    ),
    *[
        Case(
            op("LRN", nsize=nsize, alpha=0.7, beta=0.6, knorm=1.5),
            ((2, channels, 3, 4),),
            lambda x, nsize=nsize: respond(x, nsize, 0.7, 0.6, 1.5),
        )
        for nsize, channels in ((1, 3), (3, 5), (5, 4))
    ],
]
