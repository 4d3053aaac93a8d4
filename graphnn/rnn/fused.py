"""FusedRNNCell: several layers and all steps as one RNN operator, with the way to and from cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import sym
from ..errors import GraphError, ParameterError
from ..symbol import Symbol
from ..train.initializer import FusedRNN
from ..train.recurrent import Division
from .cell import Arrays, BaseRNNCell, GRUCell, LSTMCell, RNNCell, RNNParams, States, begin_states, restored, taken
from .modifier import DropoutCell
from .sequence import Steps, normalized, time_axis
from .stack import BidirectionalCell, SequentialRNNCell

__all__ = ["FusedRNNCell"]


class FusedRNNCell(BaseRNNCell):
    """`num_layers` layers of rnn_relu, rnn_tanh, lstm or gru as one RNN operator; it unrolls as a whole only.

    With `get_next_state` unroll() gives the states after the last step too. `dropout` acts between layers.
    """

    def __init__(
        self,
        num_hidden: int,
        num_layers: int = 1,
        mode: str = "lstm",
        bidirectional: bool = False,
        dropout: float = 0.0,
        get_next_state: bool = False,
        forget_bias: float = 1.0,
        prefix: str | None = None,
        params: RNNParams | None = None,
    ) -> None:
        prefix = f"{mode}_" if prefix is None else prefix
        self._division = Division(num_hidden, num_layers, mode, bidirectional, prefix)
        super().__init__(prefix, params)
        self._num_hidden, self._num_layers, self._mode = num_hidden, num_layers, mode
        self._bidirectional, self._dropout, self._get_next_state = bidirectional, dropout, get_next_state
        self._directions = self._division.directions
        init = FusedRNN(None, num_hidden, num_layers, mode, bidirectional, forget_bias)
        self._parameter = self._params.get("parameters", init=init)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        count = len(self._directions) * self._num_layers
        info = {"shape": (count, 0, self._num_hidden), "__layout__": "LNC"}
        return [info] * (2 if self._mode == "lstm" else 1)

    @property
    def stepwise(self) -> bool:
        return False

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return self._division.gates

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        raise GraphError("FusedRNNCell makes all steps at once: call unroll(), or unfuse() for single steps")

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
        x = normalized(length, inputs, layout, True)
        if axis == 1:
            x = sym.swapaxes(x, dim1=0, dim2=1)
        elif axis:
            raise ParameterError(f"FusedRNNCell: time must be axis 0 or 1, as in TNC and NTC, got {layout!r}")
        states = dict(zip(("state", "state_cell"), begin_states(self, begin_state), strict=False))
        rnn = sym._internal.RNN(
            data=x, parameters=self._parameter, state_size=self._num_hidden, num_layers=self._num_layers,
            bidirectional=self._bidirectional, p=self._dropout, state_outputs=self._get_next_state, mode=self._mode,
            name=f"{self._prefix}rnn", attr={"__layout__": "LNC"} if self._get_next_state else None, **states,
        )  # fmt: skip
        outputs, last = (rnn[0], list(rnn)[1:]) if self._get_next_state else (rnn, [])
        if axis == 1:
            outputs = sym.swapaxes(outputs, dim1=0, dim2=1)
        return normalized(length, outputs, layout, merge_outputs), last

    def unfuse(self) -> SequentialRNNCell:
        """Give the same network as a stack of cells; unpack_weights() and their pack_weights() carry weights over."""
        stack = SequentialRNNCell()
        for k in range(self._num_layers):
            cells = [self._cell(f"{self._prefix}{d}{k}_") for d in self._directions]
            if len(cells) > 1:
                stack.add(BidirectionalCell(cells[0], cells[1], output_prefix=f"{self._prefix}bi_l{k}_"))
            else:
                stack.add(cells[0])
            if self._dropout > 0 and k != self._num_layers - 1:
                stack.add(DropoutCell(self._dropout, prefix=f"{self._prefix}_dropout{k}_"))
        return stack

    def _cell(self, prefix: str) -> BaseRNNCell:
        if self._mode == "lstm":
            return LSTMCell(self._num_hidden, prefix=prefix)
        if self._mode == "gru":
            return GRUCell(self._num_hidden, prefix=prefix)
        return RNNCell(self._num_hidden, activation=self._mode.removeprefix("rnn_"), prefix=prefix)

    # The one vector of all parameters

    def unpack_weights(self, args: Mapping[str, np.ndarray]) -> Arrays:
        found = dict(args)
        vector = np.asarray(taken(found, str(self._parameter.name))).reshape(-1)
        return {**found, **{name: part.copy() for name, part in self._division.views(vector).items()}}

    def pack_weights(self, args: Mapping[str, np.ndarray]) -> Arrays:
        found = dict(args)
        name = f"{self._prefix}l0_i2h{self._gate_names[0]}_weight"
        first = np.asarray(restored(found, name))
        if first.ndim != 2:
            raise ParameterError(f"{name} must have two axes, got {first.shape}")
        vector = np.zeros(self._division.size(first.shape[1]), first.dtype)
        for name, part in self._division.views(vector).items():
            own = np.asarray(taken(found, name))
            if own.shape != part.shape:
                raise ParameterError(f"{name} must be {part.shape}, got {own.shape}")
            part[...] = own
        return {**found, str(self._parameter.name): vector}
