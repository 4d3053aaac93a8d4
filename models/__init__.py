"""Networks: one family a file, each with `get_symbol(num_classes, ...)`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if __name__ != "graphnn.models":
    raise ImportError("import graphnn.models, not models (install the checkout with `pip install -e .`)")

if TYPE_CHECKING:
    from graphnn.symbol import Symbol

__all__ = ["MODELS", "get"]

# name -> (module, fixed parameters)
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "alexnet": ("alexnet", {}),
    "lenet": ("lenet", {}),
    "mlp": ("mlp", {}),
    **{f"resnet-{depth}": ("resnet", {"depth": depth}) for depth in (20, 32, 44, 56, 110)},
}


def get(name: str, num_classes: int = 10, **params: Any) -> Symbol:
    """Give the symbol of a network by name; raise ParameterError listing what there is."""
    from graphnn.errors import ParameterError

    if name not in MODELS:
        raise ParameterError(f"no model {name!r}; there are: {', '.join(MODELS)}")
    module, fixed = MODELS[name]
    symbol: Symbol = import_module(f"graphnn.models.{module}").get_symbol(num_classes, **fixed, **params)
    return symbol
