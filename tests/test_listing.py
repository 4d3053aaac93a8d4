"""--list: the table of the models, as text and as JSON, and docs/models.md, which has it too."""

import json
import math
import re
from pathlib import Path

import pytest

from graphnn import models, sym
from graphnn.bound import Bound
from graphnn.tools import listing, train, viz
from graphnn.tools.flops import flops

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
QUICK = ["alexnet", "lenet", "mlp", "resnet-20", "vgg-11", "squeezenet-1.1", "transformer", "lstm-lm", "lstm-ctc"]


@pytest.mark.parametrize("command", [viz, train])
def test_a_list_of_some(command, capsys):
    assert command.main(["--list", "lstm-*"]) == 0
    about, head, *rows = capsys.readouterr().out.splitlines()
    assert "memory" in about and head.split() == [
        "name", "input", "parameters", "mult-adds", "inference", "training", "paper",
    ]  # fmt: skip
    assert [r.split()[:3] for r in rows] == [["lstm-lm", "64", "236,635"], ["lstm-ctc", "1x28x112", "191,883"]]
    assert len({len(r.partition(" MiB")[0]) for r in (head, *rows) if " MiB" in r}) == 1


@pytest.mark.parametrize("command", [viz, train])
def test_a_list_as_json(command, capsys):
    assert command.main(["--list", "mlp", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    weights = 784 * 512 + 512 * 1024 + 1024 * 10
    assert row["parameters"] == weights + 512 + 1024 + 10 and row["multiply_adds"] == weights
    assert row["input"] == [1, 28, 28] and row["training_bytes"] > row["inference_bytes"] > 0


def test_the_list_of_all_leaves_training_out(monkeypatch, capsys):
    monkeypatch.setattr(models, "MODELS", {n: models.MODELS[n] for n in ("mlp", "lenet")})
    assert viz.main(["--list"]) == 0
    _, head, *rows = capsys.readouterr().out.splitlines()
    assert "training" not in head and [r.split()[0] for r in rows] == ["mlp", "lenet"]
    assert viz.main(["--list", "--json"]) == 0
    assert [r["training_bytes"] for r in json.loads(capsys.readouterr().out)] == [None, None]


def test_a_pattern_that_fits_none(capsys):
    assert viz.main(["--list", "\x1b[1m"]) == 1
    assert capsys.readouterr().err == f"error: no model fits '\\x1b[1m': --list alone shows all {len(models.MODELS)}\n"


def test_without_a_symbol(capsys):
    with pytest.raises(SystemExit, match="2"):
        viz.main(["--summary"])
    assert "or --list to see what models there are" in capsys.readouterr().err


# multiply-adds of what the zoo's sequences have


def work(net, **shapes):
    bound = Bound(net, shapes, {})
    return flops(bound, False), flops(bound, True)


@pytest.mark.parametrize(("mode", "gates"), [("lstm", 4), ("gru", 3), ("rnn_tanh", 1)])
def test_work_of_recurrent_layers(mode, gates):
    """Two layers of both directions, by hand; no gradient is wanted for the data of the first."""
    states = {"state": (4, 3, 6)} | ({"state_cell": (4, 3, 6)} if mode == "lstm" else {})
    net = sym.RNN(sym.Variable("data"), state_size=6, num_layers=2, mode=mode, bidirectional=True, name="r")
    shapes = {"data": (5, 3, 7)} | {f"r_{k}": v for k, v in states.items()}
    layers = 2 * gates * 6 * (7 + 6) + 2 * gates * 6 * (12 + 6)
    once = 2 * 5 * 3 * layers
    assert work(net, **shapes) == (once, 2 * once)


def test_work_of_batch_dot():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=4, flatten=False, no_bias=True)  # (2, 3, 4)
    dense, dot = 2 * 2 * 3 * 4 * 5, 2 * 2 * 3 * 3 * 4
    assert work(sym.batch_dot(net, net, transpose_b=True), data=(2, 3, 5)) == (dense + dot, 2 * dense + 3 * dot)
    across = sym.batch_dot(net, sym.Variable("y"), transpose_a=True)  # (2, 4, 6), over 3
    assert work(across, data=(2, 3, 5), y=(2, 3, 6)) == (dense + 2 * 2 * 4 * 6 * 3, 2 * dense + 2 * 2 * 2 * 4 * 6 * 3)


# docs/models.md


def rows_of_page():
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {name: [c.strip() for c in cells.split("|")] for name, cells in rows}


def cells(row):
    sizes = ["x".join(map(str, row.input)), f"{row.parameters:,}", f"{row.multiply_adds / 1e6:,.1f}"]
    return [*sizes, *(f"{n / (1 << 20):.2f}" for n in (row.inference_bytes, row.training_bytes)), row.paper]


def test_the_page_has_every_model():
    found = rows_of_page()
    assert list(found) == list(models.MODELS)
    for name, (shape, *_, paper) in found.items():
        assert (shape, paper) == ("x".join(map(str, models.MODELS[name].input)), models.MODELS[name].paper)


def test_the_page_has_every_count():
    for name, (_, count, *_) in rows_of_page().items():
        net = models.get(name)
        shapes = zip(net.list_arguments(), net.infer_shape(data=(1, *models.MODELS[name].input))[0], strict=True)
        total = sum(math.prod(s) for n, s in shapes if n not in ("data", "softmax_label"))
        assert count == f"{total:,}", name


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in [*QUICK, "resnet-50", "densenet-40-12"]],
)
def test_the_page_says_what_the_list_says(name):
    assert rows_of_page()[name] == cells(listing.row(name, training=True))
