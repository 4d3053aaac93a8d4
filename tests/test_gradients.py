"""The operator table through the Executor in float64: outputs, and gradients against central differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from case import Case, op
from cases import CASES

from graphnn import sym
from graphnn.executor import Executor
from graphnn.graph import Value, make_node
from graphnn.op import OPS, Op, lookup
from graphnn.symbol import Symbol

STEP = 1e-5

DRAWS = {
    "exponential", "gamma", "generalized_negative_binomial", "negative_binomial", "normal", "poisson", "uniform",
}  # fmt: skip

# Operators without a row, and where they are tested.
ELSEWHERE = {
    "Custom": "tests/test_operator.py",
    "Dropout": "tests/test_random.py",
    "_random_normal": "tests/test_random.py",
    "_random_uniform": "tests/test_random.py",
    "_random_randint": "tests/test_draws.py",
    "_sample_multinomial": "tests/test_draws.py",
    "_shuffle": "tests/test_draws.py",
    **{f"_sample_{name}": "tests/test_draws.py" for name in DRAWS},
    **{f"_random_{name}_like": "tests/test_draws.py" for name in DRAWS},
    **{f"_random_{name}": "tests/test_draws.py" for name in DRAWS - {"uniform", "normal"}},
}

# Operators whose rows leave out a gradient that is not zero: other rows of theirs check it.
OTHER_ROWS = {
    "_contrib_box_nms", "BatchNorm", "BatchNorm_v1", "GroupNorm", "IdentityAttachKLSparseReg",
    "LayerNorm", "LeakyReLU", "Pooling", "SoftmaxActivation", "nanprod", "nansum",
}  # fmt: skip

# Operators whose gradient is by intent not that of what they compute: tests/test_estimators.py.
ESTIMATORS = {"_contrib_gradientmultiplier", "_contrib_round_ste", "_contrib_sign_ste"}

# Operators whose gradient rule says that nothing flows.
CONSTANT = {"_arange", "_eye", "_full", "_linspace", "_ones", "_zeros", "_zeros_without_dtype", "one_hot", "zeros_like"}


def names_of(case: Case) -> list[str]:
    return [f"x{k}" for k in range(len(case.shapes))]


def bound(case: Case, xs: list[np.ndarray], optimize: bool = True) -> Executor:
    """Bind a row's operator to its inputs in float64; gradients only for what the row names."""
    names = names_of(case)
    node = make_node(case.op, [sym.Variable(n).values[0] for n in names], "y")
    net = Symbol([Value(node, k) for k in range(case.op.num_visible)])
    reqs = {names[k]: "write" for k in case.wrt if names[k] in net.list_arguments()}
    shapes = {n: x.shape for n, x in zip(names, xs, strict=True)}
    ex = net.simple_bind(reqs, dict.fromkeys(names, "float64"), optimize=optimize, **shapes)
    for name, x in zip(names, xs, strict=True):
        (ex.arg_dict if name in ex.arg_dict else ex.aux_dict)[name][...] = x
    return ex


def references(case: Case, xs: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    with np.errstate(all="ignore"):
        found = case.ref(*xs)
    return tuple(map(np.asarray, found if isinstance(found, tuple) else (found,)))


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_outputs(case: Case, optimize: bool) -> None:
    xs = case.inputs(np.random.default_rng(7))
    ex = bound(case, xs, optimize)
    wanted = references(case, xs)
    assert len(ex.outputs) == len(wanted)
    for y, want in zip(ex.forward(is_train=True), wanted, strict=True):
        assert y.shape == want.shape
        # An output may have a dtype of its own: one_hot and what has no input are float32.
        tight = {"rtol": 1e-9, "atol": 1e-11} if y.dtype == np.float64 else {"rtol": 1e-6, "atol": 1e-7}
        np.testing.assert_allclose(y, want, **tight)


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
@pytest.mark.parametrize("case", [c for c in CASES if c.wrt], ids=lambda c: c.id)
def test_gradient(case: Case, optimize: bool) -> None:
    rng = np.random.default_rng(8)
    xs = case.inputs(rng)
    ex = bound(case, xs, optimize)
    heads = [rng.normal(size=y.shape) for y in ex.outputs]

    def objective(k: int, x: np.ndarray) -> float:
        moved = [x if i == k else old for i, old in enumerate(xs)]
        if case.loss:
            return float(case.loss(*moved))
        return float(sum(np.sum(h * y) for h, y in zip(heads, references(case, moved), strict=True)))

    ex.forward(is_train=True)
    ex.backward(None if case.op.is_loss else heads)
    for k in case.wrt:
        for _ in range(4):
            direction = rng.normal(size=xs[k].shape)
            ahead, behind = (objective(k, xs[k] + s * STEP * direction) for s in (1, -1))
            got = np.sum(ex.grad_dict[f"x{k}"] * direction)
            np.testing.assert_allclose(got, (ahead - behind) / (2 * STEP), rtol=1e-6, atol=1e-7, err_msg=f"input {k}")


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.shapes and not c.wrt and c.op.name not in ESTIMATORS], ids=lambda c: c.id
)
def test_what_has_no_gradient_sends_back_zeros(case: Case) -> None:
    xs = case.inputs(np.random.default_rng(9))
    ex = bound(replace(case, grad=range(len(xs))), xs)
    ex.forward(is_train=True)
    ex.backward([np.ones_like(y) for y in ex.outputs])
    if case.op.name not in OTHER_ROWS:
        assert not any(g.any() for g in ex.grad_dict.values())


def test_every_operator_has_a_row() -> None:
    rows = {c.op.name for c in CASES}
    assert {cls.name for cls in operators()} - rows == set(ELSEWHERE), "add a row to tests/cases.py"
    assert not rows & set(ELSEWHERE)


def test_every_gradient_has_a_row() -> None:
    checked = {c.op.name for c in CASES if c.wrt}
    ruled = {cls.name for cls in operators() if cls.grad is not Op.grad}
    assert ruled - checked - set(ELSEWHERE) - ESTIMATORS == CONSTANT, (
        "give the row of tests/cases.py inputs to differentiate by"
    )


def operators() -> list[type[Op]]:
    """Give the public operators of the package, without those that tests add."""
    lookup("")
    return [c for c in OPS.values() if c.public and not c.is_variable and c.__module__.startswith("graphnn.ops.")]


def test_out_grad_multiplies_by_the_head_gradient() -> None:
    rng = np.random.default_rng(10)
    x, head = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    label = np.array([1.0, 3, 0])
    net = sym.SoftmaxOutput(sym.Variable("x"), sym.Variable("label"), out_grad=True)
    args = {"x": x, "label": label}
    ex = net.bind(args, {"x": np.zeros_like(x)})
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    np.testing.assert_allclose(ex.forward(is_train=True)[0], p)
    ex.backward(head)
    np.testing.assert_allclose(ex.grad_dict["x"], (p - np.eye(4)[label.astype(int)]) * head)
    assert op("SoftmaxOutput").is_loss and not op("SoftmaxOutput", out_grad=True).is_loss
