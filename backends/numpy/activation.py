"""Kernels of the activation functions."""

from __future__ import annotations

import math

import numpy as np

from graphnn.ops import activation
from graphnn.ops.activation import SELU_ALPHA, SELU_SCALE

from . import special
from .calls import flags, quiet, workspace
from .registry import linked

__all__: list[str] = []


def _relu(x, y, work):
    if x.dtype.kind == "f":
        np.clip(x, 0, np.inf, out=y)  # four times as fast as np.maximum with a scalar
    else:
        np.maximum(x, 0, out=y)


def _sigmoid(x, y, work):
    np.negative(x, out=y)
    np.exp(y, out=y)
    np.add(y, 1, out=y)
    np.divide(1, y, out=y)


def _tanh(x, y, work):
    np.tanh(x, out=y)


def _softsign(x, y, work):
    np.abs(x, out=work)
    np.add(work, 1, out=work)
    np.divide(x, work, out=y)


def _softrelu(x, y, work):
    """y = max(x, 0) + log(1 + e^-|x|), which does not overflow."""
    np.abs(x, out=work)
    np.negative(work, out=work)
    np.exp(work, out=work)
    np.log1p(work, out=work)
    np.clip(x, 0, np.inf, out=y)
    np.add(y, work, out=y)


_ACTIVATIONS = {"relu": _relu, "sigmoid": _sigmoid, "tanh": _tanh, "softsign": _softsign, "softrelu": _softrelu}
_BY_NAME = {activation.relu: "relu", activation.sigmoid: "sigmoid", activation.softsign: "softsign"}


def _activation_scratch(op, ins, outs):
    kind = op.act_type if isinstance(op, activation.Activation) else op.name
    return outs[0].nbytes if kind in ("softsign", "softrelu") else 0


@linked(activation.Activation, *_BY_NAME, scratch=_activation_scratch)
def _activation(op, ins, outs, scratch):
    kind = op.act_type if isinstance(op, activation.Activation) else op.name
    x, y = ins[0], outs[0]
    work = workspace(scratch, x) if _ACTIVATIONS[kind] in (_softsign, _softrelu) else None
    return quiet(_ACTIVATIONS[kind], x, y, work)


@linked(activation._relu_grad, scratch=flags)
def _relu_grad(op, ins, outs, scratch):
    (g, y), dx = ins, outs[0]
    above = workspace(scratch, dx, bool)

    def relu_grad() -> None:
        np.greater(y, 0, out=above)
        np.multiply(g, above, out=dx)

    return quiet(relu_grad)


@linked(activation.hard_sigmoid)
def _hard_sigmoid(op, ins, outs, scratch):
    x, y, alpha, beta = ins[0], outs[0], float(op.alpha), float(op.beta)

    def hard_sigmoid() -> None:
        np.multiply(x, alpha, out=y)
        np.add(y, beta, out=y)
        np.clip(y, 0, 1, out=y)

    return quiet(hard_sigmoid)


def _per_channel(gamma, x):
    """Give gamma axes of size 1, to go with axis 1 of x."""
    return gamma if x.ndim < 2 or gamma.size == 1 else gamma.reshape(gamma.shape + (1,) * (x.ndim - 2))


def _gelu(x, y, work, rest):
    np.multiply(x, math.sqrt(0.5), out=work)
    special.erf(work, work, rest)
    np.add(work, 1, out=work)
    np.multiply(work, x, out=work)
    np.multiply(work, 0.5, out=y)


def _leaky(x, y, work, slope):
    np.clip(x, -np.inf, 0, out=work)
    np.multiply(work, slope, out=work)
    np.clip(x, 0, np.inf, out=y)
    np.add(y, work, out=y)


def _elu(x, y, work, scale, alpha):
    """y = scale x where x > 0, else alpha (e^x - 1)."""
    np.clip(x, -np.inf, 0, out=work)
    np.expm1(work, out=work)
    np.multiply(work, alpha, out=work)
    np.clip(x, 0, np.inf, out=y)
    if scale != 1:
        np.multiply(y, scale, out=y)
    np.add(y, work, out=y)


def _leaky_scratch(op, ins, outs):
    return _whole(outs[0].nbytes) + (special.room(outs[0].size) if op.act_type == "gelu" else 0)


def _whole(n):
    return -(-n // 8) * 8  # so that float64 may follow


@linked(activation.LeakyReLU, scratch=_leaky_scratch)
def _leaky_relu(op, ins, outs, scratch):
    x, y = ins[0], outs[0]
    work = workspace(scratch, x)
    match op.act_type:
        case "prelu":
            return quiet(_leaky, x, y, work, _per_channel(ins[1], x))
        case "elu":
            return quiet(_elu, x, y, work, 1, float(op.slope))
        case "selu":
            return quiet(_elu, x, y, work, SELU_SCALE, SELU_SCALE * SELU_ALPHA)
        case "gelu":
            return quiet(_gelu, x, y, work, scratch[_whole(x.nbytes) :])
    return quiet(_leaky, x, y, work, float(op.slope))
