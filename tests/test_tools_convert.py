"""graphnn-convert: files come back as they were, whatever the format; what is not known is named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from graphnn import sym
from graphnn.errors import FormatError
from graphnn.formats import npz, params
from graphnn.model import load_checkpoint, read_params, save_checkpoint, write_params
from graphnn.tools.convert import main


@pytest.fixture
def files(tmp_path, mlp):
    """A checkpoint with random parameters."""
    rng = np.random.default_rng(0)
    shapes = dict(zip(mlp.list_arguments(), mlp.infer_shape(data=(2, 5))[0], strict=True))
    arg = {n: rng.normal(size=s).astype("float32") for n, s in shapes.items() if n not in ("data", "softmax_label")}
    save_checkpoint(str(tmp_path / "old"), 3, mlp, arg, {})
    return tmp_path


@pytest.mark.parametrize("kind", ["params", "npz", "safetensors"])
def test_parameters_come_back(files, capsys, kind):
    command = [str(files / "old"), "3", "-o", str(files / "new"), "--to", kind]
    assert main([*command, "--check", "--shape", "data=2,5", "--backend", "numpy"]) == 0
    out = capsys.readouterr().out
    assert "FullyConnected  " in out
    assert "inputs (without parameters): data, softmax_label" in out
    assert "softmax_output: largest difference" in out
    symbol, arg, _ = load_checkpoint(str(files / "old"), 3)
    assert sym.load(str(files / "new-symbol.json")).tojson() == symbol.tojson()
    new, aux = read_params(str(files / f"new-0000.{kind}"))
    assert aux == {}
    assert list(sorted(new)) == sorted(arg)
    for name, x in arg.items():
        np.testing.assert_array_equal(new[name], x, strict=True)


def test_report_as_json(files, capsys):
    assert main([str(files / "old-symbol.json"), str(files / "old-0003.params"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["operators"] == {"FullyConnected": 2, "Activation": 1, "SoftmaxOutput": 1}
    assert report["missing"] == ["data", "softmax_label"]
    assert not (report["unknown"] or report["unused"] or "files" in report)


def test_names_without_arg_and_aux(files):
    arg, _ = read_params(str(files / "old-0003.params"))
    params.save(files / "bare.params", arg)
    assert main([str(files / "old"), str(files / "bare.params"), "-o", str(files / "new")]) == 0
    assert sorted(read_params(str(files / "new-0000.params"))[0]) == sorted(arg)
    params.save(files / "bare.params", {"other": np.zeros(2)})
    assert main([str(files / "old"), str(files / "bare.params")]) == 1


def test_unknown_operator_is_named_before_it_fails(files, capsys):
    graph = json.loads((files / "old-symbol.json").read_text())
    graph["nodes"][-1]["op"] = "MoonOutput"
    (files / "moon.json").write_text(json.dumps(graph))
    assert main([str(files / "moon.json"), "-o", str(files / "new")]) == 1
    out, err = capsys.readouterr()
    assert "unknown operator MoonOutput: softmax" in out
    assert "graphnn lacks MoonOutput; --keep-unknown" in err
    assert not (files / "new-symbol.json").exists()
    assert main([str(files / "moon.json"), "-o", str(files / "new"), "--keep-unknown"]) == 0
    assert json.loads((files / "new-symbol.json").read_text())["nodes"][-1]["op"] == "MoonOutput"


@pytest.mark.parametrize(
    ("shape", "said"),
    [([], "give --shape data="), (["--shape", "dta=2,5"], "--shape dta: inputs without parameters are")],
)
def test_a_check_needs_the_shapes_of_inputs(files, capsys, shape, said):
    assert main([str(files / "old"), "--check", "3", "-o", str(files / "new"), "--backend", "numpy", *shape]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "code"), [(["none"], 1), (["old", "7"], 1), (["old", "--check"], 2), (["old", "-o", "x", "--check"], 2)]
)
def test_wrong_calls(files, monkeypatch, capsys, argv, code):
    monkeypatch.chdir(files)
    try:
        assert main(argv) == code
    except SystemExit as e:
        assert e.code == code
    assert "Traceback" not in capsys.readouterr().err


# .npz files of parameters


def test_npz_of_numpy(tmp_path):
    arrays = {"arg:w": np.arange(6.0).reshape(2, 3), "aux:m": np.array(3, "int8"), "arg:t": np.ones((2, 3)).T}
    np.savez(tmp_path / "x.npz", **arrays)
    arg, aux = read_params(str(tmp_path / "x.npz"))
    for name, x in {**arg, **aux}.items():
        np.testing.assert_array_equal(x, arrays[("aux:" if name in aux else "arg:") + name], strict=True)


def refuse(path, match="."):
    with pytest.raises(FormatError, match=match) as caught:
        npz.load(path)
    assert str(caught.value).startswith(str(path))


def test_npz_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=np.zeros(10**6))
    refuse(path, "it is compressed")
    np.savez(path, a=np.array([None, {}], dtype=object))
    refuse(path, "its header is .*O")
    path.write_bytes(b"PK")
    refuse(path, "not a whole .npz file")
    write_params(str(path), {"w": np.arange(4.0)}, {})
    whole = path.read_bytes()
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        refuse(path)
    path.write_bytes(whole.replace(b"(4,)", b"(9,)"))
    refuse(path)
