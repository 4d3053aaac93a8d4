"""Memory for C programs in tests: filled with nan, and between guard bytes that nobody may touch."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn.backends.c import program

GUARD = 256  # bytes; whole cache lines


@pytest.fixture
def guarded(monkeypatch):
    """Give the list of arrays that programs made; at the end their guards must be as they were."""
    made: list[np.ndarray] = []

    def memory(n: int) -> np.ndarray:
        raw = np.full(n + 2 * GUARD + 64, 255, np.uint8)  # float32 of 255 everywhere is nan
        start = GUARD + -(raw.ctypes.data + GUARD) % 64
        raw[:start] = 0xA5
        raw[start + n :] = 0xA5
        made.append(raw[: start + n + GUARD])
        made.append(np.array([start, n]))
        return raw[start : start + n]

    monkeypatch.setattr(program, "aligned_memory", memory)
    yield made
    for raw, (start, n) in zip(made[::2], made[1::2], strict=True):
        assert (raw[:start] == 0xA5).all() and (raw[start + n :] == 0xA5).all(), "written outside its memory"
