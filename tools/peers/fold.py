"""BatchNorm put into the weights of the layer before it, for peers that do not do so themselves in inference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from graphnn.bound import Bound
from graphnn.graph import Node, Value, consumers, rewrite
from graphnn.op import variable
from graphnn.symbol import Symbol

__all__ = ["folded"]


def folded(bound: Bound, arrays: Mapping[str, np.ndarray]) -> tuple[Bound, dict[str, np.ndarray]]:
    """Give the network without the BatchNorms that follow a layer, and its arrays.

    scale (w x + b) + shift = (scale w) x + (scale b + shift) with scale = gamma / sqrt(var + eps) and shift = beta -
    mean scale, where nobody else reads the layer's output or its weight.
    """
    found, readers = dict(arrays), consumers(bound.heads)

    def rule(node: Node, xs: tuple[Value, ...]) -> Value | None:
        op: Any = node.op
        if op.name != "BatchNorm" or op.axis != 1 or xs[0].node.op.name not in ("Convolution", "FullyConnected"):
            return None
        layer = xs[0].node
        if readers[node.inputs[0]] > 1 or any(readers.get(v, 1) > 1 for v in layer.inputs[1:]):
            return None
        gamma, beta, mean, var = (arrays[v.node.name] for v in node.inputs[1:])
        scale = (1 if op.fix_gamma else gamma) / np.sqrt(var + np.float32(op.eps))
        x, weight, *rest = layer.inputs
        w = arrays[weight.node.name]
        found[weight.node.name] = (w * scale.reshape(-1, *(1,) * (w.ndim - 1))).astype(np.float32)
        bias = rest[0] if rest else variable(f"{layer.name}_folded_bias", scale.shape)
        b = arrays[rest[0].node.name] if rest else np.float32(0)
        found[bias.node.name] = (b * scale + beta - mean * scale).astype(np.float32)
        return replace(layer.op, no_bias=False)(x, weight, bias, name=layer.name)  # type: ignore[type-var]

    symbol = Symbol(rewrite(bound.heads, rule))
    names = set(symbol.list_inputs())
    return Bound(symbol, bound.shapes, {}), {name: a for name, a in found.items() if name in names}
