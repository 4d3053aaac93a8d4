"""The one generator that all draws of this module's users come from."""

from __future__ import annotations

import numpy as np

__all__ = ["generator", "next_seed", "seed"]

_state = {"generator": np.random.default_rng()}


def seed(seed_state: int, ctx: object = "all") -> None:
    """Start the draws over: equal seeds give equal draws."""
    _state["generator"] = np.random.default_rng(int(seed_state) % 2**64)


def generator() -> np.random.Generator:
    """Give the generator in force."""
    return _state["generator"]


def next_seed() -> int:
    """Draw a seed for one executor."""
    return int(generator().integers(2**63))
