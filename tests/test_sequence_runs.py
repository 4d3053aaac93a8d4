"""Runs on text and on strips: measured, drawn, reported, and used; none of it needs a trained network."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from graphnn import models
from graphnn.data.pictures import prepare
from graphnn.data.strings import decode, load_strings
from graphnn.data.text import entropy, load_text
from graphnn.errors import ParameterError
from graphnn.model import save_checkpoint
from graphnn.predictor import Trained
from graphnn.runner import Runner, read_strips
from graphnn.runs.config import Config
from graphnn.runs.folder import BEST, Meta, Record
from graphnn.runs.score import TALLIES
from graphnn.tools import eval as eval_tool
from graphnn.tools import predict as predict_tool
from graphnn.tools.subjects import subject_of
from graphnn.train.evaluate import wilson
from graphnn.train.sequences import edits, score_strips, text_of
from graphnn.viz.pictures.gallery import save_all
from graphnn.viz.report import write_report

pytestmark = pytest.mark.usefixtures("auto_is_numpy")
RECORD = Record(1, 1.0, 0.5, 1.0, 0.5, 1.0, 1.0, 0.1)


def trained_of(symbol, data, config=None):
    """A network of random parameters for data."""
    shape = data.test_x.shape[1:]
    rng = np.random.default_rng(0)
    shapes, _, _ = symbol.infer_shape(data=(1, *shape))
    named = zip(symbol.list_arguments(), shapes, strict=True)
    arg = {n: rng.normal(size=s).astype(np.float32) for n, s in named if n not in ("data", "softmax_label")}
    scale = ((0.1,), (0.3,)) if data.kind == "strings" else ((), ())
    return Trained(symbol, Meta(config or Config(), data.classes, shape, *scale, data.kind), arg, {})


@pytest.fixture(scope="module")
def text():
    data = load_text(t=12, rows=70)
    symbol = models.get("lstm-lm", len(data.classes), embedding=4, hidden=6, layers=1)
    return trained_of(symbol, data, Config(dataset="text")), data


@pytest.fixture(scope="module")
def strips():
    data = load_strings(2, 60, longest=2, width=48)
    symbol = models.get("lstm-ctc", hidden=5, layers=1, longest=2)
    return trained_of(symbol, data, Config(dataset="digit-strings")), data


@pytest.fixture(params=["text", "strips"])
def either(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def folder(either, tmp_path, monkeypatch):
    """A run folder, whose data are those."""
    trained, data = either
    root = tmp_path / "run"
    root.mkdir()
    trained.meta.write(root)
    save_checkpoint(str(root / BEST), 0, trained.symbol, trained.arg, trained.aux)
    monkeypatch.setattr("graphnn.runs.rows.load", lambda name, where: data)
    monkeypatch.setattr("graphnn.viz.report.sections.find_renderer", lambda: None)  # a second less
    return root


# The numbers


def test_scores_are_those_of_the_training_loop(either):
    """The sums that a run's log is made of, computed with all rows in one batch."""
    trained, data = either
    x, y = data.test_x, data.test_y
    (outputs,) = Runner(trained, rows=len(x)).run(x, y)
    tally = TALLIES[data.kind](outputs, y.astype(np.float32), 0)
    score = subject_of(trained, [], data, "numpy", 1).score
    right = score.exact if data.kind == "strings" else score.accuracy
    np.testing.assert_allclose([score.loss, right], [tally.loss / tally.rows, tally.right / tally.rows], rtol=1e-5)


def test_the_least_perplexity_is_that_of_the_sums(text):
    trained, data = text
    subject = subject_of(trained, [], data, "numpy", 1)
    rows = ["".join(data.classes[k] for k in [*x, y[-1]]) for x, y in zip(data.test_x, data.test_y, strict=True)]
    assert subject.score.least_perplexity == pytest.approx(math.exp(entropy(rows)))
    assert len(subject.sample) == 301 and subject.losses.shape == data.test_y.shape


