"""Checkpoints of recurrent networks, with the weights of each gate under a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..model import load_checkpoint, save_checkpoint
from ..symbol import Symbol
from .cell import Arrays, BaseRNNCell

__all__ = ["do_rnn_checkpoint", "load_rnn_checkpoint", "save_rnn_checkpoint"]

Cells = BaseRNNCell | Sequence[BaseRNNCell]


def _listed(cells: Cells) -> Sequence[BaseRNNCell]:
    return [cells] if isinstance(cells, BaseRNNCell) else cells


def save_rnn_checkpoint(
    cells: Cells,
    prefix: str,
    epoch: int,
    symbol: Symbol,
    arg_params: Mapping[str, np.ndarray],
    aux_params: Mapping[str, np.ndarray],
) -> None:
    """Write a checkpoint with the cells' weights unpacked, which fused and unfused networks read alike."""
    for cell in _listed(cells):
        arg_params = cell.unpack_weights(arg_params)
    save_checkpoint(prefix, epoch, symbol, arg_params, aux_params)


def load_rnn_checkpoint(cells: Cells, prefix: str, epoch: int) -> tuple[Symbol, Arrays, Arrays]:
    """Read what save_rnn_checkpoint() wrote, the weights packed as these cells want them."""
    symbol, arg, aux = load_checkpoint(prefix, epoch)
    for cell in _listed(cells):
        arg = cell.pack_weights(arg)
    return symbol, arg, aux


def do_rnn_checkpoint(
    cells: Cells, prefix: str, period: int = 1
) -> Callable[[int, Any, Mapping[str, Any], Mapping[str, Any]], None]:
    """An epoch-end callback that calls save_rnn_checkpoint() after every `period`-th epoch."""
    period = max(1, int(period))

    def callback(epoch: int, symbol: Any, arg_params: Mapping[str, Any], aux_params: Mapping[str, Any]) -> None:
        if (epoch + 1) % period == 0:
            save_rnn_checkpoint(cells, prefix, epoch + 1, symbol, arg_params, aux_params)

    return callback
