"""The compiler explorer: rewrites, memory plans, training steps and differences, each against a count."""

from __future__ import annotations

import re
import warnings

import pytest
from hostile import HOSTILE
from tiny import conv_bn_relu

from graphnn import backend as backends
from graphnn import models, sym
from graphnn.bound import Bound
from graphnn.errors import DrawingError
from graphnn.graph import toposort
from graphnn.tools.viz import main
from graphnn.viz import chart, difference, passes, render, renderer, training
from graphnn.viz.drawing import digraph
from graphnn.viz.layers import typed_layers
from graphnn.viz.network import network
from graphnn.viz.regions import excerpt

drawn_here = pytest.mark.skipif(renderer.find_renderer() is None, reason="nothing here can draw")


@pytest.fixture(scope="module")
def bound():
    return Bound(conv_bn_relu(), {"data": (2, 3, 8, 8)}, {})


# Rewrites


def test_what_each_rewrite_did(bound):
    found = {r.name: r for r in passes.rewritten(bound, False, "numpy", arrays=passes.frozen(bound))}
    assert list(found) == ["inference", "decompose", "freeze", "simplify", "fold_norm", "fold", "channels_last", "fuse"]
    assert str(found["decompose"]) == "decompose: changes nothing" and not found["decompose"].changes

    def names(rewrite, state):
        return sorted(n.name for n, s in rewrite.states.items() if s == state)

    norm = found["fold_norm"]
    assert names(norm, passes.CHANGED) == ["conv+bn"]  # the convolution has taken in what is gone
    assert names(norm, passes.REMOVED) == ["bn"]
    assert names(norm, passes.ADDED) == ["broadcast_mul", "reshape_to"]
    assert names(norm, passes.KEPT) == sorted({n.name for n in toposort(norm.after) if not n.op.is_variable
        and not n.op.is_constant} - {"conv+bn", "broadcast_mul", "reshape_to"} | {"elemwise_mul"})  # fmt: skip
    assert names(found["fuse"], passes.REMOVED) == ["relu"]
    assert names(found["fuse"], passes.CHANGED) == ["conv+bn+relu"]


def test_every_node_has_one_state(bound):
    for rewrite in passes.rewritten(bound, True, "numpy"):
        after = {n for n in toposort(rewrite.after) if not n.op.is_variable and not n.op.is_constant}
        before = {n for n in toposort(rewrite.before) if not n.op.is_variable and not n.op.is_constant}
        removed = {n for n, s in rewrite.states.items() if s == passes.REMOVED}
        assert set(rewrite.states) - removed == after and removed <= before
        assert set(rewrite.twins) | removed == before
        assert len(set(rewrite.twins.values())) == len(rewrite.twins)


def test_the_rewrites_are_those_of_compile(bound):
    graph, inputs = bound.inference()
    *_, last = passes.rewritten(bound, False, "numpy")
    plan = backends.compile(graph, inputs, "numpy")
    assert [n.op for n in toposort(last.after)] == [n.op for n in toposort(plan.graph.values)]


def test_a_picture_of_a_rewrite(bound):
    (norm,) = (r for r in passes.rewritten(bound, False, "numpy") if r.name == "fold_norm")
    drawn = passes.drawing(norm, {"data"}, "title")
    colors = {line: box.colors for box in drawn.boxes for line in box.lines}
    assert colors["bn"] == passes.STATE_COLORS[passes.REMOVED]
    assert colors["conv+bn"] == passes.STATE_COLORS[passes.CHANGED]
    assert colors["fc"] == passes.STATE_COLORS[passes.KEPT]
    gone = next(box.id for box in drawn.boxes if "bn" in box.lines)
    assert {e.style for e in drawn.edges if e.target == gone} == {"dashed"}
    assert [words for words, _ in drawn.legend] == ["added", "removed", "changed", "kept"]


