"""Module: MXNet's life cycle of training around one symbol."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import backend as backends
from ..data import DataDesc
from ..errors import BindError, FormatError, ParameterError
from ..executor import Executor, Options
from ..formats import states
from ..given import near
from ..model import existing_states, load_checkpoint, save_checkpoint, states_file
from ..plan import Plan
from ..symbol import Symbol
from . import metric as metrics
from . import optimizer as optimizers
from .base import Arrays, BaseModule, Shapes
from .described import SET_BY_DATA, Descs, as_fed, described
from .initializer import InitDesc, Initializer, Uniform, rng_for
from .initializer import create as create_initializer
from .monitor import Monitor
from .running import Running
from .sharing import Shared
from .step import step_graph, update_graph

__all__ = ["Module"]

KEPT = 16  # executors of other input shapes that a module keeps


@dataclass(eq=False)
class _Bound:
    """The network at one set of input shapes, and the programs of its optimiser."""

    executor: Executor
    data_shapes: Descs
    label_shapes: Descs
    update: backends.Program | None = None
    step: backends.Program | None = None


class Module(BaseModule):
    """A symbol with data, parameters and an optimiser.

    bind() makes the arrays, init_params() fills them, init_optimizer() adds the optimiser; then forward(), backward()
    and update(), or fit() for all of it. Batches of other shapes are bound when they come. `state_names` are arguments
    that set_states() sets and nothing trains. `context`, `work_load_list`, `group2ctxs` and `compression_params` are
    accepted and have no effect. `backend` and what follows it are the executor's options.
    """

    def __init__(
        self,
        symbol: Symbol,
        data_names: Sequence[str] | None = ("data",),
        label_names: Sequence[str] | None = ("softmax_label",),
        logger: Any = None,
        context: object = None,
        work_load_list: object = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: object = None,
        compression_params: object = None,
        **options: Any,
    ) -> None:
        super().__init__(logger if isinstance(logger, logging.Logger) else None)
        arguments = symbol.list_arguments()
        for name in (*(data_names or ()), *(fixed_param_names or ()), *(state_names or ())):
            if name not in arguments:
                known = ", ".join(arguments)
                raise BindError(f"{name!r} is no argument of the symbol; arguments: {known}{near(name, arguments)}")
        self._symbol = symbol
        self._data_names = list(data_names or ())
        self._label_names = [n for n in label_names or () if n in arguments]
        self._state_names = list(state_names or ())
        self._options = Options.of(options)
        self._inputs = {*self._data_names, *self._label_names, *self._state_names}
        self._params = [n for n in arguments if n not in self._inputs]
        self._fixed = set(fixed_param_names or ())
        self._reqs: dict[str, str] = {}
        self._shared = Shared()
        self._bounds: dict[tuple[Descs, Descs], _Bound] = {}
        self._current: _Bound | None = None
        self._monitor: Monitor | None = None
        self._running: Running | None = None
        self._loaded: tuple[Arrays, Arrays] | None = None  # what load() read and bind() will set
        self._states_file: str | None = None  # what init_optimizer() will read

    @classmethod
    def load(cls, prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> Module:
        """Make a module from a checkpoint: bind() sets its parameters, init_optimizer() its states if asked for.

        `kwargs` are the constructor's. Raises FormatError for files that are not a checkpoint's.
        """
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        module = cls(symbol, **kwargs)
        module._loaded = arg_params, aux_params
        module._states_file = existing_states(prefix, epoch) if load_optimizer_states else None
        return module

    # Looking at it

    @property
    def data_names(self) -> list[str]:
        return self._data_names

    @property
    def label_names(self) -> list[str]:
        return self._label_names

    @property
    def param_names(self) -> list[str]:
        """The arguments that are no inputs."""
        return self._params

    @property
    def output_names(self) -> list[str]:
        return list(self._symbol.list_outputs())

    @property
    def data_shapes(self) -> list[DataDesc]:
        return list(self._now.data_shapes)

    @property
    def label_shapes(self) -> list[DataDesc]:
        return list(self._now.label_shapes)

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        outputs = self.executor.outputs
        return [(name, out.shape) for name, out in zip(self.output_names, outputs, strict=True)]

    @property
    def learning_rate(self) -> float:
        """The rate of the last step."""
        return self._running.learning_rate if self._running else 0.0

    @property
    def _now(self) -> _Bound:
        if self._current is None:
            raise BindError("the module is not bound: call bind(data_shapes, label_shapes) first")
        return self._current

    @property
    def executor(self) -> Executor:
        """The executor for the shapes of the last batch; raises BindError before bind()."""
        return self._now.executor

    @property
    def optimizer(self) -> optimizers.Optimizer:
        """The optimiser; raises BindError before init_optimizer()."""
        return self._optimizing.optimizer

    @property
    def _optimizing(self) -> Running:
        if self._running is None:
            raise BindError("there is no optimiser: call init_optimizer() first")
        return self._running

    @property
    def nbytes(self) -> int:
        """The bytes of parameters, gradients, states, inputs, outputs and arenas, shared ones included."""
        return self._shared.nbytes

    # The life cycle

    def bind(
        self,
        data_shapes: Shapes,
        label_shapes: Shapes | None = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Any = None,
        grad_req: Any = "write",
    ) -> None:
        """Make the arrays for these input shapes: pairs (name, shape), as iterators give them.

        With `shared_module`, a bound module, parameters of the same name are its, and so is the memory for all else.
        """
        if self.binded and not force_rebind:
            self.logger.warning("already bound; force_rebind=True binds again")
            return
        if inputs_need_grad and not for_training:
            raise BindError("inputs_need_grad=True needs for_training=True")
        self._bounds.clear()
        if shared_module is not None:
            if not shared_module.binded:
                raise BindError("shared_module is not bound: bind it first")
            self._shared = shared_module._shared
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._reqs = self._requests(grad_req) if for_training else {}
        self._use(data_shapes, label_shapes)
        self.binded = True
        if shared_module is not None and shared_module.params_initialized:
            self.params_initialized = True
        elif self._loaded is not None:
            self.init_params(None, *self._loaded)
            self._loaded = None
        if shared_module is not None and shared_module.optimizer_initialized:
            self.borrow_optimizer(shared_module)

    def _requests(self, grad_req: Any) -> dict[str, str]:
        if isinstance(grad_req, (list, tuple)):
            return dict(zip(self._symbol.list_arguments(), grad_req, strict=True))
        word = grad_req if isinstance(grad_req, str) else "write"
        reqs = {n: word for n in self._params if n not in self._fixed}
        if self.inputs_need_grad:
            reqs |= dict.fromkeys(self._data_names, word)
        return reqs if isinstance(grad_req, str) else {**reqs, **grad_req}

    def _use(self, data_shapes: Shapes, label_shapes: Shapes | None) -> None:
        """Go over to these input shapes, bound before or now."""
        descs = tuple(map(described, data_shapes)), tuple(map(described, label_shapes or ()))
        found = self._bounds.get(descs)
        if found is None:
            found = _Bound(self._executor_for(*descs), *descs)
            if self._monitor is not None:
                self._monitor.install(found.executor)
            self._bounds[descs] = found
            if len(self._bounds) > KEPT:
                del self._bounds[next(k for k, v in self._bounds.items() if v is not found and v is not self._current)]
        self._current = found

    def _executor_for(self, data: Descs, label: Descs) -> Executor:
        known = sorted({*self._data_names, *self._label_names})
        for desc in (*data, *label):
            if desc.name not in known:
                raise BindError(f"{desc.name!r} is no input of the module; inputs: {', '.join(known)}")
        shapes = {d.name: d.shape for d in (*data, *label)}
        # Whole numbers are cast into what the network computes with, other sizes of floating point numbers set it.
        dtypes = {d.name: d.dtype for d in (*data, *label) if np.dtype(d.dtype) in SET_BY_DATA}
        executor = self._shared.executor(self._symbol, self._inputs, self._reqs, shapes, dtypes, self._options)
        for name in self._state_names:
            executor.arg_dict[name][...] = 0
        return executor

    def reshape(self, data_shapes: Shapes, label_shapes: Shapes | None = None) -> None:
        """Go over to other input shapes; parameters stay."""
        if not self.binded:
            raise BindError("the module is not bound: call bind(data_shapes, label_shapes) first")
        self._use(data_shapes, label_shapes)

    def init_params(
        self,
        initializer: Initializer | str | None = None,
        arg_params: Arrays | None = None,
        aux_params: Arrays | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Fill parameters and states: from the given arrays, the others by the initialiser (None: Uniform(0.01))."""
        executor = self.executor
        if self.params_initialized and not force_init:
            return
        initializer = create_initializer(initializer) if initializer is not None else Uniform(0.01)
        attrs = self._symbol.attr_dict()
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
                    desc = InitDesc(name, attrs.get(name, {}), initializer)
                    initializer(desc, array, rng_for(self._options.seed, name))
        self.params_initialized = True

    def get_params(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Give copies of the parameters and the states."""
        executor = self.executor
        aux = {n: a.copy() for n, a in executor.aux_dict.items()}
        return {n: executor.arg_dict[n].copy() for n in self._params}, aux

    def set_params(
        self,
        arg_params: Arrays | None,
        aux_params: Arrays | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Replace parameters and states; what is missing (allow_missing) keeps its values."""
        if allow_missing and self.params_initialized:
            own_arg, own_aux = self.get_params()
            arg_params, aux_params = {**own_arg, **(arg_params or {})}, {**own_aux, **(aux_params or {})}
        self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)

    def init_optimizer(
        self,
        kvstore: object = "local",
        optimizer: str | optimizers.Optimizer = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Add an optimiser; by name it gets rescale_grad = 1 / batch size unless told otherwise."""
        executor = self.executor
        if self._running is not None and not force_init:
            self.logger.warning("the optimiser is there already; force_init=True replaces it")
            return
        params = dict(optimizer_params)
        if isinstance(optimizer, str):
            params.setdefault("rescale_grad", 1.0 / self._batch_size())
            optimizer = optimizers.create(optimizer, **params)
        self._run_with(Running(optimizer, executor.arg_dict, self._trained(), self._symbol.attr_dict()))
        if self._states_file is not None:
            self.load_optimizer_states(self._states_file)
            self._states_file = None

    def _batch_size(self) -> int:
        desc = self._now.data_shapes[0]
        return int(desc.shape[max(DataDesc.get_batch_axis(desc.layout), 0)])

    def borrow_optimizer(self, shared_module: Any) -> None:
        """Take over the optimiser of a module that shares its parameters, with its states and its count of steps."""
        self._run_with(shared_module._optimizing)

    def _run_with(self, running: Running) -> None:
        self._running, self.optimizer_initialized = running, True
        for bound in self._bounds.values():
            bound.update = bound.step = None

    # Checkpoints

    def save_checkpoint(
        self, prefix: str, epoch: int, save_optimizer_states: bool = False, remove_amp_cast: bool = True
    ) -> None:
        """Write PREFIX-symbol.json, PREFIX-%04d.params and, if asked for, PREFIX-%04d.states.npz."""
        save_checkpoint(prefix, epoch, self._symbol, *self.get_params())
        if save_optimizer_states:
            self.save_optimizer_states(states_file(prefix, epoch))

    def save_optimizer_states(self, fname: str) -> None:
        """Write the optimiser's states, its count of steps and the random operators' state to an .npz file."""
        states.save(fname, self.optimizer_states())

    def load_optimizer_states(self, fname: str) -> None:
        """Read what save_optimizer_states() wrote; raise FormatError unless the optimiser has exactly these states."""
        own = self.optimizer_states()
        found = states.load(fname, own)
        for name, array in found.items():
            own[name][...] = array
        self.set_optimizer_states(own, fname)

    def optimizer_states(self) -> dict[str, np.ndarray]:
        """Give the states, the count of steps (a copy) and the random operators' state by name."""
        running = self._optimizing
        counts = {"updates": np.array(running.updates, np.int64), "random": self.executor.random_state}
        return {**counts, **running.states}

    def set_optimizer_states(self, own: Arrays, where: object) -> None:
        """Take over the arrays of optimizer_states() after they were changed; FormatError for a count of no sense."""
        updates = int(own["updates"])
        if not 0 <= updates < 2**53:
            raise FormatError(where, "array 'updates'", f"{updates} is no number of steps")
        self._optimizing.updates = updates

    def _trained(self) -> list[str]:
        return [n for n in self._params if n in self.executor.grad_dict]

    # A step

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Run a batch; `is_train` defaults to how the module was bound."""
        feed = self._ready(data_batch)
        self.executor.forward(self.for_training if is_train is None else is_train, **feed)

    def _ready(self, batch: Any) -> dict[str, np.ndarray]:
        """Give a batch's arrays by name, once the module is bound to their shapes."""
        now = self._now
        if not self.params_initialized:
            raise BindError("the parameters are not set: call init_params() first")
        if len(batch.data) != len(self._data_names):
            raise BindError(f"{len(batch.data)} arrays for the data {', '.join(self._data_names) or '(none)'}")
        feed = {n: np.asarray(x) for n, x in zip(self._data_names, batch.data, strict=True)}
        labels = {
            n: np.asarray(y) for n, y in zip(self._label_names, getattr(batch, "label", None) or (), strict=False)
        }
        data = as_fed(now.data_shapes, feed, self._data_names)
        if data != now.data_shapes:
            # The labels' shapes are those of the batch; without labels they follow from the data's.
            self.reshape(data, as_fed(now.label_shapes, labels, list(labels)))
        return {**feed, **labels}

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the last forward()."""
        self.executor.backward(out_grads)

    def update(self) -> None:
        """Take one step of the optimiser."""
        running, now = self._optimizing, self._now
        if now.update is None:
            graph, types = update_graph(now.executor.bound, running, self._trained())
            now.update = now.executor.link(graph, types, running.arrays)
        running.next_step()
        now.update.run()

    def step(self, data_batch: Any) -> None:
        """Run forward, backward and the optimiser as one program, with the numbers of the three calls.

        The arrays of the gradients keep what they had. Where one program cannot be (a head that is no loss, grad_req
        add, gradients of the data wanted, a monitor), the three calls are made.
        """
        feed = self._ready(data_batch)
        program = self._whole_step()
        if program is None:
            self.executor.forward(True, **feed)
            self.backward()
            self.update()
            return
        self.executor.feed(True, **feed)
        self._optimizing.next_step()
        program.run()

    def _whole_step(self) -> backends.Program | None:
        running, now = self._optimizing, self._now
        if not self._fuses():
            return None
        if now.step is None:
            found = step_graph(now.executor.bound, now.executor.reqs, running)
            if found is not None:
                now.step = now.executor.link(*found, running.arrays)
        return now.step

    def plan(self) -> Plan:
        """Give the memory plan of step(): of the one program or, where there is none, of forward and backward."""
        program = self._whole_step()
        return self.executor.plan(True) if program is None else program.plan

    def _fuses(self) -> bool:
        return not self.executor.monitored and all(n in self._params for n in self.executor.grad_dict)

    def get_outputs(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the outputs of the last forward(); the next one overwrites them."""
        return self.executor.outputs

    def get_input_grads(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the gradients of the data (bind with inputs_need_grad=True)."""
        if not self.inputs_need_grad:
            raise BindError("there are no gradients of the data: bind with inputs_need_grad=True")
        return [self.executor.grad_dict[n] for n in self._data_names if n in self.executor.grad_dict]

    def get_states(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the arrays of `state_names`."""
        return [self.executor.arg_dict[n] for n in self._state_names]

    def set_states(self, states: Sequence[np.ndarray] | None = None, value: float | None = None) -> None:
        """Set the arrays of `state_names` to `states`, such as outputs of the last batch, or all to `value`."""
        if (states is None) == (value is None):
            raise ParameterError("set_states: give either states or one value")
        if states is not None and len(states) != len(self._state_names):
            raise BindError(f"set_states: {len(states)} arrays for {', '.join(self._state_names) or 'no states'}")
        for k, name in enumerate(self._state_names):
            own = self.executor.arg_dict[name]
            given = np.full(own.shape, value) if states is None else states[k]
            self.executor.copy_params_from({name: np.array(given)})

    def update_metric(
        self, eval_metric: metrics.EvalMetric, labels: Any, pre_sliced: bool = False, pad: int = 0
    ) -> None:
        """Show the last outputs to a metric; the last `pad` rows do not count."""
        named = dict(zip(self._label_names, labels, strict=False))
        outputs = dict(zip(self.output_names, self.get_outputs(), strict=True))
        if len(labels) != len(named):
            eval_metric.update(list(labels), self.get_outputs(), pad)
        else:
            eval_metric.update_dict(named, outputs, pad)

    def install_monitor(self, mon: Monitor) -> None:
        """Let a monitor watch every run."""
        self._monitor = mon
        mon.install(self.executor)
