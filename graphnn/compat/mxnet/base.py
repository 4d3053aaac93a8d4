"""mx.base: MXNet's classes of errors, which are graphnn's."""

from __future__ import annotations

import numpy as np

from ...errors import GraphError as NotImplementedForSymbol  # bool(symbol), a += b
from ...errors import GraphnnError as MXNetError

__all__ = [
    "MXNetError",
    "NotImplementedForSymbol",
    "integer_types",
    "mx_real_t",
    "numeric_types",
    "py_str",
    "string_types",
]

mx_real_t = np.float32
string_types = (str,)
integer_types = (int, np.int32, np.int64)
numeric_types = (float, int, np.generic)


def py_str(x: str | bytes) -> str:
    """Give a name as text."""
    return x.decode() if isinstance(x, bytes) else x