@drawn_here
def test_passes_on_the_command_line(tmp_path, capsys):
    folder = tmp_path / "new" / "passes"
    assert main(["--symbol", "lenet", "--passes", str(folder), "--backend", "numpy", "--quiet"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "00 inference: changes nothing"
    assert printed[6].startswith("06 channels_last: ") and printed[6].endswith("06-channels_last.png")
    changing = [line for line in printed if not line.endswith("changes nothing")]
    assert [p.name for p in sorted(folder.iterdir())] == [line.rpartition("/")[2] for line in changing]


def test_a_rewrite_that_is_too_large_to_be_opened_is_drawn_closed(tmp_path, capsys, monkeypatch):
    def only_small(graph, format):
        if graph.source.count(" [label=") > 160:  # boxes and arrows
            raise DrawingError("too large")
        return b"picture", ""

    monkeypatch.setattr("graphnn.viz.render", only_small)
    args = ["--symbol", "resnet-20", "--passes", str(tmp_path), "--backend", "numpy", "--quiet"]
    assert main([*args, "--depth", "all"]) == 0
    changing = [line for line in capsys.readouterr().out.splitlines() if not line.endswith("changes nothing")]
    assert changing[-1].endswith("09-fold.png")
    assert all(line.endswith(".png (without --depth: too large)") for line in changing[:-1])
    assert len(list(tmp_path.iterdir())) == len(changing) == 6


# Training


def test_roles_and_owners_of_a_training_step(bound):
    step = training.step_of(bound)
    roles = {n.name: r for n, r in step.roles.items() if not n.op.is_variable}
    assert roles["conv"] == roles["bn"] == roles["softmax"] == "forward"
    assert roles["conv:conv_weight_grad"] == roles["softmax:backward_softmaxoutput"] == "backward"
    updates = [n.name for n, r in step.roles.items() if r == "update" and n.op.name == "sgd_mom_update"]
    assert sorted(updates) == [f"{x}:sgd_mom_update" for x in ("bn", "bn", "conv", "fc", "fc")]
    assert {step.owners[n].name for n, r in step.roles.items() if r == "backward"} == {
        "conv",
        "bn",
        "relu",
        "fc",
        "softmax",
    }
    assert step.optimizer == "sgd with momentum"


def test_names_change_nothing_of_a_training_step(bound):
    """The renamed graph is the one that Module.step compiles: same operators, same plan."""
    step = training.step_of(bound)
    reqs = {n: "write" for n in bound.arguments if n not in ("data", "softmax_label")}
    graph = bound.training(reqs)[0]
    assert [n.op for n in toposort(step.graph.heads)] == [n.op for n in toposort(graph.heads)]
    assert {name for name, _, _ in step.graph.updates} >= {"conv_weight", "bn_moving_mean"}


def test_three_boxes_in_a_row(bound):
    drawn = training.drawing(training.step_of(bound), {"data", "softmax_label"}, "title")
    colors = {box.id: box.colors for box in drawn.boxes}
    rows = [row for row in drawn.rows if len(row) == 3]
    assert len(rows) == 3  # conv, bn, fc
    for row in rows:
        assert [colors[id] for id in row] == list(training.ROLES.values())
    words = {line for box in drawn.boxes for line in box.lines}
    assert {"conv_weight", "fc_bias", "fc_weight", "4 parameters and states"} <= words
    assert all(e.dir == "back" for e in drawn.edges if e.source[0] == e.target[0] == "b")


def test_what_random_operators_and_optimisers_keep_is_no_parameter():
    net = sym.Dropout(sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc"), name="drop")
    step = training.step_of(Bound(sym.SoftmaxOutput(net, name="softmax"), {"data": (2, 5)}, {}))
    found = typed_layers(step.graph.values, ("data", "softmax_label"))[0]
    assert {x.node.op.name: x.parameters for x in found if x.parameters} == {"FullyConnected": 3 * 5 + 3}
    reads = {v.node.name for x in found for v in x.weights}
    assert {"random:state", "mom:fc_weight", "optimizer:lr"} < reads


def test_parameters_under_a_head_that_is_no_loss_are_not_updated():
    net = sym.BatchNorm(sym.FullyConnected(sym.Variable("data"), num_hidden=3), fix_gamma=False, name="bn")
    step = training.step_of(Bound(net, {"data": (2, 4)}, {}))
    assert step.optimizer == ""
    drawn = training.drawing(step, {"data"}, "x")
    assert "; parameters are not updated: a head is no loss" in drawn.notes[0]
    updates = [box.lines for box in drawn.boxes if box.lines[0] == "update"]
    assert updates == [("update", "bn_moving_mean", "bn_moving_var")]  # by training mode, not by an optimiser


# The memory plan


@pytest.mark.parametrize("train", [False, True])
def test_boxes_are_the_buffers(bound, train):
    if train:
        step = training.step_of(bound)
        plan = backends.compile(step.graph, step.inputs, "numpy")
    else:
        plan = backends.compile(*bound.inference(), "numpy")
    found = chart.boxes(plan)
    assert len(found) == len(plan.buffers)
    assert max(b.offset + b.bytes for b in found) == plan.arena_bytes
    alive = [sum(b.bytes for b in found if b.start <= k < b.end) for k in range(len(plan.steps))]
    assert max(alive) == plan.lower_bound  # the largest set alive at one step
    for k, a in enumerate(found):
        for b in found[:k]:
            apart = a.end <= b.start or b.end <= a.start
            assert apart or a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset
    for step_number, step in enumerate(plan.steps):  # what a step reads or writes in the arena lies in a box alive then
        for slot in (*step.ins, *step.outs):
            if slot.name is None:
                assert any(
                    b.start <= step_number < b.end and b.offset <= slot.offset < b.offset + b.bytes for b in found
                )
    kinds = {b.kind for b in found}
    assert kinds <= set(chart.PART_COLORS) if train else kinds <= set(chart.KIND_NAMES)
    if train:
        assert {"kept for backward", "backward"} <= kinds


def test_the_chart_says_the_bytes(bound):
    plan = backends.compile(*bound.inference(), "numpy")
    text = chart.chart(plan, "net", "svg").decode()
    assert "peak" in text and chart.size(plan.arena_bytes) in text and chart.size(plan.lower_bound) in text
    assert chart.chart(plan, "net", "png").startswith(b"\x89PNG")
    assert chart.chart(plan, "net", "svg") == chart.chart(plan, "net", "svg")


def test_hostile_names_in_a_chart():
    """Labels of buffers are no mathematics and no markup."""
    net = sym.Variable("data")
    for name in HOSTILE:
        net = sym.exp(sym.Convolution(net, kernel=(1, 1), num_filter=2, name=name), name=name + "2")
    plan = backends.compile(*Bound(net, {"data": (1, 1, 64, 64)}, {}).inference(), "numpy", optimize=False)
    for title in HOSTILE:
        text = chart.chart(plan, title, "svg").decode()
        assert "<script" not in text and "<image" not in text and "<b>" not in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a letter that the font lacks is no warning to the user
        assert chart.chart(plan, "漢", "png").startswith(b"\x89PNG")


def test_without_matplotlib_nothing_is_planned(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["--symbol", "lenet", "--memory", "-o", str(tmp_path / "x.png"), "--backend", "numpy"]) == 1
    assert "drawing x.png needs matplotlib, of graphnn's extra 'plot'" in capsys.readouterr().err


# Differences


def test_what_differs_between_two_networks():
    def net(width, extra):
        x = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=width, name="conv")
        x = sym.relu(x, name="relu") if extra != "relu" else x
        x = sym.Pooling(x, kernel=(2, 2), name="pool") if extra == "pool" else x
        return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=3, name="fc"), name="softmax")

    found = difference.compare(net(4, ""), net(8, "pool"), {"data": (1, 1, 8, 8)})
    states = {n.name: s for n, s in found.rewrite.states.items()}
    assert states == {"data": "kept", "conv": "changed", "relu": "kept", "pool": "added", "fc": "changed",
                      "softmax": "kept", "softmax_label": "kept"}  # fmt: skip
    lines = difference.report(found)
    assert lines[0] == "different: 4 kept, 2 changed, 1 added; parameters 475 -> 683"
    assert lines[1] == ("~ conv (Convolution 3x3/1, 8): num_filter 4 -> 8; conv_weight 4x1x3x3 -> 8x1x3x3; "
                        "conv_bias 4 -> 8")  # fmt: skip
    assert lines[2].startswith("~ fc (FullyConnected 3): fc_weight 3x144 -> 3x200; reads pool instead of relu")
    assert lines[3] == "+ pool (Pooling max 2x2/1)"
    gone = difference.compare(net(4, ""), net(4, "relu"), {"data": (1, 1, 8, 8)})
    assert "- relu (relu)" in difference.report(gone)
    drawn = difference.drawing(gone, "x")
    assert next(b for b in drawn.boxes if "relu" in b.lines).colors == passes.STATE_COLORS[passes.REMOVED]


