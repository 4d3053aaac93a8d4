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
DEPTHS = (18, 34, 50, 101, 152)


class Model(NamedTuple):
    """Where a network is made, with which fixed parameters, and the image (c, h, w) it takes unless told otherwise."""

    module: str
    params: dict[str, Any]
    image: tuple[int, int, int]


MODELS: dict[str, Model] = {
    "alexnet": Model("alexnet", {}, SMALL),
    "alexnet-imagenet": Model("alexnet_imagenet", {}, LARGE),
    "lenet": Model("lenet", {}, SMALL),
    "mlp": Model("mlp", {}, SMALL),
    **{f"resnet-{depth}": Model("resnet", {"depth": depth}, SMALL) for depth in (20, 32, 44, 56, 110)},
    **{f"resnet-{d}-v2": Model("resnet", {"depth": d, "version": 2}, SMALL) for d in (20, 32, 44, 56, 110)},
    "resnet-164-v2": Model("resnet", {"depth": 164, "version": 2, "bottleneck": True}, SMALL),
    "wrn-16-4": Model("wide_resnet", {"depth": 16, "width": 4}, SMALL),
    "wrn-28-10": Model("wide_resnet", {"depth": 28, "width": 10}, SMALL),
    **{f"resnet-{depth}": Model("resnet_imagenet", {"depth": depth}, LARGE) for depth in DEPTHS},
    **{f"resnet-{d}-v2": Model("resnet_imagenet", {"depth": d, "version": 2}, LARGE) for d in DEPTHS},
    "resnext-50-32x4d": Model("resnet_imagenet", {"depth": 50, "groups": 32, "width": 4}, LARGE),
    "resnext-101-32x8d": Model("resnet_imagenet", {"depth": 101, "groups": 32, "width": 8}, LARGE),
    "resnext-101-64x4d": Model("resnet_imagenet", {"depth": 101, "groups": 64, "width": 4}, LARGE),
    "wide-resnet-50-2": Model("resnet_imagenet", {"depth": 50, "width": 128}, LARGE),
    "wide-resnet-101-2": Model("resnet_imagenet", {"depth": 101, "width": 128}, LARGE),
    **{f"se-resnet-{depth}": Model("resnet_imagenet", {"depth": depth, "squeeze": 16}, LARGE) for depth in DEPTHS},
    **{f"vgg-{depth}": Model("vgg", {"depth": depth}, LARGE) for depth in (11, 13, 16, 19)},
    **{f"vgg-{depth}-bn": Model("vgg", {"depth": depth, "batch_norm": True}, LARGE) for depth in (11, 13, 16, 19)},
    "googlenet": Model("googlenet", {}, LARGE),
    "googlenet-bn": Model("googlenet", {"batch_norm": True}, LARGE),
    "inception-bn": Model("inception_bn", {}, LARGE),
    "inception-bn-28": Model("inception_bn", {"small": True, "num_classes": 10}, SMALL),
    "inception-v3": Model("inception_v3", {}, (3, 299, 299)),
    "densenet-40-12": Model("densenet", {"depth": 40, "num_classes": 10}, SMALL),
    **{f"densenet-{depth}": Model("densenet", {"depth": depth}, LARGE) for depth in (121, 161, 169, 201)},
    "mobilenet": Model("mobilenet", {}, LARGE),
    "mobilenet-v2": Model("mobilenet_v2", {}, LARGE),
    "squeezenet": Model("squeezenet", {}, LARGE),
    "squeezenet-1.1": Model("squeezenet", {"version": "1.1"}, LARGE),
    "mobilefacenet": Model("mobilefacenet", {}, (3, 112, 112)),
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
    symbol: Symbol = import_module(f"graphnn.models.{module}").get_symbol(**fixed | classes | params)
    return symbol
