"""Executor: a symbol bound to arrays; forward, backward, and everything MXNet's executor shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from . import backend as backends
from . import memory
from .arena import ARENA
from .bound import STATE, Bound
from .errors import BindError, DTypeError, ShapeError
from .graph import toposort
from .plan import Graph, Plan
from .symbol import Symbol
from .types import Shape, TensorType, show_shape

__all__ = ["INFERENCE", "Executor", "Options", "bind", "plan_of", "simple_bind"]

Arrays = Mapping[str, np.ndarray]
INFERENCE = 1 << 63  # the first number of a call of inference
MOST_THREADS = 1024
REQS = ("write", "add", "null")
Monitor = Callable[[str, np.ndarray], object]


@dataclass(frozen=True)
class Options:
    """How to run: the backend, whether to rewrite and share memory, threads, the algorithm of convolutions whose node
    has no `__conv_algo__` ("auto" picks by shape), the seed of random operators, the bytes that arrays and one program
    may take (None: 75% of the machine's memory), whether algorithms are timed here where "auto" would pick, and whether
    the backward part makes cheap values again instead of keeping them.
    """

    backend: str = "numpy"
    optimize: bool = True
    threads: int = 1
    conv_algo: str = "auto"
    seed: int = 0
    max_memory: int | None = None
    tune: bool = False
    recompute: bool = False

    @classmethod
    def names(cls) -> list[str]:
        return [f.name for f in fields(cls)]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Make options from keywords; raise BindError for an unknown one or a value that makes no sense."""
        for key in given:
            if key not in cls.names():
                raise BindError(f"no option {key!r}; there are: {', '.join(cls.names())}")
        options = cls(**given)
        for key, low, high in (("threads", 1, MOST_THREADS), ("seed", 0, (1 << 64) - 1)):
            value = getattr(options, key)
            if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= value <= high:
                raise BindError(f"{key} must be a whole number from {low} to {high}, got {value!r:.80}")
        for key in ("tune", "recompute"):
            if not isinstance(getattr(options, key), bool):
                raise BindError(f"{key} must be True or False, got {getattr(options, key)!r:.80}")
        return options


class Executor:
    """A symbol bound to arrays, which it reads and writes in place.

    `outputs` are the same arrays at every call: copy what must outlive the next forward().
    """

    def __init__(
        self,
        bound: Bound,
        args: dict[str, np.ndarray],
        grads: dict[str, np.ndarray],
        reqs: dict[str, str],
        aux: dict[str, np.ndarray],
        options: Options | None = None,
        pool: memory.Pool | None = None,
    ) -> None:
        self._bound, self._reqs, self._options, self._pool = bound, reqs, options or Options(), pool
        # An unknown backend or algorithm is told here, not at the first run.
        backends.get(self._options.backend).passes(backends.Wishes(self._options.conv_algo))
        memory.check(bound.nbytes(reqs), "binding", self._options.max_memory)
        if any(n.op.lacks_gradient for n in toposort(bound.heads)):
            bound.training(reqs)  # what cannot be differentiated is told here too
        self.arg_dict, self.grad_dict, self.aux_dict = args, grads, aux
        self._outputs = [self._memory(f"output:{k}", v.shape, v.dtype) for k, v in enumerate(bound.heads)]
        # What random operators draw from: seed and number of the call. Inference and training count apart, so that
        # scoring between steps changes no later mask.
        self._state = np.array([self._options.seed, 0], np.uint64)
        self._random = np.array([self._options.seed, INFERENCE, 0], np.uint64)
        if pool is not None:
            self._random = pool.random = self._random if pool.random is None else pool.random
        self._programs: dict[bool, backends.Program] = {}
        self._head_grads: dict[str, np.ndarray] = {}
        self._monitor: tuple[Monitor, bool] | None = None
        self._residuals = False

    def _memory(self, name: str, shape: Shape, dtype: str) -> np.ndarray:
        return memory.zeros(shape, dtype) if self._pool is None else self._pool.take(name, shape, dtype)

    # The arrays

    @property
    def symbol(self) -> Symbol:
        return self._bound.symbol

    @property
    def bound(self) -> Bound:
        """The symbol with every type known."""
        return self._bound

    @property
    def reqs(self) -> Mapping[str, str]:
        """What is done with the gradient of each argument: write, add or null."""
        return self._reqs

    @property
    def monitored(self) -> bool:
        return self._monitor is not None

    @property
    def outputs(self) -> list[np.ndarray]:
        return self._outputs

    @property
    def random_state(self) -> np.ndarray:
        """The seed and the numbers of calls of inference and of training (3,) uint64: what random draws need."""
        return self._random

    @property
    def output_dict(self) -> dict[str, np.ndarray]:
        return dict(zip(self._bound.outputs, self._outputs, strict=True))

    @property
    def arg_arrays(self) -> list[np.ndarray]:
        return [self.arg_dict[n] for n in self._bound.arguments]

    @property
    def grad_arrays(self) -> list[np.ndarray | None]:
        return [self.grad_dict.get(n) for n in self._bound.arguments]

    @property
    def aux_arrays(self) -> list[np.ndarray]:
        return [self.aux_dict[n] for n in self._bound.aux]

    def copy_params_from(
        self, arg_params: Arrays, aux_params: Arrays | None = None, allow_extra_params: bool = False
    ) -> None:
        """Copy values into arguments and states by name."""
        for given, own, kind in ((arg_params, self.arg_dict, "argument"), (aux_params or {}, self.aux_dict, "state")):
            for name, value in given.items():
                if name in own:
                    _copy_into(own[name], value, name)
                elif not allow_extra_params:
                    raise BindError(f"no {kind} {name!r}: allow_extra_params=True ignores what the network lacks")

    # Running

    def forward(self, is_train: bool = False, **inputs: Any) -> list[np.ndarray]:
        """Copy `inputs` into arguments, run, give the outputs."""
        self.feed(is_train, **inputs)
        self._program(is_train).run(0)
        self._residuals = is_train
        if self._monitor:
            self._watch(is_train, *self._monitor)
        return self._outputs

    def freeze(self, *inputs: str) -> None:
        """Take all arrays but those of the arguments `inputs` as they are for every inference to come.

        What depends on them alone is computed now: a BatchNorm becomes part of the convolution before it, weights lie
        as kernels want them. Call it again after changing parameters.
        """
        for name in inputs:
            if name not in self.arg_dict:
                raise BindError(f"no argument {name!r}; arguments: {', '.join(self._bound.arguments)}")
        arrays = {n: a for n, a in {**self.arg_dict, **self.aux_dict}.items() if n not in inputs}
        graph, types = self._bound.inference()
        self._programs[False] = self.link(Graph(graph.heads), types, frozen=arrays)

    def feed(self, is_train: bool, **inputs: Any) -> None:
        """Copy `inputs` into arguments; for training, go on to the next random numbers."""
        for name, value in inputs.items():
            if name not in self.arg_dict:
                raise BindError(f"no argument {name!r}; arguments: {', '.join(self._bound.arguments)}")
            _copy_into(self.arg_dict[name], value, name)
        self._random[1 + is_train] += np.uint64(1)
        self._state[:] = self._random[0], self._random[1 + is_train]
        self._residuals = False

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the last forward(); `out_grads` gives those of the heads that are no losses.

        Without live residuals (called twice, or after inference) the forward part runs again first, in training mode
        and with the same random numbers.
        """
        program = self._program(True)
        last = None if self._pool is None else self._pool.last
        if isinstance(last, _Pooled) and last.owner is not self:
            raise BindError("another network that shares this one's memory has run since: call forward() again")
        self._take_head_grads(out_grads)
        if not self._residuals or (self._pool is not None and last is not program):
            program.run(0)
        program.run(1)
        self._residuals = False
        if self._monitor:
            self._watch_backward(self._monitor[0])

    def _take_head_grads(self, out_grads: Any) -> None:
        given = [] if out_grads is None else list(out_grads) if isinstance(out_grads, (list, tuple)) else [out_grads]
        if given and len(given) != len(self._outputs):
            raise BindError(f"{len(given)} head gradients for {len(self._outputs)} outputs")
        for name, array in self._head_grads.items():
            k = int(name.split(":")[1])
            if not given or given[k] is None:
                raise BindError(
                    f"{self._bound.outputs[k]} is no loss: backward() needs its head gradient, "
                    f"an array of shape {show_shape(array.shape)}"
                )
            _copy_into(array, given[k], f"the head gradient of {self._bound.outputs[k]}")

    def _program(self, is_train: bool) -> backends.Program:
        program = self._programs.get(is_train)
        if program is None:
            if is_train:
                graph, inputs, heads = self._bound.training(self._reqs)
                self._head_grads = {n: self._memory(n, inputs[n].shape, inputs[n].dtype) for n in heads}
            else:
                graph, inputs = self._bound.inference()
            program = self._programs[is_train] = self.link(graph, inputs)
        return program

    def link(
        self,
        graph: Graph,
        inputs: Mapping[str, TensorType],
        extra: Arrays | None = None,
        frozen: Arrays | None = None,
    ) -> backends.Program:
        """Compile a graph and link it to the executor's arrays and to `extra` ones; those in `frozen` never change."""
        o = self._options
        plan = backends.compile(
            graph, inputs, o.backend, o.optimize, o.conv_algo, frozen, o.threads, o.tune, o.recompute
        )
        whole = self._bound.nbytes(self._reqs) + plan.arena_bytes + plan.scratch_bytes
        memory.check(whole, "the program with its arrays", o.max_memory)
        arrays = {**self._arrays(), **(extra or {})}
        if self._pool is None:
            return backends.get(o.backend).link(plan, arrays, o.threads)
        arrays[ARENA] = self._pool.take(ARENA, (plan.arena_bytes,), "uint8")
        return _Pooled(backends.get(o.backend).link(plan, arrays, o.threads), self._pool, self)

    def _arrays(self) -> dict[str, np.ndarray]:
        grads = {f"grad:{k}": v for k, v in self.grad_dict.items()}
        heads = {f"output:{k}": v for k, v in enumerate(self._outputs)}
        return {**self.arg_dict, **self.aux_dict, **grads, **heads, **self._head_grads, STATE: self._state}

    def plan(self, is_train: bool = False) -> Plan:
        """Give the memory plan of inference or training."""
        return self._program(is_train).plan

    def debug_str(self) -> str:
        """Give the steps and the memory plan as text."""
        plan = self.plan(any(r != "null" for r in self._reqs.values()))
        return f"{plan.steps_text()}\n{plan}"

    def set_monitor_callback(self, callback: Monitor | None, monitor_all: bool = False) -> None:
        """Call `callback(name, array)` with every visible output (and with `monitor_all` every input) of each node.

        After backward(), with the gradients that the nodes made for their inputs. None: no longer.
        """
        self._monitor = None if callback is None else (callback, monitor_all)

    def _watch(self, is_train: bool, callback: Monitor, inputs_too: bool) -> None:
        """Run a second program that keeps every output, on copies, and show what it made."""
        internals = self.symbol.get_internals()
        shapes = {n: a.shape for n, a in {**self.arg_dict, **self.aux_dict}.items()}
        dtypes = {n: a.dtype for n, a in {**self.arg_dict, **self.aux_dict}.items()}
        args = {k: v.copy() for k, v in self.arg_dict.items()}
        aux = {k: v.copy() for k, v in self.aux_dict.items()}
        bound = Bound(internals, shapes, dtypes)
        shadow = Executor(bound, args, {}, {}, aux, replace(self._options, optimize=False))
        shadow._random[1 + is_train] = self._random[1 + is_train] - np.uint64(1)
        for value, name, array in zip(internals.values, bound.outputs, shadow.forward(is_train), strict=True):
            if inputs_too or not value.node.op.is_variable:
                callback(name, array)

    def _watch_backward(self, callback: Monitor) -> None:
        """Run a third program, of the gradients that each node made for its inputs, and show them."""
        graph, inputs, names = self._bound.edges(self._reqs)
        found = {f"output:{k}": memory.zeros(v.shape, v.dtype) for k, v in enumerate(graph.heads)}
        shadow = Executor(self._bound, self.arg_dict, {}, {}, self.aux_dict, replace(self._options, optimize=False))
        shadow.link(graph, inputs, {**self._head_grads, STATE: self._state, **found}).run(0)
        for name, array in zip(names, found.values(), strict=True):
            callback(name, array)

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **shapes: Shape) -> Executor:
        """Give an executor for other input shapes that shares parameters, gradients and states.

        Inputs and outputs that become smaller lie in the memory of the larger ones, as in MXNet.
        """
        old = {n: a.shape for n, a in self.arg_dict.items()}
        dtypes = {n: a.dtype for n, a in {**self.arg_dict, **self.aux_dict}.items()}
        bound = Bound(self.symbol, shapes, dtypes)
        args, grads = {}, {}
        for name in bound.arguments:
            new = bound.types[name]
            if new.shape == old[name]:
                args[name] = self.arg_dict[name]
                if name in self.grad_dict:
                    grads[name] = self.grad_dict[name]
                continue
            if name not in shapes and not partial_shaping:
                raise BindError(
                    f"the shape of {name!r} changes from {show_shape(old[name])} to {show_shape(new.shape)}: "
                    "partial_shaping=True allows it"
                )
            if new.size > self.arg_dict[name].size and not allow_up_sizing:
                raise BindError(f"{name!r} grows to {show_shape(new.shape)}: allow_up_sizing=True allows new memory")
            args[name] = _resized(self.arg_dict[name], new)
            if name in self.grad_dict:
                grads[name] = _resized(self.grad_dict[name], new)
        other = Executor(bound, args, grads, self._reqs, self.aux_dict, self._options)
        other._outputs = [_resized(y, v.type) for y, v in zip(self._outputs, bound.heads, strict=True)]
        return other


