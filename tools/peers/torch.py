"""A symbol's network in PyTorch: eager, with channels last, or compiled; cross-entropy, SGD with momentum."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Any, final

import numpy as np

from graphnn.bound import Bound
from graphnn.graph import Node, Value
from graphnn.tools.peers import walk
from graphnn.tools.runners import Case, Runner, network

__all__ = ["FORMS", "Peer", "runner"]

Tensor = Any
Call = Callable[..., Tensor]  # (training, *inputs) -> output
Translation = Callable[[Any, Node], Call]  # of PyTorch's module and a typed node

FORMS = ("eager", "last", "compile")
_lacks = partial(walk.lacks, "PyTorch")


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


def _clip(torch: Any, node: Node) -> Call:
    op: Any = node.op
    return lambda training, x: torch.clamp(x, op.a_min, op.a_max)


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
    "clip": _clip,
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

    `arrays` are arguments and states by name; they are PyTorch's memory from then on. `form` is one of FORMS. Raises
    BackendError for an operator that the table lacks.
    """

    def __init__(self, bound: Bound, arrays: Mapping[str, np.ndarray], form: str = "eager") -> None:
        import torch

        self._torch, self._form = torch, form
        tensors = {name: self.given(a) for name, a in arrays.items()}
        trained = walk.trained(bound, arrays)
        self._tensors = tensors | {name: torch.nn.Parameter(tensors[name]) for name in trained}
        self._logits = walk.logits_of(bound, "PyTorch")
        self._steps = walk.steps_of(self._logits, "PyTorch", {k: partial(f, torch) for k, f in TABLE.items()})
        groups: list[dict[str, Any]] = [
            {"params": [self._tensors[n] for n in trained if walk.decayed(n)], "weight_decay": walk.DECAY},
            {"params": [self._tensors[n] for n in trained if not walk.decayed(n)]},
        ]
        self._optimizer = torch.optim.SGD([g for g in groups if g["params"]], walk.RATE, walk.MOMENTUM, fused=True)
        self._compiled: dict[bool, Any] = {}

    def given(self, a: np.ndarray) -> Tensor:
        """Give an array as a tensor in the layout of this form."""
        t = self._torch.from_numpy(a)
        return t.to(memory_format=self._torch.channels_last) if self._form == "last" and t.ndim == 4 else t

    def _head(self, training: bool, inputs: Mapping[str, Tensor], label: Tensor, tensors: Mapping[str, Tensor]) -> Any:
        """Give the loss in training, else the probabilities (n, classes)."""
        logits = walk.evaluate(self._steps, self._logits, training, {**tensors, **inputs})
        if training:
            return self._torch.nn.functional.cross_entropy(logits, label)
        return self._torch.softmax(logits, 1)

    def _run(self, training: bool, inputs: Mapping[str, Tensor], label: Tensor) -> Tensor:
        if self._form != "compile":
            return self._head(training, inputs, label, self._tensors)
        if training not in self._compiled:
            # A graph without Python in it: nothing of the walk is left to guard at every call.
            options: dict[str, Any] = {} if training else {"freezing": True}
            self._compiled[training] = self._torch.compile(self._traced(training, list(inputs)), options=options)
        return self._compiled[training](*inputs.values(), *((label,) if training else ()))

    def _traced(self, training: bool, names: list[str]) -> Any:
        """Record the walk as a module of torch.fx, with data (and in training the labels) as arguments."""
        fx, root = self._torch.fx, self._torch.nn.Module()
        graph, tensors = fx.Graph(), {}
        proxy = partial(fx.Proxy, tracer=fx.proxy.GraphAppendingTracer(graph))
        inputs = {name: proxy(graph.placeholder(f"x{k}")) for k, name in enumerate(names)}
        label = proxy(graph.placeholder("label")) if training else None
        for k, (name, t) in enumerate(self._tensors.items()):
            (root.register_parameter if isinstance(t, self._torch.nn.Parameter) else root.register_buffer)(f"p{k}", t)
            tensors[name] = proxy(graph.get_attr(f"p{k}"))
        graph.output(self._head(training, inputs, label, tensors).node)
        module = fx.GraphModule(root, graph)
        return module.train(training)

    def step(self, inputs: Mapping[str, Tensor], label: Tensor) -> None:
        """Take one step: cross-entropy, backward, SGD with momentum and weight decay."""
        self._optimizer.zero_grad()
        self._run(True, inputs, label).backward()
        self._optimizer.step()

    def infer(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Give the probabilities (n, classes)."""
        with self._torch.inference_mode() if self._form != "compile" else self._torch.no_grad():
            return self._run(False, inputs, None)

    def outputs(self, inputs: Mapping[str, Tensor]) -> np.ndarray:
        """Give the probabilities for the parameters of now: not by a compiled inference, which freezes them."""
        with self._torch.no_grad():
            found: np.ndarray = self._head(False, inputs, None, self._tensors).numpy()
        return found


def runner(name: str, case: Case, form: str) -> Runner:
    """The same weights and data in PyTorch."""
    import torch

    torch.set_num_threads(case.threads)
    batch = case.batch()
    peer = Peer(*network(case), form)
    inputs = {n: peer.given(a) for n, a in zip(case.shapes, batch.data, strict=True)}
    label = torch.from_numpy(batch.label[0]).long() if batch.label else None
    run = partial(peer.step, inputs, label) if case.mode == "train" else partial(peer.infer, inputs)
    return Runner(name, run, partial(peer.outputs, inputs))
