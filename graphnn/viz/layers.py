"""What drawings and tables say of a network: its layers with kind, telling parameters, shapes and parameter counts."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..given import given_dtypes, given_shapes
from ..graph import Node, Value, outputs_of, toposort
from ..op import Op, Unknown
from ..params import show
from ..passes.infer import infer
from ..symbol import Symbol
from ..types import Shape, known

__all__ = ["LABEL_LENGTH", "Layer", "clean", "kind_of", "layers", "size_text", "typed_layers"]

# The operator's family (its file in graphnn/ops) says its kind.
KINDS = {
    "conv": "weights",
    "linalg": "weights",
    "norm": "norm",
    "samplenorm": "norm",
    "rnn": "weights",
    "ctc": "loss",
    "resize": "pool",
    "spatial": "pool",
    "sequence": "shape",
    "crop": "shape",
    "rearrange": "shape",
    "trian": "shape",
    "activation": "activation",
    "unary": "activation",
    "pool": "pool",
    "reduce": "pool",
    "shape": "shape",
    "pad": "shape",
    "identity": "shape",
    "join": "join",
    "indexing": "join",
    "arithmetic": "join",
    "binary": "join",
    "compare": "join",
    "attention": "join",
    "gather": "join",
    "matrix": "join",
    "order": "join",
    "create": "source",
    "random": "source",
    "small": "source",
    "loss": "loss",
    "optimizer": "other",
    "updates": "other",
    "detection": "other",
    "density": "other",
    "image": "other",
    "region": "pool",
    "displace": "weights",
    "custom": "other",
}
KIND_BY_NAME = {
    "Embedding": "weights",
    "Dropout": "norm",
    "SoftmaxActivation": "activation",
    "softmax": "activation",
    "log_softmax": "activation",
    "softmin": "activation",
    "SliceChannel": "shape",
    "slice": "shape",
    "slice_axis": "shape",
    "slice_like": "shape",
    "_copy": "shape",
    # of the backends
    **dict.fromkeys(("_conv", "_winograd", "_depthwise", "_product", "_last_forward", "_conv_last"), "weights"),
    **dict.fromkeys(
        ("_conv_weights", "_depthwise_weights", "_conv_last_data_grad", "_conv_last_weight_grad"), "weights"
    ),
    **dict.fromkeys(("_pack", "_pack_winograd", "_pack_depthwise"), "shape"),
    **dict.fromkeys(("_fused", "_add_relu"), "join"),
    **dict.fromkeys(("_scale_shift_relu", "_moments", "_relu_grad_sums"), "norm"),
}
PARAMETERS = ("weight", "bias", "gamma", "beta", "parameters")  # inputs of operators that are always parameters
LABEL_LENGTH = 48

Shapes = Mapping[Value, Shape | None]


@dataclass(frozen=True)
class Layer:
    """One node of the network that is no parameter."""

    node: Node
    kind: str
    detail: str
    shapes: tuple[Shape | None, ...]  # of the outputs that show; None or 0 where it is not known
    parameters: int | None  # what the layer brings: shared ones count where they are read first; None: not known
    states: int | None
    weights: tuple[Value, ...]
    inputs: tuple[Value, ...]  # the weights are not among them


def layers(symbol: Symbol, shape: Mapping[str, Shape] | None = None) -> tuple[list[Layer], Shapes]:
    """Give the layers in graph order, and the shapes of all values as far as `shape` tells them.

    Parameters are the variables that an operator reads as weight, bias, gamma, beta or state, and with `shape` those
    it does not name, but for labels.
    """
    outputs = symbol.values
    given = given_shapes(outputs, (), shape or {})
    found = infer(outputs, given, given_dtypes(outputs, {}))
    weights = _weights(found.order, shape or {})
    counted: set[Node] = set()
    result = []
    for node in found.order:
        if node in weights:
            continue
        own = [v for v in dict.fromkeys(node.inputs) if v.node in weights]
        new = [v for v in own if v.node not in counted]
        counted.update(v.node for v in new)
        result.append(
            Layer(
                node,
                kind_of(node.op),
                detail_of(node.op),
                tuple(found.shapes.get(v) for v in outputs_of(node)[: node.op.num_visible]),
                _count([found.shapes.get(v) for v in new if not weights[v.node]]),
                _count([found.shapes.get(v) for v in new if weights[v.node]]),
                tuple(own),
                tuple(v for v in node.inputs if v.node not in weights),
            )
        )
    return result, found.shapes


def typed_layers(outputs: Sequence[Value], shown: Collection[str]) -> tuple[list[Layer], Shapes]:
    """Give the layers of a graph with types, such as a pass makes; of its variables those named in `shown`."""
    order = toposort(outputs)
    hidden = {n for n in order if n.op.is_constant or (n.op.is_variable and n.name not in shown)}
    counted: set[Node] = set()
    result = []
    for node in (n for n in order if n not in hidden):
        own = [v for v in dict.fromkeys(node.inputs) if v.node in hidden]
        count = sum(v.type.size for v in own if v.node not in counted)
        counted.update(v.node for v in own)
        inputs = tuple(v for v in node.inputs if v.node not in hidden)
        shapes = tuple(v.shape for v in outputs_of(node))
        result.append(Layer(node, kind_of(node.op), detail_of(node.op), shapes, count, 0, tuple(own), inputs))
    return result, {v: v.shape for node in order for v in outputs_of(node)}


def _weights(order: Sequence[Node], shape: Mapping[str, Shape]) -> dict[Node, bool]:
    """Find the variables that are parameters (False) and auxiliary states (True)."""
    found: dict[Node, bool] = {}
    for node in order:
        names = node.op.input_names(len(node.inputs))
        for name, v in zip(names, node.inputs, strict=False):
            if not v.node.op.is_variable or (v.node.name in shape and name not in (*PARAMETERS, *node.op.aux)):
                continue
            if name in (*PARAMETERS, *node.op.aux) or (shape and name != "label" and not v.node.name.endswith("label")):
                found[v.node] = found.get(v.node, False) or name in node.op.aux
    return found


def _count(shapes: Sequence[Shape | None]) -> int | None:
    return sum(math.prod(s or ()) for s in shapes) if all(map(known, shapes)) else None


def kind_of(op: Op) -> str:
    """Give the kind, which decides the colour: `data`, `loss`, one of KINDS, or `other`."""
    if op.is_variable:
        return "data"
    if op.is_loss:
        return "loss"
    package, _, family = type(op).__module__.rpartition(".")
    return KIND_BY_NAME.get(op.name) or (KINDS.get(family, "other") if package == "graphnn.ops" else "other")


# The most telling parameters


def size_text(shape: Shape | None) -> str:
    """Write sizes as `3x224x224`; `?` where nothing is known."""
    return "?" if shape is None else "x".join(str(n) if n else "?" for n in shape)


def _window(op: Any) -> str:
    stride = op.stride or (1,) * len(op.kernel)
    step = str(stride[0]) if len(set(stride)) == 1 else size_text(stride)
    return f"{size_text(op.kernel)}/{step}"


def _conv(op: Any) -> str:
    parts = [f"{_window(op)}, {op.num_filter}"]
    parts += [f"{op.num_group} groups"] if op.num_group > 1 else []
    parts += [f"dilate {size_text(op.dilate)}"] if any(d > 1 for d in op.dilate) else []
    return ", ".join(parts)


def _rnn(op: Any) -> str:
    parts = [f"{op.mode} {op.state_size}", f"{op.num_layers} layers" if op.num_layers > 1 else ""]
    return ", ".join(filter(None, (*parts, "both ways" if op.bidirectional else "")))


DETAILS: dict[str, Callable[[Any], str]] = {
    "Convolution": _conv,
    "Deconvolution": _conv,
    "FullyConnected": lambda op: str(op.num_hidden),
    "Activation": lambda op: op.act_type,
    "LeakyReLU": lambda op: op.act_type,
    "Pooling": lambda op: f"global {op.pool_type}" if op.global_pool else f"{op.pool_type} {_window(op)}",
    "RNN": _rnn,
    "Dropout": lambda op: show(op.p),
    "Embedding": lambda op: f"{op.input_dim} to {op.output_dim}",
    "LRN": lambda op: str(op.nsize),
    "BatchNorm": lambda op: "",
    "Reshape": lambda op: show(op.shape),
    "transpose": lambda op: show(op.axes) if op.axes else "",
}


def detail_of(op: Op) -> str:
    """Give the most telling parameters as a short text, such as `3x3/2, 64`."""
    if isinstance(op, Unknown):
        return "(unknown)"
    if op.name in DETAILS:
        return DETAILS[op.name](op)
    if not hasattr(op, "__dataclass_fields__"):
        return ""
    told = [f for f in fields(op) if f.name != op.variadic and getattr(op, f.name) != f.default]  # type: ignore[arg-type]
    values = [(f.name, getattr(op, f.name)) for f in told]
    if op.public:
        return ", ".join(f"{name} {_short(value)}" for name, value in values)
    return ", ".join(text for name, value in values if (text := _own(name, value)))


def _own(name: str, value: object) -> str:
    """Write a parameter of a pass's own operator: the operator it is made of, what it computes at its end."""
    if isinstance(value, Op):
        return detail_of(value)
    if name == "body":
        return str(value)
    return f"{name} {_short(value)}" if isinstance(value, (int, float, str)) else ""


def _short(value: object) -> str:
    return show(float(f"{value:.6g}") if isinstance(value, float) else value)


def clean(text: str, length: int = LABEL_LENGTH) -> str:
    """Make text from a file fit for a label or a terminal: no control or format characters, cut at `length`."""
    text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * length])
    return text if len(text) <= length else text[: length - 3] + "..."
