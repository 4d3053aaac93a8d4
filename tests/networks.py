"""Random networks of small sizes: every draw is a symbol that binds, with a shape for its data."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from graphnn import sym
from graphnn.naming import NameManager
from graphnn.symbol import Symbol

__all__ = ["RATE", "Network", "networks"]

Draw = st.DrawFn

RATE = {"runs": 0, "seconds": 0.0}  # for the terminal summary


@dataclass(frozen=True)
class Network:
    """A symbol of `data` (its shape given) with a loss head, labels for it, and what it is made of."""

    net: Symbol
    shape: tuple[int, ...]
    labels: int
    layers: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Network({self.shape}: {', '.join(self.layers)})"


@dataclass
class _Image:
    """A value under construction and its shape (n, c, h, w)."""

    x: Symbol
    shape: tuple[int, int, int, int]


def _convolution(draw: Draw, image: _Image) -> _Image:
    n, c, h, w = image.shape
    kernel = draw(st.tuples(st.integers(1, min(3, h)), st.integers(1, min(3, w))))
    stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    pad = tuple(draw(st.integers(0, k)) for k in kernel)
    fits = [2 * (k - 1) < x + 2 * p for k, x, p in zip(kernel, (h, w), pad, strict=True)]
    dilate = tuple(2 if ok and draw(st.booleans()) else 1 for ok in fits)
    groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if c % g == 0]))
    filters = groups * draw(st.integers(1, 3))
    params = dict(kernel=kernel, stride=stride, pad=pad, dilate=dilate, num_group=groups, num_filter=filters)
    x = sym.Convolution(image.x, no_bias=draw(st.booleans()), **params)
    window = zip((h, w), kernel, stride, pad, dilate, strict=True)
    sizes = [(x + 2 * p - d * (k - 1) - 1) // s + 1 for x, k, s, p, d in window]
    return _Image(x, (n, filters, sizes[0], sizes[1]))


def _pooling(draw: Draw, image: _Image) -> _Image:
    n, c, h, w = image.shape
    kernel = draw(st.tuples(st.integers(1, min(3, h)), st.integers(1, min(3, w))))
    stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    pad = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    over = [x + 2 * p - k for x, p, k in zip((h, w), pad, kernel, strict=True)]
    sizes = [-(-m // s) + 1 for m, s in zip(over, stride, strict=True)]
    full = draw(st.booleans())
    if not full:
        sizes = [m // s + 1 for m, s in zip(over, stride, strict=True)]
    x = sym.Pooling(
        image.x,
        kernel=kernel,
        stride=stride,
        pad=pad,
        pool_type=draw(st.sampled_from(["max", "avg", "sum"])),
        pooling_convention="full" if full else "valid",
    )
    return _Image(x, (n, c, sizes[0], sizes[1]))


def _norm(draw: Draw, image: _Image) -> _Image:
    return _Image(sym.BatchNorm(image.x, fix_gamma=draw(st.booleans()), eps=0.1), image.shape)


def _activation(draw: Draw, image: _Image) -> _Image:
    kind = draw(st.sampled_from(["relu", "sigmoid", "tanh", "softrelu", "leaky", "elu", "prelu"]))
    if kind in ("leaky", "elu", "prelu"):
        return _Image(sym.LeakyReLU(image.x, act_type=kind), image.shape)
    return _Image(sym.Activation(image.x, act_type=kind), image.shape)


def _scale(draw: Draw, image: _Image) -> _Image:
    factor = draw(st.sampled_from([-1.0, 0.5, 1.0, 2.0]))
    return _Image(image.x * factor + draw(st.sampled_from([0.0, 0.25])), image.shape)


def _dropout(draw: Draw, image: _Image) -> _Image:
    return _Image(sym.Dropout(image.x, p=0.0), image.shape)  # off: a mask would differ between two plans


def _concat(draw: Draw, image: _Image) -> _Image:
    n, c, h, w = image.shape
    other = _convolution_like(draw, image, draw(st.integers(1, 3)))
    return _Image(sym.Concat(image.x, other.x, dim=1), (n, c + other.shape[1], h, w))


def _residual(draw: Draw, image: _Image) -> _Image:
    return _Image(_convolution_like(draw, image, image.shape[1]).x + image.x, image.shape)


def _convolution_like(draw: Draw, image: _Image, filters: int) -> _Image:
    """Give a convolution that keeps the spatial sizes."""
    n, _, h, w = image.shape
    kinds = [((1, 1), (0, 0)), ((3, 3), (1, 1)), ((1, 3), (0, 1))]
    kernel, pad = draw(st.sampled_from(kinds[: 3 if min(h, w) > 1 else 1]))
    return _Image(sym.Convolution(image.x, kernel=kernel, pad=pad, num_filter=filters), (n, filters, h, w))


LAYERS = {
    "convolution": _convolution,
    "pooling": _pooling,
    "norm": _norm,
    "activation": _activation,
    "scale": _scale,
    "dropout": _dropout,
    "concat": _concat,
    "residual": _residual,
}


@st.composite
def networks(draw: Draw, depth: int = 6) -> Network:
    """Draw a network of up to `depth` layers on images, then dense layers and a softmax output."""
    with NameManager():
        shape = draw(st.tuples(*(st.integers(1, most) for most in (3, 4, 7, 7))))
        image = _Image(sym.Variable("data"), shape)
        layers = draw(st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=depth))
        for layer in layers:
            image = LAYERS[layer](draw, image)
        x = sym.Flatten(image.x)
        for _ in range(draw(st.integers(0, 1))):
            x = sym.FullyConnected(x, num_hidden=draw(st.integers(1, 5)), no_bias=draw(st.booleans()))
        net = sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=3), name="softmax")
        return Network(net, shape, shape[0], tuple(layers))
