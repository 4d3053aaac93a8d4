"""Symbol JSON: what is written is read back; whatever is malformed is one FormatError with the file's name, soon."""

from __future__ import annotations

import copy
import json
import pickle
import random
import tracemalloc
import warnings
from dataclasses import fields
from time import process_time
from typing import Any

import pytest
from cases import CASES

from graphnn import models, sym
from graphnn.errors import BindError, FormatError, GraphnnError
from graphnn.formats.symbol_json import loads
from graphnn.symbol import Symbol


def network() -> Symbol:
    """A small net with aux states, several outputs, attributes of a scope and a loss."""
    x = sym.Variable("data", shape=(0, 3, 6, 6), lr_mult=2.0)
    y = sym.Convolution(x, kernel=(3, 3), num_filter=4, pad=(1, 1), name="conv")
    y = sym.Activation(sym.BatchNorm(y, fix_gamma=False, name="bn"), act_type="relu", name="act")
    parts = sym.SliceChannel(y, num_outputs=2, name="cut")
    y = sym.Concat(parts[0], parts[1] * 2.5, dim=1, name="join")
    y = sym.FullyConnected(sym.Flatten(sym.Pooling(y, kernel=(2, 2), stride=(2, 2))), num_hidden=5, name="fc")
    return sym.SoftmaxOutput(y, name="softmax", attr={"__note__": "x"})


GOOD = json.loads(network().tojson())


def refuse(change: Any, match: str) -> None:
    """Change a copy of the graph (or replace it by text); it must be refused."""
    graph = copy.deepcopy(GOOD)
    text = change if isinstance(change, str) else (change(graph), json.dumps(graph))[1]
    with pytest.raises(FormatError, match=match) as caught:
        loads(text, "some/file.json")
    assert str(caught.value).startswith("some/file.json: ")
    assert len(str(caught.value)) < 2000


def node(graph: dict[str, Any], name: str) -> dict[str, Any]:
    return next(n for n in graph["nodes"] if n["name"] == name)


# What is written


@pytest.mark.parametrize("net", [network(), models.get("alexnet", num_classes=10), models.get("mlp", num_classes=10)])
def test_text_and_graph_come_back(net):
    text = net.tojson()
    for again in (loads(text), copy.deepcopy(net), copy.copy(net), pickle.loads(pickle.dumps(net))):
        assert again.tojson() == text
        assert str(again) == str(net)
        assert again.list_arguments() == net.list_arguments()
        assert again.list_auxiliary_states() == net.list_auxiliary_states()
        assert again.attr_dict() == net.attr_dict()


def test_long_chains_are_written_and_read():
    x = sym.Variable("x")
    for _ in range(10_000):
        x = x + 1
    assert loads(x.tojson()).tojson() == x.tojson()
    assert pickle.loads(pickle.dumps(x)).list_arguments() == ["x"]


def test_load_and_save(tmp_path):
    net = network()
    net.save(str(tmp_path / "net.json"))
    assert sym.load(str(tmp_path / "net.json")).tojson() == net.tojson()
    (tmp_path / "net.json").write_bytes(b'{"nodes": "\xff"}')
    with pytest.raises(FormatError, match="byte 11: not UTF-8 text"):
        sym.load(str(tmp_path / "net.json"))
    with pytest.raises(FileNotFoundError):
        sym.load(str(tmp_path / "none.json"))
    with (tmp_path / "net.json").open("wb") as f:
        f.truncate((64 << 20) + 1)
    with pytest.raises(FormatError, match="at most 67108864"):
        sym.load(str(tmp_path / "net.json"))


# What is refused

