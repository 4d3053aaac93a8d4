"""Random networks for the C backend: sizes that its vectors, tiles, panels and chunks do not divide."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from graphnn import sym
from graphnn.naming import NameManager
from graphnn.symbol import Symbol

__all__ = ["Wide", "wide_networks"]

Draw = st.DrawFn
Shape = tuple[int, ...]

BATCHES = (1, 2, 3, 5, 7, 12, 16)
CHANNELS = (1, 3, 5, 8, 16, 17, 24, 32, 48)
MOST = 60_000  # elements of a value: the reference in float64 must not take seconds


@dataclass(frozen=True)
class Wide:
    """A symbol with a loss head, the shape of its data, and whether its chunks are made as small as they can be."""

    net: Symbol
    shape: Shape
    layers: tuple[str, ...]
    small_chunks: bool

    def __repr__(self) -> str:
        return f"Wide({self.shape}: {', '.join(self.layers)}; small_chunks={self.small_chunks})\n{self.net.tojson()}"


@dataclass
class _Image:
    """A value under construction, its shape (n, c, *sizes), and earlier values to come back to."""

    x: Symbol
    shape: Shape
    earlier: list[tuple[Symbol, Shape]]

    def then(self, x: Symbol, channels: int, sizes: tuple[int, ...] | None = None) -> _Image:
        sizes = self.shape[2:] if sizes is None else sizes
        return _Image(x, (self.shape[0], channels, *sizes), [*self.earlier, (self.x, self.shape)])


def _out(size: int, kernel: int, stride: int, pad: int, dilate: int = 1) -> int:
    return (size + 2 * pad - dilate * (kernel - 1) - 1) // stride + 1


def _filters(draw: Draw, image: _Image) -> int:
    points = 1
    for size in (image.shape[0], *image.shape[2:]):
        points *= size
    return draw(st.sampled_from([c for c in CHANNELS if c == 1 or c * points <= MOST]))


def _convolution(draw: Draw, image: _Image) -> _Image:
    """Any window: stride above the kernel, dilation, groups, padding as wide as the kernel."""
    c, sizes = image.shape[1], image.shape[2:]
    kernel = tuple(draw(st.integers(1, min(5, n))) for n in sizes)
    stride = tuple(draw(st.integers(1, 3)) for _ in sizes)
    pad = tuple(draw(st.integers(0, k)) for k in kernel)
    fits = [2 * (k - 1) < n + 2 * p for k, n, p in zip(kernel, sizes, pad, strict=True)]
    dilate = tuple(2 if ok and draw(st.booleans()) else 1 for ok in fits)
    filters = _filters(draw, image)
    groups = draw(st.sampled_from([g for g in (1, 2, 3, 4, 8) if c % g == 0 and filters % g == 0]))
    params = dict(kernel=kernel, stride=stride, pad=pad, dilate=dilate, num_group=groups, num_filter=filters)
    x = sym.Convolution(image.x, no_bias=draw(st.booleans()), **params)
    out = tuple(_out(*z) for z in zip(sizes, kernel, stride, pad, dilate, strict=True))
    return image.then(x, filters, out)


def _same(draw: Draw, image: _Image) -> _Image:
    """3x3 of stride 1, which minimal filtering may take; then relu."""
    filters = _filters(draw, image)
    k = tuple(3 for _ in image.shape[2:])
    x = sym.Convolution(image.x, kernel=k, pad=tuple(1 for _ in k), num_filter=filters)
    return image.then(sym.Activation(x, act_type="relu"), filters)


def _depthwise(draw: Draw, image: _Image) -> _Image:
    c, sizes = image.shape[1], image.shape[2:]
    stride = tuple(draw(st.integers(1, 2)) for _ in sizes)
    k = tuple(3 for _ in sizes)
    pad = tuple(1 for _ in sizes)
    x = sym.Convolution(image.x, kernel=k, pad=pad, stride=stride, num_filter=c, num_group=c, no_bias=True)
    return image.then(x, c, tuple(_out(n, 3, s, 1) for n, s in zip(sizes, stride, strict=True)))


def _deconvolution(draw: Draw, image: _Image) -> _Image:
    filters = min(_filters(draw, image), 8)
    k = tuple(2 for _ in image.shape[2:])
    x = sym.Deconvolution(image.x, kernel=k, stride=k, num_filter=filters, no_bias=draw(st.booleans()))
    sizes = tuple(2 * n for n in image.shape[2:])
    if image.shape[0] * filters * max(sizes) ** len(sizes) > MOST:
        return image
    return image.then(x, filters, sizes)


def _pooling(draw: Draw, image: _Image) -> _Image:
    sizes = image.shape[2:]
    kernel = tuple(draw(st.integers(1, min(3, n))) for n in sizes)
    stride = tuple(draw(st.integers(1, 3)) for _ in sizes)
    pad = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    kind = draw(st.sampled_from(["max", "avg", "sum"]))
    x = sym.Pooling(image.x, kernel=kernel, stride=stride, pad=pad, pool_type=kind)
    return image.then(x, image.shape[1], tuple(_out(*z) for z in zip(sizes, kernel, stride, pad, strict=True)))


def _norm(draw: Draw, image: _Image) -> _Image:
    x = sym.BatchNorm(image.x, fix_gamma=draw(st.booleans()), eps=0.1)
    return image.then(sym.Activation(x, act_type="relu") if draw(st.booleans()) else x, image.shape[1])


def _activation(draw: Draw, image: _Image) -> _Image:
    kind = draw(st.sampled_from(["relu", "sigmoid", "tanh", "softrelu", "leaky", "elu", "prelu", "gelu"]))
    if kind in ("leaky", "elu", "prelu", "gelu"):
        return image.then(sym.LeakyReLU(image.x, act_type=kind), image.shape[1])
    return image.then(sym.Activation(image.x, act_type=kind), image.shape[1])


def _concat(draw: Draw, image: _Image) -> _Image:
    """With an earlier value of the same sizes if there is one, else with a convolution of this one."""
    same = [(x, s) for x, s in image.earlier if s[2:] == image.shape[2:]]
    other, shape = same[draw(st.integers(0, len(same) - 1))] if same else (image.x * 0.5, image.shape)
    return image.then(sym.Concat(image.x, other, dim=1), image.shape[1] + shape[1])


def _residual(draw: Draw, image: _Image) -> _Image:
    """Add an earlier value, as it is or through a convolution 1x1."""
    same = [(x, s) for x, s in image.earlier if s[2:] == image.shape[2:]]
    other, shape = same[draw(st.integers(0, len(same) - 1))] if same else (image.x, image.shape)
    if shape != image.shape or draw(st.booleans()):
        other = sym.Convolution(other, kernel=tuple(1 for _ in shape[2:]), num_filter=image.shape[1])
    return image.then(image.x + other, image.shape[1])


def _gate(draw: Draw, image: _Image) -> _Image:
    """Scale by something for each image and channel, as squeeze and excitation does."""
    x = sym.Pooling(image.x, global_pool=True, kernel=tuple(1 for _ in image.shape[2:]), pool_type="avg")
    x = sym.Convolution(x, kernel=tuple(1 for _ in image.shape[2:]), num_filter=image.shape[1])
    return image.then(sym.broadcast_mul(image.x, sym.Activation(x, act_type="sigmoid")), image.shape[1])


LAYERS = {
    "convolution": _convolution,
    "same": _same,
    "depthwise": _depthwise,
    "deconvolution": _deconvolution,
    "pooling": _pooling,
    "norm": _norm,
    "activation": _activation,
    "concat": _concat,
    "residual": _residual,
    "gate": _gate,
}


@st.composite
def wide_networks(draw: Draw, depth: int = 6) -> Wide:
    """Draw a network of up to `depth` layers over one or two spatial axes, a dense layer and a softmax output."""
    with NameManager():
        n, c = draw(st.sampled_from(BATCHES)), draw(st.sampled_from(CHANNELS))
        most = max(1, min(14, int((MOST / (n * c)) ** 0.5)))
        sizes = draw(st.lists(st.integers(1, most), min_size=1, max_size=2))
        image = _Image(sym.Variable("data"), (n, c, *sizes), [])
        layers = draw(st.lists(st.sampled_from(sorted(LAYERS)), min_size=2, max_size=depth))
        for layer in layers:
            image = LAYERS[layer](draw, image)
        x = sym.Flatten(image.x)
        if draw(st.booleans()):
            x = sym.FullyConnected(x, num_hidden=draw(st.sampled_from(CHANNELS)))
        net = sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=3), name="softmax")
        return Wide(net, (n, c, *sizes), tuple(layers), draw(st.booleans()))
