"""mx.model: checkpoints, and FeedForward."""

from __future__ import annotations

from ...train.callback import BatchEndParam
from .checkpoint import load_checkpoint, load_params, save_checkpoint
from .feedforward import FeedForward

__all__ = ["BatchEndParam", "FeedForward", "load_checkpoint", "load_params", "save_checkpoint"]
