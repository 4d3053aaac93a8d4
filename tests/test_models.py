"""The networks that come with graphnn: their sizes, the images they take, and how they are named."""

import math

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
INPUTS = ("data", "softmax_label")


def shapes_of(symbol, image, batch=2):
    arguments, outputs, _ = symbol.infer_shape(data=(batch, *image))
    return dict(zip(symbol.list_arguments(), arguments, strict=True)), outputs


@pytest.mark.parametrize(("name", "image"), COUNTS)
def test_parameter_counts(name, image):
    shapes, outputs = shapes_of(models.get(name), image)
    assert sum(math.prod(s) for n, s in shapes.items() if n not in INPUTS) == COUNTS[name, image]
    assert outputs == [(2, 10)]


@pytest.mark.parametrize("image", [(3, 32, 32), (1, 28, 28)])
@pytest.mark.parametrize("name", models.MODELS)
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
