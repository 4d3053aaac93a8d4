"""Initialisers of parameters, with MXNet's names and rules.

An initialiser is called as `initializer(desc, array, rng)` and fills `array` in place. A variable's own initialiser, in
its attribute `__init__`, comes first; then the end of its name decides (`bias` is 0, `gamma` is 1, ...); the rest,
`weight`, is what the initialiser itself is about. Randomness comes only from `rng`; rng_for(seed, name) gives one that
does not depend on the order in which parameters are initialised.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
import math
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_type_hints

import numpy as np

from ..errors import ParameterError, ShapeError
from ..formats import params
from .recurrent import Division

__all__ = [
    "OWN", "Bilinear", "Constant", "FusedRNN", "InitDesc", "Initializer", "LSTMBias", "Load", "MSRAPrelu",
    "Mixed", "Normal", "One", "Orthogonal", "Uniform", "Xavier", "Zero", "create", "rng_for",
]  # fmt: skip

_log = logging.getLogger(__name__)

# What a parameter is filled with by the end of its name. "weight" is left to the initialiser.
_BY_SUFFIX = {
    "bias": 0.0,
    "gamma": 1.0,
    "beta": 0.0,
    "moving_mean": 0.0,
    "running_mean": 0.0,
    "moving_var": 1.0,
    "running_var": 1.0,
    "moving_avg": 0.0,
    "min": 0.0,
    "max": 1.0,
}


def rng_for(seed: int, name: str) -> np.random.Generator:
    """The generator for one parameter: seeded by `seed` >= 0 and the SHA-256 of the name, and by nothing else."""
    if seed < 0:
        raise ParameterError(f"seed must not be negative, got {seed}")
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(digest, "little")]))


@dataclass(frozen=True)
class InitDesc:
    """The name and the attributes of an array's variable, and the initialiser of the whole network."""

    name: str
    attrs: Mapping[str, str] = field(default_factory=dict)
    global_init: Initializer | None = None


