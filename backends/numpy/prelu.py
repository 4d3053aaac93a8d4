"""Kernels of prelu and its gradient by channel, in blocks of samples that stay in cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphnn.ops.activation import _prelu, _prelu_slope, _prelu_sum

from .calls import quiet, sequence
from .norm import Layout, accumulate, room, work_of
from .registry import Run, linked

__all__: list[str] = []


@linked(_prelu, scratch=room(1))
def prelu(op: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray], scratch: np.ndarray) -> Run:
    """y = max(x, 0) + gamma min(x, 0)."""
    layout = Layout(ins[0].shape, op.axis, ins[0].itemsize)
    x, y = layout.view(ins[0]), layout.view(outs[0])
    work, rest = work_of(layout, ins[0], scratch)
    (gamma,), calls = layout.vectors(ins[1:], rest)
    for s in layout.blocks:
        low = work[: s.stop - s.start]
        calls += [
            partial(np.clip, x[s], -np.inf, 0, low),
            partial(np.multiply, low, gamma, low),
            partial(np.clip, x[s], 0, np.inf, y[s]),
            partial(np.add, y[s], low, y[s]),
        ]
    return quiet(sequence(calls))


@linked(_prelu_slope, scratch=room(1))
def prelu_slope(op: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray], scratch: np.ndarray) -> Run:
    layout = Layout(ins[0].shape, op.axis, ins[0].itemsize)
    g, x, dx = layout.view(ins[0]), layout.view(ins[1]), layout.view(outs[0])
    work, rest = work_of(layout, ins[0], scratch)
    (gamma,), copies = layout.vectors(ins[2:], rest)

    def prelu_slope() -> None:
        for call in copies:
            call()
        for s in layout.blocks:
            low = work[: s.stop - s.start]
            np.multiply(g[s], gamma, low)
            np.copyto(low, g[s], where=x[s] > 0)
            np.copyto(dx[s], low)

    return quiet(prelu_slope)


@linked(_prelu_sum, scratch=room(0))
def prelu_sum(op: Any, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray], scratch: np.ndarray) -> Run:
    layout = Layout(ins[0].shape, op.axis, ins[0].itemsize)
    g, x, (work, _) = layout.view(ins[0]), layout.view(ins[1]), work_of(layout, ins[0], scratch)

    def term(s: slice) -> np.ndarray:
        low = work[: s.stop - s.start]
        np.clip(x[s], -np.inf, 0, low)
        return np.multiply(low, g[s], low)

    return quiet(accumulate(layout, outs[0], term))
