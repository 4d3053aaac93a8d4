"""From convolutions to what this backend runs: channels last, weights in panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from graphnn.graph import Node, Value, apply, rewrite
from graphnn.op import Op
from graphnn.ops.conv import Convolution, conv_data_grad, conv_weight_grad
from graphnn.ops.pool import Pooling, _max_pool_grad, _pool_grad
from graphnn.passes.layout import Anchors, Form, last
from graphnn.types import Shape, TensorType

from ..body import Body
from ..ops import conv, conv_weights, depthwise, depthwise_weights, pack, pack_depthwise, pack_winograd, winograd
from ..toolchain import Target
from .direct import choose, collapsed
from .geometry import Grid, Part, data_parts, forward_parts
from .winograd import cost, traffic
from .winograd_weights import weights_cost

__all__ = ["ANCHORS", "Algo", "last_data_grad", "last_forward", "last_weight_grad", "lower"]

Algo = Literal["auto", "direct", "direct1", "direct2", "direct3", "direct4", "winograd", "winograd2", "winograd4"]


class _Last(Op):
    """A convolution or a gradient of one with data channels last, its weight as it was.

    `algo` names what a measurement picked, which holds where it can be: direct with so many vectors a panel, minimal
    filtering with tiles of so many outputs (weights have one tile: winograd). "auto" weighs their costs.
    """

    abstract = True
    public = False
    conv: Convolution
    shape: Shape
    algo: Algo = "auto"

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [self.shape]

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return ("x0", "x1", "x2")[: 2 if not isinstance(self, last_forward) or self.conv.no_bias else 3]


class last_forward(_Last):
    """y (n, ..., o)."""

    conv: Convolution
    shape: Shape
    algo: Algo = "auto"
    name = "_last_forward"


class last_data_grad(_Last):
    """dx (n, ..., c) for g and the weight."""

    conv: Convolution
    shape: Shape
    algo: Algo = "auto"
    name = "_last_data_grad"


class last_weight_grad(_Last):
    """dw as the weight is, for x and g."""

    conv: Convolution
    shape: Shape
    algo: Algo = "auto"
    name = "_last_weight_grad"


def _ordered(shape: Shape, perm: tuple[int, ...] | None) -> Shape:
    return shape if perm is None else tuple(shape[a] for a in perm)


def _anchor(cls: type[_Last]) -> Callable[..., Form | None]:
    def form(op: Any, ins: Sequence[TensorType], attrs: object) -> Form | None:
        base: Convolution = op if isinstance(op, Convolution) else op.conv
        if any(t.dtype != "float32" for t in ins):
            return None
        n = ins[0].ndim
        x = None if base.last else last(n)
        out = op.types(tuple(ins))[0].shape
        if cls is last_weight_grad:
            return Form(cls(base, out), (x, x), (None,))
        return Form(cls(base, _ordered(out, x)), (x, None, None)[: len(ins)], (x,))

    return form


def _moved(op: Op, ins: Sequence[TensorType], attrs: object) -> Form | None:
    """Pooling has kernels for channels last alone."""
    found = op.channels_last(ins) if all(t.dtype == "float32" for t in ins) else None
    perm = last(ins[0].ndim)
    return Form(found[0], (perm,) * len(ins), (perm,)) if found else None


ANCHORS: Anchors = {
    Pooling: _moved,
    _max_pool_grad: _moved,
    _pool_grad: _moved,
    Convolution: _anchor(last_forward),
    conv_data_grad: _anchor(last_data_grad),
    conv_weight_grad: _anchor(last_weight_grad),
}


def lower(target: Target, exact: bool = False) -> Callable[[Sequence[Value]], list[Value]]:
    """Make the pass: packed weights and products for every convolution; with `exact` none by minimal filtering."""

    def rule(node: Node, xs: tuple[Value, ...]) -> Value | None:
        match node.op:
            case last_forward():
                return _forward(node, xs, target, exact)
            case last_data_grad():
                return _data(node, xs, target, exact)
            case last_weight_grad():
                return _weights(node, xs, target, exact)
        return None

    return lambda outputs: rewrite(outputs, rule)


def _forward(node: Node, xs: tuple[Value, ...], target: Target, exact: bool) -> Value:
    op: Any = node.op
    x, w, *bias = xs
    window = op.conv.window(len(x.shape) - 2)
    parts = forward_parts(x.shape[1:-1], op.shape[1:-1], window)
    shape = op.shape
    channel = (*(1,) * (len(shape) - 1), shape[-1])
    body = Body(shape, (shape, channel), (("{0} + {1}", (0, 1)),), (2,)) if bias else Body(shape, (shape,), (), (0,))
    return _product(node, op, x, w, bias, parts, x.shape[-1], shape[-1], body, False, target, exact)


def _data(node: Node, xs: tuple[Value, ...], target: Target, exact: bool) -> Value:
    op: Any = node.op
    g, w = xs
    window = op.conv.window(len(g.shape) - 2)
    parts = data_parts(op.shape[1:-1], g.shape[1:-1], window)
    body = Body(op.shape, (op.shape,), (), (0,))
    return _product(node, op, g, w, [], parts, g.shape[-1], op.shape[-1], body, True, target, exact)


def _product(
    node: Node,
    last_op: _Last,
    x: Value,
    w: Value,
    more: Sequence[Value],
    parts: Any,
    channels: int,
    filters: int,
    body: Body,
    turned: bool,
    target: Target,
    exact: bool,
) -> Value:
    base = last_op.conv
    groups = base.num_group
    wide = base.window(len(x.shape) - 2).kernel[-1]
    taps = tuple(r * wide + s for p in parts for r in p.rows.taps for s in p.columns.taps)
    if groups == channels == filters and groups > 1:
        flat = Value(apply(pack_depthwise(taps), w, name=f"{node.name}:weights", origin=node.origin))
        each = depthwise(parts, channels, body)
        return Value(apply(each, x, flat, *more, name=node.name, attrs=node.attrs, origin=node.origin))
    grid = _grid(base, parts) if groups == 1 and not exact else None
    if grid:
        found = winograd_choice(parts, grid, x.shape[0], channels, filters, target, last_op.algo)
        if found:
            m, nr = found
            u = apply(pack_winograd(m, nr, turned, base.last), w, name=f"{node.name}:weights", origin=node.origin)
            fast = winograd(replace(grid, m=m), channels, filters, nr, body)
            return Value(apply(fast, x, Value(u), *more, name=node.name, attrs=node.attrs, origin=node.origin))
    channels, filters = channels // groups, filters // groups
    _, loops = collapsed(parts, x.shape[0], channels * groups)
    only = _panel(last_op.algo, filters, target)
    nr = choose(loops, channels, filters, target, only, channels * groups).nv * target.lanes
    panels = apply(pack(taps, nr, groups, turned, base.last), w, name=f"{node.name}:weights", origin=node.origin)
    op = conv(parts, channels, filters, groups, nr, body)
    return Value(apply(op, x, Value(panels), *more, name=node.name, attrs=node.attrs, origin=node.origin))


def _panel(algo: str, filters: int, target: Target) -> int:
    """Give the vectors a panel that `algo` names; 0 where it names none that can be."""
    nv = int(algo.removeprefix("direct") or 0) if algo.startswith("direct") else 0
    return nv if nv <= -(-filters // target.lanes) and nv < target.registers // 3 else 0


def _grid(base: Convolution, parts: tuple[Part, ...]) -> Grid | None:
    """Give the tiles of a convolution 3x3 of stride 1; None for another."""
    part = parts[0]
    axes = (part.rows, part.columns)
    if len(parts) != 1 or any(a.step != 1 or a.place != 1 or len(a.offsets) != 3 for a in axes):
        return None
    if any(a.offsets != (a.offsets[0], a.offsets[0] + 1, a.offsets[0] + 2) for a in axes):
        return None
    pad = (-part.rows.offsets[0], -part.columns.offsets[0])
    return Grid(part.rows.count, part.columns.count, (part.rows.size, part.columns.size), pad, 4)


def winograd_choice(
    parts: tuple[Part, ...], grid: Grid, images: int, channels: int, filters: int, target: Target, algo: str = "auto"
) -> tuple[int, int] | None:
    """Give (m, channels of a panel) of the cheaper minimal filtering; None where the direct way costs less.

    Another `algo` than "auto" decides instead of the costs.
    """
    lanes = target.lanes
    if channels % lanes or filters % lanes or algo.startswith("direct"):
        return None
    vectors = filters // lanes
    nv = next(v for v in (2, 3, 1) if vectors % v == 0) if target.registers > 16 else 2 - vectors % 2
    if algo in ("winograd2", "winograd4"):
        return int(algo[-1]), nv * lanes
    direct = images * choose(parts, channels, filters, target).cycles + traffic(4 * 9 * channels * filters)
    costs = {m: cost(replace(grid, m=m), channels, filters, images, lanes) for m in (4, 2)}
    m = min(costs, key=costs.__getitem__)
    return (m, nv * lanes) if costs[m] < direct else None


def _weights(node: Node, xs: tuple[Value, ...], target: Target, exact: bool) -> Value:
    op: Any = node.op
    x, g = xs
    base: Convolution = op.conv
    parts = forward_parts(x.shape[1:-1], g.shape[1:-1], base.window(len(x.shape) - 2))
    groups = base.num_group
    c, o = x.shape[-1] // groups, g.shape[-1] // groups
    if groups > 1 and c == o == 1:
        each = depthwise_weights(parts[0], op.shape)
        return Value(apply(each, x, g, name=node.name, attrs=node.attrs, origin=node.origin))
    grid = _grid(base, parts) if groups == 1 and not exact else None
    if grid and not _filters_weights(parts[0], grid, x.shape[0], c, o, target.lanes, op.algo):
        grid = None
    new = conv_weights(parts[0], c, o, groups, base.last, op.shape, grid)
    return Value(apply(new, x, g, name=node.name, attrs=node.attrs, origin=node.origin))


def _filters_weights(part: Part, grid: Grid, images: int, channels: int, filters: int, lanes: int, algo: str) -> bool:
    """Tell whether minimal filtering is the cheaper way to the weights' gradient, or what `algo` names."""
    if channels % lanes or filters % lanes or algo == "direct":
        return False
    if algo == "winograd":
        return True
    taps = [sum(sum(axis.valid(i)) for i in range(axis.count)) for axis in (part.rows, part.columns)]
    direct = images * taps[0] * taps[1] * channels * filters / lanes / 2 * 1.1
    return weights_cost(grid, channels, filters, images, lanes) < direct
