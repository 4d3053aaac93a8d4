"""The small AlexNet: three strided convolutions and two dense layers, after Krizhevsky et al. 2012."""

from __future__ import annotations

from graphnn import sym
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]


def get_symbol(num_classes: int = 10) -> Symbol:
    """Give the network for images (n, 1, 28, 28); relu after each convolution, nothing between the dense layers."""
    net = sym.Variable("data")
    for i, (filters, kernel, pad) in enumerate(((32, 4, 0), (64, 3, 1), (128, 3, 1)), 1):
        net = sym.Convolution(
            net, kernel=(kernel, kernel), stride=(2, 2), pad=(pad, pad), num_filter=filters, name=f"conv{i}"
        )
        net = sym.Activation(net, act_type="relu", name=f"relu{i}")
    net = sym.FullyConnected(sym.Flatten(net), num_hidden=1024, name="fc1")
    net = sym.FullyConnected(net, num_hidden=num_classes, name="fc2")
    return sym.SoftmaxOutput(net, name="softmax")
