"""More optimiser steps, each composed of other operators; what a step needs beside the gradient comes as numbers.

`numbers` holds those of all parameters; `at` says where a parameter's begin. The first is the learning rate, where
there is one. g is clip(rescale_grad * grad) + wd * weight or clip(rescale_grad * grad + wd * weight), as each class
says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph import Value
from ..types import Shape
from .activation import clip
from .arithmetic import _rminus_scalar, broadcast_div, broadcast_mul
from .binary import _maximum, _maximum_scalar, _minimum_scalar
from .compare import compare
from .create import _normal
from .identity import Cast
from .join import slice_axis
from .optimizer import _Update
from .reduce import mean, norm
from .shape import Reshape
from .unary import abs, sign, sqrt, square

__all__ = [
    "adadelta_update",
    "adamax_update",
    "dcasgd_update",
    "ftml_update",
    "ftrl_update",
    "group_adagrad_update",
    "lamb_update",
    "lars_update",
    "lbsgd_update",
    "nadam_update",
    "rmsprop_clip_update",
    "rmspropalex_update",
    "sgld_update",
    "signsgd_update",
    "signum_update",
]

TINY = 1e-37


class _Composed(_Update):
    """Base: `_new(w, grad, states, numbers)` gives the new weight and the new states."""

    abstract = True
    at: int
    count = 1  # how many numbers a parameter takes

    def decompose(self, *xs: Value) -> Sequence[Value]:
        w, grad, *states, numbers = xs
        mine = [self._number(numbers, k, w) for k in range(self.count)]
        if mine and self.lr_mult != 1:
            mine[0] = mine[0] * self.lr_mult
        return self._new(w, grad, states, mine)

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        raise NotImplementedError

    def _number(self, numbers: Value, k: int, w: Value) -> Value:
        """Number k, in a shape that is broadcast over the weight."""
        one = slice_axis(0, self.at + k, self.at + k + 1)(numbers)
        one = one if w.dtype == "float32" else Cast(w.dtype)(one)
        return Reshape((1,) * len(w.shape))(one)

    def _clipped(self, g: Value) -> Value:
        return clip(-self.clip_gradient, self.clip_gradient)(g) if self.clip_gradient >= 0 else g

    def _decay(self, w: Value, g: Value) -> Value:
        return g + w * self.wd if self.wd else g

    def _then_decayed(self, w: Value, grad: Value) -> Value:
        """clip(rescale grad) + wd w."""
        return self._decay(w, self._clipped(grad * self.rescale_grad))

    def _then_clipped(self, w: Value, grad: Value) -> Value:
        """clip(rescale grad + wd w)."""
        return self._clipped(self._decay(w, grad * self.rescale_grad))


def _mixed(old: Value, new: Value, share: float) -> Value:
    """share old + (1 - share) new."""
    return old * share + new * (1 - share)


def _times(x: Value, number: Value) -> Value:
    return broadcast_mul()(x, number)


def _over(x: Value, number: Value) -> Value:
    return broadcast_div()(x, number)


class signsgd_update(_Composed):
    """w' = w - lr (sign(grad) + wd w) (Bernstein et al., signSGD, 2018)."""

    inputs = ("weight", "grad", "numbers")
    inplace = ((0, 0),)

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        return [w - _times(self._decay(w, sign()(grad)), numbers[0])]


class signum_update(_Composed):
    """m' = momentum m - (1 - momentum) g, w' = (1 - lr wd_lh) w + lr sign(m'), g = clip(grad) + wd w.

    Bernstein et al., signSGD (2018); `wd_lh` decays as Loshchilov and Hutter do.
    """

    momentum: float
    wd_lh: float
    inputs = ("weight", "grad", "mom", "numbers")
    outputs = ("output", "mom")
    inplace = ((0, 0), (2, 1))

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        mom = states[0] * self.momentum - self._then_decayed(w, grad) * (1 - self.momentum)
        step = sign()(mom) - w * self.wd_lh if self.wd_lh else sign()(mom)
        return [w + _times(step, numbers[0]), mom]


