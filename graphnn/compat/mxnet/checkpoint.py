"""Checkpoints, with arrays as NDArrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import model as native
from .executor import wrapped
from .ndarray import NDArray
from .symbol import Symbol, load

__all__ = ["load_checkpoint", "load_params", "save_checkpoint"]


def save_checkpoint(
    prefix: str,
    epoch: int,
    symbol: Symbol | None,
    arg_params: Mapping[str, Any],
    aux_params: Mapping[str, Any],
    remove_amp_cast: bool = True,
) -> None:
    """Write PREFIX-symbol.json (unless `symbol` is None) and PREFIX-%04d.params."""
    plain = [{k: np.asarray(v) for k, v in group.items()} for group in (arg_params, aux_params)]
    native.save_checkpoint(prefix, epoch, symbol, *plain)


def load_params(prefix: str, epoch: int) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Read PREFIX-%04d.params into arguments and auxiliary states."""
    arg, aux = native.load_params(prefix, epoch)
    return wrapped(arg), wrapped(aux)


def load_checkpoint(prefix: str, epoch: int) -> tuple[Symbol, dict[str, NDArray], dict[str, NDArray]]:
    """Read symbol, arguments and auxiliary states."""
    return load(f"{prefix}-symbol.json"), *load_params(prefix, epoch)
