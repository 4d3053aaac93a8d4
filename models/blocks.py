"""What networks share: convolutions with and without normalisation behind them, relu, pooling, the last layers."""

from __future__ import annotations

from typing import Literal

from graphnn import sym
from graphnn.symbol import Symbol

__all__ = ["classifier", "convolution", "normalise", "normalised", "pooled", "relu"]


def convolution(x: Symbol, name: str, filters: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> Symbol:
    """Convolve without bias; with stride 1 the size stays."""
    return sym.Convolution(
        x,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(kernel // 2, kernel // 2),
        num_filter=filters,
        num_group=groups,
        no_bias=True,
        name=name,
    )


def normalise(x: Symbol, name: str) -> Symbol:
    """Normalise by channel."""
    return sym.BatchNorm(x, fix_gamma=False, eps=1e-5, name=name)


def normalised(x: Symbol, name: str, filters: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> Symbol:
    """Convolve without bias, which the normalisation behind it would cancel, and normalise."""
    return normalise(convolution(x, name, filters, kernel, stride, groups), f"{name}_bn")


def relu(x: Symbol, name: str) -> Symbol:
    """y = max(x, 0)."""
    return sym.Activation(x, act_type="relu", name=name)


def pooled(
    x: Symbol,
    name: str,
    kind: Literal["max", "avg"] = "max",
    kernel: int = 3,
    stride: int = 2,
    pad: int = 0,
    overhang: bool = False,
) -> Symbol:
    """Pool square windows; with `overhang` also those that reach over the edge, as in Caffe."""
    return sym.Pooling(
        x,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=(pad, pad),
        pool_type=kind,
        pooling_convention="full" if overhang else "valid",
        name=name,
    )


def classifier(x: Symbol, num_classes: int, pool: str = "pool", fc: str = "fc", dropout: float = 0.0) -> Symbol:
    """Give the probabilities of classes (n, num_classes): average each channel, one dense layer, softmax."""
    x = sym.Flatten(sym.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg", name=pool))
    if dropout:
        x = sym.Dropout(x, p=dropout, name="dropout")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=num_classes, name=fc), name="softmax")
