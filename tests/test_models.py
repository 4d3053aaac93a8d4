"""The networks that come with graphnn: their sizes, the images they take, and how they are named."""

import math
from importlib import import_module

import numpy as np
import pytest

from graphnn import models
from graphnn.errors import ParameterError
from graphnn.models import resnet

# weights, biases, gammas and betas of the whole network for ten classes
COUNTS = {
    ("alexnet", (1, 28, 28)): 2_201_322,
    ("lenet", (1, 28, 28)): 431_080,
    ("mlp", (1, 28, 28)): 937_482,
    ("resnet-20", (3, 32, 32)): 272_474,
    ("resnet-20", (1, 28, 28)): 272_186,
    ("resnet-32", (3, 32, 32)): 466_906,
    ("resnet-56", (3, 32, 32)): 855_770,
    ("resnet-110", (3, 32, 32)): 1_730_714,
}
# the same for 1000 classes: torchvision's numbers, for mobilenet and resnet v2 those of Gluon's model zoo less what it
# counts besides, the moving means and variances and, in resnet v2, four arrays of three channels for the images
PUBLISHED = {
    "resnet-18": 11_689_512,
    "resnet-34": 21_797_672,
    "resnet-50": 25_557_032,
    "resnet-18-v2": 11_695_796 - 7_936 - 12,
    "resnet-34-v2": 21_811_380 - 15_360 - 12,
    "resnet-50-v2": 25_595_060 - 45_568 - 12,
    "vgg-11": 132_863_336,
    "vgg-13": 133_047_848,
    "vgg-16": 138_357_544,
    "vgg-19": 143_667_240,
    "mobilenet": 4_253_864 - 21_888,
    "mobilenet-v2": 3_504_872,
    "squeezenet": 1_248_424,
    "squeezenet-1.1": 1_235_496,
}
SMALL = [name for name, model in models.MODELS.items() if model.image == models.SMALL]
LARGE = [name for name, model in models.MODELS.items() if model.image == models.LARGE]
INPUTS = ("data", "softmax_label")


def shapes_of(symbol, image, batch=2):
    arguments, outputs, _ = symbol.infer_shape(data=(batch, *image))
    return dict(zip(symbol.list_arguments(), arguments, strict=True)), outputs


@pytest.mark.parametrize(("name", "image"), COUNTS)
def test_parameter_counts(name, image):
    shapes, outputs = shapes_of(models.get(name), image)
    assert sum(math.prod(s) for n, s in shapes.items() if n not in INPUTS) == COUNTS[name, image]
    assert outputs == [(2, 10)]


@pytest.mark.parametrize("name", LARGE)
def test_parameter_counts_are_the_published_ones(name):
    shapes, outputs = shapes_of(models.get(name), models.MODELS[name].image)
    assert sum(math.prod(s) for n, s in shapes.items() if n not in INPUTS) == PUBLISHED[name]
    assert outputs == [(2, 1000)]


@pytest.mark.parametrize("name", [n for n in LARGE if n not in ("vgg-13", "vgg-16", "resnet-34", "resnet-34-v2")])
def test_large_networks_run_on_small_images(name):
    executor = models.get(name, 7).simple_bind("write", data=(2, 3, 32, 32))
    rng = np.random.default_rng(0)
    for k, array in executor.arg_dict.items():
        fan_in = math.prod(array.shape[1:])  # He's initialisation keeps the scale through the layers
        array[...] = k.endswith("gamma") if array.ndim == 1 else rng.standard_normal(array.shape) * (2 / fan_in) ** 0.5
    for k, array in executor.aux_dict.items():
        array[...] = k.endswith("var")
    (y,) = executor.forward(True)
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)
    executor.backward()
    grads = {k: g for k, g in executor.grad_dict.items() if k.endswith("weight")}
    assert all(np.isfinite(g).all() for g in grads.values())
    assert all(np.any(g) for g in grads.values())


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("vgg", {"depth": 12}, "vgg: depth must be one of 11, 13, 16, 19, got 12"),
        ("resnet_imagenet", {"depth": 20}, "depth must be 18, 34 or 50 and version 1 or 2, got 20 and 1"),
        ("resnet_imagenet", {"version": 3}, "depth must be 18, 34 or 50 and version 1 or 2, got 50 and 3"),
        ("squeezenet", {"version": "2.0"}, "squeezenet: version must be 1.0 or 1.1, got '2.0'"),
    ],
)
def test_networks_of_another_form(name, params, reason):
    with pytest.raises(ParameterError, match=reason):
        import_module(f"graphnn.models.{name}").get_symbol(10, **params)


def test_convolutions_before_normalisation_have_no_bias():
    for name in ("resnet-50", "resnet-50-v2", "mobilenet", "mobilenet-v2"):
        assert [n for n in models.get(name).list_arguments() if n.endswith("_bias")] == ["fc_bias"]


@pytest.mark.parametrize("image", [(3, 32, 32), (1, 28, 28)])
@pytest.mark.parametrize("name", SMALL)
def test_every_network_takes_both_kinds_of_images(name, image):
    shapes, outputs = shapes_of(models.get(name, num_classes=7), image, batch=3)
    assert shapes["softmax_label"] == (3,)
    assert outputs == [(3, 7)]


@pytest.mark.parametrize("image", [(3, 32, 32), (1, 28, 28)])
def test_resnet_gives_probabilities(image):
    executor = models.get("resnet-20").simple_bind("null", data=(2, *image))
    rng = np.random.default_rng(0)
    for name, array in executor.arg_dict.items():
        array[...] = 1 if name.endswith("gamma") else rng.normal(0, 0.1, array.shape)
    for name, array in executor.aux_dict.items():
        array[...] = name.endswith("var")
    (y,) = executor.forward()
    assert y.min() > 0
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)


def test_resnet_convolutions_before_normalisation_have_no_bias():
    names = models.get("resnet-32").list_arguments()
    assert [n for n in names if n.endswith("_bias")] == ["fc_bias"]
    assert sum(n.endswith("_gamma") for n in names) == 31 + 2  # 31 convolutions 3x3, two shortcuts


@pytest.mark.parametrize("depth", [2, 21, -4])
def test_resnet_of_another_depth(depth):
    with pytest.raises(ParameterError, match=rf"6n \+ 2 with n at least 1, .* got {depth}"):
        resnet.get_symbol(10, depth)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ParameterError, match=r"no model 'resnet20'; there are: alexnet, lenet, mlp, resnet-20, .*110"):
        models.get("resnet20")
