"""Rows of the operator table for normalisation (graphnn/ops/norm.py, samplenorm.py), BatchNorm and LRN apart."""

from __future__ import annotations

import numpy as np
from case import Case, op
from network_cases import normalise, states

__all__ = ["CASES"]


def standard(x, axes, eps, gamma=1.0, beta=0.0):
    """Give gamma (x - mean) / std + beta, the mean and the std, over axes; gamma and beta broadcast."""
    mean = x.mean(axes, keepdims=True)
    std = np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + eps)
    return gamma * (x - mean) / std + beta, mean, std


def at(v, axis, ndim):
    """Give a vector the axes to broadcast along `axis` of `ndim`."""
    return v.reshape(*(len(v) if i == axis % ndim else 1 for i in range(ndim)))


def instance(x, gamma, beta, eps):
    return standard(x, tuple(range(2, x.ndim)), eps, at(gamma, 1, x.ndim), at(beta, 1, x.ndim))[0]


def layer(x, gamma, beta, axis=-1, eps=1e-5):
    return standard(x, axis, eps, at(gamma, axis, x.ndim), at(beta, axis, x.ndim))


def group(x, gamma, beta, k, eps=1e-5):
    rows = x.reshape(len(x), k, -1)
    y, mean, std = standard(rows, 2, eps, gamma[:, None], beta[:, None])
    return y.reshape(x.shape), mean[..., 0], std[..., 0]


def unit(x, axes, eps=1e-10):
    return x / np.sqrt((x * x).sum(axes, keepdims=True) + eps)


CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # float32 sums, divided by a small deviation

CASES = [
    *[
        Case(
            op("InstanceNorm", eps=eps),
            (shape, shape[1:2], shape[1:2]),
            lambda x, gamma, beta, eps=eps: instance(x, gamma, beta, eps),
            grad=(0, 1, 2),
            **CLOSE,
        )
        for shape, eps in (((2, 3, 7), 1e-3), ((3, 2, 4, 5), 0.1), ((2, 3, 2, 4, 3), 1e-3))
    ],
    *[
        Case(
            op("LayerNorm", axis=axis),
            (shape, (shape[axis],), (shape[axis],)),
            lambda x, gamma, beta, axis=axis: layer(x, gamma, beta, axis)[0],
            grad=(0, 1, 2),
            **CLOSE,
        )
        for shape, axis in (((3, 7), -1), ((2, 6, 5), 1), ((6, 2, 5), 0), ((2, 3, 4, 8), 3))
    ],
    Case(
        op("LayerNorm", output_mean_var=True, eps=0.1),
        ((2, 3, 5), (5,), (5,)),
        lambda x, gamma, beta: layer(x, gamma, beta, eps=0.1),
        grad=(),  # gradients of mean and deviation are dropped, as in MXNet
        **CLOSE,
    ),
    *[
        Case(
            op("GroupNorm", num_groups=k),
            (shape, (k,), (k,)),
            lambda x, gamma, beta, k=k: group(x, gamma, beta, k)[0],
            grad=(0, 1, 2),
            **CLOSE,
        )
        for shape, k in (((2, 6, 5), 3), ((3, 4, 2, 5), 2), ((2, 3, 4), 1))
    ],
    Case(
        op("GroupNorm", num_groups=2, output_mean_var=True),
        ((2, 6, 5), (2,), (2,)),
        lambda x, gamma, beta: group(x, gamma, beta, 2),
        grad=(),
        **CLOSE,
    ),
    *[
        Case(
            op("L2Normalization", mode=mode, eps=eps),
            (shape,),
            lambda x, axes=axes, eps=eps: unit(x, axes, eps),
            grad=(0,),
        )
        for mode, shape, axes, eps in (
            ("instance", (3, 4), (1,), 1e-10),
            ("instance", (3, 4, 2), (1, 2), 0.5),
            ("channel", (2, 3, 4, 5), (1,), 1e-10),
            ("spatial", (2, 3, 4, 5), (2, 3), 1e-10),
        )
    ],
    *[
        Case(
            op(name, fix_gamma=False, **more),
            ((3, 4, 2, 5), *[(4,)] * 4),
            lambda x, gamma, beta, mean, var: normalise(x, gamma, beta, fix_gamma=False),
            grad=(0, 1, 2),
            draw=states(3, 4, 2, 5, channels=4),
            **CLOSE,
        )
        for name, more in (("BatchNorm_v1", {}), ("_contrib_SyncBatchNorm", {"key": "bn"}))
    ],
    Case(
        op("BatchNorm_v1", output_mean_var=True),
        ((3, 4, 2, 5), *[(4,)] * 4),
        lambda x, gamma, beta, mean, var: (normalise(x, gamma, beta), x.mean((0, 2, 3)), x.var((0, 2, 3))),
        grad=(),
        draw=states(3, 4, 2, 5, channels=4),
        **CLOSE,
    ),
    Case(
        op("_contrib_BatchNormWithReLU", fix_gamma=False, axis=-1),
        ((3, 2, 5, 4), *[(4,)] * 4),
        lambda x, gamma, beta, mean, var: np.maximum(normalise(x, gamma, beta, -1, fix_gamma=False), 0),
        grad=(0, 1, 2),
        draw=states(3, 2, 5, 4, channels=4),
        **CLOSE,
    ),
]
