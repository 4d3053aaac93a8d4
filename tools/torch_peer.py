"""A symbol's network in PyTorch's eager mode, to time against: operators by a table, the same weights, cross-entropy.

PyTorch is imported when a Peer is made.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, final

import numpy as np

from graphnn.bound import Bound
from graphnn.errors import BackendError
from graphnn.graph import Node, Value, toposort
from graphnn.ops.loss import SoftmaxOutput

__all__ = ["DECAY", "MOMENTUM", "RATE", "Peer"]

Tensor = Any
Call = Callable[..., Tensor]  # (training, *inputs) -> output
Translation = Callable[[Any, Node], Call]  # of PyTorch's module and a typed node

RATE, MOMENTUM, DECAY = 0.01, 0.9, 5e-4


def _lacks(node: Node, what: str) -> BackendError:
    return BackendError(f"{node.name} ({node.op.name}): the translation to PyTorch has no {what}")


def _convolution(torch: Any, node: Node) -> Call:
    op: Any = node.op
    if op.last:
        raise _lacks(node, f"layout {op.layout}")
    n = len(op.kernel)
    call = (torch.nn.functional.conv1d, torch.nn.functional.conv2d)[n - 1]
    _, stride, dilate, pad = op.window(n)
    return lambda training, x, w, b=None: call(x, w, b, stride, pad, dilate, op.num_group)


def _fully_connected(torch: Any, node: Node) -> Call:
    op: Any = node.op
    linear = torch.nn.functional.linear
    if op.flatten and len(node.inputs[0].shape) > 2:
        return lambda training, x, w, b=None: linear(x.flatten(1), w, b)
    return lambda training, x, w, b=None: linear(x, w, b)


def _activation(torch: Any, node: Node) -> Call:
    op: Any = node.op
    f = torch.nn.functional
    names = {"softrelu": f.softplus, "softsign": f.softsign}
    call = names.get(op.act_type) or getattr(torch, op.act_type)
    return lambda training, x: call(x)


def _leaky_relu(torch: Any, node: Node) -> Call:
    op: Any = node.op
    f = torch.nn.functional
    if op.act_type == "prelu":
        return lambda training, x, gamma: f.prelu(x, gamma)
    if op.act_type in ("leaky", "elu"):
        call = f.leaky_relu if op.act_type == "leaky" else f.elu
        return lambda training, x: call(x, op.slope)
    call = getattr(f, op.act_type)
    return lambda training, x: call(x)


def _pooling(torch: Any, node: Node) -> Call:
    op: Any = node.op
    if op.last:
        raise _lacks(node, f"layout {op.layout}")
    n = len(node.inputs[0].shape) - 2
    f, axes = torch.nn.functional, tuple(range(2, n + 2))
    if op.global_pool:
        call = {"max": torch.amax, "avg": torch.mean, "sum": torch.sum}[op.pool_type]
        return lambda training, x: call(x, axes, keepdim=True)
    full = op.pooling_convention == "full"
    if op.pool_type == "sum" or (full and op.pool_type == "avg"):
        raise _lacks(node, f"pool_type {op.pool_type} ({op.pooling_convention})")
    window = op.kernel, op.stride or (1,) * n, op.pad or (0,) * n
    if op.pool_type == "max":
        most = (f.max_pool1d, f.max_pool2d)[n - 1]
        return lambda training, x: most(x, *window, ceil_mode=full)
    mean = (f.avg_pool1d, f.avg_pool2d)[n - 1]
    return lambda training, x: mean(x, *window, count_include_pad=op.count_include_pad is not False)


def _batch_norm(torch: Any, node: Node) -> Call:
    op: Any = node.op
    if op.axis != 1 or op.output_mean_var:
        raise _lacks(node, "axis other than 1 and no output_mean_var")
    call = torch.nn.functional.batch_norm
    moving = op.use_global_stats

    def run(training: bool, x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        scale = None if op.fix_gamma else gamma
        return call(x, mean, var, scale, beta, training and not moving, 1 - op.momentum, op.eps)

    return run


def _lrn(torch: Any, node: Node) -> Call:
    op: Any = node.op
    call = torch.nn.functional.local_response_norm
    return lambda training, x: call(x, op.nsize, op.alpha, op.beta, op.knorm)


def _dropout(torch: Any, node: Node) -> Call:
    op: Any = node.op
    if op.axes:
        raise _lacks(node, "axes")
    call = torch.nn.functional.dropout
    return lambda training, x: call(x, op.p, training or op.mode == "always")


def _reshape(torch: Any, node: Node) -> Call:
    shape = Value(node).shape
    return lambda training, x: x.reshape(shape)


def _concat(torch: Any, node: Node) -> Call:
    op: Any = node.op
    return lambda training, *xs: torch.cat(xs, op.dim)


def _of_all(f: Callable[[Tensor, Tensor], Tensor]) -> Translation:
    return lambda torch, node: lambda training, *xs: reduce(f, xs)


def _with_scalar(f: Callable[[Tensor, float], Tensor]) -> Translation:
    return lambda torch, node: lambda training, x: f(x, node.op.scalar)  # type: ignore[attr-defined]


def _named(name: str) -> Translation:
    return lambda torch, node: lambda training, x: getattr(torch, name)(x)


TABLE: dict[str, Translation] = {
    "Activation": _activation,
    "BatchNorm": _batch_norm,
    "BlockGrad": lambda torch, node: lambda training, x: x.detach(),
    "Concat": _concat,
    "Convolution": _convolution,
    "Dropout": _dropout,
    "Flatten": _reshape,
    "FullyConnected": _fully_connected,
    "LRN": _lrn,
    "LeakyReLU": _leaky_relu,
    "Pooling": _pooling,
    "Reshape": _reshape,
    "_copy": lambda torch, node: lambda training, x: x,
    "_minus_scalar": _with_scalar(operator.sub),
    "_mul_scalar": _with_scalar(operator.mul),
    "_plus_scalar": _with_scalar(operator.add),
    "add_n": _of_all(operator.add),
    **{f"{kind}_add": _of_all(operator.add) for kind in ("broadcast", "elemwise")},
    **{f"{kind}_sub": _of_all(operator.sub) for kind in ("broadcast", "elemwise")},
    **{f"{kind}_mul": _of_all(operator.mul) for kind in ("broadcast", "elemwise")},
    **{name: _named(name) for name in ("abs", "exp", "relu", "sigmoid", "sqrt", "square", "tanh")},
}


@final
class Peer:
    """A bound symbol with one SoftmaxOutput over (n, classes), in PyTorch.

    `arrays` are arguments and states by name; they are PyTorch's memory from then on. Raises BackendError for an
    operator that the table lacks.
    """

    def __init__(self, bound: Bound, arrays: Mapping[str, np.ndarray]) -> None:
        import torch

        self._torch = torch
        self._tensors = {name: torch.from_numpy(a) for name, a in arrays.items()}
        trained = [n for n in bound.arguments if n in arrays]
        for name in trained:
            self._tensors[name].requires_grad_()
        self._logits = _before_softmax(bound.heads)
        self._steps = self._translated()
        decayed = [self._tensors[n] for n in trained if n.endswith(("_weight", "_gamma"))]
        rest = [self._tensors[n] for n in trained if not n.endswith(("_weight", "_gamma"))]
        groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": DECAY}, {"params": rest}]
        self._optimizer = torch.optim.SGD([g for g in groups if g["params"]], RATE, MOMENTUM)

    def _translated(self) -> list[tuple[Value, Call, tuple[Value, ...], list[Value]]]:
        """Give each value with what computes it, from what, and the values that nobody needs after it."""
        nodes = [node for node in toposort([self._logits]) if not node.op.is_variable]
        last = {v: node for node in nodes for v in node.inputs if not v.node.op.is_variable}
        dead: dict[Node, list[Value]] = {node: [] for node in nodes}
        for v, node in last.items():
            dead[node].append(v)
        return [(Value(node), self._translate(node), node.inputs, dead[node]) for node in nodes]

    def _translate(self, node: Node) -> Call:
        if node.op.name not in TABLE:
            raise _lacks(node, "such operator")
        return TABLE[node.op.name](self._torch, node)

    def logits(self, inputs: Mapping[str, Tensor], training: bool) -> Tensor:
        """Give what the softmax takes (n, classes)."""
        found: dict[Value, Tensor] = {}

        def get(v: Value) -> Tensor:
            if not v.node.op.is_variable:
                return found[v]
            name = v.node.name
            return inputs[name] if name in inputs else self._tensors[name]

        for value, call, xs, dead in self._steps:
            found[value] = call(training, *map(get, xs))
            for v in dead:
                del found[v]
        return get(self._logits)

    def step(self, inputs: Mapping[str, Tensor], label: Tensor) -> None:
        """Take one step: cross-entropy, backward, SGD with momentum and weight decay."""
        self._optimizer.zero_grad()
        loss = self._torch.nn.functional.cross_entropy(self.logits(inputs, True), label)
        loss.backward()
        self._optimizer.step()

    def infer(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Give the probabilities (n, classes)."""
        with self._torch.inference_mode():
            return self._torch.softmax(self.logits(inputs, False), 1)


def _before_softmax(heads: list[Value]) -> Value:
    node = heads[0].node
    if len(heads) != 1 or not isinstance(node.op, SoftmaxOutput):
        raise _lacks(node, "head but one SoftmaxOutput")
    if node.op != SoftmaxOutput() or len(node.inputs[0].shape) != 2:
        raise _lacks(node, "SoftmaxOutput but the usual one over (n, classes)")
    return node.inputs[0]
