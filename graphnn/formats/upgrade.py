"""What older MXNet wrote otherwise, brought to the form of 1.9 before operators and nodes are made.

Each rule has the first version that needs it no more; a file without a version counts as 0.8.0.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Node, Value
from ..naming import HIDDEN
from ..op import VARIABLE, Op, lookup

__all__ = ["Record", "initials", "keys", "left_out"]

STATES_STORED = 900  # before, auxiliary states were no nodes of the file
INITIALS_STORED = 904  # before, variables did not say how states and slopes begin
AXIS_MEANT = 905  # before, axis -1 of argmax and argmin meant all axes


@dataclass(slots=True)
class Record:
    """A node as the file has it: its place for messages, name, operator, attributes, and its inputs by number."""

    where: str
    name: str
    kind: str
    attrs: dict[str, str]
    nodes: list[int]
    indices: list[int]


def keys(records: list[Record], version: int) -> None:
    """Spell attributes as 1.9 does: `lr_mult` as `__lr_mult__`, and `weight_lr_mult` on the variable of that input."""
    for r in records:
        for key in [k for k in r.attrs if k.endswith(HIDDEN)]:
            hidden = next(h for h in HIDDEN if key.endswith(h))
            if key != hidden and lookup(r.kind) is None:
                continue  # who knows what it means there
            target = r if key == hidden else _input(records, r, key[: -len(hidden) - 1])
            value = r.attrs.pop(key)
            if target is not None:
                target.attrs[f"__{hidden}__"] = value
        if version < AXIS_MEANT and r.kind in ("argmax", "argmin") and r.attrs.get("axis") == "-1":
            del r.attrs["axis"]


def _input(records: list[Record], r: Record, name: str) -> Record | None:
    """Give the variable that is input `name` of an operator."""
    cls = lookup(r.kind)
    names = cls.inputs if cls is not None and not cls.variadic else ()
    for given, number in zip(names, r.nodes, strict=False):
        if given == name and records[number].kind == "null":
            return records[number]
    return None


def initials(records: list[Record], ops: list[Op], version: int) -> None:
    """Give the variables of states and slopes the initialiser that today's operators give theirs."""
    if version >= INITIALS_STORED:
        return
    for r, op in zip(records, ops, strict=True):
        for name, number in zip(op.input_names(len(r.nodes)), r.nodes, strict=False):
            if records[number].kind == "null":
                for key, value in op.variable_attrs(name).items():
                    records[number].attrs.setdefault(key, value)


def left_out(r: Record, op: Op, version: int) -> list[Value]:
    """Make the variables for inputs that the file leaves out, named NODE_INPUT, with the node's attributes."""
    if version >= STATES_STORED or op.variadic or op.is_variable:
        return []
    missing = op.input_names()[len(r.nodes) :]
    return [
        Value(Node(VARIABLE, (), None, f"{r.name}_{name}", {**r.attrs, **op.variable_attrs(name)})) for name in missing
    ]
