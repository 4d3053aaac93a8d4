"""Which algorithm a convolution gets: from its shapes, or as the user says."""

from __future__ import annotations

from graphnn.errors import ParameterError

from .geometry import Geometry

__all__ = ["ALGORITHMS", "check", "for_forward", "for_weight_grad"]

ALGORITHMS = ("im2col", "krow", "strided")


def check(name: str) -> str:
    """Give the name back, or raise ParameterError."""
    if name not in ("auto", *ALGORITHMS):
        raise ParameterError(f"no convolution algorithm {name!r}; there are: auto, {', '.join(ALGORITHMS)}")
    return name


def for_forward(g: Geometry, wanted: str) -> str:
    """Pick the algorithm of y.

    What decides: the copies of im2col are kh kw times the data, of krow kw times, of strided none; but im2col has one
    large product, krow kh smaller ones with additions between them, strided kh kw still smaller ones.
    """
    if g.depthwise:
        return "depthwise"
    if wanted != "auto":
        return "strided" if wanted == "krow" and g.groups > 1 else wanted
    if g.groups > 1:
        return "strided"
    if g.kh == g.kw == 1:
        return "im2col" if max(g.sh, g.sw) > 1 and g.c > 64 else "strided"
    if max(g.dh, g.dw) > 1:
        return "strided" if g.c <= 64 else "im2col"
    if g.n * g.oh * g.ow < 64:
        return "im2col"
    if g.c <= 4:
        return "im2col" if g.o >= 32 else "krow"
    if max(g.sh, g.sw) == 1:
        return "im2col" if max(g.c, g.o) > 256 else "krow"
    return "krow" if g.c <= 32 or g.o <= 64 or g.oh >= 16 else "im2col"


def for_weight_grad(g: Geometry, wanted: str) -> str:
    """Pick the algorithm of dw: krow has none of its own."""
    if g.depthwise:
        return "strided"
    if wanted != "auto":
        return "im2col" if wanted == "krow" else wanted
    return "strided" if g.groups > 1 and g.c // g.groups >= 16 else "im2col"
