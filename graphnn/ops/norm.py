"""Normalisation: BatchNorm, the per-channel sums it is made of, and LRN."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DTypeError, ParameterError, ShapeError
from ..graph import Value, apply, outputs_of
from ..op import OPS, Op, PartialDTypes, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape

__all__ = ["LRN", "BatchNorm"]


def _channels(shape: Shape, axis: int) -> int:
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"axis {axis} is outside {show_shape(shape)}")
    return shape[axis]


def _rsqrt(var: Value, eps: float) -> Value:
    return OPS["rsqrt"]()(var + eps)


class _BatchNorm(Op):
    """Base of BatchNorm's spellings, which have the fields of MXNet's."""

    eps: float = 1e-3
    momentum: float = 0.9
    fix_gamma: bool = True
    use_global_stats: bool = False
    output_mean_var: bool = False
    abstract = True
    inputs = ("data", "gamma", "beta", "moving_mean", "moving_var")
    aux = ("moving_mean", "moving_var")
    outputs = ("output", "mean", "var")
    axis = 1

    @property
    def num_visible(self) -> int:
        return 3 if self.output_mean_var else 1

    def check(self) -> None:
        if not 0 < self.eps < 1e3:
            raise ParameterError(f"{self.name}: eps must be positive, got {self.eps}")

    def variable_attrs(self, name: str) -> Mapping[str, str]:
        return {"moving_mean": {"__init__": '["zero", {}]'}, "moving_var": {"__init__": '["one", {}]'}}.get(name, {})

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data = merge(ins[0], outs[0])
        channel: Shape | None = None if data is None else (_channels(data, self.axis),)
        for s in (*ins[1:], *outs[1:]):
            channel = merge(channel, s)
        if data is not None and channel is not None:
            at = self.axis % len(data)
            data = (*data[:at], channel[0], *data[at + 1 :])
        return [data, *[channel] * 4], [data, channel, channel]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        """Statistics of float16 data are float32, unless they are given as float16."""
        (data,), _ = super().infer_dtype(ins[:1], outs[:1])
        same, _ = super().infer_dtype(ins[1:], outs[1:])
        each = same[0] or ("float32" if data == "float16" else data)
        if data is None and each != "float32":
            data = each
        if each != data and (data, each) not in ((None, "float32"), ("float16", "float32")):
            raise DTypeError(
                f"data of {data} goes with gamma, beta and statistics of {data}, not of {each}: cast() first"
            )
        return [data, *[each] * 4], [data, each, each]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Sequence[Value]:
        data, gamma, beta, mean, var = xs
        if data.dtype != gamma.dtype:
            cast = OPS["Cast"].from_params
            y, *stats = self.for_mode(is_train, (cast({"dtype": gamma.dtype})(data), *xs[1:]))
            return cast({"dtype": data.dtype})(y), *stats
        if is_train and not self.use_global_stats:
            y, m, v = outputs_of(apply(_batch_norm(self.eps, self.fix_gamma, self.axis), data, gamma, beta))
            return y, m, _rsqrt(v, self.eps)
        inverse = _rsqrt(var, self.eps)
        scale = inverse if self.fix_gamma else gamma * inverse
        shift = beta - mean * scale
        return _scale_shift(self.axis)(data, scale, shift), mean, inverse

    def effects(self, is_train: bool, xs: Sequence[Value], ys: Sequence[Value]) -> Sequence[tuple[int, Value, int]]:
        out: list[tuple[int, Value, int]] = []
        if self.fix_gamma:
            out.append((1, OPS["ones_like"]()(xs[1]), 0))
        if is_train and not self.use_global_stats:
            node = ys[1].node
            for k, new in ((3, Value(node, 1)), (4, Value(node, 2))):
                out.append((k, xs[k] * self.momentum + new * (1 - self.momentum), 1))
        return out


class BatchNorm(_BatchNorm):
    """y = gamma (x - mean) / sqrt(var + eps) + beta, by channel.

    Training takes mean and the biased variance of the batch, and moves `moving_mean` and `moving_var` towards them by
    1 - momentum, with the backward pass as in MXNet; inference (and `use_global_stats`) takes the moving ones.
    `fix_gamma` sets the gamma array to 1 and its gradient to 0. data (n, c, ...) for axis 1; the rest (c,).
    """

    axis: int = 1
    ignored = frozenset({"cudnn_off", "min_calib_range", "max_calib_range"})


class BatchNorm_v1(_BatchNorm):
    """BatchNorm over axis 1, as files before 0.10 name it; its third output is the variance itself."""

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Sequence[Value]:
        y, mean, _ = super().for_mode(is_train, xs)
        return y, mean, Value(mean.node, 2) if is_train and not self.use_global_stats else xs[4]


class _contrib_SyncBatchNorm(BatchNorm_v1):
    """BatchNorm over axis 1; MXNet's takes the statistics over several devices, of which there is one here."""

    aliases = ("SyncBatchNorm",)
    ignored = frozenset({"ndev", "key"})


class _contrib_BatchNormWithReLU(BatchNorm):
    """y = max(BatchNorm(x), 0)."""

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Sequence[Value]:
        y, *stats = super().for_mode(is_train, xs)
        return OPS["relu"]()(y), *stats


