"""Which algorithm a convolution gets: from its shapes, or as the user says."""

from __future__ import annotations

from graphnn.errors import ParameterError

from . import krow_grad, winograd
from .geometry import SLICE, Geometry, size_of

__all__ = ["ALGORITHMS", "check", "for_forward", "for_weight_grad"]

ALGORITHMS = ("im2col", "krow", "strided", "winograd")

# What decides, in copies of one element unless said otherwise. docs/convolution.md has the measurements.
START = 32  # one more piece of memory to copy: NumPy starts its loop anew
ADD = 1  # adding an element to the output
FEW, FEWEST = 8, 32  # channels for each output from which on additions are little beside copies, or nothing
LONG, SHORT = 96, 8  # channels and columns of a product that is not small
PRODUCT = 150_000  # multiply-adds in a product of one row of the image that run as fast as in a large product
CACHE = 32 << 10  # bytes of the first-level cache
CALLS, SMALL = 64, 1 << 15  # below so many output positions, with so small a weight, calls and not elements cost
WINOGRAD = 32, 256  # channels of data and output between which half the products are worth more than the transforms
POSITIONS = 512  # output positions from which on transforms of the weight are little
NARROW = 32  # outputs for which the rows of a kernel are better in one product
WIDE, DEEP = 14, 16  # columns, and channels of a group, that make a product for each row and group worth its call


def check(name: str) -> str:
    """Give the name back, or raise ParameterError."""
    if name not in ("auto", "direct", *ALGORITHMS):
        raise ParameterError(f"no convolution algorithm {name!r}; there are: auto, direct, {', '.join(ALGORITHMS)}")
    return name


def for_forward(g: Geometry, wanted: str) -> str:
    """Pick the algorithm of y.

    For each output position im2col copies kh rows of a window; krow copies as many as the stride skips, min(kh, sh),
    and adds kh - 1 products of o elements; strided copies nothing, leaves the padding out and adds kh kw - 1 products.
    So krow is better than im2col where the rows that it does not copy cost more than its additions, and strided is
    the best where its products, one for each row of the image, are large, or outputs few. Winograd's algorithm halves
    the products of three kernel rows, at the cost of some ten passes over data and output.
    """
    if g.depthwise:
        return "depthwise"
    wanted = _possible(g, wanted)
    if wanted not in ("auto", "direct"):
        return "strided" if wanted == "krow" and g.groups > 1 else wanted
    if g.groups > 1:
        return _grouped(g)
    if g.kh == g.kw == g.sh == g.sw == 1 and g.c > g.o:
        return "im2col"  # which copies nothing here
    if g.n * g.oh * g.ow < CALLS and size_of(g.weight_shape()) <= SMALL:
        return "im2col"
    if wanted == "auto" and _worth_transforms(g):
        return "winograd"
    if g.kh * g.kw > 1 and (_few_outputs(g) or _large_rows(g)):
        return "strided"
    pieces = 1 if g.dw == 1 else g.kw
    row = g.kw * g.c + START * pieces
    saved, added = (g.kh - min(g.kh, g.sh)) * row, ADD * (g.kh - 1) * g.o
    return "krow" if g.kh == 1 or saved > added else "im2col"


def _few_outputs(g: Geometry) -> bool:
    """Tell whether additions are little beside copies: by far, or clearly in products that are not small."""
    return g.c >= FEWEST * g.o or (g.c >= FEW * g.o and g.c >= LONG and g.ow >= SHORT)


def _large_rows(g: Geometry) -> bool:
    """Tell whether a product of one row with one offset's weight is large, and its operands stay in the caches."""
    weight, rows = g.c * g.o, g.ow * (g.c + g.o)
    return g.ow * weight >= PRODUCT and weight * g.itemsize < SLICE and rows * g.itemsize <= CACHE


def _possible(g: Geometry, wanted: str) -> str:
    """Give "auto" for an algorithm that is not for this convolution."""
    return "auto" if wanted == "winograd" and not winograd.fits(g) else wanted


def _worth_transforms(g: Geometry) -> bool:
    """Tell whether half the products cost more than the transforms, and the tiles are well filled."""
    if not winograd.fits(g) or not WINOGRAD[0] <= min(g.c, g.o) <= max(g.c, g.o) <= WINOGRAD[1]:
        return False
    return g.n * g.oh * g.ow >= POSITIONS and 5 * g.oh >= 4 * winograd.filled(g.oh)


def for_weight_grad(g: Geometry, wanted: str) -> str:
    """Pick the algorithm of dw, where krow has one for stride 1 alone."""
    if g.depthwise:
        return "strided"
    wanted = _possible(g, wanted)
    if wanted == "krow":
        return "krow" if krow_grad.fits(g) else "im2col"
    if wanted not in ("auto", "direct"):
        return wanted
    if g.groups > 1:
        return _grouped(g)
    if wanted == "auto" and _worth_transforms(g):
        return "winograd"
    narrow = g.kh > 1 and g.o <= NARROW and g.c >= DEEP and g.n * g.oh * g.ow >= POSITIONS
    return "krow" if narrow and krow_grad.fits(g) else "im2col"


def _grouped(g: Geometry) -> str:
    """Copying splits the channels by group into short pieces; a product for each row and group must not be tiny."""
    return "strided" if g.ow >= WIDE and g.c // g.groups >= DEEP else "im2col"
