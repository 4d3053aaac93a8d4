"""Learning rate schedules, those of MXNet 1.9.1 and two more, as pure functions of the number of updates done.

MXNet's schedulers change while they are called; these do not, so a resumed run gets the rates of an uninterrupted one,
and dataclasses.replace(scheduler, base_lr=0.1) gives the same schedule from another rate.
"""

from __future__ import annotations

import difflib
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ParameterError

__all__ = [
    "CosineScheduler", "FactorScheduler", "LRScheduler", "MultiFactorScheduler", "OneCycleScheduler", "PolyScheduler",
    "RestartsScheduler", "create",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LRScheduler(ABC):
    """lr = warmup(num_update) while num_update < warmup_steps, then rate(num_update).

    Warming up goes linearly from `warmup_begin_lr` (0) at update 0 to `base_lr` (0.01) at `warmup_steps` (0), or, with
    `warmup_mode` "constant" instead of "linear", stays at `warmup_begin_lr`. The updates of the warm-up count as
    updates of the schedule. ParameterError for a negative `warmup_steps`, an unknown mode, and a `warmup_begin_lr`
    above `base_lr`.
    """

    base_lr: float = 0.01
    warmup_steps: int = 0
    warmup_begin_lr: float = 0.0
    warmup_mode: str = "linear"

    def __post_init__(self) -> None:
        self._require(self.warmup_steps >= 0, "warmup_steps must not be negative", self.warmup_steps)
        self._require(self.warmup_mode in ("linear", "constant"), "warmup_mode is linear or constant", self.warmup_mode)
        fits = self.warmup_begin_lr <= self.base_lr
        self._require(fits, f"warmup_begin_lr must be at most base_lr, {self.base_lr}", self.warmup_begin_lr)

    def __call__(self, num_update: int) -> float:
        """The learning rate after `num_update` updates."""
        if num_update >= self.warmup_steps:
            return self.rate(num_update)
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        return self.warmup_begin_lr + (self.base_lr - self.warmup_begin_lr) * num_update / self.warmup_steps

    @abstractmethod
    def rate(self, num_update: int) -> float:
        """The learning rate without the warm-up."""

    def _require(self, fits: bool, wanted: str, value: object) -> None:
        if not fits:
            raise ParameterError(f"{type(self).__name__}: {wanted}, got {value!r}")


@dataclass(frozen=True)
class FactorScheduler(LRScheduler):
    """lr = max(base_lr * factor^k, stop_factor_lr) with k = floor((num_update - 1) / step), base_lr while k < 1.

    So the rate changes after updates step, 2 step, ... `factor` in [0, 1] (1), `stop_factor_lr` (1e-8), `step` >= 1.
    """

    step: int
    factor: float = 1.0
    stop_factor_lr: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.step >= 1, "step must be at least 1", self.step)
        self._require(0 <= self.factor <= 1, "factor must be in [0, 1]", self.factor)

    def rate(self, num_update: int) -> float:
        changes = (num_update - 1) // self.step
        return self.base_lr if changes < 1 else max(self.base_lr * self.factor**changes, self.stop_factor_lr)


@dataclass(frozen=True)
class MultiFactorScheduler(LRScheduler):
    """lr = base_lr * factor^k with k = how many of the updates in `step` are below num_update.

    `step`: increasing whole numbers from 1; `factor` in [0, 1] (1).
    """

    step: Sequence[int]
    factor: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = tuple(self.step) if isinstance(self.step, Sequence) else ()
        increasing = all(a < b for a, b in zip((0, *steps), steps, strict=False))
        self._require(bool(steps) and increasing, "step must be a list of increasing numbers from 1", self.step)
        self._require(0 <= self.factor <= 1, "factor must be in [0, 1]", self.factor)
        object.__setattr__(self, "step", steps)  # a list would make the frozen scheduler changeable and unhashable

    def rate(self, num_update: int) -> float:
        return self.base_lr * self.factor ** sum(num_update > step for step in self.step)


@dataclass(frozen=True)
class _DecayScheduler(LRScheduler):
    """lr = final_lr + (base_lr - final_lr) * share(p), p = (num_update - warmup_steps) / (max_update - warmup_steps).

    p stays 1 after `max_update`. ParameterError unless max_update > warmup_steps.
    """

    max_update: int
    final_lr: float = field(default=0.0, kw_only=True)  # MXNet's second position is base_lr's

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.max_update > self.warmup_steps
        self._require(fits, f"max_update must be above warmup_steps, {self.warmup_steps}", self.max_update)

    def rate(self, num_update: int) -> float:
        progress = (min(num_update, self.max_update) - self.warmup_steps) / (self.max_update - self.warmup_steps)
        return self.final_lr + (self.base_lr - self.final_lr) * self.share(progress)

    @abstractmethod
    def share(self, progress: float) -> float:
        """From 1 at progress 0 to 0 at progress 1."""


