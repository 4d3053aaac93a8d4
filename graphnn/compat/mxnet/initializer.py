"""mx.init: graphnn's initialisers, which also fill NDArrays: `init(desc, arr)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...train import initializer as native
from ...train.initializer import create
from .ndarray import NDArray
from .random import generator

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


class Bilinear(_Filling, native.Bilinear):
    """See graphnn.train.initializer.Bilinear."""


class Constant(_Filling, native.Constant):
    """See graphnn.train.initializer.Constant."""


class FusedRNN(_Filling, native.FusedRNN):
    """See graphnn.train.initializer.FusedRNN."""


class LSTMBias(_Filling, native.LSTMBias):
    """See graphnn.train.initializer.LSTMBias."""


class Load(_Filling, native.Load):
    """See graphnn.train.initializer.Load."""


class MSRAPrelu(_Filling, native.MSRAPrelu):
    """See graphnn.train.initializer.MSRAPrelu."""


class Mixed(_Filling, native.Mixed):
    """See graphnn.train.initializer.Mixed."""


class Normal(_Filling, native.Normal):
    """See graphnn.train.initializer.Normal."""


class One(_Filling, native.One):
    """See graphnn.train.initializer.One."""


class Orthogonal(_Filling, native.Orthogonal):
    """See graphnn.train.initializer.Orthogonal."""


class Uniform(_Filling, native.Uniform):
    """See graphnn.train.initializer.Uniform."""


class Xavier(_Filling, native.Xavier):
    """See graphnn.train.initializer.Xavier."""


class Zero(_Filling, native.Zero):
    """See graphnn.train.initializer.Zero."""


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


def register(klass: type[native.Initializer]) -> type[native.Initializer]:
    """Give the class as it is: it is used by instances, not by name."""
    return klass


Zeros, Ones = Zero, One
