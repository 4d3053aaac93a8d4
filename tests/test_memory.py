"""A network that wants more memory than there is: one error, soon, before anything is allocated."""

from __future__ import annotations

import tracemalloc
from time import process_time

import numpy as np
import pytest

from graphnn import memory, sym
from graphnn.errors import BindError, ParameterError
from graphnn.train.module import Module

PEBI = 1 << 50


def bombs():
    x = sym.Variable("x")
    return {
        "argument": (x + 1, {"x": (PEBI // 4,)}, "binding takes 2.0 PiB"),
        "weight": (sym.FullyConnected(x, num_hidden=1 << 45, no_bias=True), {"x": (1, 16)}, "binding takes"),
        "tile": (sym.sum(sym.tile(x, reps=(1 << 40, 16))), {"x": (2, 8)}, "the program with its arrays takes 1.0 PiB"),
        "zeros": (sym.sum(sym.exp(sym.zeros((1 << 48,)))), {}, "takes 1.0 PiB"),
        "eye": (sym.sum(sym._internal._eye(N=1 << 24, M=1 << 24)), {}, "takes 1.0 PiB"),
        "arange": (sym.sum(sym.arange(1 << 48)), {}, "takes 1.0 PiB"),
        "pad": (sym.sum(sym.Pad(x, mode="edge", pad_width=(0, 0, 0, 0, 1 << 24, 0, 1 << 24, 0))), {"x": (1, 1, 1, 1)},
                "takes 1.0 PiB"),
    }  # fmt: skip


@pytest.mark.parametrize("name", bombs())
def test_shape_bombs(name):
    net, shapes, message = bombs()[name]
    tracemalloc.start()
    start = process_time()
    with pytest.raises(BindError, match=rf"{message}.*, more than .*: bind smaller shapes") as caught:
        net.simple_bind("null", **shapes).forward()
    assert process_time() - start < 5, "the goal is 0.1 s"
    assert "\n" not in str(caught.value)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


def test_limit_given():
    x = sym.Variable("x")
    net = sym.sum(sym.dot(x, x, transpose_b=True))
    shapes = {"x": (1000, 10)}
    with pytest.raises(BindError, match=r"takes 3.9 MiB, more than 3.0 MiB, max_memory"):
        net.simple_bind("null", max_memory=3 << 20, **shapes).forward()
    with pytest.raises(BindError, match=r"binding takes 39.1 KiB, more than 512 bytes, max_memory"):
        net.simple_bind("null", max_memory=512, **shapes)
    with pytest.raises(BindError, match="more than 512 bytes"):
        net.bind({"x": np.zeros((1000, 10), "float32")}, max_memory=512)
    net.simple_bind("null", max_memory=8 << 20, **shapes).forward()


def test_limit_of_the_machine():
    most = memory.limit()
    assert most is None or 1 << 28 < most < 1 << 50
    memory.check(1000, "this")
    memory.check(0, "this", 0)


@pytest.mark.parametrize("params", [{"kernel": (1, 1), "stride": (1 << 12, 1 << 12)}, {"kernel": (1 << 24,)}])
@pytest.mark.parametrize("name", ["Convolution", "Deconvolution"])
def test_windows_are_bounded(name, params):
    with pytest.raises(ParameterError, match="has more than 65536 elements"):
        getattr(sym, name)(sym.Variable("x"), num_filter=1, **params)
    with pytest.raises(ParameterError, match=r"kernel \(512, 512\) has more than 65536 elements"):
        sym.Pooling(sym.Variable("x"), kernel=(512, 512), pad=(511, 511))


def test_a_module_takes_no_more_than_it_may():
    net = sym.SoftmaxOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=1000), name="softmax")
    module = Module(net, max_memory=1 << 20)
    with pytest.raises(BindError, match=r"binding takes .* MiB, more than 1\.0 MiB, max_memory: bind smaller shapes"):
        module.bind([("data", (8, 1000))], [("softmax_label", (8,))])


def test_a_pool_gives_the_beginning_of_its_largest_piece():
    pool = memory.Pool()
    large = pool.take("a", (4, 5), "float32")
    small = pool.take("a", (6,), "int64")
    assert np.shares_memory(large, small) and small.ctypes.data == large.ctypes.data
    assert not large.any() and large.ctypes.data % 64 == 0 and pool.nbytes == 80
    other = pool.take("b", (2,), "float32")
    assert not np.shares_memory(large, other) and pool.nbytes == 88
    grown = pool.take("a", (100,), "float32")
    assert not np.shares_memory(large, grown) and pool.nbytes == 408
    assert np.shares_memory(grown, pool.take("a", (4, 5), "float32"))
