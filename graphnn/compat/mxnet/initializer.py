"""mx.init: graphnn's initialisers, which also fill NDArrays: `init(desc, arr)`."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ...train import initializer as native
from .ndarray import NDArray
from .seeds import generator

__all__ = [
    "Bilinear",
    "Constant",
    "FusedRNN",
    "InitDesc",
    "Initializer",
    "LSTMBias",
    "Load",
    "MSRAPrelu",
    "Mixed",
    "Normal",
    "One",
    "Orthogonal",
    "Uniform",
    "Xavier",
    "Zero",
    "create",
    "register",
]


class InitDesc(str):
    """A variable's name, with its attributes."""

    attrs: dict[str, str]
    global_init: Any

    def __new__(cls, name: str, attrs: dict[str, str] | None = None, global_init: Any = None) -> InitDesc:
        """Make the text with what goes with it."""
        self = super().__new__(cls, name)
        self.attrs, self.global_init = attrs or {}, global_init
        return self


def _desc(desc: Any) -> native.InitDesc:
    if isinstance(desc, native.InitDesc):
        return desc
    return native.InitDesc(str(desc), getattr(desc, "attrs", {}), getattr(desc, "global_init", None))


class _Filling:
    """A call with two arguments fills an NDArray from the generator of mx.random."""

    def __call__(self, desc: Any, array: Any, rng: np.random.Generator | None = None) -> None:
        super().__call__(_desc(desc), np.asarray(array), rng or generator())  # type: ignore[misc]

    def _init_weight(self, name: Any, arr: Any) -> None:
        """Fill an NDArray, whatever its name."""
        self.fill(_desc(name), np.asarray(arr), generator())  # type: ignore[attr-defined]


def _define(kind: type[native.Initializer]) -> Any:
    """Make the class of this interface for one of graphnn's initialisers."""
    return type(kind.__name__, (_Filling, kind), {"__doc__": kind.__doc__, "__module__": __name__})


Bilinear, Constant, FusedRNN = _define(native.Bilinear), _define(native.Constant), _define(native.FusedRNN)
Load, LSTMBias, MSRAPrelu = _define(native.Load), _define(native.LSTMBias), _define(native.MSRAPrelu)
Mixed, Normal, Orthogonal = _define(native.Mixed), _define(native.Normal), _define(native.Orthogonal)
One, Uniform, Xavier, Zero = (
    _define(native.One), _define(native.Uniform), _define(native.Xavier), _define(native.Zero),
)  # fmt: skip
Zeros, Ones = Zero, One


@dataclass(frozen=True, init=False)
class Initializer(_Filling, native.Initializer):
    """Base of initialisers of your own: override _init_weight(name, arr), which fills an NDArray."""

    def __init__(self, **kwargs: Any) -> None:
        object.__setattr__(self, "_kwargs", kwargs)

    def fill(self, desc: native.InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        """Fill an array through _init_weight()."""
        self._init_weight(InitDesc(desc.name, dict(desc.attrs)), NDArray(array))

    def _init_weight(self, name: InitDesc, arr: NDArray) -> None:
        raise NotImplementedError("an initialiser must override _init_weight(name, arr)")

    def dumps(self) -> str:
        """Give the JSON that makes the same one, of a class that register() knows."""
        return json.dumps([type(self).__name__.lower(), vars(self)["_kwargs"]])


def register(klass: type[native.Initializer]) -> type[native.Initializer]:
    """Let create(), and variables' `__init__`, know a class by its name."""
    native.OWN[klass.__name__.lower()] = klass
    return klass


def create(initializer: Any, **parameters: Any) -> Any:
    """Make an initialiser by name or from the JSON of dumps()."""
    found = native.create(initializer, **parameters)
    kind = globals().get(type(found).__name__)
    if kind is None or isinstance(found, _Filling):
        return found
    return kind(**{f.name: getattr(found, f.name) for f in fields(found)})
