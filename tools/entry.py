"""What every command line shares: exit codes, one-line errors, BLAS at one thread."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphnn.symbol import Symbol

__all__ = ["run", "symbol_of"]

# The program has its own pool; BLAS reads these when NumPy loads.
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def run(command: Callable[[], int], debug: bool) -> int:
    """Run a command: 0, 1 with one line for a failure, 130 for Ctrl-C."""
    from graphnn.errors import GraphnnError

    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    try:
        return command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (GraphnnError, OSError, MemoryError) as e:
        if debug:
            raise
        print(f"error: {e}", file=sys.stderr)
        return 1


def symbol_of(name: str) -> Symbol:
    """Give a model by name, or read a symbol file: never an import path."""
    from graphnn import models
    from graphnn.symbol import load

    if name in models.MODELS or not Path(name).exists():
        return models.get(name)
    return load(name)
