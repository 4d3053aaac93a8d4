"""The rule that picks a convolution's algorithm: one shape for each of its reasons, and its neighbour."""

from __future__ import annotations

import pytest

from graphnn.backends.numpy.conv.geometry import Geometry
from graphnn.backends.numpy.conv.rule import for_forward, for_weight_grad
from graphnn.ops.conv import Convolution


def geometry(shape, filters, kernel, stride=1, pad=0, dilate=1, groups=1):
    pairs = ((v, v) for v in (kernel, stride, dilate, pad))
    size, step, wide, border = pairs
    return Geometry.of(Convolution(size, filters, step, wide, border, groups), shape, 4)


@pytest.mark.parametrize(
    ("g", "pick"),
    [
        (geometry((1, 7, 7, 16), 16, 3, 1, 1), "im2col"),  # 49 positions: calls decide
        (geometry((2, 7, 7, 16), 16, 3, 1, 1), "krow"),
        (geometry((1, 7, 7, 64), 64, 3, 1, 1), "krow"),  # but a weight that is large
        (geometry((8, 28, 28, 96), 12, 3, 1, 1), "strided"),  # additions of few outputs are little beside copies
        (geometry((8, 28, 28, 96), 13, 3, 1, 1), "krow"),
        (geometry((8, 28, 28, 64), 2, 3, 1, 1), "strided"),
        (geometry((8, 28, 28, 64), 3, 3, 1, 1), "krow"),
        (geometry((8, 28, 28, 128), 128, 5, 1, 2), "strided"),  # each row is a large product
        (geometry((8, 28, 28, 128), 128, 1), "krow"),  # nothing to add, and small products
        (geometry((8, 28, 28, 128), 64, 1), "im2col"),  # nothing to copy
        (geometry((8, 14, 14, 24), 24, 3, 1, 1), "krow"),  # each row is a small product
        (geometry((8, 28, 28, 512), 512, 3, 1, 1), "krow"),  # the weight of one offset fills the cache
        (geometry((8, 224, 224, 64), 64, 5, 1, 2), "krow"),  # a row does not fit the first-level cache
        (geometry((8, 14, 14, 64), 64, 3, 1, 1), "winograd"),  # half the products for some passes over data and output
        (geometry((2, 14, 14, 64), 64, 3, 1, 1), "krow"),  # transforms of the weight cost as much
        (geometry((64, 13, 13, 32), 64, 3, 2, 1), "im2col"),  # a copy more and an addition less: even
        (geometry((64, 5, 5, 64), 64, 3, 1, 1), "krow"),  # five rows take two tiles of four
        (geometry((8, 14, 14, 64), 64, 3, 2, 1), "krow"),  # a stride
        (geometry((8, 28, 28, 1), 32, 3, 1, 1), "krow"),  # 3 + 32 copied elements against 32 additions
        (geometry((8, 28, 28, 1), 64, 3, 1, 1), "im2col"),
        (geometry((8, 28, 28, 1), 32, 4, 2), "im2col"),  # a stride leaves krow less to save
        (geometry((8, 28, 28, 64), 64, 3, 1, 1, 1, 4), "strided"),
        (geometry((8, 13, 13, 64), 64, 3, 1, 1, 1, 4), "im2col"),  # groups: short rows
        (geometry((8, 28, 28, 64), 64, 3, 1, 1, 1, 8), "im2col"),  # groups of 8 channels
        (geometry((8, 28, 28, 64), 64, 3, 1, 1, 1, 64), "depthwise"),
    ],
)
def test_each_reason_decides(g, pick):
    assert for_forward(g, "auto") == pick


def test_the_weights_gradient_copies_but_for_large_groups():
    assert for_weight_grad(geometry((8, 28, 28, 128), 128, 5, 1, 1), "auto") == "im2col"
    assert for_weight_grad(geometry((8, 28, 28, 128), 128, 3, 1, 1, 1, 4), "auto") == "strided"
    assert for_weight_grad(geometry((8, 28, 28, 128), 128, 3, 1, 1, 1, 128), "auto") == "strided"


def test_the_weights_gradient_takes_rows_for_few_outputs_and_half_the_products_for_many():
    assert for_weight_grad(geometry((8, 28, 28, 16), 32, 3, 1, 1), "auto") == "krow"
    assert for_weight_grad(geometry((8, 28, 28, 16), 32, 3, 2, 1), "auto") == "im2col"
    assert for_weight_grad(geometry((8, 28, 28, 16), 33, 3, 1, 1), "auto") == "im2col"
    assert for_weight_grad(geometry((8, 28, 28, 32), 32, 3, 1, 1), "auto") == "winograd"
    assert for_weight_grad(geometry((8, 28, 28, 64), 64, 3, 1, 1), "auto") == "winograd"


def test_what_the_user_says_wins():
    g = geometry((1, 7, 7, 16), 16, 3, 1, 1)
    assert [for_forward(g, name) for name in ("krow", "strided")] == ["krow", "strided"]
    assert for_forward(geometry((1, 7, 7, 16), 16, 3, 1, 1, 1, 2), "krow") == "strided"  # krow knows no groups
    assert for_weight_grad(g, "krow") == "krow"
    assert for_weight_grad(geometry((1, 7, 7, 16), 16, 3, 2, 1), "krow") == "im2col"  # its gradient knows no stride
    assert for_forward(g, "winograd") == for_weight_grad(g, "winograd") == "winograd"
    other = geometry((1, 7, 7, 16), 16, 5, 1, 1)  # another kernel: as with auto
    assert for_forward(other, "winograd") == for_forward(other, "auto")
