"""mx.lr_scheduler: how the learning rate goes, as objects whose rate may be changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...train import lr_scheduler as native

__all__ = ["CosineScheduler", "FactorScheduler", "LRScheduler", "MultiFactorScheduler", "PolyScheduler"]


class LRScheduler:
    """Base: the rate `base_lr` after a warm-up; one of your own overrides the call."""

    def __init__(
        self, base_lr: float = 0.01, warmup_steps: int = 0, warmup_begin_lr: float = 0, warmup_mode: str = "linear"
    ) -> None:
        self.base_lr, self.warmup_steps = base_lr, warmup_steps
        self.warmup_begin_lr, self.warmup_mode = warmup_begin_lr, warmup_mode
        self._rule()  # what makes no sense is told here

    def _rule(self) -> native.LRScheduler:
        """Give graphnn's schedule."""
        return native.FactorScheduler(1, **self._common())

    def _common(self) -> dict[str, Any]:
        warmup = {"warmup_steps": self.warmup_steps, "warmup_mode": self.warmup_mode}
        return {"base_lr": self.base_lr, "warmup_begin_lr": self.warmup_begin_lr, **warmup}

    def get_warmup_lr(self, num_update: int) -> float:
        """Give the rate of an update in the warm-up."""
        return self._rule()(num_update)

    def __call__(self, num_update: int) -> float:
        """Give the rate after `num_update` updates."""
        return self._rule()(num_update)


class FactorScheduler(LRScheduler):
    """See graphnn.train.lr_scheduler.FactorScheduler."""

    def __init__(
        self,
        step: int,
        factor: float = 1,
        stop_factor_lr: float = 1e-8,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        self.step, self.factor, self.stop_factor_lr = step, factor, stop_factor_lr
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def _rule(self) -> native.LRScheduler:
        return native.FactorScheduler(self.step, self.factor, self.stop_factor_lr, **self._common())


class MultiFactorScheduler(LRScheduler):
    """See graphnn.train.lr_scheduler.MultiFactorScheduler."""

    def __init__(
        self,
        step: Sequence[int],
        factor: float = 1,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        self.step, self.factor = step, factor
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def _rule(self) -> native.LRScheduler:
        return native.MultiFactorScheduler(self.step, self.factor, **self._common())


class PolyScheduler(LRScheduler):
    """See graphnn.train.lr_scheduler.PolyScheduler."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        pwr: float = 2,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        self.max_update, self.power, self.final_lr = max_update, pwr, final_lr
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def _rule(self) -> native.LRScheduler:
        return native.PolyScheduler(self.max_update, final_lr=self.final_lr, pwr=self.power, **self._common())


class CosineScheduler(LRScheduler):
    """See graphnn.train.lr_scheduler.CosineScheduler."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        self.max_update, self.final_lr = max_update, final_lr
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def _rule(self) -> native.LRScheduler:
        return native.CosineScheduler(self.max_update, final_lr=self.final_lr, **self._common())
