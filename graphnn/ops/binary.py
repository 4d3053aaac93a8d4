"""Powers, remainders, extrema and hypotenuses of two tensors, and of a tensor and a scalar."""

from __future__ import annotations

import math

from ..graph import Value
from .arithmetic import Binary, Broadcast, Scalar, zeros_like
from .compare import compare
from .unary import floor, log

__all__: list[str] = []


def _power_grad(x: Value, y: Value, z: Value, g: Value) -> tuple[Value, Value]:
    """Give dx = g y x^(y - 1) and dy = g z log(x)."""
    less = y - 1.0
    down = _power()(x, less) if x.shape == y.shape else broadcast_power()(x, less)
    return g * (y * down), g * (z * log()(x))


def _hypot_grad(x: Value, y: Value, z: Value, g: Value) -> tuple[Value, Value]:
    """Give dx = g x / z and dy = g y / z."""
    share = g / z
    return share * x, share * y


def _maximum_grad(x: Value, y: Value, z: Value, g: Value) -> tuple[Value, Value]:
    """Give the gradient to the larger; to x where they are equal, as in MXNet."""
    return g * compare(">=", x, y), g * compare("<", x, y)


def _minimum_grad(x: Value, y: Value, z: Value, g: Value) -> tuple[Value, Value]:
    """Give the gradient to the smaller; to x where they are equal, as in MXNet."""
    return g * compare("<=", x, y), g * compare(">", x, y)


def _mod_grad(x: Value, y: Value, z: Value, g: Value) -> tuple[Value, Value]:
    """Give dx = g and dy = -g floor(x / y)."""
    return g, -(g * floor()(x / y))


class _power(Binary):
    """z = x^y."""

    aliases = ("_Power",)

    def grad(self, xs, ys, gs):
        return _power_grad(xs[0], xs[1], ys[0], gs[0])


class broadcast_power(Broadcast):
    """z = x^y, broadcast."""

    def grad(self, xs, ys, gs):
        return _power_grad(xs[0], xs[1], ys[0], gs[0])


class _mod(Binary):
    """z = x - y floor(x / y), which has the sign of y; 0 where y is 0."""

    aliases = ("_Mod",)

    def grad(self, xs, ys, gs):
        return _mod_grad(xs[0], xs[1], ys[0], gs[0])


class broadcast_mod(Broadcast):
    """z = x - y floor(x / y), which has the sign of y; 0 where y is 0, broadcast."""

    def grad(self, xs, ys, gs):
        return _mod_grad(xs[0], xs[1], ys[0], gs[0])


class _maximum(Binary):
    """z = max(x, y)."""

    aliases = ("_Maximum",)

    def grad(self, xs, ys, gs):
        return _maximum_grad(xs[0], xs[1], ys[0], gs[0])


class broadcast_maximum(Broadcast):
    """z = max(x, y), broadcast."""

    def grad(self, xs, ys, gs):
        return _maximum_grad(xs[0], xs[1], ys[0], gs[0])


class _minimum(Binary):
    """z = min(x, y)."""

    aliases = ("_Minimum",)

    def grad(self, xs, ys, gs):
        return _minimum_grad(xs[0], xs[1], ys[0], gs[0])


class broadcast_minimum(Broadcast):
    """z = min(x, y), broadcast."""

    def grad(self, xs, ys, gs):
        return _minimum_grad(xs[0], xs[1], ys[0], gs[0])


class _hypot(Binary):
    """z = sqrt(x^2 + y^2)."""

    aliases = ("_Hypot",)

    def grad(self, xs, ys, gs):
        return _hypot_grad(xs[0], xs[1], ys[0], gs[0])


class broadcast_hypot(Broadcast):
    """z = sqrt(x^2 + y^2), broadcast."""

    def grad(self, xs, ys, gs):
        return _hypot_grad(xs[0], xs[1], ys[0], gs[0])


# A tensor and a scalar.


class _power_scalar(Scalar):
    """y = x^scalar."""

    aliases = ("_PowerScalar",)

    def grad(self, xs, ys, gs):
        if self.scalar == 0:
            return (zeros_like()(xs[0]),)
        if self.scalar == 2:
            return (gs[0] * xs[0] * 2.0,)
        return (gs[0] * (_power_scalar(self.scalar - 1)(xs[0]) * self.scalar),)


class _rpower_scalar(Scalar):
    """y = scalar^x."""

    aliases = ("_RPowerScalar",)

    def grad(self, xs, ys, gs):
        s = self.scalar
        slope = math.log(s) if s > 0 else -math.inf if s == 0 else math.nan
        return (gs[0] * (ys[0] * slope),)


class _mod_scalar(Scalar):
    """y = x - scalar floor(x / scalar), which has the sign of the scalar; 0 if that is 0."""

    aliases = ("_ModScalar",)

    def grad(self, xs, ys, gs):
        return (gs[0],)


class _rmod_scalar(Scalar):
    """y = scalar - x floor(scalar / x), which has the sign of x; 0 where that is 0."""

    aliases = ("_RModScalar",)

    def grad(self, xs, ys, gs):
        return (-(gs[0] * floor()(self.scalar / xs[0])),)


class _maximum_scalar(Scalar):
    """y = max(x, scalar); where they are equal the gradient flows."""

    aliases = ("_MaximumScalar",)

    def grad(self, xs, ys, gs):
        return (gs[0] * compare(">=", xs[0], self.scalar),)


class _minimum_scalar(Scalar):
    """y = min(x, scalar); where they are equal the gradient flows."""

    aliases = ("_MinimumScalar",)

    def grad(self, xs, ys, gs):
        return (gs[0] * compare("<=", xs[0], self.scalar),)


class _hypot_scalar(Scalar):
    """y = sqrt(x^2 + scalar^2)."""

    aliases = ("_HypotScalar",)

    def grad(self, xs, ys, gs):
        return (gs[0] * (xs[0] / ys[0]),)
