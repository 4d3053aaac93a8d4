"""The networks that come with graphnn: their sizes, the images they take, and how they are named."""

import math
import os
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import graphnn
from graphnn import models
from graphnn.bound import Bound
from graphnn.errors import ParameterError
from graphnn.models import resnet
from graphnn.tools.flops import flops

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
    ("resnet-20-v2", (3, 32, 32)): 272_282,
    ("resnet-110-v2", (3, 32, 32)): 1_730_522,  # He et al. 2016, table 3, says 1.7M as for version 1
    ("resnet-164-v2", (3, 32, 32)): 1_703_258,  # the same table: 1.7M
    ("densenet-40-12", (3, 32, 32)): 1_019_722,  # Huang et al. 2016, table 2: 1.0M
    ("inception-bn-28", (3, 28, 28)): 1_652_826,  # MXNet's example symbol (symbol_inception-bn-28-small.py)
    ("wrn-16-4", (3, 32, 32)): 2_748_890,  # Zagoruyko and Komodakis 2016, table 5: 2.7M
    ("wrn-28-10", (3, 32, 32)): 36_479_194,  # the same table: 36.5M
}
# The same for 1000 classes. Where nothing else is said: torchvision's numbers (its documentation, "Models and
# pre-trained weights"). For mobilenet and resnet v2 those of Gluon's model zoo less what it counts besides: the moving
# means and variances and, in resnet v2, four arrays of three channels for the images. se-resnet: those of Cadene's
# pretrained-models, in timm called legacy_seresnet (28.09M for 50 layers; Hu et al. 2017, table 2, have 28.1M).
# googlenet: Caffe's and MXNet's example symbol, inception-bn: MXNet's; inception-v3: torchvision's without the
# auxiliary classifier (27,161,264 with it), the same as MXNet's example symbol.
PUBLISHED = {
    "alexnet-imagenet": 61_100_840,
    "googlenet": 6_998_552,
    "googlenet-bn": 6_624_904,
    "inception-bn": 11_295_240,
    "inception-v3": 23_834_568,
    "densenet-121": 7_978_856,
    "densenet-161": 28_681_000,
    "densenet-169": 14_149_480,
    "densenet-201": 20_013_928,
    "resnet-18": 11_689_512,
    "resnet-34": 21_797_672,
    "resnet-50": 25_557_032,
    "resnet-101": 44_549_160,
    "resnet-152": 60_192_808,
    "resnet-18-v2": 11_695_796 - 7_936 - 12,
    "resnet-34-v2": 21_811_380 - 15_360 - 12,
    "resnet-50-v2": 25_595_060 - 45_568 - 12,
    "resnet-101-v2": 44_639_412 - 97_792 - 12,
    "resnet-152-v2": 60_329_140 - 143_872 - 12,
    "resnext-50-32x4d": 25_028_904,
    "resnext-101-32x8d": 88_791_336,
    "resnext-101-64x4d": 83_455_272,
    "wide-resnet-50-2": 68_883_240,
    "wide-resnet-101-2": 126_886_696,
    "se-resnet-18": 11_778_592,
    "se-resnet-34": 21_958_868,
    "se-resnet-50": 28_088_024,
    "se-resnet-101": 49_326_872,
    "se-resnet-152": 66_821_848,
    "vgg-11": 132_863_336,
    "vgg-13": 133_047_848,
    "vgg-16": 138_357_544,
    "vgg-19": 143_667_240,
    "vgg-11-bn": 132_868_840,
    "vgg-13-bn": 133_053_736,
    "vgg-16-bn": 138_365_992,
    "vgg-19-bn": 143_678_248,
    "mobilenet": 4_253_864 - 21_888,
    "mobilenet-v2": 3_504_872,
    "squeezenet": 1_248_424,
    "squeezenet-1.1": 1_235_496,
}
# networks of each kind that compute little on an image of 32 x 32
RUN = [
    "resnet-18", "resnet-50", "resnet-18-v2", "resnet-50-v2", "resnext-50-32x4d", "se-resnet-18", "vgg-11", "vgg-11-bn",
    "mobilenet", "mobilenet-v2", "squeezenet", "squeezenet-1.1",
    "googlenet-bn", "inception-bn",
]  # fmt: skip
# multiply-adds of one image in thousand millions: where nothing else is said, "GFLOPS" of torchvision's documentation
WORK = {
    "alexnet-imagenet": 0.71,
    "resnet-18": 1.81,
    "resnet-34": 3.66,
    "resnet-50": 3.86,  # He et al. 2015, table 1: 3.8, with the stride in the first convolution
    "resnet-101": 7.57,  # the same: 7.6
    "resnet-152": 11.28,  # the same: 11.3
    "resnext-50-32x4d": 4.23,
    "resnext-101-32x8d": 16.41,
    "resnext-101-64x4d": 15.46,
    "wide-resnet-50-2": 11.40,
    "wide-resnet-101-2": 22.75,
    "se-resnet-50": 3.86,  # Hu et al. 2017, table 2: 3.87
    "vgg-11-bn": 7.61,
    "vgg-19": 19.63,
    "googlenet-bn": 1.50,
    "inception-v3": 5.71,
    "densenet-121": 2.83,
    "densenet-161": 7.73,
    "densenet-169": 3.36,
    "densenet-201": 4.29,
    "mobilenet": 0.569,  # Howard et al. 2017, table 4
    "mobilenet-v2": 0.301,
    "squeezenet-1.1": 0.35,
    "mobilefacenet": 0.221,  # Chen et al. 2018, table 2
}
MXNET = Path(os.environ.get("GRAPHNN_SHARED", Path(__file__).parents[2] / "shared")) / "mxnet"
SMALL = [name for name, model in models.MODELS.items() if model.input == models.SMALL]
LARGE = [name for name, model in models.MODELS.items() if name in PUBLISHED]
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
    shapes, outputs = shapes_of(models.get(name), models.MODELS[name].input)
    assert sum(math.prod(s) for n, s in shapes.items() if n not in INPUTS) == PUBLISHED[name]
    assert outputs == [(2, 1000)]


