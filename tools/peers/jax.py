"""A symbol's network in JAX: one jitted function; images have their channels last, as XLA's convolutions on CPUs do.

In training one function takes parameters, momenta and states, and gives the new ones in the same memory.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Any, NamedTuple, final

import numpy as np

from graphnn.bound import Bound
from graphnn.graph import Node, Value
from graphnn.tools.peers import walk
from graphnn.tools.runners import Case, Runner, network

__all__ = ["Network", "runner"]

Array = Any
Call = Callable[..., Array]  # (mode, *inputs) -> output
_lacks = partial(walk.lacks, "JAX")


class Mode(NamedTuple):
    """How a walk computes: in training with a key for random numbers; `states` takes the new states by name."""

    training: bool
    key: Any
    states: dict[str, Array]


def _channels_last(node: Node) -> bool:
    """Whether the node's output is an image, which the walk holds as (n, h, w, c)."""
    return len(Value(node).shape) == 4


def _plain(x: Array) -> Array:
    """Give an image as (n, c, h, w), as the symbol means it."""
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def _held(x: Array) -> Array:
    """Undo _plain: give (n, h, w, c)."""
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def _convolution(node: Node) -> Call:
    from jax import lax

    op: Any = node.op
    if op.last or len(op.kernel) != 2:
        raise _lacks(node, "convolution but NCHW")
    _, stride, dilate, pad = op.window(2)
    size = {"padding": [(p, p) for p in pad], "rhs_dilation": dilate, "feature_group_count": op.num_group}

    def run(mode: Mode, x: Array, w: Array, b: Array = 0.0) -> Array:
        return lax.conv_general_dilated(x, w, stride, dimension_numbers=("NHWC", "HWIO", "NHWC"), **size) + b

    return run


def _fully_connected(node: Node) -> Call:
    flat = node.op.flatten  # type: ignore[attr-defined]

    def run(mode: Mode, x: Array, w: Array, b: Array = 0.0) -> Array:
        x = _plain(x)
        return (x.reshape(x.shape[0], -1) if flat else x) @ w + b

    return run


def _activation(node: Node) -> Call:
    import jax

    kind = node.op.act_type  # type: ignore[attr-defined]
    call = {"softrelu": jax.nn.softplus, "softsign": jax.nn.soft_sign}.get(kind) or getattr(jax.nn, kind)
    return lambda mode, x: call(x)


def _leaky_relu(node: Node) -> Call:
    import jax
    from jax import numpy as jnp

    op: Any = node.op
    if op.act_type == "prelu":
        return lambda mode, x, gamma: jnp.where(x > 0, x, x * gamma)
    if op.act_type == "gelu":
        return lambda mode, x: jax.nn.gelu(x, approximate=False)
    if op.act_type in ("leaky", "elu"):
        call = jax.nn.leaky_relu if op.act_type == "leaky" else jax.nn.elu
        return lambda mode, x: call(x, op.slope)
    return lambda mode, x: getattr(jax.nn, op.act_type)(x)


def _pooling(node: Node) -> Call:
    from jax import lax
    from jax import numpy as jnp

    op: Any = node.op
    sizes = node.inputs[0].shape[2:]
    if op.last or len(sizes) != 2:
        raise _lacks(node, "pooling but NCHW")
    if op.global_pool:
        whole: Any = {"max": jnp.max, "avg": jnp.mean, "sum": jnp.sum}[op.pool_type]
        return lambda mode, x: whole(x, (1, 2), keepdims=True)
    pads, windows, strides = [], [], []
    for x, (k, s, p, m) in zip(sizes, op.geometry(sizes), strict=True):
        windows.append(k)
        strides.append(s)
        pads.append((p, max((m - 1) * s + k - x - p, 0)))
    if op.pool_type != "max" and op.pooling_convention == "full":
        raise _lacks(node, f"pool_type {op.pool_type} (full)")
    window, stride, pad = (1, *windows, 1), (1, *strides, 1), ((0, 0), *pads, (0, 0))
    if op.pool_type == "max":
        return lambda mode, x: lax.reduce_window(x, -jnp.inf, lax.max, window, stride, pad)

    def total(x: Array) -> Array:
        return lax.reduce_window(x, 0.0, lax.add, window, stride, pad)

    if op.pool_type == "sum":
        return lambda mode, x: total(x)
    if op.count_include_pad is False:
        return lambda mode, x: total(x) / total(jnp.ones_like(x))
    return lambda mode, x: total(x) / (windows[0] * windows[1])


