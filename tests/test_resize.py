"""Images of another size: what the operator table cannot say of weights, names, and refused sizes."""

from __future__ import annotations

import json

import pytest

from graphnn import sym
from graphnn.errors import GraphError, ParameterError, ShapeError


def test_bilinear_upsampling_makes_its_weight() -> None:
    net = sym.UpSampling(sym.Variable("x"), scale=2, sample_type="bilinear", num_filter=3, name="u")
    assert net.list_arguments() == ["x", "u_weight"]
    assert net.attr_dict()["u_weight"]["__init__"] == '["bilinear", {}]'
    args, outs, _ = net.infer_shape(x=(2, 3, 4, 5))
    assert (args[1], outs) == ((3, 1, 4, 4), [(2, 3, 8, 10)])


@pytest.mark.parametrize("num_args", [1, 2])
def test_files_count_the_weight_or_not(num_args: int) -> None:
    nodes = [{"op": "null", "name": n, "inputs": []} for n in "xw"]
    attrs = {"scale": "2", "sample_type": "bilinear", "num_filter": "3", "num_args": str(num_args)}
    nodes.append({"op": "UpSampling", "name": "u", "attrs": attrs, "inputs": [[0, 0, 0], [1, 0, 0]]})
    net = sym.load_json(json.dumps({"nodes": nodes, "arg_nodes": [0, 1], "heads": [[2, 0, 0]]}))
    assert net.infer_shape(x=(2, 3, 4, 5))[1] == [(2, 3, 8, 10)]
    again = sym.load_json(net.tojson())
    assert again.list_arguments() == ["x", "w"]


def test_sizes_of_the_inputs() -> None:
    net = sym.UpSampling(sym.Variable("x"), sym.Variable("y"), scale=2, sample_type="nearest", num_args=2)
    with pytest.raises(ShapeError, match="does not go into images of"):
        net.infer_shape(x=(2, 3, 4, 5), y=(2, 3, 3, 5))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda x: sym.UpSampling(x, scale=2, sample_type="bilinear", num_args=3, num_filter=1),
            ParameterError,
            "takes data and weight",
        ),
        (lambda x: sym.UpSampling(x, scale=2, sample_type="bilinear"), ParameterError, "needs num_filter"),
        (lambda x: sym.UpSampling(x, x, scale=2, sample_type="nearest", num_args=1), GraphError, "there are 2 inputs"),
        (lambda x: sym.BilinearResize2D(x, mode="odd_scale"), ParameterError, "needs scale_height"),
        (lambda x: sym.BilinearResize2D(x, scale_height=-1), ParameterError, "must be positive"),
        (lambda x: sym.AdaptiveAvgPooling2D(x, output_size=(1, 2, 3)), ParameterError, "one or two"),
        (
            lambda x: sym.BilinearResize2D(x, scale_height=0.1, scale_width=1).infer_shape(x=(1, 1, 4, 4)),
            ShapeError,
            "nothing is left",
        ),
        (
            lambda x: sym.BilinearResize2D(x, height=100_000, width=1).simple_bind(x=(1, 1, 100_000, 1)),
            ShapeError,
            "their product must be at most",
        ),
    ],
)
def test_errors(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make(sym.Variable("x"))
