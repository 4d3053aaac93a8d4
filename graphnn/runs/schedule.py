"""From options to an optimiser's parameters: the schedule of the learning rate, counted in steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..train.lr_scheduler import (
    CosineScheduler,
    FactorScheduler,
    LRScheduler,
    MultiFactorScheduler,
    OneCycleScheduler,
    PolyScheduler,
    RestartsScheduler,
)
from .config import Config

__all__ = ["SCHEDULES", "optimizer_params"]


def _onecycle(config: Config, steps: int, **warmup: Any) -> LRScheduler:
    return OneCycleScheduler(steps * config.passes)


def _restarts(config: Config, steps: int, **warmup: Any) -> LRScheduler:
    return RestartsScheduler(max(1, round(steps * config.cycle)), **warmup)


def _step(config: Config, steps: int, **warmup: Any) -> LRScheduler:
    """Times lr_factor after one half and again after three quarters (He et al. 2015), or after lr_step_epochs."""
    whole = steps * config.passes
    if not config.steps():
        return MultiFactorScheduler(sorted({max(1, whole // 2), max(2, whole * 3 // 4)}), config.lr_factor, **warmup)
    left = [steps * (epoch - config.begin) for epoch in config.steps() if epoch > config.begin]
    return MultiFactorScheduler(left or [whole + 1], config.lr_factor, **warmup)


# each takes the options, the steps of an epoch and the warm-up
SCHEDULES: dict[str, Callable[..., LRScheduler]] = {
    "constant": lambda config, steps, **warmup: FactorScheduler(steps * config.passes, **warmup),
    "cosine": lambda config, steps, **warmup: CosineScheduler(steps * config.passes, **warmup),
    "poly": lambda config, steps, **warmup: PolyScheduler(steps * config.passes, **warmup),
    "step": _step,
    "onecycle": _onecycle,
    "restarts": _restarts,
}


def optimizer_params(config: Config, steps: int) -> dict[str, Any]:
    """Give the parameters of `config.optimizer`, for epochs of so many steps."""
    scheduler = SCHEDULES[config.schedule](config, steps, warmup_steps=int(steps * config.warmup))
    past = sum(epoch <= config.begin for epoch in config.steps())
    params: dict[str, Any] = {
        "learning_rate": (config.lr or 0.0) * config.lr_factor**past,
        "wd": config.wd,
        "clip_norm": config.clip_norm,
        "lr_scheduler": scheduler,
    }
    if config.accumulate > 1:
        params["rescale_grad"] = 1.0 / (config.batch_size * config.accumulate)
    return params | ({"momentum": config.momentum} if config.optimizer in ("sgd", "nag") else {})
