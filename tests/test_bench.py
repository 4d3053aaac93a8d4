"""graphnn-bench: arguments, rows, the translation to PyTorch, the grid of convolutions."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny

from graphnn import models, sym
from graphnn.backends.numpy.conv import rule
from graphnn.errors import BackendError
from graphnn.tools import bench, convolution
from graphnn.tools.entry import BLAS_THREADS
from graphnn.tools.runners import RUNNERS, Case

KEYS = {"model", "mode", "batch", "threads", "runner", "median_ms", "min_ms", "planned_bytes"}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """What a run sets for its process is undone."""
    for name in BLAS_THREADS:
        monkeypatch.setenv(name, "1")


@pytest.fixture
def network(tmp_path):
    return tiny.write_network(tmp_path / "net-symbol.json")


def small(network, *more):
    return ["--symbol", network, "--shape", "data=1,1,6,6", "--batch", "4", "--runs", "2", "--quiet", *more]


# arguments


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([], "give --symbol or --convolution"),
        (["--symbol", "mlp", "--convolution"], "give --symbol or --convolution"),
        (["--symbol", "mlp", "--batch", "0"], "must be a positive whole number, got '0'"),
        (["--symbol", "mlp", "--mode", "serve"], "invalid choice"),
        (["--symbol", "mlp", "--shape", "data"], "must be like data=1,1,28,28"),
    ],
)
def test_wrong_arguments_are_usage_errors(argv, reason, capsys):
    with pytest.raises(SystemExit, match="2"):
        bench.main(argv)
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--conv-algo", "fft"], "error: no convolution algorithm 'fft'"),
        (["--backend", "gpu"], "error: no backend 'gpu'"),
        (["--shape", "data=1,1,2,2"], "error: conv (Convolution): the kernel (3, 3) is larger"),
    ],
)
def test_what_cannot_run_is_told_in_one_line(network, more, reason, capsys):
    assert bench.main(small(network, "--no-torch", *more)) == 1
    assert capsys.readouterr().err.startswith(reason)


def test_a_file_needs_a_shape(network, capsys):
    assert bench.main(["--symbol", network, "--no-torch"]) == 1
    assert "give --shape data=N,C,H,W" in capsys.readouterr().err


def test_settings_that_slow_blas_are_unset_and_said(monkeypatch, capsys):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    bench.prepare()
    assert "OPENBLAS_CORETYPE was set and is unset" in capsys.readouterr().err
    assert "OPENBLAS_CORETYPE" not in bench.os.environ
    assert bench.os.environ["OPENBLAS_NUM_THREADS"] == "1"


# rows


def test_json_is_one_list_of_rows(network, capsys):
    assert bench.main(small(network, "--no-torch", "--threads", "1", "--threads", "2", "--json")) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert err == ""
    assert [(r["threads"], r["mode"]) for r in rows] == [(1, "train"), (1, "infer"), (2, "train"), (2, "infer")]
    for row in rows:
        assert row.keys() == KEYS
        assert (row["model"], row["batch"], row["runner"]) == (network, 4, "graphnn-numpy")
        assert 0 < row["min_ms"] <= row["median_ms"]
    assert rows[0]["planned_bytes"] > rows[1]["planned_bytes"] > 0


def test_the_table_has_ratios_to_torch():
    row = {"model": "m", "mode": "train", "batch": 8, "threads": 1, "min_ms": 1.0}
    rows = [
        row | {"runner": "graphnn-numpy", "median_ms": 2.0, "planned_bytes": 1_500_000},
        row | {"runner": "torch", "median_ms": 4.0, "planned_bytes": None},
    ]
    head, ours, torch = bench.table(rows)
    assert head.split()[-4:] == ["to", "torch", "planned", "MB"]
    assert ours.split() == ["m", "train", "8", "1", "graphnn-numpy", "2.000", "1.000", "0.500", "1.5"]
    assert torch.split()[-2:] == ["1.000", "-"]


def test_memory_is_the_peak_of_a_process_of_its_own(network, capsys):
    assert bench.main(small(network, "--no-torch", "--memory", "--json")) == 0
    train, infer = json.loads(capsys.readouterr().out)
    assert 0 < train["peak_mb"] < 1000
    assert infer["peak_mb"] is None


def test_runners_that_differ_are_told(capsys):
    case = Case(models.get("mlp"), {"data": (4, 1, 28, 28)}, "infer")
    ours = RUNNERS["graphnn"](case)
    bench._compare(case, [ours, ours])
    assert capsys.readouterr().err == ""
    bench._compare(case, [ours, ours._replace(name="torch", outputs=lambda: ours.outputs() + 0.01)])
    assert "outputs of graphnn-numpy and torch differ at the start" in capsys.readouterr().err


# the translation to PyTorch


def both(symbol, shape, mode="train"):
    case = Case(symbol, {"data": shape}, mode)
    return RUNNERS["graphnn"](case), RUNNERS["torch"](case)


@pytest.mark.parametrize("name", ["alexnet", "lenet", "resnet-20"])
def test_models_give_the_same_in_torch(name):
    pytest.importorskip("torch")
    runners = both(models.get(name), (3, 1, 28, 28))
    first = [r.outputs() for r in runners]
    np.testing.assert_allclose(*first, rtol=1e-4, atol=1e-5)
    for runner in runners:
        runner.run()
    after = [r.outputs() for r in runners]
    np.testing.assert_allclose(*after, rtol=1e-3, atol=1e-4)  # the variances of BatchNorm differ by n / (n - 1)
    assert np.abs(after[0] - first[0]).max() > 1e-3


def pooled(x):
    a = sym.Pooling(x, kernel=(3, 2), stride=(2, 1), pad=(1, 0), pool_type="max", pooling_convention="full")
    b = sym.Pooling(x, kernel=(3, 3), pad=(1, 1), pool_type="avg", count_include_pad=False)
    c = sym.Pooling(x, kernel=(3, 3), pad=(1, 1), stride=(2, 2), pool_type="avg")
    d = [sym.Pooling(x, kernel=(1, 1), global_pool=True, pool_type=t) for t in ("max", "avg", "sum")]
    return sym.Concat(*(sym.Flatten(v) for v in (a, b, c, *d)))


def activated(x):
    kinds = [sym.Activation(x, act_type=t) for t in ("relu", "sigmoid", "softrelu", "softsign", "tanh")]
    kinds += [sym.LeakyReLU(x, act_type=t, slope=0.1) for t in ("leaky", "elu", "gelu", "prelu", "selu")]
    return sym.Flatten(sym.Concat(*kinds))


def normalised(x):
    x = sym.BatchNorm(sym.Dropout(x, p=0.0), eps=1e-2)
    return sym.Reshape(sym.LRN(x, nsize=3, alpha=0.1), shape=(0, -1))


def combined(x):
    y = sym.Convolution(x, kernel=(3, 3), dilate=(2, 1), pad=(2, 1), num_group=2, num_filter=4)
    y = (sym.exp(y * 0.1) - x + 2) * (x - 1)
    return sym.FullyConnected(sym.add_n(y, x, sym.identity(y)), num_hidden=5, no_bias=True)


@pytest.mark.parametrize("body", [pooled, activated, normalised, combined])
def test_operators_give_the_same_in_torch(body):
    pytest.importorskip("torch")
    net = sym.SoftmaxOutput(sym.FullyConnected(body(sym.Variable("data")), num_hidden=3), name="softmax")
    runners = both(net, (64, 4, 6, 5))
    for runner in runners:
        runner.run()
    np.testing.assert_allclose(*[r.outputs() for r in runners], rtol=2e-3, atol=1e-4)


def test_an_operator_torch_lacks_leaves_it_out(tmp_path, capsys):
    pytest.importorskip("torch")
    net = sym.FullyConnected(sym.cbrt(sym.Variable("data"), name="root"), num_hidden=3)
    path = tmp_path / "net-symbol.json"
    sym.SoftmaxOutput(net, name="softmax").save(str(path))
    assert bench.main(small(str(path), "--mode", "infer", "--json")) == 0
    out, err = capsys.readouterr()
    assert "torch is left out: root (cbrt): the translation to PyTorch has no such operator" in err
    assert [row["runner"] for row in json.loads(out)] == ["graphnn-numpy"]


def test_a_head_that_is_no_softmax_is_refused():
    pytest.importorskip("torch")
    net = sym.LinearRegressionOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=3), name="line")
    with pytest.raises(BackendError, match="no head but one SoftmaxOutput"):
        both(net, (2, 4))


# the grid of convolutions


def test_every_convolution_is_measured():
    shapes = (convolution.Shape(2, 5, 6, 3, 4, 3, 2, 1), convolution.Shape(2, 5, 6, 4, 4, 3, 1, 1, 1, 4))
    rows = list(convolution.measure(shapes, 1, lambda _: None))
    assert [(r["shape"], r["kind"]) for r in rows] == [(str(s), kind) for s in shapes for kind in convolution.KINDS]
    assert [len(r["median_ms"]) > 1 for r in rows] == [True] * 3 + [False] * 3  # depthwise: one way for each
    for row in rows:
        assert row["pick_ms"] == row["median_ms"][row["pick"]]
        assert row["ratio"] is None or row["ratio"] >= 1
    assert len(convolution.table(rows)) == 1 + 6 + 1 + 3


def test_shares_count_picks_near_the_best():
    rows = [{"kind": "forward", "ratio": r} for r in (1.0, 1.09, 1.2, None)] + [{"kind": "data_grad", "ratio": 1.3}]
    assert convolution.shares(rows) == {"forward": pytest.approx(2 / 3), "data_grad": 0, "weight_grad": 0}


def test_the_grid_is_wide_and_every_pick_exists():
    assert len(set(convolution.GRID)) == len(convolution.GRID) >= 50
    for shape in convolution.GRID:
        for kind in convolution.KINDS:
            assert {*convolution.picks(shape, kind, "auto")} <= {*rule.ALGORITHMS, "depthwise"}
