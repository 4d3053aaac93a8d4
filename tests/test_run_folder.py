"""What a run is told and what its folder tells: options, statistics, config.json, log.jsonl; what makes no sense."""

import json
import os

import numpy as np
import pytest

from graphnn.data.datasets import DATASETS, GENERATED
from graphnn.data.scaling import normalizer, statistics
from graphnn.errors import DataNotFoundError, FormatError, ParameterError
from graphnn.models import MODELS
from graphnn.runs import config as configs
from graphnn.runs.config import Config
from graphnn.runs.folder import Meta, Record, new_folder, read_log, write_log
from graphnn.runs.schedule import SCHEDULES
from graphnn.train.optimizer import create

META = Meta(Config.from_mapping({}), ("a", "b"), (1, 6, 6), (0.5,), (0.25,))


# options


def test_every_choice_exists():
    assert [create(name).rate(1) > 0 for name in configs.LEARNING_RATES]
    assert set(configs.SCHEDULES) == SCHEDULES.keys()


@pytest.mark.parametrize("name", configs.PRESETS)
def test_presets_are_configs_of_networks_and_data_that_there_are(name):
    config = Config.from_mapping(configs.PRESETS[name])
    assert config.symbol in MODELS and config.dataset in {**DATASETS, **GENERATED}
    assert {key: getattr(config, key) for key in configs.PRESETS[name]} == configs.PRESETS[name]


def test_a_config_takes_the_rate_of_its_optimiser():
    assert Config.from_mapping({}).lr == 0.1
    assert Config.from_mapping({"optimizer": "adam"}).lr == 0.001
    assert Config.from_mapping({"optimizer": "adam", "lr": 1}).lr == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batchsize": 1}, "unknown option 'batchsize'; did you mean 'batch_size'"),
        ({"zzz": 1}, "unknown option 'zzz'; there are: symbol, dataset"),
        ({"epochs": 1.5}, "epochs must be a whole number, got 1.5"),
        ({"epochs": True}, "epochs must be a whole number, got True"),
        ({"lr": "fast"}, "lr must be a number, got 'fast'"),
        ({"lr": float("nan")}, "lr must be from .* got nan"),
        ({"lr": 0}, "lr must be from 1e-12"),
        ({"momentum": -0.1}, "momentum must be from 0 to 1, got -0.1"),
        ({"batch_size": 0}, "batch_size must be from 1"),
        ({"threads": 100_000}, "threads must be from 1 to 1024"),
        ({"seed": -1}, "seed must be from 0"),
        ({"optimizer": "sdg"}, "optimizer must be one of sgd, nag, .* got 'sdg'"),
        ({"schedule": None}, "schedule must be text, got None"),
        ({"symbol": ""}, "symbol must be text of 1 to 4096 characters"),
    ],
)
def test_wrong_options(values, message):
    with pytest.raises(ParameterError, match=message):
        Config.from_mapping(values)


# images


def test_statistics_are_those_of_numpy():
    x = np.random.default_rng(0).integers(0, 256, (1500, 2, 3, 2), np.uint8)
    mean, std = statistics(x)
    np.testing.assert_allclose(mean, (x / 255).mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, (x / 255).std((0, 2, 3)), rtol=1e-12)
    assert statistics(np.full((2, 1, 3, 3), 51, np.uint8)) == ((0.2,), (1.0,))
    y = normalizer(mean, std)(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 2, 3)), 1, atol=1e-5)
    np.testing.assert_allclose(normalizer(mean, std)(x / 255), y, atol=1e-5)


def test_statistics_of_small_numbers_and_of_large_ones_that_differ_little():
    rng = np.random.default_rng(0)
    x = np.stack([1e-7 * rng.standard_normal(500), 4096 + rng.integers(0, 3, 500) / 1024, np.full(500, 1e9)], 1)
    x = x.astype(np.float32)
    mean, std = statistics(x)
    assert std[2] == 1.0 and Meta(Config.from_mapping({}), ("a", "b"), (3,), mean, std, "rows").check("x") is None
    y = normalizer(mean, std)(x)
    wanted = (x.astype(np.float64) - mean) / std
    np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6)