class _Pooled:
    """A program whose arena is a pool's; the pool knows when it runs."""

    def __init__(self, program: backends.Program, pool: memory.Pool, owner: Executor) -> None:
        self.plan, self.owner = program.plan, owner
        self._program, self._pool = program, pool

    def run(self, part: int | None = None) -> None:
        self._pool.last = self
        self._program.run(part)


def _resized(array: np.ndarray, wanted: TensorType) -> np.ndarray:
    """Give the beginning of an array in another shape, or zeros where that is larger."""
    if wanted.size > array.size or wanted.dtype != array.dtype:
        return memory.zeros(wanted.shape, wanted.dtype)
    return array.reshape(-1)[: wanted.size].reshape(wanted.shape)


def _copy_into(target: np.ndarray, value: Any, name: str) -> None:
    try:
        value = np.asarray(value)
    except ValueError:
        raise ShapeError(f"{name} has shape {show_shape(target.shape)}, got rows of different lengths") from None
    if value.dtype.kind not in "biuf":
        raise DTypeError(f"{name} must hold numbers, got {value.dtype}")
    if value.shape != target.shape:
        raise ShapeError(f"{name} has shape {show_shape(target.shape)}, got {show_shape(value.shape)}")
    np.copyto(target, value, casting="unsafe")


