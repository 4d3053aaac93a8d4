"""What an operator is: a frozen dataclass whose fields are its parameters, with shape, dtype and gradient rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from inspect import get_annotations
from typing import Any, ClassVar, NamedTuple, dataclass_transform

from .errors import DTypeError, ParameterError, ShapeError
from .graph import Node, Value, apply
from .params import PARSERS, parse_choice, show
from .types import Shape, TensorType, known, merge, show_shape

__all__ = [
    "OPS",
    "VARIABLE",
    "Op",
    "PartialDTypes",
    "PartialShapes",
    "Split",
    "Unknown",
    "Variable",
    "find",
    "lookup",
    "variable",
]

OPS: dict[str, type[Op]] = {}

PartialShapes = list[Shape | None]
PartialDTypes = list[str | None]


class Split(NamedTuple):
    """How an operator's work divides: slice k of the outputs needs only slice k of the inputs named here.

    `ins` and `outs` give the axis cut for each input and output; None: the whole array is needed. With `sum` the
    slices give partial results of the full shape, to be added up, for the outputs that are None.
    """

    ins: tuple[int | None, ...]
    outs: tuple[int | None, ...]
    sum: bool = False


@dataclass_transform(frozen_default=True, kw_only_default=False)
class Op:
    """Base of every operator.

    A subclass is named as MXNet names the operator, gives its inputs in `inputs` (states that training changes in
    `aux`), its parameters as annotated fields, and the rules below. Two operators are equal when class and fields are
    equal, which is what common-subexpression elimination relies on.
    """

    name: ClassVar[str] = "Op"
    aliases: ClassVar[tuple[str, ...]] = ()
    inputs: ClassVar[tuple[str, ...]] = ("data",)
    aux: ClassVar[tuple[str, ...]] = ()  # trailing inputs that are auxiliary states
    outputs: ClassVar[tuple[str, ...]] = ("output",)
    variadic: ClassVar[str] = ""  # the parameter that counts the inputs, for operators of any number of them
    ignored: ClassVar[frozenset[str]] = frozenset()  # MXNet parameters without meaning here
    public: ClassVar[bool] = True  # may appear in graphnn.sym and in files
    is_variable: ClassVar[bool] = False
    is_constant: ClassVar[bool] = False  # gives its attribute `array`
    stored: ClassVar[bool] = False  # has no inputs, and is computed once however large it is
    is_loss: ClassVar[bool] = False  # ignores the gradient of its output
    random: ClassVar[bool] = False  # draws random numbers: two equal nodes differ
    inplace: ClassVar[tuple[tuple[int, int], ...]] = ()  # (input, output): may share memory
    view: ClassVar[bool] = False  # the output is the first input, under another shape
    elementwise: ClassVar[bool] = False  # y[i] depends on x[i] only, all of one shape

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if get_annotations(cls):
            dataclass(frozen=True, repr=False)(cls)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__
        if "abstract" in cls.__dict__:
            return
        names = (cls.name, *cls.__dict__.get("aliases", ()))
        for name in names:
            other = OPS.get(name, cls)
            if other.__module__ != cls.__module__ and "graphnn.ops" in (_package(other), _package(cls)):
                raise ParameterError(f"{cls.__qualname__}: there is an operator {name!r} already: choose another name")
        OPS.update(dict.fromkeys(names, cls))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)  # subclasses with fields get theirs from dataclass

    def __hash__(self) -> int:
        return hash(type(self))

    def __call__(self, *inputs: Value, name: str | None = None) -> Value:
        """Apply to typed values; give the first output."""
        return Value(apply(self, *inputs, name=name))

    # What the operator looks like from outside

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        """Name the inputs; `count` is their number where the operator takes any."""
        if self.variadic:
            return tuple(f"arg{i}" for i in range(count if count is not None else self.arity))
        return self.inputs

    @property
    def arity(self) -> int:
        """The number of inputs of an operator that takes any."""
        return int(getattr(self, self.variadic))

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.outputs

    @cached_property
    def num_outputs(self) -> int:
        return len(self.output_names)

    def variable_attrs(self, name: str) -> Mapping[str, str]:
        """Give attributes for the variable made when input `name` is left out, such as its `__init__`."""
        return {}

    @property
    def num_visible(self) -> int:
        """How many outputs a symbol shows; the rest are for gradients and passes."""
        return self.num_outputs

    def __str__(self) -> str:
        params = (
            ", ".join(
                f"{f.name}={show(getattr(self, f.name))}"
                for f in fields(self)  # type: ignore[arg-type]
                if f.default is MISSING or getattr(self, f.name) != f.default
            )
            if hasattr(self, "__dataclass_fields__")
            else ""
        )
        return f"{self.name}{{{params}}}" if params else self.name

    __repr__ = __str__

    # The rules

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        """Complete partial shapes, forward and backward; raise ShapeError where they contradict.

        Left as it is: `shapes` gives the outputs once every input is known.
        """
        if all(known(s) for s in ins):
            new = self.shapes(*ins)
            if len(new) != len(outs):
                raise ShapeError(f"shapes() of {self.name} gave {len(new)} shapes for {len(outs)} outputs")
            outs = [merge(a, b) for a, b in zip(outs, new, strict=True)]
        return ins, outs

    def shapes(self, *ins: Any) -> Sequence[Shape]:
        """Give the output shapes for complete input shapes."""
        given = ", ".join(self.input_names(len(ins)))
        raise ShapeError(f"{self.name} has no shape rule: define shapes(self, {given}), giving a list of output shapes")

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        """Complete dtypes. Left as it is: all inputs and outputs share one."""
        found = {d for d in (*ins, *outs) if d is not None}
        if len(found) > 1:
            raise DTypeError(f"all inputs must have one dtype, got {', '.join(map(str, ins))}: cast() first")
        one = found.pop() if found else None
        return [one] * len(ins), [one] * len(outs)

    def types(self, ins: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """Give the output types for complete input types."""
        self.check_count(len(ins))
        n = self.num_outputs
        _, shapes = self.infer_shape([t.shape for t in ins], [None] * n)
        _, dtypes = self.infer_dtype([t.dtype for t in ins], [None] * n)
        if any(s is None or 0 in s for s in shapes):
            raise ShapeError(f"the output shape {', '.join(map(show_shape, shapes))} is not determined")
        return tuple([TensorType(s, d or "float32") for s, d in zip(shapes, dtypes, strict=True)])  # type: ignore[arg-type]

    def check_count(self, n: int) -> None:
        names = self.input_names(n)
        if len(names) != n:
            raise ShapeError(f"takes {len(names)} inputs ({', '.join(names)}), got {n}")

    def grad(self, xs: Sequence[Value], ys: Sequence[Value], gs: Sequence[Value | None]) -> Sequence[Value | None]:
        """Give the gradients of `xs` for those of `ys`; None where none flows.

        An entry of `gs` is None where the output has no gradient; the first is never None but for losses.
        """
        return [None] * len(xs)

    @property
    def differentiable(self) -> bool:
        return type(self).grad is not Op.grad

    @property
    def lacks_gradient(self) -> bool:
        """Tell a user's class without `grad`; of graphnn's own, such as argmax, those have the gradient zero."""
        return not self.differentiable and not type(self).__module__.startswith("graphnn.")

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | Sequence[Value] | None:
        """Give the training or the inference form, or None where one form serves both."""
        return None

    def seeded(
        self, xs: tuple[Value, ...], state: Value, stream: int, is_train: bool
    ) -> Value | Sequence[Value] | None:
        """Give the form of a random operator that draws from stream `stream` of the state (seed, call)."""
        return None

    def decompose(self, *xs: Value) -> Value | Sequence[Value] | None:
        """Give the same result from simpler operators, for backends without a kernel."""
        return None

    def effects(self, is_train: bool, xs: Sequence[Value], ys: Sequence[Value]) -> Sequence[tuple[int, Value, int]]:
        """Give what a run changes: (input number, its new value, 0 with forward or 1 with backward)."""
        return ()

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        """Say how the work divides over threads; None: it does not. Left as it is: elementwise work, by rows."""
        if not self.elementwise or not outs[0].ndim:
            return None
        lead = outs[0].shape
        if all(t.shape == lead for t in (*ins, *outs)):
            return Split((0,) * len(ins), (0,) * len(outs))
        return None

    def channels_last(self, ins: Sequence[TensorType]) -> tuple[Op, tuple[bool, ...], tuple[bool, ...]] | None:
        """Give the form that works channels last, with which inputs and outputs move; None: there is none."""
        if self.elementwise and len({t.shape for t in ins}) == 1:
            return self, (True,) * len(ins), (True,) * self.num_outputs
        return None

    # Parameters as text

    @classmethod
    def field_types(cls) -> dict[str, str]:
        """Give the parameters' names and annotations."""
        if not hasattr(cls, "__dataclass_fields__"):
            return {}
        # Text under `from __future__ import annotations`, else a type, whose name is the text.
        found = fields(cls)  # type: ignore[arg-type]
        return {f.name: f.type.__name__ if isinstance(f.type, type) else str(f.type) for f in found}

    @classmethod
    def known(cls, params: Mapping[str, object]) -> bool:
        """Tell whether these parameters name an operator that is here."""
        return True

    @classmethod
    def from_params(cls, params: Mapping[str, object]) -> Op:
        """Make an instance from keywords or attribute strings; raise ParameterError with what was wanted."""
        kinds = cls.field_types()
        unknown = [k for k in params if k not in kinds and k not in cls.ignored]
        if unknown:
            wanted = ", ".join(kinds) or "none"
            raise ParameterError(f"{cls.name} has no parameter {unknown[0]!r}; its parameters are: {wanted}")
        values: dict[str, Any] = {}
        for f in fields(cls) if kinds else ():  # type: ignore[arg-type]
            if f.name in params:
                values[f.name] = parse(cls.name, f.name, kinds[f.name], params[f.name])
            elif f.default is MISSING and f.default_factory is MISSING:
                raise ParameterError(f"{cls.name} needs the parameter {f.name!r} ({kinds[f.name]})")
        op = cls(**values)
        op.check()
        return op

    def check(self) -> None:
        """Raise ParameterError for values that parse but make no sense."""


