"""Convolution kernels: every algorithm, on every geometry, against the definition in float64."""

from __future__ import annotations

import itertools
from importlib import import_module

import numpy as np
import pytest
from case import op

from graphnn import sym
from graphnn.backend import Wishes
from graphnn.backends.numpy import NumpyBackend
from graphnn.backends.numpy.conv import backward, geometry, rule
from graphnn.backends.numpy.conv.ops import conv_last, conv_last_data_grad, conv_last_weight_grad
from graphnn.backends.numpy.registry import LINKERS, SCRATCH
from graphnn.errors import ParameterError
from graphnn.ops.conv import Convolution
from graphnn.types import TensorType

forward = import_module("graphnn.backends.numpy.conv.forward")  # the package has a function of this name

# (data (n, h, w, c), filters, kernel, stride, dilate, pad, groups)
GEOMETRIES = [
    ((3, 9, 8, 2), 5, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((2, 13, 11, 3), 4, (3, 2), (2, 3), (1, 1), (1, 0), 1),
    ((4, 7, 7, 1), 6, (4, 4), (2, 2), (1, 1), (0, 0), 1),
    ((2, 10, 9, 4), 3, (3, 3), (1, 1), (2, 3), (2, 3), 1),
    ((2, 11, 10, 4), 3, (2, 3), (3, 2), (2, 2), (1, 2), 1),
    ((3, 6, 5, 7), 4, (1, 1), (1, 1), (1, 1), (0, 0), 1),
    ((3, 6, 5, 7), 4, (1, 1), (2, 2), (1, 1), (0, 0), 1),
    ((3, 6, 5, 7), 4, (1, 1), (3, 1), (1, 1), (1, 1), 1),
    ((2, 8, 7, 6), 9, (3, 3), (1, 1), (1, 1), (1, 1), 3),
    ((2, 8, 7, 6), 4, (3, 2), (2, 2), (1, 1), (1, 1), 2),
    ((2, 8, 7, 5), 5, (3, 3), (1, 1), (1, 1), (1, 1), 5),
    ((2, 8, 7, 5), 5, (3, 3), (2, 2), (1, 1), (1, 1), 5),
    ((2, 8, 7, 5), 10, (3, 3), (1, 1), (1, 1), (1, 1), 5),
    ((2, 5, 5, 3), 4, (2, 2), (1, 1), (1, 1), (3, 2), 1),  # padding wider than the kernel
    ((2, 9, 9, 3), 4, (3, 3), (4, 4), (1, 1), (0, 0), 1),  # rows that no window reads
    ((3, 12, 4), 5, (3,), (2,), (1,), (1,), 1),
]


def reference(x, w, dy, conv):
    """Give y, dx and dw of the channels-last convolution, by its definition."""
    kernel, stride, dilate, pad = (tuple(v) for v in conv.window(x.ndim - 2))
    groups, spatial = conv.num_group, x.ndim - 2
    padded = np.pad(x, [(0, 0), *((p, p) for p in pad), (0, 0)])
    y, dpadded, dw = np.zeros(dy.shape), np.zeros(padded.shape), np.zeros(w.shape)
    cg, og = x.shape[-1] // groups, w.shape[-1] // groups
    for tap in itertools.product(*map(range, kernel)):
        at = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, s, n in zip(tap, dilate, stride, dy.shape[1 : 1 + spatial], strict=True)
        )
        for g in range(groups):
            i, o = slice(g * cg, (g + 1) * cg), slice(g * og, (g + 1) * og)
            place = (slice(None), *at, i)
            y[..., o] += padded[place] @ w[tap][:, o]
            dpadded[place] += dy[..., o] @ w[tap][:, o].T
            dw[tap][:, o] += np.tensordot(padded[place], dy[..., o], (range(spatial + 1), range(spatial + 1)))
    inner = tuple(slice(p, p + n) for p, n in zip(pad, x.shape[1:-1], strict=True))
    return y, dpadded[(slice(None), *inner)], dw