class _batch_norm(Op):
    """BatchNorm in training: y, mean (c,) and biased variance (c,) of the batch.

    With xhat = (x - mean) / std, n elements a channel: dgamma = sum g xhat, dbeta = sum g,
    dx = gamma / std (g - dbeta / n - xhat dgamma / n) (Ioffe and Szegedy, 2015, section 3).
    """

    eps: float
    fix_gamma: bool
    axis: int
    public = False
    inputs = ("data", "gamma", "beta")
    outputs = ("output", "mean", "var")

    def shapes(self, data: Shape, gamma: Shape, beta: Shape) -> Sequence[Shape]:
        return data, gamma, gamma

    def decompose(self, data: Value, gamma: Value, beta: Value) -> Sequence[Value]:  # type: ignore[override]
        each = gamma.type.size / data.type.size
        mean = _channel_sum(self.axis)(data) * each
        var = _channel_square(self.axis)(data, mean) * each
        inverse = _rsqrt(var, self.eps)
        scale = inverse if self.fix_gamma else gamma * inverse
        return _scale_shift(self.axis)(data, scale, beta - mean * scale), mean, var

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        x, gamma, _ = xs
        _, mean, var = ys
        g = gs[0]
        n = x.type.size // gamma.type.size
        inverse = _rsqrt(var, self.eps)
        scale = inverse if self.fix_gamma else gamma * inverse
        dbeta = _channel_sum(self.axis)(g)
        dgamma = _channel_dot(self.axis)(g, x, mean) * inverse
        b = scale * inverse * dgamma * (-1.0 / n)
        c = scale * dbeta * (-1.0 / n) - b * mean
        dx = _channel_affine(self.axis)(g, x, scale, b, c)
        return dx, OPS["zeros_like"]()(gamma) if self.fix_gamma else dgamma, dbeta


class _Channel(Op):
    """Work by channel along `axis`."""

    axis: int
    abstract = True
    public = False

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        if self.axis != 1 or ins[0].ndim < 3:
            return None
        moved = tuple(t.ndim > 1 for t in ins)
        return type(self)(ins[0].ndim - 1), moved, (self._full,)

    _full = False

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [ins[0] if self._full else (ins[0][self.axis],)]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        if self.axis % ins[0].ndim == 0:  # slices of channels
            return Split((0,) * len(ins), (0,))
        axes = tuple(0 if t.ndim > 1 else None for t in ins)
        return Split(axes, (0,)) if self._full else Split(axes, (None,), sum=True)


class _channel_sum(_Channel):
    """y[c] = sum of x over all axes but `axis`."""


class _channel_square(_Channel):
    """y[c] = sum of (x - mean[c])^2 over all axes but `axis`."""

    inputs = ("data", "mean")


class _channel_dot(_Channel):
    """y[c] = sum of g (x - mean[c]) over all axes but `axis`."""

    inputs = ("grad", "data", "mean")


class _scale_shift(_Channel):
    """y = x scale[c] + shift[c]."""

    inputs = ("data", "scale", "shift")
    inplace = ((0, 0),)
    _full = True

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        x, scale, _ = xs
        zero = OPS["zeros_like"]()(scale)
        dscale = _channel_dot(self.axis)(gs[0], x, zero)
        return _scale_shift(self.axis)(gs[0], scale, zero), dscale, _channel_sum(self.axis)(gs[0])


class _channel_affine(_Channel):
    """y = a[c] g + b[c] x + c[c]."""

    inputs = ("grad", "data", "a", "b", "c")
    inplace = ((0, 0),)
    _full = True


class LRN(Op):
    """y = x / (knorm + alpha / nsize * sum of x^2 over nsize neighbouring channels)^beta; data (n, c, h, w).

    Krizhevsky et al. 2012, section 3.3, with MXNet's alpha / nsize. The second, hidden output is the bracket.
    """

    nsize: int
    alpha: float = 1e-4
    beta: float = 0.75
    knorm: float = 2.0
    outputs = ("output", "tmp_norm")

    @property
    def num_visible(self) -> int:
        return 1

    def check(self) -> None:
        if self.nsize < 1 or self.nsize % 2 == 0:
            raise ParameterError(f"LRN: nsize must be odd, got {self.nsize}")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(merge(ins[0], outs[0]), outs[1])
        if shape is not None and len(shape) < 2:
            raise ShapeError(f"data needs a channel axis, got {show_shape(shape)}")
        return [shape], [shape, shape]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_lrn_grad(self.nsize, self.alpha, self.beta)(gs[0], xs[0], ys[0], ys[1]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,), (0, 0))


class _lrn_grad(Op):
    """dx = g s^-beta - 2 alpha beta / nsize x * (window sum of g y / s), s the bracket of LRN."""

    nsize: int
    alpha: float
    beta: float
    public = False
    inputs = ("grad", "data", "output", "norm")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [ins[1]]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,) * 4, (0,))


def rows(shape: Shape, axis: int) -> tuple[int, int, int]:
    """Give (a, c, b): the array as a matrix of a x c x b, channels in the middle."""
    axis %= len(shape)
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
