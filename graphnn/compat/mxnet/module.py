"""mx.mod: graphnn's modules, with arrays as NDArrays and optimisers as objects."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...data import DataDesc
from ...errors import BindError
from ...train import module as native
from ...train.base import BaseModule
from ...train.bucketing import BucketingModule as NativeBucketing
from ...train.python_module import PythonLossModule, PythonModule
from ...train.sequential import SequentialModule as NativeSequential
from . import optimizer as optimizers
from .context import Context
from .executor import raw, wrapped
from .ndarray import NDArray
from .seeds import next_seed
from .symbol import Symbol

__all__ = [
    "BaseModule",
    "BucketingModule",
    "Module",
    "PythonLossModule",
    "PythonModule",
    "SequentialModule",
]


class MissingParameter(BindError, RuntimeError):
    """A parameter that is not among those given: MXNet's RuntimeError."""


class _Shown:
    """What a module gives, as NDArrays of the same memory."""

    def fit(self, *args: Any, **kwargs: Any) -> None:
        """Train; what is logged goes to stderr where the script has set up nothing, as with MXNet's logging.info()."""
        logging.basicConfig()
        super().fit(*args, **kwargs)  # type: ignore[misc]

    def get_params(self) -> Any:
        """Give the parameters and the states."""
        arg, aux = super().get_params()  # type: ignore[misc]
        return wrapped(arg), wrapped(aux)

    def get_outputs(self, merge_multi_context: bool = True) -> Any:
        """Give the outputs of the last forward(); lists of the devices' parts without `merge_multi_context`."""
        found = super().get_outputs()  # type: ignore[misc]
        return self._parts(found, merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> Any:
        """Give the gradients of the data; None for what was bound without (grad_req "null")."""
        found = super().get_input_grads()  # type: ignore[misc]
        if not found:
            return [None] * len(self.data_names)  # type: ignore[attr-defined]
        parts = self._parts(found, merge_multi_context)
        for name, part in zip(self.data_names, parts, strict=True):  # type: ignore[attr-defined]
            if merge_multi_context:
                part._context = getattr(self, "_places", {}).get(name)
        return parts

    def get_states(self, merge_multi_context: bool = True) -> Any:
        """Give the arrays of the states."""
        return self._parts(super().get_states(), merge_multi_context)  # type: ignore[misc]

    def _parts(self, arrays: Sequence[Any], merge: bool) -> Any:
        found = [NDArray(np.asarray(a)) for a in arrays]
        count, axis = getattr(self, "_devices", 1), getattr(self, "_batch_axis", 0)
        return found if merge else [[NDArray(p) for p in np.array_split(a._data, count, axis)] for a in found]

    def iter_predict(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Give (outputs, number of the batch, batch) for each batch."""
        for outputs, k, batch in super().iter_predict(*args, **kwargs):  # type: ignore[misc]
            yield [NDArray(np.asarray(out)) for out in outputs], k, batch

    def predict(self, eval_data: Any, *args: Any, **kwargs: Any) -> Any:
        """Give the outputs over a data set or an array."""
        return _all_wrapped(super().predict(raw(eval_data), *args, **kwargs))  # type: ignore[misc]


def _all_wrapped(found: Any) -> Any:
    return [_all_wrapped(x) for x in found] if isinstance(found, list) else NDArray(np.asarray(found))


class Module(_Shown, native.Module):
    """See graphnn.train.module.Module; a `context` of several devices only says how outputs are cut in parts."""

    def __init__(
        self,
        symbol: Symbol,
        data_names: Sequence[str] | None = ("data",),
        label_names: Sequence[str] | None = ("softmax_label",),
        logger: Any = None,
        context: Context | Sequence[Context] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(symbol, data_names, label_names, logger, None, *args, **{"seed": next_seed(), **kwargs})
        self._devices = len(context) if isinstance(context, (list, tuple)) else 1
        self._places = self._placed(symbol, kwargs.get("group2ctxs")) if self._devices == 1 else {}
        self._optimizer: optimizers.Optimizer | None = None
        self._own_updater: optimizers.Updater | None = None
        self._kvstore = self

    @staticmethod
    def _placed(symbol: Symbol, groups: Any) -> dict[str, Context]:
        """Give the device that `group2ctxs` names for each variable with a ctx_group."""
        by_group = groups[0] if isinstance(groups, (list, tuple)) else groups or {}
        found = {n: by_group.get(a.get("__ctx_group__")) for n, a in symbol.attr_dict().items()}
        return {n: c[0] if isinstance(c, (list, tuple)) else c for n, c in found.items() if c}

    @classmethod
    def load(cls, prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> Module:
        """Make a module from a checkpoint."""
        plain = native.Module.load(prefix, epoch)
        module = cls(Symbol(plain.symbol.values), **kwargs)
        module._loaded = plain._loaded
        module._states_file = native.existing_states(prefix, epoch) if load_optimizer_states else None
        return module

    @property
    def _total_exec_bytes(self) -> int:
        return self.nbytes

    def bind(self, data_shapes: Any, label_shapes: Any = None, *args: Any, **kwargs: Any) -> None:
        """Make the arrays for these input shapes."""
        for desc in (*data_shapes, *(label_shapes or ())):
            if not isinstance(desc[1], (tuple, list)):
                raise TypeError(f"the shape of {desc[0]!r} must be a tuple, got {type(desc[1]).__name__}")
        super().bind(data_shapes, label_shapes, *args, **kwargs)

    def set_states(self, states: Any = None, value: float | None = None) -> None:
        """Set the states to arrays, or to lists of the devices' parts, or all to one number."""
        if states is not None:
            states = [
                np.concatenate([np.asarray(p) for p in s], self._batch_axis) if isinstance(s, (list, tuple)) else s
                for s in states
            ]
        super().set_states(states, value)

    @property
    def _batch_axis(self) -> int:
        return max(DataDesc.get_batch_axis(self._now.data_shapes[0].layout), 0) if self._now.data_shapes else 0

    def set_params(self, arg_params: Any, aux_params: Any, allow_missing: bool = False, *args: Any, **kw: Any) -> None:
        """Replace parameters and states; RuntimeError for one that is missing."""
        missing = [n for n in self._params if n not in (arg_params or {})]
        if missing and not allow_missing:
            raise MissingParameter(f"{missing[0]} is not presented")
        super().set_params(arg_params, aux_params, allow_missing, *args, **kw)

    # The optimiser

    def init_optimizer(
        self,
        kvstore: object = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Add an optimiser: by name, one of mx.optimizer's, or one of your own."""
        if self.optimizer_initialized and not force_init:
            self.logger.warning("the optimiser is there already; force_init=True replaces it")
            return
        if isinstance(optimizer, str):
            params = dict(optimizer_params)
            params.setdefault("rescale_grad", 1.0 / self._batch_size())
            names = dict(enumerate(self._trained()))
            optimizer = optimizers.create(optimizer, sym=self._symbol, param_idx2name=names, **params)
        self._optimizer = optimizer
        if isinstance(optimizer, optimizers.Native):
            self._own_updater = None
            super().init_optimizer(kvstore, optimizer.rule(), force_init=True)
        else:
            self._own_updater, self.optimizer_initialized = optimizers.get_updater(optimizer), True

    @property
    def _updater(self) -> optimizers.Updater:
        """The optimiser with its states by the parameters' numbers."""
        if self._optimizer is None:
            raise BindError("there is no optimiser: call init_optimizer() first")
        if self._own_updater is not None:
            return self._own_updater
        shown = optimizers.Updater(self._optimizer)
        for k, name in enumerate(self._trained()):
            found = [NDArray(self._optimizing.states[s]) for s in self._optimizing.state_names(name)]
            shown.states[k] = None if not found else found[0] if len(found) == 1 else tuple(found)
        return shown

    def borrow_optimizer(self, shared_module: Any) -> None:
        """Take over the optimiser of a module that shares its parameters."""
        self._optimizer, self._own_updater = shared_module._optimizer, shared_module._own_updater
        if self._own_updater is None:
            super().borrow_optimizer(shared_module)
        else:
            self.optimizer_initialized = True

    def update(self) -> None:
        """Take one step of the optimiser."""
        if self._own_updater is None:
            super().update()
            return
        for k, name in enumerate(self._trained()):
            grad, weight = self.executor.grad_dict[name], self.executor.arg_dict[name]
            self._own_updater(k, NDArray(grad), NDArray(weight))

    def step(self, data_batch: Any) -> None:
        """Run forward, backward and the optimiser."""
        if self._own_updater is None:
            super().step(data_batch)
            return
        self.forward_backward(data_batch)
        self.update()


class BucketingModule(_Shown, NativeBucketing):
    """See graphnn.train.bucketing.BucketingModule."""

    @staticmethod
    def load_dict(
        sym_dict: Any = None, sym_gen: Any = None, default_bucket_key: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Make a module from symbols by bucket (or `sym_gen`) and parameters."""
        plain = NativeBucketing.load_dict(sym_dict, sym_gen, default_bucket_key, *args, **kwargs)
        return BucketingModule._like(plain, kwargs)

    @staticmethod
    def load(prefix: str, epoch: int, sym_gen: Any = None, default_bucket_key: Any = None, **kwargs: Any) -> Any:
        """Make a module from what save_checkpoint() wrote."""
        plain = NativeBucketing.load(prefix, epoch, sym_gen, default_bucket_key, **kwargs)
        return BucketingModule._like(plain, kwargs)

    @staticmethod
    def _like(plain: NativeBucketing, kwargs: Any) -> Any:
        module = BucketingModule(plain._sym_gen, plain._default_bucket_key, **kwargs)
        module._loaded, module.params_initialized = plain._loaded, True
        return module

    def _made(self, key: Any) -> Module:
        found = self._sym_gen(key)
        symbol, data_names, label_names = found if isinstance(found, tuple) else (found, ("data",), ("softmax_label",))
        return Module(Symbol(symbol.values), data_names, label_names, self.logger, **self._options)


class SequentialModule(_Shown, NativeSequential):
    """See graphnn.train.sequential.SequentialModule."""
