"""C programs in use: made and dropped many times, after fork, beside NumPy's kernels, called in any order."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import sys
import time

import numpy as np
import pytest
from c_targets import native

from graphnn import sym
from graphnn.backends.c import program
from graphnn.backends.numpy import kernel
from graphnn.errors import BackendError, BindError
from graphnn.executor import Executor
from graphnn.naming import NameManager
from graphnn.op import OPS, Op

native()
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
SHAPE = (4, 3, 6, 6)


def network():
    with NameManager():
        x = sym.Convolution(sym.Variable("data"), kernel=(3, 3), pad=(1, 1), num_filter=8, name="conv")
        x = sym.Activation(sym.BatchNorm(x, fix_gamma=False, name="bn"), act_type="relu", name="relu")
        return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=3, name="fc"), name="softmax")


def fill(ex: Executor) -> Executor:
    rng = np.random.default_rng(4)
    for name, a in (ex.arg_dict | ex.aux_dict).items():
        a[...] = rng.uniform(0.5, 1.5, a.shape) if name.endswith("var") else rng.normal(size=a.shape)
    if "softmax_label" in ex.arg_dict:
        ex.arg_dict["softmax_label"][...] = [0, 1, 2, 0]
    return ex


def bound(backend: str = "c", net=None, shape=SHAPE, grad_req="write", **options) -> Executor:
    net = network() if net is None else net
    return fill(net.simple_bind(grad_req, data=shape, backend=backend, **options))


def trained(ex: Executor) -> list[np.ndarray]:
    ex.forward(is_train=True)
    ex.backward()
    return [a.copy() for a in (*ex.outputs, *ex.grad_dict.values(), *ex.aux_dict.values())]


def close(got, want) -> None:
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(1.0, float(np.abs(b).max())))


# Life and death


def own_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def becomes(count: int) -> bool:
    """Tell whether there are so many threads within a second: one that has ended is listed a while."""
    end = time.monotonic() + 1
    while own_threads() != count and time.monotonic() < end:
        time.sleep(0.001)
    return own_threads() == count


@LINUX
def test_programs_take_their_threads_and_memory_with_them():
    for _ in range(5):
        trained(bound(threads=3))
    gc.collect()
    threads, peak = own_threads(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(50):
        ex = bound(threads=3)
        trained(ex)
        assert becomes(threads + 2)
        del ex
        gc.collect()
        assert becomes(threads)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak  # KiB
    assert grown < 64 << 10, "KiB"


def test_a_program_stops_its_threads():
    ex = bound(threads=2)
    ex.forward()
    library, stopped = ex._programs[False]._library, []

    class Watched:
        def gn_stop(self) -> None:
            stopped.append(library.gn_stop())

    ex._programs[False]._library = Watched()
    del ex
    gc.collect()
    assert len(stopped) == 1


def test_a_compiler_that_fails_leaves_the_executor_as_it_was(monkeypatch):
    ex = bound()
    before = {n: a.copy() for n, a in ex.arg_dict.items()}

    def fail(*_):
        raise BackendError("cc cannot compile the generated C: no space left")

    with monkeypatch.context() as m:
        m.setattr(program, "load", fail)
        with pytest.raises(BackendError, match="no space left"):
            ex.forward()
    for name, a in before.items():
        np.testing.assert_array_equal(ex.arg_dict[name], a)
    close(ex.forward(), bound("numpy").forward())


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_numbers_of_threads_that_make_no_sense(threads):
    with pytest.raises(BindError, match="threads must be a whole number"):
        bound(threads=threads)


@pytest.mark.parametrize("threads", [16, 1000])
def test_more_threads_than_there_is_work_or_room(threads):
    """1000 are more than the runtime has: it says so and one does all the work."""
    close(trained(bound(threads=threads)), trained(bound("numpy")))


def in_child(pipe, ex: Executor) -> None:
    pipe.send([a.copy() for a in trained(ex)])
    pipe.close()


@LINUX
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_in_the_middle():
    """Between forward and backward; parent and child go on alone."""
    ex, other = bound(threads=3), bound(threads=3)
    ex.forward(is_train=True)
    other.forward(is_train=True)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=in_child, args=(theirs, ex))
    child.start()
    theirs.close()
    assert ours.poll(60)
    got = ours.recv()
    child.join(60)
    assert child.exitcode == 0
    other.forward(is_train=True)
    other.backward()
    ex.forward(is_train=True)
    ex.backward()
    for e in (ex, other):
        close([*e.outputs, *e.grad_dict.values()], got[: 1 + len(e.grad_dict)])


# What has no C


class Halved(Op):
    """y = x / 2, by NumPy alone."""

    inputs = ("data",)

    def shapes(self, x):
        return [x]

    def grad(self, xs, ys, gs):
        return [gs[0] * 0.5]


@kernel(Halved)
def halved(op, x, y):
    np.multiply(x, 0.5, out=y)


@pytest.fixture(scope="module", autouse=True)
def own_operator_goes():
    yield
    OPS.pop("Halved")


def test_an_own_operator_between_segments():
    x = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=5, name="conv")
    x = sym.Halved(sym.Activation(x, act_type="tanh"), name="half")
    net = sym.SoftmaxOutput(sym.FullyConnected(x * 3.0, num_hidden=3, name="fc"), name="softmax")
    for threads in (1, 2):
        ex = bound(net=net, threads=threads)
        close(trained(ex), trained(bound("numpy", net)))
        assert len(ex._programs[True]._runs[0]) == 3  # C, NumPy, C


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_other_types_run_by_numpy(dtype):
    net = network()
    got, want = (
        fill(net.simple_bind(data=SHAPE, type_dict={"data": dtype}, backend=b, optimize=o))
        for b, o in (("c", True), ("numpy", False))
    )
    for a, b in zip(trained(got), trained(want), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=(1e-9 if dtype == "float64" else 2e-2) * max(1, np.abs(b).max()))


def test_integers_inside():
    x = sym.Variable("data")
    net = sym.cast(sym.cast(x * 3.0, dtype="int32"), dtype="float32") * 0.5
    got, want = (fill(net.simple_bind("null", data=(5, 7), backend=b)).forward()[0] for b in ("c", "numpy"))
    np.testing.assert_array_equal(got, want)


# Calls in any order


def test_forward_and_backward_twice():
    ex, want = bound(threads=2), bound("numpy")
    for e in (ex, want):
        e.forward(is_train=True)
        e.forward(is_train=True)
        e.backward()
        e.backward()
        e.forward()
        e.backward()
    close([*ex.grad_dict.values(), *ex.aux_dict.values()], [*want.grad_dict.values(), *want.aux_dict.values()])


def test_gradients_that_add_up():
    once, twice = bound(), bound(grad_req="add")
    trained(once)
    for k in (1, 2):
        twice.forward(is_train=True)
        twice.backward()
        close(twice.grad_dict.values(), [k * g for g in once.grad_dict.values()])


def test_a_monitor_sees_what_numpy_makes():
    seen: dict[str, dict[str, np.ndarray]] = {"c": {}, "numpy": {}}
    for backend, found in seen.items():
        ex = bound(backend)
        ex.set_monitor_callback(lambda name, a, found=found: found.update({name: a.copy()}), monitor_all=True)
        ex.forward(is_train=True)
    assert list(seen["c"]) == list(seen["numpy"]) and "relu_output" in seen["c"]
    close(seen["c"].values(), seen["numpy"].values())


def test_reshaped_executors_share_their_arrays():
    """As a BucketingModule does: programs of other sizes over the same parameters and gradients, in turn."""
    x = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=8, name="conv")
    x = sym.Flatten(sym.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg"))
    net = sym.SoftmaxOutput(x, name="softmax")
    big, want_big = bound(net=net), bound("numpy", net)
    small, want_small = (e.reshape(data=(4, 3, 4, 5), partial_shaping=True) for e in (big, want_big))
    assert small.arg_dict["conv_weight"] is big.arg_dict["conv_weight"]
    for e in (small, want_small):
        e.arg_dict["data"][...] = np.random.default_rng(1).normal(size=(4, 3, 4, 5))
    for got, want in ((big, want_big), (small, want_small), (big, want_big)):
        close(trained(got), trained(want))
        for e in (got, want):
            e.arg_dict["conv_weight"] -= 0.1 * e.grad_dict["conv_weight"]
