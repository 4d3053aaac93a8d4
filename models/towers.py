"""Inception modules: towers of convolutions and pooling side by side on one input, their channels then in a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from graphnn import sym
from graphnn.models.blocks import pooled
from graphnn.symbol import Symbol

__all__ = ["Conv", "Pool", "Towers", "conv", "module"]


class Conv(NamedTuple):
    """A convolution with whatever the network puts behind it; `pad` keeps the size with stride 1."""

    filters: int
    kernel: tuple[int, int]
    stride: int
    pad: tuple[int, int]


class Pool(NamedTuple):
    """Pooling of 3x3, padded unless `pad` is 0."""

    kind: Literal["max", "avg"]
    stride: int = 1
    pad: int = 1
    overhang: bool = False


Towers = Mapping[str, tuple[Conv | Pool, ...]]


def conv(filters: int, kernel: int | tuple[int, int] = 1, stride: int = 1, valid: bool = False) -> Conv:
    """Describe a convolution, padded to keep the size unless `valid`."""
    h, w = (kernel, kernel) if isinstance(kernel, int) else kernel
    return Conv(filters, (h, w), stride, (0, 0) if valid else (h // 2, w // 2))


def module(x: Symbol, name: str, towers: Towers, convolve: Callable[[Symbol, str, Conv], Symbol]) -> Symbol:
    """y (n, sum of the towers' channels, h, w); a tower without layers hands x through."""
    return sym.Concat(*(_tower(x, f"{name}_{k}", layers, convolve) for k, layers in towers.items()), dim=1, name=name)


def _tower(
    x: Symbol, name: str, layers: tuple[Conv | Pool, ...], convolve: Callable[[Symbol, str, Conv], Symbol]
) -> Symbol:
    for k, layer in enumerate(layers, 1):
        inner = f"{name}_{k}" if len(layers) > 1 else name
        if isinstance(layer, Conv):
            x = convolve(x, inner, layer)
        else:
            x = pooled(x, inner, layer.kind, 3, layer.stride, layer.pad, layer.overhang)
    return x
