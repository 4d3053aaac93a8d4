"""RNN backward: factors of all steps first, then step by step, then the weights' gradients as products of all steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphnn.ops.rnn import RNN, _rnn, _rnn_grad
from graphnn.types import Shape, TensorType

from .calls import sequence
from .registry import Run, linked
from .rnn import Arrays, Room, lengths_mask, views

__all__: list[str] = []


class Work:
    """The working memory of all layers, which follow each other from the last to the first."""

    def __init__(self, op: _rnn, shape: Shape, dtype: np.dtype, scratch: np.ndarray | None = None) -> None:
        rnn, (t, n, inputs) = op.rnn, shape
        room = Room(dtype, scratch)
        size, width = rnn.state_size, rnn.width
        self.x, self.h = room.take((t, n, rnn.rows)), room.take((t, n, rnn.rows if rnn.mode == "gru" else 1))
        self.cell, self.tangent = room.take((t, n, size)), room.take((t, n, size))
        self.before = room.take((t, n, width))
        self.dh, self.dc, self.recurrent = (room.take((n, m)) for m in (width, size, width))
        self.dm = room.take((n, size))
        self.whole_dm = room.take((t, n, width if rnn.projection_size else 1))
        self.valid = room.take((t, n, 1), bool) if rnn.use_sequence_length else None
        wide = (t, n, rnn.directions * width)
        many = rnn.num_layers > 1
        self.dy = [room.take(wide) for _ in range(2)] if many else []
        self.masked = room.take(wide) if op.dropout else None
        self.part = room.take((t, n, max(inputs, wide[2] if many else 0))) if rnn.bidirectional else None
        self.none = room.take(wide)
        self.bytes = room.used


def _scratch(op: _rnn_grad, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    return Work(op.forward, outs[0].shape, np.dtype(outs[0].dtype)).bytes


@linked(_rnn_grad, scratch=_scratch)
def rnn_grad(op: _rnn_grad, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
    at = dict(zip((*op.input_names(), *op.output_names), (*ins, *outs), strict=True))
    forward, net = op.forward, op.forward.rnn
    data, dx = at["data"], at["data_grad"]
    work = Work(forward, data.shape, data.dtype, scratch)
    calls: list[Run] = []
    if work.valid is not None:
        calls.append(lengths_mask(at["sequence_length"], work.valid))
    dy = at.get("grad_output")
    if dy is None:
        dy = work.none
        calls.append(partial(dy.fill, 0))
    weights = net.weights(data.shape[2])
    for layer in reversed(range(net.num_layers)):
        x, new = (at["inner"][layer - 1], work.dy[layer % 2]) if layer else (data, dx)
        if layer and work.masked is not None:
            calls.append(partial(np.multiply, x, at["mask"][layer - 1], work.masked))
            x = work.masked
        y = at["inner"][layer] if layer < net.num_layers - 1 else at["output"]
        for d in range(net.directions):
            k = layer * net.directions + d
            own = slice(d * net.width, (d + 1) * net.width)
            pair = views(at["parameters"], weights[k]), views(at["parameters_grad"], weights[k])
            calls += _Scan(forward, k, d == 1, x, y[:, :, own], dy[:, :, own], new, pair, at, work).calls()
        if layer and work.masked is not None:
            calls.append(partial(np.multiply, new, at["mask"][layer - 1], new))
        dy = new
    return sequence(calls)


class _Scan:
    """One direction of one layer: gradients of x, weights and states from those of y and of the last states."""

    def __init__(
        self,
        op: _rnn,
        k: int,
        back: bool,
        x: np.ndarray,
        y: np.ndarray,
        dy: np.ndarray,
        dx: np.ndarray,
        pair: tuple[Arrays, Arrays],
        at: Mapping[str, np.ndarray],
        work: Work,
    ) -> None:
        self.net: RNN = op.rnn
        self.x, self.y, self.dy, self.dx, self.back, self.work = x, y, dy, dx, back, work
        self.w, self.dw = pair
        lstm = self.net.mode == "lstm"
        self.h0, self.dh0 = at["state"][k], at["state_grad"][k]
        self.dh = at["grad_state_output"][k] if "grad_state_output" in at else None
        self.c0: np.ndarray = at["state_cell"][k] if lstm else self.h0
        self.dc0: np.ndarray = at["state_cell_grad"][k] if lstm else work.dc
        self.dc = at["grad_statecell_output"][k] if "grad_statecell_output" in at else None
        gated = "gates" in op.kept
        self.gates: np.ndarray = at["gates"][k] if gated else y
        self.cells: np.ndarray = at["cells"][k] if gated else y
        order = range(len(x))
        self.order = order if back else order[::-1]  # against the forward pass

    def calls(self) -> list[Run]:
        work = self.work
        before: list[Run] = [*_shifted(work.before, self.y, self.h0, self.back, work.valid)]
        before.append(
            partial(work.recurrent.fill, 0) if self.dh is None else partial(np.copyto, work.recurrent, self.dh)
        )
        steps = {"lstm": self._lstm, "gru": self._gru}.get(self.net.mode, self._plain)
        return [*before, *steps(), partial(np.copyto, self.dh0, work.recurrent), *self._weights()]

    def _weights(self) -> list[Run]:
        """Give the products over all steps: gradients of the weights, biases and x."""
        w, dw, work, n = self.w, self.dw, self.work, self.net.rows
        dx, flat = work.x.reshape(-1, n), self.x.reshape(len(self.x) * self.x.shape[1], -1)
        dh = work.h.reshape(-1, n) if self.net.mode == "gru" else dx
        calls: list[Run] = [
            partial(np.matmul, dx.T, flat, dw.x),
            partial(np.matmul, dh.T, work.before.reshape(len(flat), -1), dw.h),
            partial(np.add.reduce, dx, 0, out=dw.bias_x),
            partial(np.add.reduce, dh, 0, out=dw.bias_h),
        ]
        out = self.dx.reshape(flat.shape)
        if not self.back:
            return [*calls, partial(np.matmul, dx, w.x, out)]
        assert work.part is not None
        part = work.part.reshape(-1)[: out.size].reshape(out.shape)
        return [*calls, partial(np.matmul, dx, w.x, part), partial(np.add, out, part, out)]

    def _mask(self, t: int) -> np.ndarray | None:
        return None if self.work.valid is None else self.work.valid[t]

    def _plain(self) -> list[Run]:
        work, factor, y = self.work, self.work.x, self.y

        def slope() -> None:
            if self.net.mode == "rnn_relu":
                np.greater(y, 0, out=factor)
            else:
                np.multiply(y, y, factor)
                np.subtract(1, factor, factor)

        steps = [(self.dy[t], factor[t], self._mask(t)) for t in self.order]
        dh, recurrent, wh = work.dh, work.recurrent, self.w.h

        def run() -> None:
            for dy, f, valid in steps:
                if valid is None:
                    np.add(dy, recurrent, dh)
                    np.multiply(f, dh, f)
                    np.matmul(f, wh, recurrent)
                else:
                    np.add(dy, recurrent, dh)
                    np.multiply(f, dh, f)
                    np.multiply(f, valid, f)
                    np.matmul(f, wh, dh)
                    np.copyto(recurrent, dh, where=valid)

        return [slope, run]

    def _lstm(self) -> list[Run]:
        work, h, net = self.work, self.net.state_size, self.net
        gates, factors = _by_gate(self.gates, h), _by_gate(work.x, h)
        tangent, cell = work.tangent, work.cell
        i, f, g, o = gates
        previous = list(_shifted(cell, self.cells, self.c0, self.back, None))

        def slopes() -> None:
            """Factors of dc for i, f and g, and of dh for o; `cell` becomes what takes dh to dc: o (1 - tanh(c)^2)."""
            np.subtract(1, self.gates, work.x)
            np.multiply(work.x, self.gates, work.x)  # sigmoid's slopes; g's follows
            np.multiply(g, g, factors[2])
            np.subtract(1, factors[2], factors[2])
            np.multiply(factors[0], g, factors[0])
            np.multiply(factors[1], cell, factors[1])
            np.multiply(factors[2], i, factors[2])
            np.tanh(self.cells, tangent)
            np.multiply(factors[3], tangent, factors[3])
            np.multiply(tangent, tangent, cell)
            np.subtract(1, cell, cell)
            np.multiply(cell, o, cell)

        start: Run = partial(work.dc.fill, 0) if self.dc is None else partial(np.copyto, work.dc, self.dc)
        steps = []
        for t in self.order:
            three = work.x[t].reshape(-1, 4, h)
            steps.append((self.dy[t], work.x[t], three[:, :3], three[:, 3], cell[t], f[t], t, self._mask(t)))
        dh, recurrent, dc, dm, wh = work.dh, work.recurrent, work.dc, work.dm, self.w.h
        projection, wide = self.w.projection, work.whole_dm
        clip = _clip_slope(net, self.cells)

        def run() -> None:
            for dy, whole, three, last, to_cell, forget, t, valid in steps:
                np.add(dy, recurrent, dh)
                if valid is not None:
                    np.multiply(dh, valid, dh)
                d = dh
                if projection is not None:
                    np.copyto(wide[t], dh)
                    np.matmul(dh, projection, dm)
                    d = dm
                np.multiply(last, d, last)
                np.multiply(d, to_cell, to_cell)
                np.add(dc, to_cell, dc)
                if clip:
                    clip(t, dc)
                np.multiply(three, dc[:, None], three)
                if valid is None:
                    np.multiply(dc, forget, dc)
                    np.matmul(whole, wh, recurrent)
                else:
                    np.multiply(whole, valid, whole)
                    np.multiply(dc, forget, dc, where=valid)
                    np.matmul(whole, wh, dh)
                    np.copyto(recurrent, dh, where=valid)

        calls: list[Run] = [*previous, slopes, start, run, partial(np.copyto, self.dc0, dc)]
        if projection is not None:
            calls += [
                partial(np.multiply, o, tangent, tangent),
                partial(np.matmul, wide.reshape(-1, net.width).T, tangent.reshape(-1, h), self.dw.projection),
            ]
        return calls

    def _gru(self) -> list[Run]:
        work, h = self.work, self.net.state_size
        r, z, n = _by_gate(self.gates, h)
        xr, xz, xn = _by_gate(work.x, h)
        hn = work.h[..., 2 * h :]

        def slopes() -> None:
            """Factors of dh for the gates."""
            np.multiply(n, n, xn)
            np.subtract(1, xn, xn)
            np.subtract(1, z, hn)
            np.multiply(xn, hn, xn)  # (1 - z) (1 - n^2)
            np.subtract(work.before, n, xz)
            np.multiply(xz, z, xz)
            np.multiply(xz, hn, xz)  # (h - n) z (1 - z)
            np.subtract(1, r, xr)
            np.multiply(xr, r, xr)
            np.multiply(xr, self.cells, xr)
            np.multiply(xr, xn, xr)
            np.copyto(work.h, work.x)
            np.multiply(xn, r, hn)

        steps = []
        for t in self.order:
            a, b = work.x[t].reshape(-1, 3, h), work.h[t].reshape(-1, 3, h)
            steps.append((self.dy[t], a, b, work.h[t], z[t], self._mask(t)))
        dh, recurrent, wh, dm = work.dh, work.recurrent, self.w.h, work.dm

        def run() -> None:
            for dy, a, b, both, keep, valid in steps:
                np.add(dy, recurrent, dh)
                if valid is not None:
                    np.multiply(dh, valid, dh)
                np.multiply(a, dh[:, None], a)
                np.multiply(b, dh[:, None], b)
                np.matmul(both, wh, dm)
                np.multiply(dh, keep, dh)
                if valid is None:
                    np.add(dm, dh, recurrent)
                else:
                    np.add(dm, dh, recurrent, where=valid)

        return [slopes, run]


def _by_gate(gates: np.ndarray, h: int) -> list[np.ndarray]:
    """Cut (t, n, rows) into views (t, n, h)."""
    return [gates[..., k : k + h] for k in range(0, gates.shape[-1], h)]


def _shifted(out: np.ndarray, y: np.ndarray, first: np.ndarray, back: bool, valid: np.ndarray | None) -> Sequence[Run]:
    """Give the calls for out[t] = what step t found: y of the step before, `first` at the start.

    Backwards with lengths each sequence starts at its last step, where the step before has y = 0.
    """
    if not back:
        return [partial(np.copyto, out[1:], y[:-1]), partial(np.copyto, out[0], first)]
    calls: list[Run] = [partial(np.copyto, out[:-1], y[1:]), partial(np.copyto, out[-1], first)]
    if valid is not None:

        def start() -> None:
            np.copyto(out[:-1], first, where=~valid[1:])

        calls.append(start)
    return calls


def _clip_slope(net: RNN, cells: np.ndarray) -> Any:
    """Give what stops dc where the cell was clipped, or None."""
    low, high = net.lstm_state_clip_min, net.lstm_state_clip_max
    if low is None or high is None:
        return None

    def clip(t: int, dc: np.ndarray) -> None:
        inside = (cells[t] > low) & (cells[t] < high)
        np.multiply(dc, inside, dc)

    return clip
