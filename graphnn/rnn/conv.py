"""Cells whose layers are convolutions: states are pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import sym
from ..errors import ParameterError
from ..symbol import Symbol, Variable
from .cell import Activation, BaseRNNCell, RNNParams, States

__all__ = ["BaseConvRNNCell", "ConvGRUCell", "ConvLSTMCell", "ConvRNNCell"]

Pair = tuple[int, int]


def _leaky(x: Symbol, **kwargs: Any) -> Symbol:
    return sym.LeakyReLU(x, act_type="leaky", slope=0.2, **kwargs)


class BaseConvRNNCell(BaseRNNCell):
    """Base: i2h and h2h are convolutions; `input_shape` (n, channels, height, width) or, for NHWC, channels last.

    The h2h kernel is odd, so that the state keeps its size.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        num_hidden: int,
        h2h_kernel: Pair,
        h2h_dilate: Pair,
        i2h_kernel: Pair,
        i2h_stride: Pair,
        i2h_pad: Pair,
        i2h_dilate: Pair,
        i2h_weight_initializer: Any,
        h2h_weight_initializer: Any,
        i2h_bias_initializer: Any,
        h2h_bias_initializer: Any,
        activation: Activation,
        prefix: str = "",
        params: RNNParams | None = None,
        conv_layout: str = "NCHW",
    ) -> None:
        super().__init__(prefix, params)
        if any(k % 2 == 0 for k in h2h_kernel):
            raise ParameterError(f"h2h_kernel must be odd, so that states keep their size, got {tuple(h2h_kernel)}")
        self._num_hidden, self._act = num_hidden, activation
        self._conv_layout: Any = conv_layout
        self._h2h: dict[str, Any] = {
            "kernel": h2h_kernel,
            "dilate": h2h_dilate,
            "pad": tuple(d * (k - 1) // 2 for k, d in zip(h2h_kernel, h2h_dilate, strict=True)),
            "stride": (1, 1),
        }
        self._i2h: dict[str, Any] = {"kernel": i2h_kernel, "stride": i2h_stride, "pad": i2h_pad, "dilate": i2h_dilate}
        self._state_shape = self._shape_of_state(tuple(input_shape))
        get = self._params.get
        self._iW = get("i2h_weight", init=i2h_weight_initializer)
        self._hW = get("h2h_weight", init=h2h_weight_initializer)
        self._iB = get("i2h_bias", init=i2h_bias_initializer)
        self._hB = get("h2h_bias", init=h2h_bias_initializer)

    def _shape_of_state(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the state's shape with batch 0: the i2h convolution of `shape` has it."""
        data = Variable("data")
        out = sym.Convolution(data, num_filter=self._num_hidden, layout=self._conv_layout, **self._i2h)
        (found,) = out.infer_shape(data=shape)[1] or [()]
        return (0, *found[1:])

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [{"shape": self._state_shape, "__layout__": self._conv_layout}] * self._states

    @property
    def _states(self) -> int:
        return 1

    def _layers(self, x: Symbol, h: Symbol, name: str) -> tuple[Symbol, Symbol]:
        n = self._num_hidden * len(self._gate_names)
        both = ((x, self._iW, self._iB, self._i2h, "i2h"), (h, self._hW, self._hB, self._h2h, "h2h"))
        i2h, h2h = (
            sym.Convolution(
                name=f"{name}{end}", data=data, num_filter=n, **window, weight=w, bias=b, layout=self._conv_layout
            )
            for data, w, b, window, end in both
        )
        return i2h, h2h


class _ConvCell(BaseConvRNNCell):
    """Base of the three cells, whose constructors differ in the default prefix alone."""

    _prefix_default = ""

    def __init__(
        self,
        input_shape: Sequence[int],
        num_hidden: int,
        h2h_kernel: Pair = (3, 3),
        h2h_dilate: Pair = (1, 1),
        i2h_kernel: Pair = (3, 3),
        i2h_stride: Pair = (1, 1),
        i2h_pad: Pair = (1, 1),
        i2h_dilate: Pair = (1, 1),
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        activation: Activation = _leaky,
        prefix: str | None = None,
        params: RNNParams | None = None,
        conv_layout: str = "NCHW",
    ) -> None:
        super().__init__(
            input_shape, num_hidden, h2h_kernel, h2h_dilate, i2h_kernel, i2h_stride, i2h_pad, i2h_dilate,
            i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer, activation,
            self._prefix_default if prefix is None else prefix, params, conv_layout,
        )  # fmt: skip


class ConvRNNCell(_ConvCell):
    """h' = act(W * x + b + R * h + c), where * is convolution."""

    _prefix_default = "ConvRNN_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("",)

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        name = self._next_step_name()
        i2h, h2h = self._layers(inputs, states[0], name)
        output = self._activation(i2h + h2h, self._act, name=f"{name}out")
        return output, [output]


class ConvLSTMCell(_ConvCell):
    """LSTMCell with convolutions, and `activation` for tanh (Shi et al., Convolutional LSTM Network, 2015)."""

    _prefix_default = "ConvLSTM_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_i", "_f", "_c", "_o")

    @property
    def _states(self) -> int:
        return 2

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        name = self._next_step_name()
        i2h, h2h = self._layers(inputs, states[0], name)
        channels = self._conv_layout.find("C")
        gates = sym.SliceChannel(i2h + h2h, num_outputs=4, axis=channels, name=f"{name}slice")
        i, f = (sym.Activation(gates[k], act_type="sigmoid", name=f"{name}{'if'[k]}") for k in (0, 1))
        g = self._activation(gates[2], self._act, name=f"{name}c")
        o = sym.Activation(gates[3], act_type="sigmoid", name=f"{name}o")
        c = sym._internal._plus(f * states[1], i * g, name=f"{name}state")
        h = sym._internal._mul(o, self._activation(c, self._act), name=f"{name}out")
        return h, [h, c]


class ConvGRUCell(_ConvCell):
    """GRUCell with convolutions, and `activation` for tanh."""

    _prefix_default = "ConvGRU_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_r", "_z", "_o")

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, States]:
        name = self._next_step_name()
        i2h, h2h = self._layers(inputs, states[0], name)
        channels = self._conv_layout.find("C")
        along: dict[str, Any] = {} if channels == 1 else {"axis": channels}
        i_r, i_z, i_g = sym.SliceChannel(i2h, num_outputs=3, name=f"{name}_i2h_slice", **along)
        h_r, h_z, h_g = sym.SliceChannel(h2h, num_outputs=3, name=f"{name}_h2h_slice", **along)
        r = sym.Activation(i_r + h_r, act_type="sigmoid", name=f"{name}_r_act")
        z = sym.Activation(i_z + h_z, act_type="sigmoid", name=f"{name}_z_act")
        g = self._activation(i_g + r * h_g, self._act, name=f"{name}_h_act")
        h = sym._internal._plus((1.0 - z) * g, z * states[0], name=f"{name}out")
        return h, [h]