def _requests(symbol: Symbol, grad_req: Any) -> dict[str, str]:
    """Read `grad_req` in its three forms: one word, a list, or a dict in which missing names mean null."""
    names = symbol.list_arguments()
    if isinstance(grad_req, str):
        reqs = dict.fromkeys(names, grad_req)
    elif isinstance(grad_req, (list, tuple)):
        if len(grad_req) != len(names):
            raise BindError(f"{len(grad_req)} grad_req for {len(names)} arguments")
        reqs = dict(zip(names, grad_req, strict=True))
    else:
        _known(grad_req, names, "grad_req")
        reqs = {n: grad_req.get(n, "null") for n in names}
    for name, req in reqs.items():
        if req not in REQS:
            raise BindError(f"grad_req of {name!r} must be one of {', '.join(REQS)}, got {req!r}")
    return reqs


def _known(given: Mapping[str, object], names: Sequence[str], what: str) -> None:
    for key in given:
        if key not in names:
            raise BindError(f"{what}: no argument {key!r}; there are: {', '.join(names)}")


def _named(given: Any, names: Sequence[str], what: str, need_all: bool) -> dict[str, np.ndarray]:
    """Bring a list or dict of arrays into a dict; check names and count."""
    if given is None:
        given = {}
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise BindError(f"{what}: {len(given)} arrays for {len(names)}: {', '.join(names)}")
        if len(set(names)) != len(names):
            raise BindError(f"{what}: two variables share a name; bind by dict fills both")
        given = {n: a for n, a in zip(names, given, strict=True) if a is not None}
    _known(given, names, what)
    missing = [n for n in names if n not in given]
    if missing and need_all:
        raise BindError(f"{what}: no array for {', '.join(map(repr, missing))}")
    for name, a in given.items():
        if not isinstance(a, np.ndarray) or not a.flags.c_contiguous or not a.flags.writeable:
            raise BindError(f"{what}: {name!r} must be a writable C-contiguous NumPy array")
    return dict(given)


