"""Networks: one family a file, each with `get_symbol(num_classes, ...)`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if __name__ != "graphnn.models":
    raise ImportError("import graphnn.models, not models (install the checkout with `pip install -e .`)")

if TYPE_CHECKING:
    from graphnn.symbol import Symbol

__all__ = ["MODELS", "Model", "get"]

SMALL, LARGE = (1, 28, 28), (3, 224, 224)  # MNIST's images and ImageNet's


class Model(NamedTuple):
    """Where a network is made, with which fixed parameters, and the image (c, h, w) it takes unless told otherwise."""

    module: str
    params: dict[str, Any]
    image: tuple[int, int, int]


MODELS: dict[str, Model] = {
    "alexnet": Model("alexnet", {}, SMALL),
    "lenet": Model("lenet", {}, SMALL),
    "mlp": Model("mlp", {}, SMALL),
    **{f"resnet-{depth}": Model("resnet", {"depth": depth}, SMALL) for depth in (20, 32, 44, 56, 110)},
    **{f"resnet-{depth}": Model("resnet_imagenet", {"depth": depth}, LARGE) for depth in (18, 34, 50)},
    **{f"resnet-{d}-v2": Model("resnet_imagenet", {"depth": d, "version": 2}, LARGE) for d in (18, 34, 50)},
    **{f"vgg-{depth}": Model("vgg", {"depth": depth}, LARGE) for depth in (11, 13, 16, 19)},
    "mobilenet": Model("mobilenet", {}, LARGE),
    "mobilenet-v2": Model("mobilenet_v2", {}, LARGE),
    "squeezenet": Model("squeezenet", {}, LARGE),
    "squeezenet-1.1": Model("squeezenet", {"version": "1.1"}, LARGE),
}


def get(name: str, num_classes: int | None = None, **params: Any) -> Symbol:
    """Give the symbol of a network by name; raise ParameterError listing what there is.

    Without `num_classes` a network for small images has 10 classes and one for ImageNet's 1000.
    """
    from graphnn.errors import ParameterError

    if name not in MODELS:
        raise ParameterError(f"no model {name!r}; there are: {', '.join(MODELS)}")
    module, fixed, _ = MODELS[name]
    classes = {} if num_classes is None else {"num_classes": num_classes}
    symbol: Symbol = import_module(f"graphnn.models.{module}").get_symbol(**classes, **fixed, **params)
    return symbol
