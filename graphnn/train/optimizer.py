"""Optimisers: which update operator a parameter gets, its states, and the numbers of each step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..errors import ParameterError
from ..op import Op
from ..ops import optimizer as ops

__all__ = [
    "OPTIMIZERS", "SGD", "AdaGrad", "Adam", "AdamW", "Arrays", "Optimizer", "RMSProp", "create", "number", "register",
]  # fmt: skip

_log = logging.getLogger(__name__)
Arrays = dict[str, np.ndarray]


@dataclass(kw_only=True)
class Optimizer:
    """What all optimisers share.

    `wd` decays only parameters whose name ends in _weight or _gamma, as in MXNet; `rescale_grad` multiplies every
    gradient first; `clip_gradient` (None: off) cuts each element, after `clip_norm` (None: off), which scales all
    gradients down together where the norm of them all is larger. `lr_scheduler(t)` gives the rate of step t, from
    `learning_rate` where that is given. Steps count on from `begin_num_update`. With `multi_precision` float16
    parameters have float32 ones behind them. `param_idx2name`, `sym` and `param_dict` say what a module knows anyway.
    """

    learning_rate: float | None = None
    wd: float = 0.0
    rescale_grad: float = 1.0
    clip_gradient: float | None = None
    clip_norm: float | None = None
    lr_scheduler: Any = None
    begin_num_update: int = 0
    multi_precision: bool = False
    param_idx2name: Mapping[int, str] | None = field(default=None, repr=False)
    sym: Any = field(default=None, repr=False)
    param_dict: Any = field(default=None, repr=False)
    lr_mult: dict[Any, float] = field(default_factory=dict, init=False, repr=False)
    wd_mult: dict[Any, float] = field(default_factory=dict, init=False, repr=False)
    states: ClassVar[tuple[str, ...]] = ()
    per_parameter: ClassVar[int] = 0  # how many numbers each parameter takes at a step; 0: all share the rate
    random: ClassVar[bool] = False  # takes the random operators' state
    _default_rate: ClassVar[float] = 0.01

    def __post_init__(self) -> None:
        scheduler = self.lr_scheduler
        # MXNet means the same, but its poly and cosine schedules go on from the rate they were made with.
        if scheduler is not None and self.learning_rate is not None:
            if is_dataclass(scheduler) and not isinstance(scheduler, type):
                self.lr_scheduler = replace(scheduler, base_lr=self.learning_rate)
            elif hasattr(scheduler, "base_lr"):
                scheduler.base_lr = self.learning_rate
        if self.learning_rate is None:
            self.learning_rate = getattr(scheduler, "base_lr", self._default_rate)

    # The rate

    def rate(self, t: int) -> float:
        """Give the rate of step t, counted from 1."""
        return float(self.lr_scheduler(t)) if self.lr_scheduler else float(self.learning_rate or 0.0)

    def lr(self, t: int) -> float:
        """Give the number that the update operator takes at step t: the rate, with bias corrections in it."""
        return self.rate(t)

    def numbers(self, t: int, count: int) -> Any:
        """Give the numbers of step t for `count` parameters, one after the other."""
        return self.lr(t)

    def set_learning_rate(self, lr: float) -> None:
        """Change the rate of the steps to come; ParameterError where a schedule gives it."""
        if self.lr_scheduler is not None:
            raise ParameterError("the schedule gives the rate: change its base_lr, or leave lr_scheduler out")
        self.learning_rate = lr

    def set_lr_mult(self, args_lr_mult: Mapping[Any, float]) -> None:
        """Scale the rate of parameters, by name or number; before the first step."""
        self.lr_mult = dict(args_lr_mult)

    def set_wd_mult(self, args_wd_mult: Mapping[Any, float]) -> None:
        """Scale the decay of parameters, by name or number; before the first step."""
        self.wd_mult = dict(args_wd_mult)

    # The step of one parameter

    def update(self, name: str, attrs: Mapping[str, str], index: int = 0) -> Op:
        """Give the update operator of parameter `index`; `__lr_mult__` and `__wd_mult__` scale its rate and decay."""
        wd_mult = number(name, attrs, "__wd_mult__", 1.0 if self._decays(name) else 0.0)
        common = {
            "rescale_grad": self.rescale_grad,
            "wd": self.wd * float(self.wd_mult.get(name, self.wd_mult.get(index, wd_mult))),
            "clip_gradient": -1.0 if self.clip_gradient is None else self.clip_gradient,
            "lr_mult": float(self.lr_mult.get(name, self.lr_mult.get(index, number(name, attrs, "__lr_mult__", 1.0)))),
        }
        return self._op(common, name, index)

    def _decays(self, name: str) -> bool:
        return name.endswith(("_weight", "_gamma"))

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        raise NotImplementedError

    def state_names(self) -> tuple[str, ...]:
        """Name the states of a parameter, in the order the update operator takes them."""
        return self.states

    def initial_states(self, weight: np.ndarray) -> Arrays:
        """Give what the states of a parameter begin with."""
        return {state: np.zeros(weight.shape, weight.dtype) for state in self.state_names()}


def number(name: str, attrs: Mapping[str, str], key: str, default: float) -> float:
    """Read a number from the attributes of the parameter `name`."""
    try:
        return float(attrs.get(key, default))
    except ValueError:
        raise ParameterError(f"{name}: {key} must be a number, got {attrs[key][:80]!r}") from None


@dataclass
class SGD(Optimizer):
    """w' = w + m', m' = momentum m - lr (g + wd w); `nesterov` looks ahead."""

    momentum: float = 0.0
    lazy_update: bool = True
    nesterov: bool = False

    def state_names(self) -> tuple[str, ...]:
        return ("mom",) if self.momentum else ()

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        if not self.momentum:
            return ops.sgd_update(**common)
        return (ops.nag_mom_update if self.nesterov else ops.sgd_mom_update)(**common, momentum=self.momentum)


