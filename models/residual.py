"""Residual blocks in both versions, and stages of them: what resnet, resnext, se-resnet and wide resnet are made of.

Version 1: He et al. 2015, "Deep Residual Learning". Version 2: He et al. 2016, "Identity Mappings in Deep Residual
Networks", with normalisation and relu before each convolution.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from graphnn import sym
from graphnn.models.blocks import classifier, convolution, normalise, normalised, relu
from graphnn.symbol import Symbol

__all__ = ["Form", "head", "stages"]

KERNELS = {2: (3, 3), 3: (1, 3, 1)}  # of a block of so many convolutions: a plain one, a bottleneck


class Form(NamedTuple):
    """What all blocks of a network have in common.

    `halving` is the convolution, counted from 1, that takes the stride; `groups` those of the 3x3 of a bottleneck;
    with `squeeze` r the channels are weighed by two dense layers, the inner one r times narrower (Hu et al. 2017).
    """

    version: int = 1
    halving: int = 1
    groups: int = 1
    squeeze: int = 0


def stages(x: Symbol, channels: int, plan: Iterable[tuple[int, tuple[int, ...], int]], form: Form) -> Symbol:
    """Stack the stages of `plan`, each (blocks, filters of a block's convolutions, stride of the first block).

    `channels` are those of x. Where the shape changes, the shortcut is a 1x1 convolution (option B of the paper).
    """
    block = {1: _block_v1, 2: _block_v2}[form.version]
    for stage, (count, sizes, stride) in enumerate(plan, 1):
        for k in range(1, count + 1):
            changes = channels != sizes[-1] or (k == 1 and stride > 1)
            x = block(x, f"stage{stage}_block{k}", sizes, stride if k == 1 else 1, changes, form)
            channels = sizes[-1]
    return x


def head(x: Symbol, num_classes: int, version: int, pool: str) -> Symbol:
    """Average each channel and classify; version 2 normalises before."""
    if version == 2:
        x = relu(normalise(x, "bn1"), "relu1")
    return classifier(x, num_classes, pool)


def _block_v1(x: Symbol, name: str, sizes: tuple[int, ...], stride: int, changes: bool, form: Form) -> Symbol:
    """y = relu(f(x) + shortcut(x)); in f each convolution is normalised, with relu between them."""
    y = x
    for k, (filters, kernel) in enumerate(zip(sizes, KERNELS[len(sizes)], strict=True), 1):
        y = y if k == 1 else relu(y, f"{name}_relu{k - 1}")
        groups = form.groups if kernel == 3 else 1
        y = normalised(y, f"{name}_conv{k}", filters, kernel, stride if k == form.halving else 1, groups)
    if form.squeeze:
        y = _weighed(y, f"{name}_se", sizes[-1], form.squeeze)
    shortcut = normalised(x, f"{name}_shortcut", sizes[-1], 1, stride) if changes else x
    return relu(y + shortcut, f"{name}_relu{len(sizes)}")


def _block_v2(x: Symbol, name: str, sizes: tuple[int, ...], stride: int, changes: bool, form: Form) -> Symbol:
    """y = f(a) + shortcut, a = relu(norm(x)): the shortcut is x, or a convolution of a where the shape changes."""
    shortcut = y = x
    for k, (filters, kernel) in enumerate(zip(sizes, KERNELS[len(sizes)], strict=True), 1):
        y = relu(normalise(y, f"{name}_bn{k}"), f"{name}_relu{k}")
        if k == 1 and changes:
            shortcut = convolution(y, f"{name}_shortcut", sizes[-1], 1, stride)
        groups = form.groups if kernel == 3 else 1
        y = convolution(y, f"{name}_conv{k}", filters, kernel, stride if k == form.halving else 1, groups)
    return y + shortcut


def _weighed(x: Symbol, name: str, channels: int, squeeze: int) -> Symbol:
    """y = x s, s (n, c, 1, 1) = sigmoid(W2 relu(W1 mean(x)))."""
    s = sym.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg", name=f"{name}_pool")
    s = sym.Convolution(s, kernel=(1, 1), num_filter=channels // squeeze, name=f"{name}_conv1")
    s = sym.Convolution(relu(s, f"{name}_relu"), kernel=(1, 1), num_filter=channels, name=f"{name}_conv2")
    return sym.broadcast_mul(x, sym.Activation(s, act_type="sigmoid", name=f"{name}_sigmoid"), name=name)
