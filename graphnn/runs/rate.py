"""A search for the learning rate: rising rates for one batch each, and the loss that comes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from ..errors import NumericError
from .score import TALLIES
from .telling import Progress

if TYPE_CHECKING:
    from .run import Run

__all__ = ["Search", "find_rate"]

_STEPS = 200
_RANGE = (1e-6, 10.0)  # of the rates, for SGD; the adaptive optimisers' are a hundredth of that
_SMOOTH = 0.9
_WORSE = 4.0  # times the best loss: the end


@final
@dataclass(frozen=True)
class Rising:
    """lr = low (high / low)^(t / steps): a schedule that ends where a network no longer learns."""

    low: float
    high: float
    steps: int

    def __call__(self, num_update: int) -> float:
        return self.low * (self.high / self.low) ** (num_update / self.steps)


@final
@dataclass(frozen=True)
class Search:
    """Rates, the loss at each (a moving average of decay 0.9, freed of its beginning), the rate to take as peak."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def find_rate(run: Run, progress: Progress) -> Search:
    """Train on up to 200 batches at exponentially rising rates (Smith 2017, "Cyclical learning rates", 3.3).

    Ends where the loss is 4 times the best. The suggestion is a tenth of the rate at which the loss was lowest: near
    the end of the fall, on its safe side. Takes the run's own optimiser, with its momentum and decay.
    """
    scale = 1.0 if run.meta.config.optimizer in ("sgd", "nag") else 0.01
    low, high = (scale * r for r in _RANGE)
    run.module.optimizer.lr_scheduler = Rising(low, high, _STEPS)
    count = run.meta.config.accumulate
    tally, mean = TALLIES[run.meta.kind], 0.0
    rates: list[float] = []
    losses: list[float] = []
    with np.errstate(all="ignore"), progress("rising learning rates", _STEPS) as advance:
        for t in range(1, _STEPS + 1):
            total = rows = 0.0
            for k in range((t - 1) * count, t * count):
                batch = run.feed.source.make(1 + k // len(run.feed.source), k % len(run.feed.source))
                run.step(batch)
                one = tally(run.module.get_outputs(), (batch.label or [])[0], batch.pad)
                total, rows = total + one.loss, rows + one.rows
            mean = _SMOOTH * mean + (1 - _SMOOTH) * total / rows
            loss = mean / (1 - _SMOOTH**t)
            if not math.isfinite(loss) or (losses and loss > _WORSE * min(losses)):
                break
            rates.append(Rising(low, high, _STEPS)(t))
            losses.append(loss)
            advance([("cross-entropy", loss)])
    if len(losses) < 10:
        raise NumericError("the loss grows from the first steps on: the network or its data are not fit to be trained")
    return Search(tuple(rates), tuple(losses), rates[int(np.argmin(losses))] / 10)