@dataclass
class Adam(Optimizer):
    """w' = w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m' / (sqrt(v') + epsilon) (Kingma and Ba, 2015)."""

    learning_rate: float | None = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    lazy_update: bool = True
    states = ("mean", "var")

    def lr(self, t: int) -> float:
        return self.rate(t) * (1 - self.beta2**t) ** 0.5 / (1 - self.beta1**t)

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        return ops.adam_update(**common, beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon, decay=0.0)


@dataclass
class AdamW(Adam):
    """Adam with decay beside the gradient: w' = Adam(w) - lr wd w (Loshchilov and Hutter, 2019; MXNet's form)."""

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        decay = common["wd"]
        free = {**common, "wd": 0.0}
        return ops.adam_update(**free, beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon, decay=decay)


@dataclass
class RMSProp(Optimizer):
    """n' = gamma1 n + (1 - gamma1) g^2, w' = w - lr g / sqrt(n' + epsilon).

    `centered` takes the mean of the gradients off (Graves, 2013), with `gamma2` as momentum; `clip_weights` (None: off)
    cuts each element of the parameters.
    """

    learning_rate: float | None = 0.001
    gamma1: float = 0.9
    gamma2: float = 0.9
    epsilon: float = 1e-8
    centered: bool = False
    clip_weights: float | None = None

    @property
    def _composed(self) -> bool:
        return self.centered or bool(self.clip_weights)

    def state_names(self) -> tuple[str, ...]:
        return ("n", "mean", "delta") if self.centered else ("n",)

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        own: dict[str, Any] = {**common, "gamma1": self.gamma1, "epsilon": self.epsilon}
        if not self._composed:
            return ops.rmsprop_update(**own)
        from ..ops import updates

        bounds: dict[str, Any] = {"at": 0, "clip_weights": self.clip_weights or 0.0}
        if self.centered:
            return updates.rmspropalex_update(**own, **bounds, gamma2=self.gamma2)
        return updates.rmsprop_clip_update(**own, **bounds)


@dataclass
class AdaGrad(Optimizer):
    """h' = h + g^2, w' = w - lr (g / sqrt(h' + eps) + wd w)."""

    eps: float = 1e-7
    states = ("history",)

    def _op(self, common: dict[str, float], name: str, index: int) -> Op:
        return ops.adagrad_update(**common, epsilon=self.eps)


OPTIMIZERS: dict[str, type[Optimizer]] = {}


def register(cls: type[Optimizer]) -> type[Optimizer]:
    """Let create() know an optimiser by its class's name, in any case."""
    OPTIMIZERS[cls.__name__.lower()] = cls
    return cls


def create(optimizer: str | Optimizer, **params: Any) -> Optimizer:
    """Make an optimiser by name; raise ParameterError for an unknown name or parameter."""
    from . import optimizers as more  # registers them

    if isinstance(optimizer, Optimizer):
        return replace(optimizer, **params) if params else optimizer
    cls: Callable[..., Optimizer] | None = OPTIMIZERS.get(str(optimizer).lower())
    if cls is None:
        from ..given import near

        hint = near(str(optimizer).lower(), list(OPTIMIZERS))
        raise ParameterError(f"no optimiser {optimizer!r}{hint}; there are: {', '.join(sorted(OPTIMIZERS))}")
    names = more.parameters(OPTIMIZERS[str(optimizer).lower()])
    for key in params:
        if key not in names:
            raise ParameterError(f"{optimizer} has no parameter {key!r}; it has: {', '.join(sorted(names))}")
    return cls(**params)


for _cls in (SGD, Adam, AdamW, RMSProp, AdaGrad):
    register(_cls)