def test_scores_of_strips():
    s = score_strips([(1, 2), (3,), (), (4, 4)], [(1, 2), (3, 5), (6,), (4, 4)], np.array([0.0, 1, 2, 1]))
    assert (s.exact, s.interval, s.count, s.loss) == (0.5, wilson(2, 4), 4, 1.0)
    assert (s.errors, s.characters) == (2 / 7, 7)
    for a, b, n in (("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("flaw", "lawn", 2), ("a", "a", 0)):
        assert edits(a, b) == n
    assert text_of([3, 1, 0, 2], "abc") == "ca"


def test_a_batch_that_is_not_full_changes_nothing(strips):
    trained, data = strips
    runner = Runner(trained, rows=7)
    x, y = data.test_x[:10], data.test_y[:10]
    parts = [np.concatenate(p) for p in zip(*runner.run(x, y), strict=True)]
    (whole,) = Runner(trained, rows=10).run(x, y)
    for a, b in zip(parts, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    texts = read_strips(runner, x)
    assert [t for t, _ in texts] == [text_of(n, data.classes) for n in decode(whole[1])]
    np.testing.assert_allclose([p for _, p in texts], whole[1].max(-1).prod(-1), rtol=1e-3)
    with pytest.raises(ParameterError, match=r"the network reads rows of \(1, 28, 48\), got \(1, 28, 50\)"):
        next(runner.run(np.zeros((1, 1, 28, 50))))


# The commands


def test_eval_draws_and_reports(folder, either, tmp_path, capsys, page):
    args = ["--run", str(folder), "--plots", str(tmp_path / "p"), "--report", str(tmp_path / "r.html")]
    assert eval_tool.main(args) == 0
    out, err = capsys.readouterr()
    kind = either[1].kind
    assert out.startswith("perplexity" if kind == "text" else "strips read exactly")
    assert "places.png" in {p.name for p in (tmp_path / "p").iterdir()} or kind == "strings"
    (line,) = (x for x in err.splitlines() if "confusion.png" in x)
    assert line.endswith("roc.png, mistakes.png, activations.png: they are of networks that tell classes") == (
        kind == "text"
    )
    page.goto((tmp_path / "r.html").as_uri())
    shown = page.inner_text("main")
    assert ("What it writes" if kind == "text" else "Worst-read strips") in shown and "nan" not in shown
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_eval_json(folder, either, capsys):
    assert eval_tool.main(["--run", str(folder), "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    kinds = {
        "text": ["accuracy", "count", "loss", "perplexity", "least_perplexity"],
        "strings": ["exact", "interval", "count", "loss", "character_errors", "characters", "worst"],
    }
    assert list(found) == kinds[either[1].kind]


def test_what_is_no_number_is_null_and_said(folder, either, capsys):
    """Weights that are not finite, as of a run that was stopped too late."""
    trained, _ = either
    bad = {n: np.full_like(a, np.nan) for n, a in trained.arg.items()}
    save_checkpoint(str(folder / BEST), 0, trained.symbol, bad, trained.aux)
    assert eval_tool.main(["--run", str(folder), "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out, parse_constant=pytest.fail)["loss"] is None
    assert "warning: the network's outputs are not all finite numbers: the rest says little" in err.splitlines()


def test_another_text_is_told_by_its_characters(tmp_path, capsys):
    """The same text, whose own vocabulary is smaller, has the same numbers."""
    symbol = models.get("lstm-lm", 4, embedding=4, hidden=6, layers=1)
    (tmp_path / "a.txt").write_text("abcd" + "cadb" * 200)
    (tmp_path / "b.txt").write_text("bd" * 400)
    (tmp_path / "c.txt").write_text("bx" * 400)
    own = trained_of(symbol, load_text(tmp_path / "a.txt"), Config(data=str(tmp_path / "a.txt")))
    own.meta.write(tmp_path)
    save_checkpoint(str(tmp_path / BEST), 0, own.symbol, own.arg, own.aux)
    assert eval_tool.main(["--run", str(tmp_path), "--data", str(tmp_path / "b.txt"), "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    other = load_text(tmp_path / "b.txt")
    x, y = (2 * a + 1 for a in (other.test_x, other.test_y))  # b and d of a, b, c, d
    p = np.concatenate([out for (out,) in Runner(own).run(x)])
    wanted = -np.log(p[np.arange(y.size), y.reshape(-1)] + 1e-12).mean()
    assert found["loss"] == pytest.approx(wanted, rel=1e-5) and found["least_perplexity"] is None
    assert eval_tool.main(["--run", str(tmp_path), "--data", str(tmp_path / "c.txt"), "--quiet"]) == 1
    assert capsys.readouterr().err == "error: c: the network knows no class 'x'\n"


def test_predict_reads_strips_and_refuses_a_picture_for_a_text(folder, either, tmp_path, capsys):
    trained, data = either
    Image.fromarray(np.pad(255 - load_strings(1, 1, 2, 48).test_x[0, 0], 9, constant_values=255)).save(
        tmp_path / "a.png"
    )
    code = predict_tool.main(
        ["--run", str(folder), str(tmp_path / "a.png"), str(tmp_path / "a.png"), "--json", "--quiet"]
    )
    out, err = capsys.readouterr()
    if data.kind == "text":
        assert code == 1 and err == "error: the run's network reads text: give it a beginning with --prompt\n"
        return
    rows = json.loads(out)
    assert code == 0 and len(rows) == 2 and list(rows[0]) == ["file", "text", "probability"]
    image = prepare(Image.open(tmp_path / "a.png"), trained.shape, "digit-strings")
    assert rows[0]["text"] == read_strips(Runner(trained), image[None])[0][0]


def test_a_picture_of_a_strip_is_brought_to_the_form_of_those_trained_on():
    """Dark on light, large, off the middle: what comes out is near the strip, moved to the middle."""
    strip = load_strings(1, 1, longest=5, width=112, shortest=5, seed=3).test_x[0]
    large = Image.fromarray(255 - np.pad(strip[0], ((30, 10), (5, 60)))).resize((177 * 5, 68 * 5))
    found = prepare(large, (1, 28, 112), "digit-strings")
    columns, wanted = (np.flatnonzero(a[0].max(0) > 60) for a in (found, strip))
    assert abs(np.ptp(columns) - np.ptp(wanted)) < 12 and abs(columns.mean() - 56) < 8
    rows = np.flatnonzero(found[0].max(1) > 60)
    assert 19 <= np.ptp(rows) <= 24 and found.max() == 255


def test_a_long_sample_is_shown_whole_and_in_lines(text, tmp_path, page, monkeypatch):
    monkeypatch.setattr("graphnn.viz.report.sections.find_renderer", lambda: None)
    trained, data = text
    sample = "a line & another\n" * 30 + "b" * 700
    subject = replace(subject_of(trained, [], data, "numpy", 1), sample=sample)
    page.goto(write_report(tmp_path, trained, [], subject).as_uri())
    assert page.evaluate("document.querySelector('pre').textContent") == sample


# Hostile names


def test_hostile_characters_are_text(strips, tmp_path, page, monkeypatch):
    monkeypatch.setattr("graphnn.viz.report.sections.find_renderer", lambda: None)
    trained, data = strips
    evil = ("<script>alert(1)</script>", "$\\frac{$", "a\x1b[2J", *"3456789")
    bad = trained._replace(meta=Meta(Config(), evil, trained.shape, (0.1,), (0.3,), "strings"))
    subject = subject_of(bad, [RECORD], data, "numpy", 1)
    assert all(why == "" for name, why in save_all(tmp_path, subject) if name in ("curves.png", "mistakes.png"))
    page.goto(write_report(tmp_path, bad, [RECORD], subject).as_uri())
    assert page.query_selector("script") is None
    assert "<script>" in page.inner_text("main")
