"""RNN forward: of each layer and direction the inputs' part of all steps is one product, then step by step.

sigmoid(x) is computed as tanh(x / 2) / 2 + 1 / 2, so that one call serves all gates of a step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from graphnn.ops.rnn import RNN, Weights, _rnn
from graphnn.types import Shape, TensorType

from .calls import sequence
from .registry import Run, linked

__all__ = ["Arrays", "Room", "lengths_mask", "views"]


class Room:
    """Arrays cut from the working memory one after another, or (without memory) the bytes they take."""

    def __init__(self, dtype: np.dtype, scratch: np.ndarray | None = None) -> None:
        self.dtype, self.scratch, self.used = dtype, scratch, 0

    def take(self, shape: Shape, dtype: Any = None) -> np.ndarray:
        d = np.dtype(dtype or self.dtype)
        start = -(-self.used // 64) * 64
        self.used = start + math.prod(shape) * d.itemsize
        if self.scratch is None:
            return np.broadcast_to(np.zeros((), d), shape)
        return self.scratch[start : self.used].view(d).reshape(shape)


class Arrays(NamedTuple):
    """The arrays of one direction of one layer: the fields of Weights."""

    x: np.ndarray
    h: np.ndarray
    projection: np.ndarray | None
    bias_x: np.ndarray
    bias_h: np.ndarray


def views(vector: np.ndarray, w: Weights) -> Arrays:
    """Give the arrays of one direction of one layer, views of the parameters."""

    def cut(place: tuple[int, Shape] | None) -> Any:
        return None if place is None else vector[place[0] : place[0] + math.prod(place[1])].reshape(place[1])

    return Arrays(*map(cut, w))


def lengths_mask(lengths: np.ndarray, valid: np.ndarray) -> Run:
    """Give the call that sets valid (t, n, 1) to whether step t is one of the n-th sequence."""
    steps = np.arange(len(valid)).reshape(-1, 1, 1)
    return partial(np.less, steps, lengths.reshape(1, -1, 1), out=valid)


class Work:
    """The working memory of all layers, which follow each other."""

    def __init__(self, op: _rnn, shape: Shape, dtype: np.dtype, scratch: np.ndarray | None = None) -> None:
        rnn, (t, n, _) = op.rnn, shape
        room = Room(dtype, scratch)
        self.hidden = room.take((n, rnn.rows))
        self.a, self.b = room.take((n, rnn.state_size)), room.take((n, rnn.state_size))
        self.bias = room.take((rnn.rows,))
        varied = rnn.use_sequence_length
        self.valid = room.take((t, n, 1), bool) if varied else None
        self.beyond = room.take((t, n, 1), bool) if varied else None
        self.cell = room.take((n, rnn.state_size)) if varied else self.a
        self.gates = room.take((1,) if "gates" in op.kept else (t, n, rnn.rows))
        wide = (t, n, rnn.directions * rnn.width)
        many = rnn.num_layers > 1
        self.inner = [room.take(wide) for _ in range(2)] if many and not op.train else []
        self.masked = room.take(wide) if op.dropout else None
        self.bytes = room.used


def _scratch(op: _rnn, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    return Work(op, ins[0].shape, np.dtype(ins[0].dtype)).bytes


@linked(_rnn, scratch=_scratch)
def rnn(op: _rnn, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    x, net, at = ins[0], op.rnn, op.named(ins, outs)
    work = Work(op, x.shape, x.dtype, scratch)
    calls: list[Run] = []
    if work.valid is not None:
        calls += [lengths_mask(at["sequence_length"], work.valid), partial(np.logical_not, work.valid, work.beyond)]
    weights = net.weights(x.shape[2])
    for layer in range(net.num_layers):
        last = layer == net.num_layers - 1
        y = at["output"] if last else at["inner"][layer] if op.train else work.inner[layer % 2]
        if layer and work.masked is not None:
            calls.append(partial(np.multiply, x, at["mask"][layer - 1], work.masked))
            x = work.masked
        for d in range(net.directions):
            k = layer * net.directions + d
            w = views(at["parameters"], weights[k])
            own = y[:, :, d * net.width : (d + 1) * net.width]
            calls += _Scan(op, k, d == 1, x, w, own, at, work).calls()
        x = y
    return sequence(calls)


class _Scan:
    """One direction of one layer: y (t, n, width) of x (t, n, inputs)."""

    def __init__(
        self,
        op: _rnn,
        k: int,
        back: bool,
        x: np.ndarray,
        w: Arrays,
        y: np.ndarray,
        at: Mapping[str, np.ndarray],
        work: Work,
    ) -> None:
        self.net: RNN = op.rnn
        self.x, self.w, self.y, self.work = x, w, y, work
        self.h0, self.h = at["state"][k], at["state_output"][k]
        lstm = self.net.mode == "lstm"
        self.c0, self.c = (at["state_cell"][k], at["statecell_output"][k]) if lstm else (self.h0, self.h)
        self.gates: np.ndarray = at["gates"][k] if "gates" in op.kept else work.gates
        self.cells = at["cells"][k] if "cells" in op.kept else None
        self.order = range(len(x))[:: -1 if back else 1]

    def calls(self) -> list[Run]:
        """Give the calls: the product of all steps, the biases, the steps."""
        w, net, bias = self.w, self.net, self.work.bias
        first = 2 * net.state_size if net.mode == "gru" else net.rows
        flat = self.gates.reshape(-1, net.rows)
        steps = {"lstm": self._lstm, "gru": self._gru}.get(net.mode, self._plain)
        return [
            partial(np.matmul, self.x.reshape(len(flat), -1), w.x.T, flat),
            partial(np.copyto, bias, w.bias_x),
            partial(np.add, bias[:first], w.bias_h[:first], bias[:first]),
            partial(np.add, flat, bias, flat),
            partial(np.copyto, self.h, self.h0),
            partial(np.copyto, self.c, self.c0),
            steps(),
            *([] if self.work.valid is not None else [partial(np.copyto, self.h, self.y[self.order[-1]])]),
        ]

    def _before(self, t: int) -> np.ndarray:
        """Give h as step t finds it: with lengths it lies in its output all along."""
        if self.work.valid is not None or t == self.order[0]:
            return self.h
        return self.y[t - self.order.step]

    def _finish(self, t: int) -> Run | None:
        """Give what keeps the states beyond the lengths, and sets y to 0 there."""
        valid, beyond, y = self.work.valid, self.work.beyond, self.y[t]
        if valid is None or beyond is None:
            return None
        calls: list[Run] = [partial(np.copyto, self.h, y, where=valid[t]), partial(np.copyto, y, 0, where=beyond[t])]
        if self.net.mode == "lstm":
            calls.append(partial(np.copyto, self.c, self.work.cell, where=valid[t]))
            if self.cells is not None:
                calls.append(partial(np.copyto, self.cells[t], self.c))
        return sequence(calls)

    def _plain(self) -> Run:
        turned, hidden, relu = self.w.h.T, self.work.hidden, self.net.mode == "rnn_relu"
        steps = [(self._before(t), self.gates[t], self.y[t], self._finish(t)) for t in self.order]

        def run() -> None:
            for h, z, y, finish in steps:
                np.matmul(h, turned, hidden)
                np.add(z, hidden, z)
                if relu:
                    np.clip(z, 0, np.inf, out=y)
                else:
                    np.tanh(z, y)
                if finish:
                    finish()

        return run

    def _cells(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Give c as step t finds it, and where it puts its own."""
        if self.work.valid is not None:
            return self.c, self.work.cell
        if self.cells is None:
            return self.c, self.c
        return self.c if t == self.order[0] else self.cells[t - self.order.step], self.cells[t]

    def _lstm(self) -> Run:
        net, work, h = self.net, self.work, self.net.state_size
        turned, projection = self.w.h.T, None if self.w.projection is None else self.w.projection.T
        hidden, a, b = work.hidden, work.a, work.b
        # Factors and summands that make sigmoids of tanh; g is a tanh.
        factor = np.repeat(np.array([0.5, 0.5, 1, 0.5], a.dtype), h)
        shift = np.repeat(np.array([0.5, 0.5, 0, 0.5], a.dtype), h)
        steps = []
        for t in self.order:
            gates = self.gates[t].reshape(-1, 4, h).transpose(1, 0, 2)
            steps.append((self._before(t), self.gates[t], gates, self._cells(t), self.y[t], self._finish(t)))
        clip = _clip(net)
        last = [partial(np.copyto, self.c, self._cells(self.order[-1])[1])] if work.valid is None else []

        def run() -> None:
            for before, z, (i, f, g, o), (c0, c), y, finish in steps:
                np.matmul(before, turned, hidden)
                np.add(z, hidden, z)
                np.multiply(z, factor, z)
                np.tanh(z, z)
                np.multiply(z, factor, z)
                np.add(z, shift, z)
                np.multiply(i, g, a)
                np.multiply(f, c0, b)
                np.add(a, b, c)
                if clip:
                    clip(c)
                np.tanh(c, a)
                if projection is None:
                    np.multiply(o, a, y)
                else:
                    np.multiply(o, a, a)
                    np.matmul(a, projection, y)
                if finish:
                    finish()
            for call in last:
                call()

        return run

    def _gru(self) -> Run:
        h, a = self.net.state_size, self.work.a
        turned, hidden, bias = self.w.h.T, self.work.hidden, self.w.bias_h[2 * h :]
        both, new = hidden[:, : 2 * h], hidden[:, 2 * h :]
        steps = []
        for t in self.order:
            z = self.gates[t]
            parts = (z[:, : 2 * h], z[:, :h], z[:, h : 2 * h], z[:, 2 * h :])
            steps.append(
                (self._before(t), parts, self.y[t], None if self.cells is None else self.cells[t], self._finish(t))
            )

        def run() -> None:
            for before, (rz, r, z, n), y, keep, finish in steps:
                np.matmul(before, turned, hidden)
                np.add(new, bias, new)
                if keep is not None:
                    np.copyto(keep, new)
                np.add(rz, both, rz)
                np.multiply(rz, 0.5, rz)
                np.tanh(rz, rz)
                np.multiply(rz, 0.5, rz)
                np.add(rz, 0.5, rz)
                np.multiply(r, new, a)
                np.add(n, a, n)
                np.tanh(n, n)
                np.subtract(before, n, a)
                np.multiply(a, z, a)
                np.add(a, n, y)
                if finish:
                    finish()

        return run


def _clip(net: RNN) -> Any:
    """Give what clips the cells, or None."""
    low, high, nan = net.lstm_state_clip_min, net.lstm_state_clip_max, net.lstm_state_clip_nan
    if low is None or high is None:
        return None

    def clip(c: np.ndarray) -> None:
        np.clip(c, low, high, out=c)
        if nan:
            np.copyto(c, low, where=np.isnan(c))

    return clip