class ftml_update(_Composed):
    """d' = (1 - b1^t) / lr (sqrt(v' / (1 - b2^t)) + epsilon), z' = b1 z + (1 - b1) g - (d' - b1 d) w, w' = -z' / d'.

    v' = b2 v + (1 - b2) g^2, g = clip(grad + wd w) (Zheng and Kwok, Follow the Moving Leader, 2017). The numbers are
    lr, 1 - b1^t and 1 - b2^t.
    """

    beta1: float
    beta2: float
    epsilon: float
    count = 3
    inputs = ("weight", "grad", "d", "v", "z", "numbers")
    outputs = ("output", "d", "v", "z")
    inplace = ((0, 0), (2, 1), (3, 2), (4, 3))

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        lr, rest1, rest2 = numbers
        d, v, z = states
        g = self._then_clipped(w, grad)
        v = _mixed(v, square()(g), self.beta2)
        new = _times(sqrt()(_over(v, rest2)) + self.epsilon, rest1 / lr)
        z = _mixed(z, g, self.beta1) - (new - d * self.beta1) * w
        return [-(z / new), new, v, z]


class adadelta_update(_Composed):
    """n' = rho n + (1 - rho) g^2, e = sqrt(d + epsilon) / sqrt(n' + epsilon) g, d' = rho d + (1 - rho) e^2.

    w' = w - e - wd w, g = clip(grad) (Zeiler, 2012).
    """

    rho: float
    epsilon: float
    count = 0
    inputs = ("weight", "grad", "acc_g", "acc_delta", "numbers")
    outputs = ("output", "acc_g", "acc_delta")
    inplace = ((0, 0), (2, 1), (3, 2))

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        g = self._clipped(grad * self.rescale_grad)
        n = _mixed(states[0], square()(g), self.rho)
        step = sqrt()(states[1] + self.epsilon) / sqrt()(n + self.epsilon) * g
        return [w - self._decay(w, step), n, _mixed(states[1], square()(step), self.rho)]


class adamax_update(_Composed):
    """m' = b1 m + (1 - b1) g, u' = max(b2 u, |g|), w' = w - lr m' / u', 0 / 0 being 0, g = clip(grad + wd w).

    Kingma and Ba, Adam (2015), section 7.1; 1 / (1 - b1^t) is in lr. (MXNet gives nan where all gradients were 0.)
    """

    beta1: float
    beta2: float
    inputs = ("weight", "grad", "mean", "max", "numbers")
    outputs = ("output", "mean", "max")
    inplace = ((0, 0), (2, 1), (3, 2))

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        g = self._then_clipped(w, grad)
        m = _mixed(states[0], g, self.beta1)
        u = _maximum()(states[1] * self.beta2, abs()(g))
        return [w - _times(m / _maximum_scalar(TINY)(u), numbers[0]), m, u]


class nadam_update(_Composed):
    """w' = w - lr ((1 - mu) g / (1 - s) + mu1 m' / (1 - s1)) / (sqrt(v' / (1 - b2^t)) + epsilon).

    m' = b1 m + (1 - b1) g, v' = b2 v + (1 - b2) g^2, g = clip(grad + wd w) (Dozat, Incorporating Nesterov Momentum into
    Adam, 2016). The numbers are lr, (1 - mu) / (1 - s), mu1 / (1 - s1) and 1 - b2^t.
    """

    beta1: float
    beta2: float
    epsilon: float
    count = 4
    inputs = ("weight", "grad", "mean", "var", "numbers")
    outputs = ("output", "mean", "var")
    inplace = ((0, 0), (2, 1), (3, 2))

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        lr, share_g, share_m, rest = numbers
        g = self._then_clipped(w, grad)
        m, v = _mixed(states[0], g, self.beta1), _mixed(states[1], square()(g), self.beta2)
        step = (_times(g, share_g) + _times(m, share_m)) / (sqrt()(_over(v, rest)) + self.epsilon)
        return [w - _times(step, lr), m, v]


class dcasgd_update(_Composed):
    """m' = momentum m - lr (g + wd w + lamda g^2 (w - p)), w' = w + m', p' = w; without momentum there is no m.

    Zheng et al., Asynchronous Stochastic Gradient Descent with Delay Compensation (2017); p is the weight before.
    """

    momentum: float
    lamda: float

    @property
    def _moving(self) -> bool:
        return self.momentum != 0

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return ("weight", "grad", *(("mom",) if self._moving else ()), "previous", "numbers")

    @property
    def output_names(self) -> tuple[str, ...]:
        return ("output", "mom", "previous") if self._moving else ("output", "previous")

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        g = self._clipped(grad * self.rescale_grad)
        whole = self._decay(w, g) + square()(g) * (w - states[-1]) * self.lamda
        step = -_times(whole, numbers[0])
        if not self._moving:
            return [w + step, w]
        mom = states[0] * self.momentum + step
        return [w + mom, mom, w]


