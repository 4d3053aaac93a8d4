"""What is known of variables before inference: the shapes and dtypes that a caller gives or they declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .errors import GraphError, ParameterError, ShapeError
from .graph import Node, Value, toposort
from .params import PARSERS
from .types import DTYPE_FLAGS, Shape, dtype_name

__all__ = ["checked_shape", "given_dtypes", "given_shapes", "near", "variables"]

FLAGS = {str(flag): name for name, flag in DTYPE_FLAGS.items()}


def variables(outputs: Sequence[Value]) -> tuple[list[Node], list[Node]]:
    """Split the variables into arguments and auxiliary states, in graph order."""
    order = toposort(outputs)
    aux: set[Node] = set()
    for node in order:
        if node.op.aux:
            aux.update(v.node for v in node.inputs[-len(node.op.aux) :])
    found = [n for n in order if n.op.is_variable]
    return [n for n in found if n not in aux], [n for n in found if n in aux]


def given_shapes(
    outputs: Sequence[Value], args: Sequence[Shape | None], shapes: Mapping[str, Shape]
) -> dict[Node, Shape]:
    """Join the shapes given (in order, by name) with those that variables declare; the given ones win.

    Raises GraphError for an unknown name, ShapeError for what is no shape.
    """
    arguments, aux = variables(outputs)
    if len(args) > len(arguments):
        raise ShapeError(f"{len(args)} shapes given for {len(arguments)} arguments")
    named = {n.name: s for n, s in zip(arguments, args, strict=False) if s is not None} | dict(shapes)
    _check_names(named, [*arguments, *aux])
    given: dict[Node, Shape] = {}
    for node in (*arguments, *aux):
        declared = node.attrs.get("__shape__")
        if node.name in named:
            given[node] = checked_shape(node.name, named[node.name])
        elif declared:
            given[node] = _declared_shape(node.name, declared)
    return {node: shape for node, shape in given.items() if shape}  # () means: not known, as in MXNet


def given_dtypes(outputs: Sequence[Value], dtypes: Mapping[str, object]) -> dict[Node, str]:
    """Join the dtypes given by name with those that variables declare; the given ones win."""
    arguments, aux = variables(outputs)
    _check_names(dtypes, [*arguments, *aux])
    given: dict[Node, str] = {}
    for node in (*arguments, *aux):
        if dtypes.get(node.name) is not None:
            given[node] = dtype_name(dtypes[node.name])
        elif node.attrs.get("__dtype__") in FLAGS:
            given[node] = FLAGS[node.attrs["__dtype__"]]
    return given


def near(key: str, names: Sequence[str]) -> str:
    """Give the end of a message about an unknown name: the names like it, if any."""
    from difflib import get_close_matches

    found = get_close_matches(key, names, n=3)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _check_names(given: Mapping[str, object], nodes: Sequence[Node]) -> None:
    names = list(dict.fromkeys(n.name for n in nodes))
    for key in given:
        if key not in names:
            raise GraphError(f"no argument {key!r}{near(key, names)}; arguments: {', '.join(names)}")


def checked_shape(name: str, shape: object) -> Shape:
    """Give a partial shape as a tuple with 0 where a size is not known; raise ShapeError for what is no shape."""
    if not isinstance(shape, (tuple, list)):
        raise ShapeError(f"the shape of {name!r} must be a tuple, got {shape!r}")
    if len(shape) > 32 or not all(hasattr(n, "__index__") and n >= -1 for n in shape if n is not None):
        raise ShapeError(f"the shape of {name!r} must hold at most 32 sizes, none negative, got {tuple(shape)}")
    return tuple(max(int(n), 0) if n is not None else 0 for n in shape)


def _declared_shape(name: str, text: str) -> Shape:
    try:
        return checked_shape(name, PARSERS["OptionalInts"](text))
    except (ValueError, TypeError):
        raise ParameterError(f"__shape__ of {name!r} must be a tuple of sizes, got {text[:100]!r}") from None
