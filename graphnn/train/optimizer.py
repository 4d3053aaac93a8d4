"""Optimisers: which update operator a parameter gets, its states, and the rate of each step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from ..errors import ParameterError
from ..op import Op
from ..ops import optimizer as ops
from .lr_scheduler import LRScheduler

__all__ = ["OPTIMIZERS", "SGD", "AdaGrad", "Adam", "AdamW", "Optimizer", "RMSProp", "create"]


@dataclass(frozen=True)
class Optimizer:
    """What all optimisers share.

    `wd` decays only parameters whose name ends in _weight or _gamma, as in MXNet; `rescale_grad` multiplies every
    gradient first; `clip_gradient` (None: off) cuts each element. `lr_scheduler(t)` gives the rate of step t.
    """

    learning_rate: float = 0.01
    wd: float = 0.0
    rescale_grad: float = 1.0
    clip_gradient: float | None = None
    lr_scheduler: LRScheduler | None = None
    states: ClassVar[tuple[str, ...]] = ()

    def rate(self, t: int) -> float:
        """Give the rate of step t, counted from 1."""
        return float(self.lr_scheduler(t)) if self.lr_scheduler else self.learning_rate

    def lr(self, t: int) -> float:
        """Give the number that the update operator takes at step t: the rate, with bias corrections in it."""
        return self.rate(t)

    def update(self, name: str, attrs: Mapping[str, str]) -> Op:
        """Give the update operator of a parameter; `__lr_mult__` and `__wd_mult__` scale its rate and decay."""
        decays = name.endswith(("_weight", "_gamma"))
        wd_mult = _number(name, attrs, "__wd_mult__", 1.0 if decays else 0.0)
        common = {
            "rescale_grad": self.rescale_grad,
            "wd": self.wd * wd_mult,
            "clip_gradient": -1.0 if self.clip_gradient is None else self.clip_gradient,
            "lr_mult": _number(name, attrs, "__lr_mult__", 1.0),
        }
        return self._op(common)

    def _op(self, common: dict[str, float]) -> Op:
        raise NotImplementedError

    def state_names(self) -> tuple[str, ...]:
        """Name the states of a parameter, in the order the update operator takes them."""
        return self.states


def _number(name: str, attrs: Mapping[str, str], key: str, default: float) -> float:
    try:
        return float(attrs.get(key, default))
    except ValueError:
        raise ParameterError(f"{name}: {key} must be a number, got {attrs[key][:80]!r}") from None


@dataclass(frozen=True)
class SGD(Optimizer):
    """w' = w + m', m' = momentum m - lr (g + wd w); `nesterov` looks ahead."""

    momentum: float = 0.0
    nesterov: bool = False

    def state_names(self) -> tuple[str, ...]:
        return ("mom",) if self.momentum else ()

    def _op(self, common: dict[str, float]) -> Op:
        if not self.momentum:
            return ops.sgd_update(**common)
        return (ops.nag_mom_update if self.nesterov else ops.sgd_mom_update)(**common, momentum=self.momentum)


@dataclass(frozen=True)
class Adam(Optimizer):
    """w' = w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m' / (sqrt(v') + epsilon) (Kingma and Ba, 2015)."""

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    states = ("mean", "var")

    def lr(self, t: int) -> float:
        return self.rate(t) * math.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)

    def _op(self, common: dict[str, float]) -> Op:
        return ops.adam_update(**common, beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon, decay=0.0)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decay beside the gradient: w' = Adam(w) - lr wd w (Loshchilov and Hutter, 2019; MXNet's form)."""

    def _op(self, common: dict[str, float]) -> Op:
        decay = common["wd"]
        free = {**common, "wd": 0.0}
        return ops.adam_update(**free, beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon, decay=decay)


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """n' = gamma1 n + (1 - gamma1) g^2, w' = w - lr g / sqrt(n' + epsilon)."""

    learning_rate: float = 0.001
    gamma1: float = 0.9
    epsilon: float = 1e-8
    states = ("n",)

    def _op(self, common: dict[str, float]) -> Op:
        return ops.rmsprop_update(**common, gamma1=self.gamma1, epsilon=self.epsilon)


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    """h' = h + g^2, w' = w - lr (g / sqrt(h' + epsilon) + wd w)."""

    epsilon: float = 1e-7
    states = ("history",)

    def _op(self, common: dict[str, float]) -> Op:
        return ops.adagrad_update(**common, epsilon=self.epsilon)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "nag": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSProp,
    "adagrad": AdaGrad,
}


def create(optimizer: str | Optimizer, **params: Any) -> Optimizer:
    """Make an optimiser by name; raise ParameterError for an unknown name or parameter."""
    if isinstance(optimizer, Optimizer):
        return replace(optimizer, **params)
    cls = OPTIMIZERS.get(optimizer.lower())
    if cls is None:
        raise ParameterError(f"no optimiser {optimizer!r}; there are: {', '.join(OPTIMIZERS)}")
    if optimizer.lower() == "nag":
        params = {"nesterov": True, **params}
    names = {f.name for f in fields(cls)}
    for key in params:
        if key not in names:
            raise ParameterError(f"{optimizer} has no parameter {key!r}; it has: {', '.join(sorted(names))}")
    scheduler = params.get("lr_scheduler")
    if scheduler is not None and "learning_rate" in params:
        params["lr_scheduler"] = replace(scheduler, base_lr=params["learning_rate"])
    return cls(**params)
