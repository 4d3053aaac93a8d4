"""NumPy kernels on their own: the table's references, in float32 and float64, with and without sharing memory."""

from __future__ import annotations

import numpy as np
import pytest
from case import Case, op
from cases import CASES

from graphnn import sym
from graphnn.backends.numpy import load_kernels
from graphnn.backends.numpy.registry import LINKERS, SCRATCH
from graphnn.errors import ParameterError, ShapeError
from graphnn.ops.indexing import _backward_take
from graphnn.types import TensorType

load_kernels()
ROWS = [c for c in CASES if type(c.op) in LINKERS and not c.op.random and "composed" not in c.tags]


def run(case_op, xs, ys=None):
    """Link the kernel to `xs` and to new outputs (or `ys`), run it twice, give the outputs."""
    ins = tuple(TensorType(x.shape, x.dtype.name) for x in xs)
    outs = case_op.types(ins)
    if ys is None:
        ys = [np.full(t.shape, 7, t.dtype) for t in outs]
    rule = SCRATCH.get(type(case_op))
    scratch = np.full(rule(case_op, ins, outs) if rule else 0, 255, np.uint8)
    LINKERS[type(case_op)](case_op, list(xs), ys, scratch)()
    return ys


def expected(case: Case, xs):
    with np.errstate(all="ignore"):
        ref = case.ref(*xs)
    return ref if isinstance(ref, tuple) else (ref,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ROWS, ids=lambda c: c.id)
def test_reference(case, dtype):
    xs = [x.astype(dtype) for x in case.inputs(np.random.default_rng(5))]
    for y, ref in zip(run(case.op, xs), expected(case, [x.astype(np.float64) for x in xs]), strict=False):
        assert y.shape == np.shape(ref)
        np.testing.assert_allclose(y, ref, rtol=case.rtol, atol=case.atol)


SHARED = [(c, i, o) for c in ROWS for i, o in c.op.inplace]


@pytest.mark.parametrize(("case", "i", "o"), SHARED, ids=lambda v: v.id if isinstance(v, Case) else str(v))
def test_in_place(case, i, o):
    xs = [x.astype(np.float64) for x in case.inputs(np.random.default_rng(6))]
    ys = run(case.op, xs)
    if ys[o].shape != xs[i].shape:
        return
    shared = [x.copy() for x in xs]
    outs = [np.zeros_like(y) for y in ys]
    outs[o] = shared[i]
    run(case.op, shared, outs)
    for y, z in zip(ys, outs, strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-14)  # add_n adds in another order


@pytest.mark.parametrize(
    ("name", "x", "w", "y"),
    [
        ("elemwise_div", [7, -7, 7, -7, 5], [2, 2, -2, -2, 0], [3, -3, -3, 3, 0]),
        ("_mod", [7, -7, 7, -7, 5], [2, 2, -2, -2, 0], [1, 1, -1, -1, 0]),
        ("_power", [2, -3, 2, 5, 0], [3, 3, 0, 1, 4], [8, -27, 1, 5, 0]),
        ("_maximum", [1, -3, 2, 5, 0], [3, 3, 0, 1, 4], [3, 3, 2, 5, 4]),
        ("_greater", [1, -3, 2, 5, 0], [3, -3, 0, 1, 4], [0, 0, 1, 1, 0]),
    ],
)
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers(name, x, w, y, dtype):
    got = run(op(name), [np.array(x, dtype), np.array(w, dtype)])[0]
    assert got.dtype == dtype
    assert got.tolist() == y


def test_integer_scalar():
    x = np.array([7, -7, 3], "int32")
    assert run(op("_div_scalar", scalar=2), [x])[0].tolist() == [3, -3, 1]
    assert run(op("_mul_scalar", scalar=2.9), [x])[0].tolist() == [14, -14, 6]
    assert run(op("sqrt"), [np.array([4, 9, 17], "int32")])[0].tolist() == [2, 3, 4]
    assert run(op("norm", axis=0), [np.array([[3, 1], [4, 1]], "int32")])[0].tolist() == [5, 1]
    assert run(op("Activation", act_type="relu"), [x])[0].tolist() == [7, 0, 3]


@pytest.mark.parametrize("name", ["argmax", "argmin", "argmax_channel"])
@pytest.mark.parametrize(("dtype", "out"), [("float16", "float32"), ("int32", "float32"), ("float64", "float64")])
def test_positions_are_floats(name, dtype, out):
    assert run(op(name), [np.ones((2, 3), dtype)])[0].dtype == out


# Kernels that go block by block: sizes that leave a smaller last block, and lines longer than a block.
@pytest.mark.parametrize("shape", [(700, 5, 9), (3, 4000, 7), (2, 9000, 3), (5, 3, 8200)])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_in_blocks(name, shape):
    x = np.random.default_rng(0).integers(0, 9, shape).astype("float32")
    assert np.array_equal(run(op(name, axis=1), [x])[0], getattr(np, name)(x, 1))


