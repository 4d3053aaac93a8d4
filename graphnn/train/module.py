"""Module: MXNet's life cycle of training around one executor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from time import perf_counter
from typing import Any

import numpy as np

from .. import backend as backends
from .. import memory
from ..data import DataBatch, DataIter
from ..errors import BindError, FormatError, ParameterError
from ..executor import Executor, Options
from ..formats import states
from ..model import load_checkpoint, save_checkpoint, states_file
from ..plan import Plan
from ..symbol import Symbol
from . import metric as metrics
from . import optimizer as optimizers
from .callback import BatchEndParam
from .initializer import InitDesc, Initializer, Uniform, rng_for
from .initializer import create as create_initializer
from .step import RATE, step_graph, update_graph

__all__ = ["Module"]

Arrays = Mapping[str, np.ndarray]
Callbacks = Callable[..., Any] | Sequence[Callable[..., Any]] | None


class Module:
    """A symbol with data, parameters and an optimiser.

    bind() makes the arrays, init_params() fills them, init_optimizer() adds the optimiser; then forward(), backward()
    and update(), or fit() for all of it. `backend` and what follows it are the executor's options.
    """

    def __init__(
        self,
        symbol: Symbol,
        data_names: Sequence[str] = ("data",),
        label_names: Sequence[str] = ("softmax_label",),
        logger: logging.Logger | None = None,
        fixed_param_names: Sequence[str] = (),
        backend: str = "numpy",
        threads: int = 1,
        seed: int = 0,
        conv_algo: str = "auto",
        max_memory: int | None = None,
        tune: bool = False,
        recompute: bool = False,
    ) -> None:
        arguments = symbol.list_arguments()
        for name in (*data_names, *fixed_param_names):
            if name not in arguments:
                raise BindError(f"{name!r} is no argument of the symbol; arguments: {', '.join(arguments)}")
        self.symbol = symbol
        self.data_names = list(data_names)
        self.label_names = [n for n in label_names if n in arguments]
        self.logger = logger or logging.getLogger("graphnn")
        wanted = {
            "backend": backend,
            "threads": threads,
            "conv_algo": conv_algo,
            "seed": seed,
            "max_memory": max_memory,
            "tune": tune,
            "recompute": recompute,
        }
        self._options = Options.of(wanted)
        inputs = {*self.data_names, *self.label_names}
        self._params = [n for n in arguments if n not in inputs]
        self._fixed = set(fixed_param_names)
        self._executor: Executor | None = None
        self._optimizer: optimizers.Optimizer | None = None
        self._updates = 0
        self._states: dict[str, np.ndarray] = {}
        self._rate = np.zeros(1, np.float32)
        self._update_program: backends.Program | None = None
        self._step_program: backends.Program | None = None
        self._loaded: tuple[Arrays, Arrays] | None = None  # what load() read and bind() will set
        self._states_file: str | None = None  # what init_optimizer() will read
        self.params_initialized = False
        self.for_training = False

    @classmethod
    def load(cls, prefix: str, epoch: int, load_optimizer_states: bool = False, **options: Any) -> Module:
        """Make a module from a checkpoint: bind() sets its parameters, init_optimizer() its states if asked for.

        `options` are the constructor's. Raises FormatError for files that are not a checkpoint's.
        """
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        module = cls(symbol, **options)
        module._loaded = arg_params, aux_params
        module._states_file = states_file(prefix, epoch) if load_optimizer_states else None
        return module

    # Looking at it

    @property
    def binded(self) -> bool:
        return self._executor is not None

    @property
    def optimizer_initialized(self) -> bool:
        return self._optimizer is not None

    @property
    def learning_rate(self) -> float:
        """The rate of the last step."""
        return self._optimizer.rate(max(1, self._updates)) if self._optimizer else 0.0

    @property
    def output_names(self) -> list[str]:
        return self.symbol.list_outputs()

    @property
    def executor(self) -> Executor:
        """The executor; raises BindError before bind()."""
        if self._executor is None:
            raise BindError("the module is not bound: call bind(data_shapes, label_shapes) first")
        return self._executor

    @property
    def optimizer(self) -> optimizers.Optimizer:
        """The optimiser; raises BindError before init_optimizer()."""
        if self._optimizer is None:
            raise BindError("there is no optimiser: call init_optimizer() first")
        return self._optimizer

    # The life cycle

    def bind(
        self,
        data_shapes: Sequence[Any],
        label_shapes: Sequence[Any] | None = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        grad_req: str = "write",
    ) -> None:
        """Make the arrays for these input shapes: pairs (name, shape), as iterators give them."""
        if self._executor is not None and not force_rebind:
            self.logger.warning("already bound; force_rebind=True binds again")
            return
        shapes = {d[0]: tuple(d[1]) for d in (*data_shapes, *(label_shapes or ()))}
        known = {*self.data_names, *self.label_names}
        for name in shapes:
            if name not in known:
                raise BindError(f"{name!r} is no input of the module; inputs: {', '.join(sorted(known))}")
        reqs = {n: grad_req for n in self._params if n not in self._fixed} if for_training else {}
        if inputs_need_grad:
            reqs |= dict.fromkeys(self.data_names, grad_req)
        old = self._executor
        self._executor = self.symbol.simple_bind(reqs, None, **asdict(self._options), **shapes)
        self.for_training, self._update_program, self._step_program = for_training, None, None
        if old is not None and self.params_initialized:
            self._executor.copy_params_from({n: old.arg_dict[n] for n in self._params}, old.aux_dict)
        elif self._loaded is not None:
            self.init_params(None, *self._loaded)
            self._loaded = None

    def init_params(
        self,
        initializer: Initializer | None = None,
        arg_params: Arrays | None = None,
        aux_params: Arrays | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Fill parameters and states: from the given arrays, the others by the initialiser."""
        executor = self.executor
        if self.params_initialized and not force_init:
            return
        initializer = create_initializer(initializer) if initializer is not None else Uniform(0.01)
        attrs = self.symbol.attr_dict()
        groups = (
            ({n: executor.arg_dict[n] for n in self._params}, arg_params, "arg_params"),
            (executor.aux_dict, aux_params, "aux_params"),
        )
        for own, given, what in groups:
            for name in given or {}:
                if name not in own and not allow_extra:
                    raise BindError(f"{what}: the network has no {name!r}; allow_extra=True ignores it")
            for name, array in own.items():
                if given and name in given:
                    executor.copy_params_from({name: given[name]}, {name: given[name]}, allow_extra_params=True)
                elif given is not None and not allow_missing:
                    raise BindError(f"{what}: {name!r} is missing; allow_missing=True initialises it")
                else:
                    initializer(InitDesc(name, attrs.get(name, {})), array, rng_for(self._options.seed, name))
        self.params_initialized = True

    def get_params(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Give copies of the parameters and the states."""
        executor = self.executor
        aux = {n: a.copy() for n, a in executor.aux_dict.items()}
        return {n: executor.arg_dict[n].copy() for n in self._params}, aux

    def set_params(
        self, arg_params: Arrays, aux_params: Arrays, allow_missing: bool = False, allow_extra: bool = False
    ) -> None:
        """Replace parameters and states; what is missing (allow_missing) keeps its values."""
        if allow_missing and self.params_initialized:
            own_arg, own_aux = self.get_params()
            arg_params, aux_params = {**own_arg, **arg_params}, {**own_aux, **aux_params}
        self.init_params(None, arg_params, aux_params, allow_missing, True, allow_extra)

    def init_optimizer(
        self,
        kvstore: object = None,
        optimizer: str | optimizers.Optimizer = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Add an optimiser; by name it gets rescale_grad = 1 / batch size unless told otherwise."""
        executor = self.executor
        if self._optimizer is not None and not force_init:
            self.logger.warning("the optimiser is there already; force_init=True replaces it")
            return
        params = dict(optimizer_params)
        if isinstance(optimizer, str):
            params.setdefault("rescale_grad", 1.0 / executor.arg_dict[self.data_names[0]].shape[0])
            optimizer = optimizers.create(optimizer, **params)
        self._optimizer, self._updates = optimizer, 0
        self._update_program, self._step_program = None, None
        self._states = {
            f"{state}:{name}": memory.zeros(executor.arg_dict[name].shape, executor.arg_dict[name].dtype)
            for name in self._trained()
            for state in optimizer.state_names()
        }
        if self._states_file is not None:
            self.load_optimizer_states(self._states_file)
            self._states_file = None

    # Checkpoints

    def save_checkpoint(self, prefix: str, epoch: int, save_optimizer_states: bool = False) -> None:
        """Write PREFIX-symbol.json, PREFIX-%04d.params and, if asked for, PREFIX-%04d.states.npz."""
        save_checkpoint(prefix, epoch, self.symbol, *self.get_params())
        if save_optimizer_states:
            self.save_optimizer_states(states_file(prefix, epoch))

    def save_optimizer_states(self, fname: str) -> None:
        """Write the optimiser's states, its count of steps and the random operators' state to an .npz file."""
        states.save(fname, self._all_states())

    def load_optimizer_states(self, fname: str) -> None:
        """Read what save_optimizer_states() wrote; raise FormatError unless the optimiser has exactly these states."""
        own = self._all_states()
        found = states.load(fname, own)
        updates = int(found.pop("updates"))
        if not 0 <= updates < 2**53:
            raise FormatError(fname, "array 'updates'", f"{updates} is no number of steps")
        self._updates = updates
        for name, array in found.items():
            own[name][...] = array

    def _all_states(self) -> dict[str, np.ndarray]:
        if self._optimizer is None:
            raise BindError("there is no optimiser: call init_optimizer() first")
        counts = {"updates": np.array(self._updates, np.int64), "random": self.executor.random_state}
        return {**counts, **self._states}

    def _trained(self) -> list[str]:
        return [n for n in self._params if n in self.executor.grad_dict]

    # A step

    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        """Run a batch; `is_train` defaults to how the module was bound."""
        self._check_ready()
        self.executor.forward(self.for_training if is_train is None else is_train, **self._feed(data_batch))

    def _check_ready(self) -> None:
        if not self.params_initialized:
            raise BindError("the parameters are not set: call init_params() first")

    def _feed(self, batch: DataBatch) -> dict[str, np.ndarray]:
        feed = dict(zip(self.data_names, batch.data, strict=True))
        if batch.label:
            feed |= dict(zip(self.label_names, batch.label, strict=False))
        return feed

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the last forward()."""
        self.executor.backward(out_grads)

    def update(self) -> None:
        """Take one step of the optimiser."""
        optimizer = self.optimizer
        if self._update_program is None:
            graph, types = update_graph(self.executor.bound, optimizer, self._trained(), self.symbol.attr_dict())
            self._update_program = self.executor.link(graph, types, self._optimizer_arrays())
        self._next_rate()
        self._update_program.run()

    def forward_backward(self, data_batch: DataBatch) -> None:
        """Run forward and backward."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def step(self, data_batch: DataBatch) -> None:
        """Run forward, backward and the optimiser as one program, with the numbers of the three calls.

        The arrays of the gradients keep what they had. Where one program cannot be (a head that is no loss, grad_req
        add, gradients of the data wanted, a monitor), the three calls are made.
        """
        program = self._whole_step()
        if program is None:
            self.forward_backward(data_batch)
            self.update()
            return
        self._check_ready()
        self.executor.feed(True, **self._feed(data_batch))
        self._next_rate()
        program.run()

    def _whole_step(self) -> backends.Program | None:
        if not self._fuses():
            return None
        if self._step_program is None:
            found = step_graph(self.executor.bound, self.executor.reqs, self.optimizer, self.symbol.attr_dict())
            if found is not None:
                self._step_program = self.executor.link(*found, self._optimizer_arrays())
        return self._step_program

    def plan(self) -> Plan:
        """Give the memory plan of step(): of the one program or, where there is none, of forward and backward."""
        program = self._whole_step()
        return self.executor.plan(True) if program is None else program.plan

    def _fuses(self) -> bool:
        return not self.executor.monitored and all(n in self._params for n in self.executor.grad_dict)

    def _optimizer_arrays(self) -> dict[str, np.ndarray]:
        return {**self._states, RATE: self._rate}

    def _next_rate(self) -> None:
        self._updates += 1
        self._rate[0] = self.optimizer.lr(self._updates)

    def get_outputs(self) -> list[np.ndarray]:
        """Give the outputs of the last forward(); the next one overwrites them."""
        return self.executor.outputs

    def get_input_grads(self) -> list[np.ndarray]:
        """Give the gradients of the data (bind with inputs_need_grad=True)."""
        return [self.executor.grad_dict[n] for n in self.data_names]

    def update_metric(self, eval_metric: metrics.EvalMetric, labels: Sequence[np.ndarray], pad: int = 0) -> None:
        """Show the last outputs to a metric; the last `pad` rows do not count."""
        eval_metric.update(list(labels), self.get_outputs(), pad)

    # Whole data sets

    def fit(
        self,
        train_data: DataIter,
        eval_data: DataIter | None = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Callbacks = None,
        batch_end_callback: Callbacks = None,
        optimizer: str | optimizers.Optimizer = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        eval_end_callback: Callbacks = None,
        initializer: Initializer | None = None,
        arg_params: Arrays | None = None,
        aux_params: Arrays | None = None,
        allow_missing: bool = False,
        begin_epoch: int = 0,
        num_epoch: int | None = None,
        validation_metric: Any = None,
    ) -> None:
        """Train for epochs begin_epoch .. num_epoch - 1; a callback that returns True ends it after its epoch."""
        if num_epoch is None:
            raise ParameterError("fit: give num_epoch")
        if not self.binded:
            self.bind(train_data.provide_data, train_data.provide_label)
        self.init_params(initializer, arg_params, aux_params, allow_missing)
        if not self.optimizer_initialized:
            self.init_optimizer(None, optimizer, optimizer_params)
        metric = metrics.create(eval_metric)
        validation = metrics.create(validation_metric) if validation_metric is not None else metrics.create(eval_metric)
        for epoch in range(begin_epoch, num_epoch):
            start = perf_counter()
            self._epoch(epoch, train_data, metric, batch_end_callback)
            for name, value in metric.get_global_name_value():
                self.logger.info("Epoch[%d] Train-%s=%f", epoch, name, value)
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, perf_counter() - start)
            arg, aux = self.get_params()
            stop = _call(epoch_end_callback, epoch, self.symbol, arg, aux)
            if eval_data is not None:
                for name, value in self.score(eval_data, validation):
                    self.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, value)
                stop |= _call(eval_end_callback, BatchEndParam(epoch, 0, validation))
            if stop:
                break

    def _epoch(self, epoch: int, data: DataIter, metric: metrics.EvalMetric, callbacks: Callbacks) -> None:
        metric.reset()
        data.reset()
        for k, batch in enumerate(data):
            self.step(batch)
            self.update_metric(metric, batch.label or (), batch.pad or 0)
            _call(callbacks, BatchEndParam(epoch, k, metric))

    def score(self, eval_data: DataIter, eval_metric: Any, num_batch: int | None = None) -> list[tuple[str, float]]:
        """Give the metric over a data set; padded rows never count."""
        metric = metrics.create(eval_metric)
        metric.reset()
        eval_data.reset()
        for k, batch in enumerate(eval_data):
            if num_batch is not None and k >= num_batch:
                break
            self.forward(batch, is_train=False)
            self.update_metric(metric, batch.label or (), batch.pad or 0)
        return metric.get_name_value()

    def predict(self, eval_data: DataIter, num_batch: int | None = None) -> np.ndarray | list[np.ndarray]:
        """Give the outputs over a data set, as new arrays; padded rows are cut."""
        eval_data.reset()
        parts: list[list[np.ndarray]] = [[] for _ in self.output_names]
        for k, batch in enumerate(eval_data):
            if num_batch is not None and k >= num_batch:
                break
            self.forward(batch, is_train=False)
            for part, out in zip(parts, self.get_outputs(), strict=True):
                part.append(out[: len(out) - (batch.pad or 0)].copy())
        joined = [np.concatenate(p) for p in parts]
        return joined[0] if len(joined) == 1 else joined


def _call(callbacks: Callbacks, *args: Any) -> bool:
    """Call one or several callbacks; tell whether one returned True."""
    if callbacks is None:
        return False
    many = [callbacks] if callable(callbacks) else callbacks
    return any([c(*args) is True for c in many])
