"""mx.model.FeedForward, the interface before Module: a network that is fitted to arrays or iterators."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import BindError
from .checkpoint import load_checkpoint, save_checkpoint
from .initializer import Uniform
from .io import NDArrayIter
from .module import Module
from .symbol import Symbol

__all__ = ["FeedForward"]


class FeedForward:
    """A network with its parameters and how it is trained; what `kwargs` has goes to the optimiser."""

    def __init__(
        self,
        symbol: Symbol,
        ctx: Any = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = None,
        numpy_batch_size: int = 128,
        arg_params: Any = None,
        aux_params: Any = None,
        allow_extra_params: bool = False,
        begin_epoch: int = 0,
        **kwargs: Any,
    ) -> None:
        self.symbol, self.ctx, self.num_epoch, self.optimizer = symbol, ctx, num_epoch, optimizer
        self.initializer, self.numpy_batch_size = initializer or Uniform(0.01), numpy_batch_size
        self.arg_params, self.aux_params = arg_params, aux_params
        self.allow_extra_params, self.begin_epoch, self.kwargs = allow_extra_params, begin_epoch, kwargs

    def _batches(self, x: Any, y: Any = None, shuffle: bool = False) -> Any:
        """Give an iterator over arrays; an iterator as it is."""
        if hasattr(x, "provide_data"):
            return x
        rows = len(x)
        labels = [n for n in self.symbol.list_arguments() if n.endswith("label")]
        name = labels[0] if labels else "softmax_label"
        y = np.zeros(rows, np.float32) if y is None else y
        return NDArrayIter(x, y, min(rows, self.numpy_batch_size), shuffle, "pad", label_name=name)

    def _module(self, batches: Any, for_training: bool) -> Module:
        labels = [d[0] for d in batches.provide_label or () if d[0] in self.symbol.list_arguments()]
        module = Module(self.symbol, [d[0] for d in batches.provide_data], labels, context=self.ctx)
        if not for_training:
            if self.arg_params is None:
                raise BindError("there are no parameters: call fit() first, or load()")
            module.bind(batches.provide_data, [d for d in batches.provide_label if d[0] in labels], for_training)
            module.set_params(self.arg_params, self.aux_params, allow_extra=self.allow_extra_params)
        return module

    def fit(
        self,
        X: Any,
        y: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        work_load_list: object = None,
        monitor: Any = None,
        eval_end_callback: Any = None,
        eval_batch_end_callback: Any = None,
    ) -> None:
        """Train for `num_epoch` epochs."""
        if self.num_epoch is None:
            raise BindError("FeedForward: give num_epoch to train")
        batches = self._batches(X, y, shuffle=True)
        if isinstance(eval_data, (list, tuple)):
            eval_data = self._batches(*eval_data)
        module = self._module(batches, for_training=True)
        module.fit(
            batches,
            eval_data=eval_data,
            eval_metric=eval_metric,
            epoch_end_callback=epoch_end_callback,
            batch_end_callback=batch_end_callback,
            kvstore=kvstore,
            optimizer=self.optimizer,
            optimizer_params=self.kwargs,
            eval_end_callback=eval_end_callback,
            eval_batch_end_callback=eval_batch_end_callback,
            initializer=self.initializer,
            arg_params=self.arg_params,
            aux_params=self.aux_params,
            begin_epoch=self.begin_epoch,
            num_epoch=self.num_epoch,
            monitor=monitor,
        )
        self.arg_params, self.aux_params = module.get_params()

    def predict(self, X: Any, num_batch: int | None = None, return_data: bool = False, reset: bool = True) -> Any:
        """Give the outputs as NumPy arrays, one for one output; with `return_data` (outputs, data, labels)."""
        batches = self._batches(X)
        module = self._module(batches, for_training=False)
        if reset:
            batches.reset()
        found = module.predict(batches, num_batch=num_batch, reset=False, always_output_list=True)
        outputs = [a.asnumpy() for a in found]
        shown: Any = outputs[0] if len(outputs) == 1 else outputs
        if not return_data:
            return shown
        batches.reset()
        taken = list(batches)[:num_batch]
        return shown, self._joined(taken, "data"), self._joined(taken, "label")

    @staticmethod
    def _joined(batches: list[Any], part: str) -> Any:
        """Give all rows but the filling ones of every batch's inputs or labels; one array for one input."""
        rows = [[a.asnumpy()[: len(a) - b.pad] for a in getattr(b, part)] for b in batches]
        joined = [np.concatenate(parts) for parts in zip(*rows, strict=True)]
        return joined[0] if len(joined) == 1 else joined

    def score(
        self,
        X: Any,
        eval_metric: Any = "acc",
        num_batch: int | None = None,
        batch_end_callback: Any = None,
        reset: bool = True,
    ) -> float:
        """Give the metric's value over a data set with labels."""
        batches = self._batches(X)
        module = self._module(batches, for_training=False)
        pairs = module.score(batches, eval_metric, num_batch, batch_end_callback=batch_end_callback, reset=reset)
        return float(pairs[0][1])

    def save(self, prefix: str, epoch: int | None = None, remove_amp_cast: bool = True) -> None:
        """Write a checkpoint."""
        number = self.num_epoch if epoch is None else epoch
        save_checkpoint(prefix, number or 0, self.symbol, self.arg_params or {}, self.aux_params or {})

    @staticmethod
    def load(prefix: str, epoch: int, ctx: Any = None, **kwargs: Any) -> FeedForward:
        """Make one from a checkpoint."""
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        return FeedForward(symbol, ctx, arg_params=arg_params, aux_params=aux_params, begin_epoch=epoch, **kwargs)

    @staticmethod
    def create(
        symbol: Symbol,
        X: Any,
        y: Any = None,
        ctx: Any = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        **kwargs: Any,
    ) -> FeedForward:
        """Make one and train it."""
        made = FeedForward(symbol, ctx, num_epoch, epoch_size, optimizer, initializer, **kwargs)
        made.fit(X, y, eval_data, eval_metric, epoch_end_callback, batch_end_callback, kvstore, logger)
        return made
