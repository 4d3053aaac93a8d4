"""Translations of symbols for other programs: they compute what graphnn does, or say what they lack."""

from __future__ import annotations

import itertools
import sys
import textwrap
from contextlib import ExitStack
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import tiny

from graphnn import models, sym
from graphnn.errors import BackendError
from graphnn.tools import bench
from graphnn.tools.measure import Started, settled
from graphnn.tools.peers import missing
from graphnn.tools.remote import Remote, environment
from graphnn.tools.runners import Case, make

TRAINING = ["torch", "torch-last", "jax"]
INFERENCE = ["onnxruntime", "openvino"]
SLOW = pytest.param("torch-compile", marks=pytest.mark.slow)  # it calls a C++ compiler


@pytest.fixture(scope="module")
def processes():
    """Give the process of a peer, one for all tests: its library changes nothing for what else runs here."""
    with ExitStack() as stack:

        @cache
        def process(peer):
            if missing(peer):
                pytest.skip(f"not installed: {', '.join(missing(peer))}")
            command = [sys.executable, "-m", "graphnn.tools.worker"]
            return stack.enter_context(Remote(command, environment(peer, 1)))

        yield process


@pytest.fixture
def both(processes, tmp_path):
    """Give graphnn's runner and a peer's of a symbol over data of a shape."""

    def made(symbol, shape, peer, mode="train", **more):
        remote = processes(peer)
        case = Case(symbol, {"data": shape}, mode, **more)
        (tmp_path / "net-symbol.json").write_text(symbol.tojson())
        said = remote.ask("make", **settled(str(tmp_path / "net-symbol.json"), case, peer))
        return make("graphnn", case), Started(peer, remote, said)

    return made


def said(runner):
    """The logarithms of what a network says: its probabilities may be near 0 and 1."""
    return np.log(np.maximum(runner.outputs(), 1e-20))


def close(runners, share=1e-4):
    a, b = map(said, runners)
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=share * np.ptp(a))


# networks


@pytest.mark.parametrize("name", ["lenet", pytest.param("resnet-20", marks=pytest.mark.slow)])
@pytest.mark.parametrize("peer", [*TRAINING, SLOW])
def test_small_networks_train_alike(name, peer, both):
    runners = both(models.get(name), (3, 1, 28, 28), peer)
    close(runners)
    first = said(runners[0])
    for runner in runners:
        runner.run()
    close(runners, 1e-2)  # PyTorch's variances of BatchNorm are n / (n - 1) times ours
    assert np.abs(said(runners[0]) - first).max() > 0.1


LARGE = [("jax", "mobilenet-v2"), *itertools.product(["torch", *INFERENCE], ["resnet-18-v2", "squeezenet"])]
KINDS = [
    *(f"resnet-{depth}{version}" for depth in (18, 34, 50) for version in ("", "-v2")), "resnext-50-32x4d",
    "se-resnet-18", "vgg-11", "vgg-11-bn", "vgg-16", "mobilenet", "mobilenet-v2", "squeezenet", "squeezenet-1.1",
]  # fmt: skip
ALL = itertools.product(["torch", "jax", *INFERENCE], KINDS)
LATER = [pytest.param(*case, marks=pytest.mark.slow) for case in ALL if case not in LARGE]


@pytest.mark.parametrize(("peer", "name"), [*LARGE, *LATER])
def test_large_networks_say_the_same(peer, name, both):
    close(both(models.get(name, 7), (2, 3, 32, 32), peer, "infer"))


@pytest.mark.parametrize("name", ["alexnet", "mlp", "resnet-20"])
@pytest.mark.parametrize("peer", [*INFERENCE, SLOW])
def test_small_networks_say_the_same(name, peer, both):
    close(both(models.get(name), (3, 1, 28, 28), peer, "infer"))


@pytest.mark.parametrize("peer", ["torch", "jax", "onnxruntime"])
def test_folding_keeps_what_a_network_says(peer, both):
    symbol = models.get("resnet-20")
    ours, folded = both(symbol, (2, 1, 28, 28), peer, "infer", fold=True)
    close((ours, folded))


