"""graphnn-viz --profile: times by layer, the table, the arithmetic, each against a count."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from tiny import conv_bn_relu

from graphnn import backend as backends
from graphnn import models, sym
from graphnn.backends.numpy import NumpyBackend
from graphnn.bound import Bound
from graphnn.graph import toposort
from graphnn.tools.flops import flops
from graphnn.tools.viz import main
from graphnn.viz import passes, profile, summary, training
from graphnn.viz.network import network


@pytest.fixture(scope="module")
def bound():
    return Bound(conv_bn_relu(), {"data": (2, 3, 8, 8)}, {})


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