def call(op, *ins, dtype):
    """Run one kernel with exactly the scratch it asks for, filled with NaN."""
    ins = [np.ascontiguousarray(a, dtype) for a in ins]
    types = [TensorType(a.shape, dtype) for a in ins]
    outs = [np.full(t.shape, np.nan, dtype) for t in op.types(tuple(types))]
    need = SCRATCH[type(op)](op, types, [TensorType(a.shape, dtype) for a in outs])
    scratch = np.full(need // np.dtype(dtype).itemsize, np.nan, dtype).view(np.uint8)
    run = LINKERS[type(op)](op, ins, outs, scratch)
    run()
    first = outs[0].copy()
    run()
    np.testing.assert_array_equal(first, outs[0])
    return first


@pytest.mark.parametrize("at_borders", [False, True])
@pytest.mark.parametrize("slice_bytes", [2 << 20, 6000, 1500])
@pytest.mark.parametrize("algo", ["auto", *rule.ALGORITHMS])
@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_convolution(case, algo, slice_bytes, at_borders, monkeypatch):
    """Whatever the size of the jobs, and whether they end where the kernel begins to meet padding."""
    NumpyBackend().passes()
    monkeypatch.setattr(geometry, "SLICE", slice_bytes)
    monkeypatch.setattr(forward, "CALL", 0 if at_borders else 1e9)
    if slice_bytes < 1 << 20 and not at_borders:
        monkeypatch.setattr(backward, "LARGE", 100)
    shape, filters, kernel, stride, dilate, pad, groups = case
    rng = np.random.default_rng(7)
    conv = Convolution(kernel, filters, stride, dilate, pad, groups)
    x, w = rng.normal(size=shape), rng.normal(size=(*kernel, shape[-1] // groups, filters))
    b = rng.normal(size=filters)
    sizes = conv.window(len(kernel)).out(shape[1:-1])
    dy = rng.normal(size=(shape[0], *sizes, filters))
    y, dx, dw = reference(x, w, dy, conv)
    turned = np.swapaxes(w.reshape(*kernel, -1, groups, filters // groups), -3, -1)  # (..., og, groups, cg)
    turned = np.swapaxes(turned, -3, -2).reshape(*kernel, filters, -1)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 3e-5)):
        got = call(conv_last(conv, "relu", algo), x, w, b, dtype=dtype)
        np.testing.assert_allclose(got, np.maximum(y + b, 0), tolerance, tolerance)
        got = call(conv_last_data_grad(conv, shape, algo), dy, turned, dtype=dtype)
        np.testing.assert_allclose(got, dx, tolerance, 10 * tolerance)
        got = call(conv_last_weight_grad(conv, w.shape, algo), x, dy, dtype=dtype)
        np.testing.assert_allclose(got, dw, tolerance, 10 * tolerance)


def test_a_node_or_a_binding_chooses():
    net = sym.Convolution(sym.Variable("x"), kernel=(3, 3), num_filter=4, attr={"__conv_algo__": "strided"}, name="a")
    net = sym.Convolution(net, kernel=(3, 3), num_filter=4, name="b")
    steps = net.simple_bind(x=(2, 3, 9, 9), conv_algo="krow").plan(True).steps
    found = sorted((s.op.name, s.op.algo) for s in steps if "conv_last" in s.op.name)
    assert found == [
        ("_conv_last", "krow"),
        ("_conv_last", "strided"),
        ("_conv_last_data_grad", "krow"),
        ("_conv_last_data_grad", "strided"),
        ("_conv_last_weight_grad", "krow"),
        ("_conv_last_weight_grad", "strided"),
    ]


def test_unknown_algorithm():
    net = sym.Convolution(sym.Variable("x"), kernel=(3, 3), num_filter=4, attr={"__conv_algo__": "fast"}, name="a")
    with pytest.raises(ParameterError, match="no convolution algorithm 'fast'"):
        net.simple_bind(x=(2, 3, 9, 9)).forward()
    with pytest.raises(ParameterError, match="no convolution algorithm 'slow'"):
        sym.exp(sym.Variable("x")).simple_bind(x=(2,), conv_algo="slow")

    with pytest.raises(ParameterError, match="no convolution algorithm 'fft'; there are: auto, direct, im2col, krow, "):
        NumpyBackend().passes(Wishes("fft"))


@pytest.mark.parametrize("name", ["Convolution", "Deconvolution"])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kernel": (1, 1, 1, 1)}, "kernel must be 1 to 3 positive sizes"),
        ({"kernel": (2000, 1, 1)}, "spans more than 1024 frames"),
        ({"kernel": (2, 2, 2), "stride": (1, 1)}, "stride must be 3 sizes"),
        ({"kernel": (2, 2, 2), "layout": "NCHW"}, "layout NCHW does not fit"),
    ],
)
def test_windows_that_make_no_sense(name, params, message):
    with pytest.raises(ParameterError, match=message):
        op(name, num_filter=2, **params)
