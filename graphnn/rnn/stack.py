"""Cells made of cells: one after the other, or one each way through time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import sym
from ..errors import GraphError
from ..symbol import Symbol
from .cell import Arrays, BaseRNNCell, RNNParams, States, begin_states
from .sequence import Steps, normalized, parts, time_axis

__all__ = ["BidirectionalCell", "SequentialRNNCell"]


class _Cells(BaseRNNCell):
    """Base of cells made of cells, whose states, parameters and weights are theirs in order."""

    _cells: list[BaseRNNCell]

    def __init__(self, params: RNNParams | None) -> None:
        super().__init__("", params)
        self._override_cell_params = params is not None
        self._cells = []

    def _take(self, cell: BaseRNNCell) -> None:
        if self._override_cell_params:
            if not cell._own_params:
                raise GraphError("give params to the outer cell or to the inner ones, not to both")
            cell.params.absorb(self._params)
        self._params.absorb(cell.params)
        self._cells.append(cell)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [info for cell in self._cells for info in cell.state_info]

    def begin_state(self, *args: Any, **kwargs: Any) -> States:
        if self._modified:
            raise GraphError("this cell is inside another one: call begin_state() of that one")
        return [state for cell in self._cells for state in cell.begin_state(*args, **kwargs)]

    def unpack_weights(self, args: Mapping[str, np.ndarray]) -> Arrays:
        for cell in self._cells:
            args = cell.unpack_weights(args)
        return dict(args)

    def pack_weights(self, args: Mapping[str, np.ndarray]) -> Arrays:
        for cell in self._cells:
            args = cell.pack_weights(args)
        return dict(args)

    def _divided(self, states: Sequence[Symbol]) -> list[list[Symbol]]:
        """Divide states among the cells."""
        found, at = [], 0
        for cell in self._cells:
            n = len(cell.state_info)
            found.append(list(states[at : at + n]))
            at += n
        if at != len(states):
            raise GraphError(f"these cells have {at} states, got {len(states)}")
        return found


class SequentialRNNCell(_Cells):
    """Cells one after the other: each takes the output of the one before."""

    def __init__(self, params: RNNParams | None = None) -> None:
        super().__init__(params)

    def add(self, cell: BaseRNNCell) -> None:
        """Put a cell on top."""
        self._take(cell)

    @property
    def stepwise(self) -> bool:
        return all(cell.stepwise for cell in self._cells)

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        self._counter += 1
        last: States = []
        for cell, own in zip(self._cells, self._divided(states), strict=True):
            inputs, new = cell(inputs, own)
            last += new
        return inputs, last

    def unroll(
        self,
        length: int,
        inputs: Steps,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, States]:
        self.reset()
        last: States = []
        divided = self._divided(begin_states(self, begin_state))
        for k, (cell, own) in enumerate(zip(self._cells, divided, strict=True)):
            merge = merge_outputs if k == len(self._cells) - 1 else None
            inputs, new = cell.unroll(length, inputs, own, layout, merge)
            last += new
        return inputs, last


class BidirectionalCell(_Cells):
    """Two cells, one from the first step to the last, one back; outputs side by side. It unrolls as a whole only."""

    def __init__(
        self,
        l_cell: BaseRNNCell,
        r_cell: BaseRNNCell,
        params: RNNParams | None = None,
        output_prefix: str = "bi_",
    ) -> None:
        super().__init__(params)
        self._output_prefix = output_prefix
        self._take(l_cell)
        self._take(r_cell)

    @property
    def stepwise(self) -> bool:
        return False

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        raise GraphError("BidirectionalCell reads the whole sequence: call unroll()")

    def unroll(
        self,
        length: int,
        inputs: Steps,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, States]:
        self.reset()
        axis = time_axis(layout)
        xs = normalized(length, inputs, layout, False)
        left, right = self._cells
        l_states, r_states = self._divided(begin_states(self, begin_state))
        l_out, l_last = left.unroll(length, xs, l_states, layout, merge_outputs)
        r_out, r_last = right.unroll(length, xs[::-1], r_states, layout, merge_outputs)
        if merge_outputs is None:
            merge_outputs = isinstance(l_out, Symbol) and isinstance(r_out, Symbol)
        if merge_outputs:
            merged = [normalized(length, out, layout, True) for out in (l_out, r_out)]
            return self._joined(merged[0], sym.reverse(merged[1], axis=axis), 2, "out"), l_last + r_last
        l_steps, r_steps = (
            parts(length, out, axis, "SliceChannel") if isinstance(out, Symbol) else out for out in (l_out, r_out)
        )
        outputs = [self._joined(a, b, 1, f"t{k}") for k, (a, b) in enumerate(zip(l_steps, r_steps[::-1], strict=True))]
        return outputs, l_last + r_last

    def _joined(self, a: Symbol, b: Symbol, axis: int, end: str) -> Symbol:
        return sym.Concat(a, b, dim=axis, name=f"{self._output_prefix}{end}")
