"""A symbol bound to shapes: every type known, its graphs of inference and of training made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from .errors import BindError
from .given import given_dtypes, given_shapes, near
from .graph import Node, Value, apply, outputs_of, rewrite, toposort
from .op import OPS, Unknown, find, variable
from .passes.gradient import gradient
from .passes.infer import bind as infer_bind
from .passes.mode import set_mode
from .plan import Graph
from .symbol import Symbol, output_name
from .types import Shape, TensorType

__all__ = ["STATE", "Bound"]

STATE = "random:state"
OWN = ("constant:", "grad:", "head_grad:", "memory:", "output:", "random:")  # how a program's arrays are named


def head_grad_name(k: int) -> str:
    """Name the array of the k-th head's gradient."""
    return f"head_grad:{k}"


class Bound:
    """A symbol with every type known: what all programs of an executor are made from."""

    def __init__(self, symbol: Symbol, shapes: Mapping[str, Shape], dtypes: Mapping[str, object]) -> None:
        symbol = _one_of_each_name(symbol)
        self.symbol, self.shapes = symbol, dict(shapes)
        _refuse_unknown(symbol)
        _refuse_own(symbol)
        given = given_shapes(symbol.values, (), shapes)
        self.heads = infer_bind(symbol.values, given, given_dtypes(symbol.values, dtypes))
        self.arguments = symbol.list_arguments()
        self.aux = symbol.list_auxiliary_states()
        self.types: dict[str, TensorType] = {}
        for v in self._variables():
            other = self.types.setdefault(v.node.name, v.type)
            if other != v.type:
                raise BindError(f"two variables named {v.node.name!r} are {other} and {v.type}: rename one")
        self.outputs = [output_name(v) for v in symbol.values]

    def _variables(self) -> list[Value]:
        return [Value(n) for n in toposort(self.heads) if n.op.is_variable]

    def nbytes(self, reqs: Mapping[str, str]) -> int:
        """Give the bytes of all arrays outside a program: arguments, states, outputs, and gradients by `reqs`."""
        grads = sum(self.types[n].nbytes for n in self.arguments if reqs.get(n, "null") != "null")
        return sum(t.nbytes for t in self.types.values()) + sum(v.type.nbytes for v in self.heads) + grads

    def state(self) -> Value:
        return variable(STATE, (2,), "uint64")

    def inference(self) -> tuple[Graph, dict[str, TensorType]]:
        """Give the graph of one inference."""
        moded = set_mode(self.heads, False, self.state())
        updates = tuple(u for u in moded.updates if u[2] == 0)
        return Graph(tuple(moded.outputs), updates), self._inputs({})

    def training(
        self, reqs: Mapping[str, str], owners: dict[Node, Node] | None = None
    ) -> tuple[Graph, dict[str, TensorType], list[str]]:
        """Give the graph of one training step, its arrays, and the names of the head gradients it needs.

        In `owners` each node of the backward part is entered with the node whose gradient it computes.
        """
        moded = set_mode(self.heads, True, self.state())
        seeds = [variable(head_grad_name(k), v.shape, v.dtype) for k, v in enumerate(self.heads)]
        wanted = [name for name in dict.fromkeys(self.arguments) if reqs.get(name, "null") != "null"]
        grads = self._gradients(moded.outputs, seeds, wanted, owners)
        updates = list(moded.updates) if wanted else [u for u in moded.updates if u[2] == 0]
        extra: dict[str, TensorType] = {}
        # The last layer's gradients first: each layer's gradient is then consumed before the next is computed.
        for name in reversed(wanted):
            t = self.types[name]
            g = grads.get(name)
            extra[f"grad:{name}"] = t
            if reqs[name] == "add":
                if g is not None:
                    updates.append((f"grad:{name}", variable(f"grad:{name}", t.shape, t.dtype) + g, 1))
            else:
                updates.append((f"grad:{name}", g if g is not None else _zeros(t), 1))
        graph = Graph(tuple(moded.outputs), tuple(updates))
        heads = self._head_grads(graph)
        return graph, self._inputs(extra | heads), list(heads)

    def _head_grads(self, graph: Graph) -> dict[str, TensorType]:
        """Give the head gradients that a graph reads."""
        needed = {n.name for n in toposort(graph.values) if n.op.is_variable}
        named = {head_grad_name(k): v.type for k, v in enumerate(self.heads)}
        return {name: t for name, t in named.items() if name in needed}

    def _gradients(
        self,
        outputs: Sequence[Value],
        seeds: Sequence[Value],
        wanted: Sequence[str],
        owners: dict[Node, Node] | None = None,
    ) -> dict[str, Value]:
        """Give the gradients by name; variables of one name are one array, whose gradient is the sum of theirs."""
        names = set(wanted)
        variables = [v for v in self._variables() if v.node.name in names]
        grads: dict[str, Value] = {}
        for v, g in gradient(outputs, seeds, variables, owners).items():
            name = v.node.name
            if g is not None:
                grads[name] = grads[name] + g if name in grads else g
        return grads

    def edges(self, reqs: Mapping[str, str]) -> tuple[Graph, dict[str, TensorType], list[str]]:
        """Give the graph of the gradients that each differentiated node makes for its inputs, and their names.

        MXNet's names: `fc1_backward_output0` of the first input; without a number where there is one input only.
        """
        heads, edges = self._cut(reqs)
        names = [name for node in reversed(edges) for name in edges[node]]
        moded = set_mode(heads, True, self.state()).outputs
        seeds = [variable(head_grad_name(k), v.shape, v.dtype) for k, v in enumerate(self.heads)]
        known = set(names)
        cuts = {n.name: Value(n) for n in toposort(moded) if n.name in known}
        found = gradient(moded, seeds, list(cuts.values()))
        names = [name for name in names if name in cuts]
        graph = Graph(tuple(g if (g := found[cuts[name]]) is not None else _zeros(cuts[name].type) for name in names))
        return graph, self._inputs(self._head_grads(graph)), names

    def _cut(self, reqs: Mapping[str, str]) -> tuple[list[Value], dict[str, list[str]]]:
        """Put a copy, named as its gradient, into each input that gradients pass; give the names by node."""
        copy = find("_copy").from_params({})
        edges: dict[str, list[str]] = {}
        active: set[Value] = set()

        def rule(node: Node, xs: tuple[Value, ...]) -> Sequence[Value] | None:
            if node.op.is_variable or not any(x in active for x in xs):
                if reqs.get(node.name, "null") != "null":
                    active.update(outputs_of(node))
                return None
            count = len(xs) - len(node.op.aux)
            names = [f"{node.name}_backward_output{k if count > 1 else ''}" for k in range(count)]
            edges[node.name] = names
            cuts = [Value(apply(copy, x, name=name)) for name, x in zip(names, xs, strict=False)]
            new = apply(node.op, *cuts, *xs[count:], name=node.name, attrs=node.attrs, origin=node.origin)
            active.update(outputs_of(new))
            return outputs_of(new)

        return rewrite(self.heads, rule), edges

    def _inputs(self, extra: Mapping[str, TensorType]) -> dict[str, TensorType]:
        return {**self.types, STATE: TensorType((2,), "uint64"), **extra}


def _refuse_unknown(symbol: Symbol) -> None:
    known = [name for name, cls in OPS.items() if cls.public]
    for node in toposort(symbol.values):
        if isinstance(node.op, Unknown):
            raise BindError(
                f"{node.name} ({node.op.kind}): unknown operator{near(node.op.kind, known)}; "
                "what does not need it can be bound: get_internals()[...] cuts the network"
            )


def _refuse_own(symbol: Symbol) -> None:
    """Refuse variables that would be taken for the program's own arrays, which may be smaller."""
    for name in symbol.list_inputs():
        if name.startswith(OWN):
            raise BindError(f"the variable {name!r} is named as an array of the program: rename it")


def _zeros(t: TensorType) -> Value:
    return find("_zeros").from_params({"shape": t.shape, "dtype": t.dtype})()


def _one_of_each_name(symbol: Symbol) -> Symbol:
    """Join variables that share a name, and so an array: their gradients add up."""
    twice = {n for n, count in Counter(symbol.list_inputs()).items() if count > 1}
    found = [v for v in symbol.get_internals().values if v.node.op.is_variable and v.node.name in twice]
    return symbol.substitute({v.node.name: Symbol([v]) for v in found}) if twice else symbol
