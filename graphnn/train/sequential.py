"""SequentialModule: modules one after the other, the outputs of each the data of the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..data import DataDesc
from ..errors import BindError, ParameterError
from .base import Arrays, BaseModule, Shapes
from .monitor import Monitor

__all__ = ["SequentialModule"]


class SequentialModule(BaseModule):
    """A chain of modules; add() them in order.

    A module added with take_labels=True gets the labels too, and is shown to metrics; with auto_wiring=True its data
    are what the one before gives, whatever their names.
    """

    META_TAKE_LABELS = "take_labels"
    META_AUTO_WIRING = "auto_wiring"

    def __init__(self, logger: Any = None) -> None:
        super().__init__(logger)
        self._modules: list[BaseModule] = []
        self._metas: list[dict[str, bool]] = []
        self._label_shapes: list[Any] = []

    def add(self, module: BaseModule, **kwargs: bool) -> SequentialModule:
        """Put a module at the end; give the chain, so that calls can follow each other."""
        for key in kwargs:
            if key not in (self.META_TAKE_LABELS, self.META_AUTO_WIRING):
                raise ParameterError(f"add: no option {key!r}; there are: take_labels, auto_wiring")
        self._modules.append(module)
        self._metas.append(kwargs)
        self.binded = self.params_initialized = self.optimizer_initialized = False
        return self

    def _ends(self) -> tuple[BaseModule, BaseModule]:
        if not self._modules:
            raise BindError("the chain is empty: add() modules first")
        return self._modules[0], self._modules[-1]

    @property
    def data_names(self) -> list[str]:
        return self._modules[0].data_names if self._modules else []

    @property
    def output_names(self) -> list[str]:
        return self._modules[-1].output_names if self._modules else []

    @property
    def data_shapes(self) -> list[Any]:
        return self._ends()[0].data_shapes

    @property
    def label_shapes(self) -> list[Any]:
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return self._ends()[1].output_shapes

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
        """Bind the modules in order, each to the shapes of what the one before gives."""
        if self.binded and not force_rebind:
            self.logger.warning("already bound; force_rebind=True binds again")
            return
        self._ends()
        if shared_module is not None:
            raise BindError("shared_module is not for SequentialModule")
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        shapes: list[Any] = list(data_shapes)
        taken = False
        for k, (meta, module) in enumerate(zip(self._metas, self._modules, strict=True)):
            labels = label_shapes if meta.get(self.META_TAKE_LABELS) else None
            taken |= labels is not None
            if meta.get(self.META_AUTO_WIRING):
                if len(module.data_names) != len(shapes):
                    raise BindError(f"module {k} takes {len(module.data_names)} inputs, {len(shapes)} come to it")
                shapes = [
                    DataDesc(name, d[1], *((d.dtype, d.layout) if isinstance(d, DataDesc) else ()))
                    for name, d in zip(module.data_names, shapes, strict=True)
                ]
            grads = for_training and (inputs_need_grad or k > 0)
            module.bind(shapes, labels, for_training, grads, force_rebind, None, grad_req)
            shapes = module.output_shapes
        self._label_shapes = list(label_shapes or ()) if taken else []
        self.binded = True

    def init_params(
        self,
        initializer: Any = None,
        arg_params: Arrays | None = None,
        aux_params: Arrays | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Fill the parameters of all modules, whose names must differ."""
        if self.params_initialized and not force_init:
            return
        self._ends()
        known: set[str] = set()
        for module in self._modules:
            module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, True)
            names = {n for group in module.get_params() for n in group}
            if twice := sorted(known & names):
                raise BindError(f"two modules have a parameter {twice[0]!r}: rename one")
            known |= names
        extra = sorted({*(arg_params or {}), *(aux_params or {})} - known)
        if extra and not allow_extra:
            raise BindError(f"no module has {extra[0]!r}; allow_extra=True ignores it")
        self.params_initialized = True

    def get_params(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Give copies of the parameters and the states of all modules."""
        found: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = {}, {}
        for module in self._modules:
            for all_, own in zip(found, module.get_params(), strict=True):
                all_.update(own)
        return found

    def init_optimizer(
        self,
        kvstore: object = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Add an optimiser to each module."""
        for module in self._modules:
            module.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        self.optimizer_initialized = True

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Run the modules in order."""
        batch = replace(data_batch)
        _, last = self._ends()
        for module in self._modules:
            module.forward(batch, is_train)
            if module is not last:
                batch = replace(batch, data=module.get_outputs(), provide_data=None)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients from the last module to the first."""
        first, _ = self._ends()
        for module in reversed(self._modules):
            module.backward(out_grads)
            if module is not first:
                out_grads = module.get_input_grads()

    def update(self) -> None:
        """Take one step of each module's optimiser."""
        for module in self._modules:
            module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the outputs of the last module."""
        return self._ends()[1].get_outputs()

    def get_input_grads(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the gradients of the first module's data."""
        return self._ends()[0].get_input_grads()

    def _with_labels(self) -> Iterator[BaseModule]:
        for meta, module in zip(self._metas, self._modules, strict=True):
            if meta.get(self.META_TAKE_LABELS):
                yield module

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False, pad: int = 0) -> None:
        """Show the outputs of the modules that take labels to a metric."""
        for module in self._with_labels():
            module.update_metric(eval_metric, labels, pre_sliced, pad)

    def install_monitor(self, mon: Monitor) -> None:
        """Let a monitor watch every module."""
        for module in self._modules:
            module.install_monitor(mon)
