"""Residual networks for small images: the form 6n + 2 of He et al. 2015, "Deep Residual Learning", section 4.2."""

from __future__ import annotations

from graphnn import sym
from graphnn.errors import ParameterError
from graphnn.models.blocks import normalised, relu
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]


def get_symbol(num_classes: int = 10, depth: int = 20) -> Symbol:
    """Give the network of `depth` = 6n + 2 layers (20) for images (n, c, h, w) such as (n, 3, 32, 32), (n, 1, 28, 28).

    Three stages of n blocks with 16, 32 and 64 filters, the second and third at half the size. Where the size changes,
    the shortcut is a 1x1 convolution (the paper's option B, as in MXNet; its option A pads with zero channels).
    Raises ParameterError for another depth.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ParameterError(f"resnet: depth must be 6n + 2 with n at least 1, such as 20, 32, 44, got {depth}")
    net = relu(normalised(sym.Variable("data"), "conv0", 16), "relu0")
    for stage, filters in enumerate((16, 32, 64), 1):
        for block in range(1, blocks + 1):
            net = _block(net, f"stage{stage}_block{block}", filters, halve=stage > 1 and block == 1)
    net = sym.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg", name="pool")
    net = sym.FullyConnected(sym.Flatten(net), num_hidden=num_classes, name="fc")
    return sym.SoftmaxOutput(net, name="softmax")


def _block(x: Symbol, name: str, filters: int, halve: bool) -> Symbol:
    """y = relu(f(x) + shortcut(x)), f two convolutions 3x3."""
    stride = 2 if halve else 1
    y = relu(normalised(x, f"{name}_conv1", filters, stride=stride), f"{name}_relu1")
    y = normalised(y, f"{name}_conv2", filters)
    shortcut = normalised(x, f"{name}_shortcut", filters, kernel=1, stride=stride) if halve else x
    return relu(y + shortcut, f"{name}_relu2")