@dataclass(frozen=True)
class PolyScheduler(_DecayScheduler):
    """lr = final_lr + (base_lr - final_lr) * (1 - p)^pwr, p from 0 after the warm-up to 1 at `max_update` and later.

    `pwr` > 0 (2), `final_lr` (0). ParameterError unless max_update > warmup_steps.
    """

    pwr: float = field(default=2.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.pwr > 0, "pwr must be positive", self.pwr)

    def share(self, progress: float) -> float:
        return (1 - progress) ** self.pwr


@dataclass(frozen=True)
class CosineScheduler(_DecayScheduler):
    """lr = final_lr + (base_lr - final_lr) * (1 + cos(pi p)) / 2, p from 0 after the warm-up to 1 at `max_update`.

    `final_lr` (0) stays after `max_update`. ParameterError unless max_update > warmup_steps.
    """

    def share(self, progress: float) -> float:
        return (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class OneCycleScheduler(_DecayScheduler):
    """lr rises by a cosine from base_lr / 25 to base_lr, in the first `rise` (0.3) of the updates, then falls by one to
    base_lr / 250,000 (Smith and Topin 2019, in the form of the library fastai).

    It warms up itself: `warmup_steps` must be 0. The momentum stays as it is; in the paper it falls as the rate rises.
    """

    rise: float = field(default=0.3, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(0 < self.rise < 1, "rise must be between 0 and 1", self.rise)
        self._require(self.warmup_steps == 0, "warmup_steps must be 0: the cycle begins low", self.warmup_steps)

    def share(self, progress: float) -> float:
        if progress < self.rise:
            return 1 - (1 - 1 / 25) * (1 + math.cos(math.pi * progress / self.rise)) / 2
        fall = (progress - self.rise) / (1 - self.rise)
        return 1 / 250_000 + (1 - 1 / 250_000) * (1 + math.cos(math.pi * fall)) / 2


@dataclass(frozen=True)
class RestartsScheduler(LRScheduler):
    """lr = final_lr + (base_lr - final_lr) (1 + cos(pi p)) / 2 in each cycle, p from 0 to 1.

    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017), equation 5.
    The first cycle has `first` updates after the warm-up, each later one `factor` (2) times as many as that before it.
    """

    first: int
    factor: float = field(default=2.0, kw_only=True)
    final_lr: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.first >= 1, "first must be at least 1", self.first)
        self._require(self.factor >= 1, "factor must be at least 1", self.factor)

    def rate(self, num_update: int) -> float:
        done, length = float(num_update - self.warmup_steps), float(self.first)
        while done >= length:
            done, length = done - length, length * self.factor
        return self.final_lr + (self.base_lr - self.final_lr) * (1 + math.cos(math.pi * done / length)) / 2


_SCHEDULERS: dict[str, Callable[..., LRScheduler]] = {
    "cosine": CosineScheduler,
    "factor": FactorScheduler,
    "multifactor": MultiFactorScheduler,
    "onecycle": OneCycleScheduler,
    "restarts": RestartsScheduler,
    "poly": PolyScheduler,
}


def create(name: str, **parameters: Any) -> LRScheduler:
    """The schedule "factor", "multifactor", "poly", "cosine", "onecycle" or "restarts", in any case.

    The name may end in "Scheduler". ParameterError for another name, with the nearest one, and for parameters that are
    missing or that it does not have.
    """
    make = _SCHEDULERS.get(name.lower().removesuffix("scheduler"))
    if make is None:
        near = difflib.get_close_matches(name.lower(), _SCHEDULERS, n=1, cutoff=0.0)[0]
        raise ParameterError(f"unknown schedule {name!r}, did you mean {near!r}? known: {', '.join(_SCHEDULERS)}")
    try:
        inspect.signature(make).bind(**parameters)
    except TypeError as error:
        known = ", ".join(inspect.signature(make).parameters)
        raise ParameterError(f"schedule {name!r}: {error}; its parameters are: {known}") from None
    return make(**parameters)
