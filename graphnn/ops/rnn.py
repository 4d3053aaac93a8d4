"""RNN, the fused recurrent network: several layers, one or both directions, over a whole sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..errors import ParameterError, ShapeError
from ..graph import Value, apply, outputs_of
from ..op import Op, PartialDTypes, PartialShapes
from ..types import Count, Shape, merge, show_shape
from .create import _dropout_mask
from .join import Concat

__all__ = ["RNN", "Weights"]

LAYERS = 1024  # at most
GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


class Weights(NamedTuple):
    """Where one direction of one layer lies in the vector of parameters: (start, shape) of each array."""

    x: tuple[int, Shape]  # (gates size, inputs)
    h: tuple[int, Shape]  # (gates size, width)
    projection: tuple[int, Shape] | None  # (width, size)
    bias_x: tuple[int, Shape]  # (gates size,)
    bias_h: tuple[int, Shape]


class RNN(Op):
    """y = a recurrent network over data (t, n, inputs); y (t, n, directions width), width the size of the state h.

    With a[t] = W x[t] + b and r[t] = R h[t-1] + c, cut into the gates, a step is by `mode`

    rnn_relu, rnn_tanh: h = f(a + r)
    lstm: i, f, o = sigmoid(a + r), g = tanh(a + r); c = f c[t-1] + i g; h = o tanh(c); gates in the order i, f, g, o
    gru: r, z = sigmoid(a + r), n = tanh(a_n + r r_n); h = (1 - z) n + z h[t-1]; gates in the order r, z, n

    `parameters` holds W, R (and the projection) of each layer and direction, then b and c of each. With
    `projection_size` (lstm) h = P (o tanh(c)). `p` drops inputs of all layers but the first, in training. States are
    (layers directions, n, size); those after the last step are outputs with `state_outputs`. Beyond the n lengths of
    `use_sequence_length` y is 0 and the state stays; c is clipped to [lstm_state_clip_min, lstm_state_clip_max], and
    nan becomes the lower bound with lstm_state_clip_nan: all this as MXNet does on a GPU (its CPU ignores both).
    """

    state_size: Count
    num_layers: Count
    mode: Literal["gru", "lstm", "rnn_relu", "rnn_tanh"]
    bidirectional: bool = False
    p: float = 0.0
    state_outputs: bool = False
    projection_size: int | None = None
    lstm_state_clip_min: float | None = None
    lstm_state_clip_max: float | None = None
    lstm_state_clip_nan: bool = False
    use_sequence_length: bool = False
    inputs = ("data", "parameters", "state", "state_cell", "sequence_length")
    outputs = ("output", "state_output", "statecell_output")

    def check(self) -> None:
        if self.num_layers > LAYERS:
            raise ParameterError(f"RNN: num_layers must be at most {LAYERS}, got {self.num_layers}")
        if not 0 <= self.p < 1:
            raise ParameterError(f"RNN: p must be at least 0 and less than 1, got {self.p}")
        if self.projection_size is not None and (self.mode != "lstm" or self.projection_size < 1):
            raise ParameterError("RNN: projection_size must be positive, and mode lstm")
        low, high = self.lstm_state_clip_min, self.lstm_state_clip_max
        if (low is None) != (high is None):
            raise ParameterError("RNN: lstm_state_clip_min and lstm_state_clip_max go together")
        if low is not None and high is not None and not low <= high:
            raise ParameterError(f"RNN: lstm_state_clip_min {low} must be at most lstm_state_clip_max {high}")

    # What the parameters say

    @property
    def random(self) -> bool:  # type: ignore[override]  # depends on parameters
        return self.p > 0 and self.num_layers > 1

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def width(self) -> int:
        """The size of h."""
        return self.projection_size or self.state_size

    @property
    def rows(self) -> int:
        """The rows of W and R: gates times size."""
        return GATES[self.mode] * self.state_size

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        names = self.inputs[:4] if self.mode == "lstm" else self.inputs[:3]
        return (*names, "sequence_length") if self.use_sequence_length else names

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.outputs[: 3 if self.mode == "lstm" else 2]

    @property
    def num_visible(self) -> int:
        return self.num_outputs if self.state_outputs else 1

    def _sizes(self, inputs: int) -> list[int]:
        """Give the elements of W, R, P and the biases of a direction of a layer of so many inputs."""
        each = self.rows
        return [each * inputs, each * self.width, self.width * self.state_size if self.projection_size else 0, 2 * each]

    def count(self, inputs: int) -> int:
        """Give the elements of `parameters`."""
        above = sum(self._sizes(self.directions * self.width)) * (self.num_layers - 1)
        return self.directions * (sum(self._sizes(inputs)) + above)

    def weights(self, inputs: int) -> list[Weights]:
        """Give where each direction of each layer lies, layer by layer."""
        found, at = [], 0
        bias = self.count(inputs) - self.num_layers * self.directions * 2 * self.rows
        for k in range(self.num_layers * self.directions):
            n = inputs if k < self.directions else self.directions * self.width
            wx, wh, wr, _ = self._sizes(n)
            projection = (at + wx + wh, (self.width, self.state_size)) if wr else None
            b = bias + 2 * k * self.rows
            found.append(
                Weights(
                    (at, (self.rows, n)),
                    (at + wx, (self.rows, self.width)),
                    projection,
                    (b, (self.rows,)),
                    (b + self.rows, (self.rows,)),
                )
            )
            at += wx + wh + wr
        return found

    # The rules

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        for label, s, ndim in (("data", ins[0], 3), ("parameters", ins[1], 1), ("output", outs[0], 3)):
            if s is not None and len(s) != ndim:
                raise ShapeError(f"{label} must have {ndim} axes, got {show_shape(s)}")
        t, n, inputs = ins[0] or (0, 0, 0)
        lead, width = self.num_layers * self.directions, self.directions * self.width
        out = merge(outs[0], (t, n, width))
        states = [merge(a, b) for a, b in zip(ins[2:4], outs[1:], strict=False)]
        wanted = [(lead, n, self.width), (lead, n, self.state_size)][: len(outs) - 1]
        states = [merge(s, w) for s, w in zip(states, wanted, strict=True)]
        t = out[0]  # type: ignore[index]  # it is known now
        for s in (out, *states):
            n = n or s[1]  # type: ignore[index]
        lengths: PartialShapes = [merge(ins[-1], (n,))] if self.use_sequence_length else []
        n = n or (lengths[0][0] if lengths else 0)  # type: ignore[index]
        inputs = inputs or self._inputs(ins[1])
        parameters = merge(ins[1], (self.count(inputs),) if inputs else None)
        states = [merge(s, (0, n, 0)) for s in states]
        return [(t, n, inputs), parameters, *states, *lengths], [merge(out, (t, n, 0)), *states]

    def _inputs(self, parameters: Shape | None) -> int:
        """Find the inputs of the first layer from the number of parameters; 0 where that is not known."""
        if not parameters or not parameters[0]:
            return 0
        found, rest = divmod(parameters[0] - self.count(0), self.directions * self.rows)
        if rest or found < 1:
            raise ShapeError(f"{parameters[0]} parameters fit no number of inputs")
        return found

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        if not self.use_sequence_length:
            return super().infer_dtype(ins, outs)
        same, new = super().infer_dtype(ins[:-1], outs)
        return [*same, ins[-1] or same[0]], new

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Sequence[Value]:
        return outputs_of(apply(_rnn(self, is_train, False), *xs))[: self.num_outputs]

    def seeded(self, xs: tuple[Value, ...], state: Value, stream: int, is_train: bool) -> Sequence[Value] | None:
        if not is_train:
            return None
        t, n, _ = xs[0].shape
        shape = (self.num_layers - 1, t, n, self.directions * self.width)
        mask = _dropout_mask(self.p, shape, xs[0].dtype, stream)(state)
        return outputs_of(apply(_rnn(self, True, True), *xs, mask))[: self.num_outputs]


class _rnn(Op):
    """RNN; in training also what the gradient reads: gates, and the cells of lstm or the r_n of gru, of every step.

    gates (layers directions, t, n, rows), cells (layers directions, t, n, size), and y of all layers but the last,
    inner (layers - 1, t, n, directions width). With `dropout` the last input is the mask, of the shape of inner.
    """

    rnn: RNN
    train: bool
    dropout: bool
    public = False

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return (*self.rnn.input_names(), *(("mask",) if self.dropout else ()))

    @property
    def kept(self) -> tuple[str, ...]:
        if not self.train:
            return ()
        gated = ("gates", "cells") if self.rnn.mode in ("lstm", "gru") else ()
        return (*gated, *(("inner",) if self.rnn.num_layers > 1 else ()))

    @property
    def output_names(self) -> tuple[str, ...]:
        return (*self.rnn.output_names, *self.kept)

    @property
    def num_visible(self) -> int:
        return self.rnn.num_visible

    def named(self, ins: Sequence[Any], outs: Sequence[Any]) -> Mapping[str, Any]:
        """Give inputs and outputs by name."""
        return dict(zip((*self.input_names(), *self.output_names), (*ins, *outs), strict=True))

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        rnn = self.rnn
        given: PartialShapes = list(ins[: len(rnn.input_names())])
        _, outs = rnn.infer_shape(given, [None] * rnn.num_outputs)
        t, n, _ = ins[0]
        lead = rnn.num_layers * rnn.directions
        kept = {
            "gates": (lead, t, n, rnn.rows),
            "cells": (lead, t, n, rnn.state_size),
            "inner": (rnn.num_layers - 1, t, n, rnn.directions * rnn.width),
        }
        if self.dropout and ins[-1] != kept["inner"]:
            raise ShapeError(f"the mask must be {kept['inner']}, got {ins[-1]}")
        return [*[s or () for s in outs], *(kept[k] for k in self.kept)]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        n = len(self.rnn.input_names())
        same, (one, *_) = self.rnn.infer_dtype(ins[:n], outs[: self.rnn.num_outputs])
        return [*same, *ins[n:]], [one] * len(outs)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        given = tuple(g is not None for g in gs[: self.rnn.num_outputs])
        states = 3 if self.rnn.mode == "lstm" else 2
        node = apply(_rnn_grad(self, given), *(g for g in gs[: len(given)] if g is not None), *xs, *ys)
        found = outputs_of(node)[: states + 1]
        return [*found, *[None] * (len(xs) - len(found))]


class _rnn_grad(Op):
    """The gradients of data, parameters and states, from those of the outputs in `given`."""

    forward: _rnn
    given: tuple[bool, ...]
    public = False

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        grads = [f"grad_{n}" for n, g in zip(self.forward.rnn.output_names, self.given, strict=True) if g]
        return (*grads, *self.forward.input_names(), *self.forward.output_names)

    @property
    def output_names(self) -> tuple[str, ...]:
        return ("data_grad", "parameters_grad", "state_grad", "state_cell_grad")[: 1 + self.forward.rnn.num_outputs]

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        first = sum(self.given)
        return ins[first : first + self.num_outputs]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [ins[sum(self.given)]] * len(outs)


class _rnn_param_concat(Concat):
    """y = the inputs one after another along `dim`: Concat, as MXNet names it where it makes RNN's parameters."""

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value:
        return Concat(self.num_args, self.dim)(*xs)
