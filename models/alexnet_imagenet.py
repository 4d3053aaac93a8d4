"""AlexNet for large images, in one tower (Krizhevsky 2014, "One weird trick", as torchvision has it)."""

from __future__ import annotations

from graphnn import sym
from graphnn.models.blocks import pooled, relu
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

# filters, kernel, stride, padding; whether pooling follows
LAYERS = (
    (64, 11, 4, 2, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
)


def get_symbol(num_classes: int = 1000) -> Symbol:
    """Give the network for images (n, 3, 224, 224), at least 63 x 63.

    The paper's fourth convolution has 384 filters; 256 are torchvision's, whose number of parameters is the known one.
    There is no local response normalisation, as in both. Dropout of 0.5 is before each of the two dense layers of 4096.
    """
    net = sym.Variable("data")
    for k, (filters, kernel, stride, pad, pools) in enumerate(LAYERS, 1):
        net = sym.Convolution(
            net,
            kernel=(kernel, kernel),
            stride=(stride, stride),
            pad=(pad, pad),
            num_filter=filters,
            name=f"conv{k}",
        )
        net = relu(net, f"relu{k}")
        net = pooled(net, f"pool{k}") if pools else net
    net = sym.Flatten(net)
    for k in (6, 7):
        net = sym.FullyConnected(sym.Dropout(net, p=0.5, name=f"drop{k}"), num_hidden=4096, name=f"fc{k}")
        net = relu(net, f"relu{k}")
    net = sym.FullyConnected(net, num_hidden=num_classes, name="fc8")
    return sym.SoftmaxOutput(net, name="softmax")
