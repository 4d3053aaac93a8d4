"""Residual networks for small images: He et al. 2015, section 4.2, and 2016, "Identity Mappings", section 4."""

from __future__ import annotations

from graphnn import sym
from graphnn.errors import ParameterError
from graphnn.models.blocks import convolution, normalised, relu
from graphnn.models.residual import Form, head, stages
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]


def get_symbol(num_classes: int = 10, depth: int = 20, version: int = 1, bottleneck: bool = False) -> Symbol:
    """Give the network of `depth` = 6n + 2 layers (20) for images (n, c, h, w) such as (n, 3, 32, 32), (n, 1, 28, 28).

    Three stages of n blocks with 16, 32 and 64 filters, the second and third at half the size; with `bottleneck` a
    block has three convolutions, of four times as many filters outside, and `depth` is 9n + 2. Where the shape changes,
    the shortcut is a 1x1 convolution (the paper's option B, as in MXNet; its option A pads with zero channels).
    Raises ParameterError for another depth or version.
    """
    step = 9 if bottleneck else 6
    blocks, rest = divmod(depth - 2, step)
    if rest or blocks < 1 or version not in (1, 2):
        usual = "29, 56, 164" if bottleneck else "20, 32, 44"
        raise ParameterError(
            f"resnet: depth must be {step}n + 2 with n at least 1, such as {usual}, and version 1 or 2, "
            f"got {depth} and {version}"
        )
    net = sym.Variable("data")
    net = relu(normalised(net, "conv0", 16), "relu0") if version == 1 else convolution(net, "conv0", 16)
    form = Form(version, halving=2 if bottleneck else 1)
    plan = [(blocks, (f, f, 4 * f) if bottleneck else (f, f), stride) for f, stride in ((16, 1), (32, 2), (64, 2))]
    return head(stages(net, 16, plan, form), num_classes, version, "pool")
