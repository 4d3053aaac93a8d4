"""Symbol, the user's handle on a graph: compose, inspect, infer, bind, with MXNet 1.x's meaning of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from .errors import DTypeError, GraphError, ParameterError
from .given import checked_shape, given_dtypes, given_shapes, near, variables
from .graph import Node, Value, make_node, text, toposort
from .infix import Infix
from .naming import HIDDEN, current_attrs, current_names, spelled
from .op import VARIABLE, Op, find
from .params import show
from .passes.infer import Inferred, infer
from .types import DTYPE_FLAGS, Shape, dtype_name, show_shape

if TYPE_CHECKING:
    from .executor import Executor
    from .plan import Plan

__all__ = ["Group", "Symbol", "Variable", "compose", "load", "load_json", "loads", "output_name", "var"]

Shapes = list[tuple[int, ...]]


class Symbol(Infix):
    """One or several outputs of a graph. Immutable: composing gives a new symbol, of its inputs' class."""

    __slots__ = ("_outputs",)
    _outputs: tuple[Value, ...]

    def __init__(self, outputs: Sequence[Value]) -> None:
        self._outputs = tuple(outputs)

    # Looking at it

    @property
    def name(self) -> str | None:
        """The name of the node, or None for a group."""
        nodes = {v.node for v in self._outputs}
        return next(iter(nodes)).name if len(nodes) == 1 else None

    @property
    def values(self) -> tuple[Value, ...]:
        """The outputs as graph values, for passes."""
        return self._outputs

    def list_arguments(self) -> list[str]:
        """Name the inputs and parameters, in graph order."""
        return [n.name for n in variables(self._outputs)[0]]

    def list_auxiliary_states(self) -> list[str]:
        """Name the states that training changes without a gradient."""
        return [n.name for n in variables(self._outputs)[1]]

    def list_inputs(self) -> list[str]:
        """Name arguments and auxiliary states in graph order."""
        return [n.name for n in toposort(self._outputs) if n.op.is_variable]

    def list_outputs(self) -> list[str]:
        """Name the outputs: `NAME_output`, or the variable's own name."""
        return [output_name(v) for v in self._outputs]

    def get_internals(self) -> Self:
        """Give a group of every visible output of every node."""
        return type(self)([Value(n, i) for n in toposort(self._outputs) for i in range(_visible(n))])

    def get_children(self) -> Self | None:
        """Give a group of the inputs of the output nodes; None for variables."""
        inputs = [v for out in dict.fromkeys(v.node for v in self._outputs) for v in out.inputs]
        return type(self)(inputs) if inputs else None

    def attr(self, key: str) -> str | None:
        """Give one attribute of the single output node; `lr_mult` and `__lr_mult__` both answer."""
        attrs = self.list_attr()
        return attrs.get(key)

    def list_attr(self) -> dict[str, str]:
        """Give the attributes of the single output node; {} for a group."""
        nodes = {v.node for v in self._outputs}
        return _shown(next(iter(nodes))) if len(nodes) == 1 else {}

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """Give the attributes of every node that has any, operator parameters included."""
        return {n.name: _shown(n) for n in toposort(self._outputs) if n.attrs}

    def __len__(self) -> int:
        return len(self._outputs)

    def __iter__(self) -> Iterator[Self]:
        return (type(self)([v]) for v in self._outputs)

    def __getitem__(self, key: int | str | slice) -> Self:
        if isinstance(key, slice):
            if not self._outputs[key]:
                raise GraphError(f"no output in [{key.start}:{key.stop}] of {len(self._outputs)}")
            return type(self)(self._outputs[key])
        if isinstance(key, str):
            found = [i for i, n in enumerate(self.list_outputs()) if n == key]
            if not found:
                raise GraphError(f"no output is named {key!r}{near(key, self.list_outputs())}")
            if len(found) > 1:
                raise GraphError(f"there are {len(found)} outputs named {key!r}: use their number")
            key = found[0]
        if not -1 < key < len(self._outputs):
            raise IndexError(f"output {key} of {len(self._outputs)}: outputs count from 0")
        return type(self)([self._outputs[key]])

    def __repr__(self) -> str:
        kind = "Symbol" if self.name else "Symbol group"
        return f"<{kind} {self.name or ', '.join(self.list_outputs()[:8])}>"

    def __str__(self) -> str:
        return text(self._outputs)

    def debug_str(self) -> str:
        """Give the graph as text, one node a line."""
        return text(self._outputs)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_svg_(self) -> str | None:
        """Draw itself in a notebook; None, so that the text shows, where nothing can draw or the graph is large."""
        from .viz.notebook import svg

        return svg(self)

    # Composition

    def __call__(self, *args: Symbol, name: str | None = None, **inputs: Symbol) -> Self:
        """Give a copy in which the variables named by keyword are replaced: `net(data=other)`."""
        if args:
            raise GraphError("compose by keyword: net(data=other)")
        return self.substitute(inputs, name)

    def substitute(self, inputs: Mapping[str, Symbol], name: str | None = None) -> Self:
        """Give a copy in which the variables of these names are replaced; `name` renames the output node."""
        arguments = self.list_inputs()
        for key, other in inputs.items():
            if key not in arguments:
                raise GraphError(f"{self.name or 'the group'} has no argument {key!r}; it has: {', '.join(arguments)}")
            _single(other, key)
        new: dict[Value, Value] = {}
        for node in toposort(self._outputs):
            ins = tuple(new[v] for v in node.inputs)
            kept = node if ins == node.inputs else Node(node.op, ins, None, node.name, node.attrs, node.origin)
            if name and self.name is not None and node is self._outputs[0].node:
                kept = Node(node.op, ins, None, name, node.attrs, node.origin)
            for i in range(node.op.num_outputs):
                new[Value(node, i)] = Value(kept, i)
            if node.op.is_variable and node.name in inputs:
                new[Value(node)] = inputs[node.name]._outputs[0]
        return type(self)([new[v] for v in self._outputs])

    def __copy__(self) -> Self:
        return type(self)(self._outputs)

    def __deepcopy__(self, memo: object) -> Self:
        return type(self)(loads(self.tojson()).values)

    def __reduce__(self) -> tuple[Any, tuple[type[Symbol], str]]:
        return _unpickled, (type(self), self.tojson())

    def __getattr__(self, name: str) -> Any:
        from . import sym

        if name not in sym.METHODS:
            raise AttributeError(f"Symbol has no attribute {name!r}")
        return partial(getattr(sym, sym.METHODS[name]), self)

    def __dir__(self) -> list[str]:
        from .sym import METHODS

        return sorted({*super().__dir__(), *METHODS})

    def _infix(self, both: str, scalar: str, other: object) -> Self:
        if isinstance(other, Symbol):
            return compose(both, (self, other), {})
        if isinstance(other, (int, float)) or (hasattr(other, "__float__") and getattr(other, "ndim", 0) == 0):
            return compose(scalar, (self,), {"scalar": other})
        raise TypeError(f"a symbol combines with symbols and numbers, not with {type(other).__name__}")

    def __abs__(self) -> Self:
        return compose("abs", (self,), {})

    # Inference

    def infer_shape(self, *args: Shape, **shapes: Shape) -> tuple[Shapes, Shapes, Shapes] | tuple[None, None, None]:
        """Give the shapes of arguments, outputs and auxiliary states, or (None, None, None) with a warning.

        Shapes are given in the order of list_arguments() or by name; 0 marks a size that is not known.
        """
        result = self._infer(args, shapes)
        missing = result.missing()
        if not missing:
            return self._shapes(result)
        import warnings

        unknown = [v for v in missing if v.node.op.is_variable]
        inner = next((v for v in missing if not v.node.op.is_variable), None)
        names = [f"{v.node.name} {show_shape(result.shapes.get(v))}" for v in unknown]
        where = f"; first undetermined inside: {inner.node.name} ({inner.node.op.name})" if inner else ""
        warnings.warn(
            f"cannot tell the shapes of: {', '.join(names) or 'no argument'}{where}; give more shapes",
            stacklevel=2,
        )
        return None, None, None

    def infer_shape_partial(self, *args: Shape, **shapes: Shape) -> tuple[Shapes, Shapes, Shapes]:
        """Give what can be told: `()` for an unknown shape, 0 for an unknown size."""
        return self._shapes(self._infer(args, shapes))

    def _shapes(self, result: Inferred) -> tuple[Shapes, Shapes, Shapes]:
        arguments, aux = variables(self._outputs)
        return (
            [result.shapes.get(Value(n)) or () for n in arguments],
            [result.shapes.get(v) or () for v in self._outputs],
            [result.shapes.get(Value(n)) or () for n in aux],
        )

    def _infer(self, args: Sequence[Shape], shapes: Mapping[str, Shape]) -> Inferred:
        given = given_shapes(self._outputs, args, shapes)
        return infer(self._outputs, given, given_dtypes(self._outputs, {}))

    def infer_type(self, *args: object, **dtypes: object) -> tuple[list[Any] | None, ...]:
        """Give the dtypes of arguments, outputs and auxiliary states, or (None, None, None) with a warning.

        Dtypes are given in the order of list_arguments() or by name.
        """
        import numpy as np

        names = self.list_arguments()
        if len(args) > len(names):
            raise DTypeError(f"{len(args)} dtypes given for {len(names)} arguments")
        given = {**dict(zip(names, args, strict=False)), **dtypes}
        result = infer(self._outputs, {}, given_dtypes(self._outputs, given))
        arguments, aux = variables(self._outputs)
        groups = ([Value(n) for n in arguments], self._outputs, [Value(n) for n in aux])
        found = [[result.dtypes.get(v) for v in group] for group in groups]
        if any(d is None for group in found for d in group):
            import warnings

            warnings.warn("cannot tell the dtypes of all arguments; give more dtypes", stacklevel=2)
            return None, None, None
        return tuple([np.dtype(d) for d in group] for group in found)

    # What points upward imports inside the function

    def tojson(self) -> str:
        """Give the graph in MXNet's JSON form of 1.x."""
        from .formats.symbol_json import dumps

        return dumps(self)

    def save(self, path: str) -> None:
        """Write the JSON form to a file, whole or not at all."""
        from .formats.atomic import write

        write(path, self.tojson())

    def bind(
        self, args: Any, args_grad: Any = None, grad_req: Any = "write", aux_states: Any = None, **kw: Any
    ) -> Executor:
        """Bind to arrays, held by reference; see graphnn.executor.bind."""
        from .executor import bind

        return bind(self, args, args_grad, grad_req, aux_states, **kw)

    def simple_bind(self, grad_req: Any = "write", type_dict: Any = None, **kw: Any) -> Executor:
        """Bind to new zero arrays for the given input shapes; see graphnn.executor.simple_bind."""
        from .executor import simple_bind

        return simple_bind(self, grad_req, type_dict, **kw)

    def eval(self, **arrays: Any) -> list[Any]:
        """Bind to the given arrays, auxiliary states among them, run once for inference, give the outputs."""
        states = self.list_auxiliary_states()
        aux = {k: v for k, v in arrays.items() if k in states}
        args = {k: v for k, v in arrays.items() if k not in states}
        return self.bind(args, grad_req="null", aux_states=aux).forward()

    def plan(self, is_train: bool = False, **shapes: Shape) -> Plan:
        """Plan the memory of one run at these shapes; the plan prints peak bytes, lower bound and its buffers."""
        from .executor import plan_of

        return plan_of(self, is_train, shapes)


