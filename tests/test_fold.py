"""What is computed before a program runs: constants, frozen parameters, BatchNorm inside the layer before it."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym
from graphnn.errors import BindError
from graphnn.graph import Value, text
from graphnn.op import OPS, variable
from graphnn.passes.constant import constant, fold, freeze
from graphnn.passes.norm import fold_norm


def evaluate(values):
    """Compute a sum of constants, and zeros."""
    return [
        np.zeros(v.shape, v.dtype) if not v.node.inputs else sum(x.node.op.array for x in v.node.inputs) for v in values
    ]


def test_fold_stores_what_depends_on_constants_alone():
    x, a = variable("x", (2,)), constant(np.array([1, 2], np.float32))()
    (y,) = fold([x + (a + a)], evaluate)
    assert text([y]) == (
        '%0: float32[2] = Variable() "x"\n%1: float32[2] = constant()\n%2: float32[2] = elemwise_add(%0, %1)\nreturn %2'
    )
    np.testing.assert_array_equal(y.node.inputs[1].node.op.array, [2, 4])


def test_fold_leaves_large_arrays_of_nothing():
    large = OPS["_zeros"].from_params({"shape": (1 << 20,)})()
    small = OPS["_zeros"].from_params({"shape": (3,)})()
    assert [v.node.op.name for v in fold([large, small], evaluate)] == ["_zeros", "constant"]


def test_freeze_takes_variables_by_name():
    x, w = variable("x", (2,)), variable("w", (2,))
    (y,) = freeze([x * w], {"w": np.ones(2, np.float32)})
    assert [v.node.op.name for v in y.node.inputs] == ["Variable", "constant"]


def convolution(**params):
    x, w = variable("x", (2, 3, 4, 4)), variable("w", (5, 3, 1, 1))
    op = OPS["Convolution"].from_params({"kernel": (1, 1), "num_filter": 5, "no_bias": True, **params})
    return op(x, w, name="conv")


def test_fold_norm_as_text():
    scale, shift = variable("scale", (5,)), variable("shift", (5,))
    affine = OPS["_scale_shift"](1)
    (y,) = fold_norm([affine(convolution(), scale, shift)])
    assert text([y]).splitlines()[2:] == [
        '%2: float32[5] = Variable() "scale"',
        "%3: float32[5,1,1,1] = _reshape_to{shape=(5, 1, 1, 1)}(%2)",
        "%4: float32[5,3,1,1] = broadcast_mul(%1, %3)",
        '%5: float32[5] = Variable() "shift"',
        "%6: float32[2,5,4,4] = Convolution{kernel=(1, 1), num_filter=5}(%0, %4, %5)",
        "return %6",
    ]
    z = convolution()
    kept = [affine(z, scale, shift), Value(z.node)]
    assert fold_norm(kept) == kept  # somebody else reads the convolution
    other_axis = [OPS["_scale_shift"](2)(convolution(), variable("s", (4,)), variable("t", (4,)))]
    assert fold_norm(other_axis) == other_axis


def network(layer, last):
    net = sym.Variable("data")
    if layer == "conv":
        net = sym.Convolution(net, kernel=(3, 3), num_filter=6, no_bias=last, name="layer")
    else:
        net = sym.FullyConnected(net, num_hidden=6, no_bias=last, name="layer")
    return sym.BatchNorm(net, fix_gamma=False, name="bn")


@pytest.mark.parametrize("layer", ["conv", "dense"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_normalised_layers(layer, last, frozen):
    net = network(layer, last)
    rng = np.random.default_rng(0)
    shape = (4, 3, 9, 9)
    plain, folded = (net.simple_bind(data=shape, grad_req="null", optimize=o) for o in (False, True))
    for name, a in {**plain.arg_dict, **plain.aux_dict}.items():
        a[...] = rng.normal(size=a.shape) if name != "bn_moving_var" else rng.uniform(0.5, 2, a.shape)
    folded.copy_params_from(plain.arg_dict, plain.aux_dict)
    if frozen:
        folded.freeze("data")
    for _ in range(2):
        np.testing.assert_allclose(folded.forward()[0], plain.forward()[0], rtol=2e-5, atol=2e-5)
        plain.arg_dict["data"][...] = rng.normal(size=shape)
        folded.arg_dict["data"][...] = plain.arg_dict["data"]
    if frozen or layer == "conv":
        names = [s.op.name for s in folded.plan().steps]
        assert "_scale_shift" not in names
        assert not frozen or len(names) == 1 + 2 * (layer == "conv")  # the layer, and transposes around it


def test_freeze_refuses_unknown_inputs():
    with pytest.raises(BindError, match="no argument 'x'; arguments: data, layer_weight"):
        network("dense", False).simple_bind(data=(2, 3), grad_req="null").freeze("x")


def test_a_frozen_dense_layer_takes_up_the_transpose():
    net = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=4, name="conv")
    net = sym.FullyConnected(sym.Flatten(net), num_hidden=5, name="fc")
    data = np.random.default_rng(0).normal(size=(2, 1, 6, 7))
    found = []
    for frozen in (False, True):
        ex = net.simple_bind(data=(2, 1, 6, 7), grad_req="null")
        for name, a in sorted(ex.arg_dict.items()):
            a[...] = np.random.default_rng(len(name)).normal(size=a.shape)
        if frozen:
            ex.freeze("data")
        found.append(ex.forward(data=data)[0])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-5)
    assert [s.op.name for s in ex.plan().steps] == ["_conv_last", "FullyConnected"]
