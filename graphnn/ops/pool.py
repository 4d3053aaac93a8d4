"""Pooling in one to three dimensions: max, avg, sum and p-norm over sliding windows or the whole image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import OPS, Op, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape

__all__ = ["Pooling"]

MAX_TAPS = 1 << 16  # kernels go over the elements of a window one by one


class Pooling(Op):
    """y[n, c, p] = max, mean, sum or (lp) root of the sum of powers of x[n, c, p stride + k - pad] over k.

    data (n, c, w), (n, c, h, w) or (n, c, d, h, w). `valid` gives floor((x + 2 pad - kernel) / stride) + 1 positions,
    `full` the ceiling, `same` ceil((x + 2 pad) / stride). Averages divide by the window clipped to the padded image, or
    (count_include_pad False) to the image. The p_value-th powers of lp keep their sign, as in MXNet. Ties of max: the
    first wins. A `full` window that lies wholly outside the image gives 0 and has no gradient.
    """

    kernel: Shape = ()
    pool_type: Literal["max", "avg", "sum", "lp"] = "max"
    global_pool: bool = False
    pooling_convention: Literal["valid", "full", "same"] = "valid"
    stride: Shape = ()
    pad: Shape = ()
    count_include_pad: bool | None = None
    layout: Literal["NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC"] | None = None
    p_value: int | None = None
    ignored = frozenset({"cudnn_off"})

    def check(self) -> None:
        if not self.global_pool and (len(self.kernel) not in (1, 2, 3) or any(k < 1 for k in self.kernel)):
            raise ParameterError(f"Pooling: kernel must be 1 to 3 positive sizes, got {self.kernel}")
        if self.pool_type == "lp" and self.p_value not in (1, 2, 3):
            raise ParameterError(f"Pooling: p_value must be 1, 2 or 3 with pool_type lp, got {self.p_value}")
        if math.prod(self.kernel) > MAX_TAPS:
            raise ParameterError(f"Pooling: kernel {self.kernel} has more than {MAX_TAPS} elements")
        for name in ("stride", "pad"):
            value = getattr(self, name)
            if name == "pad" and len(self.kernel) == 1 and len(value) > 1 and not any(value[1:]):
                value = value[:1]  # MXNet lets them stand
            if value and not self.global_pool and (len(value) != len(self.kernel) or min(value) < (name == "stride")):
                raise ParameterError(f"Pooling: {name} must be {len(self.kernel)} sizes, got {value}")
        if not self.global_pool and any(p >= k for p, k in zip(self.pad, self.kernel, strict=False)):
            raise ParameterError(f"Pooling: pad {self.pad} must be smaller than kernel {self.kernel}")

    @property
    def last(self) -> bool:
        return self.layout is not None and self.layout.endswith("C")

    def sizes(self, shape: Shape) -> Shape:
        return shape[1:-1] if self.last else shape[2:]

    def geometry(self, sizes: Shape) -> list[tuple[int, int, int, int]]:
        """Give (kernel, stride, pad, positions) along each axis."""
        out = []
        n = len(sizes)
        stride, pad = self.stride or (1,) * n, self.pad or (0,) * n
        for i, x in enumerate(sizes):
            if self.global_pool:
                out.append((x, 1, 0, 1))
                continue
            k, s, p = self.kernel[i], stride[i], pad[i]
            over = x + 2 * p - k
            if x and over < 0:
                raise ShapeError(f"the kernel {self.kernel} is larger than the padded input {sizes}")
            if self.pooling_convention == "same":
                m = -(-(x + 2 * p) // s)
            else:
                m = (-(-over // s) if self.pooling_convention == "full" else over // s) + 1
            out.append((k, s, p, m if x else 0))
        return out

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data, out = ins[0], outs[0]
        if data is not None:
            want = f"{len(self.kernel) + 2}" if not self.global_pool else "3 to 5"
            if len(data) not in ((3, 4, 5) if self.global_pool else (len(self.kernel) + 2,)):
                raise ShapeError(f"data must have {want} axes, got {show_shape(data)}")
            found = [m for *_, m in self.geometry(self.sizes(data))]
            n, c = data[0], data[-1] if self.last else data[1]
            out = merge(out, (n, *found, c) if self.last else (n, c, *found))
        if out is not None:
            free = (0,) * (len(out) - 2)
            n, c = out[0], out[-1] if self.last else out[1]
            data = merge(data, (n, *free, c) if self.last else (n, c, *free))
        return [data], [out]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | None:
        if self.pool_type != "lp":
            return None
        x = xs[0]
        powers = {1: x, 2: x * x, 3: x * x * x}
        total = replace(self, pool_type="sum", p_value=None)(powers[self.p_value or 2])
        return total if self.p_value == 1 else _root(self.p_value or 2)(total)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        if self.pool_type == "max":
            return (_max_pool_grad(self)(gs[0], xs[0], ys[0]),)
        return (_pool_grad(self, xs[0].shape)(gs[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,), (0,))

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        return None if self.last else (_moved(self, ins[0].ndim), (True,), (True,))


class _root(Op):
    """y = the p-th root of x, p 2 or 3; dx = g / (p y^(p - 1)), finite where y is 0."""

    p: int
    public = False

    def shapes(self, x: Shape) -> Sequence[Shape]:
        return [x]

    def decompose(self, *xs: Value) -> Value:
        return OPS["sqrt" if self.p == 2 else "cbrt"]()(*xs)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        y = ys[0]
        slope = (y if self.p == 2 else y * y) * float(self.p)
        return (gs[0] / OPS["_maximum_scalar"].from_params({"scalar": 1e-20})(slope),)


def _moved(pool: Pooling, ndim: int) -> Pooling:
    layout: Any = {3: "NWC", 4: "NHWC", 5: "NDHWC"}[ndim]
    return replace(pool, layout=layout)


class _max_pool_grad(Op):
    """dx = g at the first largest element of each window."""

    pool: Pooling
    public = False
    inputs = ("grad", "data", "output")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [ins[1]]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0, 0), (0,))

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        return None if self.pool.last else (_max_pool_grad(_moved(self.pool, ins[0].ndim)), (True,) * 3, (True,))


class _pool_grad(Op):
    """dx = g spread over each window, divided as the average was."""

    pool: Pooling
    shape: Shape
    public = False
    inputs = ("grad",)

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [(ins[0][0], *self.shape[1:])]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,), (0,))

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        if self.pool.last:
            return None
        n, c, *sizes = self.shape
        return _pool_grad(_moved(self.pool, ins[0].ndim), (n, *sizes, c)), (True,), (True,)


class Pooling_v1(Op):
    """Pooling as files before 0.10 have it: averages divide by the whole window, also where it leaves the image.

    The padding of max is 0. (Where elements of a window tie, MXNet's sends the gradient to all of them.)
    """

    kernel: Shape = ()
    pool_type: Literal["max", "avg", "sum"] = "max"
    global_pool: bool = False
    pooling_convention: Literal["valid", "full"] = "valid"
    stride: Shape = ()
    pad: Shape = ()

    def check(self) -> None:
        self._pooling(self.pool_type).check()

    def _pooling(self, kind: Any) -> Pooling:
        return Pooling(self.kernel, kind, self.global_pool, self.pooling_convention, self.stride, self.pad)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return self._pooling(self.pool_type).infer_shape(ins, outs)

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value:
        if self.pool_type == "max" and not self.global_pool and any(self.pad) and len(self.pad) == 2:
            (h, w), x = self.pad, xs[0]
            x = OPS["Pad"].from_params({"mode": "constant", "pad_width": (0, 0, 0, 0, h, h, w, w)})(x)
            return replace(self._pooling("max"), pad=())(x)
        if self.pool_type != "avg" or self.global_pool:
            return self._pooling(self.pool_type)(*xs)
        return self._pooling("sum")(*xs) * (1 / math.prod(self.kernel))
