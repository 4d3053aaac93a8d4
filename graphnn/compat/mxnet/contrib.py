"""mx.contrib: the operators that MXNet keeps under contrib, as mx.contrib.nd and mx.contrib.sym."""

from __future__ import annotations

from . import ndarray as _ndarray
from . import symbol as _symbol

__all__ = ["nd", "ndarray", "sym", "symbol"]

nd = ndarray = _ndarray.contrib
sym = symbol = _symbol.contrib
