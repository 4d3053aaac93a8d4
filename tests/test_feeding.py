"""graphnn-bench --feed: training steps on batches as they are made, beside steps on one batch."""

import json

import pytest

from graphnn.tools import feeding
from graphnn.tools.bench import main


def test_each_way_of_feeding_is_timed(capsys, monkeypatch):
    monkeypatch.setattr(feeding, "WORKERS", (0, 1))
    monkeypatch.setattr(feeding, "STEPS", 2)
    arguments = ["--symbol", "lenet", "--feed", "--runs", "1", "--batch", "8", "--backend", "numpy", "--mode", "train"]
    assert main([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [r["fed by"] for r in rows] == ["one batch", "a thread", "1 process"]
    assert rows[0]["ratio"] == 1 and all(r["median_ms"] > 0 and r["augment"] == "crop:4,flip" for r in rows)
    for row in rows:
        assert row["ratio"] == pytest.approx(row["median_ms"] / rows[0]["median_ms"])
    assert feeding.table(rows)[1].split()[:4] == ["lenet", "8", "1", "numpy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--symbol", "lstm-lm", "--batch", "2"], "lstm-lm: --feed changes images"),
        (["--symbol", "lenet", "--feed", "krop:4"], "no transform 'krop', did you mean 'crop'"),
    ],
)
def test_what_cannot_be_fed(arguments, message, capsys):
    feed = [] if "--feed" in arguments else ["--feed"]
    assert main([*arguments, *feed, "--backend", "numpy", "--runs", "1"]) == 1
    assert message in capsys.readouterr().err
