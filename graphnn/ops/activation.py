"""Activation functions, and the piecewise functions near them: clip and smooth_l1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from ..errors import ParameterError
from ..graph import Value
from ..op import PartialShapes, Split
from ..types import merge
from .arithmetic import Elementwise
from .compare import compare
from .create import _uniform
from .identity import ones_like
from .norm import _Channel
from .reduce import sum as _sum
from .unary import Unary, abs, erf, exp, expm1, square

__all__ = ["SELU_ALPHA", "SELU_SCALE"]

# Klambauer et al., Self-Normalizing Neural Networks (2017), appendix A.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


class _relu_grad(Elementwise):
    """dx = g (y > 0): relu's gradient from its output."""

    inputs = ("grad", "output")
    inplace = ((0, 0),)
    public = False


def _from_output(kind: str, y: Value, g: Value) -> Value:
    """Give an activation's input gradient from its output, so that the input need not be kept."""
    match kind:
        case "relu":
            return _relu_grad()(g, y)
        case "sigmoid":
            return g * (y * (1.0 - y))
        case "tanh":
            return g * (1.0 - y * y)
        case "softrelu":  # 1 - e^-y
            return -(g * expm1()(-y))
        case _:  # softsign: (1 - |y|)^2
            return g * square()(1.0 - abs()(y))


class relu(Unary):
    """y = max(x, 0); its slope at 0 is 0."""

    def grad(self, xs, ys, gs):
        return (_from_output("relu", ys[0], gs[0]),)


class sigmoid(Unary):
    """y = 1 / (1 + e^-x)."""

    def grad(self, xs, ys, gs):
        return (_from_output("sigmoid", ys[0], gs[0]),)


class softsign(Unary):
    """y = x / (1 + |x|)."""

    def grad(self, xs, ys, gs):
        return (_from_output("softsign", ys[0], gs[0]),)


class Activation(Unary):
    """y = act_type(x): relu, sigmoid, tanh, softsign as the operators of these names; softrelu is log(1 + e^x)."""

    act_type: Literal["relu", "sigmoid", "softrelu", "softsign", "tanh"]

    def grad(self, xs, ys, gs):
        return (_from_output(self.act_type, ys[0], gs[0]),)


class hard_sigmoid(Unary):
    """y = min(max(alpha x + beta, 0), 1)."""

    alpha: float = 0.2
    beta: float = 0.5

    def grad(self, xs, ys, gs):
        y = ys[0]
        return (gs[0] * (compare(">", y, 0.0) * compare("<", y, 1.0) * self.alpha),)


class clip(Unary):
    """y = min(max(x, a_min), a_max); the gradient flows at the edges too."""

    a_min: float
    a_max: float

    def check(self) -> None:
        if not self.a_min <= self.a_max:
            raise ParameterError(f"clip: a_min must be at most a_max, got {self.a_min} and {self.a_max}")

    def grad(self, xs, ys, gs):
        return (gs[0] * compare("==", xs[0], ys[0]),)


class smooth_l1(Unary):
    """y = (s x)^2 / 2 where |x| < 1 / s^2, else |x| - 1 / (2 s^2); s: scalar."""

    scalar: float = 1.0
    ignored = frozenset({"is_int"})

    def grad(self, xs, ys, gs):
        return (gs[0] * clip(-1.0, 1.0)(xs[0] * (self.scalar * self.scalar)),)


