"""report.html in a real browser: its numbers are the log's, hostile names stay text, it is whole in itself."""

import base64
import json
import re
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import tiny

from graphnn import Variable, models, sym
from graphnn.predictor import load
from graphnn.runs.config import Config
from graphnn.runs.folder import Record, read_log
from graphnn.tools import eval as eval_tool
from graphnn.tools import train as train_tool
from graphnn.train.evaluate import wilson
from graphnn.viz.renderer import find_renderer
from graphnn.viz.report import write_report
from graphnn.viz.report.charts import lines, matrix, ticks
from graphnn.viz.report.markup import Html, data_url, number, page, tag
from graphnn.viz.subject import Subject

EVIL = [
    "<script>alert(1)</script>", "</style><img src=x onerror=alert(2)>", "&lt;b&gt;", "\"' onmouseover='alert(3)",
    "javascript:alert(4)", "]]><svg onload=alert(5)>", "a\x1b[2J\u202eb", "{{7*7}}", "x" * 199, "漢字",
]  # fmt: skip


def hostile_network(classes=10):
    net = sym.Convolution(Variable("data"), kernel=(3, 3), num_filter=3, name=EVIL[0])
    net = sym.Activation(net, act_type="relu", name=EVIL[1])
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=classes, name=EVIL[3]), name="softmax")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of three epochs, of a network and of classes with hostile names."""
    root = tmp_path_factory.mktemp("runs")
    hostile_network().save(str(root / "net-symbol.json"))
    data = tiny.write_digits(root / "data", test=40)
    args = ["--symbol", str(root / "net-symbol.json"), "--data-dir", data, "--batch-size", "8", "--epochs", "3"]
    out = root / "<b onclick=alert(6)>&amp;"
    assert train_tool.main([*args, "--backend", "numpy", "--quiet", "--output", str(out)]) == 0
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(config | {"classes": EVIL}))
    (out / "environment.jsonl").write_text(json.dumps({"python": "3", EVIL[0]: [EVIL[1], None, True, 0.5]}) + "\n")
    return out


@pytest.fixture(scope="module")
def subject(folder):
    from graphnn.data import load as load_data

    predictor = load(folder)
    data = load_data("mnist", str(folder.parent / "data"))
    return Subject.of(predictor, read_log(folder), data.test_x, data.test_y)


def cells(page, table):
    """The whole numbers of a table, row by row."""
    script = "rows => rows.map(r => [...r.querySelectorAll('data')].map(d => Number(d.value)))"
    return page.eval_on_selector_all(f"#{table} tbody tr", script)


def opened(page, path):
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    return page


def test_its_numbers_are_those_of_the_log_and_of_the_data(page, folder, subject):
    opened(page, write_report(folder, subject.predictor, subject.records, subject))
    names = [f.name for f in fields(Record)]
    assert cells(page, "log") == [[getattr(r, n) for n in names] for r in read_log(folder)]
    right = int((subject.probabilities.argmax(1) == subject.labels).sum())
    shown = page.eval_on_selector_all(".cards data", "ds => ds.map(d => Number(d.value))")
    assert shown[0] == right / 40 and shown[2] == 40
    low, high = wilson(right, 40)
    assert f"95% interval {low:.2%} to {high:.2%}" in page.inner_text(".cards")
    best = max(subject.records, key=lambda r: r.test_accuracy)
    assert shown[3:] == [best.epoch, sum(r.seconds for r in subject.records)]
    counts = page.eval_on_selector_all(".matrix .count", "ts => ts.map(t => Number(t.textContent))")
    assert counts == subject.result.matrix[subject.result.matrix > 0].tolist()
    assert [row[-1] for row in cells(page, "classes")] == subject.result.matrix.sum(1).tolist()
    points = page.eval_on_selector_all(".chart:first-child circle title", "ts => ts.map(t => t.textContent)")
    assert points[:3] == [f"test, epoch {r.epoch}: {r.test_loss:.6g}" for r in subject.records]


def test_what_scrolls_is_reached_and_named_by_keyboard(page, folder, subject):
    opened(page, write_report(folder, subject.predictor, subject.records, subject))
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    names = []
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(page.evaluate("(e => e.ariaLabel || e.textContent)(document.activeElement)"))
    wanted = ["classes", "confusion matrix", "layers", "options", "environment"]
    assert [n for n in dict.fromkeys(names) if n in wanted] == wanted


def test_hostile_names_are_text(page, folder, subject):
    opened(page, write_report(folder, subject.predictor, subject.records, subject))
    assert page.query_selector("script, [onclick], [onerror], [onload], [onmouseover], a, iframe") is None
    assert page.inner_text("h1") == folder.name
    names = page.eval_on_selector_all("#classes tbody th", "ts => ts.map(t => t.textContent)")
    assert names == [n.replace("\x1b", " ").replace("\u202e", " ") for n in EVIL]
    layers = page.eval_on_selector_all("#layers tbody th", "ts => ts.map(t => t.textContent)")
    assert {EVIL[0], EVIL[1], EVIL[3]} <= set(layers)
    assert page.inner_text("#environment tbody tr:nth-child(2)").split("\t") == [EVIL[0], f"{EVIL[1]}, -, yes, 0.5"]
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(page, folder, subject, scheme):
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    opened(page, write_report(folder, subject.predictor, subject.records, subject))
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    colours = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    light = [sum(map(int, re.findall(r"\d+", c))) > 384 for c in colours]
    assert light == [scheme == "dark", scheme == "light"]


def test_what_is_not_there_is_left_out(page, folder, subject, tmp_path, monkeypatch):
    monkeypatch.setattr("graphnn.viz.report.sections.find_renderer", lambda: None)
    right = np.eye(10, dtype=np.float32)[subject.labels]
    bare = Subject(subject.predictor, [], subject.inputs.reshape(40, -1), subject.labels, right)
    opened(page, write_report(tmp_path, bare.predictor, bare.records, bare))
    text = page.inner_text("main")
    for said in ("The run has no log.", "The data are no images.", "there is no Graphviz here"):
        assert said in text
    assert page.query_selector("#log") is page.query_selector("#environment") is None


def test_own_data_by_name_and_a_deep_network_with_its_repeats_closed(page, subject, tmp_path):
    meta = replace(subject.predictor.meta, config=Config(symbol="/x/deep.json", data="/x/y/flowers.csv", label="kind"))
    deep = SimpleNamespace(symbol=models.get("resnet-32"), shape=(1, 28, 28), meta=meta)
    opened(page, write_report(tmp_path, deep, [], None))
    assert page.inner_text("header p") == "deep.json on flowers.csv"
    names = page.eval_on_selector_all("#options tbody th", "ts => ts.map(t => t.textContent)")
    assert {"data", "label"} <= set(names) and not {"dataset", "data_dir"} & set(names)
    assert page.query_selector("a[href], [src]:not([src^='data:'])") is None
    if find_renderer() is not None:
        drawing = page.get_attribute("img.network", "src").partition(",")[2]
        assert "x 5: block of" in base64.b64decode(drawing).decode()


def test_many_classes_have_no_matrix(page, subject, tmp_path):
    class Many:
        classes, symbol, shape, meta = (
            tuple(map(str, range(300))),
            *(getattr(subject.predictor, name) for name in ("symbol", "shape", "meta")),
        )

    rng = np.random.default_rng(0)
    p, y = rng.dirichlet(np.ones(300), 500).astype(np.float32), rng.integers(0, 300, 500)
    opened(page, write_report(tmp_path, Many(), [], Subject(Many(), [], np.zeros((500, 3)), y, p)))
    assert page.query_selector(".matrix") is None and len(cells(page, "classes")) == 300
    assert page.eval_on_selector_all("h3", "hs => hs.map(h => h.textContent)")[-1] == "Most frequent mistakes"


def test_eval_writes_it(folder, tmp_path, capsys):
    assert eval_tool.main(["--run", str(folder), "--report", str(tmp_path / "r.html"), "--quiet"]) == 0
    text = (tmp_path / "r.html").read_text("utf-8")
    assert text.startswith("<!doctype html>\n") and "<script" not in text
    assert not list(tmp_path.glob("*.png"))
    assert eval_tool.main(["--run", str(folder), "--report", str(tmp_path / "no" / "r.html"), "--quiet"]) == 1
    assert "No such file or directory" in capsys.readouterr().err


# The parts


def test_only_markup_is_markup():
    assert tag("p", "<b>", tag("i", "&"), data_n=None) == "<p>&lt;b&gt;<i>&amp;</i></p>"
    assert tag("p", class_='"x"') == '<p class="&quot;x&quot;"></p>'
    assert isinstance(tag("p"), Html)
    assert number(0.1 + 0.2) == '<data value="0.30000000000000004">0.3</data>'
    assert data_url(b"ab", "image/png") == "data:image/png;base64,YWI="
    assert page("</title><script>", "", tag("p")).count("<script") == 0


def test_ticks_are_round_and_within():
    for low, high in ((0, 1), (0.973, 0.9912), (1, 300), (-3e-5, 8e-5), (12, 13)):
        found = ticks(low, high)
        assert 2 <= len(found) <= 6
        assert low - 1e-9 <= found[0] and found[-1] <= high + 1e-9
        step = found[1] - found[0]
        np.testing.assert_allclose(np.diff(found), step)
        assert f"{step:.12e}"[0] in "125"
    assert ticks(2, 2) == [2]


def test_lines_leave_out_what_is_not_finite():
    drawn = lines("loss", "", [1, 2, 3], {"test": [1.0, float("nan"), float("inf")]})
    assert drawn.count("<circle") == 1 and "nan" not in drawn and "inf" not in drawn
    assert "<polyline" in lines("loss", "", [], {"test": []})
    assert "<polyline" in lines("rate", "", [1], {"rate": [0.0]})


def test_a_matrix_shows_large_counts_short():
    drawn = matrix(np.array([[123456, 1], [0, 9999]]), ["a", "b"])
    assert ">123k<" in drawn and ">9999<" in drawn and "a taken for a: 123456" in drawn
