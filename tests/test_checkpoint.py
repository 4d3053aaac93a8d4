"""Checkpoints: a module saved and loaded goes on bit by bit; damaged files are refused with one kind of error."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from graphnn import sym
from graphnn.data import NDArrayIter
from graphnn.errors import BindError, FormatError
from graphnn.formats import states
from graphnn.model import load_checkpoint, save_checkpoint
from graphnn.train.module import Module

RNG = np.random.default_rng(5)
WANTED = {
    "mom:w": RNG.normal(size=(3, 2)).astype(np.float32),
    "var:é/../b": RNG.normal(size=5).astype(np.float32),
    "updates": np.array(7, np.int64),
}


def network():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="fc1")
    net = sym.Dropout(sym.BatchNorm(net, fix_gamma=False, name="bn"), p=0.3, name="drop")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")


def batches(seed=1):
    rng = np.random.default_rng(seed)
    return NDArrayIter(rng.normal(size=(12, 5)), rng.integers(0, 3, 12), 4, shuffle=True, seed=2)


def started(module, optimizer="adam"):
    data = batches()
    module.bind(data.provide_data, data.provide_label)
    module.init_params()
    module.init_optimizer(None, optimizer, {"learning_rate": 0.1})
    return module


def steps(module, epoch):
    data = batches()
    data.epoch = epoch
    for batch in data:
        module.forward_backward(batch)
        module.update()
    return module.get_params()


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], name)


@pytest.mark.parametrize("optimizer", ["sgd", "nag", "adam", "adamw", "rmsprop", "adagrad"])
def test_a_loaded_module_goes_on_as_if_nothing_had_happened(tmp_path, optimizer):
    prefix = str(tmp_path / "net")
    module = started(Module(network(), seed=3), optimizer)
    steps(module, 0)
    module.save_checkpoint(prefix, 1, save_optimizer_states=True)
    arg, aux = steps(module, 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net-0001.params", "net-0001.states.npz", "net-symbol.json"]
    loaded = started(Module.load(prefix, 1, load_optimizer_states=True), optimizer)
    again_arg, again_aux = steps(loaded, 1)
    same(arg, again_arg)
    same(aux, again_aux)


def test_without_states_the_optimiser_starts_anew(tmp_path):
    module = started(Module(network()))
    before = steps(module, 0)[0]
    module.save_checkpoint(str(tmp_path / "net"), 1)
    loaded = started(Module.load(str(tmp_path / "net"), 1, threads=1))
    same(before, loaded.get_params()[0])
    assert loaded._running.updates == 0
    with pytest.raises(FileNotFoundError, match=r"net-0001\.states\.npz"):
        started(Module.load(str(tmp_path / "net"), 1, load_optimizer_states=True))


def test_load_checkpoint_gives_symbol_and_arrays(tmp_path):
    arrays = {"fc1_weight": np.ones((4, 5), np.float32)}
    save_checkpoint(str(tmp_path / "net"), 12, network(), arrays, {"bn_moving_var": np.zeros(4, np.float32)})
    symbol, arg, aux = load_checkpoint(str(tmp_path / "net"), 12)
    assert symbol.tojson() == network().tojson()
    same(arg, arrays)
    assert aux["bn_moving_var"].shape == (4,)


def test_a_checkpoint_of_another_network(tmp_path):
    save_checkpoint(str(tmp_path / "net"), 1, network(), {"fc9_weight": np.ones(2, np.float32)}, {})
    with pytest.raises(BindError, match="the network has no 'fc9_weight'"):
        started(Module.load(str(tmp_path / "net"), 1))


def test_states_without_an_optimiser(tmp_path):
    module = Module(network())
    with pytest.raises(BindError, match=r"no optimiser: call init_optimizer\(\) first"):
        module.save_optimizer_states(str(tmp_path / "x.npz"))


def test_states_of_another_optimiser(tmp_path):
    started(Module(network()), "rmsprop").save_optimizer_states(str(tmp_path / "x.npz"))
    with pytest.raises(FormatError, match=r"x\.npz: array 'n:fc1_weight': the optimiser has no such state"):
        started(Module(network()), "adam").load_optimizer_states(str(tmp_path / "x.npz"))


def test_a_negative_count_of_steps(tmp_path):
    module = started(Module(network()))
    states.save(tmp_path / "x.npz", {**module.optimizer_states(), "updates": np.array(-1)})
    with pytest.raises(FormatError, match="-1 is no number of steps"):
        module.load_optimizer_states(str(tmp_path / "x.npz"))


def test_numpy_reads_what_is_written_and_the_bytes_are_always_the_same(tmp_path):
    for name in ("a.npz", "b.npz"):
        states.save(tmp_path / name, WANTED)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        same(dict(found), WANTED)
    same(states.load(tmp_path / "a.npz", WANTED), WANTED)
    with open(tmp_path / "c.npz", "wb") as file:
        np.savez(file, **WANTED)
    same(states.load(tmp_path / "c.npz", WANTED), WANTED)


def changed(**changes):
    arrays = {**WANTED, **changes}
    return {name: a for name, a in arrays.items() if a is not None}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (changed(updates=None), "array 'updates': it is missing"),
        (changed(more=np.ones(1)), "array 'more': the optimiser has no such state"),
        (
            {**WANTED, "mom:w": np.ones((2, 3), np.float32)},
            r"array 'mom:w': its header is .*\(2, 3\).*, wanted .*\(3, 2\)",
        ),
        ({**WANTED, "mom:w": np.ones((3, 2))}, "<f8.* wanted .*<f4"),
        ({**WANTED, "mom:w": np.asfortranarray(WANTED["mom:w"])}, "array 'mom:w'"),
        (changed(updates=np.array(5, object)), r"array 'updates': its header is .*\|O"),
        (changed(updates=np.zeros(100_000)), "size: .* bytes, these states need at most"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, message):
    with open(tmp_path / "x.npz", "wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(FormatError, match=message):
        states.load(tmp_path / "x.npz", WANTED)


def test_compressed_and_doubled_members_are_refused(tmp_path):
    with open(tmp_path / "x.npz", "wb") as file:
        np.savez_compressed(file, **WANTED)
    with pytest.raises(FormatError, match="it is compressed"):
        states.load(tmp_path / "x.npz", WANTED)
    with zipfile.ZipFile(tmp_path / "y.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for _ in range(2):
            archive.writestr("updates.npy", b"")
    with pytest.raises(FormatError, match="array 'updates': it comes twice"):
        states.load(tmp_path / "y.npz", WANTED)


def test_a_header_that_promises_a_petabyte(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name, a in WANTED.items():
            stream = io.BytesIO()
            header = {"descr": "<f4", "fortran_order": False, "shape": (2**48,)}
            np.lib.format.write_array_header_1_0(stream, header)
            archive.writestr(f"{name}.npy", stream.getvalue() + a.tobytes())
    with pytest.raises(FormatError, match=r"\(281474976710656,\)"):
        states.load(tmp_path / "x.npz", WANTED)


def test_damaged_files_are_refused_or_read_the_same(tmp_path):
    states.save(tmp_path / "whole.npz", WANTED)
    whole = (tmp_path / "whole.npz").read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / "x.npz"
    damaged = [whole[:k] for k in range(0, len(whole), 7)]
    for _ in range(300):
        content = bytearray(whole)
        content[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        damaged.append(bytes(content))
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            same(states.load(path, WANTED), WANTED)
        except FormatError as error:
            assert str(error).startswith(f"{path}: ")
            refused += 1
    assert refused > len(damaged) / 2


def test_mxnets_pickled_states_are_not_read(tmp_path, mlp):
    module = Module(mlp)
    module.bind([("data", (2, 5))], [("softmax_label", (2,))])
    module.init_params()
    module.init_optimizer()
    module.save_checkpoint(str(tmp_path / "m"), 1)
    (tmp_path / "m-0001.states").write_bytes(pickle.dumps({0: None}))
    with pytest.raises(FormatError, match=r"m-0001.states: pickle: .*runs what code is in it"):
        Module.load(str(tmp_path / "m"), 1, load_optimizer_states=True)
    with pytest.raises(FormatError, match="pickle"):
        module.load_optimizer_states(str(tmp_path / "m-0001.states"))