def test_dots_say_that_more_changed_than_a_box_has_room_for():
    def net(**more):
        return sym.Convolution(sym.Variable("data"), name="conv", num_filter=2, **more)

    few, many = {"kernel": (3, 3)}, {"kernel": (5, 5), "stride": (2, 2), "pad": (2, 2), "dilate": (2, 2)}
    found = difference.compare(net(kernel=(1, 1)), net(**few), {"data": (1, 1, 28, 28)})
    assert difference.drawing(found, "x").boxes[1].lines[-1] == "conv_weight 2x1x1x1 -> 2x1x3x3"
    found = difference.compare(net(**few), net(**many, no_bias=True), {"data": (1, 1, 28, 28)})
    told, lines = found.changes[found.new[1].node], difference.drawing(found, "x").boxes[1].lines
    assert len(told) == 6 and lines[-5:] == (*told[:4], told[4] + " ...")


def test_a_network_is_the_same_as_itself(capsys):
    assert main(["--diff", "resnet-20", "resnet-20"]) == 0
    assert capsys.readouterr().out == "the same: 76 kept; parameters 272,186 -> 272,186\n"


def test_each_model_takes_its_usual_input(capsys, tmp_path):
    assert main(["--diff", "lenet", "squeezenet-1.1"]) == 0
    assert "; parameters 431,080 -> 1,235,496\n" in capsys.readouterr().out
    file = tmp_path / "net-symbol.json"
    models.get("lenet").save(str(file))
    for pair in ((str(file), "lenet"), ("lenet", str(file))):  # a file has that of the other
        assert main(["--diff", *pair]) == 0
        assert capsys.readouterr().out == "the same: 13 kept; parameters 431,080 -> 431,080\n"


