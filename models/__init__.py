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
    """Where a network is made, with which parameters, and what it takes unless told otherwise.

    `input` is the shape of one example: an image (c, h, w), or (t,) tokens; `paper` is the one whose network it is.
    """

    module: str
    params: dict[str, Any]
    input: tuple[int, ...]
    paper: str


def _small(module: str, paper: str, **params: Any) -> Model:
    return Model(module, params, SMALL, paper)


def _large(module: str, paper: str, **params: Any) -> Model:
    return Model(module, params, LARGE, paper)


_RESNET, _RESNET_V2, _RESNEXT = "He et al. 2015", "He et al. 2016", "Xie et al. 2016"
_WIDE, _SE, _VGG = "Zagoruyko and Komodakis 2016", "Hu et al. 2017", "Simonyan and Zisserman 2014"

MODELS: dict[str, Model] = {
    "alexnet": _small("alexnet", "after Krizhevsky et al. 2012"),
    "lenet": _small("lenet", "LeCun et al. 1998"),
    "mlp": _small("mlp", "-"),
    **{f"resnet-{d}": _small("resnet", _RESNET, depth=d) for d in (20, 32, 44, 56, 110)},
    **{f"resnet-{d}-v2": _small("resnet", _RESNET_V2, depth=d, version=2) for d in (20, 32, 44, 56, 110)},
    "resnet-164-v2": _small("resnet", _RESNET_V2, depth=164, version=2, bottleneck=True),
    "wrn-16-4": _small("wide_resnet", _WIDE, depth=16, width=4),
    "wrn-28-10": _small("wide_resnet", _WIDE, depth=28, width=10),
    "densenet-40-12": _small("densenet", "Huang et al. 2016", depth=40, num_classes=10),
    "inception-bn-28": _small("inception_bn", "after Ioffe and Szegedy 2015", small=True, num_classes=10),
    "transformer": _small("transformer", "after Dosovitskiy et al. 2020"),
    "alexnet-imagenet": _large("alexnet_imagenet", "Krizhevsky 2014"),
    **{f"vgg-{d}": _large("vgg", _VGG, depth=d) for d in (11, 13, 16, 19)},
    **{f"vgg-{d}-bn": _large("vgg", f"after {_VGG}", depth=d, batch_norm=True) for d in (11, 13, 16, 19)},
    "googlenet": _large("googlenet", "Szegedy et al. 2014"),
    "googlenet-bn": _large("googlenet", "after Szegedy et al. 2014", batch_norm=True),
    "inception-bn": _large("inception_bn", "Ioffe and Szegedy 2015"),
    "inception-v3": Model("inception_v3", {}, (3, 299, 299), "Szegedy et al. 2015"),
    **{f"resnet-{d}": _large("resnet_imagenet", _RESNET, depth=d) for d in DEPTHS},
    **{f"resnet-{d}-v2": _large("resnet_imagenet", _RESNET_V2, depth=d, version=2) for d in DEPTHS},
    "resnext-50-32x4d": _large("resnet_imagenet", _RESNEXT, depth=50, groups=32, width=4),
    "resnext-101-32x8d": _large("resnet_imagenet", _RESNEXT, depth=101, groups=32, width=8),
    "resnext-101-64x4d": _large("resnet_imagenet", _RESNEXT, depth=101, groups=64, width=4),
    "wide-resnet-50-2": _large("resnet_imagenet", _WIDE, depth=50, width=128),
    "wide-resnet-101-2": _large("resnet_imagenet", _WIDE, depth=101, width=128),
    **{f"se-resnet-{d}": _large("resnet_imagenet", _SE, depth=d, squeeze=16) for d in DEPTHS},
    **{f"densenet-{d}": _large("densenet", "Huang et al. 2016", depth=d) for d in (121, 161, 169, 201)},
    "mobilenet": _large("mobilenet", "Howard et al. 2017"),
    "mobilenet-v2": _large("mobilenet_v2", "Sandler et al. 2018"),
    "squeezenet": _large("squeezenet", "Iandola et al. 2016"),
    "squeezenet-1.1": _large("squeezenet", "Iandola et al. 2016", version="1.1"),
    "mobilefacenet": Model("mobilefacenet", {}, (3, 112, 112), "Chen et al. 2018"),
    "lstm-lm": Model("lstm_lm", {}, (64,), "Zaremba et al. 2014"),
    "lstm-ctc": Model("lstm_ctc", {}, (1, 28, 112), "Graves et al. 2009"),
}


def get(name: str, num_classes: int | None = None, **params: Any) -> Symbol:
    """Give the symbol of a network by name; raise ParameterError naming the nearest.

    Without `num_classes` a network for small images has 10 classes, one for ImageNet's 1000, a language model 27.
    """
    from graphnn.errors import ParameterError

    if name not in MODELS:
        from graphnn.given import near

        shown = f"graphnn-train --list shows all {len(MODELS)}"
        raise ParameterError(f"no model {name!r}: {shown}{near(name, list(MODELS))}")
    model = MODELS[name]
    classes = {} if num_classes is None else {"num_classes": num_classes}
    symbol: Symbol = import_module(f"graphnn.models.{model.module}").get_symbol(**model.params | classes | params)
    return symbol
