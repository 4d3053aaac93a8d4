"""What networks share: a convolution without bias, one with normalisation behind it, relu."""

from __future__ import annotations

from graphnn import sym
from graphnn.symbol import Symbol

__all__ = ["convolution", "normalise", "normalised", "relu"]


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