def bind(
    symbol: Symbol,
    args: Any,
    args_grad: Any = None,
    grad_req: Any = "write",
    aux_states: Any = None,
    group2ctx: object = None,
    **options: Any,
) -> Executor:
    """Bind to arrays, which are held by reference. `group2ctx` is accepted and has no effect.

    `args` and `aux_states` are lists in order or dicts by name; `args_grad` may leave out names, whose gradients are
    then not computed. Raises BindError for names and counts, ShapeError for shapes.
    """
    values = _named(args, symbol.list_arguments(), "args", need_all=True)
    aux = _named(aux_states, symbol.list_auxiliary_states(), "aux_states", need_all=True)
    grads = _named(args_grad, symbol.list_arguments(), "args_grad", need_all=False)
    both = {**values, **aux}
    bound = Bound(symbol, {n: a.shape for n, a in both.items()}, {n: a.dtype for n, a in both.items()})
    for name, a in both.items():
        if name in bound.types and a.shape != bound.types[name].shape:
            raise ShapeError(f"{name} must have shape {bound.types[name].shape}, got {a.shape}")
    for name, a in grads.items():
        if a.shape != values[name].shape or a.dtype != values[name].dtype:
            raise ShapeError(f"the gradient of {name} must be like it: {values[name].dtype}{values[name].shape}")
    reqs = {n: (r if n in grads else "null") for n, r in _requests(symbol, grad_req).items()}
    return Executor(bound, values, grads, reqs, aux, Options.of(options))


