"""Functions of one tensor, element by element."""

from __future__ import annotations

import math

from .arithmetic import Elementwise

__all__ = ["Unary"]


class Unary(Elementwise):
    """y[i] = f(x[i]), in place where wanted."""

    abstract = True
    inplace = ((0, 0),)


class _copy(Elementwise):
    """y = x."""

    aliases = ("identity", "_copyto")
    view = True

    def grad(self, xs, ys, gs):
        return (gs[0],)


class abs(Unary):
    """y = |x|; its slope at 0 is 0."""

    def grad(self, xs, ys, gs):
        return (gs[0] * sign()(xs[0]),)


class sign(Unary):
    """y = -1, 0 or 1, the sign of x; no gradient flows."""


class round(Unary):
    """y = x rounded to the nearest whole number, halves away from 0; no gradient flows."""


class rint(Unary):
    """y = x rounded to the nearest whole number, halves to even (MXNet: down); no gradient flows."""


class ceil(Unary):
    """y = the least whole number >= x; no gradient flows."""


class floor(Unary):
    """y = the greatest whole number <= x; no gradient flows."""


class trunc(Unary):
    """y = x rounded towards 0; no gradient flows."""


class fix(Unary):
    """y = x rounded towards 0; no gradient flows."""


class logical_not(Unary):
    """y = 1 where x is 0, else 0; no gradient flows."""


class negative(Unary):
    """y = -x."""

    def grad(self, xs, ys, gs):
        return (-gs[0],)


class square(Unary):
    """y = x^2."""

    def grad(self, xs, ys, gs):
        return (gs[0] * xs[0] * 2.0,)


class sqrt(Unary):
    """y = x^(1/2)."""

    def grad(self, xs, ys, gs):
        return (gs[0] / ys[0] * 0.5,)


class rsqrt(Unary):
    """y = x^(-1/2)."""

    def grad(self, xs, ys, gs):
        return (gs[0] * (ys[0] / xs[0]) * -0.5,)


class cbrt(Unary):
    """y = x^(1/3), the real root."""

    def grad(self, xs, ys, gs):
        return (gs[0] / (ys[0] * ys[0]) * (1 / 3),)


class rcbrt(Unary):
    """y = x^(-1/3), the real root."""

    def grad(self, xs, ys, gs):
        return (gs[0] * (ys[0] / xs[0]) * (-1 / 3),)


class reciprocal(Unary):
    """y = 1 / x."""

    def grad(self, xs, ys, gs):
        return (-(gs[0] * (ys[0] * ys[0])),)


class exp(Unary):
    """y = e^x."""

    def grad(self, xs, ys, gs):
        return (gs[0] * ys[0],)


class expm1(Unary):
    """y = e^x - 1, exact near 0."""

    def grad(self, xs, ys, gs):
        return (gs[0] * (ys[0] + 1.0),)


class log(Unary):
    """y = log x, base e."""

    def grad(self, xs, ys, gs):
        return (gs[0] / xs[0],)


class log10(Unary):
    """y = log x, base 10."""

    def grad(self, xs, ys, gs):
        return (gs[0] / xs[0] * (1 / math.log(10)),)


class log2(Unary):
    """y = log x, base 2."""

    def grad(self, xs, ys, gs):
        return (gs[0] / xs[0] * (1 / math.log(2)),)


class log1p(Unary):
    """y = log(1 + x), exact near 0."""

    def grad(self, xs, ys, gs):
        return (gs[0] / (xs[0] + 1.0),)


class sin(Unary):
    """y = sin x."""

    def grad(self, xs, ys, gs):
        return (gs[0] * cos()(xs[0]),)


class cos(Unary):
    """y = cos x."""

    def grad(self, xs, ys, gs):
        return (-(gs[0] * sin()(xs[0])),)


class tan(Unary):
    """y = tan x."""

    def grad(self, xs, ys, gs):
        return (gs[0] * (ys[0] * ys[0] + 1.0),)


class arcsin(Unary):
    """y = the angle in [-pi/2, pi/2] whose sine is x."""

    def grad(self, xs, ys, gs):
        return (gs[0] / sqrt()(1.0 - xs[0] * xs[0]),)


class arccos(Unary):
    """y = the angle in [0, pi] whose cosine is x."""

    def grad(self, xs, ys, gs):
        return (-(gs[0] / sqrt()(1.0 - xs[0] * xs[0])),)


class arctan(Unary):
    """y = the angle in [-pi/2, pi/2] whose tangent is x."""

    def grad(self, xs, ys, gs):
        return (gs[0] / (xs[0] * xs[0] + 1.0),)


class sinh(Unary):
    """y = (e^x - e^-x) / 2."""

    def grad(self, xs, ys, gs):
        return (gs[0] * cosh()(xs[0]),)


class cosh(Unary):
    """y = (e^x + e^-x) / 2."""

    def grad(self, xs, ys, gs):
        return (gs[0] * sinh()(xs[0]),)


class tanh(Unary):
    """y = sinh(x) / cosh(x)."""

    def grad(self, xs, ys, gs):
        return (gs[0] * (1.0 - ys[0] * ys[0]),)


class arcsinh(Unary):
    """y = log(x + sqrt(x^2 + 1))."""

    def grad(self, xs, ys, gs):
        return (gs[0] / sqrt()(xs[0] * xs[0] + 1.0),)


class arccosh(Unary):
    """y = log(x + sqrt(x^2 - 1))."""

    def grad(self, xs, ys, gs):
        return (gs[0] / sqrt()(xs[0] * xs[0] - 1.0),)


class arctanh(Unary):
    """y = log((1 + x) / (1 - x)) / 2."""

    def grad(self, xs, ys, gs):
        return (gs[0] / (1.0 - xs[0] * xs[0]),)


class degrees(Unary):
    """y = 180 x / pi."""

    def grad(self, xs, ys, gs):
        return (gs[0] * (180 / math.pi),)


class radians(Unary):
    """y = pi x / 180."""

    def grad(self, xs, ys, gs):
        return (gs[0] * (math.pi / 180),)


class erf(Unary):
    """y = 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""

    def grad(self, xs, ys, gs):
        return (gs[0] * (exp()(-(xs[0] * xs[0])) * (2 / math.sqrt(math.pi))),)


class erfinv(Unary):
    """y = the number whose erf is x."""

    def grad(self, xs, ys, gs):
        return (gs[0] * (exp()(ys[0] * ys[0]) * (math.sqrt(math.pi) / 2)),)


class gamma(Unary):
    """y = the gamma function of x."""

    def grad(self, xs, ys, gs):
        return (gs[0] * (ys[0] * _digamma()(xs[0])),)


class gammaln(Unary):
    """y = log |gamma(x)|."""

    def grad(self, xs, ys, gs):
        return (gs[0] * _digamma()(xs[0]),)


class _digamma(Unary):
    """y = gamma'(x) / gamma(x), which the gradients of gamma and gammaln need."""

    public = False