class sgld_update(_Composed):
    """w' = w - lr / 2 g + sqrt(lr) e, e normal, g = clip(grad) + wd w (Welling and Teh, 2011)."""

    stream: int
    inputs = ("weight", "grad", "random", "numbers")

    def infer_dtype(self, ins: Any, outs: Any) -> Any:
        return ins, [ins[0]]

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        noise = _normal(0.0, 1.0, w.shape, w.dtype, self.stream)(states[0])
        return [w - _times(self._then_decayed(w, grad), numbers[0] * 0.5) + _times(noise, sqrt()(numbers[0]))]


class ftrl_update(_Composed):
    """w' = (lamda1 sign(z') - z') / ((beta + sqrt(n')) / lr + wd), 0 where |z'| <= lamda1.

    n' = n + g^2, z' = z + g - (sqrt(n') - sqrt(n)) w / lr, g = clip(grad) (McMahan et al., Ad Click Prediction, 2013).
    """

    lamda1: float
    beta: float
    inputs = ("weight", "grad", "z", "n", "numbers")
    outputs = ("output", "z", "n")
    inplace = ((0, 0), (2, 1), (3, 2))

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        g = self._clipped(grad * self.rescale_grad)
        n = states[1] + square()(g)
        z = states[0] + g - _over((sqrt()(n) - sqrt()(states[1])) * w, numbers[0])
        below = _over(sqrt()(n) + self.beta, numbers[0]) + self.wd
        return [(sign()(z) * self.lamda1 - z) / below * compare(">", abs()(z), self.lamda1), z, n]


class _RootMeanSquare(_Composed):
    """Base: steps over the root of a mean square, the weight kept within +-clip_weights where that is positive."""

    abstract = True
    gamma1: float
    epsilon: float
    clip_weights: float

    def _bounded(self, w: Value) -> Value:
        return clip(-self.clip_weights, self.clip_weights)(w) if self.clip_weights > 0 else w


class rmsprop_clip_update(_RootMeanSquare):
    """n' = gamma1 n + (1 - gamma1) g^2, w' = w - lr g / sqrt(n' + epsilon), bounded; g = clip(grad + wd w)."""

    inputs = ("weight", "grad", "n", "numbers")
    outputs = ("output", "n")
    inplace = ((0, 0), (2, 1))

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        g = self._then_clipped(w, grad)
        n = _mixed(states[0], square()(g), self.gamma1)
        return [self._bounded(w - _times(g / sqrt()(n + self.epsilon), numbers[0])), n]


class rmspropalex_update(_RootMeanSquare):
    """n' as above, m' = gamma1 m + (1 - gamma1) g, d' = gamma2 d - lr g / sqrt(n' - m'^2 + epsilon), w' = w + d'.

    Graves, Generating Sequences with Recurrent Neural Networks (2013), equations 38 to 45.
    """

    gamma2: float
    inputs = ("weight", "grad", "n", "mean", "delta", "numbers")
    outputs = ("output", "n", "mean", "delta")
    inplace = ((0, 0), (2, 1), (3, 2), (4, 3))

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        g = self._then_clipped(w, grad)
        n, m = _mixed(states[0], square()(g), self.gamma1), _mixed(states[1], g, self.gamma1)
        step = g / sqrt()(n - square()(m) + self.epsilon)
        delta = states[2] * self.gamma2 - _times(step, numbers[0])
        return [self._bounded(w + delta), n, m, delta]


class group_adagrad_update(_Composed):
    """h' = h + mean(g^2) over each row, w' = w - lr g / sqrt(h' + epsilon); w (n, d), h (n, 1), g = clip(grad)."""

    epsilon: float
    inputs = ("weight", "grad", "history", "numbers")
    outputs = ("output", "history")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [ins[0], ins[2]]

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        g = self._clipped(grad * self.rescale_grad)
        history = states[0] + mean((1,), True)(square()(g))
        return [w - _times(broadcast_div()(g, sqrt()(history + self.epsilon)), numbers[0]), history]


def _length(x: Value) -> Value:
    """sqrt(sum(x^2)), in a shape that is broadcast over x."""
    axes = tuple(range(len(x.shape)))
    return norm(axis=axes, keepdims=True)(x)


def _where(flag: Value, a: Value, b: Value) -> Value:
    """a where the flag is 1, b where it is 0."""
    return _times(a, flag) + _times(b, _rminus_scalar(1.0)(flag))


