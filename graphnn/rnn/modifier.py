"""Cells that change what another cell gives: dropout, zoneout, residual connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import sym
from ..errors import GraphError, ParameterError
from ..symbol import Symbol
from .cell import Arrays, BaseRNNCell, RNNParams, States
from .sequence import Steps, normalized

__all__ = ["DropoutCell", "ModifierCell", "ResidualCell", "ZoneoutCell"]


class DropoutCell(BaseRNNCell):
    """y = dropout(x) with probability `dropout`; no states."""

    def __init__(self, dropout: float, prefix: str = "dropout_", params: RNNParams | None = None) -> None:
        super().__init__(prefix, params)
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)):
            raise ParameterError(f"DropoutCell: dropout must be a number, got {dropout!r}")
        self.dropout = dropout

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return []

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        return (sym.Dropout(data=inputs, p=self.dropout) if self.dropout > 0 else inputs), list(states)

    def unroll(
        self,
        length: int,
        inputs: Steps,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, States]:
        self.reset()
        xs = normalized(length, inputs, layout, merge_outputs)
        if isinstance(xs, Symbol):
            return self(xs, [])
        return super().unroll(length, xs, begin_state, layout, merge_outputs)


class ModifierCell(BaseRNNCell):
    """Base of what changes another cell: parameters, states and weights are that cell's."""

    def __init__(self, base_cell: BaseRNNCell) -> None:
        base_cell._modified = True
        self.base_cell = base_cell
        super().__init__()

    @property
    def stepwise(self) -> bool:
        return self.base_cell.stepwise

    @property
    def params(self) -> RNNParams:
        self._own_params = False
        return self.base_cell.params

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return self.base_cell.state_info

    def begin_state(self, init_sym: Callable[..., Symbol] = sym.zeros, **kwargs: Any) -> States:  # type: ignore[override]
        if self._modified:
            raise GraphError("this cell is inside another one: call begin_state() of that one")
        func = kwargs.pop("func", init_sym)
        return self._freed(lambda: self.base_cell.begin_state(func, **kwargs))

    def _freed(self, call: Callable[[], Any]) -> Any:
        """Call with the inner cell as if it stood alone."""
        self.base_cell._modified = False
        try:
            return call()
        finally:
            self.base_cell._modified = True

    def unpack_weights(self, args: Mapping[str, np.ndarray]) -> Arrays:
        return self.base_cell.unpack_weights(args)

    def pack_weights(self, args: Mapping[str, np.ndarray]) -> Arrays:
        return self.base_cell.pack_weights(args)


class ZoneoutCell(ModifierCell):
    """In training keep the previous output or state, element by element, with the probabilities given.

    Krueger et al., Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations (2017). As in MXNet the mask
    is a dropout of ones, and where it is kept, scaled or not, the new value passes.
    """

    def __init__(self, base_cell: BaseRNNCell, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0) -> None:
        if not base_cell.stepwise:
            raise ParameterError("ZoneoutCell works step by step: unfuse() the cell, or zone out each direction's cell")
        super().__init__(base_cell)
        self.zoneout_outputs, self.zoneout_states = zoneout_outputs, zoneout_states
        self.prev_output: Symbol | None = None

    def reset(self) -> None:
        super().reset()
        self.base_cell.reset()
        self.prev_output = None

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        output, new_states = self.base_cell(inputs, states)
        before = self.prev_output if self.prev_output is not None else sym.zeros((0, 0))
        if self.zoneout_outputs:
            output = _zoned(output, before, self.zoneout_outputs)
        if self.zoneout_states:
            pairs = zip(new_states, states, strict=True)
            new_states = [_zoned(new, old, self.zoneout_states) for new, old in pairs]
        self.prev_output = output
        return output, new_states


def _zoned(new: Symbol, old: Symbol, p: float) -> Symbol:
    return sym.where(sym.Dropout(sym.ones_like(new), p=p), new, old)


class ResidualCell(ModifierCell):
    """y = cell(x) + x (He et al., 2015; Wu et al., 2016)."""

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        output, new_states = self.base_cell(inputs, states)
        return _added(output, inputs), new_states

    def unroll(
        self,
        length: int,
        inputs: Steps,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, States]:
        self.reset()
        outputs, states = self._freed(lambda: self.base_cell.unroll(length, inputs, begin_state, layout, merge_outputs))
        merge = isinstance(outputs, Symbol) if merge_outputs is None else merge_outputs
        xs = normalized(length, inputs, layout, merge)
        if merge:
            return _added(outputs, xs), states
        return [_added(y, x) for y, x in zip(outputs, xs, strict=True)], states


def _added(y: Symbol, x: Symbol) -> Symbol:
    return sym.elemwise_add(y, x, name=f"{y.name}_plus_residual")