def test_folding_leaves_no_normalisation_behind_a_layer():
    from graphnn.graph import toposort
    from graphnn.tools.runners import network, parameters

    case = Case(models.get("resnet-20"), {"data": (2, 1, 28, 28)}, "infer", fold=True)
    bound, arrays = network(case)
    kinds = [node.op.name for node in toposort(bound.heads)]
    assert "BatchNorm" not in kinds
    assert arrays.keys() == {*bound.arguments} - {"data", "softmax_label"}
    assert network(replace(case, mode="train"))[1].keys() == parameters(case).keys()


@pytest.mark.parametrize("peer", [*TRAINING])
def test_random_layers_draw_in_training_alone(peer, both):
    net = sym.Dropout(sym.Flatten(sym.Variable("data")), p=0.5)
    net = sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=3), name="softmax")
    runners = both(net, (8, 2, 5, 5), peer)
    close(runners)
    for _ in range(2):
        runners[1].run()
    assert np.isfinite(runners[1].outputs()).all()


# operators


def pooled(x):
    a = sym.Pooling(x, kernel=(3, 2), stride=(2, 1), pad=(1, 0), pool_type="max", pooling_convention="full")
    b = sym.Pooling(x, kernel=(3, 3), pad=(1, 1), pool_type="avg", count_include_pad=False)
    c = sym.Pooling(x, kernel=(3, 3), pad=(1, 1), stride=(2, 2), pool_type="avg")
    d = [sym.Pooling(x, kernel=(1, 1), global_pool=True, pool_type=t) for t in ("max", "avg")]
    return sym.Concat(*(sym.Flatten(v) for v in (a, b, c, *d)))


def activated(x):
    kinds = [sym.Activation(x, act_type=t) for t in ("relu", "sigmoid", "softrelu", "softsign", "tanh")]
    kinds += [sym.LeakyReLU(x, act_type=t, slope=0.1) for t in ("leaky", "elu", "selu")]
    kinds += [sym.clip(x, a_min=-0.5, a_max=0.7), sym.abs(x), sym.square(x), sym.relu(x)]
    return sym.Flatten(sym.Concat(*kinds))


def normalised(x):
    x = sym.BatchNorm(sym.Dropout(x, p=0.0), eps=1e-2)
    return sym.Reshape(sym.LRN(x, nsize=3, alpha=0.1), shape=(0, -1))


def combined(x):
    y = sym.Convolution(x, kernel=(3, 3), dilate=(2, 1), pad=(2, 1), num_group=2, num_filter=4)
    y = (sym.exp(y * 0.1) - x + 2) * (x - 1)
    return sym.FullyConnected(sym.add_n(y, x, sym.identity(y)), num_hidden=5, no_bias=True)


def more(x):
    """What ONNX has no operator for."""
    kinds = [sym.LeakyReLU(x, act_type=t) for t in ("gelu", "prelu")]
    kinds.append(sym.Pooling(x, kernel=(1, 1), pool_type="sum", global_pool=True))
    return sym.Concat(*map(sym.Flatten, kinds))


def headed(body):
    return sym.SoftmaxOutput(sym.FullyConnected(body(sym.Variable("data")), num_hidden=3), name="softmax")


@pytest.mark.parametrize(
    ("peer", "body"),
    [
        *itertools.product([*TRAINING, *INFERENCE], [pooled, activated, normalised, combined]),
        ("torch", more),
        ("jax", more),
    ],
)
def test_operators_give_the_same(peer, body, both):
    runners = both(headed(body), (64, 4, 6, 5), peer, "train" if peer in TRAINING else "infer")
    close(runners)
    if peer in TRAINING:
        for runner in runners:
            runner.run()
        close(runners, 2e-3)


# what is lacking


@pytest.mark.parametrize("peer", ["torch", "jax", "onnxruntime"])
def test_an_operator_that_is_lacking_is_named(peer, both):
    library = {"torch": "PyTorch", "jax": "JAX", "onnxruntime": "ONNX"}[peer]
    with pytest.raises(BackendError, match=rf"root \(cbrt\): the translation to {library} has no such operator"):
        both(headed(lambda x: sym.cbrt(x, name="root")), (2, 4), peer, "infer")


