"""Beginning with the weights of another training: a run's, or those of a parameter file of any of the formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataNotFoundError, ParameterError
from ..model import load_params, read_params
from ..types import show_shape
from .folder import BEST, Meta

__all__ = ["Weights", "fitting", "frozen", "read"]

Arrays = Mapping[str, np.ndarray]
_NAMED = 5  # names that a note tells


@dataclass(frozen=True, eq=False)
class Weights:
    """Arguments and auxiliary states, and what a run says of its data."""

    arg: Arrays
    aux: Arrays
    meta: Meta | None = None


def read(path: str) -> Weights:
    """Read a run folder's best weights, or a .params, .npz or .safetensors file.

    Names of a file may begin with arg: and aux: or not. Raises DataNotFoundError, and FormatError for another content.
    """
    if Path(path).is_dir():
        meta = Meta.read(Path(path))
        return Weights(*load_params(str(Path(path) / BEST), 0), meta)
    if not Path(path).exists():
        raise DataNotFoundError(f"pretrained: {path}: no such run folder or file")
    return Weights(*read_params(path, plain=True))


def fitting(weights: Weights, own: Arrays, own_aux: Arrays) -> tuple[dict[str, np.ndarray], list[str]]:
    """Give the arrays whose names and shapes are the network's, and notes on what is left out.

    What has another shape, such as the last layer's weights for another number of classes, is a new head. Raises
    ParameterError where nothing fits, and for numbers that are not finite, such as those of a training gone wrong.
    """
    mine, found = {**own, **own_aux}, {**weights.arg, **weights.aux}
    same = {n: a for n, a in found.items() if n in mine and a.shape == mine[n].shape}
    if not same:
        raise ParameterError("pretrained: not one array has the name and the shape of a parameter of this network")
    for name, array in same.items():
        with np.errstate(over="ignore"):
            if not np.isfinite(array.astype(mine[name].dtype)).all():
                raise ParameterError(f"pretrained: {name} holds numbers that are not finite")
    notes = [
        f"{n} is {show_shape(found[n].shape)} there and {show_shape(mine[n].shape)} here: it begins anew"
        for n in found
        if n in mine and n not in same
    ]
    notes += _listed("not there, so they begin anew", [n for n in mine if n not in found])
    notes += _listed("not in this network, so left out", [n for n in found if n not in mine])
    return same, notes


def _listed(what: str, names: Sequence[str]) -> list[str]:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"{', '.join(names[:_NAMED])}{more}: {what}"] if names else []


def frozen(patterns: str | None, names: Sequence[str]) -> list[str]:
    """Give the parameters that patterns such as `conv*,stage1_*` name.

    Raises ParameterError where a pattern names none, and where all are named.
    """
    found: dict[str, Any] = {}
    for pattern in (p.strip() for p in (patterns or "").split(",") if p.strip()):
        matched = [n for n in names if fnmatchcase(n, pattern)]
        if not matched:
            raise ParameterError(f"freeze: no parameter is named {pattern!r:.80}; there are: {', '.join(names)[:300]}")
        found |= dict.fromkeys(matched)
    if found and len(found) == len(names):
        raise ParameterError("freeze: all parameters are frozen, none is left to train")
    return list(found)
