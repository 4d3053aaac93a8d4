"""mx.base: MXNet's classes of errors, which are graphnn's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...errors import GraphError as NotImplementedForSymbol  # bool(symbol), a += b
from ...errors import GraphnnError as MXNetError

__all__ = [
    "MXNetError",
    "NotImplementedForSymbol",
    "OperatorError",
    "integer_types",
    "mx_real_t",
    "numeric_types",
    "py_str",
    "string_types",
    "told",
]

mx_real_t = np.float32
string_types = (str,)
integer_types = (int, np.int32, np.int64)
numeric_types = (float, int, np.generic)


class OperatorError(MXNetError, RuntimeError):
    """What the Python code of an operator of one's own raised."""


@contextmanager
def told() -> Iterator[None]:
    """Raise MXNetError, as MXNet does, for what an operator of one's own raises."""
    try:
        yield
    except MXNetError:
        raise
    except Exception as e:
        raise OperatorError(f"{type(e).__name__}: {e}") from e


def py_str(x: str | bytes) -> str:
    """Give a name as text."""
    return x.decode() if isinstance(x, bytes) else x


def _as_list(obj: Any) -> list[Any]:
    """Give a list or tuple as a list, anything else as a list of one."""
    return list(obj) if isinstance(obj, (list, tuple)) else [obj]
