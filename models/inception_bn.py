"""Inception with batch normalisation (Ioffe and Szegedy 2015, "Batch Normalization", figure 5), as in MXNet's examples.

MXNet trained two forms: one for ImageNet, and one for images of 28 x 28 with two towers a module.
"""

from __future__ import annotations

from typing import Literal

from graphnn import sym
from graphnn.models.blocks import classifier, normalise, pooled, relu
from graphnn.models.towers import Conv, Pool, Towers, conv, module
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

Kind = Literal["max", "avg"]
# filters of 1x1, of 3x3 with those of the 1x1 before, of both 3x3 with those before, of the 1x1 behind pooling
MODULES: dict[str, tuple[int, int, int, int, int, Kind, int]] = {
    "3a": (64, 64, 64, 64, 96, "avg", 32),
    "3b": (64, 64, 96, 64, 96, "avg", 64),
    "4a": (224, 64, 96, 96, 128, "avg", 128),
    "4b": (192, 96, 128, 96, 128, "avg", 128),
    "4c": (160, 128, 160, 128, 160, "avg", 128),
    "4d": (96, 128, 192, 160, 192, "avg", 128),
    "5a": (352, 192, 320, 160, 224, "avg", 128),
    "5b": (352, 192, 320, 192, 224, "max", 128),
}
HALVING = {"3b": ("3c", 128, 160, 64, 96), "4d": ("4e", 128, 192, 192, 256)}  # what follows a module, at half the size
# for small images: filters of 1x1 and of 3x3; one number is for a 3x3 that halves, beside pooling
SMALL = {
    "3a": (32, 32), "3b": (32, 48), "3c": (80,),
    "4a": (112, 48), "4b": (96, 64), "4c": (80, 80), "4d": (48, 96), "4e": (96,),
    "5a": (176, 160), "5b": (176, 160),
}  # fmt: skip


def get_symbol(num_classes: int = 1000, small: bool = False) -> Symbol:
    """Give the network for images (n, 3, 224, 224), at least 32 x 32; with `small` for (n, c, 28, 28) and the like.

    As in MXNet convolutions keep their bias before the normalisation.
    """
    net = sym.Variable("data")
    return classifier(_small(net) if small else _large(net), num_classes)


def _large(net: Symbol) -> Symbol:
    net = pooled(_unit(net, "conv1", conv(64, 7, 2)), "pool1")
    net = _unit(_unit(net, "conv2_reduce", conv(64)), "conv2", conv(192, 3))
    net = pooled(net, "pool2")
    for name, filters in MODULES.items():
        net = module(net, f"in{name}", _towers(*filters), _unit)
        if name in HALVING:
            below, *inner = HALVING[name]
            net = module(net, f"in{below}", _halving(*inner), _unit)
    return net


def _small(net: Symbol) -> Symbol:
    net = _unit(net, "conv1", conv(96, 3))
    for name, (one, *three) in SMALL.items():
        if three:
            towers: Towers = {"1x1": (conv(one),), "3x3": (conv(three[0], 3),)}
        else:
            towers = {"3x3": (conv(one, 3, 2),), "pool": (Pool("max", 2),)}
        net = module(net, f"in{name}", towers, _unit)
    return net


def _towers(one: int, before3: int, three: int, before: int, double: int, kind: Kind, behind: int) -> Towers:
    return {
        "1x1": (conv(one),),
        "3x3": (conv(before3), conv(three, 3)),
        "double_3x3": (conv(before), conv(double, 3), conv(double, 3)),
        "pool": (Pool(kind), conv(behind)),
    }


def _halving(before3: int, three: int, before: int, double: int) -> Towers:
    return {
        "3x3": (conv(before3), conv(three, 3, 2)),
        "double_3x3": (conv(before), conv(double, 3), conv(double, 3, 2)),
        "pool": (Pool("max", 2),),
    }


def _unit(x: Symbol, name: str, c: Conv) -> Symbol:
    step = (c.stride, c.stride)
    x = sym.Convolution(x, kernel=c.kernel, stride=step, pad=c.pad, num_filter=c.filters, name=name)
    return relu(normalise(x, f"{name}_bn"), f"{name}_relu")
