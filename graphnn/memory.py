"""Memory: arrays that begin on a cache line, and what a program may take, known before anything is allocated."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .errors import BindError
from .types import Shape

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Pool", "check", "limit", "zeros"]

LINE = 64  # bytes of a cache line: vectors that lie across two take two accesses

SHARE = 0.75  # of the machine's memory, where the caller sets no limit


def zeros(shape: Shape, dtype: str | np.dtype) -> np.ndarray:
    """Give an array of zeros that begins on a cache line."""
    import numpy as np

    count = int(np.prod(shape, dtype=np.int64))
    size = count * np.dtype(dtype).itemsize
    raw = np.zeros(size + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size].view(dtype).reshape(shape)


class Pool:
    """Memory that several programs use in turn: by name, the largest piece asked for so far.

    What needs less gets the beginning of that piece; what needs more gets a new one, and what was given out before
    stays where it is. `last` is what used the pool last, so that others can tell whether their values are still there;
    `random` is the one count of calls that random numbers follow.
    """

    def __init__(self) -> None:
        self._pieces: dict[str, np.ndarray] = {}
        self.last: object = None
        self.random: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        """The bytes of all pieces."""
        return sum(piece.nbytes for piece in self._pieces.values())

    def take(self, name: str, shape: Shape, dtype: str | np.dtype) -> np.ndarray:
        """Give an array in the piece `name`; its values are whatever was there."""
        import numpy as np

        count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        piece = self._pieces.get(name)
        if piece is None or piece.nbytes < count:
            piece = self._pieces[name] = zeros((count,), "uint8")
        return piece[:count].view(dtype).reshape(shape)


def limit() -> int | None:
    """Give 75% of the machine's memory in bytes; None where the system does not tell (Windows)."""
    try:
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * SHARE)
    except (AttributeError, ValueError, OSError):
        return None


def check(nbytes: int, what: str, most: int | None = None) -> None:
    """Raise BindError when `what` takes more than `most` bytes (None: limit())."""
    own = most is None
    most = limit() if most is None else most
    if most is not None and nbytes > most:
        whose = f"{SHARE:.0%} of this machine's memory" if own else "max_memory"
        raise BindError(f"{what} takes {_size(nbytes)}, more than {_size(most)}, {whose}: bind smaller shapes")


def _size(n: int) -> str:
    """Write bytes: `512 bytes`, `1.5 GiB`."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    k = min((n.bit_length() - 1) // 10, len(units) - 1) if n else 0
    return f"{n / (1 << 10 * k):.1f} {units[k]}" if k else f"{n} bytes"