@pytest.mark.parametrize("peer", ["torch", "jax", "onnxruntime"])
def test_a_head_that_is_no_softmax_is_refused(peer, both):
    net = sym.LinearRegressionOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=3), name="line")
    with pytest.raises(BackendError, match="no head but one SoftmaxOutput"):
        both(net, (2, 4), peer, "infer")


@pytest.mark.parametrize(
    ("body", "lacking"),
    [
        (lambda x: sym.Pooling(x, kernel=(2, 2), pool_type="sum"), "pool_type sum"),
        (lambda x: sym.LeakyReLU(x, act_type="gelu"), "act_type gelu"),
        (lambda x: sym.Dropout(x, mode="always"), "mode always"),
    ],
)
def test_what_onnx_cannot_say_is_named(body, lacking, both):
    with pytest.raises(BackendError, match=lacking):
        both(headed(body), (2, 3, 4, 4), "onnxruntime", "infer")


def test_missing_libraries_are_found(monkeypatch):
    monkeypatch.setattr("graphnn.tools.peers.find_spec", lambda name: None if name == "onnx" else name)
    assert missing("openvino") == ["onnx"]
    assert missing("torch") == []


# MXNet, which cannot be installed any more where Python is new: a stand-in answers for it

STAND_IN = """
    import numpy as np
    import graphnn
    from graphnn.formats import params
    from graphnn.symbol import loads

    class Array(np.ndarray):
        def asnumpy(self): return np.asarray(self)
        def wait_to_read(self): pass

    class Bound:
        def __init__(self, executor): self.executor = executor
        def copy_params_from(self, args, aux): self.executor.copy_params_from(args, aux)
        def forward(self, is_train, **data): return [y.view(Array) for y in self.executor.forward(is_train, **data)]

    class Symbol:
        def __init__(self, symbol): self.symbol = symbol
        def simple_bind(self, ctx, grad_req, **shapes): return Bound(self.symbol.simple_bind(grad_req, **shapes))

    class Module(graphnn.Module):
        def __init__(self, symbol, data, labels, context): super().__init__(symbol.symbol, data, labels)
        def get_outputs(self): return [y.view(Array) for y in super().get_outputs()]

    class nd:
        load = staticmethod(params.load)
        waitall = staticmethod(lambda: None)
    class sym:
        load_json = staticmethod(lambda text: Symbol(loads(text)))
    class mod: pass
    class io: pass
    mod.Module, io.DataBatch = Module, graphnn.data.DataBatch
    def cpu(): print("MXNet talks"); return "cpu"
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "mxnet.py").write_text(textwrap.dedent(STAND_IN))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    return sys.executable


def options(network, *more):
    small = ["--symbol", network, "--shape", "data=1,1,6,6", "--batch", "4", "--runs", "2"]
    return [*small, "--backend", "numpy", "--quiet", *more]


def test_mxnet_runs_in_a_python_of_its_own(tmp_path, stand_in, capsys):
    network = tiny.write_network(tmp_path / "net-symbol.json")
    code = bench.main(options(network, "--no-torch", "--mxnet", stand_in, "--memory"))
    out, err = capsys.readouterr()
    assert (code, [line.split()[-9] for line in out.splitlines()[1:-1]]) == (0, ["graphnn-numpy", "mxnet"] * 2), err
    assert "warning" not in err


def test_a_python_without_mxnet_is_left_out(tmp_path, capsys):
    network = tiny.write_network(tmp_path / "net-symbol.json")
    for python, reason in ((sys.executable, "ModuleNotFoundError: No module named 'mxnet'"), ("/no/python", "No such")):
        assert bench.main(options(network, "--no-torch", "--mode", "infer", "--mxnet", python)) == 0
        out, err = capsys.readouterr()
        assert "mxnet is left out: " in err
        assert reason in err
        assert "graphnn-numpy" in out