NAME = "fc"  # a node in the middle


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda g: node(g, NAME)["inputs"][0].__setitem__(0, 10**9), r"node \d+ \('fc'\): refers to node 1000000000"),
        (lambda g: node(g, NAME)["inputs"][0].__setitem__(0, -1), "refers to node -1"),
        (lambda g: node(g, NAME)["inputs"][0].__setitem__(0, g["nodes"].index(node(g, NAME))), "a cycle or a dangling"),
        (lambda g: node(g, NAME)["inputs"][0].__setitem__(0, len(g["nodes"]) - 1), "a cycle or a dangling"),
        (lambda g: node(g, NAME)["inputs"][0].__setitem__(1, 10**9), "output 1000000000 of .*, which has 1"),
        (lambda g: node(g, NAME)["inputs"][0].__setitem__(1, -1), "output -1 of"),
        (lambda g: node(g, NAME)["inputs"][0].__setitem__(0, 1.0), "an entry is"),
        (lambda g: node(g, NAME)["inputs"][0].__setitem__(0, True), "an entry is"),
        (lambda g: node(g, NAME)["inputs"][0].__setitem__(0, None), "an entry is"),
        (lambda g: node(g, NAME)["inputs"][0].extend([0, 0]), "an entry is"),
        (lambda g: node(g, NAME).__setitem__("inputs", {}), "inputs must be a list"),
        (lambda g: node(g, NAME)["inputs"].pop(), "takes 3 inputs"),
        (lambda g: node(g, NAME)["inputs"].append([0, 0, 0]), "takes 3 inputs"),
        (lambda g: node(g, NAME).pop("op"), "the field 'op' is missing"),
        (lambda g: node(g, NAME).pop("name"), "the field 'name' is missing"),
        (lambda g: node(g, NAME).pop("inputs"), "the field 'inputs' is missing"),
        (lambda g: node(g, NAME).__setitem__("extra", 1), "unknown field 'extra'"),
        (lambda g: node(g, NAME).__setitem__("op", 3), "op must be a name"),
        (lambda g: node(g, NAME).__setitem__("op", "a b"), "no operator 'a b'"),
        (lambda g: node(g, NAME).__setitem__("op", "x" * 2000), "op must be a name"),
        (lambda g: node(g, NAME).__setitem__("op", "null"), "a variable has no inputs"),
        (lambda g: node(g, NAME).__setitem__("name", 3), "a name is text"),
        (lambda g: node(g, NAME).__setitem__("name", "x" * 1025), "at most 1024"),
        (lambda g: node(g, NAME).__setitem__("name", "\ud800"), "not valid UTF-8"),
        (lambda g: node(g, NAME).__setitem__("attrs", []), "attrs must be an object of strings"),
        (lambda g: node(g, NAME)["attrs"].__setitem__("num_hidden", 5), "attrs must be an object of strings"),
        (lambda g: node(g, NAME)["attrs"].__setitem__("num_hidden", "0"), "must be a positive whole number"),
        (lambda g: node(g, NAME)["attrs"].__setitem__("num_hidden", "5" * 10**6), "at most 256 characters"),
        (lambda g: node(g, NAME)["attrs"].pop("num_hidden"), "needs the parameter 'num_hidden'"),
        (lambda g: node(g, NAME)["attrs"].__setitem__("hidden", "3"), "no parameter 'hidden'; its parameters are"),
        (lambda g: node(g, "join")["attrs"].__setitem__("num_args", "3"), "num_args is 3, but there are 2 inputs"),
        (lambda g: node(g, "join")["attrs"].__setitem__("num_args", str(2**48)), "but there are 2 inputs"),
        (lambda g: node(g, "cut")["attrs"].__setitem__("num_outputs", str(2**48)), "num_outputs must be at most 10000"),
        (lambda g: g.pop("nodes"), "the field 'nodes' is missing"),
        (lambda g: g.pop("arg_nodes"), "the field 'arg_nodes' is missing"),
        (lambda g: g.pop("heads"), "the field 'heads' is missing"),
        (lambda g: g.__setitem__("extra", 1), "unknown field 'extra'"),
        (lambda g: g.__setitem__("nodes", []), "a list of at least one node"),
        (lambda g: g.__setitem__("nodes", {}), "a list of at least one node"),
        (lambda g: g["nodes"].__setitem__(3, None), "node 3: must be an object"),
        (lambda g: g.__setitem__("heads", []), "a list of at least one entry"),
        (lambda g: g["heads"].__setitem__(0, [0, 5, 0]), "output 5 of 'data', which has 1"),
        (lambda g: g["arg_nodes"].append(10**9), "1000000000 is not the number of a variable"),
        (lambda g: g["arg_nodes"].append(g["heads"][0][0]), "is not the number of a variable"),
        (lambda g: g.__setitem__("arg_nodes", None), "arg_nodes: must be a list"),
        ("", "JSON: "),
        ("null", "must be an object"),
        ("[]", "must be an object"),
        ('{"nodes": NaN}', "NaN is no number of JSON"),
        ('{"nodes": -Infinity}', "-Infinity is no number of JSON"),
        ('{"nodes": 1, "nodes": 2}', "the key 'nodes' stands twice"),
        ('{"nodes": ' + "9" * 5000 + "}", "a number of 5000 digits"),
        ("[" * 65 + "]" * 65, "nested deeper than 64"),
        ('{"nodes":' * 100_000, "nested deeper than 64"),
        ("[" * 2_000_000, "times \\[, at most"),
        (json.dumps(GOOD)[:-5], "JSON: "),
        (json.dumps(GOOD) + "x", "JSON: Extra data"),
    ],
)
def test_malformed(change, match):
    refuse(change, match)


