"""A symbol's network as an ONNX model, and its inference by ONNX Runtime with every optimisation of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, final

import numpy as np

from graphnn.bound import Bound
from graphnn.graph import Node, Value, toposort
from graphnn.tools.peers import walk
from graphnn.tools.runners import Case, Runner, network

__all__ = ["model_of", "runner"]

OPSET, IR = 17, 8  # of 2022: what every runtime of today reads
Write = Callable[["Writer", Node, Sequence[str]], str]  # (writer, node, names of its inputs) -> name of its output
_lacks = partial(walk.lacks, "ONNX")


@final
class Writer:
    """Nodes and constants of a model in the making."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.nodes: list[Any] = []
        self.constants = dict(arrays)

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node; give the name of its output."""
        from onnx import helper

        y = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [y], **attributes))
        return y

    def constant(self, value: Any, dtype: str = "float32") -> str:
        """Add a constant; give its name."""
        name = f"constant{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name


def _convolution(w: Writer, node: Node, xs: Sequence[str]) -> str:
    op: Any = node.op
    if op.last:
        raise _lacks(node, f"layout {op.layout}")
    kernel, stride, dilate, pad = op.window(len(op.kernel))
    size = {"kernel_shape": kernel, "strides": stride, "dilations": dilate, "pads": [*pad, *pad]}
    return w.add("Conv", xs, group=op.num_group, **size)


def _fully_connected(w: Writer, node: Node, xs: Sequence[str]) -> str:
    x, *rest = xs
    rank = len(node.inputs[0].shape)
    if rank != 2 and not node.op.flatten:  # type: ignore[attr-defined]
        raise _lacks(node, "flatten=False")
    return w.add("Gemm", [w.add("Flatten", [x], axis=1) if rank > 2 else x, *rest], transB=1)


def _activation(w: Writer, node: Node, xs: Sequence[str]) -> str:
    kinds = {"relu": "Relu", "sigmoid": "Sigmoid", "softrelu": "Softplus", "softsign": "Softsign", "tanh": "Tanh"}
    return w.add(kinds[node.op.act_type], xs)  # type: ignore[attr-defined]


def _leaky_relu(w: Writer, node: Node, xs: Sequence[str]) -> str:
    op: Any = node.op
    if op.act_type in ("leaky", "elu"):
        return w.add("LeakyRelu" if op.act_type == "leaky" else "Elu", xs, alpha=op.slope)
    if op.act_type != "selu":
        raise _lacks(node, f"act_type {op.act_type}")
    return w.add("Selu", xs)


def _pooling(w: Writer, node: Node, xs: Sequence[str]) -> str:
    op: Any = node.op
    if op.last or op.pool_type == "sum":
        raise _lacks(node, f"layout {op.layout} with pool_type {op.pool_type}")
    if op.global_pool:
        return w.add("GlobalMaxPool" if op.pool_type == "max" else "GlobalAveragePool", xs)
    n, full = len(op.kernel), op.pooling_convention == "full"
    if full and op.pool_type == "avg":
        raise _lacks(node, "pool_type avg (full)")
    pad = op.pad or (0,) * n
    size = {"kernel_shape": op.kernel, "strides": op.stride or (1,) * n, "pads": [*pad, *pad]}
    if op.pool_type == "max":
        return w.add("MaxPool", xs, ceil_mode=int(full), **size)
    return w.add("AveragePool", xs, count_include_pad=int(op.count_include_pad is not False), **size)


def _batch_norm(w: Writer, node: Node, xs: Sequence[str]) -> str:
    op: Any = node.op
    if op.axis != 1 or op.output_mean_var:
        raise _lacks(node, "axis other than 1 and no output_mean_var")
    x, gamma, *rest = xs
    if op.fix_gamma:
        gamma = w.constant(np.ones(node.inputs[1].shape))
    return w.add("BatchNormalization", [x, gamma, *rest], epsilon=op.eps)


def _lrn(w: Writer, node: Node, xs: Sequence[str]) -> str:
    op: Any = node.op
    return w.add("LRN", xs, size=op.nsize, alpha=op.alpha, beta=op.beta, bias=op.knorm)


def _dropout(w: Writer, node: Node, xs: Sequence[str]) -> str:
    if node.op.mode == "always":  # type: ignore[attr-defined]
        raise _lacks(node, "mode always")
    return xs[0]


def _reshape(w: Writer, node: Node, xs: Sequence[str]) -> str:
    return w.add("Reshape", [xs[0], w.constant(Value(node).shape, "int64")])


def _clip(w: Writer, node: Node, xs: Sequence[str]) -> str:
    op: Any = node.op
    return w.add("Clip", [xs[0], w.constant(op.a_min), w.constant(op.a_max)])


def _concat(w: Writer, node: Node, xs: Sequence[str]) -> str:
    return w.add("Concat", xs, axis=node.op.dim)  # type: ignore[attr-defined]


def _with_scalar(kind: str) -> Write:
    return lambda w, node, xs: w.add(kind, [xs[0], w.constant(node.op.scalar)])  # type: ignore[attr-defined]


def _square(w: Writer, node: Node, xs: Sequence[str]) -> str:
    return w.add("Mul", [xs[0], xs[0]])


def _named(kind: str) -> Write:
    return lambda w, node, xs: w.add(kind, xs)


TABLE: dict[str, Write] = {
    "Activation": _activation,
    "BatchNorm": _batch_norm,
    "BlockGrad": lambda w, node, xs: xs[0],
    "Concat": _concat,
    "Convolution": _convolution,
    "Dropout": _dropout,
    "Flatten": _reshape,
    "FullyConnected": _fully_connected,
    "LRN": _lrn,
    "LeakyReLU": _leaky_relu,
    "Pooling": _pooling,
    "Reshape": _reshape,
    "_copy": lambda w, node, xs: xs[0],
    "_minus_scalar": _with_scalar("Sub"),
    "_mul_scalar": _with_scalar("Mul"),
    "_plus_scalar": _with_scalar("Add"),
    "add_n": _named("Sum"),
    "clip": _clip,
    "square": _square,
    **{f"{side}_{kind.lower()}": _named(kind) for side in ("broadcast", "elemwise") for kind in ("Add", "Sub", "Mul")},
    **{kind.lower(): _named(kind) for kind in ("Abs", "Exp", "Relu", "Sigmoid", "Sqrt", "Tanh")},
}


def model_of(bound: Bound, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Write the network as an ONNX model of inference, its inputs named as the symbol's, its output `probabilities`.

    Raises BackendError for an operator that the table lacks, and for another head than one SoftmaxOutput.
    """
    from onnx import TensorProto, helper, numpy_helper

    logits = walk.logits_of(bound, "ONNX")
    writer, names = Writer(arrays), {}
    inputs: dict[str, Any] = {}
    for node in toposort([logits]):
        if node.op.is_variable:
            names[node] = node.name
            if node.name not in arrays:
                inputs[node.name] = helper.make_tensor_value_info(node.name, TensorProto.FLOAT, Value(node).shape)
            continue
        if node.op.name not in TABLE:
            raise _lacks(node, "such operator")
        names[node] = TABLE[node.op.name](writer, node, [names[v.node] for v in node.inputs])
    writer.nodes.append(helper.make_node("Softmax", [names[logits.node]], ["probabilities"], axis=1))
    read = {name for node in writer.nodes for name in node.input}
    constants = [numpy_helper.from_array(a, name) for name, a in writer.constants.items() if name in read]
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, logits.shape)
    graph = helper.make_graph(writer.nodes, "network", list(inputs.values()), [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    written: bytes = model.SerializeToString()
    return written


def runner(name: str, case: Case) -> Runner:
    """Inference by ONNX Runtime: one operator after the other, each on the case's threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads, options.inter_op_num_threads = case.threads, 1
    options.log_severity_level = 3
    model = model_of(*network(case))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = dict(zip(case.shapes, case.batch().data, strict=True))

    def run() -> np.ndarray:
        found: np.ndarray = session.run(None, feed)[0]
        return found

    return Runner(name, run, run)
