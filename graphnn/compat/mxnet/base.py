"""mx.base: MXNet's classes of errors, which are graphnn's."""

from __future__ import annotations

import numpy as np

from ...errors import GraphError as NotImplementedForSymbol  # bool(symbol), a += b
from ...errors import GraphnnError as MXNetError

__all__ = ["MXNetError", "NotImplementedForSymbol", "mx_real_t"]

mx_real_t = np.float32
