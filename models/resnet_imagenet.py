"""Residual networks for large images, and those made of them by one more number.

Version 1: He et al. 2015, "Deep Residual Learning", table 1. Version 2: He et al. 2016, "Identity Mappings in Deep
Residual Networks". resnext: Xie et al. 2016, "Aggregated Residual Transformations". wide-resnet-50-2: Zagoruyko and
Komodakis 2016, "Wide Residual Networks", section 3.4. se-resnet: Hu et al. 2017, "Squeeze-and-Excitation Networks".
"""

from __future__ import annotations

from graphnn import sym
from graphnn.errors import ParameterError
from graphnn.models.blocks import normalised, relu
from graphnn.models.residual import Form, head, stages
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

# blocks in each of the four stages; from 50 layers on a block is a bottleneck
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
FILTERS = (64, 128, 256, 512)


def get_symbol(
    num_classes: int = 1000, depth: int = 50, version: int = 1, groups: int = 1, width: int = 64, squeeze: int = 0
) -> Symbol:
    """Give the network of `depth` 18, 34, 50, 101 or 152 layers for images (n, 3, 224, 224), at least 32 x 32.

    The inner convolutions of a bottleneck have `groups` groups of `width` filters in the first stage, and twice as many
    in each that follows; `squeeze` 16 weighs the channels in se-resnet. Where the shape changes the shortcut is a 1x1
    convolution (the paper's option B). A bottleneck halves the size in its first convolution in version 1, as in the
    paper, and in its second in version 2 and in resnext and wide resnet, as in their authors' code.
    Raises ParameterError for another depth or version, and for groups or a width without bottlenecks.
    """
    plain = groups == 1 and width == 64
    if depth not in STAGES or version not in (1, 2):
        depths = ", ".join(map(str, STAGES))
        raise ParameterError(f"resnet: depth must be one of {depths} and version 1 or 2, got {depth} and {version}")
    if depth < 50 and not plain:
        raise ParameterError(f"resnet: groups and width are for 50 layers or more, got {depth} layers")
    net = relu(normalised(sym.Variable("data"), "conv0", 64, kernel=7, stride=2), "relu0")
    net = sym.Pooling(net, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="pool0")
    form = Form(version, 1 if depth < 50 or (version == 1 and plain) else 2, groups, squeeze)
    plan = []
    for count, filters in zip(STAGES[depth], FILTERS, strict=True):
        inner = filters * width // 64 * groups
        sizes = (filters, filters) if depth < 50 else (inner, inner, 4 * filters)
        plan.append((count, sizes, 1 if filters == 64 else 2))
    return head(stages(net, 64, plan, form), num_classes, version, "pool1")
