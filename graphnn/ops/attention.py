"""Attention on interleaved projections, and im2col: compositions that Gluon's transformers and old networks name."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import PartialShapes
from ..types import Shape, merge, show_shape
from .composed import Composed, filled, made
from .linalg import batch_dot
from .shape import _reshape_to, transpose

__all__ = ["Windows"]

Count = int

MAX_KERNEL = 1024  # elements of a window: each is an operator


class _Attention(Composed):
    """Base: `heads` heads of size d; projections (l, n, heads parts d) have each head's parts one after another."""

    abstract = True

    def parts(self, x: Value, count: int) -> list[Value]:
        """Give the `count` parts, each (n heads, length, d)."""
        length, n, width = x.shape
        heads = getattr(self, "heads")  # noqa: B009  # a field of the subclasses
        d = width // heads // count
        cut = _reshape_to((length, n, heads, count, d))(x)
        turned = transpose((3, 1, 2, 0, 4))(cut)
        whole = _reshape_to((count, n * heads, length, d))(turned)
        found = [made("slice_axis", whole, axis=0, begin=i, end=i + 1) for i in range(count)]
        return [_reshape_to((n * heads, length, d))(y) for y in found]

    def joined(self, y: Value) -> Value:
        """Give (length, n, heads d) for y (n heads, length, d)."""
        rows, length, d = y.shape
        heads = getattr(self, "heads")  # noqa: B009
        cut = _reshape_to((rows // heads, heads, length, d))(y)
        return _reshape_to((length, rows // heads, heads * d))(transpose((2, 0, 1, 3))(cut))

    def check_width(self, x: Shape, count: int) -> None:
        heads = getattr(self, "heads")  # noqa: B009
        if len(x) != 3 or x[2] % (count * heads):
            raise ShapeError(f"{show_shape(x)} must be (length, batch, width), the width a multiple of {count * heads}")


def _scores(q: Value, k: Value) -> Value:
    return batch_dot(False, True)(q * (1 / math.sqrt(q.shape[2])), k)


class _contrib_interleaved_matmul_selfatt_qk(_Attention):
    """y (n heads, l, l) = q k^T / sqrt(d) of queries_keys_values (l, n, heads 3 d)."""

    heads: Count
    inputs = ("queries_keys_values",)

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        self.check_width(ins[0], 3)
        return ((ins[0][1] * self.heads, ins[0][0], ins[0][0]),)

    def decompose(self, *xs: Value) -> Value:
        q, k, _ = self.parts(xs[0], 3)
        return _scores(q, k)


class _contrib_interleaved_matmul_selfatt_valatt(_Attention):
    """y (l, n, heads d) = attention v of queries_keys_values (l, n, heads 3 d), attention (n heads, l, l)."""

    heads: Count
    inputs = ("queries_keys_values", "attention")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x = ins[0]
        if x is None:
            return ins, outs
        self.check_width(x, 3)
        return [x, merge(ins[1], (x[1] * self.heads, x[0], x[0]))], [merge(outs[0], (*x[:2], x[2] // 3))]

    def decompose(self, *xs: Value) -> Value:
        return self.joined(batch_dot()(xs[1], self.parts(xs[0], 3)[2]))


class _contrib_interleaved_matmul_encdec_qk(_Attention):
    """y (n heads, l, m) = q k^T / sqrt(d) of queries (l, n, heads d) and keys_values (m, n, heads 2 d)."""

    heads: Count
    inputs = ("queries", "keys_values")

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        q, kv = ins
        self.check_width(q, 1)
        self.check_width(kv, 2)
        if q[1] != kv[1] or 2 * q[2] != kv[2]:
            raise ShapeError(f"keys_values must be (., {q[1]}, {2 * q[2]}) for queries {show_shape(q)}")
        return ((q[1] * self.heads, q[0], kv[0]),)

    def decompose(self, *xs: Value) -> Value:
        return _scores(self.parts(xs[0], 1)[0], self.parts(xs[1], 2)[0])


class _contrib_interleaved_matmul_encdec_valatt(_Attention):
    """y (l, n, heads d) = attention v of keys_values (m, n, heads 2 d) and attention (n heads, l, m)."""

    heads: Count
    inputs = ("keys_values", "attention")

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        kv, weights = ins
        self.check_width(kv, 2)
        if len(weights) != 3 or (weights[0], weights[2]) != (kv[1] * self.heads, kv[0]):
            raise ShapeError(f"attention must be ({kv[1] * self.heads}, ., {kv[0]}), got {show_shape(weights)}")
        return ((weights[1], kv[1], kv[2] // 2),)

    def decompose(self, *xs: Value) -> Value:
        return self.joined(batch_dot()(xs[1], self.parts(xs[0], 2)[1]))


# Windows of images


class Windows(Composed):
    """Base: an image (n, c, *sizes) and its windows (n, c prod(kernel), number of windows)."""

    abstract = True
    kernel: Shape
    stride: Shape = ()
    dilate: Shape = ()
    pad: Shape = ()

    def check(self) -> None:
        for name, value in (("kernel", self.kernel), ("stride", self.stride), ("dilate", self.dilate)):
            if 0 in value or len(value) not in (0, len(self.kernel)):
                raise ParameterError(f"{self.name}: {name} must be {len(self.kernel)} positive numbers, got {value}")
        if not self.kernel or math.prod(self.kernel) > MAX_KERNEL or len(self.pad) not in (0, len(self.kernel)):
            raise ParameterError(
                f"{self.name}: kernel {self.kernel} must have 1 to {MAX_KERNEL} elements, as pad sizes"
            )

    def axes(self) -> list[tuple[int, int, int, int]]:
        """Give (kernel, stride, dilate, pad) of each spatial axis."""
        n = len(self.kernel)
        return list(
            zip(self.kernel, self.stride or (1,) * n, self.dilate or (1,) * n, self.pad or (0,) * n, strict=True)
        )

    def windows(self, sizes: Shape) -> Shape:
        """Give how many windows fit along each axis."""
        if len(sizes) != len(self.kernel):
            raise ShapeError(f"kernel {self.kernel} does not fit an image of sizes {show_shape(sizes)}")
        found = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, (k, s, d, p) in zip(sizes, self.axes(), strict=True)
        )
        if min(found) < 1:
            raise ShapeError(f"the kernel {self.kernel} is larger than the padded image {show_shape(sizes)}")
        return found

    def cuts(self, sizes: Shape) -> list[dict[str, Any]]:
        """Give, for each element of the window, the cut of the padded image that it meets."""
        count, found = self.windows(sizes), []
        for at in itertools.product(*map(range, self.kernel)):
            begin = [i * d for i, (_, _, d, _) in zip(at, self.axes(), strict=True)]
            end = [a + s * (m - 1) + 1 for a, m, (_, s, _, _) in zip(begin, count, self.axes(), strict=True)]
            steps = [s for _, s, _, _ in self.axes()]
            found.append({"begin": (None, None, *begin), "end": (None, None, *end), "step": (None, None, *steps)})
        return found

    def padding(self) -> Shape:
        return (0, 0, 0, 0, *(p for *_, p in self.axes() for _ in range(2)))


class im2col(Windows):
    """y (n, c prod(kernel), windows) = the elements that every window of the image x (n, c, *sizes) covers."""

    kernel: Shape
    stride: Shape = ()
    dilate: Shape = ()
    pad: Shape = ()

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        n, c, *sizes = ins[0]
        return ((n, c * math.prod(self.kernel), math.prod(self.windows(tuple(sizes)))),)

    def decompose(self, *xs: Value) -> Value:
        x = xs[0]
        sizes = x.shape[2:]
        if any(self.pad):
            x = made("Pad", x, mode="constant", pad_width=self.padding())
        parts = [made("slice", x, **cut) for cut in self.cuts(sizes)]
        whole = made("stack", *parts, axis=2, num_args=len(parts))
        return _reshape_to(tuple(self.shapes(xs[0].shape)[0]))(whole)


class col2im(Windows):
    """y (n, c, *output_size) = the sum, at each element, of what the windows x (n, c prod(kernel), windows) have."""

    kernel: Shape
    stride: Shape = ()
    dilate: Shape = ()
    pad: Shape = ()
    output_size: Shape = ()

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        count, k = math.prod(self.windows(self.output_size)), math.prod(self.kernel)
        if len(ins[0]) != 3 or ins[0][1] % k or ins[0][2] != count:
            raise ShapeError(
                f"data must be (n, c {k}, {count}) for images {self.output_size}, got {show_shape(ins[0])}"
            )
        return ((ins[0][0], ins[0][1] // k, *self.output_size),)

    def decompose(self, *xs: Value) -> Value:
        x, (n, c, *sizes) = xs[0], self.shapes(xs[0].shape)[0]
        count = self.windows(self.output_size)
        whole = _reshape_to((n, c, math.prod(self.kernel), *count))(x)
        padded = (n, c, *(m + 2 * p for m, (*_, p) in zip(sizes, self.axes(), strict=True)))
        total = filled(x, padded)
        for i, cut in enumerate(self.cuts(self.output_size)):
            piece = made("slice_axis", whole, axis=2, begin=i, end=i + 1)
            part = _reshape_to((n, c, *count))(piece)
            total = total + made("_backward_slice", part, shape=padded, **cut)
        inner = [(p, p + m) for m, (*_, p) in zip(sizes, self.axes(), strict=True)]
        begin, end = zip(*inner, strict=True)
        return made("slice", total, begin=(None, None, *begin), end=(None, None, *end))
