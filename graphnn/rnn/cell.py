"""Cells: one step of a recurrent network as symbols. A cell called k times makes k steps that share its parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import sym
from ..errors import GraphError, ParameterError
from ..symbol import Symbol, Variable
from ..train.initializer import LSTMBias
from .sequence import Steps, normalized

__all__ = [
    "Activation",
    "Arrays",
    "BaseRNNCell",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "RNNParams",
    "States",
    "begin_states",
    "restored",
    "taken",
]

Arrays = dict[str, np.ndarray]
States = list[Symbol]
Activation = str | Callable[..., Symbol]


class RNNParams:
    """The variables of cells by name; cells that are given the same RNNParams share them."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._params: dict[str, Symbol] = {}

    def get(self, name: str, **kwargs: Any) -> Symbol:
        """Give the variable `prefix + name`; `kwargs` are Variable's, where it is made now."""
        name = self._prefix + name
        if name not in self._params:
            self._params[name] = Variable(name, **kwargs)
        return self._params[name]

    def absorb(self, other: RNNParams) -> None:
        """Take over the variables of `other`, which win over own ones of the same name."""
        self._params.update(other._params)


class BaseRNNCell(ABC):
    """One step of a recurrent network: `output, states = cell(inputs, states)`.

    `prefix` begins the names of parameters and nodes; `params` are variables shared with other cells.
    """

    def __init__(self, prefix: str = "", params: RNNParams | None = None) -> None:
        self._own_params = params is None
        self._prefix = prefix
        self._params = RNNParams(prefix) if params is None else params
        self._modified = False
        self.reset()

    def reset(self) -> None:
        """Count steps from 0 again, so that a second graph gets the same names."""
        self._init_counter = -1
        self._counter = -1
        for cell in getattr(self, "_cells", ()):
            cell.reset()

    @abstractmethod
    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        """Make one step: `inputs` (n, in), states as in state_info; give the output (n, out) and the new states."""

    @property
    def params(self) -> RNNParams:
        """The variables, for other cells to share."""
        self._own_params = False
        return self._params

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """The shape (0: the batch) and `__layout__` of each state."""
        raise NotImplementedError

    @property
    def state_shape(self) -> list[tuple[int, ...]]:
        return [info["shape"] for info in self.state_info]

    @property
    def stepwise(self) -> bool:
        """Whether a call makes one step; False for what unrolls as a whole only."""
        return True

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ()

    def begin_state(self, func: Callable[..., Symbol] = sym.zeros, **kwargs: Any) -> States:
        """Give the states before the first step, each made by `func(name=..., shape=..., **kwargs)`."""
        if self._modified:
            raise GraphError("this cell is inside another one: call begin_state() of that one")
        return [func(name=self._next_state_name(), **{**kwargs, **info}) for info in self.state_info]

    def _next_state_name(self) -> str:
        self._init_counter += 1
        return f"{self._prefix}begin_state_{self._init_counter}"

    def _next_step_name(self) -> str:
        self._counter += 1
        return f"{self._prefix}t{self._counter}_"

    # The weights, gate by gate

    def unpack_weights(self, args: Mapping[str, np.ndarray]) -> Arrays:
        """Give a copy of the dict in which each gate has arrays of its own: `PREFIXi2h_i_weight` and so on."""
        found = dict(args)
        if not self._gate_names:
            return found
        for key, gates in self._packed():
            whole = taken(found, key)
            for gate, piece in zip(gates, np.split(np.asarray(whole), len(gates)), strict=True):
                found[gate] = piece.copy()
        return found

    def pack_weights(self, args: Mapping[str, np.ndarray]) -> Arrays:
        """Undo unpack_weights()."""
        found = dict(args)
        for key, gates in self._packed() if self._gate_names else ():
            found[key] = np.concatenate([np.asarray(taken(found, gate)) for gate in gates])
        return found

    def _packed(self) -> list[tuple[str, list[str]]]:
        """Name each parameter with the names of its gates' parts."""
        return [
            (f"{self._prefix}{group}_{what}", [f"{self._prefix}{group}{gate}_{what}" for gate in self._gate_names])
            for group in ("i2h", "h2h")
            for what in ("weight", "bias")
        ]

    def unroll(
        self,
        length: int,
        inputs: Steps,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, States]:
        """Make `length` steps; give the outputs and the states after the last.

        `inputs` are one symbol with a time axis by `layout` or a list; outputs one symbol (merge_outputs True) or a
        list (False; None: whichever comes cheaper).
        """
        self.reset()
        xs = normalized(length, inputs, layout, False)
        states = begin_states(self, begin_state)
        outputs = []
        for x in xs[:length]:
            output, states = self(x, states)
            outputs.append(output)
        return normalized(length, outputs, layout, merge_outputs), states

    def _activation(self, x: Symbol, activation: Any, **kwargs: Any) -> Symbol:
        if isinstance(activation, str):
            kwargs["act_type"] = activation
        function = sym.Activation if isinstance(activation, str) else activation
        made: Symbol = function(x, **kwargs)
        return made


