"""Random numbers of further distributions: by numbers, by arrays of parameters, and of another tensor's shape.

Like those of create.py they become private forms that read the state (seed, call); see there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes
from ..types import Shape, merge
from .composed import made
from .create import Drawn, Shaped

__all__ = ["RANGES"]

DType = str

# The parameters of each distribution, with the smallest and the largest value taken.
RANGES: dict[str, tuple[tuple[float, float], ...]] = {
    "uniform": ((-1e300, 1e300), (-1e300, 1e300)),
    "normal": ((-1e300, 1e300), (0, 1e300)),
    "exponential": ((1e-300, 1e300),),
    "gamma": ((0, 1e300), (0, 1e300)),
    "poisson": ((0, 1e15),),
    "negative_binomial": ((1e-9, 1e12), (1e-6, 1)),
    "generalized_negative_binomial": ((0, 1e12), (0, 1e6)),
}


class _draw(Drawn):
    """y[i] is from the distribution `kind` with the parameters a and b."""

    kind: str
    a: float
    b: float
    shape: Shape
    dtype: DType
    stream: int


class _draw_whole(Drawn):
    """y[i] is a whole number from `low` to below `high`, each as likely."""

    low: int
    high: int
    shape: Shape
    dtype: DType
    stream: int


class _draw_order(Drawn):
    """y (n,) = the numbers 0 to n - 1 in random order, each order as likely."""

    shape: Shape
    dtype: DType
    stream: int


class _DrawnBy(Op):
    """Base of private forms that read the state and arrays of parameters."""

    abstract = True
    public = False

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        return (getattr(self, "shape"),)  # noqa: B009  # a field of the subclasses

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ["uint64", *ins[1:]], [getattr(self, "dtype")]  # noqa: B009


class _draw_each(_DrawnBy):
    """y (*parameters, ...) is from the distribution `kind`, each block with its parameters; clipped to RANGES."""

    kind: str
    shape: Shape
    dtype: DType
    stream: int

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return ("state", "a", "b")[: 1 + len(RANGES[self.kind])]


class _draw_category(_DrawnBy):
    """y (rows, n) = n positions for each row of the probabilities (rows, k)."""

    shape: Shape
    dtype: DType
    stream: int
    inputs = ("state", "p")


def checked(kind: str, *values: float) -> tuple[float, float]:
    """Give the two parameters of a distribution; raise ParameterError for one out of range."""
    for value, (low, high) in zip(values, RANGES[kind], strict=True):
        if not low <= value <= high:
            raise ParameterError(f"random {kind}: a parameter must be in [{low:g}, {high:g}], got {value}")
    return values[0], values[1] if len(values) > 1 else 0.0


class _Numbers(Shaped):
    """Base: a distribution whose parameters are the fields before the shape."""

    abstract = True
    random = True
    kind = ""

    def parameters(self) -> tuple[float, float]:
        names = [n for n in self.field_types() if n not in ("shape", "dtype")]
        return checked(self.kind, *(float(getattr(self, n)) for n in names))

    def check(self) -> None:
        self.parameters()

    def seeded(self, xs: Sequence[Value], state: Value, stream: int, is_train: bool) -> Value | None:
        shape, dtype = getattr(self, "shape"), getattr(self, "dtype") or "float32"  # noqa: B009
        return _draw(self.kind, *self.parameters(), shape, dtype, stream)(state)


class _random_exponential(_Numbers):
    """y[i] is exponential with rate `lam`: its mean is 1 / lam."""

    lam: float = 1.0
    shape: Shape = ()
    dtype: Literal["float16", "float32", "float64"] | None = None
    aliases = ("random_exponential",)
    kind = "exponential"


class _random_gamma(_Numbers):
    """y[i] is gamma distributed with shape `alpha` and scale `beta`: its mean is alpha beta."""

    alpha: float = 1.0
    beta: float = 1.0
    shape: Shape = ()
    dtype: Literal["float16", "float32", "float64"] | None = None
    aliases = ("random_gamma",)
    kind = "gamma"


class _random_poisson(_Numbers):
    """y[i] is Poisson distributed with mean `lam`, as a float."""

    lam: float = 1.0
    shape: Shape = ()
    dtype: Literal["float16", "float32", "float64"] | None = None
    aliases = ("random_poisson",)
    kind = "poisson"


class _random_negative_binomial(_Numbers):
    """y[i] = how often one fails, as a float, before k successes of probability p."""

    k: int = 1
    p: float = 1.0
    shape: Shape = ()
    dtype: Literal["float16", "float32", "float64"] | None = None
    aliases = ("random_negative_binomial",)
    kind = "negative_binomial"


class _random_generalized_negative_binomial(_Numbers):
    """y[i] is negative binomial with mean `mu` and variance mu + alpha mu^2, as a float."""

    mu: float = 1.0
    alpha: float = 1.0
    shape: Shape = ()
    dtype: Literal["float16", "float32", "float64"] | None = None
    aliases = ("random_generalized_negative_binomial",)
    kind = "generalized_negative_binomial"


class _random_randint(Shaped):
    """y[i] is a whole number from `low` to below `high`, each as likely."""

    low: int
    high: int
    shape: Shape = ()
    dtype: Literal["int32", "int64"] | None = None
    aliases = ("random_randint",)
    random = True

    def check(self) -> None:
        limit = 1 << (63 if self.dtype == "int64" else 31)
        if not -limit <= self.low < self.high <= limit:
            raise ParameterError(f"_random_randint: low must be less than high, got {self.low} and {self.high}")

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [self.dtype or "int32"]

    def seeded(self, xs: Sequence[Value], state: Value, stream: int, is_train: bool) -> Value | None:
        return _draw_whole(self.low, self.high, self.shape, self.dtype or "int32", stream)(state)


# Of the shape of another tensor


class _Like(Op):
    """Base: random numbers of the shape and dtype of x."""

    abstract = True
    random = True
    kind = ""

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(ins[0], outs[0])
        return [shape], [shape]

    def check(self) -> None:
        checked(self.kind, *(float(getattr(self, n)) for n in self.field_types()))

    def seeded(self, xs: Sequence[Value], state: Value, stream: int, is_train: bool) -> Value | None:
        a, b = checked(self.kind, *(float(getattr(self, n)) for n in self.field_types()))
        return _draw(self.kind, a, b, xs[0].shape, xs[0].dtype, stream)(state)


class _random_uniform_like(_Like):
    """y[i] is uniform in [low, high), of the shape of x."""

    low: float = 0.0
    high: float = 1.0
    kind = "uniform"


class _random_normal_like(_Like):
    """y[i] is normal with mean `loc` and standard deviation `scale`, of the shape of x."""

    loc: float = 0.0
    scale: float = 1.0
    kind = "normal"


class _random_exponential_like(_Like):
    """y[i] is exponential with rate `lam`, of the shape of x."""

    lam: float = 1.0
    kind = "exponential"


class _random_gamma_like(_Like):
    """y[i] is gamma distributed with shape `alpha` and scale `beta`, of the shape of x."""

    alpha: float = 1.0
    beta: float = 1.0
    kind = "gamma"


class _random_poisson_like(_Like):
    """y[i] is Poisson distributed with mean `lam`, of the shape of x."""

    lam: float = 1.0
    kind = "poisson"


class _random_negative_binomial_like(_Like):
    """y[i] = how often one fails before k successes of probability p, of the shape of x."""

    k: int = 1
    p: float = 1.0
    kind = "negative_binomial"


class _random_generalized_negative_binomial_like(_Like):
    """y[i] is negative binomial with mean `mu` and variance mu + alpha mu^2, of the shape of x."""

    mu: float = 1.0
    alpha: float = 1.0
    kind = "generalized_negative_binomial"


# With arrays of parameters


class _Sample(Op):
    """Base: y (*parameters, *shape); every element of the parameters gives a block of `shape`."""

    abstract = True
    random = True
    shape: Shape = ()
    dtype: Literal["float16", "float32", "float64"] | None = None

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        p: Shape | None = None
        for s in ins:
            p = merge(p, s)
        return [p] * len(ins), outs if p is None else [merge(outs[0], (*p, *self.shape))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        found, _ = super().infer_dtype(ins, [])
        return found, [self.dtype or "float32"]

    def seeded(self, xs: Sequence[Value], state: Value, stream: int, is_train: bool) -> Value | None:
        kind = self.name.removeprefix("_sample_")
        return _draw_each(kind, (*xs[0].shape, *self.shape), self.dtype or "float32", stream)(state, *xs)


class _sample_uniform(_Sample):
    """y is uniform in [low, high) for each element of low and high."""

    inputs = ("low", "high")
    aliases = ("sample_uniform",)


class _sample_normal(_Sample):
    """y is normal with mean mu and standard deviation sigma for each element of them."""

    inputs = ("mu", "sigma")
    aliases = ("sample_normal",)


class _sample_gamma(_Sample):
    """y is gamma distributed with shape alpha and scale beta for each element of them."""

    inputs = ("alpha", "beta")
    aliases = ("sample_gamma",)


class _sample_exponential(_Sample):
    """y is exponential with rate lam for each element of it."""

    inputs = ("lam",)
    aliases = ("sample_exponential",)


class _sample_poisson(_Sample):
    """y is Poisson distributed with mean lam for each element of it."""

    inputs = ("lam",)
    aliases = ("sample_poisson",)


class _sample_negative_binomial(_Sample):
    """y = how often one fails before k successes of probability p for each element of them."""

    inputs = ("k", "p")
    aliases = ("sample_negative_binomial",)


class _sample_generalized_negative_binomial(_Sample):
    """y is negative binomial with mean mu and variance mu + alpha mu^2 for each element of them."""

    inputs = ("mu", "alpha")
    aliases = ("sample_generalized_negative_binomial",)


class _sample_multinomial(Op):
    """y (..., *shape) = positions drawn with the probabilities data (..., k); with `get_prob` also their logarithms.

    The gradient of the logarithms goes to the probabilities.
    """

    shape: Shape = ()
    get_prob: bool = False
    dtype: Literal["uint8", "int32", "float16", "float32", "float64"] = "int32"
    aliases = ("sample_multinomial",)
    random = True

    @property
    def output_names(self) -> tuple[str, ...]:
        return ("output0", "output1") if self.get_prob else self.outputs

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        p = ins[0]
        if p is None:
            return ins, outs
        y: Shape | None = (*p[:-1], *self.shape) or (1,)
        for s in outs:
            y = merge(y, s)
        return ins, [y] * len(outs)

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [self.dtype, ins[0]][: len(outs)]

    def seeded(self, xs: Sequence[Value], state: Value, stream: int, is_train: bool) -> Any:
        p = xs[0]
        k, size = p.shape[-1], math.prod(self.shape)
        rows = p.type.size // k
        flat = made("Reshape", p, shape=(rows, k))
        drawn = _draw_category((rows, size), "int32", stream)(state, flat)
        shape = (*p.shape[:-1], *self.shape) or (1,)
        y = made("Cast", made("Reshape", drawn, shape=shape), dtype=self.dtype)
        if not self.get_prob:
            return y
        wide = made("broadcast_to", made("expand_dims", flat, axis=1), shape=(rows, size, k))
        return [y, made("Reshape", made("log", made("pick", wide, drawn)), shape=shape)]


class _shuffle(Op):
    """y = x with its slices along the first axis in random order."""

    aliases = ("shuffle",)
    random = True

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        shape = merge(ins[0], outs[0])
        if shape == ():
            raise ShapeError("x must have an axis to shuffle along")
        return [shape], [shape]

    def seeded(self, xs: Sequence[Value], state: Value, stream: int, is_train: bool) -> Value | None:
        order = _draw_order(xs[0].shape[:1], "int32", stream)(state)
        return made("take", xs[0], order, axis=0)
