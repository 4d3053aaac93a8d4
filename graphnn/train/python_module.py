"""Modules written in Python: anything with outputs, between or after modules of symbols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import BindError
from .base import Arrays, BaseModule, Shapes
from .monitor import Monitor

__all__ = ["PythonLossModule", "PythonModule"]


class PythonModule(BaseModule):
    """Base of modules without symbol and parameters: override forward(), get_outputs() and _compute_output_shapes()."""

    def __init__(
        self,
        data_names: Sequence[str],
        label_names: Sequence[str] | None,
        output_names: Sequence[str],
        logger: Any = None,
    ) -> None:
        super().__init__(logger)
        self._data_names, self._label_names = list(data_names), list(label_names or ())
        self._output_names = list(output_names)
        self._data_shapes: list[Any] | None = None
        self._label_shapes: list[Any] = []
        self._output_shapes: list[tuple[str, tuple[int, ...]]] = []

    @property
    def data_names(self) -> list[str]:
        return self._data_names

    @property
    def output_names(self) -> list[str]:
        return self._output_names

    @property
    def data_shapes(self) -> list[Any]:
        if self._data_shapes is None:
            raise BindError("the module is not bound: call bind(data_shapes, label_shapes) first")
        return self._data_shapes

    @property
    def label_shapes(self) -> list[Any]:
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return self._output_shapes

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
        """Take down the shapes."""
        if self.binded and not force_rebind:
            self.logger.warning("already bound; force_rebind=True binds again")
            return
        if grad_req != "write":
            raise BindError(f"a module in Python writes its gradients: grad_req must be write, got {grad_req!r}")
        names = [d[0] for d in data_shapes]
        if names != self._data_names:
            raise BindError(f"the data are {', '.join(self._data_names)}, got {', '.join(names)}")
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._data_shapes, self._label_shapes = list(data_shapes), list(label_shapes or ())
        self._output_shapes = self._compute_output_shapes()
        self.binded = True

    def _compute_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Give the names and shapes of the outputs for data_shapes."""
        raise NotImplementedError(f"{type(self).__name__}: define _compute_output_shapes()")

    def init_params(
        self,
        initializer: Any = None,
        arg_params: Arrays | None = None,
        aux_params: Arrays | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """There are none."""
        self.params_initialized = True

    def get_params(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """There are none."""
        return {}, {}

    def init_optimizer(
        self,
        kvstore: object = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """There is nothing to optimise."""
        self.optimizer_initialized = True

    def backward(self, out_grads: Any = None) -> None:
        """Do nothing, until overridden."""

    def update(self) -> None:
        """There is nothing to update."""

    def get_input_grads(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the gradients of the data; until overridden there are none."""
        return []

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False, pad: int = 0) -> None:
        """Show the outputs to a metric, where there are labels."""
        if self._label_shapes:
            eval_metric.update(list(labels), self.get_outputs(), pad)

    def install_monitor(self, mon: Monitor) -> None:
        """There is nothing to watch."""


class PythonLossModule(PythonModule):
    """A loss in Python: the outputs are the data, the gradient is `grad_func(scores, labels)`."""

    def __init__(
        self,
        name: str = "pyloss",
        data_names: Sequence[str] = ("data",),
        label_names: Sequence[str] = ("softmax_label",),
        logger: Any = None,
        grad_func: Callable[[np.ndarray, np.ndarray], Any] | None = None,
    ) -> None:
        super().__init__(data_names, label_names, [f"{name}_output"], logger)
        if len(self._data_names) != 1 or len(self._label_names) != 1:
            raise BindError("a loss has one input and one label")
        self._name, self._grad_func = name, grad_func
        self._scores: np.ndarray | None = None
        self._labels: np.ndarray | None = None
        self._scores_grad: np.ndarray | None = None

    def _compute_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return [(self._output_names[0], tuple(self.data_shapes[0][1]))]

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Take the data as scores, and in training the labels."""
        self._scores = data_batch.data[0]
        if self.for_training if is_train is None else is_train:
            self._labels = data_batch.label[0]

    def get_outputs(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the scores."""
        if self._scores is None:
            raise BindError("there are no scores yet: call forward() first")
        return [self._scores]

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradient of the scores; a loss takes none itself."""
        if out_grads is not None:
            raise BindError("a loss takes no head gradients")
        self._backward_impl()

    def _backward_impl(self) -> None:
        if self._grad_func is None:
            raise NotImplementedError(f"{self._name}: give grad_func, or override _backward_impl()")
        if self._scores is None or self._labels is None:
            raise BindError("there are no scores yet: call forward() in training first")
        self._scores_grad = np.asarray(self._grad_func(self._scores, self._labels))

    def get_input_grads(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the gradient of the scores."""
        if self._scores_grad is None:
            raise BindError("there is no gradient yet: call backward() first")
        return [self._scores_grad]
