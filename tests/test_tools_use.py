"""graphnn-eval and graphnn-predict: what they print, where it goes, and what they refuse."""

import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image

import graphnn
from graphnn import models, sym
from graphnn.data import load
from graphnn.runs import loop, rows
from graphnn.runs import run as runs
from graphnn.runs.config import Config
from graphnn.tools import eval as eval_tool
from graphnn.tools import predict as predict_tool
from graphnn.tools import train as train_tool
from graphnn.tools.scores import class_table, matrix_table
from graphnn.train.evaluate import evaluate, per_class, wilson

pytestmark = pytest.mark.usefixtures("auto_is_numpy")
SHARED = Path(os.environ.get("GRAPHNN_SHARED", Path(__file__).parent.parent.parent / "shared"))


@contextmanager
def silent(label, total):
    yield lambda values: None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on 20 test images."""
    root = tmp_path_factory.mktemp("run")
    config = {"data_dir": tiny.write_digits(root / "data"), "batch_size": 8, "epochs": 4, "lr": 0.1}
    run = runs.start(Config.from_mapping(config), tiny.network, root / "run")
    loop.train(run, silent, lambda record: None)
    return run.folder


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)


# the measures


def test_measures_from_their_definitions():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 50)
    y = rng.integers(0, 3, 50).astype(np.uint8)  # class 3 is never there
    p[:, 1] = 0  # class 1 is never said
    result = evaluate(p, y)
    chosen = p.argmax(1)
    assert result.accuracy == (chosen == y).mean()
    np.testing.assert_allclose(result.loss, -np.mean([np.log(row[k] + 1e-12) for row, k in zip(p, y, strict=True)]))
    assert result.matrix.tolist() == [[int(((y == i) & (chosen == j)).sum()) for j in range(4)] for i in range(4)]
    scores = per_class(result.matrix, "abcd")
    assert [s.label for s in scores] == list("abcd")
    assert scores[0].precision == (y[chosen == 0] == 0).mean()
    assert scores[2].recall == (chosen[y == 2] == 2).mean()
    assert (scores[1].precision, scores[3].recall) == (None, None)
    assert [s.count for s in scores] == [(y == k).sum() for k in range(4)]


# graphnn-eval


@pytest.mark.parametrize("tool", ["eval", "predict"])
def test_help_has_examples_and_loads_no_numpy(tool):
    code = f"import sys; from graphnn.tools.{tool} import parser; print(parser().format_help(), 'numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("False\n")
    assert f"graphnn-{tool} --run runs/alexnet" in result.stdout


def test_eval_prints_tables_and_draws(folder, capsys):
    assert eval_tool.main(["--run", str(folder)]) == 0
    out, err = capsys.readouterr()
    best = max(r.test_accuracy for r in runs.read_log(folder))
    lines = out.splitlines()
    low, high = wilson(round(best * 20), 20)
    assert lines[0].startswith(f"accuracy {best:.4f} (95% interval {low:.4f} to {high:.4f})  loss ")
    assert lines[2].split() == ["class", "precision", "recall", "count"]
    assert [line.split()[-1] for line in lines[3:13]] == ["2"] * 10
    assert lines[14] == "confusion matrix: rows are true, columns predicted"
    assert lines[15].split() == list("0123456789")
    counts = [[int(n) if n != "." else 0 for n in line.split()[1:]] for line in lines[16:]]
    assert np.trace(counts) == round(best * 20) and np.sum(counts) == 20
    assert err == "20 test images of mnist\n"
    assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_eval_json(folder, capsys, plain):
    assert eval_tool.main(["--run", str(folder), "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    value = json.loads(out)
    assert list(value) == ["accuracy", "interval", "count", "loss", "per_class"]
    assert value["count"] == 20 and value["interval"] == list(wilson(round(value["accuracy"] * 20), 20))
    record = max(runs.read_log(folder), key=lambda r: r.test_accuracy)
    np.testing.assert_allclose([value["accuracy"], value["loss"]], [record.test_accuracy, record.test_loss], rtol=1e-5)
    assert list(value["per_class"][0]) == ["label", "precision", "recall", "count", "roc_area"]
    assert (
        err
        == "drawing confusion.png needs matplotlib, of graphnn's extra 'plot': pip install -e '.[plot]' in a checkout\n"
    )


def test_eval_shows_a_bar_on_a_terminal(folder, plain, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert eval_tool.main(["--run", str(folder)]) == 0
    assert "evaluation:" in terminal.getvalue() and "/20 " in terminal.getvalue()


def test_eval_of_an_epoch_into_another_folder(folder, capsys, tmp_path):
    assert eval_tool.main(["--run", str(folder), "--epoch", "1", "--plots", str(tmp_path / "a" / "b")]) == 0
    assert f"accuracy {runs.read_log(folder)[0].test_accuracy:.4f}" in capsys.readouterr().out
    names = ("activations", "classes", "confusion", "curves", "filters", "mistakes", "roc")
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir()) == [f"{name}.png" for name in names]


def test_plots_need_matplotlib_which_is_said_first(folder, capsys, plain, tmp_path):
    assert eval_tool.main(["--run", str(folder), "--plots", str(tmp_path / "a"), "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and "extra 'plot'" in err
    assert not (tmp_path / "a").exists()


def test_eval_on_other_data(folder, tmp_path, capsys, plain):
    data = tiny.write_digits(tmp_path / "other", test=30, seed=8)
    assert eval_tool.main(["--run", str(folder), "--dataset", "fashion-mnist", "--data-dir", data]) == 0
    assert "30 test images of fashion-mnist" in capsys.readouterr().err


def test_eval_says_what_the_data_lack(folder, capsys, plain, monkeypatch):
    monkeypatch.setattr(rows, "load", lambda *args: replace(load(*args), note="first 1,000 test images only"))
    assert eval_tool.main(["--run", str(folder)]) == 0
    assert "note: first 1,000 test images only\n" in capsys.readouterr().err


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A run on a table of three classes."""
    root = tmp_path_factory.mktemp("table")
    rows = np.random.default_rng(0).normal(size=(200, 3))
    write_table(root / "t.csv", rows, ["cat", "<b>dog", "fish"])
    net = sym.SoftmaxOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc"), name="softmax")
    net.save(str(root / "net-symbol.json"))
    args = ["--symbol", str(root / "net-symbol.json"), "--data", str(root / "t.csv"), "--label", "kind"]
    args += ["--epochs", "8", "--batch-size", "10", "--backend", "numpy", "--quiet", "--output", str(root / "run")]
    assert train_tool.main(args) == 0
    return root / "run"


