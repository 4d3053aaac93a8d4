"""Repeats, blocks and chains of networks: what is found by structure, and what stays open."""

from __future__ import annotations

import re

import pytest

from graphnn import models, sym
from graphnn.viz import plot_network
from graphnn.viz.collapse import Group, groups
from graphnn.viz.layers import layers


def tree(symbol, key=None):
    """Give the groups of a network as nested text: `3(conv bn [...])`."""
    found = [x for x in layers(symbol)[0] if not x.node.op.is_variable]

    def written(part):
        if not isinstance(part, Group):
            return found[part].node.op.name
        inside = " ".join(map(written, part.body))
        beside = "|" if part.beside else ""
        return {"repeat": f"{part.copies}{beside}({inside})", "block": f"[{inside}]", "chain": f"<{inside}>"}[part.kind]

    return " ".join(map(written, groups(found, symbol.values, key)))


def residual(x, width, name):
    y = sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=width, name=f"{name}a")
    y = sym.Convolution(sym.relu(y), kernel=(3, 3), pad=(1, 1), num_filter=width, name=f"{name}b")
    return sym.relu(x + y, name=f"{name}c")


UNIT = "<Convolution relu> Convolution elemwise_add relu"


def test_copies_of_a_block_are_found_by_structure_not_by_name():
    x = sym.tanh(sym.Variable("data"))
    for name in ("alpha", "omega", "x9", "zz"):
        x = residual(x, 8, name)
    assert tree(x) == f"tanh 4({UNIT})"


def test_other_sizes_are_no_copies():
    x = residual(residual(sym.tanh(sym.Variable("data")), 8, "a"), 8, "b")
    assert tree(residual(residual(x, 9, "c"), 7, "d")) == f"tanh 2({UNIT}) [{UNIT}] [{UNIT}]"


def test_a_copy_that_reads_elsewhere_is_none():
    """The third unit's shortcut comes from the first unit, not from the one before."""
    first = residual(sym.tanh(sym.Variable("data")), 8, "a")
    second = residual(first, 8, "b")
    y = sym.Convolution(second, kernel=(3, 3), pad=(1, 1), num_filter=8)
    y = sym.Convolution(sym.relu(y), kernel=(3, 3), pad=(1, 1), num_filter=8)
    assert "3(" not in tree(sym.relu(first + y))
    assert tree(residual(second, 8, "c")) == f"tanh 3({UNIT})"


def test_an_output_inside_keeps_a_block_open():
    x = sym.relu(sym.Variable("data"))
    y = sym.exp(x)
    joined = sym.Concat(sym.sigmoid(y), sym.negative(y))
    assert tree(joined) == "relu exp [sigmoid negative Concat]"
    inner = sym.sigmoid(y)
    assert tree(sym.Group([sym.Concat(inner, sym.negative(y)), inner])) == "relu exp sigmoid negative Concat"


def test_copies_side_by_side():
    x = sym.relu(sym.Variable("data"))
    heads = [sym.tanh(sym.FullyConnected(x, num_hidden=5)) for _ in range(3)]
    assert tree(sym.Concat(*heads, dim=1)) == "relu [3|(FullyConnected tanh) Concat]"


def test_steps_of_a_recurrent_network():
    cell = sym.Variable("h")
    outputs = []
    steps = sym.SliceChannel(sym.Variable("data"), num_outputs=12, squeeze_axis=True, axis=1)
    weight = sym.Variable("weight")
    for t in range(12):
        cell = sym.tanh(sym.FullyConnected(steps[t], num_hidden=4, name=f"i{t}") + sym.FullyConnected(
            cell, weight, num_hidden=4, no_bias=True
        ))  # fmt: skip
        outputs.append(cell)
    step = "FullyConnected FullyConnected elemwise_add tanh"
    # the first step reads a variable where the others read a layer
    assert tree(sym.Concat(*outputs, dim=1)) == f"SliceChannel {step} 11({step}) Concat"


def test_a_key_of_ones_own_tells_copies_apart():
    x = sym.tanh(sym.Variable("data"))
    for name in "abcd":
        x = residual(x, 8, name)
    assert tree(x, lambda layer: (layer.node.op, layer.node.name[0] == "c")) == f"tanh 2({UNIT}) [{UNIT}] [{UNIT}]"


@pytest.mark.parametrize(
    ("name", "boxes", "copies"),
    [
        ("resnet-50", 16, [2, 3, 5, 2]),
        ("resnet-110", 12, [18, 17, 17]),
        ("mobilenet", 24, [5]),
        ("resnet-50-v2", 22, None),
        ("densenet-121", 26, [6, 12, 24, 16]),  # as in the paper's table
        ("transformer", 14, [4]),
    ],
)  # fmt: skip
def test_depth(name, boxes, copies):
    """Every layer is in one box at depth 0, and has its own at the largest."""
    symbol = models.get(name)
    closed, opened = plot_network(symbol).source, plot_network(symbol, depth=100).source
    assert len(re.findall(r"^\tn\d+ \[", closed, re.MULTILINE)) <= boxes
    if copies is not None:
        assert [int(n) for n in re.findall(r'label="x (\d+):', closed)] == copies
        assert sorted(int(n) for n in re.findall(r'label="x (\d+)"', opened)) == sorted(copies)
    found = [x for x in layers(symbol)[0] if not x.node.op.is_variable]
    tree = groups(found, symbol.values)

    def leaves(parts):
        for p in parts:
            yield from range(p.start, p.end) if isinstance(p, Group) else [p]

    assert list(leaves(tree)) == list(range(len(found)))


def test_parameters_of_closed_boxes_add_up():
    source = plot_network(models.get("resnet-50"), shape={"data": (1, 3, 224, 224)}).source
    assert sum(int(n.replace(",", "")) for n in re.findall(r"([\d,]+) parameters", source)) == 25_557_032


def test_small_networks_stay_open_unless_told():
    alexnet = models.get("alexnet")
    assert plot_network(alexnet).source.count("Activation relu") == 3
    assert plot_network(alexnet, depth=0).source.count("+ relu") == 3


def test_many_values_are_one_arrow_with_their_number():
    steps = sym.SliceChannel(sym.Variable("data"), num_outputs=9, squeeze_axis=True, axis=1, name="split")
    net = sym.Concat(*(sym.exp(steps[t], name=f"e{t}") for t in range(9)), dim=1)
    source = plot_network(net, shape={"data": (2, 9, 5)}, depth=0).source
    assert re.findall(r'n\d+ -> n\d+ \[label="([^"]*)"', source) == [" 9x5 ", " 9 x 5 "]  # split into a block
    x = sym.Variable("data")
    one = plot_network(sym.Concat(*(sym.FullyConnected(x, num_hidden=k) for k in range(1, 6)), dim=1), depth=0)
    assert " x " not in one.source  # one value that five read