@pytest.mark.parametrize(
    "text",
    [
        "\0" * (10 << 20),
        '"' + "a" * (10 << 20),
        '"' + '\\"' * (5 << 20),
        '{"a":' + "1" * (10 << 20),
        "[" + "[]," * (3 << 20),
        "[" + "10000," * (1 << 20) + "1]",
        '{"nodes":[' + "1," * (2 << 20) + '1],"arg_nodes":[],"heads":[]}',
    ],
    ids=lambda t: t[:12].replace("\0", "0"),
)
def test_junk_takes_bounded_time_and_memory(text):
    tracemalloc.start()
    start = process_time()
    with pytest.raises(FormatError):
        loads(text)
    assert process_time() - start < 20, "the goal is 2 s; this only tells linear from quadratic"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(text) + (64 << 20)


def test_many_edges_are_bounded():
    many = {"op": "add_n", "name": "s", "inputs": [[0, 0, 0]] * 1_000_001}
    nodes = [{"op": "null", "name": "x", "inputs": []}, many]
    with pytest.raises(FormatError, match="1000002 edges, at most 1000000"):
        loads(json.dumps({"nodes": nodes, "arg_nodes": [0], "heads": [[1, 0, 0]]}))


def test_many_outputs_are_bounded():
    cut = {"op": "SliceChannel", "attrs": {"num_outputs": "10000"}, "inputs": [[0, 0, 0]]}
    nodes = [{"op": "null", "name": "x", "inputs": []}, *({**cut, "name": f"s{k}"} for k in range(200))]
    with pytest.raises(FormatError, match="over 1000000 outputs"):
        loads(json.dumps({"nodes": nodes, "arg_nodes": [0], "heads": [[1, 0, 0]]}))


# Unknown operators


def foreign(outputs: int = 2) -> Symbol:
    graph = copy.deepcopy(GOOD)
    fc = node(graph, NAME)
    fc["op"] = "Convolutoin"
    graph["heads"].append([graph["nodes"].index(fc), outputs - 1, 0])
    return loads(json.dumps(graph))


def test_unknown_operator_is_kept_listed_and_cut_off():
    net = foreign()
    assert net.list_outputs() == ["softmax_output", "fc_output1"]
    assert {"fc_output0", "fc_output1", "join_output"} <= set(net.get_internals().list_outputs())
    assert net.attr_dict()["fc"] == {"num_hidden": "5"}
    assert "Convolutoin(" in str(net)
    assert loads(net.tojson()).tojson() == net.tojson()
    assert net.infer_shape_partial(data=(2, 3, 6, 6))[1][0] == ()
    ex = net.get_internals()["join_output"].simple_bind(data=(2, 3, 6, 6))
    assert ex.forward()[0].shape == (2, 4, 6, 6)


@pytest.mark.parametrize("bind", [Symbol.simple_bind, Symbol.plan])
def test_unknown_operator_is_an_error_at_bind(bind):
    with pytest.raises(BindError, match=r"^fc \(Convolutoin\): unknown operator; did you mean Convolution.*cuts"):
        bind(foreign(), data=(2, 3, 6, 6))


def test_unknown_operator_of_many_and_too_many_outputs():
    assert foreign(1025).list_outputs()[1] == "fc_output1024"
    with pytest.raises(FormatError, match="'Convolutoin' with 1026 outputs"):
        foreign(1026)