class LeakyReLU(Elementwise):
    """y = x where x > 0, else by act_type: slope x (leaky), gamma x (prelu), slope (e^x - 1) (elu), or selu or gelu.

    selu is s x where x > 0, else s a (e^x - 1), with fixed s and a; its slope there is taken for s (a + y), as MXNet
    does, where s a + y would be right. gelu is x times the normal distribution function. prelu's gamma is (channels,),
    one for each index of axis 1, or (1,). rrelu is leaky with a slope that training draws for each element from
    [lower_bound, upper_bound), its second output, and of which inference takes the mean.
    """

    act_type: Literal["leaky", "elu", "gelu", "prelu", "rrelu", "selu"] = "leaky"
    slope: float = 0.25
    lower_bound: float = 0.125
    upper_bound: float = 0.334
    inputs = ("data", "gamma")
    inplace = ((0, 0),)
    axis = 1  # of gamma

    def check(self) -> None:
        if not self.lower_bound <= self.upper_bound:
            raise ParameterError(
                f"LeakyReLU: lower_bound must be at most upper_bound, got {self.lower_bound} and {self.upper_bound}"
            )

    @property
    def random(self) -> bool:  # type: ignore[override]  # depends on a parameter
        return self.act_type == "rrelu"

    def input_names(self, count=None):
        return self.inputs if self.act_type == "prelu" else self.inputs[:1]

    @property
    def output_names(self):
        return ("output", "mask") if self.act_type == "rrelu" else self.outputs

    def variable_attrs(self, name: str) -> Mapping[str, str]:
        return {"__init__": '["Constant", {"value": 0.25}]'} if name == "gamma" else {}

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = merge(ins[0], outs[0])
        if self.act_type != "prelu":
            return [x], [x] * len(outs)
        gamma = ins[1]
        if x is not None and gamma != (1,):
            gamma = merge(gamma, x[1:2] or (1,))
        return [x, gamma], [x]

    def for_mode(self, is_train, xs):
        if self.act_type != "rrelu":
            return None
        mean = (self.lower_bound + self.upper_bound) / 2
        return LeakyReLU("leaky", mean)(*xs), ones_like()(*xs) * mean

    def seeded(self, xs, state, stream, is_train):
        if self.act_type != "rrelu" or not is_train:
            return None
        x = xs[0]
        mask = _uniform(self.lower_bound, self.upper_bound, x.shape, x.dtype, stream)(state)
        above = compare(">", x, 0.0)
        return x * (above + (1.0 - above) * mask), mask

    def split(self, ins, outs):
        return Split((0, None)[: len(ins)], (0,))

    def channels_last(self, ins):
        if self.act_type != "prelu":
            return super().channels_last(ins)
        return _prelu(ins[0].ndim - 1), (True, False), (True,)

    def grad(self, xs, ys, gs):
        x, y, g = xs[0], ys[0], gs[0]
        above = compare(">", x, 0.0)
        match self.act_type:
            case "leaky":
                return (g * (above * (1.0 - self.slope) + self.slope),)
            case "elu":
                return (g * (above + (1.0 - above) * (y + self.slope)),)
            case "selu":
                return (g * (above + (1.0 - above) * (y + SELU_ALPHA)) * SELU_SCALE,)
            case "gelu":  # Phi(x) + x phi(x)
                density = exp()(square()(x) * -0.5) * (1 / math.sqrt(2 * math.pi))
                return (g * (erf()(x * math.sqrt(0.5)) * 0.5 + 0.5 + x * density),)
        axis, gamma = min(1, len(x.shape) - 1), xs[1]
        dgamma = _prelu_sum(axis)(g, x)
        return _prelu_slope(axis)(g, x, gamma), dgamma if dgamma.shape == gamma.shape else _sum()(dgamma)


class _Slope(_Channel):
    """Base of prelu's work by channel; one gamma may stand for all."""

    abstract = True

    def split(self, ins, outs):
        return super().split(ins, outs) if ins[0].ndim > 1 else None


class _prelu(_Slope):
    """y = x where x > 0, else gamma[c] x."""

    axis: int
    inputs = ("data", "gamma")
    inplace = ((0, 0),)
    _full = True


class _prelu_slope(_Slope):
    """dx = g where x > 0, else gamma[c] g."""

    axis: int
    inputs = ("grad", "data", "gamma")
    inplace = ((0, 0),)
    _full = True


class _prelu_sum(_Slope):
    """dgamma[c] = the sum of g x where x <= 0, over all axes but `axis`."""

    axis: int
    inputs = ("grad", "data")