class lamb_update(_Composed):
    """w' = w - lr r u with u = m' / (1 - b1^t) / (sqrt(v' / (1 - b2^t)) + epsilon) + wd w, r = |w| / |u|.

    r is 1 where either is 0; |w| is brought between the bounds (0: none). m', v' as Adam's of g = clip(grad). You et
    al., Large Batch Optimization for Deep Learning (2020). The numbers are lr, 1 - b1^t and 1 - b2^t, or 1 and 1.
    """

    beta1: float
    beta2: float
    epsilon: float
    lower_bound: float
    upper_bound: float
    count = 3
    inputs = ("weight", "grad", "mean", "var", "numbers")
    outputs = ("output", "mean", "var")
    inplace = ((2, 1), (3, 2))

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        lr, rest1, rest2 = numbers
        g = self._clipped(grad * self.rescale_grad)
        m, v = _mixed(states[0], g, self.beta1), _mixed(states[1], square()(g), self.beta2)
        u = self._decay(w, _over(m, rest1) / (sqrt()(_over(v, rest2)) + self.epsilon))
        size, length = _length(w), _length(u)
        if self.lower_bound > 0:
            size = _maximum_scalar(self.lower_bound)(size)
        if self.upper_bound > 0:
            size = _minimum_scalar(self.upper_bound)(size)
        valid = compare(">", size, 0.0) * compare(">", length, 0.0)
        ratio = _where(valid, size / _maximum_scalar(TINY)(length), valid * 0.0 + 1.0)
        return [w - _times(u, lr * ratio), m, v]


class _Layerwise(_Composed):
    """Base: SGD whose rate depends on the layer; momentum 0: no state."""

    abstract = True
    momentum: float

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return ("weight", "grad", *self._states(), "numbers")

    @property
    def output_names(self) -> tuple[str, ...]:
        return ("output", *self._states())

    def _states(self) -> tuple[str, ...]:
        return ("mom",) if self.momentum else ()

    def _stepped(self, w: Value, grad: Value, states: list[Value], lr: Value, momentum: Value | None) -> list[Value]:
        step = _times(self._then_decayed(w, grad), lr)
        if not self.momentum:
            return [w - step]
        kept = states[0] * self.momentum if momentum is None else _times(states[0], momentum)
        return [w + (kept - step), kept - step]


class lars_update(_Layerwise):
    """SGD at the rate lr eta |w| / (|rescale grad| + wd |w| + eps), at lr where a length is 0; You et al., 2017.

    `eta` 0: at lr alone, as for biases. The numbers are lr and the momentum.
    """

    eta: float
    eps: float
    count = 2

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        lr, momentum = numbers
        if self.eta:
            size, slope = _length(w), _length(grad) * self.rescale_grad
            valid = compare(">", size, 0.0) * compare(">", slope, 0.0)
            ratio = size * self.eta / _maximum_scalar(TINY)(slope + size * self.wd + self.eps)
            lr = lr * _where(valid, ratio, valid * 0.0 + 1.0)
        return self._stepped(w, grad, states, lr, momentum)


class lbsgd_update(_Layerwise):
    """SGD with the mean of the gradients of `scale` steps, taken at every `scale`-th step.

    With `lars` at the rate lr sqrt(|w|^2 / (|grad|^2 + wd |w|^2)), the factor between 0.01 and 100 (You et al., Scaling
    SGD Batch Size to 32K, 2017). The numbers are lr and 1 where the step is taken, 0 where it only adds up.
    """

    scale: int
    lars: bool
    count = 2

    def _states(self) -> tuple[str, ...]:
        return (*super()._states(), *(("sum",) if self.scale > 1 else ()))

    def _new(self, w: Value, grad: Value, states: list[Value], numbers: list[Value]) -> Sequence[Value]:
        lr, taken = numbers
        total = states[-1] + grad if self.scale > 1 else grad
        g = total * (1 / self.scale) if self.scale > 1 else grad
        if self.lars:
            size, slope = square()(_length(w)), square()(_length(g))
            lr = lr * clip(0.01, 100.0)(sqrt()(size / (slope + size * self.wd + 1e-18)))
        new = self._stepped(w, g, states, lr, None)
        if self.scale == 1:
            return new
        kept = [_where(taken, a, b) for a, b in zip(new, [w, *states], strict=False)]
        return [*kept, _times(total, _rminus_scalar(1.0)(taken))]
