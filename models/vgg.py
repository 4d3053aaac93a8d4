"""VGG: stacks of 3x3 convolutions and three dense layers (Simonyan and Zisserman 2014, table 1, columns A, B, D, E)."""

from __future__ import annotations

from graphnn import sym
from graphnn.errors import ParameterError
from graphnn.models.blocks import normalise, relu
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

# convolutions in each of the five stages
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
FILTERS = (64, 128, 256, 512, 512)


def get_symbol(num_classes: int = 1000, depth: int = 16, batch_norm: bool = False) -> Symbol:
    """Give the network of `depth` 11, 13, 16 or 19 layers for images (n, 3, 224, 224), at least 32 x 32.

    Each stage ends with max pooling 2x2; Dropout with p 0.5 is behind each of the two dense layers of 4096. With
    `batch_norm` each convolution is normalised (not in the paper; convolutions keep their bias, as in torchvision).
    Raises ParameterError for another depth.
    """
    if depth not in STAGES:
        raise ParameterError(f"vgg: depth must be one of {', '.join(map(str, STAGES))}, got {depth}")
    net = sym.Variable("data")
    for stage, (count, filters) in enumerate(zip(STAGES[depth], FILTERS, strict=True), 1):
        for k in range(1, count + 1):
            name = f"{stage}_{k}"
            net = sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=filters, name=f"conv{name}")
            net = normalise(net, f"bn{name}") if batch_norm else net
            net = relu(net, f"relu{name}")
        net = sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max", name=f"pool{stage}")
    net = sym.Flatten(net)
    for k in (6, 7):
        net = relu(sym.FullyConnected(net, num_hidden=4096, name=f"fc{k}"), f"relu{k}")
        net = sym.Dropout(net, p=0.5, name=f"drop{k}")
    net = sym.FullyConnected(net, num_hidden=num_classes, name="fc8")
    return sym.SoftmaxOutput(net, name="softmax")