def _visible(node: Node) -> int:
    return node.op.num_visible


def output_name(v: Value) -> str:
    """Name an output as MXNet does: `fc1_output`, `slice0_output1`, a variable's own name."""
    if v.node.op.is_variable:
        return v.node.name
    return f"{v.node.name}_{v.node.op.output_names[v.index]}"


def _shown(node: Node) -> dict[str, str]:
    hidden = {k.strip("_"): v for k, v in node.attrs.items() if k.startswith("__") and k.strip("_") in HIDDEN}
    return {**node.attrs, **hidden}


def _single(symbol: object, name: str) -> Value:
    if not isinstance(symbol, Symbol):
        raise TypeError(f"{name} must be a Symbol, got {type(symbol).__name__}")
    if len(symbol._outputs) != 1:
        raise GraphError(f"{name} must be one output, got {len(symbol)}: pick one, as in net[0]")
    return symbol._outputs[0]


def Variable(
    name: str,
    attr: Mapping[str, str] | None = None,
    shape: Shape | None = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: object = None,
    init: object = None,
    stype: str | None = None,
    **dunder: str,
) -> Symbol:
    """Make an input of the graph: data, a parameter, a label or a state.

    `shape` may hold 0 for sizes that inference finds; `init` is an initialiser or its JSON; `lr_mult` and `wd_mult`
    scale the optimiser's rate and decay for this parameter. Other keywords must be spelt `__key__`.
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"a variable's name must be text, got {name!r}")
    attrs = {**current_attrs(), **spelled(attr or {})}
    if shape is not None:
        attrs["__shape__"] = str(checked_shape(name, shape))
    if lr_mult is not None:
        attrs["__lr_mult__"] = str(lr_mult)
    if wd_mult is not None:
        attrs["__wd_mult__"] = str(wd_mult)
    if dtype is not None:
        attrs["__dtype__"] = str(DTYPE_FLAGS[dtype_name(dtype)])
    if init is not None:
        if not isinstance(init, str) and not hasattr(init, "dumps"):
            raise ParameterError(f"init of {name!r} must be an initialiser or its JSON text, got {init!r}")
        attrs["__init__"] = init if isinstance(init, str) else init.dumps()
    if stype is not None:
        attrs["__storage_type__"] = stype
    for key, value in dunder.items():
        if not (key.startswith("__") and key.endswith("__")):
            raise ParameterError(f"Variable has no parameter {key!r}; attributes are spelt __{key}__")
        attrs[key] = str(value)
    return Symbol([Value(make_node(VARIABLE, (), name, attrs))])


var = Variable


def Group(symbols: Sequence[Symbol]) -> Symbol:
    """Join symbols into one with all their outputs."""
    symbols = list(symbols)
    if not symbols or not all(isinstance(s, Symbol) for s in symbols):
        raise TypeError("Group takes a list of at least one Symbol")
    return Symbol([v for s in symbols for v in s._outputs])


def _unpickled(cls: type[Symbol], text: str) -> Symbol:
    return cls(loads(text).values)


def loads(text: str) -> Symbol:
    """Read a symbol from its JSON form."""
    from .formats.symbol_json import loads

    return loads(text)


def compose(function: str, args: Sequence[object], kwargs: Mapping[str, Any], hint: str | None = None) -> Any:
    """Apply the operator called `function` (a name or alias) as the generated functions do.

    Inputs come by position or keyword and are Symbols; what is left out becomes a variable `NAME_input`. Positions
    after the inputs, and other keywords, are parameters. `name` and `attr` are the node's; `hint` is what its name
    begins with where none is given.
    """
    cls = find(function)
    given = dict(kwargs)
    name, attr = given.pop("name", None), given.pop("attr", None) or {}
    if name is not None and not isinstance(name, str):
        raise TypeError(f"{function}: name must be text, got {name!r}")
    take = _any_number if cls.variadic else _own_inputs if isinstance(cls.aux, property) else _inputs
    symbols = take(cls, function, args, given)
    dunder = {k: str(given.pop(k)) for k in list(given) if k.startswith("__") and k.endswith("__")}
    hidden = {k: str(given.pop(k)) for k in list(given) if k in HIDDEN}
    for key, value in given.items():
        if isinstance(value, Symbol):
            raise GraphError(f"{function} has no input {key!r}; its inputs are: {', '.join(cls.inputs)}")
    op = cls.from_params(given)
    name = current_names().get(name, (hint or function).lower())
    params = {k: _as_text(op, k, v) for k, v in given.items()}
    attrs = {**current_attrs(), **params, **spelled({**hidden, **attr}), **dunder}
    return _kind((*args, *kwargs.values()))(_outputs(op, name, symbols, attrs, function))


def _kind(given: Sequence[object]) -> type[Symbol]:
    """Give the most special class of the symbols, which the result is to have too."""
    flat = (x for item in given for x in (item if isinstance(item, (list, tuple)) else (item,)))
    return max((type(x) for x in flat if isinstance(x, Symbol)), key=lambda cls: len(cls.__mro__), default=Symbol)


def _inputs(cls: type[Op], function: str, args: Sequence[object], given: dict[str, Any]) -> dict[str, Value]:
    """Take the inputs out of positions and keywords; the positions after them become keywords."""
    names = [*cls.inputs, *cls.field_types()]
    if len(args) > len(names):
        raise GraphError(f"{function} takes at most {len(names)} positional arguments, got {len(args)}")
    for key, value in zip(names, args, strict=False):
        if key in given:
            raise GraphError(f"{function} got {key!r} twice")
        if value is not None:
            given[key] = value
    found = {key: given.pop(key) for key in cls.inputs if key in given}
    return {key: _single(v, f"{key} of {function}") for key, v in found.items() if v is not None}


def _any_number(cls: type[Op], function: str, args: Sequence[object], given: dict[str, Any]) -> dict[str, Value]:
    """Take the inputs of an operator that has any number of them: positions, one list, or keywords."""
    if len(args) == 1 and isinstance(args[0], (list, tuple)):
        args = args[0]
    found = {f"arg{i}": _single(s, f"input {i} of {function}") for i, s in enumerate(args)}
    for key in [k for k, v in given.items() if isinstance(v, Symbol)]:
        found[key] = _single(given.pop(key), f"{key} of {function}")
    given.setdefault(cls.variadic, len(found))
    return found


def _own_inputs(cls: type[Op], function: str, args: Sequence[object], given: dict[str, Any]) -> dict[str, Value]:
    """Take the inputs of an operator whose parameters say what they are."""
    found = {k: given.pop(k) for k in [k for k, v in given.items() if isinstance(v, Symbol)]}
    op = cls.from_params({k: v for k, v in given.items() if not k.startswith("__") and k not in HIDDEN})
    names = op.input_names()
    if len(args) > len(names):
        raise GraphError(f"{function} takes at most {len(names)} inputs here ({', '.join(names)}), got {len(args)}")
    for key, value in zip(names, args, strict=False):
        if key in found:
            raise GraphError(f"{function} got {key!r} twice")
        found[key] = value
    return {key: _single(v, f"{key} of {function}") for key, v in found.items() if v is not None}


def _as_text(op: Op, key: str, value: object) -> str:
    """Write a parameter as MXNet stores it: str() of what was given, where reading that back gives the same."""
    items = value if isinstance(value, (tuple, list)) else (value,)
    plain = all(type(v) in (str, int, float, bool, type(None)) for v in items)
    return str(value) if plain or key not in op.field_types() else show(getattr(op, key))


def _outputs(op: Op, name: str, symbols: Mapping[str, Value], attrs: dict[str, str], function: str) -> list[Value]:
    """Make the node, with variables for the inputs left out."""
    names = op.input_names(len(symbols))
    if op.variadic:
        if op.arity < len(symbols):
            raise GraphError(f"{function}: {op.variadic} is {op.arity}, but there are {len(symbols)} inputs")
        names = (*symbols, *op.input_names(op.arity)[len(symbols) :])
    for key in symbols:
        if key not in names:
            raise GraphError(f"{function} takes no input {key!r} here; it takes: {', '.join(names)}")
    inputs = []
    for key in names:
        value = symbols.get(key)
        if value is None:
            extra = op.variable_attrs(key)
            value = Value(make_node(VARIABLE, (), f"{name}_{key}", {**attrs, **extra}))
        inputs.append(value)
    node = make_node(op, inputs, name, attrs)
    return [Value(node, i) for i in range(op.num_visible)]


def load(path: str) -> Symbol:
    """Read a symbol file; raise FormatError for what is not one."""
    from .formats.symbol_json import load

    return load(path)


def load_json(text: str) -> Symbol:
    """Read a symbol from its JSON form."""
    return loads(text)
