"""MobileNet v2: inverted residuals with linear bottlenecks (Sandler et al. 2018, "MobileNetV2", table 2)."""

from __future__ import annotations

from graphnn import sym
from graphnn.models.blocks import classifier, normalised
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]

# (expansion, filters, blocks, stride of the first)
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def get_symbol(num_classes: int = 1000) -> Symbol:
    """Give the network of width 1 for images (n, 3, 224, 224), at least 32 x 32."""
    net = _relu6(normalised(sym.Variable("data"), "conv0", 32, stride=2), "relu0")
    channels = 32
    for stage, (expansion, filters, count, stride) in enumerate(STAGES, 1):
        for k in range(1, count + 1):
            name = f"stage{stage}_block{k}"
            net = _block(net, name, channels, expansion, filters, stride if k == 1 else 1)
            channels = filters
    net = _relu6(normalised(net, "conv1", 1280, kernel=1), "relu1")
    return classifier(net, num_classes)


def _block(x: Symbol, name: str, channels: int, expansion: int, filters: int, stride: int) -> Symbol:
    """Expand 1x1, filter depthwise 3x3, project 1x1 without activation; add x where the shapes agree."""
    y, inner = x, expansion * channels
    if expansion > 1:
        y = _relu6(normalised(y, f"{name}_expand", inner, kernel=1), f"{name}_relu1")
    y = _relu6(normalised(y, f"{name}_dw", inner, stride=stride, groups=inner), f"{name}_relu2")
    y = normalised(y, f"{name}_project", filters, kernel=1)
    return y + x if stride == 1 and channels == filters else y


def _relu6(x: Symbol, name: str) -> Symbol:
    """y = min(max(x, 0), 6)."""
    return sym.clip(x, a_min=0.0, a_max=6.0, name=name)
