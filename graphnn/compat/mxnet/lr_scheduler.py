"""mx.lr_scheduler: how the learning rate goes."""

from __future__ import annotations

from ...train.lr_scheduler import *  # noqa: F403
