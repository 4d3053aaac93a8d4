"""Checkpoints: PREFIX-symbol.json beside PREFIX-%04d.params, as MXNet names and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Protocol

import numpy as np

from .errors import FormatError
from .formats import npz, params, safe, states, symbol_json
from .symbol import Symbol

__all__ = [
    "FORMATS",
    "existing_states",
    "load_checkpoint",
    "load_params",
    "read_params",
    "save_checkpoint",
    "states_file",
    "write_params",
]

Arrays = Mapping[str, np.ndarray]
FORMATS = {".params": params, ".npz": npz, ".safetensors": safe}  # by the file's suffix; any other is MXNet's


class Savable(Protocol):
    """What has a `save(path)`: a Symbol."""

    def save(self, path: str) -> None: ...


def states_file(prefix: str, epoch: int) -> str:
    """Name the optimiser's states of a checkpoint: PREFIX-%04d.states.npz."""
    return f"{prefix}-{epoch:04d}.states.npz"


def existing_states(prefix: str, epoch: int) -> str:
    """Name them, once they are there; raise FormatError where MXNet's are there in their place."""
    path, pickled = Path(states_file(prefix, epoch)), Path(f"{prefix}-{epoch:04d}.states")
    if pickled.exists() and not path.exists():
        raise FormatError(pickled, "pickle", f"{states.PICKLED}: load without load_optimizer_states")
    return str(path)


def save_checkpoint(prefix: str, epoch: int, symbol: Savable | None, arg_params: Arrays, aux_params: Arrays) -> None:
    """Write PREFIX-symbol.json (unless `symbol` is None) and PREFIX-%04d.params."""
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json")
    write_params(f"{prefix}-{epoch:04d}.params", arg_params, aux_params)


def write_params(path: str, arg_params: Arrays, aux_params: Arrays) -> None:
    """Write arguments and auxiliary states in the format of the suffix: .params, .npz or .safetensors."""
    named = {f"arg:{k}": v for k, v in arg_params.items()} | {f"aux:{k}": v for k, v in aux_params.items()}
    _format(path).save(path, named)


def _format(path: str) -> Any:
    return FORMATS.get(PurePath(path).suffix, params)


def load_checkpoint(prefix: str, epoch: int) -> tuple[Symbol, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Read symbol, arguments and auxiliary states; raise FormatError for files that are not a checkpoint's."""
    return symbol_json.load(f"{prefix}-symbol.json"), *load_params(prefix, epoch)


def load_params(prefix: str, epoch: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Read PREFIX-%04d.params into arguments and auxiliary states; raise FormatError for other names."""
    return read_params(f"{prefix}-{epoch:04d}.params")


def read_params(path: str, plain: bool = False) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Read a checkpoint's file, .params, .npz or .safetensors, as load_params() does.

    With `plain` names may be without arg: or aux:, and are then taken for arguments'.
    """
    arrays = _format(path).load(path)
    named = arrays if isinstance(arrays, dict) else {}
    groups: dict[str, dict[str, np.ndarray]] = {"arg": {}, "aux": {}}
    for key, value in named.items():
        kind, colon, name = key.partition(":")
        if plain and kind not in groups:
            kind, name = "arg", key
        elif not colon or kind not in groups:
            raise FormatError(path, f"array {key!r}", "a checkpoint's names begin with arg: or aux:")
        groups[kind][name] = value
    if isinstance(arrays, list) and arrays:
        raise FormatError(path, "names", "a checkpoint's arrays are named")
    return groups["arg"], groups["aux"]
