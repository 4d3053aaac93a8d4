"""Plans: the text of small ones, what shares memory and what must not, and the memory of known networks."""

from __future__ import annotations

import json
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from c_targets import native
from hypothesis import given, settings
from networks import networks
from test_networks import SETTINGS

from graphnn import backend as backends
from graphnn import sym
from graphnn.arena import ALIGN, Interval, lower_bound, place
from graphnn.backend import compile as compile_graph
from graphnn.bound import Bound
from graphnn.errors import GraphError
from graphnn.executor import plan_of
from graphnn.graph import Value
from graphnn.op import find, variable
from graphnn.plan import Graph, Plan, Slot, make_plan
from graphnn.types import TensorType

SHARED = Path(os.environ.get("GRAPHNN_SHARED", Path(__file__).parents[1] / ".." / "shared")) / "mxnet"
TABLE = json.loads((SHARED / "memory-plan.json").read_text()) if (SHARED / "memory-plan.json").is_file() else []


def apply(name: str, *xs: Value, **params: object) -> Value:
    return find(name).from_params(params)(*xs)


def plan(heads: list[Value], updates: tuple = (), in_place: bool = True) -> Plan:
    graph = Graph(tuple(heads), updates)
    inputs = {n: variable(n, (4, 16)).type for n in ("x", "w", "state")}
    return make_plan(graph, inputs, in_place=in_place)


x, w = variable("x", (4, 16)), variable("w", (4, 16))


# Text


def test_chain_works_in_one_buffer():
    y = apply("exp", apply("tanh", apply("sin", x)))
    assert plan([y + y]).steps_text() == (
        "arena+0:float32[4,16] = sin(x+0:float32[4,16])\n"
        "arena+0:float32[4,16] = tanh(arena+0:float32[4,16])\n"
        "arena+0:float32[4,16] = exp(arena+0:float32[4,16])\n"
        "output:0+0:float32[4,16] = elemwise_add(arena+0:float32[4,16], arena+0:float32[4,16])"
    )


def test_without_sharing_every_value_has_a_buffer():
    y = apply("exp", apply("tanh", apply("sin", x)))
    text = plan([y + y], in_place=False).steps_text()
    assert "arena+512:float32[4,16] = exp(arena+256:float32[4,16])" in text
    assert plan([y + y], in_place=False).arena_bytes == 768


def test_plan_prints_bytes_bound_and_buffers():
    y = apply("exp", x)
    assert str(plan([apply("dot", y, y, transpose_b=True)])) == (
        "planned 320 bytes: arena 256 bytes (lower bound 256 bytes), heads 64 bytes; scratch 0 bytes; 2 steps\n"
        "      offset        bytes        steps  buffer\n"
        "           0          256          1-2  exp float32[4,16]"
    )


# What shares memory


def test_value_read_later_is_not_overwritten():
    y = apply("sin", x)
    z = apply("exp", y)
    steps = plan([apply("elemwise_sub", z, y)]).steps
    assert steps[0].outs[0].offset != steps[1].outs[0].offset


def test_views_cost_nothing_and_keep_their_source_alive():
    y = apply("sin", x)
    flat = apply("Reshape", y, shape=(-1,))
    z = apply("exp", apply("cos", x))
    made = plan([apply("Reshape", z, shape=(-1,)) + flat])
    assert [s.op.name for s in made.steps] == ["cos", "exp", "sin", "elemwise_add"]
    check_disjoint(made)
    assert made.arena_bytes == 512


def test_view_of_an_input_reads_the_input():
    made = plan([apply("exp", apply("Flatten", x))])
    assert made.arena_bytes == 0
    assert str(made.steps[0].ins[0]) == "x+0:float32[4,16]"


def test_head_that_is_an_input_or_a_view_is_copied():
    made = plan([x, apply("Reshape", x, shape=(-1,))])
    assert [f"{s.op.name} {s.outs[0]} {s.ins[0].name}" for s in made.steps] == [
        "_copy output:0+0:float32[4,16] x",
        "_copy output:1+0:float32[64] x",
    ]


def test_one_value_as_two_heads_is_computed_once():
    y = apply("exp", x)
    made = plan([y, y])
    assert [s.op.name for s in made.steps] == ["exp", "_copy"]
    assert {s.outs[0].name for s in made.steps} == {"output:0", "output:1"}


# Updates


def test_update_writes_where_the_old_value_lies():
    state = variable("state", (4, 16))
    made = plan([], (("state", state + x, 0),))
    assert made.steps_text() == "state+0:float32[4,16] = elemwise_add(state+0:float32[4,16], x+0:float32[4,16])"


def test_update_waits_for_the_readers_of_the_old_value():
    state = variable("state", (4, 16))
    made = plan([apply("exp", state)], (("state", state + x, 0),))
    assert [s.op.name for s in made.steps] == ["exp", "elemwise_add"]
    assert made.steps[1].outs[0].name == "state"


def test_updates_that_wait_for_each_other_are_copied_at_the_end():
    a, b = variable("x", (4, 16)), variable("w", (4, 16))
    made = plan([], (("x", apply("elemwise_sub", a, b), 0), ("w", apply("elemwise_mul", a, b), 0)))
    first = next(i for i, s in enumerate(made.steps) if s.outs[0].name in ("x", "w"))
    for s in made.steps[first + 1 :]:
        written = {t.outs[0].name for t in made.steps[first : made.steps.index(s)]}
        assert not written & {i.name for i in s.ins}, "an old value is read after it was overwritten"


