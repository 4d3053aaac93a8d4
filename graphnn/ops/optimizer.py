"""Optimiser steps as operators: a training step is one graph, and a weight is updated where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ..op import Op, Split
from ..types import Shape, TensorType

__all__ = ["adagrad_update", "adam_update", "nag_mom_update", "rmsprop_update", "sgd_mom_update", "sgd_update"]


class _Update(Op):
    """The new weight, then the new states. `lr` (1,) is an input, since schedules change it; so the rate is no field.

    g = clip(rescale_grad * grad, +-clip_gradient) + wd * weight (clipped when clip_gradient >= 0); where `clips_decay`
    says so, clip(rescale_grad * grad + wd * weight).
    """

    abstract = True
    public = False
    rescale_grad: float
    wd: float
    clip_gradient: float
    lr_mult: float
    clips_decay: ClassVar[bool] = False

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [ins[0]] * self.num_outputs

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        if ins[0].shape[0] < 2:
            return None
        return Split((*(0,) * (len(ins) - 1), None), (0,) * len(outs))


class sgd_update(_Update):
    """w' = w - lr g."""

    inputs = ("weight", "grad", "lr")
    inplace = ((0, 0),)


class sgd_mom_update(_Update):
    """m' = momentum m - lr g, w' = w + m'."""

    momentum: float
    inputs = ("weight", "grad", "mom", "lr")
    outputs = ("output", "mom")
    inplace = ((0, 0), (2, 1))


class nag_mom_update(_Update):
    """w' = w + momentum (momentum m - lr g) - lr g, m' = momentum m - lr (g with wd w' for wd w) (Nesterov's, 1983).

    The new weight in m' is what MXNet's operator computes, which writes the weight first.
    """

    momentum: float
    inputs = ("weight", "grad", "mom", "lr")
    outputs = ("output", "mom")
    inplace = ((0, 0), (2, 1))


class adam_update(_Update):
    """m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2, w' = w - lr (m' / (sqrt(v') + eps) + decay w).

    The bias correction sqrt(1 - beta2^t) / (1 - beta1^t) is in `lr` (Kingma and Ba, 2015, section 2). `decay` is
    AdamW's, 0 for Adam, whose `wd` is in g.
    """

    beta1: float
    beta2: float
    epsilon: float
    decay: float
    inputs = ("weight", "grad", "mean", "var", "lr")
    outputs = ("output", "mean", "var")
    clips_decay = True
    inplace = ((0, 0), (2, 1), (3, 2))


class rmsprop_update(_Update):
    """n' = gamma1 n + (1 - gamma1) g^2, w' = w - lr g / sqrt(n' + eps) (Tieleman and Hinton, 2012)."""

    gamma1: float
    epsilon: float
    inputs = ("weight", "grad", "n", "lr")
    outputs = ("output", "n")
    clips_decay = True
    inplace = ((0, 0), (2, 1))


class adagrad_update(_Update):
    """h' = h + g^2 (g without decay), w' = w - lr (g / sqrt(h' + eps) + wd w) (Duchi et al., 2011)."""

    epsilon: float
    inputs = ("weight", "grad", "history", "lr")
    outputs = ("output", "history")
    inplace = ((0, 0), (2, 1))
