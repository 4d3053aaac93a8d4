"""graphnn: a computation-graph compiler. A symbol is inferred, differentiated, rewritten, planned, and then run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# name -> (module, attribute); loaded at first use, so that `import graphnn` costs nothing.
_LAZY = {
    "AttrScope": ("naming", "AttrScope"),
    "Executor": ("executor", "Executor"),
    "FormatError": ("errors", "FormatError"),
    "GraphnnError": ("errors", "GraphnnError"),
    "Group": ("symbol", "Group"),
    "Module": ("train.module", "Module"),
    "NameManager": ("naming", "NameManager"),
    "Prefix": ("naming", "Prefix"),
    "ShapeError": ("errors", "ShapeError"),
    "Symbol": ("symbol", "Symbol"),
    "Variable": ("symbol", "Variable"),
    "load": ("predictor", "load"),
}
_MODULES = (
    "backend",
    "backends",
    "data",
    "errors",
    "model",
    "models",
    "op",
    "operator",
    "rnn",
    "runs",
    "sym",
    "train",
    "viz",
)

__all__ = sorted([*_LAZY, *_MODULES, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module, attribute = _LAZY[name]
        value = getattr(import_module(f"graphnn.{module}"), attribute)
        globals()[name] = value
        return value
    if name in _MODULES:
        return import_module(f"graphnn.{name}")
    raise AttributeError(f"module 'graphnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