@dataclass(frozen=True)
class Initializer(ABC):
    """Fills arrays by the variable's `__init__`, by the end of its name, or by fill().

    ParameterError for parameters out of range, and for a name that says nothing.
    """

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            value = _checked(type(self).__name__.lower(), name, kind, getattr(self, name))
            object.__setattr__(self, name, value)

    def __call__(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        """Fill `array` in place for the variable `desc`."""
        if own := desc.attrs.get("__init__"):
            desc = desc if desc.global_init else replace(desc, global_init=self)
            _own_initializer(desc.name, own).fill(desc, array, rng)
        elif desc.name.endswith("weight"):
            self.fill(desc, array, rng)
        else:
            array[...] = _constant_for(desc.name)

    @abstractmethod
    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        """Fill `array` in place whatever the name is; `desc` is for messages."""

    def dumps(self) -> str:
        """The JSON that create() and `__init__` take: ["xavier", {"magnitude": 2}] with every parameter."""
        return json.dumps([type(self).__name__.lower(), asdict(self)])


@dataclass(frozen=True)
class Zero(Initializer):
    """w = 0."""

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        array[...] = 0


@dataclass(frozen=True)
class One(Initializer):
    """w = 1."""

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        array[...] = 1


@dataclass(frozen=True)
class Constant(Initializer):
    """w = value."""

    value: float

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        array[...] = self.value


@dataclass(frozen=True)
class Uniform(Initializer):
    """w uniform in [-scale, scale), scale 0.07."""

    scale: float = 0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_positive(self, "scale", allow_zero=True)

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        array[...] = _draw(rng, "uniform", self.scale, array.shape)


@dataclass(frozen=True)
class Normal(Initializer):
    """w normal with mean 0 and standard deviation sigma, 0.01."""

    sigma: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_positive(self, "sigma", allow_zero=True)

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        array[...] = _draw(rng, "gaussian", self.sigma, array.shape)


@dataclass(frozen=True)
class Xavier(Initializer):
    """w uniform in [-c, c) or normal with deviation c, c = sqrt(magnitude / factor); w (out, in, ...).

    `rnd_type` "uniform" or "gaussian"; `factor_type`: factor is fan "in" = w.shape[1] * k, "out" = w.shape[0] * k or
    their mean "avg", with k the product of the other axes; `magnitude` > 0 (3). ShapeError for fewer than two axes.
    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks (2010), equation 16.
    """

    rnd_type: Literal["uniform", "gaussian"] = "uniform"
    factor_type: Literal["avg", "in", "out"] = "avg"
    magnitude: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_positive(self, "magnitude")

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        scale = math.sqrt(self.magnitude / _fan(desc, array, self.factor_type))
        array[...] = _draw(rng, self.rnd_type, scale, array.shape)


@dataclass(frozen=True)
class MSRAPrelu(Initializer):
    """w normal with deviation sqrt(2 / ((1 + slope^2) factor)); w (out, in, ...), factor as in Xavier.

    `slope` (0.25) is the slope below 0 of the rectifier that follows. He et al., Delving Deep into Rectifiers (2015),
    equation 15.
    """

    factor_type: Literal["avg", "in", "out"] = "avg"
    slope: float = 0.25

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        scale = math.sqrt(2 / (1 + self.slope * self.slope) / _fan(desc, array, self.factor_type))
        array[...] = _draw(rng, "gaussian", scale, array.shape)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """w w^T = scale^2 I, or w^T w when w has more rows than columns; w (out, ...) as a matrix (out, the rest).

    The singular vectors of a random matrix, `rand_type` "uniform" in [-1, 1) or "normal"; `scale` 1.414. Saxe,
    McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear networks (2013).
    """

    scale: float = 1.414
    rand_type: Literal["uniform", "normal"] = "uniform"

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        rows = array.shape[0] if array.ndim else 1
        random = _draw(rng, self.rand_type, 1.0, (rows, array.size // max(rows, 1)))
        u, _, v = np.linalg.svd(random, full_matrices=False)
        array[...] = (self.scale * (u if u.shape == random.shape else v)).reshape(array.shape)


@dataclass(frozen=True)
class Bilinear(Initializer):
    """w[..., i, j] = (1 - |i / f - c|) (1 - |j / f - c|): bilinear upsampling by a transposed convolution.

    w (..., height, width); f = ceil(width / 2), c = (2 f - 1 - f mod 2) / (2 f). MXNet's Python takes i unrounded, as
    (element number) / width; this is what its C++ computes.
    """

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        if array.ndim < 2:
            raise ShapeError(f"{desc.name}: bilinear needs at least two axes, got shape {array.shape}")
        height, width = array.shape[-2:]
        f = math.ceil(width / 2)
        c = (2 * f - 1 - f % 2) / (2 * f) if f else 0
        rows, columns = (1 - np.abs(np.arange(size) / max(f, 1) - c) for size in (height, width))
        array[...] = np.outer(rows, columns)


@dataclass(frozen=True)
class LSTMBias(Initializer):
    """b = 0 but forget_bias (1) for the second quarter, the forget gate; b (4 hidden,)."""

    forget_bias: float = 1.0

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        if array.ndim < 1 or array.shape[0] % 4:
            raise ShapeError(f"{desc.name}: lstmbias needs a first axis of four equal parts, got shape {array.shape}")
        hidden = array.shape[0] // 4
        array[...] = 0
        array[hidden : 2 * hidden] = self.forget_bias


@dataclass(frozen=True)
class FusedRNN(Initializer):
    """The RNN operator's vector: each weight and bias of a gate by `init` (None: the network's), lstm's f biases alone.

    Those are `forget_bias` (1). `num_hidden`, `num_layers`, `mode` and `bidirectional` are the operator's.
    """

    init: Initializer | str | None
    num_hidden: int
    num_layers: int
    mode: str
    bidirectional: bool = False
    forget_bias: float = 1.0

    def __post_init__(self) -> None:
        for name in ("num_hidden", "num_layers", "forget_bias"):
            object.__setattr__(self, name, _checked("fusedrnn", name, float, getattr(self, name)))
        for name in ("num_hidden", "num_layers"):
            object.__setattr__(self, name, int(getattr(self, name)))
        if not isinstance(self.bidirectional, (bool, int)):
            raise ParameterError(f"fusedrnn: bidirectional must be true or false, got {_shorten(self.bidirectional)}")
        if not isinstance(self.init, (Initializer, str, type(None))):
            raise ParameterError(f"fusedrnn: init must be an initialiser's name or JSON, got {_shorten(self.init)}")
        if self.init is not None:
            object.__setattr__(self, "init", create(self.init))
        self._division()

    def _division(self) -> Division:
        return Division(self.num_hidden, self.num_layers, self.mode, bool(self.bidirectional))

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        chosen = self.init or desc.global_init
        if not isinstance(chosen, Initializer):
            raise ParameterError(f"{desc.name}: fusedrnn without init needs the initialiser of a network")
        for name, part in self._division().views(array.reshape(-1)).items():
            if self.mode == "lstm" and name.endswith("_f_bias"):
                part[...] = self.forget_bias
            else:
                chosen(InitDesc(name, global_init=desc.global_init), part, rng)

    def dumps(self) -> str:
        inner = self.init.dumps() if isinstance(self.init, Initializer) else None
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return json.dumps(["fusedrnn", {**values, "init": inner}])


@dataclass(frozen=True)
class Load(Initializer):
    """The array of that name in `param` (a dict, or a .params file); what it lacks by `default_init`.

    `arg:` and `aux:` before the names are left out. ShapeError for an array of another shape, ParameterError for a
    name that is not there without `default_init`. With `verbose` the log says where each parameter is from.
    """

    param: Any
    default_init: Initializer | str | None = None
    verbose: bool = False

    def __post_init__(self) -> None:
        arrays = self.param if isinstance(self.param, Mapping) else params.load(self.param)
        if not isinstance(arrays, Mapping):
            raise ParameterError("load: the arrays must be named")
        object.__setattr__(self, "param", {re.sub("^(arg|aux):", "", k): np.asarray(v) for k, v in arrays.items()})
        if self.default_init is not None:
            object.__setattr__(self, "default_init", create(self.default_init))

    def __call__(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        self.fill(desc, array, rng)

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        if desc.name in self.param:
            own = self.param[desc.name]
            if own.shape != array.shape:
                raise ShapeError(f"{desc.name}: the loaded array is {own.shape}, the network wants {array.shape}")
            array[...] = own
        elif isinstance(self.default_init, Initializer):
            self.default_init(desc, array, rng)
        else:
            raise ParameterError(f"{desc.name} is not among the loaded arrays: give default_init")
        if self.verbose:
            _log.info("%s: %s", desc.name, "loaded" if desc.name in self.param else "initialised")

    def dumps(self) -> str:
        raise ParameterError("load has no JSON form")


@dataclass(frozen=True)
class Mixed(Initializer):
    """The first initialiser whose pattern matches the start of the name; each keeps its rules by the end of names.

    ParameterError for lists of different lengths, a pattern that is no regular expression, and a name without a match.
    """

    patterns: Sequence[str]
    initializers: Sequence[Initializer | str]

    def __post_init__(self) -> None:
        if len(self.patterns) != len(self.initializers):
            raise ParameterError(f"mixed: {len(self.patterns)} patterns but {len(self.initializers)} initialisers")
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ParameterError(f"mixed: {pattern!r} is no regular expression: {error}") from None
        object.__setattr__(self, "patterns", tuple(self.patterns))
        object.__setattr__(self, "initializers", tuple(create(initializer) for initializer in self.initializers))

    def __call__(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        if desc.attrs.get("__init__"):
            super().__call__(desc, array, rng)
        else:
            self._chosen(desc.name)(desc, array, rng)

    def fill(self, desc: InitDesc, array: np.ndarray, rng: np.random.Generator) -> None:
        self._chosen(desc.name).fill(desc, array, rng)

    def dumps(self) -> str:
        raise ParameterError("mixed has no JSON form: give each variable its own initialiser")

    def _chosen(self, name: str) -> Initializer:
        for pattern, initializer in zip(self.patterns, self.initializers, strict=True):
            if re.match(pattern, name):
                return create(initializer)
        raise ParameterError(f"{name}: none of the patterns {list(self.patterns)} matches: add '.*' at the end")


_INITIALIZERS: dict[str, type[Initializer]] = {
    "bilinear": Bilinear,
    "constant": Constant,
    "fusedrnn": FusedRNN,
    "lstmbias": LSTMBias,
    "msraprelu": MSRAPrelu,
    "normal": Normal,
    **dict.fromkeys(("one", "ones"), One),
    "orthogonal": Orthogonal,
    "uniform": Uniform,
    "xavier": Xavier,
    "zero": Zero,
    "zeros": Zero,
}
OWN: dict[str, Callable[..., Initializer]] = {}  # initialisers that a user registered, by name in lower case


def create(initializer: Initializer | str, **parameters: Any) -> Initializer:
    """An initialiser from its name ("xavier", in any case), from the JSON of dumps(), or as it is.

    The text may come from a file, so only the initialisers of this module are known and all is checked. ParameterError
    for an unknown name, with the nearest one, for text that is no such JSON, and for unknown, missing or wrong
    parameters.
    """
    is_json = isinstance(initializer, str) and initializer.startswith("[")
    if parameters and (is_json or isinstance(initializer, Initializer)):
        raise ParameterError(f"{_shorten(initializer)} has its parameters already, got {sorted(parameters)}")
    if isinstance(initializer, Initializer):
        return initializer
    return _build(*_parse(initializer)) if is_json else _build(initializer, parameters)


def _parse(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the parameters in '["name", {"parameter": value}]'."""
    try:
        match json.loads(text):
            case [str(name), dict(parameters)]:
                return name, parameters
    except (ValueError, RecursionError):
        pass
    raise ParameterError(f'an initialiser is text like ["xavier", {{"magnitude": 2}}], got {_shorten(text)}')


def _build(name: str, parameters: Mapping[str, Any]) -> Initializer:
    if own := OWN.get(name.lower()):
        return own(**parameters)
    kind = _INITIALIZERS.get(name.lower())
    if kind is None:
        near = difflib.get_close_matches(name[:80].lower(), _INITIALIZERS, n=1, cutoff=0.0)[0]
        known = ", ".join(_INITIALIZERS)
        raise ParameterError(f"unknown initialiser {_shorten(name)}, did you mean {near!r}? known: {known}")
    known_fields = {f.name: f for f in fields(kind)}
    if unknown := sorted(parameters.keys() - known_fields.keys()):
        has = ", ".join(known_fields) or "none"
        raise ParameterError(f"{name} has no parameter {_shorten(unknown[0])}; its parameters are: {has}")
    if missing := [n for n, f in known_fields.items() if f.default is MISSING and n not in parameters]:
        raise ParameterError(f"{name} needs the parameter {missing[0]!r}")
    return kind(**parameters)


def _checked(owner: str, name: str, kind: Any, value: Any) -> str | float:
    """`value` as a field of type `kind` takes it: one of a Literal's texts, or a finite number as a float."""
    if choices := get_args(kind):
        if isinstance(value, str) and value in choices:
            return value
        raise ParameterError(f"{owner}: {name} must be one of {', '.join(choices)}, got {_shorten(value)}")
    value = value.item() if isinstance(value, np.generic) else value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and abs(value) <= sys.float_info.max:  # compared, not converted: float(10**400) would raise
        return float(value)
    raise ParameterError(f"{owner}: {name} must be a finite number, got {_shorten(value)}")


def _require_positive(initializer: Initializer, name: str, allow_zero: bool = False) -> None:
    value = getattr(initializer, name)
    if value < 0 or (value == 0 and not allow_zero):
        wanted = "must not be negative" if allow_zero else "must be positive"
        raise ParameterError(f"{type(initializer).__name__.lower()}: {name} {wanted}, got {value}")


def _own_initializer(name: str, text: str) -> Initializer:
    """The initialiser in the attribute `__init__` of the variable `name`."""
    try:
        return create(text)
    except ParameterError as error:
        raise ParameterError(f"{name}: __init__: {error}") from None


def _constant_for(name: str) -> float:
    for suffix, value in _BY_SUFFIX.items():
        if name.endswith(suffix):
            return value
    known = ", ".join(["weight", *_BY_SUFFIX])
    raise ParameterError(
        f"{name}: no initialiser for a name like this (known endings: {known}): "
        "rename it, or give the variable its own, as in Variable(name, init=Normal(0.01))"
    )


def _fan(desc: InitDesc, array: np.ndarray, factor_type: str) -> float:
    """How many inputs ("in") or outputs ("out") a weight (out, in, ...) has, or their mean ("avg"); at least 1."""
    if array.ndim < 2:
        raise ShapeError(
            f"{desc.name}: a weight (out, in, ...) is wanted, got shape {array.shape}: use Normal or Uniform"
        )
    area = math.prod(array.shape[2:])
    fan_in, fan_out = array.shape[1] * area, array.shape[0] * area
    return max({"in": fan_in, "out": fan_out, "avg": (fan_in + fan_out) / 2}[factor_type], 1)


def _draw(rng: np.random.Generator, kind: str, scale: float, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers uniform in [-scale, scale), or normal with deviation `scale` for any other kind."""
    return scale * (2 * rng.random(shape) - 1 if kind == "uniform" else rng.standard_normal(shape))


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
