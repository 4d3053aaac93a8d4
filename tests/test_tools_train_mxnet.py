"""graphnn-train by the names of options that MXNet's example scripts have."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

from graphnn.errors import ParameterError
from graphnn.model import load_checkpoint, load_params
from graphnn.runs.config import Config
from graphnn.runs.folder import Meta, read_log
from graphnn.tools.train import main


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The arguments of a small run, by MXNet's names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    network, data = tiny.write_network(tmp_path / "net-symbol.json"), tiny.write_digits(tmp_path / "data")
    return ["--network", network, "--data-dir", data, "--batch-size", "8", "--lr", "0.1", "--backend", "numpy"]


def test_flags_of_mxnets_scripts(command, capsys):
    flags = "--num-epochs 3 --lr-factor 0.5 --lr-step-epochs 1,2 --mom 0.8 --kv-store device --disp-batches 2"
    assert main([*command, *flags.split(), "--model-prefix", "mine"]) == 0
    err = capsys.readouterr().err
    assert "note: --kv-store device is ignored" in err
    assert "epoch 1/3: batch 2/" in err and "accuracy" in err
    config = Meta.read(Path("runs/net")).config
    assert (config.epochs, config.lr_factor, config.schedule, config.momentum) == (3, 0.5, "step", 0.8)
    assert [r.learning_rate for r in read_log(Path("runs/net"))] == pytest.approx([0.1, 0.05, 0.025])
    for epoch in (1, 2, 3):
        ours, _ = load_params("runs/net/model", epoch)
        symbol, theirs, _ = load_checkpoint("mine", epoch)
        assert symbol.list_arguments()
        for name, x in ours.items():
            np.testing.assert_array_equal(theirs[name], x)


def test_load_epoch_goes_on_from_there(command):
    assert main([*command, "--num-epochs", "2", "--model-prefix", "mine", "--quiet"]) == 0
    more = ["--num-epochs", "3", "--model-prefix", "mine", "--load-epoch", "2", "--lr-step-epochs", "1,2"]
    assert main([*command, *more, "--output", "more", "--quiet", "--json"]) == 0
    records = read_log(Path("more"))
    assert len(records) == 1
    assert records[0].learning_rate == pytest.approx(0.001)  # 0.1, a tenth after either epoch that is done
    before, after = load_params("mine", 2)[0], load_params("mine", 3)[0]
    moved = max(float(np.abs(after[n] - x).max()) for n, x in before.items())
    assert 0 < moved < 0.05  # from where they were, not from the beginning
    assert json.loads(Path("more/config.json").read_text())["load_epoch"] == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"load_epoch": 1}, "needs model_prefix"),
        ({"load_epoch": 3, "epochs": 3, "model_prefix": "x"}, "nothing to train: load_epoch is 3"),
        ({"lr_step_epochs": "10,5", "schedule": "step"}, "lr_step_epochs must increase"),
        ({"lr_step_epochs": "ten", "schedule": "step"}, "lr_step_epochs must increase"),
        ({"lr_step_epochs": "10"}, "goes with schedule 'step'"),
        ({"lr_factor": 2.0}, "lr_factor must be from 0 to 1"),
    ],
)
def test_wrong_values(values, message):
    with pytest.raises(ParameterError, match=message):
        Config.from_mapping(values)


def test_a_missing_checkpoint_is_one_line(command, capsys):
    assert main([*command, "--model-prefix", "none", "--load-epoch", "1"]) == 1
    assert "none-0001.params: No such file" in capsys.readouterr().err
