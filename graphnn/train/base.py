"""BaseModule: what every module can do with whole data sets, from a handful of calls that each kind makes itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ..data import DataBatch, DataIter
from ..errors import BindError, ParameterError
from ..formats import params
from ..model import read_params
from . import metric as metrics
from .callback import BatchEndParam
from .monitor import Monitor

__all__ = ["Arrays", "BaseModule", "Callbacks", "Shapes"]

Arrays = Mapping[str, np.ndarray]
Callbacks = Callable[..., Any] | Sequence[Callable[..., Any]] | None
Shapes = Sequence[Any]  # of pairs (name, shape) or DataDesc


class BaseModule:
    """A network with its data, parameters and optimiser: bind(), init_params(), init_optimizer(), then steps.

    A step is forward(), backward() and update(); fit(), score() and predict() make them over whole data sets.
    """

    def __init__(self, logger: Any = None) -> None:
        self.logger: logging.Logger = logger or logging.getLogger("graphnn")
        self.binded = False
        self.for_training = False
        self.inputs_need_grad = False
        self.params_initialized = False
        self.optimizer_initialized = False
        self._symbol: Any = None

    def _lacks(self, name: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__}: define {name}")

    # What each kind of module says of itself

    @property
    def symbol(self) -> Any:
        """The symbol; None where there is none."""
        return self._symbol

    @property
    def data_names(self) -> list[str]:
        raise self._lacks("data_names")

    @property
    def output_names(self) -> list[str]:
        raise self._lacks("output_names")

    @property
    def data_shapes(self) -> list[Any]:
        raise self._lacks("data_shapes")

    @property
    def label_shapes(self) -> list[Any]:
        raise self._lacks("label_shapes")

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        raise self._lacks("output_shapes")

    # What each kind of module does itself

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
        raise self._lacks("bind")

    def init_params(
        self,
        initializer: Any = None,
        arg_params: Arrays | None = None,
        aux_params: Arrays | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        raise self._lacks("init_params")

    def get_params(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        raise self._lacks("get_params")

    def init_optimizer(
        self,
        kvstore: object = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        raise self._lacks("init_optimizer")

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        raise self._lacks("forward")

    def backward(self, out_grads: Any = None) -> None:
        raise self._lacks("backward")

    def update(self) -> None:
        raise self._lacks("update")

    def get_outputs(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        raise self._lacks("get_outputs")

    def get_input_grads(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        raise self._lacks("get_input_grads")

    def update_metric(
        self, eval_metric: metrics.EvalMetric, labels: Any, pre_sliced: bool = False, pad: int = 0
    ) -> None:
        raise self._lacks("update_metric")

    def install_monitor(self, mon: Monitor) -> None:
        raise self._lacks("install_monitor")

    def prepare(self, data_batch: Any, sparse_row_id_fn: object = None) -> None:
        """Make ready for a batch that comes next."""

    def get_states(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the states; none where there are none."""
        return []

    def set_states(self, states: Sequence[np.ndarray] | None = None, value: float | None = None) -> None:
        """Set the states to arrays, or all to one number; an error where there are none."""
        if states:
            raise BindError("this module has no states: name them in state_names")

    # Made of these

    def set_params(
        self,
        arg_params: Arrays | None,
        aux_params: Arrays | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Replace parameters and states."""
        self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)

    def save_params(self, fname: str) -> None:
        """Write the parameters to a .params file."""
        arg, aux = self.get_params()
        params.save(fname, {f"arg:{k}": v for k, v in arg.items()} | {f"aux:{k}": v for k, v in aux.items()})

    def load_params(self, fname: str) -> None:
        """Set the parameters to those of a .params file; FormatError for another content."""
        self.set_params(*read_params(fname))

    def forward_backward(self, data_batch: Any) -> None:
        """Run forward and backward."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def step(self, data_batch: Any) -> None:
        """Run forward, backward and the optimiser."""
        self.forward_backward(data_batch)
        self.update()

    # Whole data sets

    def fit(
        self,
        train_data: DataIter,
        eval_data: DataIter | None = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Callbacks = None,
        batch_end_callback: Callbacks = None,
        kvstore: object = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        eval_end_callback: Callbacks = None,
        eval_batch_end_callback: Callbacks = None,
        initializer: Any = None,
        arg_params: Arrays | None = None,
        aux_params: Arrays | None = None,
        allow_missing: bool = False,
        force_rebind: bool = False,
        force_init: bool = False,
        begin_epoch: int = 0,
        num_epoch: int | None = None,
        validation_metric: Any = None,
        monitor: Monitor | None = None,
        sparse_row_id_fn: object = None,
    ) -> None:
        """Train for epochs begin_epoch .. num_epoch - 1; a callback that returns True ends it after its epoch."""
        if num_epoch is None:
            raise ParameterError("fit: give num_epoch")
        if not self.binded or force_rebind:
            shapes = train_data.provide_data, train_data.provide_label
            self.bind(*shapes, for_training=True, force_rebind=force_rebind)
        if monitor is not None:
            self.install_monitor(monitor)
        self.init_params(initializer, arg_params, aux_params, allow_missing, force_init)
        if not self.optimizer_initialized or force_init:
            self.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        metric = metrics.create(eval_metric)
        validation = metrics.create(validation_metric) if validation_metric is not None else metrics.create(eval_metric)
        for epoch in range(begin_epoch, num_epoch):
            start = perf_counter()
            self._epoch(epoch, train_data, metric, batch_end_callback, monitor)
            for name, value in metric.get_global_name_value():
                self.logger.info("Epoch[%d] Train-%s=%f", epoch, name, value)
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, perf_counter() - start)
            stop = _call(epoch_end_callback, epoch, self.symbol, *self.get_params())
            if eval_data is not None:
                for name, value in self.score(
                    eval_data, validation, batch_end_callback=eval_batch_end_callback, epoch=epoch
                ):
                    self.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, value)
                stop |= _call(eval_end_callback, BatchEndParam(epoch, 0, validation))
            if stop:
                break

    def _epoch(
        self, epoch: int, data: DataIter, eval_metric: metrics.EvalMetric, callbacks: Callbacks, monitor: Monitor | None
    ) -> None:
        eval_metric.reset()
        data.reset()
        for nbatch, data_batch in enumerate(data):
            if monitor is not None:
                monitor.tic()
            self.step(data_batch)
            self._show(eval_metric, data_batch)
            if monitor is not None:
                monitor.toc_print()
            _call(callbacks, BatchEndParam(epoch, nbatch, eval_metric, locals()))

    def _show(self, metric: metrics.EvalMetric, batch: Any) -> None:
        """Show a batch to a metric; modules that know of no padding are asked without."""
        pad = {"pad": batch.pad} if batch.pad else {}
        self.update_metric(metric, batch.label or (), **pad)

    def score(
        self,
        eval_data: DataIter,
        eval_metric: Any,
        num_batch: int | None = None,
        batch_end_callback: Callbacks = None,
        score_end_callback: Callbacks = None,
        reset: bool = True,
        epoch: int = 0,
        sparse_row_id_fn: object = None,
    ) -> list[tuple[str, float]]:
        """Give the metric over a data set; padded rows never count."""
        metric = metrics.create(eval_metric)
        metric.reset()
        count = 0
        for nbatch, data_batch in _batches(eval_data, num_batch, reset):
            self.forward(data_batch, is_train=False)
            self._show(metric, data_batch)
            _call(batch_end_callback, BatchEndParam(epoch, nbatch, metric, locals()))
            count += 1
        _call(score_end_callback, BatchEndParam(epoch, count, metric, locals()))
        return metric.get_global_name_value()

    def iter_predict(
        self, eval_data: DataIter, num_batch: int | None = None, reset: bool = True, sparse_row_id_fn: object = None
    ) -> Iterator[tuple[list[np.ndarray], int, Any]]:
        """Give (outputs without padded rows, number of the batch, batch) for each; the next run overwrites outputs."""
        for nbatch, batch in _batches(eval_data, num_batch, reset):
            self.forward(batch, is_train=False)
            pad, count = batch.pad or 0, len(batch.data[0])  # an example may have several rows of an output
            outputs = [out[: len(out) - pad * max(1, len(out) // count)] for out in self.get_outputs()]
            yield outputs, nbatch, batch

    def predict(
        self,
        eval_data: Any,
        num_batch: int | None = None,
        merge_batches: bool = True,
        reset: bool = True,
        always_output_list: bool = False,
        sparse_row_id_fn: object = None,
    ) -> Any:
        """Give the outputs over a data set (or one array, a batch), as new arrays; padded rows are cut.

        One array for one output, unless `always_output_list`; without `merge_batches` a list for each batch.
        """
        if isinstance(eval_data, np.ndarray):
            self.forward(DataBatch([eval_data]), is_train=False)
            outputs = [out.copy() for out in self.get_outputs()]
            return outputs[0] if len(outputs) == 1 and not always_output_list else outputs
        found = [[out.copy() for out in outs] for outs, _, _ in self.iter_predict(eval_data, num_batch, reset)]
        if not found or not merge_batches:
            return found
        if len({len(outs) for outs in found}) > 1:
            raise BindError("the batches have different numbers of outputs: merge_batches=False gives them one by one")
        joined = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        return joined[0] if len(joined) == 1 and not always_output_list else joined


def _batches(data: DataIter, num_batch: int | None, reset: bool) -> Iterator[tuple[int, Any]]:
    """Give the first `num_batch` batches (None: all) with their numbers; no batch more is taken out of the iterator."""
    if reset:
        data.reset()
    yield from zip(range(num_batch), data, strict=False) if num_batch is not None else enumerate(data)


def _call(callbacks: Callbacks, *args: Any) -> bool:
    """Call one or several callbacks; tell whether one returned True."""
    if callbacks is None:
        return False
    many = [callbacks] if callable(callbacks) else callbacks
    return any([c(*args) is True for c in many])
