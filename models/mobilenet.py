"""MobileNet: depthwise 3x3 convolutions between 1x1 ones (Howard et al. 2017, "MobileNets", table 1)."""

from __future__ import annotations

from graphnn import sym
from graphnn.models.blocks import classifier, normalised, relu
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

# (filters of the 1x1 convolution, stride of the depthwise one before it)
LAYERS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


def get_symbol(num_classes: int = 1000) -> Symbol:
    """Give the network of width 1 for images (n, 3, 224, 224), at least 32 x 32."""
    net = relu(normalised(sym.Variable("data"), "conv0", 32, stride=2), "relu0")
    channels = 32
    for k, (filters, stride) in enumerate(LAYERS, 1):
        net = relu(normalised(net, f"conv{k}_dw", channels, stride=stride, groups=channels), f"relu{k}_dw")
        net = relu(normalised(net, f"conv{k}", filters, kernel=1), f"relu{k}")
        channels = filters
    return classifier(net, num_classes)