def _batch_norm(node: Node) -> Call:
    from jax import lax
    from jax import numpy as jnp

    op: Any = node.op
    if op.axis != 1 or op.output_mean_var:
        raise _lacks(node, "axis other than 1 and no output_mean_var")
    names = [v.node.name for v in node.inputs[3:]]

    def run(mode: Mode, x: Array, gamma: Array, beta: Array, mean: Array, var: Array) -> Array:
        if mode.training and not op.use_global_stats:
            axes = tuple(range(x.ndim - 1))
            moving, mean, var = (mean, var), jnp.mean(x, axes), jnp.var(x, axes)
            for name, old, new in zip(names, moving, (mean, var), strict=True):
                mode.states[name] = old * op.momentum + lax.stop_gradient(new) * (1 - op.momentum)
        scale = lax.rsqrt(var + op.eps) * (1 if op.fix_gamma else gamma)
        return x * scale + (beta - mean * scale)

    return run


def _lrn(node: Node) -> Call:
    from jax import lax

    op: Any = node.op
    half = op.nsize // 2
    window, pad = (1, 1, 1, op.nsize), ((0, 0),) * 3 + ((half, half),)

    def run(mode: Mode, x: Array) -> Array:
        around = lax.reduce_window(x * x, 0.0, lax.add, window, (1, 1, 1, 1), pad)
        return x / (op.knorm + op.alpha / op.nsize * around) ** op.beta

    return run


def _dropout(node: Node) -> Call:
    import jax
    from jax import numpy as jnp

    op: Any = node.op
    if op.axes:
        raise _lacks(node, "axes")
    number = sum(map(ord, node.name))  # a stream of its own

    def run(mode: Mode, x: Array) -> Array:
        if not op.p or not (mode.training or op.mode == "always"):
            return x
        kept = jax.random.bernoulli(jax.random.fold_in(mode.key, number), 1 - op.p, x.shape)
        return jnp.where(kept, x / (1 - op.p), 0)

    return run


def _reshape(node: Node) -> Call:
    shape = Value(node).shape
    return lambda mode, x: _held(_plain(x).reshape(shape))


def _concat(node: Node) -> Call:
    from jax import numpy as jnp

    axis = node.op.dim  # type: ignore[attr-defined]
    if _channels_last(node):
        axis = (0, 3, 1, 2)[axis]
    return lambda mode, *xs: jnp.concatenate(xs, axis)


def _clip(node: Node) -> Call:
    from jax import numpy as jnp

    op: Any = node.op
    return lambda mode, x: jnp.clip(x, op.a_min, op.a_max)


def _stopped(node: Node) -> Call:
    from jax import lax

    return lambda mode, x: lax.stop_gradient(x)


def _of_all(f: Callable[[Array, Array], Array]) -> Callable[[Node], Call]:
    return lambda node: lambda mode, *xs: reduce(f, xs)


def _with_scalar(f: Callable[[Array, float], Array]) -> Callable[[Node], Call]:
    return lambda node: lambda mode, x: f(x, node.op.scalar)  # type: ignore[attr-defined]


def _named(name: str) -> Callable[[Node], Call]:
    def translate(node: Node) -> Call:
        import jax

        call = getattr(jax.nn, name, None) or getattr(jax.numpy, name)
        return lambda mode, x: call(x)

    return translate


TABLE: dict[str, Callable[[Node], Call]] = {
    "Activation": _activation,
    "BatchNorm": _batch_norm,
    "BlockGrad": _stopped,
    "Concat": _concat,
    "Convolution": _convolution,
    "Dropout": _dropout,
    "Flatten": _reshape,
    "FullyConnected": _fully_connected,
    "LRN": _lrn,
    "LeakyReLU": _leaky_relu,
    "Pooling": _pooling,
    "Reshape": _reshape,
    "_copy": lambda node: lambda mode, x: x,
    "_minus_scalar": _with_scalar(operator.sub),
    "_mul_scalar": _with_scalar(operator.mul),
    "_plus_scalar": _with_scalar(operator.add),
    "add_n": _of_all(operator.add),
    "clip": _clip,
    **{f"elemwise_{kind}": _of_all(getattr(operator, kind)) for kind in ("add", "sub", "mul")},
    **{name: _named(name) for name in ("abs", "exp", "relu", "sigmoid", "sqrt", "square", "tanh")},
}


