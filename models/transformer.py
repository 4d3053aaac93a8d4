"""A transformer encoder over the patches of an image (Vaswani et al. 2017; Dosovitskiy et al. 2020, "16x16 Words").

Images, not tokens: so it learns every set that graphnn-train has, and stands beside the convolutional networks there.
"""

from __future__ import annotations

from graphnn import sym
from graphnn.errors import ParameterError
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]


def get_symbol(
    num_classes: int = 10,
    patch: int = 4,
    width: int = 64,
    depth: int = 4,
    heads: int = 4,
    inner: int = 128,
    positions: int = 64,
) -> Symbol:
    """Give the network for images (n, c, h, w) of at most `positions` patches: up to (n, 3, 32, 32) with the defaults.

    Patches of `patch` x `patch` become vectors of `width`, a learnt vector for each place is added, `depth` layers
    attend with `heads` heads and have a dense layer of `inner` inside; the mean over the patches is classified, in
    place of the paper's class token. Normalisation comes first in each layer (Dosovitskiy et al., equations 2 and 3).
    Raises ParameterError unless `heads` divides `width`.
    """
    if heads < 1 or width % heads:
        raise ParameterError(f"transformer: heads must divide width, got {heads} heads and width {width}")
    size = (patch, patch)
    net = sym.Convolution(sym.Variable("data"), kernel=size, stride=size, num_filter=width, name="patches")
    net = sym.Reshape(net, shape=(0, 0, -1), name="in_a_row")
    net = sym.transpose(net, axes=(0, 2, 1), name="tokens")  # (n, patches, width)
    place = sym.Variable("position_weight", shape=(1, positions, width))
    net = sym.broadcast_add(net, sym.slice_like(place, net, axes=(1,), name="places"), name="placed")
    for k in range(1, depth + 1):
        net = net + _attention(sym.LayerNorm(net, name=f"layer{k}_norm1"), f"layer{k}", width, heads)
        net = net + _dense(sym.LayerNorm(net, name=f"layer{k}_norm2"), f"layer{k}", width, inner)
    net = sym.mean(sym.LayerNorm(net, name="norm"), axis=1, name="mean")
    net = sym.FullyConnected(net, num_hidden=num_classes, name="fc")
    return sym.SoftmaxOutput(net, name="softmax")


def _attention(x: Symbol, name: str, width: int, heads: int) -> Symbol:
    """y = W (softmax(q k^T / sqrt(d)) v), head by head, with x (n, l, width) and d = width / heads."""
    q, k, v = (_heads(x, f"{name}_{kind}", width, heads) for kind in ("query", "key", "value"))
    scores = sym.batch_dot(q, k, transpose_b=True, name=f"{name}_scores") * (width // heads) ** -0.5
    y = sym.batch_dot(sym.softmax(scores, axis=-1, name=f"{name}_weights"), v, name=f"{name}_mixed")
    y = sym.Reshape(y, shape=(-4, -1, heads, 0, 0), name=f"{name}_apart")
    y = sym.transpose(y, axes=(0, 2, 1, 3), name=f"{name}_beside")  # (n, l, heads, d)
    return _linear(sym.Reshape(y, shape=(0, 0, -3), name=f"{name}_joined"), f"{name}_out", width)


def _heads(x: Symbol, name: str, width: int, heads: int) -> Symbol:
    """y (n heads, l, d) = W x, cut into heads, with x (n, l, width)."""
    x = sym.Reshape(_linear(x, name, width), shape=(0, 0, -4, heads, -1), name=f"{name}_apart")
    x = sym.transpose(x, axes=(0, 2, 1, 3), name=f"{name}_heads")
    return sym.Reshape(x, shape=(-3, 0, 0), name=f"{name}_rows")


def _dense(x: Symbol, name: str, width: int, inner: int) -> Symbol:
    """y = W2 gelu(W1 x)."""
    x = sym.LeakyReLU(_linear(x, f"{name}_inner", inner), act_type="gelu", name=f"{name}_gelu")
    return _linear(x, f"{name}_outer", width)


def _linear(x: Symbol, name: str, width: int) -> Symbol:
    return sym.FullyConnected(x, num_hidden=width, flatten=False, name=name)
