"""Normalisation within a sample: L2Normalization, InstanceNorm, LayerNorm and GroupNorm, of BatchNorm's parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value, apply, outputs_of
from ..op import OPS, Op, PartialShapes
from ..types import Shape, merge, show_shape
from .norm import _batch_norm, _rsqrt, _scale_shift
from .pad import tile
from .reduce import sum as total
from .shape import _reshape_to, axis_of, transpose

__all__ = ["GroupNorm", "InstanceNorm", "L2Normalization", "LayerNorm"]

Count = int


def _as(x: Value, shape: Shape) -> Value:
    return x if x.shape == shape else _reshape_to(shape)(x)


def _ones(n: int, dtype: str) -> Value:
    return OPS["_ones"].from_params({"shape": (n,), "dtype": dtype})()


def _repeated(vector: Value, times: int) -> Value:
    return vector if times == 1 else tile((times,))(vector)


def _standard(x: Value, gamma: Value, beta: Value, eps: float) -> list[Value]:
    """Give gamma (x - mean) / sqrt(var + eps) + beta for each row of x (m, n), mean (m,) and var (m,); gamma (m,)."""
    return outputs_of(apply(_batch_norm(eps, False, 0), x, gamma, beta))


class _Normalised(Op):
    """Normalised data, gamma and beta; the second and third output, mean and deviation, are shown when asked for."""

    abstract = True
    inputs = ("data", "gamma", "beta")

    @property
    def num_visible(self) -> int:
        return 3 if getattr(self, "output_mean_var", False) else 1

    def check(self) -> None:
        eps = getattr(self, "eps")  # noqa: B009  # a field of the subclasses
        if not 0 <= eps < 1e3:
            raise ParameterError(f"{self.name}: eps must be at least 0 and less than 1000, got {eps}")


class InstanceNorm(_Normalised):
    """y = gamma[c] (x - mean) / sqrt(var + eps) + beta[c], mean and variance of each channel of each sample.

    data (n, c, ...) of three axes or more; gamma and beta (c,). Ulyanov et al. 2016, equation 1.
    """

    eps: float = 1e-3
    outputs = ("output", "mean", "var")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data = merge(ins[0], outs[0])
        channel = merge(ins[1], ins[2])
        stats = merge(outs[1], outs[2])
        if data is not None:
            if len(data) < 3:
                raise ShapeError(f"data must have three axes or more, got {show_shape(data)}")
            channel = merge(channel, data[1:2])
            stats = merge(stats, data[:2])
            data = (data[0], *(channel or (0,)), *data[2:])
        return [data, channel, channel], [data, stats, stats]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Sequence[Value]:
        x, gamma, beta = xs
        n, c = x.shape[:2]
        rows = _as(x, (n * c, math.prod(x.shape[2:])))
        y, mean, var = _standard(rows, _repeated(gamma, n), _repeated(beta, n), self.eps)
        return _as(y, x.shape), _as(mean, (n, c)), _as(var, (n, c))


class LayerNorm(_Normalised):
    """y = gamma (x - mean) / sqrt(var + eps) + beta, mean and variance along `axis`; gamma and beta (its size,).

    The mean and the standard deviation sqrt(var + eps) keep the axis with size 1. Ba et al. 2016, equation 3.
    """

    axis: int = -1
    eps: float = 1e-5
    output_mean_var: bool = False
    outputs = ("output", "mean", "std")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data = merge(ins[0], outs[0])
        channel = merge(ins[1], ins[2])
        stats = merge(outs[1], outs[2])
        if data is not None:
            at = axis_of(self.axis, len(data))
            channel = merge(channel, data[at : at + 1])
            data = (*data[:at], *(channel or (0,)), *data[at + 1 :])
            stats = merge(stats, (*data[:at], 1, *data[at + 1 :]))
        return [data, channel, channel], [data, stats, stats]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Sequence[Value]:
        x, gamma, beta = xs
        ndim, at = len(x.shape), axis_of(self.axis, len(x.shape))
        last = (*(i for i in range(ndim) if i != at), at)
        moved = x if at == ndim - 1 else transpose(last)(x)
        n = x.shape[at]
        rows = _as(moved, (x.type.size // n, n))
        one = _ones(rows.shape[0], x.dtype)
        y, mean, var = _standard(rows, one, OPS["zeros_like"]()(one), self.eps)
        y = _as(_scale_shift(1)(y, gamma, beta), moved.shape)
        y = y if moved is x else transpose(tuple(last.index(i) for i in range(ndim)))(y)
        kept = (*x.shape[:at], 1, *x.shape[at + 1 :])
        return y, _as(mean, kept), _as(OPS["sqrt"]()(var + self.eps), kept)


class GroupNorm(_Normalised):
    """y = gamma[k] (x - mean) / sqrt(var + eps) + beta[k] over each of `num_groups` groups k of channels of a sample.

    data (n, c, ...) of three axes or more; gamma and beta (num_groups,), as MXNet has them. The mean and the standard
    deviation sqrt(var + eps) are (n, num_groups). Wu and He 2018, equation 1.
    """

    num_groups: Count = 1
    eps: float = 1e-5
    output_mean_var: bool = False
    outputs = ("output", "mean", "std")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data = merge(ins[0], outs[0])
        group = merge(merge(ins[1], ins[2]), (self.num_groups,))
        stats = merge(outs[1], outs[2])
        if data is not None:
            if len(data) < 3:
                raise ShapeError(f"data must have three axes or more, got {show_shape(data)}")
            if data[1] % self.num_groups:
                raise ShapeError(f"{data[1]} channels are no multiple of num_groups {self.num_groups}")
            stats = merge(stats, (data[0], self.num_groups))
        return [data, group, group], [data, stats, stats]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Sequence[Value]:
        x, gamma, beta = xs
        n, k = x.shape[0], self.num_groups
        rows = _as(x, (n * k, x.type.size // (n * k)))
        y, mean, var = _standard(rows, _repeated(gamma, n), _repeated(beta, n), self.eps)
        return _as(y, x.shape), _as(mean, (n, k)), _as(OPS["sqrt"]()(var + self.eps), (n, k))


class L2Normalization(Op):
    """y = x / sqrt(sum of x^2 + eps), the sum over all of a sample, over its channels (axis 1) or over its positions.

    data (n, ...); `channel` and `spatial` need three axes or more. The second, hidden output is the root.
    """

    eps: float = 1e-10
    mode: Literal["channel", "instance", "spatial"] = "instance"
    outputs = ("output", "norm")

    @property
    def num_visible(self) -> int:
        return 1

    def check(self) -> None:
        if not 0 <= self.eps < 1e3:
            raise ParameterError(f"L2Normalization: eps must be at least 0 and less than 1000, got {self.eps}")

    def _norm_shape(self, x: Shape) -> Shape:
        if self.mode == "instance":
            return x[:1]
        return (x[0], *x[2:]) if self.mode == "channel" else x[:2]

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = merge(ins[0], outs[0])
        norm = outs[1]
        if x is not None:
            if len(x) < 3 and self.mode != "instance":
                raise ShapeError(f"data must have three axes or more in mode {self.mode}, got {show_shape(x)}")
            norm = merge(norm, self._norm_shape(x))
        return [x], [x, norm]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Sequence[Value]:
        (x,) = xs
        first = {"instance": 1, "channel": 1, "spatial": 2}[self.mode]
        axes = (1,) if self.mode == "channel" else tuple(range(first, len(x.shape)))
        square = x * x
        inverse = _rsqrt(total(axes, keepdims=True)(square) if axes else square, self.eps)
        y = OPS["broadcast_mul"]()(x, inverse)
        return y, _as(1.0 / inverse, self._norm_shape(x.shape))