@pytest.mark.parametrize("name", WORK)
def test_multiply_adds_are_the_published_ones(name):
    bound = Bound(models.get(name), {"data": (1, *models.MODELS[name].input)}, {})
    digits = len(str(WORK[name]).partition(".")[2])
    assert flops(bound, False) / 2e9 == pytest.approx(WORK[name], abs=0.6 * 10**-digits)


# name here, MXNet's symbol, its image, and the shapes of parameters that are not in there
ORACLES = [
    ("googlenet", "symbols/planned/googlenet", 224, []),
    ("inception-bn", "symbols/planned/inception-bn", 224, []),
    ("inception-bn-28", "symbols/planned/inception-bn-28", 28, []),
    ("inception-v3", "symbols/planned/inception-v3", 299, []),
    ("mobilefacenet", "models/mobilefacenet/model", 112, [(10, 128)]),  # which ends with the vector
]


@pytest.mark.skipif(not MXNET.is_dir(), reason="the shared symbols are not here")
@pytest.mark.parametrize(("name", "file", "size", "ours"), ORACLES, ids=[row[0] for row in ORACLES])
def test_parameters_are_those_of_mxnets_symbol(name, file, size, ours):
    """As many of each shape, however they are called."""
    theirs = graphnn.symbol.load(str(MXNET / f"{file}-symbol.json"))
    found, wanted = (
        Counter(s for n, s in shapes_of(symbol, (3, size, size))[0].items() if n not in INPUTS)
        for symbol in (models.get(name, 10), theirs)
    )
    assert found - wanted == Counter(ours)
    assert wanted - found == Counter()


LATER = {"densenet-121": 32, "googlenet": 47, "inception-v3": 75, "alexnet-imagenet": 63, "mobilefacenet": 97}
SIZES = [
    *((name, 28) for name in ("alexnet", "lenet", "mlp", "resnet-20", "resnet-20-v2", "wrn-16-4", "inception-bn-28")),
    ("transformer", 16),
    *((name, 32) for name in RUN),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in LATER.items()),
]


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_networks_run_on_small_images(name, size):
    executor = models.get(name, 7).simple_bind("write", data=(2, 3, size, size))
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
        ("resnet_imagenet", {"depth": 20}, "depth must be one of 18, 34, .*, got 20 and 1"),
        ("resnet_imagenet", {"version": 3}, "152 and version 1 or 2, got 50 and 3"),
        ("resnet_imagenet", {"depth": 34, "groups": 32}, "groups and width are for 50 layers or more, got 34 layers"),
        ("resnet", {"depth": 22, "bottleneck": True}, r"depth must be 9n \+ 2 with n at least 1, such as 29, 56, 164"),
        ("resnet", {"version": 3}, "version 1 or 2, got 20 and 3"),
        ("wide_resnet", {"depth": 20}, r"depth must be 6n \+ 4 with n at least 1, .* got 20 and 4"),
        ("squeezenet", {"version": "2.0"}, "squeezenet: version must be 1.0 or 1.1, got '2.0'"),
    ],
)
def test_networks_of_another_form(name, params, reason):
    with pytest.raises(ParameterError, match=reason):
        import_module(f"graphnn.models.{name}").get_symbol(10, **params)


def test_convolutions_before_normalisation_have_no_bias():
    for name in ("resnet-50", "resnet-50-v2", "resnext-50-32x4d", "mobilenet", "mobilenet-v2"):
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


def test_an_unknown_name_is_told_the_nearest():
    reason = rf"no model 'resnet20': graphnn-train --list shows all {len(models.MODELS)}; did you mean .*resnet-20"
    with pytest.raises(ParameterError, match=reason):
        models.get("resnet20")
