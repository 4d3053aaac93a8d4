"""Elementwise arithmetic of two tensors, of a tensor and a scalar, with and without broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..graph import Value
from ..op import OPS, Op, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape

__all__ = ["Binary", "Broadcast", "Elementwise", "Scalar", "infix"]

Count = int  # positive; graphnn.params parses by this name


class Elementwise(Op):
    """y[i] = f(x[i], ...): all inputs and outputs have one shape, which flows both ways."""

    abstract = True
    elementwise = True

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape: Shape | None = None
        for s in (*ins, *outs):
            shape = merge(shape, s)
        return [shape] * len(ins), [shape] * len(outs)


class Binary(Elementwise):
    abstract = True
    inputs = ("lhs", "rhs")
    inplace = ((0, 0), (1, 0))


class Scalar(Elementwise):
    """y[i] = f(x[i], scalar); for integers the scalar is truncated."""

    abstract = True
    scalar: float
    inplace = ((0, 0),)
    ignored = frozenset({"is_int"})


class Broadcast(Op):
    """z = f(x, y) where axes of size 1 are repeated; the one with fewer axes gets leading ones of size 1."""

    abstract = True
    inputs = ("lhs", "rhs")
    inplace = ((0, 0), (1, 0))

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        a, b = ins
        if a is None or b is None:
            return ins, outs
        ndim = max(len(a), len(b))
        a, b = ((1,) * (ndim - len(s)) + s for s in (a, b))
        if any(m != n and 1 not in (m, n) and m and n for m, n in zip(a, b, strict=True)):
            raise ShapeError(f"{show_shape(a)} and {show_shape(b)} do not broadcast")
        out = tuple(0 if 0 in (m, n) and max(m, n) <= 1 else max(m, n) for m, n in zip(a, b, strict=True))
        return ins, [merge(outs[0], out)]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | Sequence[Value] | None:
        """Give both as many axes, which is what gradients and backends are written for."""
        if len(xs[0].shape) == len(xs[1].shape):
            return None
        ndim = max(len(x.shape) for x in xs)
        shapes = [(1,) * (ndim - len(x.shape)) + x.shape for x in xs]
        return self(*(OPS["Reshape"].from_params({"shape": s})(x) for x, s in zip(xs, shapes, strict=True)))

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        lead = outs[0].shape[:1]
        if not lead or lead[0] == 1:
            return None
        return Split(tuple(0 if t.shape[:1] == lead else None for t in ins), (0,))

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        return self, (True, True), (True,)


# Two tensors of one shape. Names and aliases are MXNet's; `_Plus` and the like are spellings of files before 0.9.


class elemwise_add(Binary):
    """z = x + y."""

    aliases = ("_plus", "_add", "_Plus")

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return gs[0], gs[0]


class elemwise_sub(Binary):
    """z = x - y."""

    aliases = ("_minus", "_sub", "_Minus")

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return gs[0], -gs[0]


class elemwise_mul(Binary):
    """z = x y."""

    aliases = ("_mul", "_Mul")

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return gs[0] * xs[1], gs[0] * xs[0]


class elemwise_div(Binary):
    """z = x / y; integers are divided towards zero."""

    aliases = ("_div", "_Div")

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return gs[0] / xs[1], -(gs[0] * ys[0] / xs[1])


class _grad_add(Binary):
    """z = x + y: how MXNet's gradient pass wrote its sums."""

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return gs[0], gs[0]


class add_n(Elementwise):
    """y = x_0 + x_1 + ... of `num_args` tensors of one shape."""

    num_args: Count
    aliases = ("ElementWiseSum",)
    variadic = "num_args"

    @property
    def inplace(self) -> tuple[tuple[int, int], ...]:  # type: ignore[override]
        return tuple((i, 0) for i in range(self.num_args))

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (gs[0],) * len(xs)


class zeros_like(Elementwise):
    """y = 0, of the shape and dtype of x."""

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (None,)


class broadcast_add(Broadcast):
    """z = x + y, broadcast."""

    aliases = ("broadcast_plus",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return gs[0], gs[0]


class broadcast_sub(Broadcast):
    """z = x - y, broadcast."""

    aliases = ("broadcast_minus",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return gs[0], -gs[0]


class broadcast_mul(Broadcast):
    """z = x y, broadcast."""

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return gs[0] * xs[1], gs[0] * xs[0]


class broadcast_div(Broadcast):
    """z = x / y, broadcast."""

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return gs[0] / xs[1], -(gs[0] * ys[0] / xs[1])


# A tensor and a scalar.


class _plus_scalar(Scalar):
    """y = x + scalar."""

    aliases = ("_PlusScalar",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (gs[0],)


class _minus_scalar(Scalar):
    """y = x - scalar."""

    aliases = ("_MinusScalar",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (gs[0],)


class _rminus_scalar(Scalar):
    """y = scalar - x."""

    aliases = ("_RMinusScalar",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (-gs[0],)


class _mul_scalar(Scalar):
    """y = x scalar."""

    aliases = ("_MulScalar",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (gs[0] * self.scalar,)


class _div_scalar(Scalar):
    """y = x / scalar."""

    aliases = ("_DivScalar",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (gs[0] / self.scalar,)


class _rdiv_scalar(Scalar):
    """y = scalar / x."""

    aliases = ("_RDivScalar",)

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (-(gs[0] * ys[0] / xs[0]),)


_SAME: dict[str, type[Op]] = {"add": elemwise_add, "sub": elemwise_sub, "mul": elemwise_mul, "div": elemwise_div}
_MIXED: dict[str, type[Op]] = {"add": broadcast_add, "sub": broadcast_sub, "mul": broadcast_mul, "div": broadcast_div}
_SCALAR: dict[str, type[Op]] = {
    "add": _plus_scalar,
    "sub": _minus_scalar,
    "rsub": _rminus_scalar,
    "mul": _mul_scalar,
    "div": _div_scalar,
    "rdiv": _rdiv_scalar,
}


def infix(kind: str, a: Value, b: Value | float) -> Value:
    """Apply `a kind b` to typed values: by element, with broadcasting, or with a scalar."""
    if not isinstance(b, Value):
        return _SCALAR[kind].from_params({"scalar": b})(a)
    return (_SAME if a.shape == b.shape else _MIXED)[kind]()(a, b)
