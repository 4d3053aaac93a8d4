"""MobileFaceNet: faces as vectors, by inverted residuals (Chen et al. 2018, "MobileFaceNets", table 1)."""

from __future__ import annotations

from graphnn import sym
from graphnn.models.blocks import normalise, normalised
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

# filters inside the block that halves the size, filters outside, residual blocks that follow, filters inside them
STAGES = ((128, 64, 4, 128), (256, 128, 6, 256), (512, 128, 2, 256))


def get_symbol(num_classes: int = 1000, embedding: int = 128, window: int = 7) -> Symbol:
    """Give the network for images (n, 3, 112, 112), at least 97 x 97, and a classifier of `num_classes` persons.

    Its output `embedding_output` (n, embedding) is the vector of a face; the classifier is a dense layer without bias,
    plain softmax in place of the paper's ArcFace. As in insightface's symbol the activation is prelu, the last
    convolution is one of 7x7 by channel, and a normalised dense layer follows. With a `window` other than 7 the least
    size is 16 window - 15. Images are to be scaled outside.
    """
    net = _unit(sym.Variable("data"), "conv1", 64, stride=2)
    net = _unit(net, "conv2_dw", 64, groups=64)
    for stage, (inner, outer, count, within) in enumerate(STAGES, 3):
        net = _block(net, f"stage{stage}_down", inner, outer, 2)
        for k in range(1, count + 1):
            net = net + _block(net, f"stage{stage}_block{k}", within, outer, 1)
    net = _unit(net, "conv6", 512, kernel=1)
    net = sym.Convolution(net, kernel=(window, window), num_filter=512, num_group=512, no_bias=True, name="conv6_dw")
    net = sym.FullyConnected(normalise(net, "conv6_dw_bn"), num_hidden=embedding, name="fc")
    net = sym.BatchNorm(net, fix_gamma=True, eps=2e-5, name="embedding")
    net = sym.FullyConnected(net, num_hidden=num_classes, no_bias=True, name="classes")
    return sym.SoftmaxOutput(net, name="softmax")


def _unit(x: Symbol, name: str, filters: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> Symbol:
    return sym.LeakyReLU(normalised(x, name, filters, kernel, stride, groups), act_type="prelu", name=f"{name}_prelu")


def _block(x: Symbol, name: str, inner: int, outer: int, stride: int) -> Symbol:
    """Expand 1x1, filter by channel 3x3, project 1x1 without activation."""
    y = _unit(x, f"{name}_expand", inner, kernel=1)
    y = _unit(y, f"{name}_dw", inner, stride=stride, groups=inner)
    return normalised(y, f"{name}_project", outer, kernel=1)