def begin_states(cell: BaseRNNCell, given: Sequence[Symbol] | None) -> States:
    """The states given, or zeros."""
    return cell.begin_state() if given is None else list(given)


def taken(arrays: Arrays, name: str) -> np.ndarray:
    """Take an array out of the dict; ParameterError where it is not."""
    if name not in arrays:
        raise ParameterError(f"there is no array {name!r}: give all parameters of the cell")
    return arrays.pop(name)


def restored(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """An array of the dict; ParameterError where it is not."""
    return taken(dict(arrays), name)


class _Gated(BaseRNNCell):
    """Base of cells with i2h and h2h layers of all gates at once."""

    def __init__(
        self, num_hidden: int, prefix: str, params: RNNParams | None, bias: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(prefix, params)
        self._num_hidden = num_hidden
        get = self.params.get if params is not None else self._params.get
        self._iW, self._iB = get("i2h_weight"), get("i2h_bias", **(bias or {}))
        self._hW, self._hB = get("h2h_weight"), get("h2h_bias")

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [{"shape": (0, self._num_hidden), "__layout__": "NC"}]

    def _layers(self, x: Symbol, h: Symbol, name: str) -> tuple[Symbol, Symbol]:
        """i2h and h2h: x W^T + b and h W^T + b, each (n, gates * num_hidden)."""
        n = self._num_hidden * len(self._gate_names)
        i2h = sym.FullyConnected(data=x, weight=self._iW, bias=self._iB, num_hidden=n, name=f"{name}i2h")
        h2h = sym.FullyConnected(data=h, weight=self._hW, bias=self._hB, num_hidden=n, name=f"{name}h2h")
        return i2h, h2h


class RNNCell(_Gated):
    """h' = act(W x + b + R h + c) (Elman, 1990)."""

    def __init__(
        self, num_hidden: int, activation: Activation = "tanh", prefix: str = "rnn_", params: RNNParams | None = None
    ) -> None:
        super().__init__(num_hidden, prefix, params)
        self._act = activation

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("",)

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        name = self._next_step_name()
        i2h, h2h = self._layers(inputs, states[0], name)
        output = self._activation(i2h + h2h, self._act, name=f"{name}out")
        return output, [output]


class LSTMCell(_Gated):
    """i, f, o = sigmoid(W x + R h + b), g = tanh(same), c' = f c + i g, h' = o tanh(c'); gates in the order i f g o.

    Hochreiter and Schmidhuber, 1997, with the forget gate of Gers et al., 2000. `forget_bias` (1) is what its bias
    begins with.
    """

    def __init__(
        self, num_hidden: int, prefix: str = "lstm_", params: RNNParams | None = None, forget_bias: float = 1.0
    ) -> None:
        super().__init__(num_hidden, prefix, params, {"init": LSTMBias(forget_bias)})

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return super().state_info * 2

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_i", "_f", "_c", "_o")

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        name = self._next_step_name()
        i2h, h2h = self._layers(inputs, states[0], name)
        gates = sym.SliceChannel(i2h + h2h, num_outputs=4, name=f"{name}slice")
        acts = ("sigmoid", "sigmoid", "tanh", "sigmoid")
        i, f, g, o = (
            self._activation(gate, act, name=f"{name}{end}") for gate, act, end in zip(gates, acts, "ifco", strict=True)
        )
        c = sym._internal._plus(f * states[1], i * g, name=f"{name}state")
        h = sym._internal._mul(o, sym.Activation(c, act_type="tanh"), name=f"{name}out")
        return h, [h, c]


class GRUCell(_Gated):
    """r, z = sigmoid(W x + R h + b), g = tanh(W x + b + r (R h + c)), h' = (1 - z) g + z h (Cho et al., 2014).

    The reset gate is applied after the product, as in cuDNN.
    """

    def __init__(self, num_hidden: int, prefix: str = "gru_", params: RNNParams | None = None) -> None:
        super().__init__(num_hidden, prefix, params)

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_r", "_z", "_o")

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        name = self._next_step_name()
        i2h, h2h = self._layers(inputs, states[0], f"{name}_")  # MXNet writes two underscores
        i_r, i_z, i_g = sym.SliceChannel(i2h, num_outputs=3, name=f"{name}_i2h_slice")
        h_r, h_z, h_g = sym.SliceChannel(h2h, num_outputs=3, name=f"{name}_h2h_slice")
        r = sym.Activation(i_r + h_r, act_type="sigmoid", name=f"{name}_r_act")
        z = sym.Activation(i_z + h_z, act_type="sigmoid", name=f"{name}_z_act")
        g = sym.Activation(i_g + r * h_g, act_type="tanh", name=f"{name}_h_act")
        h = sym._internal._plus((1.0 - z) * g, z * states[0], name=f"{name}out")
        return h, [h]