def _package(cls: type) -> str:
    return cls.__module__.rpartition(".")[0]


def parse(op: str, name: str, kind: str, value: object) -> Any:
    """Parse one parameter by its annotation."""
    parser: Callable[[object], Any] | None = PARSERS.get(kind)
    if parser is None and "Literal[" not in kind:
        known = ", ".join(PARSERS)
        raise ParameterError(
            f"{op}: the field {name} has the annotation {kind}; it must be a Literal or one of: {known}"
        )
    try:
        return parser(value) if parser else parse_choice(kind, value)
    except (ValueError, TypeError, OverflowError) as e:
        raise ParameterError(f"{op}: {name} must be {e}, got {_short(value)}") from None


def _short(value: object) -> str:
    text = repr(value[:100] if isinstance(value, str) else value)
    return text if len(text) < 100 else text[:97] + "..."


class Variable(Op):
    """An input of the graph: data, parameter, label or state. Its name is its node's name."""

    inputs, is_variable, public = (), True, False

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return ins, outs


VARIABLE = Variable()


class Unknown(Op):
    """An operator that a file names and graphnn lacks: its graph can be listed, cut and saved, but not bound."""

    kind: str
    ins: int
    outs: int
    abstract, public = True, False
    name = property(lambda self: self.kind)

    def __str__(self) -> str:
        return self.kind

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return tuple(f"arg{i}" for i in range(self.ins))

    @property
    def output_names(self) -> tuple[str, ...]:
        return ("output",) if self.outs == 1 else tuple(f"output{i}" for i in range(self.outs))

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return ins, outs

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, outs


def variable(name: str, shape: Shape, dtype: str = "float32", origin: str | None = None) -> Value:
    """Make a typed variable."""
    return Value(Node(VARIABLE, (), (TensorType(shape, dtype),), name, origin=origin))


def lookup(name: str) -> type[Op] | None:
    """Find a public operator by name or alias; the families register themselves at the first call."""
    from . import ops

    ops.load()
    cls = OPS.get(name)
    return cls if cls is not None and cls.public else None


def find(name: str) -> type[Op]:
    """Find a public operator by name or alias, or raise ParameterError with the nearest names."""
    cls = lookup(name)
    if cls is None:
        from difflib import get_close_matches

        near = get_close_matches(name, [k for k, v in OPS.items() if v.public], n=3, cutoff=0.6)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ParameterError(f"no operator {name!r}{hint}")
    return cls
