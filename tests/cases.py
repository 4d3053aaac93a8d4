"""THE operator table: a row for every operator. Sizes differ on every axis, so that mixed-up axes cannot pass."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from case import Case, op
from ctc_cases import CASES as CTC_CASES
from density_cases import CASES as DENSITY_CASES
from detection_cases import CASES as DETECTION_CASES
from loss_cases import CASES as LOSS_CASES
from matrix_cases import CASES as MATRIX_CASES
from network_cases import CASES as NETWORK_CASES
from norm_cases import CASES as NORM_CASES
from region_cases import CASES as REGION_CASES
from resize_cases import CASES as RESIZE_CASES
from rnn_cases import CASES as RNN_CASES
from sequence_cases import CASES as SEQUENCE_CASES
from small_cases import CASES as SMALL_CASES
from tensor_cases import CASES as TENSOR_CASES
from volume_cases import CASES as VOLUME_CASES


def inverse_erf(x):
    return np.vectorize(NormalDist().inv_cdf)((x + 1) / 2) / math.sqrt(2)


def whole(*shapes):
    """Draw from -1, 0, 1 and 2, so that equal and zero elements occur."""
    return lambda rng: [rng.integers(-1, 3, s) for s in shapes]


def remainders(x, y):
    """Draw dividends and divisors whose quotients lie well inside (k, k + 1) for k = 1."""
    return lambda rng: [rng.uniform(2.2, 2.8, x), rng.uniform(1.5, 2.0, y)]


def with_nan(shape):
    """Draw with about a third of the elements nan."""
    return lambda rng: [np.where(rng.random(shape) < 0.3, np.nan, rng.uniform(0.5, 2, shape))]


def picked(a: np.ndarray, i: np.ndarray, axis: int, keepdims: bool, mode: str) -> np.ndarray:
    n = a.shape[axis]
    index = i.astype(int) % n if mode == "wrap" else np.clip(i, 0, n - 1).astype(int)
    if index.ndim < a.ndim:
        index = np.expand_dims(index, axis)
    y = np.take_along_axis(a, index, axis)
    return y if keepdims else y.squeeze(axis)


CASES = [
    # --- arithmetic: unary, binary, broadcast, scalar (graphnn/ops/arithmetic.py, unary.py)
    Case(op("elemwise_add"), ((3, 4), (3, 4)), np.add),
    Case(op("elemwise_sub"), ((3, 4), (3, 4)), np.subtract),
    Case(op("elemwise_mul"), ((3, 4), (3, 4)), np.multiply),
    Case(op("elemwise_div"), ((3, 4), (3, 4)), np.divide, low=0.5),
    Case(op("_power"), ((3, 4), (3, 4)), np.power, low=0.5),
    Case(op("_mod"), ((3, 4), (3, 4)), np.mod, draw=remainders((3, 4), (3, 4)), grad=(0,)),
    Case(op("_maximum"), ((3, 4), (3, 4)), np.maximum),
    Case(op("_minimum"), ((3, 4), (3, 4)), np.minimum),
    Case(op("_hypot"), ((3, 4), (3, 4)), np.hypot, low=0.5),
    Case(op("_grad_add"), ((3, 4), (3, 4)), np.add),
    Case(op("add_n", num_args=1), ((3, 4),), np.copy),
    Case(op("add_n", num_args=4), ((3, 4),) * 4, lambda *xs: sum(xs)),
    Case(op("broadcast_add"), ((3, 1, 4), (1, 2, 4)), np.add),
    Case(op("broadcast_sub"), ((3, 1, 4), (1, 2, 4)), np.subtract),
    Case(op("broadcast_mul"), ((3, 1, 4), (1, 2, 4)), np.multiply),
    Case(op("broadcast_div"), ((3, 1, 4), (1, 2, 4)), np.divide, low=0.5),
    Case(op("broadcast_mul"), ((3, 2, 4), (4,)), np.multiply),
    Case(op("broadcast_sub"), ((2, 1), (3, 1, 4)), np.subtract),
    Case(op("broadcast_power"), ((3, 1, 4), (1, 2, 4)), np.power, low=0.5),
    Case(op("broadcast_mod"), ((3, 1), (1, 2)), np.mod, draw=remainders((3, 1), (1, 2)), grad=(0,)),
    Case(op("broadcast_maximum"), ((3, 1, 4), (1, 2, 4)), np.maximum),
    Case(op("broadcast_minimum"), ((3, 1, 4), (1, 2, 4)), np.minimum),
    Case(op("broadcast_hypot"), ((3, 1, 4), (1, 2, 4)), np.hypot, low=0.5),
    Case(op("_equal"), ((3, 4), (3, 4)), np.equal, draw=whole((3, 4), (3, 4)), grad=()),
    Case(op("broadcast_equal"), ((3, 1), (1, 4)), np.equal, draw=whole((3, 1), (1, 4)), grad=()),
    Case(op("_equal_scalar", scalar=1), ((3, 4),), lambda x: np.equal(x, 1), draw=whole((3, 4)), grad=()),
    Case(op("_not_equal"), ((3, 4), (3, 4)), np.not_equal, draw=whole((3, 4), (3, 4)), grad=()),
    Case(op("broadcast_not_equal"), ((3, 1), (1, 4)), np.not_equal, draw=whole((3, 1), (1, 4)), grad=()),
    Case(op("_not_equal_scalar", scalar=1), ((3, 4),), lambda x: np.not_equal(x, 1), draw=whole((3, 4)), grad=()),
    Case(op("_greater"), ((3, 4), (3, 4)), np.greater, draw=whole((3, 4), (3, 4)), grad=()),
    Case(op("broadcast_greater"), ((3, 1), (1, 4)), np.greater, draw=whole((3, 1), (1, 4)), grad=()),
    Case(op("_greater_scalar", scalar=1), ((3, 4),), lambda x: np.greater(x, 1), draw=whole((3, 4)), grad=()),
    Case(op("_greater_equal"), ((3, 4), (3, 4)), np.greater_equal, draw=whole((3, 4), (3, 4)), grad=()),
    Case(op("broadcast_greater_equal"), ((3, 1), (1, 4)), np.greater_equal, draw=whole((3, 1), (1, 4)), grad=()),
    Case(
        op("_greater_equal_scalar", scalar=1), ((3, 4),), lambda x: np.greater_equal(x, 1), draw=whole((3, 4)), grad=()
    ),
    Case(op("_lesser"), ((3, 4), (3, 4)), np.less, draw=whole((3, 4), (3, 4)), grad=()),
    Case(op("broadcast_lesser"), ((3, 1), (1, 4)), np.less, draw=whole((3, 1), (1, 4)), grad=()),
    Case(op("_lesser_scalar", scalar=1), ((3, 4),), lambda x: np.less(x, 1), draw=whole((3, 4)), grad=()),
    Case(op("_lesser_equal"), ((3, 4), (3, 4)), np.less_equal, draw=whole((3, 4), (3, 4)), grad=()),
    Case(op("broadcast_lesser_equal"), ((3, 1), (1, 4)), np.less_equal, draw=whole((3, 1), (1, 4)), grad=()),
    Case(op("_lesser_equal_scalar", scalar=1), ((3, 4),), lambda x: np.less_equal(x, 1), draw=whole((3, 4)), grad=()),
    Case(op("_logical_and"), ((3, 4), (3, 4)), np.logical_and, draw=whole((3, 4), (3, 4)), grad=()),
    Case(op("broadcast_logical_and"), ((3, 1), (1, 4)), np.logical_and, draw=whole((3, 1), (1, 4)), grad=()),
    Case(op("_logical_and_scalar", scalar=1), ((3, 4),), lambda x: np.logical_and(x, 1), draw=whole((3, 4)), grad=()),
    Case(op("_logical_or"), ((3, 4), (3, 4)), np.logical_or, draw=whole((3, 4), (3, 4)), grad=()),
    Case(op("broadcast_logical_or"), ((3, 1), (1, 4)), np.logical_or, draw=whole((3, 1), (1, 4)), grad=()),
    Case(op("_logical_or_scalar", scalar=1), ((3, 4),), lambda x: np.logical_or(x, 1), draw=whole((3, 4)), grad=()),
    Case(op("_logical_xor"), ((3, 4), (3, 4)), np.logical_xor, draw=whole((3, 4), (3, 4)), grad=()),
    Case(op("broadcast_logical_xor"), ((3, 1), (1, 4)), np.logical_xor, draw=whole((3, 1), (1, 4)), grad=()),
    Case(op("_logical_xor_scalar", scalar=1), ((3, 4),), lambda x: np.logical_xor(x, 1), draw=whole((3, 4)), grad=()),
    Case(op("_plus_scalar", scalar=1.5), ((3, 4),), lambda x: x + 1.5),
    Case(op("_minus_scalar", scalar=1.5), ((3, 4),), lambda x: x - 1.5),
    Case(op("_rminus_scalar", scalar=1.5), ((3, 4),), lambda x: 1.5 - x),
    Case(op("_mul_scalar", scalar=1.5), ((3, 4),), lambda x: x * 1.5),
    Case(op("_div_scalar", scalar=1.5), ((3, 4),), lambda x: x / 1.5),
    Case(op("_rdiv_scalar", scalar=1.5), ((3, 4),), lambda x: 1.5 / x, low=0.5),
    Case(op("_power_scalar", scalar=1.5), ((3, 4),), lambda x: x**1.5, low=0.5),
    Case(op("_rpower_scalar", scalar=1.5), ((3, 4),), lambda x: 1.5**x),
    Case(op("_mod_scalar", scalar=1.5), ((3, 4),), lambda x: x % 1.5, low=1.6, high=2.9),
    Case(op("_rmod_scalar", scalar=1.5), ((3, 4),), lambda x: 1.5 % x, low=0.8, high=1.4),
    Case(op("_maximum_scalar", scalar=1.5), ((3, 4),), lambda x: np.maximum(x, 1.5)),
    Case(op("_minimum_scalar", scalar=1.5), ((3, 4),), lambda x: np.minimum(x, 1.5)),
    Case(op("_hypot_scalar", scalar=1.5), ((3, 4),), lambda x: np.hypot(x, 1.5)),
    Case(op("_power_scalar", scalar=0), ((3, 4),), lambda x: x**0),
    Case(op("_power_scalar", scalar=1), ((3, 4),), lambda x: x**1),
    Case(op("_power_scalar", scalar=2), ((3, 4),), lambda x: x**2),
    Case(op("_power_scalar", scalar=3), ((3, 4),), lambda x: x**3),
    Case(op("_power_scalar", scalar=0.5), ((3, 4),), lambda x: x**0.5, low=0.5),
    Case(op("_power_scalar", scalar=-2), ((3, 4),), lambda x: x**-2, low=0.5),
    Case(op("abs"), ((3, 4),), np.abs, low=0.1),
    Case(op("sign"), ((3, 4),), np.sign),
    Case(op("round"), ((3, 4),), np.round),
    Case(op("rint"), ((3, 4),), np.rint),
    Case(op("ceil"), ((3, 4),), np.ceil),
    Case(op("floor"), ((3, 4),), np.floor),
    Case(op("trunc"), ((3, 4),), np.trunc),
    Case(op("fix"), ((3, 4),), np.trunc),
    Case(op("negative"), ((3, 4),), np.negative),
    Case(op("square"), ((3, 4),), np.square),
    Case(op("sqrt"), ((3, 4),), np.sqrt, low=0.1),
    Case(op("rsqrt"), ((3, 4),), lambda x: 1 / np.sqrt(x), low=0.1),
    Case(op("cbrt"), ((3, 4),), np.cbrt, low=0.1),
    Case(op("rcbrt"), ((3, 4),), lambda x: 1 / np.cbrt(x), low=0.1),
    Case(op("reciprocal"), ((3, 4),), lambda x: 1 / x, low=0.1),
    Case(op("exp"), ((3, 4),), np.exp),
    Case(op("expm1"), ((3, 4),), np.expm1),
    Case(op("log"), ((3, 4),), np.log, low=0.1),
    Case(op("log10"), ((3, 4),), np.log10, low=0.1),
    Case(op("log2"), ((3, 4),), np.log2, low=0.1),
    Case(op("log1p"), ((3, 4),), np.log1p, low=-0.9),
    Case(op("sin"), ((3, 4),), np.sin),
    Case(op("cos"), ((3, 4),), np.cos),
    Case(op("tan"), ((3, 4),), np.tan, low=-1, high=1),
    Case(op("arcsin"), ((3, 4),), np.arcsin, low=-0.9, high=0.9),
    Case(op("arccos"), ((3, 4),), np.arccos, low=-0.9, high=0.9),
    Case(op("arctan"), ((3, 4),), np.arctan),
    Case(op("sinh"), ((3, 4),), np.sinh),
    Case(op("cosh"), ((3, 4),), np.cosh),
    Case(op("tanh"), ((3, 4),), np.tanh),
    Case(op("arcsinh"), ((3, 4),), np.arcsinh),
    Case(op("arccosh"), ((3, 4),), np.arccosh, low=1.1, high=3),
    Case(op("arctanh"), ((3, 4),), np.arctanh, low=-0.9, high=0.9),
    Case(op("degrees"), ((3, 4),), np.degrees),
    Case(op("radians"), ((3, 4),), np.radians),
    Case(op("erf"), ((3, 4),), np.vectorize(math.erf)),
    Case(op("gamma"), ((3, 4),), np.vectorize(math.gamma), low=0.5, high=4),
    Case(op("gammaln"), ((3, 4),), np.vectorize(math.lgamma), low=0.5, high=4),
    Case(op("relu"), ((3, 4),), lambda x: np.maximum(x, 0)),
    Case(op("sigmoid"), ((3, 4),), lambda x: 1 / (1 + np.exp(-x))),
    Case(op("softsign"), ((3, 4),), lambda x: x / (1 + np.abs(x))),
    Case(op("_copy"), ((3, 4),), np.copy),
    Case(op("ones_like"), ((3, 4),), np.ones_like, grad=()),
    Case(op("zeros_like"), ((3, 4),), np.zeros_like, grad=()),
    Case(op("BlockGrad"), ((3, 4),), np.copy, grad=()),
    Case(
        op("erfinv"), ((3, 4),), lambda x: np.vectorize(NormalDist().inv_cdf)((x + 1) / 2) / 2**0.5, low=-0.9, high=0.9
    ),
    Case(op("logical_not"), ((3, 4),), np.logical_not, draw=whole((3, 4)), grad=()),
    Case(op("hard_sigmoid"), ((3, 4),), lambda x: np.clip(0.2 * x + 0.5, 0, 1), low=-4, high=4),
    Case(
        op("smooth_l1", scalar=1.2), ((3, 4),), lambda x: np.where(abs(x) < 1 / 1.44, 0.72 * x * x, abs(x) - 0.5 / 1.44)
    ),
    Case(op("clip", a_min=-0.7, a_max=1.1), ((3, 4),), lambda x: np.clip(x, -0.7, 1.1)),
    Case(op("Cast", dtype="float64"), ((3, 4),), np.copy),
    Case(op("make_loss"), ((3, 4),), np.copy, loss=np.sum),
    Case(op("MakeLoss", grad_scale=0.3), ((3, 4),), np.copy, loss=lambda x: 0.3 * np.sum(x)),
    Case(op("MakeLoss", normalization="batch"), ((3, 4),), np.copy, loss=lambda x: np.sum(x) / 3),
    Case(op("MakeLoss", normalization="batch"), ((3, 4, 2),), np.copy, loss=lambda x: np.sum(x) / 12),
    Case(op("MakeLoss", normalization="valid"), ((3, 4),), np.copy, loss=lambda x: np.sum(x) / max(1, np.sum(x > 0))),
    Case(op("Activation", act_type="relu"), ((3, 4),), lambda x: np.maximum(x, 0)),
    Case(op("Activation", act_type="sigmoid"), ((3, 4),), lambda x: 1 / (1 + np.exp(-x))),
    Case(op("Activation", act_type="tanh"), ((3, 4),), np.tanh),
    Case(op("Activation", act_type="softrelu"), ((3, 4),), lambda x: np.log(1 + np.exp(x))),
    Case(op("Activation", act_type="softsign"), ((3, 4),), lambda x: x / (1 + np.abs(x))),
    Case(op("LeakyReLU"), ((3, 4),), lambda x: np.where(x > 0, x, 0.25 * x)),
    Case(op("LeakyReLU", slope=1.5), ((3, 4),), lambda x: np.where(x > 0, x, 1.5 * x)),
    Case(op("LeakyReLU", act_type="elu", slope=0.4), ((3, 4),), lambda x: np.where(x > 0, x, 0.4 * (np.exp(x) - 1))),
    Case(
        op("LeakyReLU", act_type="selu"),
        ((3, 4),),
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
        grad=(),  # MXNet's, which is not the slope of y: tests/test_kernels.py
    ),
    Case(op("LeakyReLU", act_type="gelu"), ((3, 4),), lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2),
    Case(
        op("LeakyReLU", act_type="prelu"),
        ((3, 4, 2), (4,)),
        lambda x, a: np.where(x > 0, x, a[:, None] * x),
    ),
    Case(op("LeakyReLU", act_type="prelu"), ((3, 4), (1,)), lambda x, a: np.where(x > 0, x, a * x)),
    Case(op("LeakyReLU", act_type="prelu"), ((5,), (1,)), lambda x, a: np.where(x > 0, x, a * x)),
    # --- reduce (graphnn/ops/reduce.py)
    Case(op("sum"), ((3, 4, 2),), lambda x: np.sum(x).reshape(1)),
    Case(op("sum", keepdims=True), ((3, 4, 2),), lambda x: np.sum(x, keepdims=True)),
    Case(op("sum", axis=0), ((3, 4, 2),), lambda x: np.sum(x, axis=0)),
    Case(op("sum", axis=-1, keepdims=True), ((3, 4, 2),), lambda x: np.sum(x, axis=2, keepdims=True)),
    Case(op("sum", axis=(0, 2, 3)), ((3, 4, 2, 5),), lambda x: np.sum(x, axis=(0, 2, 3))),
    Case(op("sum", axis=(0, 1)), ((3, 4, 2),), lambda x: np.sum(x, axis=(0, 1))),
    Case(op("sum", axis=1), ((3, 4, 2),), lambda x: np.sum(x, axis=1)),
    Case(op("sum", axis=1, exclude=True), ((3, 4, 2),), lambda x: np.sum(x, axis=(0, 2))),
    Case(op("sum", axis=(1, 2)), ((2, 3, 5, 19),), lambda x: np.sum(x, axis=(1, 2))),
    Case(op("sum", axis=(0, 2)), ((2, 3, 37),), lambda x: np.sum(x, axis=(0, 2))),
    Case(op("mean"), ((3, 4, 2),), lambda x: np.mean(x).reshape(1)),
    Case(op("mean", keepdims=True), ((3, 4, 2),), lambda x: np.mean(x, keepdims=True)),
    Case(op("mean", axis=0), ((3, 4, 2),), lambda x: np.mean(x, axis=0)),
    Case(op("mean", axis=-1, keepdims=True), ((3, 4, 2),), lambda x: np.mean(x, axis=2, keepdims=True)),
    Case(op("mean", axis=(0, 2, 3)), ((3, 4, 2, 5),), lambda x: np.mean(x, axis=(0, 2, 3))),
    Case(op("mean", axis=(0, 1)), ((3, 4, 2),), lambda x: np.mean(x, axis=(0, 1))),
    Case(op("mean", axis=1), ((3, 4, 2),), lambda x: np.mean(x, axis=1)),
    Case(op("mean", axis=1, exclude=True), ((3, 4, 2),), lambda x: np.mean(x, axis=(0, 2))),
    Case(op("max"), ((3, 4, 2),), lambda x: np.max(x).reshape(1)),
    Case(op("max", keepdims=True), ((3, 4, 2),), lambda x: np.max(x, keepdims=True)),
    Case(op("max", axis=0), ((3, 4, 2),), lambda x: np.max(x, axis=0)),
    Case(op("max", axis=-1, keepdims=True), ((3, 4, 2),), lambda x: np.max(x, axis=2, keepdims=True)),
    Case(op("max", axis=(0, 2, 3)), ((3, 4, 2, 5),), lambda x: np.max(x, axis=(0, 2, 3))),
    Case(op("max", axis=(0, 1)), ((3, 4, 2),), lambda x: np.max(x, axis=(0, 1))),
    Case(op("max", axis=1), ((3, 4, 2),), lambda x: np.max(x, axis=1)),
    Case(op("max", axis=1, exclude=True), ((3, 4, 2),), lambda x: np.max(x, axis=(0, 2))),
    Case(op("min"), ((3, 4, 2),), lambda x: np.min(x).reshape(1)),
    Case(op("min", keepdims=True), ((3, 4, 2),), lambda x: np.min(x, keepdims=True)),
    Case(op("min", axis=0), ((3, 4, 2),), lambda x: np.min(x, axis=0)),
    Case(op("min", axis=-1, keepdims=True), ((3, 4, 2),), lambda x: np.min(x, axis=2, keepdims=True)),
    Case(op("min", axis=(0, 2, 3)), ((3, 4, 2, 5),), lambda x: np.min(x, axis=(0, 2, 3))),
    Case(op("min", axis=(0, 1)), ((3, 4, 2),), lambda x: np.min(x, axis=(0, 1))),
    Case(op("min", axis=1), ((3, 4, 2),), lambda x: np.min(x, axis=1)),
    Case(op("min", axis=1, exclude=True), ((3, 4, 2),), lambda x: np.min(x, axis=(0, 2))),
    Case(op("prod"), ((3, 4, 2),), lambda x: np.prod(x).reshape(1), low=0.5),
    Case(op("prod", keepdims=True), ((3, 4, 2),), lambda x: np.prod(x, keepdims=True), low=0.5),
    Case(op("prod", axis=0), ((3, 4, 2),), lambda x: np.prod(x, axis=0), low=0.5),
    Case(op("prod", axis=-1, keepdims=True), ((3, 4, 2),), lambda x: np.prod(x, axis=2, keepdims=True), low=0.5),
    Case(op("prod", axis=(0, 2, 3)), ((3, 4, 2, 5),), lambda x: np.prod(x, axis=(0, 2, 3)), low=0.5),
    Case(op("prod", axis=(0, 1)), ((3, 4, 2),), lambda x: np.prod(x, axis=(0, 1)), low=0.5),
    Case(op("prod", axis=1), ((3, 4, 2),), lambda x: np.prod(x, axis=1), low=0.5),
    Case(op("prod", axis=1, exclude=True), ((3, 4, 2),), lambda x: np.prod(x, axis=(0, 2)), low=0.5),
    Case(op("nansum", axis=1), ((3, 4, 2),), lambda x: np.nansum(x, axis=1), draw=with_nan((3, 4, 2)), grad=()),
    Case(op("nanprod", axis=1), ((3, 4, 2),), lambda x: np.nanprod(x, axis=1), draw=with_nan((3, 4, 2)), grad=()),
    Case(op("nansum", axis=1), ((3, 4),), lambda x: np.nansum(x, axis=1)),
    Case(op("nanprod", axis=1), ((3, 4),), lambda x: np.nanprod(x, axis=1), low=0.5),
    Case(op("norm"), ((3, 4),), lambda x: np.sqrt(np.sum(x * x)).reshape(1)),
    Case(op("norm", axis=1), ((3, 4, 2),), lambda x: np.sqrt(np.sum(x * x, axis=1))),
    Case(op("norm", ord=1, axis=(0, 1), keepdims=True), ((3, 4, 2),), lambda x: np.sum(abs(x), (0, 1), keepdims=True)),
    Case(op("argmax"), ((3, 4),), lambda x: np.argmax(x).reshape(1)),
    Case(op("argmax", axis=0), ((3, 4, 2),), lambda x: np.argmax(x, 0)),
    Case(op("argmax", axis=-2, keepdims=True), ((3, 4, 2),), lambda x: np.argmax(x, 1)[:, None]),
    Case(op("argmin", axis=1), ((3, 4, 2),), lambda x: np.argmin(x, 1)),
    Case(op("argmax_channel"), ((3, 4),), lambda x: np.argmax(x, 1)),
    Case(op("broadcast_to", shape=(3, 0, 2)), ((1, 4, 1),), lambda x: np.broadcast_to(x, (3, 4, 2))),
    Case(op("broadcast_axis", axis=(0, 2), size=(3, 2)), ((1, 4, 1),), lambda x: np.broadcast_to(x, (3, 4, 2))),
    Case(op("broadcast_like"), ((1, 4), (3, 4)), lambda x, y: np.broadcast_to(x, (3, 4)), grad=(0,)),
    Case(op("broadcast_like", lhs_axes=(0,)), ((1, 4), (3, 4)), lambda x, y: np.broadcast_to(x, (3, 4)), grad=(0,)),
    Case(
        op("broadcast_like", lhs_axes=(0, -1), rhs_axes=(1, 0)),
        ((1, 4, 1), (2, 3)),
        lambda x, y: np.broadcast_to(x, (3, 4, 2)),
        grad=(0,),
    ),
    # --- shape and indexing (graphnn/ops/shape.py, join.py, pad.py, indexing.py)
    Case(op("Reshape", shape=(0, -1)), ((2, 3, 4),), lambda x: x.reshape(2, 12)),
    Case(op("Reshape", shape=(-3, 0)), ((2, 3, 4),), lambda x: x.reshape(6, 4)),
    Case(op("Reshape", shape=(-4, 1, 2, -2)), ((2, 3, 4),), lambda x: x.reshape(1, 2, 3, 4)),
    Case(op("Reshape", shape=(-1, 0), reverse=True), ((2, 3, 4),), lambda x: x.reshape(6, 4)),
    Case(op("Reshape", target_shape=(0, 6), keep_highest=False), ((2, 3, 4),), lambda x: x.reshape(4, 6)),
    Case(op("Flatten"), ((2, 3, 4),), lambda x: x.reshape(2, 12)),
    Case(op("expand_dims", axis=-2), ((2, 3, 4),), lambda x: x[:, :, None]),
    Case(op("squeeze"), ((1, 3, 1, 4),), np.squeeze),
    Case(op("squeeze", axis=-2), ((1, 3, 1, 4),), lambda x: x[:, :, 0]),
    Case(op("reshape_like"), ((2, 6), (3, 4)), lambda x, y: x.reshape(y.shape), grad=[0]),
    Case(
        op("reshape_like", lhs_begin=0, lhs_end=1, rhs_begin=0, rhs_end=2),
        ((6, 5), (2, 3, 4)),
        lambda x, y: x.reshape(2, 3, 5),
        grad=[0],
    ),
    Case(op("transpose"), ((2, 3, 4),), np.transpose),
    Case(op("transpose", axes=(1, 2, 0)), ((2, 3, 4),), lambda x: x.transpose(1, 2, 0)),
    Case(op("SwapAxis", dim1=0, dim2=-1), ((2, 3, 4),), lambda x: x.swapaxes(0, 2)),
    Case(op("Concat", num_args=3, dim=1), ((2, 1, 4), (2, 3, 4), (2, 5, 4)), lambda *xs: np.concatenate(xs, 1)),
    Case(op("Concat", num_args=2, dim=0), ((1, 4), (3, 4)), lambda *xs: np.concatenate(xs, 0)),
    Case(op("stack", num_args=2, axis=1), ((3, 4), (3, 4)), lambda *xs: np.stack(xs, 1)),
    Case(op("SliceChannel", num_outputs=3), ((2, 6, 5),), lambda x: tuple(np.split(x, 3, 1))),
    Case(
        op("SliceChannel", num_outputs=3, axis=-1, squeeze_axis=True),
        ((2, 4, 3),),
        lambda x: tuple(x[..., i] for i in range(3)),
    ),
    Case(op("slice", begin=(1, None), end=(3, -1)), ((4, 5, 2),), lambda x: x[1:3, :-1]),
    Case(op("slice", begin=(None, 4), end=(None, 0), step=(None, -2)), ((3, 6),), lambda x: x[:, 4:0:-2]),
    Case(op("slice_axis", axis=1, begin=1, end=-1), ((2, 5, 3),), lambda x: x[:, 1:-1]),
    Case(op("slice_axis", axis=-1, begin=-2, end=None), ((2, 5),), lambda x: x[:, -2:]),
    Case(op("slice_like"), ((4, 5), (2, 3)), lambda x, y: x[:2, :3], grad=[0]),
    Case(op("slice_like", axes=(-1,)), ((4, 5), (2, 3)), lambda x, y: x[:, :3], grad=[0]),
    Case(op("slice_like", axes=(-1,)), ((4, 5), (6, 2, 9)), lambda x, y: x[:, :2], grad=[0]),
    *[
        Case(
            op("Pad", mode=mode, pad_width=(0, 0, 0, 0, 1, 2, 3, 1), **more),
            ((2, 3, 4, 5),),
            lambda x, mode=mode, more=more: np.pad(
                x, ((0, 0), (0, 0), (1, 2), (3, 1)), mode, **({"constant_values": 1.5} if more else {})
            ),
        )
        for mode, more in (("constant", {"constant_value": 1.5}), ("edge", {}), ("reflect", {}))
    ],
    Case(
        op("Pad", mode="reflect", pad_width=(0, 0, 0, 0, 1, 1, 0, 2, 2, 0)),
        ((1, 2, 3, 4, 5),),
        lambda x: np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 2), (2, 0)), "reflect"),
    ),
    Case(op("tile", reps=(2, 3)), ((2, 4),), lambda x: np.tile(x, (2, 3))),
    Case(op("tile", reps=(2, 1, 3)), ((2, 4),), lambda x: np.tile(x, (2, 1, 3))),
    Case(op("tile", reps=(3,)), ((2, 4),), lambda x: np.tile(x, 3)),
    Case(op("repeat", repeats=3, axis=1), ((2, 4, 3),), lambda x: np.repeat(x, 3, 1)),
    Case(op("repeat", repeats=2), ((2, 3),), lambda x: np.repeat(x, 2)),
    Case(op("reverse", axis=(0, 2)), ((2, 3, 4),), lambda x: x[::-1, :, ::-1]),
    Case(
        op("Embedding", input_dim=6, output_dim=3),
        ((2, 4), (6, 3)),
        lambda i, w: w[np.clip(i, 0, 5).astype(int)],
        grad=[1],
        draw=lambda rng: [rng.integers(-2, 9, (2, 4)), rng.uniform(-1, 1, (6, 3))],
    ),
    *[
        Case(
            op("take", axis=axis, mode=mode),
            ((4, 5, 3), (2, 6)),
            lambda a, i, axis=axis, mode=mode: np.take(a, i.astype(int), axis, mode=mode),
            grad=[0],
            draw=lambda rng: [rng.uniform(-1, 1, (4, 5, 3)), rng.integers(-7, 9, (2, 6))],
        )
        for axis in (0, 1, -1)
        for mode in ("clip", "wrap")
    ],
    Case(
        op("one_hot", depth=5, on_value=2, off_value=-1),
        ((2, 4),),
        lambda i: np.where(i[..., None] == np.arange(5), 2.0, -1.0),
        grad=[],
        draw=lambda rng: [rng.integers(-1, 7, (2, 4))],
    ),
    *[
        Case(
            op("pick", axis=axis, keepdims=keepdims, mode=mode),
            ((4, 5, 3), shape),
            lambda a, i, axis=axis, keepdims=keepdims, mode=mode: picked(a, i, axis, keepdims, mode),
            grad=[0],
            draw=lambda rng, shape=shape: [rng.uniform(-1, 1, (4, 5, 3)), rng.integers(-6, 9, shape)],
        )
        for axis, keepdims, mode, shape in (
            (-1, False, "clip", (4, 5)),
            (1, True, "wrap", (4, 1, 3)),
            (0, False, "clip", (5, 3)),
        )
    ],
    *[
        Case(
            op("pick", axis=None, keepdims=keepdims, mode=mode),
            ((4, 5), (1,)),
            lambda a, i, keepdims=keepdims, mode=mode: picked(a.reshape(-1), i, 0, True, mode).reshape(
                (1, 1) if keepdims else (1,)
            ),
            grad=[0],
            draw=lambda rng, mode=mode: [rng.uniform(-1, 1, (4, 5)), np.array([23 if mode == "wrap" else -3])],
        )
        for keepdims, mode in ((False, "clip"), (True, "wrap"))
    ],
    Case(
        op("where"),
        ((3, 4), (3, 4), (3, 4)),
        lambda c, x, y: np.where(c != 0, x, y),
        grad=[1, 2],
        draw=lambda rng: [rng.integers(0, 2, (3, 4)), *rng.uniform(-1, 1, (2, 3, 4))],
    ),
    Case(
        op("where"),
        ((3,), (3, 4), (3, 4)),
        lambda c, x, y: np.where(c[:, None] != 0, x, y),
        grad=[1, 2],
        draw=lambda rng: [np.array([0, 1, -1]), *rng.uniform(-1, 1, (2, 3, 4))],
    ),
    # --- linalg (graphnn/ops/linalg.py)
    Case(
        op("FullyConnected", num_hidden=5),
        ((4, 3, 2), (5, 6), (5,)),
        lambda x, w, b: np.einsum("nk,mk->nm", x.reshape(4, 6), w) + b,
    ),
    Case(op("FullyConnected", num_hidden=5, no_bias=True), ((4, 6), (5, 6)), lambda x, w: x @ w.T),
    Case(
        op("FullyConnected", num_hidden=5, flatten=False),
        ((4, 3, 2), (5, 2), (5,)),
        lambda x, w, b: np.einsum("abk,mk->abm", x, w) + b,
    ),
    *[
        Case(
            op("dot", transpose_a=ta, transpose_b=tb),
            ((4, 3) if ta else (3, 4), (5, 4) if tb else (4, 5)),
            lambda x, y, ta=ta, tb=tb: np.einsum("ki,kj->ij", x if ta else x.T, y.T if tb else y),
        )
        for ta in (False, True)
        for tb in (False, True)
    ],
    Case(op("dot"), ((4,), (4,)), lambda x, y: np.array([np.sum(x * y)])),
    Case(op("dot"), ((2, 3, 4), (4, 5, 6)), lambda x, y: np.tensordot(x, y, 1)),
    Case(
        op("dot", transpose_a=True, transpose_b=True),
        ((4, 2, 3), (5, 6, 4)),
        lambda x, y: np.einsum("kab,cdk->abcd", x, y),
    ),
    *[
        Case(
            op("batch_dot", transpose_a=ta, transpose_b=tb),
            ((2, 4, 3) if ta else (2, 3, 4), (2, 5, 4) if tb else (2, 4, 5)),
            lambda x, y, ta=ta, tb=tb: np.einsum(f"n{'ki' if ta else 'ik'},n{'jk' if tb else 'kj'}->nij", x, y),
        )
        for ta in (False, True)
        for tb in (False, True)
    ],
    # --- losses (graphnn/ops/loss.py)
    *LOSS_CASES,
    # --- creation and random (graphnn/ops/create.py)
    Case(op("_zeros", shape=(2, 3)), (), lambda: np.zeros((2, 3))),
    Case(op("_ones", shape=(2, 3)), (), lambda: np.ones((2, 3))),
    Case(op("_full", shape=(2, 3), value=1.5), (), lambda: np.full((2, 3), 1.5)),
    Case(op("_arange", start=5), (), lambda: np.arange(5.0)),
    Case(op("_arange", start=2, stop=8, step=2.5, repeat=2), (), lambda: np.repeat(np.arange(2, 8, 2.5), 2)),
    Case(op("_eye", N=3, M=4, k=-1), (), lambda: np.eye(3, 4, -1)),
    # --- networks (graphnn/ops/conv.py, pool.py, norm.py)
    *NETWORK_CASES,
    *DENSITY_CASES,
    *DETECTION_CASES,
    *NORM_CASES,
    *REGION_CASES,
    *RNN_CASES,
    *SMALL_CASES,
    *MATRIX_CASES,
    *TENSOR_CASES,
    *SEQUENCE_CASES,
    *CTC_CASES,
    *VOLUME_CASES,
    *RESIZE_CASES,
]
