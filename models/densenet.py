"""DenseNet: a layer reads all before it in its block (Huang et al. 2016, "Densely Connected Convolutional Networks").

For large images table 1 with bottlenecks and compression (DenseNet-BC), for small ones the plain form of section 4.1.
"""

from __future__ import annotations

from graphnn import sym
from graphnn.errors import ParameterError
from graphnn.models.blocks import classifier, convolution, normalise, normalised, pooled, relu
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

# depth -> channels that a layer adds, channels before the first block, layers in each block
FORMS = {
    121: (32, 64, (6, 12, 24, 16)),
    161: (48, 96, (6, 12, 36, 24)),
    169: (32, 64, (6, 12, 32, 32)),
    201: (32, 64, (6, 12, 48, 32)),
}


def get_symbol(num_classes: int = 1000, depth: int = 121) -> Symbol:
    """Give the network of `depth` 121, 161, 169 or 201 layers for images (n, 3, 224, 224), at least 32 x 32.

    With `depth` 40 the one for images (n, c, h, w) such as (n, 3, 32, 32), (n, 1, 28, 28): three blocks of 12 layers,
    each of which adds 12 channels; without the paper's Dropout of 0.2. Raises ParameterError for another depth.
    """
    if depth == 40:
        net = convolution(sym.Variable("data"), "conv0", 16)
        net = _blocks(net, 16, 12, (12, 12, 12), compressed=False)
    elif depth in FORMS:
        growth, channels, layers = FORMS[depth]
        net = relu(normalised(sym.Variable("data"), "conv0", channels, 7, 2), "relu0")
        net = _blocks(pooled(net, "pool0", pad=1), channels, growth, layers, compressed=True)
    else:
        raise ParameterError(f"densenet: depth must be one of 40, {', '.join(map(str, FORMS))}, got {depth}")
    return classifier(relu(normalise(net, "bn1"), "relu1"), num_classes, "pool1")


def _blocks(x: Symbol, channels: int, growth: int, layers: tuple[int, ...], compressed: bool) -> Symbol:
    """Stack blocks, between two of them a transition: 1x1, to half the channels if `compressed`, and pooling 2x2."""
    for block, count in enumerate(layers, 1):
        for k in range(1, count + 1):
            x = _layer(x, f"block{block}_layer{k}", growth, compressed)
        channels += count * growth
        if block < len(layers):
            name = f"transition{block}"
            channels = channels // 2 if compressed else channels
            x = convolution(_active(x, name), f"{name}_conv", channels, 1)
            x = pooled(x, f"{name}_pool", "avg", 2)
    return x


def _layer(x: Symbol, name: str, growth: int, bottleneck: bool) -> Symbol:
    """y = x and `growth` channels more: 3x3, behind a 1x1 to four times as many if `bottleneck`."""
    y = _active(x, name)
    if bottleneck:
        y = relu(normalised(y, f"{name}_conv1", 4 * growth, 1), f"{name}_relu1")
    return sym.Concat(x, convolution(y, f"{name}_conv", growth), dim=1, name=f"{name}_concat")


def _active(x: Symbol, name: str) -> Symbol:
    return relu(normalise(x, f"{name}_bn"), f"{name}_relu")
