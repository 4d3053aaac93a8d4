"""Executors that share: parameters by name, and everything that a batch needs in one pool of memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import memory
from ..bound import Bound
from ..errors import BindError
from ..executor import Executor, Options
from ..symbol import Symbol
from ..types import Shape, TensorType, show_shape

__all__ = ["Shared"]

Named = dict[str, np.ndarray]


class Shared:
    """Parameters, their gradients, auxiliary states, and the pool for inputs, outputs and arenas."""

    def __init__(self) -> None:
        self.params: Named = {}
        self.grads: Named = {}
        self.aux: Named = {}
        self.pool = memory.Pool()

    @property
    def nbytes(self) -> int:
        """The bytes of everything shared."""
        arrays = sum(a.nbytes for group in (self.params, self.grads, self.aux) for a in group.values())
        return arrays + self.pool.nbytes

    def executor(
        self,
        symbol: Symbol,
        inputs: set[str],
        reqs: Mapping[str, str],
        shapes: Mapping[str, Shape],
        dtypes: Mapping[str, Any],
        options: Options,
    ) -> Executor:
        """Bind a symbol whose arguments other than `inputs` are parameters."""
        bound = Bound(symbol, shapes, dtypes)
        wanted = {n: reqs.get(n, "null") for n in bound.arguments}
        memory.check(bound.nbytes(wanted), "binding", options.max_memory)
        args = dict(self._arrays(bound, bound.arguments, self.params, "input", inputs))
        asked = [n for n in bound.arguments if wanted[n] != "null"]
        grads = dict(self._arrays(bound, asked, self.grads, "grad", inputs))
        aux = dict(self._arrays(bound, bound.aux, self.aux, "aux", set()))
        return Executor(bound, args, grads, wanted, aux, options, self.pool)

    def _arrays(
        self, bound: Bound, names: list[str], own: Named, kind: str, inputs: set[str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Give named arrays: those of inputs from the pool, the others made once and kept."""
        for name in names:
            t = bound.types[name]
            if name in inputs:
                yield name, self.pool.take(f"{kind}:{name}", t.shape, t.dtype)
            else:
                if name not in own:
                    own[name] = memory.zeros(t.shape, t.dtype)
                _fits(name, own[name], t)
                yield name, own[name]


def _fits(name: str, array: np.ndarray, t: TensorType) -> None:
    if array.shape != t.shape or array.dtype != t.dtype:
        raise BindError(
            f"{name!r} is {t.dtype}{show_shape(t.shape)} with these inputs, but the parameter that is there already "
            f"is {array.dtype}{show_shape(array.shape)}: all shapes of inputs must need the same parameters"
        )
