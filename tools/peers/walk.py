"""What every translation of a bound symbol starts from: its logits, their nodes in order, what it must refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from graphnn.bound import Bound
from graphnn.errors import BackendError
from graphnn.graph import Node, Value, toposort
from graphnn.ops.loss import SoftmaxOutput

__all__ = ["DECAY", "MOMENTUM", "RATE", "Step", "decayed", "evaluate", "lacks", "logits_of", "steps_of", "trained"]

RATE, MOMENTUM, DECAY = 0.01, 0.9, 5e-4  # of every runner's SGD


class Step(NamedTuple):
    """`call` computes `value`, the first output of a node; nobody needs the values `dead` after it."""

    value: Value
    call: Callable[..., Any]
    dead: tuple[Value, ...]


def lacks(library: str, node: Node, what: str) -> BackendError:
    """Make the error for a node that a translation does not know."""
    return BackendError(f"{node.name} ({node.op.name}): the translation to {library} has no {what}")


def logits_of(bound: Bound, library: str) -> Value:
    """Give what the one SoftmaxOutput takes (n, classes); raise BackendError for another head."""
    node = bound.heads[0].node
    if len(bound.heads) != 1 or not isinstance(node.op, SoftmaxOutput):
        raise lacks(library, node, "head but one SoftmaxOutput")
    if node.op != SoftmaxOutput() or len(node.inputs[0].shape) != 2:
        raise lacks(library, node, "SoftmaxOutput but the usual one over (n, classes)")
    return node.inputs[0]


def steps_of(logits: Value, library: str, table: Mapping[str, Callable[[Node], Callable[..., Any]]]) -> list[Step]:
    """Translate the nodes below `logits` in order; raise BackendError for an operator that the table lacks."""
    nodes = [node for node in toposort([logits]) if not node.op.is_variable]
    last = {v: node for node in nodes for v in node.inputs if not v.node.op.is_variable}
    dead: dict[Node, list[Value]] = {node: [] for node in nodes}
    for v, node in last.items():
        dead[node].append(v)
    steps = []
    for node in nodes:
        if node.op.name not in table:
            raise lacks(library, node, "such operator")
        steps.append(Step(Value(node), table[node.op.name](node), tuple(dead[node])))
    return steps


def evaluate(steps: Sequence[Step], logits: Value, mode: Any, variables: Mapping[str, Any]) -> Any:
    """Run the steps, each with `mode` as first argument, over variables by name; give the logits."""
    found: dict[Value, Any] = {}

    def get(v: Value) -> Any:
        return variables[v.node.name] if v.node.op.is_variable else found[v]

    for value, call, dead in steps:
        found[value] = call(mode, *map(get, value.node.inputs))
        for v in dead:
            del found[v]
    return get(logits)


def trained(bound: Bound, arrays: Mapping[str, Any]) -> list[str]:
    """Give the names of the arguments among `arrays`."""
    return [n for n in bound.arguments if n in arrays]


def decayed(name: str) -> bool:
    """Whether weight decay is for the parameter, as in MXNet."""
    return name.endswith(("_weight", "_gamma"))