# folders


def test_a_second_run_has_a_folder_of_its_own(tmp_path):
    assert [new_folder(tmp_path / "runs" / "x").name for _ in range(3)] == ["x", "x-2", "x-3"]
    (tmp_path / "file").touch()
    assert new_folder(tmp_path / "file").name == "file-2"


def test_a_run_does_not_go_beside_a_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ParameterError, match="a run needs a folder"):
        new_folder(tmp_path / "pipe")
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_meta_comes_back(tmp_path):
    META.write(tmp_path)
    assert Meta.read(tmp_path) == META


def test_no_run(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"absent: no run is there: it has no config\.json"):
        Meta.read(tmp_path / "absent")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": []}, "classes: must be a list of 1 to 10000 entries"),
        ({"classes": ["a"] * 10_001}, "classes: must be a list of 1 to 10000 entries"),
        ({"classes": ["a", 3]}, "classes: must be names"),
        ({"classes": ["a" * 201]}, "classes: must be names of up to 200 characters"),
        ({"shape": [1, 6]}, "shape: must be three sizes"),
        ({"shape": [1, 6, 10**9]}, "shape: must be three sizes"),
        ({"shape": [1, 6, True]}, "shape: must be three sizes"),
        ({"mean": [0.1, 0.2]}, "mean: must be a number for each channel"),
        ({"mean": ["0"]}, "mean: must be a number for each channel"),
        ({"std": [0.0]}, "std: must be a positive number"),
        ({"std": None}, "std: must be a list"),
        ({"lr": "x"}, "options: lr must be a number"),
        ({"epochs": 10**19}, "options: epochs must be from 1"),
        ({"hidden": 1}, "options: unknown option 'hidden'"),
    ],
)
def test_a_config_that_makes_no_sense(tmp_path, change, message):
    META.write(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | change))
    with pytest.raises(FormatError, match=f"config.json: {message}"):
        Meta.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "JSON: not JSON"),
        (b"\xff", "byte 0: not UTF-8 text"),
        (b"[1]", "JSON: must be an object"),
        (b"[" * 100_000, "JSON: not JSON"),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", "JSON: a number of 5000 digits"),
        (b" " * (33 << 20), "size: 34603008 bytes, at most 33554432"),
    ],
)
def test_a_config_that_is_no_json(tmp_path, content, message):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        Meta.read(tmp_path)


def test_damaged_configs_are_refused_or_make_sense(tmp_path):
    META.write(tmp_path)
    path, rng = tmp_path / "config.json", np.random.default_rng(3)
    whole = path.read_bytes()
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(0, len(whole), 2):
            content[place] = rng.integers(32, 127)
        path.write_bytes(content)
        try:
            assert len(Meta.read(tmp_path).shape) == 3
        except FormatError as error:
            assert str(error).startswith(str(path))


def test_log_comes_back_and_damaged_lines_are_named(tmp_path):
    records = [Record(k, 0.5, 0.25, 1.5, 0.125, 2.0, 8.0, 0.1) for k in (1, 2)]
    assert read_log(tmp_path) == []
    write_log(tmp_path, records)
    assert read_log(tmp_path) == records
    path = tmp_path / "log.jsonl"
    good = path.read_text().splitlines()
    for bad, message in (
        (good[1].replace("0.25", "null"), "line 2: train_accuracy must be a number, got None"),
        (good[1].replace("0.25", "1e999"), "line 2: train_accuracy must be a number, got inf"),
        (good[0], "line 2: epoch must be 2, got 1"),
        (good[1][:-3], "line 2: not JSON"),
        ("{}", "line 2: must have epoch, train_loss"),
    ):
        path.write_text(f"{good[0]}\n{bad}\n")
        with pytest.raises(FormatError, match=message):
            read_log(tmp_path)
