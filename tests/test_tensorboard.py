"""Event files, read back with TensorBoard's own reader."""

import io
import re
import sys
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import tiny
from PIL import Image

from graphnn import Variable, sym
from graphnn.errors import MissingExtraError
from graphnn.runs.folder import Record
from graphnn.viz.graph_def import names_of, plain_name
from graphnn.viz.tensorboard import Board, tag_of

RECORDS = [Record(k, 1 / k, 0.5 + k / 100, 2 / k, 0.4 + k / 100, 3.5, 1000.0 + k, 0.1 / k) for k in range(1, 5)]
TAGS = {
    "loss/train": "train_loss", "loss/test": "test_loss", "accuracy/train": "train_accuracy",
    "accuracy/test": "test_accuracy", "run/seconds": "seconds", "run/images_per_second": "images_per_second",
    "run/learning_rate": "learning_rate",
}  # fmt: skip


def loaded(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    sizes = {"histograms": 0, "scalars": 0, "images": 0}  # all of them
    return accumulator.EventAccumulator(str(folder), sizes).Reload()


def weights(seed):
    rng = np.random.default_rng(seed)
    return {"conv_weight": rng.normal(size=(3, 1, 3, 3)).astype(np.float32), "fc bias": np.zeros(4, np.float32)}


def test_scalars_and_histograms_come_back(tmp_path):
    with Board(tmp_path / "a" / "b") as board:
        for record in RECORDS:
            board.epoch(record, weights(record.epoch))
    found = loaded(tmp_path / "a" / "b")
    assert sorted(found.Tags()["scalars"]) == sorted(TAGS)
    for tag, name in TAGS.items():
        values = [(e.step, e.value) for e in found.Scalars(tag)]
        assert values == [(r.epoch, np.float32(getattr(r, name))) for r in RECORDS]
    assert found.Tags()["histograms"] == ["parameters/conv_weight", "parameters/fc_bias"]
    for event in found.Histograms("parameters/conv_weight"):
        w = weights(event.step)["conv_weight"].astype(np.float64)
        h = event.histogram_value
        assert (h.num, sum(h.bucket)) == (w.size, w.size)
        np.testing.assert_allclose([h.min, h.max, h.sum, h.sum_squares], [w.min(), w.max(), w.sum(), (w**2).sum()])
        ends = np.array([-np.inf, *h.bucket_limit])
        wanted = [((w > a) & (w <= b)).sum() for a, b in pairwise(ends)]
        np.testing.assert_array_equal(h.bucket, wanted)


def test_values_that_are_not_finite_are_left_out(tmp_path):
    arrays = {"a": np.array([1, np.nan, np.inf, 3.0]), "b": np.full(3, np.nan), "c": np.ones((0, 2))}
    with Board(tmp_path) as board:
        board.epoch(RECORDS[0], arrays)
    found = loaded(tmp_path)
    assert found.Tags()["histograms"] == ["parameters/a"]
    assert found.Histograms("parameters/a")[0].histogram_value.num == 2


def test_of_a_large_parameter_every_kth_value_counts(tmp_path):
    with Board(tmp_path) as board:
        board.epoch(RECORDS[0], {"a": np.arange(3_000_000, dtype=np.float32)})
    h = loaded(tmp_path).Histograms("parameters/a")[0].histogram_value
    assert (h.num, h.max) == (1_000_000, 2_999_997)


@pytest.mark.parametrize("done", [2, 4])
def test_a_run_taken_up_again_has_every_step_once(tmp_path, done):
    with Board(tmp_path) as board:
        board.graph(tiny.network(), {"data": (8, 1, 6, 6)})
        for record in RECORDS[:3]:
            board.epoch(record, weights(record.epoch))
    others = [replace(r, train_loss=9.0 + r.epoch) for r in RECORDS]
    for first in (done, 3) if done == 2 else (3,):  # the first goes on to the end, the last is what counts
        with Board(tmp_path, first) as board:
            for record in others[first:]:
                board.epoch(record, weights(record.epoch))
    found = loaded(tmp_path)
    kept = 2 if done == 2 else 3
    wanted = [(r.epoch, r.train_loss) for r in [*RECORDS[:kept], *others[kept:]]]
    assert [(e.step, e.value) for e in found.Scalars("loss/train")] == [(k, np.float32(v)) for k, v in wanted]
    assert [e.step for e in found.Histograms("parameters/conv_weight")] == [1, 2, 3, 4]
    assert len(found.Graph().node) > 0


def test_new_fields_of_a_record_are_told_too(tmp_path):
    @dataclass(frozen=True)
    class Longer(Record):
        perplexity: float = 7.5
        note: str = "x"
        test_top5: float | None = None
        valid_loss: float = 0.25

    with Board(tmp_path) as board:
        board.epoch(Longer(*(getattr(RECORDS[0], n) for n in Record.__dataclass_fields__)))
    found = loaded(tmp_path)
    assert set(found.Tags()["scalars"]) == {*TAGS, "run/perplexity", "loss/valid"}
    assert found.Scalars("run/perplexity")[0].value == 7.5
    assert (tag_of("train_loss"), tag_of("train"), tag_of("lr")) == ("loss/train", "run/train", "run/lr")


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_images_come_back(tmp_path, channels):
    x = np.random.default_rng(0).integers(0, 256, (20, channels, 24, 24), np.uint8)
    with Board(tmp_path) as board:
        board.images(x)
        board.images(np.zeros((5, 7)))
    found = loaded(tmp_path)
    (event,) = found.Images("samples")
    sheet = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    assert sheet.shape == (4 * 26 - 2, 4 * 26 - 2, 3)
    wanted = x[5].transpose(1, 2, 0) if channels == 3 else np.repeat(np.round(x[5].mean(0))[..., None], 3, 2)
    assert np.abs(sheet[26:50, 26:50].astype(int) - wanted).max() <= 1


# The graph


def test_the_graph_comes_back(tmp_path):
    net = tiny.network()
    with Board(tmp_path) as board:
        board.graph(net, {"data": (8, 1, 6, 6)})
    nodes = {n.name: n for n in loaded(tmp_path).Graph().node}
    assert list(nodes["conv"].input) == ["data", "conv/weight"]
    assert nodes["softmax/label"].op == "Placeholder"
    assert (nodes["conv"].op, nodes["data"].op, nodes["conv/weight"].op) == ("Convolution", "Placeholder", "Variable")
    assert nodes["conv"].attr["kernel"].s == b"(3, 3)"
    assert nodes["conv"].attr["num_filter"].s == b"3"
    (shape,) = nodes["conv"].attr["_output_shapes"].list.shape
    assert [d.size for d in shape.dim] == [8, 3, 4, 4]
    assert list(nodes["softmax"].input) == ["fc", "softmax/label"]
    assert {i.split(":")[0] for n in nodes.values() for i in n.input} <= set(nodes)


def test_outputs_other_than_the_first_have_their_number(tmp_path):
    parts = sym.SliceChannel(Variable("data"), num_outputs=3, name="cut")
    with Board(tmp_path) as board:
        board.graph(sym.elemwise_add(parts[2], parts[0], name="sum"), {})
    nodes = {n.name: n for n in loaded(tmp_path).Graph().node}
    assert list(nodes["sum"].input) == ["cut:2", "cut"]
    assert nodes["sum"].attr["_output_shapes"].list.shape[0].unknown_rank


def test_names_are_legal_and_no_two_the_same():
    names = ["a b", "a_b", "a\x00b", "/", "..", "//x//y/", "^c", "-d", "漢字", "x" * 500, "<script>", "a:1"]
    net = Variable("data")
    for name in names:
        net = sym.Activation(net, act_type="relu", name=name)
    found = list(names_of(net).values())
    assert len(found) == len(set(found)) == len(names) + 1
    legal = r"[A-Za-z0-9.][A-Za-z0-9_.\-/]*"
    assert all(re.fullmatch(legal, n) and "//" not in n and n[-1] != "/" for n in found)
    assert plain_name("//x//y/") == "x/y"


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    with pytest.raises(MissingExtraError, match="tensorboardX, of graphnn's extra 'tensorboard'"):
        Board(tmp_path / "x")
    assert not (tmp_path / "x").exists()
