"""Beginning with the weights of another training, from every kind of file, and freezing some."""

import shutil

import numpy as np
import pytest
import tiny
from test_recipes import begun, silent

from graphnn.errors import DataNotFoundError, FormatError, ParameterError
from graphnn.formats import npz
from graphnn.model import load_params
from graphnn.runs import loop
from graphnn.runs import run as runs
from graphnn.runs.config import Config
from graphnn.runs.pretrained import Weights, fitting, frozen


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    run = begun(tmp_path_factory.mktemp("old") / "run", batch_size=8, epochs=1)
    loop.train(run, silent, lambda record: None)
    return run.folder


def own_data(path, classes=3):
    rng = np.random.default_rng(0)
    npz.save(path, {"x": rng.integers(0, 99, (40, tiny.SIDE, tiny.SIDE), np.uint8), "y": np.arange(40) % classes})
    return str(path)


@pytest.mark.parametrize("form", ["run", "params", "named.npz", "plain.npz", "plain.safetensors"])
def test_every_kind_of_file(tmp_path, old, form):
    arg, aux = load_params(str(old / "best"), 0)
    path = tmp_path / form
    if form == "run":
        shutil.copytree(old, path)
    elif form == "params":
        shutil.copy(old / "best-0000.params", path := tmp_path / "best.params")
    elif form == "named.npz":
        npz.save(path, {f"arg:{n}": a for n, a in arg.items()})
    elif form == "plain.npz":
        npz.save(path, {**arg, **aux})
    else:
        pytest.importorskip("safetensors.numpy").save_file(arg, path)
    run = begun(tmp_path / "new", batch_size=8, pretrained=str(path))
    for name, array in run.module.get_params()[0].items():
        np.testing.assert_array_equal(array, arg[name])
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert runs.resume(run.folder).position.epoch == 1  # the weights are in the checkpoint


def test_a_new_head_and_a_frozen_body(tmp_path, old):
    arg, _ = load_params(str(old / "best"), 0)
    said = []
    data = {"data_dir": None, "data": own_data(tmp_path / "own.npz")}
    config = {"batch_size": 4, "pretrained": str(old), "freeze": "a_*", **data}
    run = begun(tmp_path / "new", note=said.append, **config)
    assert said == [
        "pretrained: mean and deviation are those of the weights' run",
        "pretrained: b_weight is (10, 12) there and (3, 12) here: it begins anew",
        "pretrained: b_bias is (10,) there and (3,) here: it begins anew",
    ]
    assert run.meta.mean == runs.Meta.read(old).mean
    before = run.module.get_params()[0]
    loop.train(run, silent, lambda record: None)
    after = run.module.get_params()[0]
    assert {n for n in after if (after[n] == before[n]).all()} == {"a_weight", "a_bias"}
    np.testing.assert_array_equal(after["a_weight"], arg["a_weight"])


def test_what_does_not_fit():
    own = {n: np.zeros(k) for n, k in (("a", 2), ("b", 3), ("c", 4))}
    same, notes = fitting(
        Weights({"a": np.ones(2), "b": np.ones(2), **{f"x{k}": np.ones(1) for k in range(7)}}, {}), own, {}
    )
    assert same.keys() == {"a"}
    assert notes == [
        "b is (2,) there and (3,) here: it begins anew",
        "c: not there, so they begin anew",
        "x0, x1, x2, x3, x4 and 2 more: not in this network, so left out",
    ]
    with pytest.raises(ParameterError, match="not one array has the name and the shape"):
        fitting(Weights({"b": np.ones(2)}, {}), own, {})


@pytest.mark.parametrize("value", [np.nan, 1e39])
def test_weights_that_are_not_finite(value):
    with pytest.raises(ParameterError, match="pretrained: b holds numbers that are not finite"):
        fitting(Weights({"a": np.ones(2), "b": np.full(3, value)}, {}), {"b": np.zeros(3, np.float32)}, {})


@pytest.mark.parametrize(
    ("patterns", "found"), [(None, []), (",", []), ("a*", ["a1", "a2"]), (" b , a[12] ", ["b", "a1", "a2"])]
)
def test_patterns(patterns, found):
    assert frozen(patterns, ["a1", "a2", "b", "c"]) == found


@pytest.mark.parametrize(("patterns", "message"), [("*", "all parameters are"), ("a*,z", "no parameter is named 'z'")])
def test_wrong_patterns(patterns, message):
    with pytest.raises(ParameterError, match=message):
        frozen(patterns, ["a1", "b"])


@pytest.mark.parametrize(
    ("name", "content"), [("x.npz", b"PK"), ("x.params", b"\0" * 50), ("x.safetensors", b"\xff" * 50)]
)
def test_damaged_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=name):
        begun(tmp_path / "new", batch_size=8, pretrained=str(tmp_path / name))
    assert not (tmp_path / "new").exists()


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(DataNotFoundError, match="no such run folder or file"):
        begun(tmp_path / "new", batch_size=8, pretrained=str(tmp_path / "x"))
    with pytest.raises(ParameterError, match="give one of them"):
        Config.from_mapping({"pretrained": "x", "load_epoch": 1, "model_prefix": "y"})
