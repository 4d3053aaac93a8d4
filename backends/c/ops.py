"""Operators that only this backend has: fused loops, packed weights, and products that end in an expression."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from graphnn.graph import Value
from graphnn.op import OPS, Op
from graphnn.passes.constant import constant
from graphnn.types import Shape

from .body import Body
from .conv.geometry import Grid, Part
from .conv.minimal import filtering

__all__ = [
    "conv",
    "conv_weights",
    "depthwise",
    "depthwise_weights",
    "fused",
    "pack",
    "pack_depthwise",
    "pack_winograd",
    "product",
    "winograd",
]

Parts = tuple[Part, ...]


class fused(Op):
    """What `body` says: outputs of its shape, then sums of shape (c,)."""

    body: Body
    public = False
    name = "_fused"

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return tuple(f"x{i}" for i in range(len(self.body.views)))

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(f"y{k}" for k in range(len(self.body.full) + len(self.body.sums)))

    @property
    def inplace(self) -> tuple[tuple[int, int], ...]:  # type: ignore[override]
        whole = [i for i, v in enumerate(self.body.views) if v == self.body.shape]
        return tuple((i, k) for k in range(len(self.body.full)) for i in whole)

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [self.body.shape] * len(self.body.full) + [self.body.shape[-1:]] * len(self.body.sums)


class _Ending(Op):
    """Base of products that end in a body: its first value is the product, its other inputs follow the two factors."""

    abstract = True
    public = False
    inputs = ("data", "panels")

    @property
    def end(self) -> Body:
        """The field `body` of the subclasses."""
        found: Body = self.body  # type: ignore[attr-defined]
        return found

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return (*self.inputs, *(f"x{i}" for i in range(1, len(self.end.views))))

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(f"y{k}" for k in range(len(self.end.full)))

    @property
    def inplace(self) -> tuple[tuple[int, int], ...]:  # type: ignore[override]
        whole = [i + 1 for i, v in enumerate(self.end.views) if i and v == self.end.shape]
        return tuple((i, k) for k in range(len(self.end.full)) for i in whole)

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [self.end.shape] * len(self.end.full)


class pack(Op):
    """Convolution weights (o, c / groups, *kernel), or (o, *kernel, c / groups) with `last`, in panels.

    out (groups panels, taps, k, nr): the lanes of a panel are output channels, k the input channels; with `turned` it
    is the other way round, as the data gradient wants. `taps` is the order of the kernel's elements. Lanes beyond the
    last channel are 0.
    """

    taps: Shape
    nr: int
    groups: int = 1
    turned: bool = False
    last: bool = False
    public = False
    name = "_pack"
    inputs = ("weight",)

    def sizes(self, weight: Shape) -> tuple[int, int, int]:
        """Give (lanes, k, kernel elements) of one group."""
        o, c = weight[0] // self.groups, weight[-1] if self.last else weight[1]
        n = weight[1:-1] if self.last else weight[2:]
        return (c, o, math.prod(n)) if self.turned else (o, c, math.prod(n))

    def shapes(self, weight: Shape) -> Sequence[Shape]:
        lanes, k, _ = self.sizes(weight)
        return [(self.groups * -(-lanes // self.nr), len(self.taps), k, self.nr)]

    def decompose(self, *xs: Value) -> Value:
        w = xs[0]
        lanes, k, n = self.sizes(w.shape)
        o, c = (k, lanes) if self.turned else (lanes, k)
        x = _reshape(w, (self.groups, o, n, c) if self.last else (self.groups, o, c, n))
        order = {(False, False): (0, 1, 3, 2), (False, True): (0, 1, 2, 3)}
        order |= {(True, False): (0, 2, 3, 1), (True, True): (0, 3, 2, 1)}
        x = OPS["transpose"].from_params({"axes": order[self.turned, self.last]})(x)  # (groups, lanes, n, k)
        index = constant(np.asarray(self.taps, np.float32))(name="taps")
        x = OPS["take"].from_params({"axis": 2})(x, index)
        panels = -(-lanes // self.nr)
        if panels * self.nr > lanes:
            shape = (self.groups, panels * self.nr - lanes, len(self.taps), k)
            zeros = OPS["_zeros"].from_params({"shape": shape, "dtype": w.dtype})()
            x = OPS["Concat"].from_params({"dim": 1, "num_args": 2})(x, zeros)
        x = _reshape(x, (self.groups * panels, self.nr, len(self.taps) * k))
        x = OPS["transpose"].from_params({"axes": (0, 2, 1)})(x)
        return _reshape(x, self.shapes(w.shape)[0])


class conv(_Ending):
    """y = body(conv(x, w), ...) by `parts`: x (n, h, w, groups channels), panels, then the body's other inputs.

    `shape` is that of y (n, oh, ow, groups filters); the body's first value is the convolution.
    """

    parts: Parts
    channels: int
    filters: int
    groups: int
    nr: int
    body: Body
    name = "_conv"

    def __str__(self) -> str:
        end = "" if self.body.is_identity else f", {self.body}"
        return f"_conv{{{len(self.parts)} part(s), {self.channels} -> {self.filters}, groups={self.groups}{end}}}"


def _reshape(x: Value, shape: Shape) -> Value:
    return OPS["_reshape_to"].from_params({"shape": shape})(x)


class pack_winograd(Op):
    """U = G w G^T of weights (o, c, 3, 3), or (o, 3, 3, c) with `last`: (points, panels, k, nr), as `pack` has it."""

    m: int
    nr: int
    turned: bool = False
    last: bool = False
    public = False
    name = "_pack_winograd"
    inputs = ("weight",)

    def shapes(self, weight: Shape) -> Sequence[Shape]:
        o, c = weight[0], weight[-1] if self.last else weight[1]
        filters, channels = (c, o) if self.turned else (o, c)
        return [((self.m + 2) ** 2, filters // self.nr, channels, self.nr)]

    def decompose(self, *xs: Value) -> Value:
        w = xs[0]
        points, panels, k, nr = self.shapes(w.shape)[0]
        g = filtering(self.m, 3).g
        o, c = w.shape[0], w.shape[-1] if self.last else w.shape[1]
        nine = _reshape(w, (o, 9, c) if self.last else (o, c, 9))
        nine = OPS["transpose"].from_params({"axes": (1, 0, 2) if self.last else (2, 0, 1)})(nine)
        both = np.kron(g, g)[:, ::-1] if self.turned else np.kron(g, g)
        matrix = constant(np.ascontiguousarray(both, np.float32))(name="filter")
        u = OPS["dot"].from_params({})(matrix, _reshape(nine, (9, o * c)))
        u = _reshape(u, (points, o, c))
        if not self.turned:
            u = OPS["transpose"].from_params({"axes": (0, 2, 1)})(u)
        u = _reshape(u, (points, k, panels, nr))
        return OPS["transpose"].from_params({"axes": (0, 2, 1, 3)})(u)


class winograd(_Ending):
    """y = body(conv(x, w), ...), 3x3 of stride 1, for x (n, h, w, channels) and U of pack_winograd."""

    grid: Grid
    channels: int
    filters: int
    nr: int
    body: Body
    name = "_winograd"


class pack_depthwise(Op):
    """Weights (c, 1, *kernel), or (c, *kernel, 1), as (taps, c), the kernel's elements in the order `taps`."""

    taps: Shape
    public = False
    name = "_pack_depthwise"
    inputs = ("weight",)

    def shapes(self, weight: Shape) -> Sequence[Shape]:
        return [(len(self.taps), weight[0])]

    def decompose(self, *xs: Value) -> Value:
        flat = _reshape(xs[0], (xs[0].shape[0], xs[0].type.size // xs[0].shape[0]))
        index = constant(np.asarray(self.taps, np.float32))(name="taps")
        return OPS["take"].from_params({"axis": 0})(OPS["transpose"].from_params({"axes": (1, 0)})(flat), index)


class depthwise(_Ending):
    """y = body(conv(x, w), ...) with a filter for each channel: x (n, h, w, channels), weights of pack_depthwise."""

    parts: Parts
    channels: int
    body: Body
    name = "_depthwise"


class depthwise_weights(Op):
    """dw of `shape` for x and g of a depthwise convolution."""

    part: Part
    shape: Shape
    public = False
    name = "_depthwise_weights"
    inputs = ("data", "grad")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [self.shape]


class conv_weights(Op):
    """dw of `shape`, (groups filters, channels, *kernel) or with `last` (..., *kernel, channels), for x and g.

    With `grid` by minimal filtering.
    """

    part: Part
    channels: int
    filters: int
    groups: int
    last: bool
    shape: Shape
    grid: Grid | None = None
    public = False
    name = "_conv_weights"
    inputs = ("data", "grad")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [self.shape]


class product(_Ending):
    """y = body(a b, ...): a (m, k), or (k, m) with `ta`; b (k, n), or (n, k) with `tb`; then the body's other inputs.

    Inputs and output count as matrices whatever their axes; the body's last axis is n.
    """

    m: int
    n: int
    k: int
    ta: bool
    tb: bool
    body: Body
    name = "_product"
    inputs = ("a", "b")
