"""Optimiser steps as expressions: a weight and its states in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphnn.op import Op
from graphnn.ops import optimizer as ops
from graphnn.types import TensorType

from .body import Body
from .elementwise import RULES, fused_kernel
from .kernel import Kernel, emits, fill, literal
from .toolchain import Target

__all__ = ["optimizer_body"]

Steps = list[tuple[str, tuple[int, ...]]]


class _Writer:
    """Expressions in the making; values are numbers, the inputs first."""

    def __init__(self, inputs: int) -> None:
        self.inputs, self.steps = inputs, list[tuple[str, tuple[int, ...]]]()

    def __call__(self, template: str, *args: int, **constants: float) -> int:
        """Add `template` over the values `args`, with `$name` for a constant; give the result's number."""
        self.steps.append((fill(template, **{k: literal(x) for k, x in constants.items()}), args))
        return self.inputs + len(self.steps) - 1


def _gradient(op: Any, e: _Writer, w: int, g: int, decay: bool = True) -> int:
    """clip(rescale g) + wd w, or clip(rescale g + wd w)."""
    g = e("{0} * $rescale", g, rescale=op.rescale_grad)
    for adds in (op.clips_decay, not op.clips_decay):
        if adds and op.wd and decay:
            g = e("{0} + {1} * $decay", g, w, decay=op.wd)
        if not adds and op.clip_gradient >= 0:
            g = e("vclip({0}, $low, $high)", g, low=-op.clip_gradient, high=op.clip_gradient)
    return g


def _sgd(op: Any, e: _Writer, w: int, g: int, rate: int) -> tuple[int, ...]:
    return (e("{0} - {1} * {2}", w, rate, _gradient(op, e, w, g)),)


def _momentum(op: Any, e: _Writer, w: int, g: int, m: int, rate: int) -> tuple[int, ...]:
    step = e("{0} * {1}", rate, _gradient(op, e, w, g))
    m = e("{0} * $momentum - {1}", m, step, momentum=op.momentum)
    if isinstance(op, ops.nag_mom_update):
        change = e("{0} * $momentum - {1}", m, step, momentum=op.momentum)
        if op.wd:
            m = e("{0} - {1} * {2} * $decay", m, change, rate, decay=op.wd)
        return e("{0} + {1}", w, change), m
    return e("{0} + {1}", w, m), m


def _adam(op: Any, e: _Writer, w: int, g: int, m: int, v: int, rate: int) -> tuple[int, ...]:
    g = _gradient(op, e, w, g)
    m = e("{0} * $beta + {1} * $rest", m, g, beta=op.beta1, rest=1 - op.beta1)
    v = e("{0} * $beta + {1} * {1} * $rest", v, g, beta=op.beta2, rest=1 - op.beta2)
    step = e("{0} / (vsqrt({1}) + $epsilon)", m, v, epsilon=op.epsilon)
    if op.decay:
        step = e("{0} + {1} * $decay", step, w, decay=op.decay)
    return e("{0} - {1} * {2}", w, rate, step), m, v


def _rmsprop(op: Any, e: _Writer, w: int, g: int, n: int, rate: int) -> tuple[int, ...]:
    g = _gradient(op, e, w, g)
    n = e("{0} * $gamma + {1} * {1} * $rest", n, g, gamma=op.gamma1, rest=1 - op.gamma1)
    return e("{0} - {1} * ({2} / vsqrt({3} + $epsilon))", w, rate, g, n, epsilon=op.epsilon), n


def _adagrad(op: Any, e: _Writer, w: int, g: int, h: int, rate: int) -> tuple[int, ...]:
    g = _gradient(op, e, w, g, decay=False)
    h = e("{0} + {1} * {1}", h, g)
    step = e("{0} / vsqrt({1} + $epsilon)", g, h, epsilon=op.epsilon)
    if op.wd:
        step = e("{0} + {1} * $decay", step, w, decay=op.wd)
    return e("{0} - {1} * {2}", w, rate, step), h


_RULES: dict[type[Op], Any] = {
    ops.sgd_update: _sgd,
    ops.sgd_mom_update: _momentum,
    ops.nag_mom_update: _momentum,
    ops.adam_update: _adam,
    ops.rmsprop_update: _rmsprop,
    ops.adagrad_update: _adagrad,
}


def optimizer_body(op: Any, ins: Sequence[TensorType]) -> Body:
    """Give the body over the weight; the last input is the rate, of one element."""
    shape = ins[0].shape
    e = _Writer(len(ins))
    rate = e("{0} * $scale", len(ins) - 1, scale=op.lr_mult) if op.lr_mult != 1 else len(ins) - 1
    results = _RULES[type(op)](op, e, *range(len(ins) - 1), rate)
    return Body(shape, (*[shape] * (len(ins) - 1), (1,) * len(shape)), tuple(e.steps), tuple(results))


@emits(*_RULES)
def emit_update(op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType], target: Target) -> Kernel:
    return fused_kernel(optimizer_body(op, ins), target)


RULES.update(dict.fromkeys(_RULES, optimizer_body))