# how a layer's weight is held: (h, w, in, out) and (in, out)
_TURNS = {"Convolution": (2, 3, 1, 0), "FullyConnected": (1, 0)}


@final
class Network:
    """A bound symbol with one SoftmaxOutput over (n, classes), in JAX; `arrays` are arguments and states by name.

    Raises BackendError for an operator that the table lacks.
    """

    def __init__(self, bound: Bound, arrays: Mapping[str, np.ndarray]) -> None:
        self._logits = walk.logits_of(bound, "JAX")
        self._steps = walk.steps_of(self._logits, "JAX", TABLE)
        names = walk.trained(bound, arrays)
        self._turned = {
            step.value.node.inputs[1].node.name: _TURNS[step.value.node.op.name]
            for step in self._steps
            if step.value.node.op.name in _TURNS
        }
        self.params = {n: self._given(n, arrays[n]) for n in names}
        self.states = {n: self._given(n, a) for n, a in arrays.items() if n not in self.params}
        self.momenta = {n: 0 * a for n, a in self.params.items()}

    def _given(self, name: str, a: np.ndarray) -> Array:
        """Give a layer's weight with its outputs last, the rest as it is."""
        from jax import numpy as jnp

        return jnp.array(np.ascontiguousarray(a.transpose(self._turned[name])) if name in self._turned else a)

    def logits(self, mode: Mode, params: Any, states: Any, inputs: Any) -> Array:
        """Give what the softmax takes (n, classes), and in training the new states."""
        return walk.evaluate(self._steps, self._logits, mode, {**params, **states, **inputs})

    def infer(self, params: Any, states: Any, inputs: Any) -> Array:
        """Give the probabilities (n, classes)."""
        import jax

        return jax.nn.softmax(self.logits(Mode(False, None, {}), params, states, inputs), 1)

    def step(self, params: Any, momenta: Any, states: Any, inputs: Any, label: Any, key: Any) -> Any:
        """Give parameters, momenta and states after one step of SGD with momentum and weight decay."""
        import jax

        def loss(params: Any) -> Any:
            mode = Mode(True, key, {})
            logits = jax.nn.log_softmax(self.logits(mode, params, states, inputs), 1)
            return -logits[jax.numpy.arange(len(label)), label].mean(), mode.states

        (_, moved), grads = jax.value_and_grad(loss, has_aux=True)(params)
        for name in params:
            g = grads[name] + walk.DECAY * params[name] if walk.decayed(name) else grads[name]
            grads[name] = walk.MOMENTUM * momenta[name] + g
        params = {n: p - walk.RATE * grads[n] for n, p in params.items()}
        return params, grads, {**states, **moved}


def runner(name: str, case: Case) -> Runner:
    """The same weights and data in JAX."""
    import jax

    batch = case.batch()
    peer = Network(*network(case))
    inputs = {n: jax.numpy.asarray(_held(a)) for n, a in zip(case.shapes, batch.data, strict=True)}
    infer = jax.jit(peer.infer)

    def inferred() -> Array:
        return infer(peer.params, peer.states, inputs).block_until_ready()

    if case.mode == "infer":
        return Runner(name, inferred, lambda: np.array(inferred()))
    label = jax.numpy.asarray(batch.label[0].astype(np.int32)) if batch.label else None
    step = jax.jit(peer.step, donate_argnums=(0, 1, 2))
    key = jax.random.key(0)

    def run() -> None:
        nonlocal key
        if case.random:
            key = jax.random.fold_in(key, 1)
        new = step(peer.params, peer.momenta, peer.states, inputs, label, key)
        peer.params, peer.momenta, peer.states = jax.block_until_ready(new)

    return Runner(name, run, lambda: np.array(inferred()))
