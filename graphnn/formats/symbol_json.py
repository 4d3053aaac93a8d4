"""MXNet's symbol JSON: read from 0.7 to 1.9 with every check that a stranger's file needs, and written as 1.9."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NoReturn

from ..errors import DTypeError, FormatError, ParameterError, ShapeError
from ..graph import Node, Value, toposort
from ..op import VARIABLE, Op, Unknown, lookup
from ..symbol import Symbol
from . import strict_json, upgrade
from .upgrade import Record

__all__ = ["dumps", "load", "loads"]

MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_EDGES, MAX_NAME = 64 << 20, 64, 100_000, 1_000_000, 1024
MAX_TOKENS = {"[": 1_300_000, "{": 300_000, ",": 5_000_000, '"': 6_000_000}  # more than so large a graph has
MAX_OUTPUTS = 1025  # of an operator that graphnn lacks: indices up to 1,024
MXNET_VERSION = 10901
OLDEST = 800  # a file that does not say
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)  # a string or a bracket; linear on any text
_KIND = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_TOP = {"nodes", "arg_nodes", "heads", "node_row_ptr", "attrs"}
_NODE = {"op", "name", "inputs", "attrs", "attr", "param", "control_deps", "backward_source_id", "subgraphs"}


def dumps(symbol: Symbol) -> str:
    """Write a symbol as MXNet 1.9 would: nodes in depth-first order, attributes as text."""
    order = toposort(symbol.values)
    number = {node: i for i, node in enumerate(order)}

    def entry(v: Value) -> list[int]:
        return [number[v.node], v.index, 0]

    nodes, row = [], [0]
    for node in order:
        item: dict[str, Any] = {"op": "null" if node.op.is_variable else node.op.name, "name": node.name}
        if node.attrs:
            item["attrs"] = dict(sorted(node.attrs.items()))
        item["inputs"] = [entry(v) for v in node.inputs]
        nodes.append(item)
        row.append(row[-1] + node.op.num_outputs)
    graph = {
        "nodes": nodes,
        "arg_nodes": [i for i, n in enumerate(order) if n.op.is_variable],
        "node_row_ptr": row,
        "heads": [entry(v) for v in symbol.values],
        "attrs": {"mxnet_version": ["int", MXNET_VERSION]},
    }
    return json.dumps(graph, indent=2)


def load(path: str) -> Symbol:
    """Read a symbol file; raise FormatError naming the file, the node and the reason.

    A node of an unknown operator is read as it is: BindError is raised where somebody binds it.
    """
    return loads(strict_json.read_text(path, MAX_BYTES), str(path))


def loads(text: str, path: str = "symbol JSON") -> Symbol:
    """Read a symbol from its JSON form."""
    if len(text) > MAX_BYTES:
        raise FormatError(path, "size", f"at most {MAX_BYTES} bytes")
    return _Reader(path).symbol(text)


class _Reader:
    """One reading of one file: carries the path for messages."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.entries: list[Any] = []  # what nodes and heads say of their inputs

    def fail(self, where: str, reason: str) -> NoReturn:
        raise FormatError(self.path, where, reason)

    def symbol(self, text: str) -> Symbol:
        self._depth(text)
        graph = strict_json.loads(text, self.path)
        self._keys(graph, _TOP, {"nodes", "arg_nodes", "heads"}, "top level")
        items = graph["nodes"]
        if not isinstance(items, list) or not items:
            self.fail("nodes", "must be a list of at least one node")
        if len(items) > MAX_NODES:
            self.fail("nodes", f"{len(items)} nodes, at most {MAX_NODES}")
        self.entries = [*(item.get("inputs") for item in items if isinstance(item, dict)), graph["heads"]]
        edges = sum(len(e) for e in self.entries if isinstance(e, list))
        if edges > MAX_EDGES:
            self.fail("nodes", f"{edges} edges, at most {MAX_EDGES}")
        nodes = self._nodes([self._record(i, item) for i, item in enumerate(items)], self._version(graph))
        self._arg_nodes(graph["arg_nodes"], nodes)
        heads = graph["heads"]
        if not isinstance(heads, list) or not heads or len(heads) > MAX_NODES:
            self.fail("heads", "must be a list of at least one entry")
        return Symbol([self._head(h, nodes) for h in heads])

    def _depth(self, text: str) -> None:
        """Refuse what is large or deep before the parser makes objects of it."""
        for sign, most in MAX_TOKENS.items():
            if text.count(sign) > most:
                self.fail("JSON", f"{text.count(sign)} times {sign}, at most {most}")
        depth = 0
        for token in _TOKEN.finditer(text):
            match token[0][0]:
                case "[" | "{":
                    depth += 1
                    if depth > MAX_DEPTH:
                        self.fail("JSON", f"nested deeper than {MAX_DEPTH}")
                case "]" | "}":
                    depth -= 1

    def _keys(self, item: object, allowed: set[str], required: set[str], where: str) -> None:
        if not isinstance(item, dict):
            self.fail(where, "must be an object")
        for key in item:
            if key not in allowed:
                self.fail(where, f"unknown field {key[:80]!r}; known: {', '.join(sorted(allowed))}")
        for key in sorted(required - set(item)):
            self.fail(where, f"the field {key!r} is missing")

    def _version(self, graph: Mapping[str, Any]) -> int:
        """Give MXNet's version as one number: major * 10000 + minor * 100 + patch."""
        attrs = graph.get("attrs", {})
        if not isinstance(attrs, dict):
            self.fail("attrs", "must be an object")
        found = attrs.get("mxnet_version", ["int", OLDEST])
        if not (isinstance(found, list) and len(found) == 2 and type(found[1]) is int):
            self.fail("attrs", 'mxnet_version must be ["int", number]')
        return found[1]

    def _record(self, i: int, item: Any) -> Record:
        where = f"node {i}"
        self._keys(item, _NODE, {"op", "name", "inputs"}, where)
        name = self._name(item["name"], where)
        where = f"node {i} ({name!r})"
        attrs = self._attrs(item, where)
        entries, kind = item["inputs"], item["op"]
        if not isinstance(entries, list):
            self.fail(where, "inputs must be a list")
        for entry in entries:
            self._check_entry(entry, i, where)
        if not isinstance(kind, str) or len(kind) > MAX_NAME:
            self.fail(where, "op must be a name")
        if kind == "null" and entries:
            self.fail(where, "a variable has no inputs")
        return Record(where, name, kind, attrs, [e[0] for e in entries], [e[1] for e in entries])

    def _nodes(self, records: list[Record], version: int) -> list[Node]:
        """Make the nodes, in the form of today's files whatever the version."""
        upgrade.keys(records, version)
        ops = [VARIABLE if r.kind == "null" else self._op(i, r, version) for i, r in enumerate(records)]
        upgrade.initials(records, ops, version)
        nodes: list[Node] = []
        outputs = 0
        for r, op in zip(records, ops, strict=True):
            inputs = [self._value(n, k, nodes, r.where) for n, k in zip(r.nodes, r.indices, strict=True)]
            inputs += upgrade.left_out(r, op, version)
            nodes.append(Node(op, tuple(inputs), None, r.name, r.attrs))
            outputs += op.num_outputs
            if outputs > MAX_EDGES:
                self.fail(r.where, f"over {MAX_EDGES} outputs up to here")
        return nodes

    def _op(self, i: int, r: Record, version: int) -> Op:
        cls, count = lookup(r.kind), len(r.nodes)
        if cls is None or not cls.known(r.attrs):
            outs = self.used.get(i, 1)
            if not _KIND.fullmatch(r.kind) or outs > MAX_OUTPUTS:
                self.fail(r.where, f"no operator {r.kind[:80]!r} with {outs} outputs")
            return Unknown(r.kind, count, outs)
        try:
            params: dict[str, object] = {k: v for k, v in r.attrs.items() if not _is_scope(k)}
            if cls.variadic:
                params.setdefault(cls.variadic, count)
            op = cls.from_params(params)
            if cls.variadic and op.arity != count:
                self.fail(r.where, f"{cls.variadic} is {op.arity}, but there are {count} inputs")
            op.check_count(count + len(upgrade.left_out(r, op, version)))
        except (ParameterError, ShapeError, DTypeError) as e:
            self.fail(r.where, str(e))
        return op

    @cached_property
    def used(self) -> dict[int, int]:
        """Count the outputs of each node that something refers to, for operators that do not say how many they have."""
        found: dict[int, int] = {}
        for entries in self.entries:
            for e in entries if isinstance(entries, list) else ():
                if _is_entry(e):
                    found[e[0]] = max(found.get(e[0], 1), e[1] + 1)
        return found

    def _name(self, name: object, where: str) -> str:
        if not isinstance(name, str) or len(name) > MAX_NAME:
            self.fail(where, f"a name is text of at most {MAX_NAME} characters")
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            self.fail(where, "the name is not valid UTF-8")
        return name

    def _attrs(self, item: Mapping[str, Any], where: str) -> dict[str, str]:
        """Join attrs, attr and param as MXNet does: attr overwrites attrs, param only adds."""
        out: dict[str, str] = {}
        for key in ("attrs", "attr", "param"):
            group = item.get(key, {})
            if not isinstance(group, dict) or not all(isinstance(v, str) for v in group.values()):
                self.fail(where, f"{key} must be an object of strings")
            out = {**group, **out} if key == "param" else {**out, **group}
        return out

    def _check_entry(self, entry: object, count: int, where: str) -> None:
        if not _is_entry(entry):
            self.fail(where, "an entry is [node, output] or [node, output, version]")
        number = entry[0]  # type: ignore[index]
        if not 0 <= number < count:
            self.fail(where, f"refers to node {number}, which does not come before it: a cycle or a dangling reference")

    def _value(self, number: int, index: int, nodes: list[Node], where: str) -> Value:
        node = nodes[number]
        if not 0 <= index < node.op.num_outputs:
            self.fail(where, f"output {index} of {node.name!r}, which has {node.op.num_outputs}")
        return Value(node, index)

    def _head(self, entry: Any, nodes: list[Node]) -> Value:
        self._check_entry(entry, len(nodes), "heads")
        return self._value(entry[0], entry[1], nodes, "heads")

    def _arg_nodes(self, numbers: object, nodes: list[Node]) -> None:
        if not isinstance(numbers, list):
            self.fail("arg_nodes", "must be a list")
        for n in numbers:
            if type(n) is not int or not 0 <= n < len(nodes) or not nodes[n].op.is_variable:
                self.fail("arg_nodes", f"{n!r} is not the number of a variable")


def _is_entry(entry: object) -> bool:
    """Tell [node, output] and [node, output, version] from anything else; written out, since files have millions."""
    if type(entry) is not list or not 2 <= len(entry) <= 3:
        return False
    return type(entry[0]) is int and type(entry[1]) is int and type(entry[-1]) is int


def _is_scope(key: str) -> bool:
    """Tell attributes of scopes, `__key__`, from parameters."""
    return key.startswith("__") and key.endswith("__")
