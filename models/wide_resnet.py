"""Wide residual networks for small images (Zagoruyko and Komodakis 2016, "Wide Residual Networks", table 1)."""

from __future__ import annotations

from graphnn import sym
from graphnn.errors import ParameterError
from graphnn.models.blocks import convolution
from graphnn.models.residual import Form, head, stages
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]


def get_symbol(num_classes: int = 10, depth: int = 16, width: int = 4) -> Symbol:
    """Give WRN-depth-width, depth = 6n + 4, for images (n, c, h, w) such as (n, 3, 32, 32), (n, 1, 28, 28).

    Three stages of n blocks of version 2 with 16, 32 and 64 times `width` filters. There is no Dropout in the blocks,
    which the paper has as an option. Raises ParameterError for another depth or a width under 1.
    """
    blocks, rest = divmod(depth - 4, 6)
    if rest or blocks < 1 or width < 1:
        raise ParameterError(
            f"wide resnet: depth must be 6n + 4 with n at least 1, such as 16, 22, 28, and width at least 1, "
            f"got {depth} and {width}"
        )
    net = convolution(sym.Variable("data"), "conv0", 16)
    plan = [(blocks, (f * width, f * width), stride) for f, stride in ((16, 1), (32, 2), (64, 2))]
    return head(stages(net, 16, plan, Form(version=2)), num_classes, 2, "pool")
