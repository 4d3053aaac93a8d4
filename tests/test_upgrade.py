"""Symbol files of MXNet before 1.9: what they spell otherwise means what it meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graphnn.errors import FormatError
from graphnn.formats.symbol_json import loads


def graph(*nodes: dict[str, Any], version: int | None = None) -> str:
    """A file whose last node is the head; inputs are given as numbers of nodes."""
    items = [{"name": f"n{i}", "inputs": [], **n} for i, n in enumerate(nodes)]
    for item in items:
        item["inputs"] = [[i, 0] for i in item["inputs"]]
    arg_nodes = [i for i, item in enumerate(items) if item["op"] == "null"]
    attrs = {} if version is None else {"attrs": {"mxnet_version": ["int", version]}}
    return json.dumps({"nodes": items, "arg_nodes": arg_nodes, "heads": [[len(items) - 1, 0]], **attrs})


VARIABLE = {"op": "null"}
OLD_BN = {"op": "BatchNorm", "name": "bn", "inputs": [0, 1, 2], "param": {"eps": "0.002", "momentum": "0.8"}}


def test_states_left_out_before_0_9():
    net = loads(graph(VARIABLE, VARIABLE, VARIABLE, OLD_BN))
    assert net.list_arguments() == ["n0", "n1", "n2"]
    assert net.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    var = net.attr_dict()["bn_moving_var"]
    assert var == {"eps": "0.002", "momentum": "0.8", "__init__": '["one", {}]'}
    with pytest.raises(FormatError, match="takes 5 inputs"):
        loads(graph(VARIABLE, VARIABLE, VARIABLE, OLD_BN, version=900))


@pytest.mark.parametrize(("version", "init"), [(903, '["zero", {}]'), (904, None)])
def test_initials_left_out_before_0_9_4(version, init):
    bn = {"op": "BatchNorm", "name": "bn", "inputs": [0, 1, 2, 3, 4]}
    net = loads(graph(*[VARIABLE] * 5, bn, version=version))
    assert net.attr_dict().get("n3", {}).get("__init__") == init


@pytest.mark.parametrize(("version", "shape"), [(None, (1,)), (904, (1,)), (905, (2,))])
@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_axis_of_argmax_before_0_9_5(kind, version, shape):
    net = loads(graph(VARIABLE, {"op": kind, "inputs": [0], "attr": {"axis": "-1"}}, version=version))
    assert net.infer_shape(n0=(2, 3))[1] == [shape]


def test_hidden_keys_move_where_they_belong():
    attrs = {"num_hidden": "4", "lr_mult": "2", "weight_lr_mult": "3", "bias_wd_mult": "0", "no_such_lr_mult": "5"}
    net = loads(graph(*[VARIABLE] * 3, {"op": "FullyConnected", "name": "fc", "inputs": [0, 1, 2], "attr": attrs}))
    found = net.attr_dict()
    assert found["fc"] == {"num_hidden": "4", "__lr_mult__": "2", "lr_mult": "2"}
    assert found["n1"]["__lr_mult__"] == "3"
    assert found["n2"]["__wd_mult__"] == "0"
    assert net.infer_shape(n0=(2, 3))[1] == [(2, 4)]


def test_hidden_keys_of_variables_and_unknown_operators():
    moon = {"op": "Moon", "inputs": [0], "attr": {"x_lr_mult": "1"}}
    net = loads(graph({"op": "null", "attr": {"lr_mult": "7"}}, moon))
    assert net.attr_dict() == {"n0": {"__lr_mult__": "7", "lr_mult": "7"}, "n1": {"x_lr_mult": "1"}}


def test_attrs_attr_and_param_join():
    item = {"op": "null", "attrs": {"a": "1", "b": "1"}, "attr": {"b": "2"}, "param": {"b": "3", "c": "3"}}
    assert loads(graph(item)).attr_dict() == {"n0": {"a": "1", "b": "2", "c": "3"}}


@pytest.mark.parametrize("attrs", [[], {"mxnet_version": 800}, {"mxnet_version": ["int", "800"]}])
def test_version_must_be_one(attrs):
    text = json.loads(graph(VARIABLE)) | {"attrs": attrs}
    with pytest.raises(FormatError, match="attrs: "):
        loads(json.dumps(text))