# Random changes

VALUES = [None, True, -1, 0, 1, 3, 2**31, 2**63, 1e308, 0.5, "", "0", "-1", "None", "(1, 1)", "x" * 300, [], {}, [[]]]


def spots(graph: Any) -> list[tuple[Any, Any]]:
    """List every (container, key) of a parsed graph."""
    found, stack = [], [graph]
    while stack:
        item = stack.pop()
        for key in item if isinstance(item, dict) else range(len(item)):
            found.append((item, key))
            if isinstance(item[key], (dict, list)):
                stack.append(item[key])
    return found


def change_structure(rng: random.Random) -> str:
    """Replace, remove or double values of the parsed graph."""
    graph = copy.deepcopy(GOOD)
    for _ in range(rng.randint(1, 3)):
        item, key = rng.choice(spots(graph))
        match rng.randrange(4):
            case 0 if isinstance(item, dict):
                del item[key]
            case 1 if isinstance(item, list):
                item.insert(key, copy.deepcopy(item[key]))
            case 2:
                item[key] = copy.deepcopy(rng.choice([i[k] for i, k in spots(graph)]))
            case _:
                item[key] = copy.deepcopy(rng.choice(VALUES))
    return json.dumps(graph)


def change_text(rng: random.Random) -> str:
    """Flip, drop or insert characters."""
    text = list(json.dumps(GOOD))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text))
        text[at : at + rng.randint(0, 3)] = rng.choice(
            ['"', "{", "}", "[", "]", ",", ":", "\\", "9", "-", "\0", "é", ""]
        )
    return "".join(text)


def check_text(text: str) -> None:
    """Read a mutated graph, and go on with it if it is one: nothing but errors of ours."""
    try:
        net = loads(text, "fuzz")
    except FormatError as e:
        assert str(e).startswith("fuzz: ")
        return
    try:
        assert loads(net.tojson()).tojson() == net.tojson()
        net.infer_shape_partial(data=(2, 3, 6, 6))
        net.simple_bind(data=(2, 3, 6, 6), max_memory=1 << 26).forward(is_train=True)
    except GraphnnError:
        pass


@pytest.mark.parametrize("change", [change_structure, change_text])
@pytest.mark.parametrize("count", [1000, pytest.param(5000, marks=pytest.mark.slow)])
def test_random_changes(change, count):
    rng = random.Random(count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a changed number may overflow in the kernels
        for _ in range(count):
            check_text(change(rng))


NASTY = """None nan inf -inf 1e308 -1e308 1e-308 0 -1 1 281474976710656 99999999999999999999 ( () (,) (1, [1] (0,)
(-1,-1) (281474976710656,281474976710656) (None,) (-4,-4,-1,-1) (-3,-3,-3) (1,1,1,1,1,1,1,1,1,1) true abc int8 bool
float64 NHWC ' __import__('os') (1.5,) 0x10""".split()
NASTY += ["", "\0", "\u202e", "\uff11", "1" * 257]


@pytest.mark.parametrize("case", list({c.op.name: c for c in CASES}.values()), ids=lambda c: c.op.name)
def test_nasty_attributes(case):
    """Every parameter of every operator with every nasty value: an error of ours or a program that runs."""
    names = case.op.input_names(len(case.shapes))
    params = [f.name for f in fields(case.op)] if hasattr(case.op, "__dataclass_fields__") else []
    own = {p: str(getattr(case.op, p)) for p in params}
    given = dict(zip(names, case.shapes, strict=True))
    nodes = [{"op": "null", "name": n, "inputs": []} for n in names]
    for name, value in ((p, v) for p in params for v in NASTY):
        item = {"op": case.op.name, "name": "n", "attrs": {**own, name: value}}
        graph = {
            "nodes": [*nodes, {**item, "inputs": [[i, 0, 0] for i in range(len(names))]}],
            "arg_nodes": list(range(len(names))),
            "heads": [[len(names), 0, 0]],
        }
        try:
            net = loads(json.dumps(graph))
            net.infer_shape_partial()
            ex = net.simple_bind(max_memory=1 << 24, **given)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                ex.forward(is_train=True)
        except GraphnnError as e:
            assert len(str(e)) < 2000
