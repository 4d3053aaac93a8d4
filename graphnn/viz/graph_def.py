"""A network as TensorFlow's GraphDef, which TensorBoard's Graphs tab draws."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..graph import Node, outputs_of, toposort
from ..op import Op
from ..params import show
from ..symbol import Symbol
from ..types import Shape
from .layers import clean, layers

__all__ = ["graph_def", "names_of", "plain_name"]

_ILLEGAL = re.compile(r"[^A-Za-z0-9_.\-/]")
_LONGEST = 200
_VERSION = 22  # of GraphDef: any since 2016 is read alike


def graph_def(symbol: Symbol, shape: Mapping[str, Shape] | None = None) -> Any:
    """Give the network as a GraphDef of tensorboardX: operators and variables with parameters and shapes.

    `shape` maps input names to shapes, batch first. Parameters lie within the layer that reads them first.
    """
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.versions_pb2 import VersionDef

    found, shapes = layers(symbol, shape)
    weights = {v.node for layer in found for v in layer.weights}
    names = names_of(symbol)
    nodes = []
    for node in toposort(symbol.values):
        kind = "Variable" if node in weights else "Placeholder" if node.op.is_variable else node.op.name
        nodes.append(_node(node, kind, names, [shapes.get(v) for v in outputs_of(node)]))
    return GraphDef(node=nodes, versions=VersionDef(producer=_VERSION))


def _node(node: Node, kind: str, names: Mapping[Node, str], shapes: list[Shape | None]) -> Any:
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.node_def_pb2 import NodeDef

    found = NodeDef(name=names[node], op=clean(kind, _LONGEST), input=[_reference(v, names) for v in node.inputs])
    for key, value in _parameters(node.op).items():
        found.attr[key].CopyFrom(AttrValue(s=value.encode()))
    listed = AttrValue.ListValue(shape=[_shape(s) for s in shapes])
    found.attr["_output_shapes"].CopyFrom(AttrValue(list=listed))
    return found


def _reference(value: Any, names: Mapping[Node, str]) -> str:
    return f"{names[value.node]}:{value.index}" if value.index else names[value.node]


def _parameters(op: Op) -> dict[str, str]:
    if op.is_variable or not hasattr(op, "__dataclass_fields__"):
        return {}
    return {f.name: clean(show(getattr(op, f.name)), _LONGEST) for f in fields(op)}  # type: ignore[arg-type]


def _shape(shape: Shape | None) -> Any:
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

    if shape is None:
        return TensorShapeProto(unknown_rank=True)
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=n or -1) for n in shape])


def names_of(symbol: Symbol) -> dict[Node, str]:
    """Give each node a name that TensorBoard takes, no two the same; conv1_weight becomes conv1/weight."""
    order = toposort(symbol.values)
    reader: dict[Node, Node] = {}
    for node in order:
        for v in node.inputs:
            reader.setdefault(v.node, node)
    taken: set[str] = set()
    found: dict[Node, str] = {}
    for node in order:
        name, owner = node.name, reader.get(node)
        if node.op.is_variable and owner is not None and name.startswith(f"{owner.name}_"):
            name = f"{owner.name}/{name[len(owner.name) + 1 :]}"
        found[node] = _unique(plain_name(name), taken)
    return found


def plain_name(text: str) -> str:
    """Give a name of the letters that TensorBoard allows; `/` makes groups."""
    parts = [p for p in _ILLEGAL.sub("_", text[:_LONGEST]).split("/") if p.strip(".")]
    name = "/".join(parts) or "_"
    return name if name[0].isalnum() else f"n{name}"


def _unique(name: str, taken: set[str]) -> str:
    found, k = name, 0
    while found in taken:
        k += 1
        found = f"{name}_{k}"
    taken.add(found)
    return found
