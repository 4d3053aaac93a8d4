"""graphnn-bench: arguments, rows, what is left out, how runners are compared and timed; the grid of convolutions."""

from __future__ import annotations

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tiny

from graphnn import models, sym
from graphnn.backends.numpy import backend as numpy_backend
from graphnn.backends.numpy.conv import rule
from graphnn.bound import Bound
from graphnn.errors import BackendError
from graphnn.executor import plan_of
from graphnn.tools import bench, convolution, measure, worker
from graphnn.tools.entry import BLAS_THREADS
from graphnn.tools.flops import flops, traffic
from graphnn.tools.peers import PEERS, missing
from graphnn.tools.remote import Remote, environment
from graphnn.tools.runners import Case

KEYS = {"model", "mode", "batch", "threads", "runner", "median_ms", "min_ms", "rounds", "flops", "gflops"}
KEYS |= {"planned_bytes", "traffic_bytes", "fallbacks", "to_torch", "to_best_peer", "peak_share"}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """What a run sets for its process is undone; the peak, which takes a compiler, is a number."""
    for name in BLAS_THREADS:
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr("graphnn.tools.peak_kernel.peak_gflops", lambda threads: 100.0 * threads)
    monkeypatch.setattr("graphnn.tools.peak_kernel.bandwidth", lambda threads: 20.0 * threads)


@pytest.fixture
def network(tmp_path):
    return tiny.write_network(tmp_path / "net-symbol.json")


def small(network, *more):
    own = [] if "--backend" in more else ["--backend", "numpy"]
    return ["--symbol", network, "--shape", "data=1,1,6,6", "--batch", "4", "--runs", "2", "--quiet", *own, *more]