def test_automatic_names_do_not_mislead(capsys):
    """Of resnet-32's 15 additions, 9 are resnet-20's, whatever their numbers."""
    assert main(["--diff", "resnet-20", "resnet-32"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "different: 71 kept, 5 changed, 42 added; parameters 272,186 -> 466,618"
    assert all("reads stage" in line for line in lines if line.startswith("~"))


def test_renamed_layers_are_matched_by_structure():
    def net(prefix):
        x = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=4, name=f"{prefix}conv")
        return sym.FullyConnected(sym.relu(x, name=f"{prefix}act"), num_hidden=3, name=f"{prefix}fc")

    assert difference.compare(net("a_"), net("b_")).same


# Names from files


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_every_drawing(name, capsys):
    net = sym.SoftmaxOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=2, name=name), name="softmax")
    bound = Bound(net, {"data": (2, 3)}, {})
    step = training.step_of(bound)
    (first, *_) = passes.rewritten(bound, True, "numpy")
    other = sym.SoftmaxOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=3, name=name), name="softmax")
    compared = difference.compare(net, other)
    after, _ = typed_layers(first.after, ())
    drawings = [
        training.drawing(step, {"data"}, name),
        training.drawing(step, {"data"}, name, depth=1 << 20),
        passes.drawing(first, {"data"}, name),
        difference.drawing(compared, name),
        network(net, depth=0),
        excerpt(after, first.states, passes.KEPT, passes.STATE_COLORS, lambda source, target: ("", ""))[0],
    ]
    for drawn in drawings:
        source = digraph(drawn).source
        boxes = re.findall(r"^\t+(\w+) \[label=", source, re.MULTILINE)
        assert sorted(boxes) == sorted(box.id for box in drawn.boxes)
        arrows = re.findall(r"^\t+(\w+) -> (\w+)", source, re.MULTILINE)
        assert arrows == [(e.source, e.target) for e in drawn.edges]
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", source)
        heading = source.partition("fontname=")[0]  # the one label that is markup: the title's
        assert "<script" not in heading and "<b>" not in heading
    print("\n".join(difference.report(compared)))
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "\x07" not in printed and "\u202e" not in printed
    assert len(printed.splitlines()) == len(difference.report(compared))