@pytest.mark.parametrize("first", ["x", "w"])
@pytest.mark.parametrize("backend", ["numpy", "c"])
def test_an_old_value_is_kept_before_it_is_overwritten(first, backend):
    """w' = x, x' = x + w: x is written in place only once w has its old value."""
    if backend == "c":
        native()
    a, b = variable("x", (4, 16)), variable("w", (4, 16))
    updates = (("x", apply("elemwise_add", a, b), 0), ("w", a, 0))
    graph = Graph((), updates if first == "x" else updates[::-1])
    made = backends.compile(graph, {n: TensorType((4, 16)) for n in "xw"}, backend)
    arrays = {"x": np.full((4, 16), 2, "f4"), "w": np.full((4, 16), 5, "f4")}
    backends.get(backend).link(made, arrays, 1).run()
    assert (arrays["x"] == 7).all() and (arrays["w"] == 2).all()


def test_arrays_that_would_change_places():
    a, b = variable("x", (4, 16)), variable("w", (4, 16))
    with pytest.raises(GraphError, match="the updates of 'x', 'w' are old values of each other"):
        plan([], (("x", b, 0), ("w", a, 0)))


def test_parts_come_one_after_the_other():
    y = apply("exp", x)
    made = plan([y], (("state", y * w, 1),))
    assert [(s.op.name, s.part) for s in made.steps] == [("exp", 0), ("elemwise_mul", 1)]


# No two live buffers overlap: checked on steps alone, without what the planner believes


def spans(slot: Slot) -> tuple[str | None, int, int]:
    return slot.name, slot.offset, slot.offset + slot.type.nbytes


def overlap(a: Slot, b: Slot) -> bool:
    (p, i, j), (q, k, m) = spans(a), spans(b)
    return p == q and i < m and k < j


def check_disjoint(made: Plan) -> None:
    """Every read finds the bytes that the last write of just these left, and nobody wrote over a part since."""
    written: list[tuple[Slot, int]] = []
    for at, step in enumerate(made.steps):
        for slot in step.ins:
            owners = [(s, k) for s, k in written if overlap(s, slot)]
            if slot.name is None:
                assert owners, f"step {at} reads what nobody wrote: {slot}"
                assert all(spans(s) == spans(slot) for s, _ in owners[-1:]), f"step {at} reads a mixture: {slot}"
        for a, b in combinations(step.outs, 2):
            assert not overlap(a, b), f"step {at} writes two outputs to one place"
        inplace = {(k, o) for k, o in step.op.inplace}
        for o, out in enumerate(step.outs):
            for slot in step.ins:
                assert not overlap(out, slot) or spans(out) == spans(slot), f"step {at} writes over part of an input"
                if overlap(out, slot) and slot.name is None:
                    shared = any(spans(step.ins[i]) == spans(out) for i, j in inplace if j == o)
                    assert shared, f"step {at} ({step.op}) writes over an input it may not"
            written = [(s, k) for s, k in written if not overlap(s, out)]
            written.append((out, at))


def check_intervals(buffers: tuple[Interval, ...], total: int) -> None:
    for b in buffers:
        assert b.offset % ALIGN == 0 and b.offset + b.size <= total
    for a, b in combinations(buffers, 2):
        together = a.start <= b.end and b.start <= a.end
        apart = a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
        assert apart or not together, f"{a.label} and {b.label} overlap"


@settings(SETTINGS, max_examples=50)
@given(networks())
def test_random_networks_have_disjoint_buffers(network):
    bound = Bound(network.net, {"data": network.shape}, {})
    for graph, inputs in (bound.training(dict.fromkeys(bound.arguments, "add"))[:2], bound.inference()):
        made = compile_graph(graph, inputs)
        check_intervals(made.buffers, made.arena_bytes)
        check_disjoint(made)
        assert made.lower_bound <= made.arena_bytes


def test_checkers_find_a_fault():
    y = apply("exp", apply("sin", x))
    made = plan([apply("elemwise_sub", y, apply("cos", w))])
    steps = list(made.steps)
    low = Slot(None, 0, steps[0].outs[0].type)
    broken = [type(s)(s.op, s.ins, (low,) if s.outs[0].name is None else s.outs, s.name, 0, 0) for s in steps]
    with pytest.raises(AssertionError):
        check_disjoint(type(made)(**{**vars(made), "steps": tuple(broken)}))
    with pytest.raises(AssertionError, match="a and b overlap"):
        check_intervals((Interval(64, 0, 3, "a"), Interval(64, 3, 5, "b")), 64)


# Placement


def test_placement_of_random_intervals():
    rng = np.random.default_rng(4)
    for _ in range(60):
        starts, lengths = rng.integers(0, 30, 25), rng.integers(0, 12, 25)
        buffers = [
            Interval(int(s), int(a), int(a + n))
            for s, a, n in zip(rng.integers(1, 5000, 25), starts, lengths, strict=True)
        ]
        total = place(buffers)
        check_intervals(tuple(buffers), total)
        assert lower_bound(buffers) <= total <= 1.5 * lower_bound(buffers)


def test_placement_of_nothing():
    assert place([]) == lower_bound([]) == 0


# Known networks


def mib(n: int) -> int:
    return n // (1 << 20)


@pytest.mark.skipif(not TABLE, reason="MXNet's memory plans are not here")
@pytest.mark.parametrize("row", TABLE, ids=lambda r: r["name"])
def test_planned_bytes_are_at_most_mxnets(row):
    net = sym.load(str(SHARED / "symbols" / "planned" / f"{row['name']}-symbol.json"))
    shapes = json.loads((SHARED / "symbols" / "planned" / f"{row['name']}-shapes.json").read_text())
    shape = (row["batch"], *shapes["data"][1:])
    infer, train = (plan_of(net, mode, {"data": shape}) for mode in (False, True))
    assert mib(infer.planned_bytes) <= row["infer"]
    assert mib(train.planned_bytes) <= row["train"]
    for made in (infer, train):
        check_intervals(made.buffers, made.arena_bytes)
