"""The optimisers whose steps are composed of other operators, as MXNet 1.9.1 defines them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..op import Op
from ..ops import updates as ops
from .optimizer import SGD, Arrays, Optimizer, register

__all__ = [
    "DCASGD", "FTML", "LAMB", "LARS", "LBSGD", "NAG", "SGLD", "AdaDelta", "Adamax", "Ftrl", "GroupAdaGrad", "Nadam",
    "SignSGD", "Signum", "ccSGD", "parameters",
]  # fmt: skip

STREAMS = 1 << 20  # random numbers of updates are streams from here, those of operators from 0


def parameters(cls: type[Optimizer]) -> list[str]:
    """Name the parameters of an optimiser's constructor."""
    return [f.name for f in fields(cls) if f.init]


@register
@dataclass
class NAG(SGD):
    """SGD with Nesterov's momentum: w' = w + momentum m' - lr g."""

    nesterov: bool = True


@register
@dataclass
class ccSGD(SGD):
    """SGD under its old name."""


@register
@dataclass
class Signum(Optimizer):
    """m' = momentum m - (1 - momentum) g, w' = (1 - lr wd_lh) w + lr sign(m'); without momentum SignSGD."""

    learning_rate: float | None = 0.01
    momentum: float = 0.9
    wd_lh: float = 0.0

    def state_names(self) -> tuple[str, ...]:
        return ("mom",) if self.momentum else ()

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        if not self.momentum:
            return ops.signsgd_update(**common, at=0)
        return ops.signum_update(**common, at=0, momentum=self.momentum, wd_lh=self.wd_lh)


@register
@dataclass
class SignSGD(Signum):
    """w' = w - lr (sign(g) + wd w)."""

    momentum: float = 0.0


class _Corrected(Optimizer):
    """Base: a step takes lr, 1 - beta1^t and 1 - beta2^t, the same for all parameters."""

    beta1: float
    beta2: float

    def _corrections(self, t: int) -> tuple[float, float, float]:
        return self.rate(t), 1 - self.beta1**t, 1 - self.beta2**t

    per_parameter = 3

    def numbers(self, t: int, count: int) -> Any:
        return self._corrections(t) * count


