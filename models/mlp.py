"""The multi-layer perceptron 784-512-1024-classes."""

from __future__ import annotations

from graphnn import sym
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]


def get_symbol(num_classes: int = 10) -> Symbol:
    """Give the network for images of any size."""
    net = sym.Flatten(sym.Variable("data"))
    for i, hidden in enumerate((512, 1024), 1):
        net = sym.FullyConnected(net, num_hidden=hidden, name=f"fc{i}")
        net = sym.Activation(net, act_type="relu", name=f"relu{i}")
    net = sym.FullyConnected(net, num_hidden=num_classes, name="fc3")
    return sym.SoftmaxOutput(net, name="softmax")