def simple_bind(
    symbol: Symbol,
    grad_req: Any = "write",
    type_dict: Mapping[str, object] | None = None,
    group2ctx: object = None,
    **shapes: Any,
) -> Executor:
    """Bind to new arrays of zeros for the given input shapes; keywords named as fields of Options are options.

    `group2ctx` is accepted and has no effect: there is one device.

    Gradient arrays are made for every argument whose `grad_req` is not null. Raises BindError, before anything is
    allocated, for a network that takes more than `max_memory` bytes (None: 75% of the machine's memory).
    """
    options = Options.of({k: shapes.pop(k) for k in Options.names() if k in shapes})
    bound = Bound(symbol, shapes, type_dict or {})
    reqs = _requests(symbol, grad_req)
    memory.check(bound.nbytes(reqs), "binding", options.max_memory)
    args = {n: memory.zeros(bound.types[n].shape, bound.types[n].dtype) for n in bound.arguments}
    grads = {n: memory.zeros(args[n].shape, args[n].dtype) for n in bound.arguments if reqs[n] != "null"}
    aux = {n: memory.zeros(bound.types[n].shape, bound.types[n].dtype) for n in bound.aux}
    return Executor(bound, args, grads, reqs, aux, options)


def plan_of(symbol: Symbol, is_train: bool, shapes: Mapping[str, Shape], backend: str = "numpy") -> Plan:
    """Plan one run without making any array."""
    bound = Bound(symbol, shapes, {})
    if is_train:
        reqs = {n: "null" if n in shapes or n.endswith("label") else "write" for n in bound.arguments}
        graph, inputs, _ = bound.training(reqs)
    else:
        graph, inputs = bound.inference()
    return backends.compile(graph, inputs, backend)
