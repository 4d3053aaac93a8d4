"""graphnn-train --show-augmentation and --find-lr: what is done in place of training."""

import io
import json

import numpy as np
import pytest
import tiny
from PIL import Image

from graphnn.data import load
from graphnn.runs import rows
from graphnn.tools.train import main

FACTOR, GAP = 11, 4
SIDE = 6 * FACTOR  # of an image of 6 x 6


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = tiny.write_network(tmp_path / "net-symbol.json")
    data = tiny.write_digits(tmp_path / "data")
    return ["--symbol", network, "--data-dir", data, "--batch-size", "8", "--backend", "numpy", "--quiet"]


def cell(sheet, row, column):
    top, left = (GAP + k * (SIDE + GAP) for k in (row, column))
    return sheet[top : top + SIDE : FACTOR, left : left + SIDE : FACTOR]


@pytest.mark.parametrize(("text", "told"), [([], "shift:2"), (["--augment", "rotate:90,shift:3"], "rotate:90,shift:3")])
def test_the_sheet_shows_images_and_what_becomes_of_them(command, tmp_path, capsys, text, told):
    assert main([*command, *text, "--show-augmentation", "new.png", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["picture"] == "new.png" and told in found["augment"] and found["augment"] in err
    first = (tmp_path / "new.png").read_bytes()
    sheet = np.asarray(Image.open(io.BytesIO(first)))
    assert sheet.shape == (8 * (SIDE + GAP) + GAP, 12 * (SIDE + GAP) + GAP)
    images = load("mnist", data_dir=tmp_path / "data").train_x
    for row in range(8):
        np.testing.assert_array_equal(cell(sheet, row, 0), images[row, 0])
    assert sum((cell(sheet, row, c) != images[row, 0]).any() for row in range(8) for c in range(1, 12)) > 60
    assert main([*command, *text, "--show-augmentation", "new.png"]) == 0
    assert (tmp_path / "new.png").read_bytes() == first  # the seed says what is drawn


def test_rows_of_numbers_have_no_augmentation_to_show(command, tmp_path, capsys):
    np.savez("rows.npz", x=np.ones((40, 3), np.float32), y=np.arange(40) % 2)
    assert main(["--symbol", "mlp", "--data", "rows.npz", "--show-augmentation", "new.png", "--quiet"]) == 1
    assert capsys.readouterr().err == "error: augment changes images; the data are rows\n"


def test_the_search_for_a_rate_is_drawn_and_told(command, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main([*command, "--find-lr", "lr.png"]) == 0
    said = capsys.readouterr().out
    assert main([*command, "--find-lr", "lr.png", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert said == f"--lr {found['lr']:.2g}\n"
    assert len(found["rates"]) == len(found["losses"]) and 1e-6 < found["lr"] < 10
    with Image.open(io.BytesIO((tmp_path / "lr.png").read_bytes())) as picture:
        picture.verify()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("action", ["--find-lr", "--show-augmentation"])
def test_a_picture_for_which_there_is_no_folder_is_told_before_the_work(command, monkeypatch, capsys, action):
    monkeypatch.setattr(rows, "load", None)  # what would be called first
    assert main([*command, action, "none/lr.png"]) == 1
    assert capsys.readouterr().err == "error: none/lr.png: No such file or directory\n"
