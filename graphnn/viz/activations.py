"""What can be seen of a trained network: which layers make something of an image, what they make, the first filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..graph import Value, outputs_of, toposort
from ..symbol import Symbol
from .layers import kind_of

if TYPE_CHECKING:
    from ..predictor import Predictor, Trained

__all__ = ["activations", "first_filters", "layers_of", "planes"]

_SHOWN = ("weights", "activation", "pool")  # kinds of layers
_STRIP = 128  # numbers in a row


def layers_of(symbol: Symbol, shape: Sequence[int]) -> list[Value]:
    """Give the outputs of convolutions, dense layers, activations and pooling that can be drawn, in graph order.

    `shape` is that of one input: (c, h, w), or (n,) for a row of a table.
    """
    nodes = [n for n in toposort(symbol.values) if kind_of(n.op) in _SHOWN]
    values = [outputs_of(node)[0] for node in nodes]
    if not values:
        return []
    shapes = Symbol(values).infer_shape_partial(data=(1, *shape))[1]
    return [v for v, s in zip(values, shapes, strict=True) if s and s[0] == 1 and 2 <= len(s) <= 4]


def activations(
    predictor: Predictor, image: np.ndarray, values: Sequence[Value] | None = None
) -> list[tuple[str, np.ndarray]]:
    """Give what layers (None: all of layers_of()) make of one input: name and array, (c, h, w), (t, c) or (n,)."""
    chosen = layers_of(predictor.symbol, predictor.shape) if values is None else list(values)
    if not chosen:
        return []
    arrays = predictor.activations(image[None], Symbol(chosen))
    return [(v.node.name, a[0]) for v, a in zip(chosen, arrays, strict=True)]


def planes(a: np.ndarray) -> np.ndarray:
    """Lay an array of activations out to be drawn, (c, h, w).

    What has no channels is one of them: sequences (t, c) as (1, t, c), rows (n,) in lines of 128, the last of which is
    filled with the lowest value.
    """
    return a if a.ndim == 3 else a[None] if a.ndim == 2 else _strip(a)[None]


def _strip(a: np.ndarray) -> np.ndarray:
    if len(a) <= _STRIP:
        return a[None]
    lines = math.ceil(len(a) / _STRIP)
    return np.pad(a, (0, lines * _STRIP - len(a)), constant_values=a.min()).reshape(lines, _STRIP)


def first_filters(trained: Predictor | Trained) -> tuple[str, np.ndarray] | None:
    """Give name and weights (n, c, h, w) of the first layer with weights; None where they are no pictures.

    That is a convolution in two dimensions, or a dense layer right on an image, whose rows have the image's shape.
    """
    params = trained.params
    for node in toposort(trained.symbol.values):
        names = node.op.input_names(len(node.inputs))
        if kind_of(node.op) != "weights" or "weight" not in names:
            continue
        weight = params.get(node.inputs[names.index("weight")].node.name)
        if weight is None or node.op.name not in ("Convolution", "FullyConnected"):
            return None
        if weight.ndim == 2 and len(trained.shape) == 3 and weight.shape[1] == math.prod(trained.shape):
            return node.name, weight.reshape(-1, *trained.shape)
        if weight.ndim == 4 and str(getattr(node.op, "layout", None) or "NCHW") == "NCHW":
            return node.name, weight
        return None
    return None