@register
@dataclass
class FTML(_Corrected):
    """Follow the moving leader (Zheng and Kwok, 2017)."""

    beta1: float = 0.6
    beta2: float = 0.999
    epsilon: float = 1e-8
    states = ("d", "v", "z")

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        betas = {"beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}
        return ops.ftml_update(**common, **betas, at=3 * index)


@register
@dataclass
class LAMB(_Corrected):
    """Adam's step at a rate by layer (You et al., 2020); `bias_correction` off leaves 1 - beta^t out."""

    learning_rate: float | None = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-6
    lower_bound: float | None = None
    upper_bound: float | None = None
    bias_correction: bool = True
    states = ("mean", "var")

    def _corrections(self, t: int) -> tuple[float, float, float]:
        return super()._corrections(t) if self.bias_correction else (self.rate(t), 1.0, 1.0)

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        betas = {"beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}
        bounds = {"lower_bound": self.lower_bound or 0.0, "upper_bound": self.upper_bound or 0.0}
        return ops.lamb_update(**common, **betas, **bounds, at=3 * index)


@register
@dataclass
class AdaDelta(Optimizer):
    """Steps in the proportion of what steps and gradients were (Zeiler, 2012); there is no rate."""

    rho: float = 0.9
    epsilon: float = 1e-5
    states = ("acc_g", "acc_delta")

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        return ops.adadelta_update(**common, at=0, rho=self.rho, epsilon=self.epsilon)


@register
@dataclass
class Adamax(Optimizer):
    """Adam with the largest gradient for the mean square (Kingma and Ba, 2015, section 7.1)."""

    learning_rate: float | None = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    states = ("mean", "max")

    def lr(self, t: int) -> float:
        return self.rate(t) / (1 - self.beta1**t)

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        return ops.adamax_update(**common, at=0, beta1=self.beta1, beta2=self.beta2)


@cache
def _momentum(beta1: float, t: int, decay: float) -> float:
    return beta1 * (1.0 - 0.5 * 0.96 ** (t * decay))


@register
@dataclass
class Nadam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2016).

    The product of the momentums goes on with each parameter, not with each step: MXNet's recorded runs have it so.
    """

    learning_rate: float | None = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    schedule_decay: float = 0.004
    states = ("mean", "var")
    per_parameter = 4

    def numbers(self, t: int, count: int) -> Any:
        before = math.prod(
            _momentum(self.beta1, s, self.schedule_decay) ** count for s in range(self.begin_num_update + 1, t)
        )
        now, following = (_momentum(self.beta1, s, self.schedule_decay) for s in (t, t + 1))
        found: list[float] = []
        for _ in range(count):
            before *= now
            found += [self.rate(t), (1 - now) / (1 - before), following / (1 - before * following), 1 - self.beta2**t]
        return found

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        betas = {"beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}
        return ops.nadam_update(**common, **betas, at=4 * index)


@register
@dataclass
class DCASGD(Optimizer):
    """SGD that makes up for the delay of asynchronous gradients (Zheng et al., 2017)."""

    momentum: float = 0.0
    lamda: float = 0.04

    def state_names(self) -> tuple[str, ...]:
        return ("mom", "previous") if self.momentum else ("previous",)

    def initial_states(self, weight: np.ndarray) -> Arrays:
        return {**super().initial_states(weight), "previous": weight.copy()}

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        return ops.dcasgd_update(**common, at=0, momentum=self.momentum, lamda=self.lamda)


@register
@dataclass
class SGLD(Optimizer):
    """SGD with noise, which samples from the posterior (Welling and Teh, 2011)."""

    random = True

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        return ops.sgld_update(**common, at=0, stream=STREAMS + index)


@register
@dataclass
class Ftrl(Optimizer):
    """Follow the regularised leader (McMahan et al., 2013); `lamda1` makes parameters 0."""

    lamda1: float = 0.01
    learning_rate: float | None = 0.1
    beta: float = 1.0
    states = ("z", "n")

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        return ops.ftrl_update(**common, at=0, lamda1=self.lamda1, beta=self.beta)


@register
@dataclass
class GroupAdaGrad(Optimizer):
    """AdaGrad with one history for each row of a matrix; there is no decay."""

    eps: float = 1e-5
    states = ("history",)

    def initial_states(self, weight: np.ndarray) -> Arrays:
        if weight.ndim != 2:
            raise ParameterError(f"groupadagrad needs parameters of two axes, got shape {weight.shape}")
        return {"history": np.zeros((weight.shape[0], 1), weight.dtype)}

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        if common["wd"]:
            raise ParameterError(f"{name}: groupadagrad has no weight decay, got wd {self.wd}")
        return ops.group_adagrad_update(**common, at=0, epsilon=self.eps)


@register
@dataclass
class LARS(Optimizer):
    """SGD at a rate by layer, biases, gammas and betas at the plain one (You et al., 2017).

    With `momentum_correction` the momentum of a step whose rate is another one is scaled by new rate / old rate (Goyal
    et al., 2017): that of the first four parameters, as in MXNet, which takes them in fours.
    """

    momentum: float = 0.0
    lazy_update: bool = True
    eta: float = 0.001
    eps: float = 0.0
    momentum_correction: bool = True
    per_parameter = 2

    def state_names(self) -> tuple[str, ...]:
        return ("mom",) if self.momentum else ()

    def numbers(self, t: int, count: int) -> Any:
        rate = self.rate(t)
        old = self.rate(t - 1) if t > self.begin_num_update + 1 else rate
        corrected = self.momentum * rate / old if self.momentum_correction and old else self.momentum
        found: list[float] = []
        for k in range(count):
            found += [rate, corrected if k < 4 else self.momentum]
        return found

    def _decays(self, name: str) -> bool:
        return name.endswith("_weight")

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        eta = 0.0 if name.endswith(("gamma", "beta", "bias")) else self.eta
        return ops.lars_update(**common, at=2 * index, momentum=self.momentum, eta=eta, eps=self.eps)


@register
@dataclass
class LBSGD(Optimizer):
    """SGD for large batches: gradients of `batch_scale` steps taken together, at a rate that warms up.

    `warmup_strategy` "linear", "power2" or "sqrt" raises the rate to `batch_scale` times itself over `warmup_epochs` of
    `updates_per_epoch` steps; "lars" sets it by layer. Steps count on from epoch `begin_epoch`.
    """

    momentum: float = 0.0
    multi_precision: bool = False
    warmup_strategy: str = "linear"
    warmup_epochs: float = 5
    batch_scale: int = 1
    updates_per_epoch: float = 32
    begin_epoch: int = 0
    num_epochs: int = 60
    per_parameter = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_scale != int(self.batch_scale) or self.batch_scale < 1:
            raise ParameterError(f"lbsgd: batch_scale must be a whole number from 1, got {self.batch_scale!r}")

    def state_names(self) -> tuple[str, ...]:
        return (*(("mom",) if self.momentum else ()), *(("sum",) if self.batch_scale > 1 else ()))

    def _factor(self, step: float) -> float:
        most, end = float(self.batch_scale), self.warmup_epochs * self.updates_per_epoch
        if self.warmup_strategy == "lars" or end <= 1 or step >= end:
            return most if self.warmup_strategy != "lars" and step >= end else 1.0
        shapes = {"linear": step / end, "power2": (step / end) ** 2, "sqrt": math.sqrt(step / end)}
        return 1.0 + (most - 1) * shapes.get(self.warmup_strategy, 0.0)

    def numbers(self, t: int, count: int) -> Sequence[float]:
        step = self.begin_epoch * self.updates_per_epoch + t - self.begin_num_update
        taken = float(step % self.batch_scale == 0)
        # MXNet looks its schedule up before it counts the step, so the first parameter is one behind.
        found: list[float] = []
        for k in range(count):
            found += [self.rate(t - 1 if k == 0 else t) * self._factor(step), taken]
        return found

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        scale, lars = int(self.batch_scale), self.warmup_strategy == "lars"
        return ops.lbsgd_update(**common, at=2 * index, momentum=self.momentum, scale=scale, lars=lars)
