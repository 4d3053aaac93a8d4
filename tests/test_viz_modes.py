"""The compiler explorer: rewrites, memory plans, training steps, profiles and differences, each against a count."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hostile import HOSTILE

from graphnn import backend as backends
from graphnn import models, sym
from graphnn.backends.numpy import NumpyBackend
from graphnn.bound import Bound
from graphnn.graph import toposort
from graphnn.tools.flops import flops
from graphnn.tools.viz import main
from graphnn.viz import chart, difference, passes, profile, render, renderer, summary, training
from graphnn.viz.drawing import digraph
from graphnn.viz.layers import typed_layers
from graphnn.viz.network import network
from graphnn.viz.regions import excerpt

drawn_here = pytest.mark.skipif(renderer.find_renderer() is None, reason="nothing here can draw")
SMALL = {"data": (2, 1, 28, 28)}


def conv_bn_relu():
    net = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=4, no_bias=True, name="conv")
    net = sym.Activation(sym.BatchNorm(net, name="bn"), act_type="relu", name="relu")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")


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


def test_a_head_that_is_no_loss_has_no_update():
    step = training.step_of(Bound(sym.FullyConnected(sym.Variable("data"), num_hidden=3), {"data": (2, 4)}, {}))
    assert step.optimizer == ""
    assert "no update: a head is no loss" in training.drawing(step, {"data"}, "x").notes[0]


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


# The profile


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", ["numpy", "c"])
def test_the_arithmetic_of_steps_is_that_of_the_network(name, train):
    """Without running it: strided, grouped and depthwise convolutions, and their gradients."""
    if name == "c":
        pytest.importorskip("graphnn.backends.c")
    x = sym.Convolution(sym.Variable("data"), kernel=(3, 3), pad=(1, 1), num_filter=8, name="a")
    x = sym.Convolution(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), num_filter=16, num_group=2, no_bias=True, name="b")
    x = sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=16, num_group=16, name="c")
    x = sym.Convolution(sym.relu(x), kernel=(1, 1), num_filter=32, name="d")
    net = sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=10, name="e"), name="softmax")
    bound = Bound(net, {"data": (4, 3, 16, 16)}, {})
    if train:
        step = training.step_of(bound)
        plan = backends.compile(step.graph, step.inputs, name)
    else:
        plan = backends.compile(*bound.inference(), name, frozen=passes.frozen(bound))
    work = [backends.get(name).work(s.op, [v.type for v in s.ins], [v.type for v in s.outs]) for s in plan.steps]
    total, wanted = sum(n for n, _ in work), flops(bound, train)
    # C skips the outputs' places that a stride leaves without a tap, and what a kernel's padding misses
    assert total == pytest.approx(wanted, rel=0.01)
    algorithms = {a for _, a in work}
    assert "depthwise" in algorithms and "product" in algorithms


class Clock(NumpyBackend):
    """A backend whose steps take as many milliseconds as their number, from 1 on."""

    name = "clock"

    def clock(self, plan, arrays, threads=1):
        run = self.link(plan, arrays, threads).run

        def once():
            run()
            return [1e-3 * (k + 1) for k in range(len(plan.steps))]

        return once


@pytest.fixture
def clock(monkeypatch):
    get = backends.get
    monkeypatch.setattr(backends, "get", lambda name: Clock() if name == "clock" else get(name))


@pytest.mark.parametrize("train", [False, True])
def test_every_step_belongs_to_a_layer(bound, clock, train):
    found = profile.measure(bound, train, "clock", limit=0.0)
    assert [s.seconds for s in found.steps] == pytest.approx([1e-3 * (k + 1) for k in range(len(found.steps))])
    assert found.total == pytest.approx(found.apart) == pytest.approx(sum(t for t, _ in found.layers().values()))
    assert found.rounds == profile.FEWEST
    layers = {n.name for n in (found.training.roles if train else toposort(bound.heads)) if not n.op.is_variable}
    assert {s.layer for s in found.steps} <= layers
    by = {s.name: s.layer for s in found.steps}
    assert by["softmax"] == "softmax" and by["fc"] == "fc"
    if not train:
        assert by["conv+bn+relu"] == "conv"
    assert sum(np.array([s.bytes for s in found.steps])) == sum(
        v.type.nbytes for s in found.plan.steps for v in (*s.ins, *s.outs)
    )


def test_the_picture_adds_up(bound, clock):
    found = profile.measure(bound, False, "clock", limit=0.0)
    for by, scale in (("time", profile.HEAT), ("memory", profile.COLD)):
        drawn = profile.painted(network(conv_bn_relu(), bound.shapes), found, by)
        shares = [
            float(m[1]) for box in drawn.boxes for line in box.lines if (m := re.search(r" ms, ([\d.]+)%;", line))
        ]
        assert sum(shares) == pytest.approx(100, abs=0.3)
        fills = {box.colors[0] for box in drawn.boxes}
        assert scale[-1] in fills and profile.STEPLESS[0] in fills  # the largest; bn and relu run with conv
        assert "each timed by itself" in drawn.notes[0] and "the program as one" in drawn.notes[1]


def test_what_disturbs_is_said(bound, clock):
    found = profile.measure(bound, False, "clock", limit=0.0)
    assert len(found.notes) == 2
    said = replace(found, apart=1.3 * found.total).notes[2]
    assert said.startswith(f"the shares are of {1e3 * found.total:.2f} ms") and "other work" in said


def test_the_table(bound, clock):
    lines = profile.table(profile.measure(bound, False, "clock", limit=0.0), rows=2)
    assert lines[3].split() == list(profile.HEAD)
    times = [float(line.split()[0]) for line in lines[4:6]]
    assert times == sorted(times, reverse=True)
    assert "more step" in lines[6]
    assert any(line.startswith("  ") and ": 1, " in line for line in lines)  # the algorithm of conv


def test_layers_that_run_in_chunks_are_taken_apart():
    bound = Bound(models.get("resnet-20"), {"data": (32, 1, 28, 28)}, {})
    graph, inputs = bound.inference()
    c = backends.get("c")
    whole, apart = (backends.compile(graph, inputs, b, frozen=passes.frozen(bound)) for b in (c, profile._Apart(c)))
    assert "_chunked" in {s.op.name for s in whole.steps}
    assert "_chunked" not in {s.op.name for s in apart.steps}
    assert len(apart.steps) > len(whole.steps)


@pytest.mark.parametrize("name", ["numpy", pytest.param("c", marks=pytest.mark.slow)])
def test_timed_steps_compute_what_the_program_does(bound, name):
    """Whatever runs step by step leaves the outputs of the whole."""
    plan, arrays = profile._program(bound, training.step_of(bound), name, 1)
    copies = {k: v.copy() for k, v in arrays.items()}
    b = backends.get(name)
    b.link(plan, arrays, 1).run()
    seconds = b.clock(plan, copies, 1)()
    assert len(seconds) == len(plan.steps) and min(seconds) >= 0
    for key in ("output:0", "conv_weight", "fc_bias", "bn_moving_mean"):
        np.testing.assert_allclose(copies[key], arrays[key], rtol=1e-6, atol=1e-7)


def test_profile_as_json(tmp_path, capsys):
    assert main(["--symbol", "mlp", "--profile", "--json", "--backend", "numpy", "--batch", "4", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"notes", "whole", "apart", "rounds", "steps"} == set(told)
    dense = [r for r in summary(models.get("mlp"), {"data": (4, 1, 28, 28)}).rows if r.type == "FullyConnected"]
    weights = sum(r.parameters - r.output_shape[0] for r in dense)
    assert sum(s["flops"] for s in told["steps"]) == 2 * 4 * weights


def test_an_unknown_operator_cannot_be_run(tmp_path, capsys):
    file = tmp_path / "net-symbol.json"
    models.get("mlp").save(str(file))
    file.write_text(file.read_text().replace('"Activation"', '"Mystery"'))
    arguments = ["--symbol", str(file), "--shape", "data=1,1,28,28"]
    for mode in (
        ["--profile"],
        ["--gradient", "-o", str(tmp_path / "x.dot")],
        ["--memory", "-o", str(tmp_path / "x.png")],
    ):
        assert main([*arguments, *mode, "--backend", "numpy"] if mode[0] != "--gradient" else [*arguments, *mode]) == 1
        error = capsys.readouterr().err
        assert "(Mystery): unknown operator" in error and error.count("\n") == 1
    assert main([*arguments, "-o", str(tmp_path / "x.dot"), "--quiet"]) == 0  # drawing needs to know nothing of it


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


def test_a_network_is_the_same_as_itself(capsys):
    assert main(["--diff", "resnet-20", "resnet-20"]) == 0
    assert capsys.readouterr().out == "the same: 76 kept; parameters 272,186 -> 272,186\n"


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
        (["--symbol", "mlp", "--diff", "mlp", "lenet"], 2, "--diff A B takes no --symbol"),
        (["--diff", "mlp"], 2, "expected 2 arguments"),
        (["--diff", "mlp", "nothing"], 1, "no model and no file 'nothing'"),
        (["--diff", "mlp", "mlp", "--shape", "dat=1,2"], 1, "no argument 'dat' in either network; did you mean data?"),
        (["--symbol", "mlp", "-o", "x.png", "--train"], 2, "--train goes with --passes, --memory or --profile"),
        (["--symbol", "mlp", "-o", "x.png", "--threads", "2"], 2, "--threads goes with"),
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
