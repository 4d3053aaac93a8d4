"""What a program may take of the machine's memory: known before anything is allocated."""

from __future__ import annotations

import os

from .errors import BindError

__all__ = ["check", "limit"]

SHARE = 0.75  # of the machine's memory, where the caller sets no limit


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
