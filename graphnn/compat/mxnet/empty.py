"""Results of operators on arrays without elements, whose sizes of 0 graphnn's inference takes for unknown ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...errors import ShapeError
from ...symbol import Symbol, Variable, compose
from ...types import Shape
from .util import is_np_shape

__all__ = ["results"]


Arrays = Mapping[str, np.ndarray]


def results(symbol: Symbol, arrays: Arrays, run: Callable[[Symbol, Arrays], list[np.ndarray]]) -> list[np.ndarray]:
    """Give the outputs of one operator, some of whose inputs are empty; `run` computes where none is.

    Sizes of outputs are affine in each size of inputs, so the shapes for 1 and 2 in place of 0 give those for 0.
    """
    if not is_np_shape():
        raise ShapeError("an array without elements can only be computed with in a block of np_shape()")
    one, two = [_shapes(symbol, arrays, n) for n in (1, 2)]
    shapes = [tuple(2 * a - b for a, b in zip(s, t, strict=True)) for s, t in zip(one, two, strict=True)]
    if any(0 not in s for s in shapes):
        node = symbol.values[0].node
        full = [v for v in node.inputs if arrays[v.node.name].size]
        if node.op.name != "Concat" or not full:
            raise ShapeError(
                f"{node.name} ({node.op.name}): there is nothing to compute from in an array without elements"
            )
        rest = {v.node.name: arrays[v.node.name] for v in full}
        return run(compose("Concat", tuple(Variable(n) for n in rest), {"dim": vars(node.op)["dim"]}), rest)
    types = symbol.infer_type(**{name: a.dtype for name, a in arrays.items()})[1]
    assert types is not None  # every input's type is given
    return [np.zeros(s, t) for s, t in zip(shapes, types, strict=True)]


def _shapes(symbol: Symbol, arrays: Arrays, size: int) -> list[Shape]:
    """Give the outputs' shapes where `size` stands in place of 0."""
    given = {name: tuple(n or size for n in a.shape) for name, a in arrays.items()}
    found = symbol.infer_shape(**given)[1]
    assert found is not None  # every input's shape is given
    return found