def write_table(path, rows, names):
    lines = [",".join([*(f"{v:.5f}" for v in row), names[int(row.argmax())]]) for row in rows]
    path.write_text("\n".join(["a,b,c,kind", *lines]) + "\n")


def test_eval_of_ones_own_table(table, tmp_path, capsys):
    assert eval_tool.main(["--run", str(table), "--plots", str(tmp_path / "p")]) == 0
    out, err = capsys.readouterr()
    best = max(r.test_accuracy for r in runs.read_log(table))
    assert out.startswith(f"accuracy {best:.4f} ") and best > 0.7
    assert "20 test rows of t\n" in err and "no mistakes.png: the data are no images\n" in err
    assert {p.stem for p in (tmp_path / "p").iterdir()} >= {"classes", "roc", "curves", "activations"}


def test_eval_of_another_table_goes_by_the_names_of_classes(table, tmp_path, capsys, plain):
    rows = np.random.default_rng(1).normal(size=(300, 3)) - [0, 9, 0]  # no dog: other numbers than the run's
    write_table(tmp_path / "t.csv", rows, ["cat", "<b>dog", "fish"])
    assert eval_tool.main(["--run", str(table), "--data", str(tmp_path / "t.csv"), "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    counts = {row["label"]: row["count"] for row in found["per_class"]}
    assert counts["<b>dog"] == 0 and counts["cat"] + counts["fish"] == 30 and found["accuracy"] > 0.7


def test_eval_says_which_data_do_not_fit(table, folder, tmp_path, capsys):
    rows = np.random.default_rng(1).normal(size=(30, 3))
    write_table(tmp_path / "t.csv", rows, ["cat", "cow", "fish"])
    for args, message in (
        (["--run", str(table), "--data", str(tmp_path / "t.csv")], "t: the network knows no class 'cow'"),
        (["--run", str(folder), "--data", str(tmp_path / "t.csv")], "t has 3 classes and rows (3,), the network 10"),
        (["--run", str(table), "--dataset", "mnist"], "mnist has 10 classes and images (1, 28, 28), the network 3"),
        (["--run", str(table), "--data-dir", "x"], "the run's data are one's own: --data says where others are"),
    ):
        assert eval_tool.main([*args, "--quiet"]) == 1
        assert f"error: {message}" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--run", "absent"], "absent: no run is there"),
        (["--epoch", "77"], "model-0077.params: No such file or directory"),
        (["--dataset", "mnits"], "no data set is called 'mnits'"),
        (["--report", "absent/r.html"], "absent/r.html: No such file or directory"),
        (
            ["--data-dir", str(Path(graphnn.data.__file__).parent)],
            r"mnist has 10 classes and images (1, 28, 28), the net",
        ),
    ],
)
def test_eval_failures_are_one_line(folder, args, message, capsys):
    assert eval_tool.main(["--run", str(folder), *args]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and message in err and err.count("\n") == 1


def test_a_run_without_an_epoch_and_a_file_for_a_folder(folder, tmp_path, capsys):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert eval_tool.main(["--run", str(tmp_path), "--quiet"]) == 1
    assert "no epoch of the run is finished yet: there are no best parameters" in capsys.readouterr().err
    assert eval_tool.main(["--run", str(folder), "--plots", str(tmp_path / "config.json"), "--quiet"]) == 1
    assert capsys.readouterr().err.endswith("config.json: is a file, give a folder\n")


@pytest.mark.parametrize("tool", [eval_tool, predict_tool])
def test_wrong_arguments(tool, capsys):
    options = (["--epoch", "y", "z"], ["--epoch", "-1", "z"], ["--threads", "0", "z"], ["--max-memory", "1.5", "z"])
    for args in ([], ["--run"], *(["--run", "x", *more] for more in options)):
        with pytest.raises(SystemExit) as caught:
            tool.main(args)
        assert caught.value.code == 2
    assert "usage: graphnn-" in capsys.readouterr().err


def test_hostile_class_names_do_not_reach_the_terminal():
    scores = per_class(np.eye(2, dtype=int), ["a\x1b[31m", "$\\frac{$"])
    text = "\n".join([*class_table(scores), *matrix_table(np.eye(2, dtype=int), ("a\x1b[2J", "b"))])
    assert "\x1b" not in text and "a?[31m" in text


def test_hostile_class_names_are_drawn_as_they_are(tmp_path):
    from graphnn.viz.pictures import save_confusion

    save_confusion(tmp_path / "x.png", np.eye(3, dtype=int), ["$\\frac{$", "a\x1b[2J\n" * 50, "漢\u202e字"])
    assert (tmp_path / "x.png").stat().st_size > 1000


# graphnn-predict


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Pictures of the tiny test digits, and files that are none."""
    monkeypatch.chdir(tmp_path)
    images = load("mnist", tiny.write_digits(tmp_path / "data")).test_x
    for k in (0, 1, 2):
        Image.fromarray(images[k, 0]).save(f"{k}.png")
    Path("bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.new("L", (9, 9), 77).save("blank.png")
    return images


def test_predict_prints_a_table(folder, pictures, capsys):
    assert predict_tool.main(["--run", str(folder), "0.png", "1.png", "0.png", "--top", "2"]) == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["file", "label", "probability", "label", "probability"]
    assert [line[0] for line in lines[1:]] == ["0.png", "1.png", "0.png"]
    assert float(lines[1][2]) >= float(lines[1][4])
    assert err == ""


def test_predict_json_is_what_the_predictor_says(folder, pictures, capsys):
    from graphnn.data.pictures import prepare, read

    assert predict_tool.main(["--run", str(folder), "2.png", "1.png", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    predictor = graphnn.load(folder)
    x = np.stack([prepare(read(row["file"]), (1, 6, 6), "mnist") for row in rows])
    p = predictor.predict(x)
    assert [row["label"] for row in rows] == [predictor.classes[k] for k in p.argmax(1)]
    np.testing.assert_allclose([row["probability"] for row in rows], p.max(1), rtol=1e-6)
    assert [list(row) for row in rows] == [["file", "label", "probability"]] * 2


def test_broken_pictures_are_told_and_the_others_done(folder, pictures, capsys):
    names = ["bad.png", "1.png", "absent.png", "blank.png", ".", "2.png"]
    assert predict_tool.main(["--run", str(folder), *names]) == 1
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["file", "1.png", "2.png"]
    assert err.splitlines() == [
        "error: bad.png: picture: no PNG, JPEG, BMP, WEBP, GIF file",
        "error: absent.png: No such file or directory",
        "error: blank.png: nothing is drawn in it: it is of one colour",
        "error: .: file: not a regular file",
    ]


def test_json_of_nothing_but_broken_pictures(folder, pictures, capsys):
    assert predict_tool.main(["--run", str(folder), "bad.png", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == []


def test_a_name_that_would_steer_the_terminal(folder, pictures, capsys):
    Path("0.png").rename("a\x1b[31mb.png")
    assert predict_tool.main(["--run", str(folder), "a\x1b[31mb.png", "no\n\x1b.png"]) == 1
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err and "a?[31mb.png" in out and err.count("\n") == 1


def test_predict_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        predict_tool.main(["--run", "x", "y.png", "--top", "0"])
    assert caught.value.code == 2
    assert "--top must be at least 1, got 0" in capsys.readouterr().err


@pytest.mark.slow
def test_digits_written_by_hand_after_one_epoch_of_alexnet(tmp_path, capsys):
    samples = SHARED / "data" / "samples"
    if not samples.is_dir():
        pytest.skip(f"no samples in {samples}: set GRAPHNN_SHARED")
    config = Config.from_mapping({"epochs": 1})
    run = runs.start(config, lambda n: models.get("alexnet", n), tmp_path / "run")
    (record,) = loop.train(run, silent, lambda record: None)
    assert record.test_accuracy > 0.97
    for folder in ("mnist-by-hand", "mnist-test"):
        files = [str(samples / folder / f"img{k}.png") for k in range(10)]
        assert predict_tool.main(["--run", str(run.folder), "--json", *files]) == 0
        labels = [row["label"] for row in json.loads(capsys.readouterr().out)]
        assert sum(label == str(k) for k, label in enumerate(labels)) >= 9, labels
