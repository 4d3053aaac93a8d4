"""GoogLeNet, the first Inception network (Szegedy et al. 2014, "Going Deeper with Convolutions", table 1)."""

from __future__ import annotations

from graphnn import sym
from graphnn.models.blocks import classifier, normalise, pooled, relu
from graphnn.models.towers import Conv, Pool, Towers, conv, module
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

# filters of 1x1, of 3x3 with those of the 1x1 before, of 5x5 with those before, of the 1x1 behind pooling
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def get_symbol(num_classes: int = 1000, batch_norm: bool = False) -> Symbol:
    """Give the network for images (n, 3, 224, 224), at least 47 x 47, without the paper's two auxiliary classifiers.

    As in Caffe and in MXNet's example convolutions have a bias, and pooling takes the windows that overhang; as in
    MXNet's there is no local response normalisation. With `batch_norm` it is torchvision's form: convolutions without
    bias and normalised, 3x3 in place of 5x5, a last pooling of 2x2, and Dropout 0.2 in place of 0.4, from 31 x 31 on.
    """
    convolve = _normalised if batch_norm else _biased
    net = convolve(sym.Variable("data"), "conv1", conv(64, 7, 2))
    net = pooled(net, "pool1", overhang=True)
    net = convolve(net, "conv2", conv(64))
    net = convolve(net, "conv3", conv(192, 3))
    net = pooled(net, "pool2", overhang=True)
    for name, filters in MODULES.items():
        if name == "4a":
            net = pooled(net, "pool3", overhang=True)
        if name == "5a":
            net = pooled(net, "pool4", kernel=2 if batch_norm else 3, overhang=True)
        net = module(net, f"in{name}", _towers(*filters, 3 if batch_norm else 5), convolve)
    return classifier(net, num_classes, "pool5", dropout=0.2 if batch_norm else 0.4)


def _towers(one: int, before3: int, three: int, before5: int, five: int, behind: int, largest: int) -> Towers:
    return {
        "1x1": (conv(one),),
        "3x3": (conv(before3), conv(three, 3)),
        "5x5": (conv(before5), conv(five, largest)),
        "pool": (Pool("max"), conv(behind)),
    }


def _biased(x: Symbol, name: str, c: Conv) -> Symbol:
    step = (c.stride, c.stride)
    x = sym.Convolution(x, kernel=c.kernel, stride=step, pad=c.pad, num_filter=c.filters, name=name)
    return relu(x, f"{name}_relu")


def _normalised(x: Symbol, name: str, c: Conv) -> Symbol:
    step = (c.stride, c.stride)
    x = sym.Convolution(x, kernel=c.kernel, stride=step, pad=c.pad, num_filter=c.filters, no_bias=True, name=name)
    return relu(normalise(x, f"{name}_bn"), f"{name}_relu")
