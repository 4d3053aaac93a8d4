"""Kernels of the optimisers, in pieces that stay in cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnn.ops import optimizer as ops
from graphnn.types import TensorType

from .registry import Run, linked

PIECE = 128 << 10  # elements worked on at once: enough that threads seldom meet between two calls


def _scratch(op: Any, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    t = ins[0]
    return 2 * min(PIECE, t.size) * (t.nbytes // t.size)


def _gradient(op: Any, w: np.ndarray, grad: np.ndarray, g: np.ndarray, t: np.ndarray, wd: float, scale: float) -> None:
    """g = scale (clip(rescale grad) + wd w), or scale clip(rescale grad + wd w)."""
    np.multiply(grad, op.rescale_grad * scale, out=g)
    edge = op.clip_gradient * scale
    if op.clip_gradient >= 0 and not op.clips_decay:
        np.clip(g, -edge, edge, out=g)
    if wd:
        np.multiply(w, wd * scale, out=t)
        np.add(g, t, out=g)
    if op.clip_gradient >= 0 and op.clips_decay:
        np.clip(g, -edge, edge, out=g)


def _link(step: Any, scaled: bool) -> Any:
    """Make the linker of an update: `step(op, w, g, states, out, t, lr)` on pieces, g already decayed and clipped.

    With `scaled` g is times the rate, and lr is 1: a pass over memory less.
    """

    def link(op: Any, ins: list[np.ndarray], outs: list[np.ndarray], scratch: np.ndarray) -> Run:
        w, grad, *states, lr = (a.reshape(-1) for a in ins)
        flat = [a.reshape(-1) for a in outs]
        n = min(PIECE, w.size)
        buffers = scratch[: 2 * n * w.itemsize].view(w.dtype).reshape(2, n)
        wd = 0.0 if isinstance(op, ops.adagrad_update) else op.wd
        jobs = []
        for a in range(0, w.size, n):
            s = slice(a, min(a + n, w.size))
            m = s.stop - a
            jobs.append((w[s], grad[s], [x[s] for x in states], [y[s] for y in flat], buffers[0, :m], buffers[1, :m]))

        def run() -> None:
            rate = float(lr[0]) * op.lr_mult
            scale, rest = (rate, 1.0) if scaled else (1.0, rate)
            for piece, part, old, new, g, t in jobs:
                _gradient(op, piece, part, g, t, wd, scale)
                step(op, piece, g, old, new, t, rest)

        return run

    return link


def _sgd(op: Any, w: np.ndarray, g: np.ndarray, old: Any, new: Any, t: np.ndarray, lr: float) -> None:
    np.subtract(w, g, out=new[0])


def _sgd_mom(op: Any, w: np.ndarray, g: np.ndarray, old: Any, new: Any, t: np.ndarray, lr: float) -> None:
    np.multiply(old[0], op.momentum, out=new[1])
    np.subtract(new[1], g, out=new[1])
    np.add(w, new[1], out=new[0])


def _nag(op: Any, w: np.ndarray, g: np.ndarray, old: Any, new: Any, t: np.ndarray, lr: float) -> None:
    np.multiply(g, lr, out=g)
    np.multiply(old[0], op.momentum, out=new[1])
    np.subtract(new[1], g, out=new[1])
    np.multiply(new[1], op.momentum, out=t)
    np.subtract(t, g, out=t)
    np.add(w, t, out=new[0])
    if op.wd:
        np.multiply(t, lr * op.wd, out=t)
        np.subtract(new[1], t, out=new[1])


def _adam(op: Any, w: np.ndarray, g: np.ndarray, old: Any, new: Any, t: np.ndarray, lr: float) -> None:
    np.multiply(g, 1 - op.beta1, out=t)
    np.multiply(old[0], op.beta1, out=new[1])
    np.add(new[1], t, out=new[1])
    np.multiply(g, g, out=g)
    np.multiply(g, 1 - op.beta2, out=g)
    np.multiply(old[1], op.beta2, out=new[2])
    np.add(new[2], g, out=new[2])
    np.sqrt(new[2], out=t)
    np.add(t, op.epsilon, out=t)
    np.divide(new[1], t, out=t)
    if op.decay:
        np.multiply(w, op.decay, out=g)
        np.add(t, g, out=t)
    np.multiply(t, lr, out=t)
    np.subtract(w, t, out=new[0])


def _rmsprop(op: Any, w: np.ndarray, g: np.ndarray, old: Any, new: Any, t: np.ndarray, lr: float) -> None:
    np.multiply(g, g, out=t)
    np.multiply(t, 1 - op.gamma1, out=t)
    np.multiply(old[0], op.gamma1, out=new[1])
    np.add(new[1], t, out=new[1])
    np.add(new[1], op.epsilon, out=t)
    np.sqrt(t, out=t)
    np.divide(g, t, out=g)
    np.multiply(g, lr, out=g)
    np.subtract(w, g, out=new[0])


def _adagrad(op: Any, w: np.ndarray, g: np.ndarray, old: Any, new: Any, t: np.ndarray, lr: float) -> None:
    np.multiply(g, g, out=t)
    np.add(old[0], t, out=new[1])
    np.add(new[1], op.epsilon, out=t)
    np.sqrt(t, out=t)
    np.divide(g, t, out=g)
    if op.wd:
        np.multiply(w, op.wd, out=t)
        np.add(g, t, out=g)
    np.multiply(g, lr, out=g)
    np.subtract(w, g, out=new[0])


# update operator -> (step, whether its gradient comes times the rate)
_STEPS: dict[type[Any], tuple[Any, bool]] = {
    ops.sgd_update: (_sgd, True),
    ops.sgd_mom_update: (_sgd_mom, True),
    ops.nag_mom_update: (_nag, False),
    ops.adam_update: (_adam, False),
    ops.rmsprop_update: (_rmsprop, False),
    ops.adagrad_update: (_adagrad, False),
}
for _cls, (_step, _scaled) in _STEPS.items():
    linked(_cls, scratch=_scratch)(_link(_step, _scaled))
