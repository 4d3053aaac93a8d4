"""Descriptions of a module's inputs: from what bind() is given, and from what a batch feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..data import DataDesc

__all__ = ["SET_BY_DATA", "Descs", "as_fed", "described"]

Descs = tuple[DataDesc, ...]

# the types of inputs in which a network then computes
SET_BY_DATA = (np.dtype("float16"), np.dtype("float32"), np.dtype("float64"))


def described(given: Any) -> DataDesc:
    """A description of an input, from one or from a pair."""
    return given if isinstance(given, DataDesc) else DataDesc(given[0], tuple(given[1]))


def as_fed(descs: Sequence[DataDesc], feed: Mapping[str, np.ndarray], names: list[str]) -> Descs:
    """Give the descriptions of the inputs `names` with the shapes that are fed."""
    known = {d.name: d for d in descs}
    found = []
    for name in names:
        desc = known.get(name, DataDesc(name, feed[name].shape))
        same = desc.shape == feed[name].shape
        found.append(desc if same else DataDesc(name, feed[name].shape, desc.dtype, desc.layout))
    return tuple(found)
