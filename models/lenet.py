"""LeNet: two convolutions with pooling, two dense layers (LeCun et al. 1998), in the sizes of MXNet's example."""

from __future__ import annotations

from graphnn import sym
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]


def get_symbol(num_classes: int = 10) -> Symbol:
    """Give the network for images (n, c, h, w) of at least 16 x 16; tanh everywhere, as in 1998."""
    net = sym.Variable("data")
    for i, filters in enumerate((20, 50), 1):
        net = sym.Convolution(net, kernel=(5, 5), num_filter=filters, name=f"conv{i}")
        net = sym.Activation(net, act_type="tanh", name=f"tanh{i}")
        net = sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max", name=f"pool{i}")
    net = sym.FullyConnected(sym.Flatten(net), num_hidden=500, name="fc1")
    net = sym.Activation(net, act_type="tanh", name="tanh3")
    net = sym.FullyConnected(net, num_hidden=num_classes, name="fc2")
    return sym.SoftmaxOutput(net, name="softmax")