# arguments


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([], "give --symbol or --convolution"),
        (["--symbol", "mlp", "--convolution"], "give --symbol or --convolution"),
        (["--symbol", "mlp", "--batch", "0"], "must be a positive whole number, got '0'"),
        (["--symbol", "mlp", "--batch", "8", "--batch", "x"], "must be a positive whole number, got 'x'"),
        (["--symbol", "mlp", "--seconds", "1.5"], "must be a positive whole number, got '1.5'"),
        (["--symbol", "mlp", "--mode", "serve"], "invalid choice"),
        (["--symbol", "mlp", "--shape", "data"], "must be like data=1,1,28,28"),
        (["--symbol", "mlp", "--peers", "torch,caffe"], "must be some of torch, torch-last, .*, got 'caffe'"),
        (["--symbol", "mlp", "--peers", "torch", "--no-torch"], "give --no-torch or --peers"),
        (["--symbol", "mlp", "--plot", "roof.svg"], "must end in .png, got 'roof.svg'"),
    ],
)
def test_wrong_arguments_are_usage_errors(argv, reason, capsys):
    with pytest.raises(SystemExit, match="2"):
        bench.main(argv)
    assert re.search(reason, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--conv-algo", "fft"], "error: no convolution algorithm 'fft'"),
        (["--backend", "gpu"], "error: no backend 'gpu'"),
        (["--backend", "numpy", "--backend", "gpu"], "error: no backend 'gpu'"),
        (["--shape", "data=1,1,2,2"], "error: conv (Convolution): the kernel (3, 3) is larger"),
        (["--threads", "4096"], "error: --threads 4096: this process may use"),
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
    assert "OPENBLAS_CORETYPE" not in environment("torch", 1)
    bench.prepare()
    assert "OPENBLAS_CORETYPE was set and is unset" in capsys.readouterr().err
    assert "OPENBLAS_CORETYPE" not in bench.os.environ
    assert bench.os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_a_process_has_the_threads_of_its_runner(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    assert environment("graphnn-numpy", 2)["OMP_NUM_THREADS"] == "1"  # its own pool has the threads
    assert environment("torch", 2)["OMP_NUM_THREADS"] == "2"
    assert environment("jax", 2)["XLA_FLAGS"] == "--xla_dump_to=x"
    one = environment("jax", 1)["XLA_FLAGS"]
    assert one == "--xla_dump_to=x --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def test_absent_peers_are_one_line(network, monkeypatch, capsys):
    monkeypatch.setattr("graphnn.tools.peers.find_spec", lambda name: None)
    assert bench.main([*small(network, "--peers", "torch,jax,openvino", "--mode", "infer", "--json")]) == 0
    out, err = capsys.readouterr()
    left = "torch, jax, openvino left out: not installed: jax, onnx, openvino, torch (the extra bench has them)"
    assert err == f"note: {left}\n"
    assert [row["runner"] for row in json.loads(out)] == ["graphnn-numpy"]


# rows


def test_json_is_one_list_of_rows(network, capsys):
    more = ("--threads", "1", "--threads", "2") if len(measure.cores_for(2)) != 1 else ()
    assert bench.main([*small(network, "--no-torch", "--batch", "2", "--json"), *more]) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert err == ""
    threads = (1, 2) if more else (1,)
    wanted = [(n, t, m) for n in (4, 2) for t in threads for m in ("train", "infer")]
    assert [(r["batch"], r["threads"], r["mode"]) for r in rows] == wanted
    for row in rows:
        assert row.keys() == KEYS
        assert (row["model"], row["runner"], row["rounds"]) == (network, "graphnn-numpy", 2)
        assert 0 < row["min_ms"] <= row["median_ms"]
        assert row["gflops"] == pytest.approx(row["flops"] / row["median_ms"] / 1e6)
        assert row["peak_share"] == pytest.approx(row["gflops"] / 100 / row["threads"])
    assert rows[0]["planned_bytes"] > rows[1]["planned_bytes"] > 0


def test_memory_is_the_peak_of_a_process_of_its_own(network, capsys):
    assert bench.main(small(network, "--no-torch", "--memory", "--json")) == 0
    for row in json.loads(capsys.readouterr().out):
        assert 0 < row["peak_mb"] < 1000


def test_backends_tell_of_fallbacks(network, capsys, monkeypatch):
    assert bench.main(small(network, "--no-torch", "--mode", "infer", "--explain")) == 0
    assert capsys.readouterr().out.endswith("infer, batch 4: graphnn-numpy tells of no fallbacks\n")
    fallbacks = lambda plan: sorted({step.op.name for step in plan.steps})[:1]  # noqa: E731
    monkeypatch.setattr(type(numpy_backend), "plan_fallbacks", staticmethod(fallbacks), raising=False)
    settings = measure.settled("mlp", Case(models.get("mlp"), {"data": (2, 1, 28, 28)}, "infer"), "graphnn-numpy")
    answer = worker._answer({"do": "make", **settings, "cores": []}, {})
    assert answer["fallbacks"] == ["Activation"]
    row = {"model": "m", "mode": "infer", "batch": 1, "runner": "graphnn-c"}
    assert bench._explained([row | {"fallbacks": ["LRN", "topk"]}, row | {"fallbacks": []}]) == [
        "m, infer, batch 1: graphnn-c leaves to NumPy: LRN, topk",
        "m, infer, batch 1: graphnn-c leaves to NumPy: nothing",
    ]


def test_an_operator_torch_lacks_leaves_it_out(tmp_path, capsys):
    if missing("torch"):
        pytest.skip("PyTorch is not installed")
    net = sym.FullyConnected(sym.cbrt(sym.Variable("data"), name="root"), num_hidden=3)
    path = tmp_path / "net-symbol.json"
    sym.SoftmaxOutput(net, name="softmax").save(str(path))
    assert bench.main(small(str(path), "--mode", "infer", "--peers", "torch", "--json")) == 0
    out, err = capsys.readouterr()
    assert "torch is left out: root (cbrt): the translation to PyTorch has no such operator" in err
    assert [row["runner"] for row in json.loads(out)] == ["graphnn-numpy"]


# arithmetic


def test_multiply_adds_count_twice_and_the_first_layer_has_no_gradient_of_data():
    net = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=6, num_group=2, stride=(2, 2))
    net = sym.FullyConnected(sym.Activation(net, act_type="relu"), num_hidden=5)
    bound = Bound(sym.SoftmaxOutput(net, name="softmax"), {"data": (7, 4, 9, 11)}, {})
    conv, dense = 2 * 7 * 6 * 4 * 5 * (2 * 9), 2 * 7 * 5 * (6 * 4 * 5)
    assert flops(bound, False) == conv + dense
    assert flops(bound, True) == 2 * conv + 3 * dense


@pytest.mark.parametrize(("name", "count"), [("resnet-50", 3.858), ("vgg-16", 15.470), ("mobilenet", 0.569)])
def test_multiply_adds_of_known_networks(name, count):
    bound = Bound(models.get(name), {"data": (1, 3, 224, 224)}, {})
    assert flops(bound, False) / 2e9 == pytest.approx(count, abs=1e-3)


def test_traffic_is_what_the_steps_read_and_write():
    plan = plan_of(sym.exp(sym.Variable("x")) + sym.Variable("y"), False, {"x": (3, 5), "y": (3, 5)})
    read_and_written = sum(len(step.ins) + len(step.outs) for step in plan.steps)
    assert traffic(plan) == read_and_written * 15 * 4 > 0


# comparing and timing


def runner(outputs, name="torch"):
    return SimpleNamespace(runner=name, outputs=lambda: np.asarray(outputs), run=lambda: None)


def test_a_runner_that_differs_is_named_and_not_timed(capsys):
    case = Case(models.get("mlp"), {"data": (4, 1, 28, 28)}, "infer")
    y = np.array([[0.7, 0.2, 0.1]])
    same, other, broken, short = runner(y * 1.0001), runner(y * [1.0, 1.1, 1.0]), runner(y * np.nan), runner(y[:, :2])
    first = runner(y, "graphnn-numpy")
    assert measure.agree(case, [first, same]) == [first, same]
    assert capsys.readouterr().err == ""
    assert measure.agree(case, [first, same, other, broken, short]) == [first, same]
    err = capsys.readouterr().err
    assert "warning: torch is not timed: its outputs differ from graphnn-numpy's at the start by 0.049 of" in err
    assert err.count("warning") == 3


def test_a_step_is_compared_where_nothing_is_random(capsys):
    stepped = SimpleNamespace(runner="jax", outputs=lambda: np.array([[0.5, 0.5 - len(steps) / 4]]))
    steps = []
    stepped.run = lambda: steps.append(1)
    first = runner([[0.5, 0.5 - 1e-9]], "graphnn-numpy")
    case = Case(models.get("mlp"), {"data": (4, 1, 28, 28)}, "train")
    assert measure.agree(case, [first, stepped]) == [first]
    assert "differ from graphnn-numpy's after a step" in capsys.readouterr().err
    random = Case(models.get("squeezenet"), {"data": (1, 3, 32, 32)}, "train")
    steps.clear()
    assert measure.agree(random, [first, stepped]) == [first, stepped]
    assert not steps


def test_every_runner_has_its_turn_in_a_round(monkeypatch):
    monkeypatch.setattr(measure, "sleep", lambda seconds: None)
    calls = []

    def turn(name, seconds):
        def run(times):
            calls.append((name, times))
            return [seconds] * times

        return run

    times = measure.rounds([turn("long", 1.0), turn("short", 0.004)], 4, 60)
    assert times == [[1.0] * 4, [0.004] * 4]
    assert calls == [("long", 1), ("short", 1)] + [("long", 1), ("short", 1 + 3)] * (2 + 4)


def test_a_case_ends_after_its_seconds(monkeypatch):
    monkeypatch.setattr(measure, "sleep", lambda seconds: None)
    turns = []
    monkeypatch.setattr(measure, "perf_counter", lambda: 20.0 * len(turns))

    def run(times):
        turns.append(times)
        return [20.0] * times

    assert len(measure.rounds([run], 30, 100)[0]) == 5
    assert turns == [1] * 6  # one to warm up


def test_a_process_that_ends_says_its_last_words():
    script = "import sys; sys.stdin.readline(); sys.exit('out of luck')"
    with Remote([sys.executable, "-c", script], environment("torch", 1)) as remote:
        with pytest.raises(BackendError, match="its process ended at 'make': out of luck"):
            remote.ask("make")


def test_a_fault_of_a_library_is_one_line(capfd, monkeypatch):
    monkeypatch.setattr("graphnn.tools.peers.find_spec", lambda name: name)
    settings = measure.settled("mlp", Case(models.get("mlp"), {"data": (2, 1, 28, 28)}, "infer"), "torch")
    script = "import sys; sys.modules['torch'] = None; from graphnn.tools.worker import main; main()"
    with Remote([sys.executable, "-c", script], environment("torch", 1)) as remote:
        with pytest.raises(BackendError, match=r"ModuleNotFoundError: .*torch"):
            remote.ask("make", **settings)


def test_every_peer_has_its_file():
    for peer in PEERS.values():
        assert (bench.Path(bench.__file__).parent / "peers" / f"{peer.module}.py").is_file()


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
