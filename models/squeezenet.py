"""SqueezeNet: fire modules, which squeeze by 1x1 and expand by 1x1 and 3x3 (Iandola et al. 2016, table 1)."""

from __future__ import annotations

from graphnn import sym
from graphnn.errors import ParameterError
from graphnn.models.blocks import pooled, relu
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)  # filters of fire2 to fire9; each expands to eight times as many
# version -> filters and kernel of the first convolution, the layers that pooling follows
FORMS = {"1.0": (96, 7, ("conv1", "fire4", "fire8")), "1.1": (64, 3, ("conv1", "fire3", "fire5"))}


def get_symbol(num_classes: int = 1000, version: str = "1.0") -> Symbol:
    """Give the network for images (n, 3, 224, 224), at least 32 x 32, in the paper's version 1.0 or its authors' 1.1.

    Version 1.1 pools earlier and computes 2.4 times less. Pooling takes the windows that overhang, as in Caffe.
    Raises ParameterError for another version.
    """
    if version not in FORMS:
        raise ParameterError(f"squeezenet: version must be 1.0 or 1.1, got {version!r}")
    filters, kernel, last = FORMS[version]
    net = _convolution(sym.Variable("data"), "conv1", filters, kernel, stride=2)
    net = pooled(net, "pool1", overhang=True)
    for k, squeezed in enumerate(SQUEEZED, 2):
        net = _fire(net, f"fire{k}", squeezed)
        if f"fire{k}" in last:
            net = pooled(net, f"pool{k}", overhang=True)
    net = _convolution(sym.Dropout(net, p=0.5, name="drop9"), "conv10", num_classes, 1)
    net = sym.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg", name="pool10")
    return sym.SoftmaxOutput(sym.Flatten(net), name="softmax")


def _fire(x: Symbol, name: str, squeezed: int) -> Symbol:
    """y = both expansions of the squeezed x, channel after channel."""
    x = _convolution(x, f"{name}_squeeze", squeezed, 1)
    left = _convolution(x, f"{name}_expand1x1", 4 * squeezed, 1)
    right = _convolution(x, f"{name}_expand3x3", 4 * squeezed, 3, pad=1)
    return sym.Concat(left, right, dim=1, name=f"{name}_concat")


def _convolution(x: Symbol, name: str, filters: int, kernel: int, stride: int = 1, pad: int = 0) -> Symbol:
    """Convolve with bias; relu."""
    window, step, border = (kernel, kernel), (stride, stride), (pad, pad)
    x = sym.Convolution(x, kernel=window, stride=step, pad=border, num_filter=filters, name=name)
    return relu(x, f"{name}_relu")
