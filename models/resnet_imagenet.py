"""Residual networks for large images, in both versions of their blocks.

Version 1: He et al. 2015, "Deep Residual Learning", table 1. Version 2: He et al. 2016, "Identity Mappings in Deep
Residual Networks", with normalisation and relu before each convolution.
"""

from __future__ import annotations

from graphnn import sym
from graphnn.errors import ParameterError
from graphnn.models.blocks import convolution, normalise, normalised, relu
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

# blocks in each of the four stages; from 50 layers on a block is a bottleneck
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
FILTERS = (64, 128, 256, 512)


def get_symbol(num_classes: int = 1000, depth: int = 50, version: int = 1) -> Symbol:
    """Give the network of `depth` 18, 34 or 50 layers for images (n, 3, 224, 224), at least 32 x 32.

    Where the shape changes the shortcut is a 1x1 convolution (the paper's option B). A bottleneck halves the size in
    its first convolution in version 1, as in the paper, and in its second in version 2, as in its authors' code.
    Raises ParameterError for another depth or version.
    """
    if depth not in STAGES or version not in (1, 2):
        raise ParameterError(f"resnet: depth must be 18, 34 or 50 and version 1 or 2, got {depth} and {version}")
    block = {1: _block_v1, 2: _block_v2}[version]
    net = relu(normalised(sym.Variable("data"), "conv0", 64, kernel=7, stride=2), "relu0")
    net = sym.Pooling(net, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pool0")
    channels = 64
    for stage, (count, filters) in enumerate(zip(STAGES[depth], FILTERS, strict=True), 1):
        for k in range(1, count + 1):
            sizes = (filters, filters) if depth < 50 else (filters, filters, 4 * filters)
            stride = 2 if stage > 1 and k == 1 else 1
            net = block(net, f"stage{stage}_block{k}", sizes, stride, channels != sizes[-1])
            channels = sizes[-1]
    if version == 2:
        net = relu(normalise(net, "bn1"), "relu1")
    net = sym.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg", name="pool1")
    net = sym.FullyConnected(sym.Flatten(net), num_hidden=num_classes, name="fc")
    return sym.SoftmaxOutput(net, name="softmax")


def _kernels(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return (3, 3) if len(sizes) == 2 else (1, 3, 1)


def _block_v1(x: Symbol, name: str, sizes: tuple[int, ...], stride: int, changes: bool) -> Symbol:
    """y = relu(f(x) + shortcut(x)); in f each convolution is normalised, with relu between them."""
    y = x
    for k, (filters, kernel) in enumerate(zip(sizes, _kernels(sizes), strict=True), 1):
        y = y if k == 1 else relu(y, f"{name}_relu{k - 1}")
        y = normalised(y, f"{name}_conv{k}", filters, kernel, stride if k == 1 else 1)
    shortcut = normalised(x, f"{name}_shortcut", sizes[-1], 1, stride) if changes else x
    return relu(y + shortcut, f"{name}_relu{len(sizes)}")


def _block_v2(x: Symbol, name: str, sizes: tuple[int, ...], stride: int, changes: bool) -> Symbol:
    """y = f(a) + shortcut, a = relu(norm(x)): the shortcut is x, or a convolution of a where the shape changes."""
    halving = len(sizes) - 1  # the first 3x3
    shortcut = y = x
    for k, (filters, kernel) in enumerate(zip(sizes, _kernels(sizes), strict=True), 1):
        y = relu(normalise(y, f"{name}_bn{k}"), f"{name}_relu{k}")
        if k == 1 and changes:
            shortcut = convolution(y, f"{name}_shortcut", sizes[-1], 1, stride)
        y = convolution(y, f"{name}_conv{k}", filters, kernel, stride if k == halving else 1)
    return y + shortcut