@drawn_here
def test_hostile_names_in_one_svg():
    net = sym.Variable("data")
    for name in HOSTILE:
        net = sym.FullyConnected(net, num_hidden=2, name=name)
    step = training.step_of(Bound(sym.SoftmaxOutput(net, name="softmax"), {"data": (2, 3)}, {}))
    drawn = training.drawing(step, {"data"}, HOSTILE[8])
    svg = render(digraph(drawn), "svg")[0].decode()
    assert svg.count('class="node"') == len(drawn.boxes)
    for forbidden in ("<script", "<image", "<a ", 'href="javascript', "<b>"):
        assert forbidden not in svg


# The command line


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["--symbol", "mlp", "--memory"], 2, "--memory needs -o FILE"),
        (["--symbol", "mlp", "--gradient"], 2, "--gradient needs -o FILE"),
        (["--symbol", "mlp", "--gradient", "--memory", "-o", "x.png"], 2, "not allowed with argument"),
        (["--symbol", "mlp", "--passes", "x", "-o", "x.png"], 2, "--passes DIR takes no -o"),
        (["--symbol", "mlp", "--passes", "x", "--html", "x.html"], 2, "--passes makes no page"),
        (["--symbol", "mlp", "-o", "x.svg", "--html", "x.svg"], 2, "-o and --html name one file"),
        (["--symbol", "mlp", "--diff", "mlp", "lenet"], 2, "--diff A B takes no --symbol"),
        (["--diff", "mlp"], 2, "expected 2 arguments"),
        (["--diff", "mlp", "nothing"], 1, "no model and no file 'nothing'"),
        (["--diff", "mlp", "mlp", "--shape", "dat=1,2"], 1, "no argument 'dat' in either network; did you mean data?"),
        (["--symbol", "mlp", "-o", "x.png", "--train"], 2, "--train goes with --passes, --memory or --profile"),
        (["--symbol", "mlp", "-o", "x.png", "--threads", "2"], 2, "--threads goes with"),
        (["--symbol", "mlp", "-o", "x.png", "--backend", "numpy"], 2, "--backend goes with"),
        (["--symbol", "mlp", "-o", "x.png", "--by", "time"], 2, "--by goes with --profile"),
        (["--symbol", "mlp", "--memory", "--depth", "1", "-o", "x.png"], 2, "--memory has no --depth"),
        (["--symbol", "mlp", "--memory", "-o", "x.dot"], 1, "must be one of .png, .svg, .pdf"),
        (["--symbol", "mlp", "-o", "x.png", "--depth", "-1"], 2, "must be a whole number or 'all', got '-1'"),
        (["--symbol", "mlp", "--profile", "--summary"], 2, "--profile prints no summary"),
        (["--symbol", "mlp", "--profile", "--backend", "nosuch"], 1, "no backend 'nosuch'; there are: c, numpy"),
        (["--symbol", "mlp", "--html", "/nosuch/x.html", "--quiet"], 1, "/nosuch/x.html: No such file or directory"),
        (["--symbol", "mlp", "--passes", "/dev/null/x", "--backend", "numpy"], 1, "/dev/null/x: Not a directory"),
        (
            ["--symbol", "mlp", "--memory", "-o", "/nosuch/x.png", "--backend", "numpy"],
            1,
            "/nosuch/x.png: No such file",
        ),
        (["--symbol", "mlp", "--memory", "-o", "x.png", "--batch", "0"], 2, "must be a whole number from 1 on"),
    ],
)
def test_what_cannot_be_done(arguments, code, error, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        found = main(arguments)
    except SystemExit as e:
        found = e.code
    printed = capsys.readouterr().err
    assert (found, "Traceback" in printed) == (code, False)
    assert error in printed
    assert code == 2 or printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_symbol_file_without_shapes_says_what_to_give(tmp_path, capsys):
    file = tmp_path / "net-symbol.json"
    models.get("lenet").save(str(file))
    assert main(["--symbol", str(file), "--memory", "-o", str(tmp_path / "x.png"), "--backend", "numpy"]) == 1
    assert "data" in capsys.readouterr().err
    assert main(["--symbol", str(file), "--summary", "--batch", "2"]) == 1
    assert "--batch: give the shapes of the file's inputs" in capsys.readouterr().err