@pytest.mark.parametrize(("rows", "n", "rest"), [(1, 5, 9000), (700, 5, 9), (3, 4, 41), (1, 9, 1), (9000, 3, 1)])
@pytest.mark.parametrize("mode", ["clip", "wrap"])
@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_gradient_of_take_in_blocks(rows, n, rest, mode, dtype):
    rng = np.random.default_rng(1)
    index = rng.integers(-n, 2 * n, 300 if rows * rest < 200 else 7)
    g = rng.normal(size=(rows, len(index), rest))
    wanted = np.zeros((rows, n, rest))
    for k, i in enumerate(index % n if mode == "wrap" else index.clip(0, n - 1)):
        wanted[:, i] += g[:, k]
    take = _backward_take((rows, n, rest), 1, mode)
    np.testing.assert_allclose(run(take, [index.astype(dtype), g])[0], wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "int32", "uint8"])
def test_mean_is_summed_in_a_wider_type(dtype):
    x = np.random.default_rng(2).integers(90, 99, (4, 3000)).astype(dtype)
    assert np.array_equal(run(op("mean", axis=1), [x])[0], x.astype("float64").mean(1).astype(dtype))


def test_domain_errors_are_silent():
    x = np.array([-1.0, 0.0, 2.0], "float32")
    assert np.isnan(run(op("log"), [x])[0][0])
    assert run(op("reciprocal"), [x])[0][1] == np.inf
    assert run(op("sigmoid"), [np.array([-1000.0, 1000.0], "float32")])[0].tolist() == [0, 1]


@pytest.mark.parametrize("p", [2, 3])
def test_norm_of_nothing_has_the_slope_zero(p):
    x = np.array([[[0.0, 0, 1, 2]]])
    net = sym.Pooling(sym.Variable("x"), kernel=(2,), stride=(2,), pool_type="lp", p_value=p)
    ex = net.bind({"x": x}, {"x": np.full_like(x, 7)})
    y = ex.forward(is_train=True)[0]
    ex.backward(np.full_like(y, 3))
    np.testing.assert_allclose(ex.grad_dict["x"], [[[0, 0, *(3 * (x[0, 0, 2:] / y[0, 0, 1]) ** (p - 1))]]])


def test_slope_of_selu_is_what_mxnet_takes_for_it():
    x = np.array([[-3.0, -0.5, 0, 2]], "float32")
    ex = sym.LeakyReLU(sym.Variable("x"), act_type="selu").bind({"x": x}, {"x": np.zeros_like(x)})
    ex.forward(is_train=True)
    ex.backward(np.ones_like(x))
    np.testing.assert_allclose(ex.grad_dict["x"], [[0.00283098, 1.0312682, 1.7580993, 1.050701]], rtol=1e-5, atol=1e-6)


def test_round_takes_halves_away_from_zero():
    x = np.array([-2.5, -0.5, 0.49999997, 0.5, 1.5, 2.5], "float32")
    assert run(op("round"), [x])[0].tolist() == [-3, -1, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("x", "y", "params", "ins", "outs"),
    [
        ((2, 0, 4), None, {"axis": 2}, (2, 0, 4), (2, 0)),
        ((2, 0, 4), (2, 3), {"axis": 2}, (2, 3, 4), (2, 3)),
        ((2, 0, 4), None, {"axis": (0, -1), "keepdims": True}, (2, 0, 4), (1, 0, 1)),
        ((2, 3, 4), None, {"axis": 1, "exclude": True}, (2, 3, 4), (3,)),
        ((2, 3, 4), None, {}, (2, 3, 4), (1,)),
        (None, (3,), {"axis": 1}, None, (3,)),
    ],
)
def test_partial_shapes_of_reductions(x, y, params, ins, outs):
    assert op("sum", **params).infer_shape([x], [y]) == ([ins], [outs])


@pytest.mark.parametrize(
    ("name", "params", "shapes", "message"),
    [
        ("sum", {"axis": 3}, [(2, 3)], "axis 3 is out of range for 2 axes"),
        ("sum", {"axis": (1, -1)}, [(2, 3)], "names an axis twice"),
        ("broadcast_to", {"shape": (4, 3)}, [(2, 3)], "does not broadcast to"),
        ("broadcast_to", {"shape": (4,)}, [(2, 3)], "has not as many axes"),
        ("broadcast_axis", {"axis": 0, "size": 4}, [(2, 3)], "must have size 1"),
        ("broadcast_like", {}, [(2, 3), (3,)], "differ in their number of axes"),
        ("broadcast_like", {}, [(2, 3), (3, 3)], "does not broadcast to"),
    ],
)
def test_shape_errors(name, params, shapes, message):
    with pytest.raises(ShapeError, match=message):
        op(name, **params).types(tuple(TensorType(s) for s in shapes))


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("LeakyReLU", {"act_type": "relu"}, "act_type must be one of leaky, elu, gelu, prelu, rrelu, selu"),
        ("LeakyReLU", {"act_type": "rrelu", "lower_bound": 0.5}, "lower_bound must be at most upper_bound"),
        ("norm", {"ord": 3}, "ord must be 1 or 2"),
        ("clip", {"a_min": 2, "a_max": 1}, "a_min must be at most a_max"),
        ("broadcast_axis", {"axis": 1}, "differ in length"),
        ("broadcast_like", {"lhs_axes": 1, "rhs_axes": (0, 1)}, "differ in length"),
    ],
)
def test_parameter_errors(name, params, message):
    with pytest.raises(ParameterError, match=message):
        op(name, **params)
