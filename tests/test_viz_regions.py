"""What changed in a graph too large to lay out."""

from __future__ import annotations

from collections import Counter

from graphnn import sym
from graphnn.bound import Bound
from graphnn.viz import difference, passes
from graphnn.viz.drawing import Frame


def test_of_a_large_graph_each_kind_of_change_is_drawn_once(monkeypatch):
    """Three convolutions with norms, of three sizes: fold_norm does the same at each."""
    net = sym.Variable("data")
    for k in range(3):
        net = sym.Convolution(net, kernel=(3, 3), num_filter=4 + k, no_bias=True, name=f"conv{k}")
        net = sym.relu(sym.BatchNorm(net, name=f"bn{k}"), name=f"act{k}")
    bound = Bound(net, {"data": (1, 2, 9, 9)}, {})
    (norm,) = (r for r in passes.rewritten(bound, False, "numpy", arrays=passes.frozen(bound)) if r.name == "fold_norm")
    whole = passes.drawing(norm, {"data"}, "title")
    monkeypatch.setattr(passes, "MOST_BOXES", 5)
    part = passes.drawing(norm, {"data"}, "title")
    assert all(isinstance(frame, Frame) and frame.label.startswith("x 3: ") for frame in part.parts)
    count = Counter(box.colors for box in part.boxes if box.shape == "box")
    for state in (passes.ADDED, passes.REMOVED, passes.CHANGED):
        assert 3 * count[passes.STATE_COLORS[state]] == norm.counts[state] > 0
    assert passes.STATE_COLORS[passes.KEPT] not in count and whole.legend == part.legend
    assert len(part.notes) == 2 and "too large to be drawn whole: " in part.notes[1]
    ids = {box.id for box in part.boxes}
    assert len(ids) == len(part.boxes) and all({e.source, e.target} <= ids for e in part.edges)


def test_what_changed_in_a_layer_is_told_whole():
    """A pooling layer between is gone: what reads what instead takes more than one line."""

    def net(pooled):
        x = sym.relu(sym.Variable("data"), name="a_rather_long_name_of_a_layer_in_its_block")
        x = sym.Pooling(x, kernel=(2, 2), name="a_rather_long_name_of_a_layer_behind_it") if pooled else x
        return sym.exp(x, name="last")

    drawn = difference.drawing(difference.compare(net(True), net(False), {"data": (1, 1, 4, 4)}), "title")
    (lines,) = (box.lines for box in drawn.boxes if "last" in box.lines)
    assert " ".join(lines[2:]) == (
        "reads a_rather_long_name_of_a_layer_in_its_block instead of a_rather_long_name_of_a_layer_behind_it"
    )
    assert max(map(len, lines)) <= 48
