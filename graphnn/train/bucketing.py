"""BucketingModule: one network for inputs of several lengths, with parameters and memory shared between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import BindError, FormatError
from ..formats import params, symbol_json
from ..model import load_params, save_checkpoint
from ..symbol import Symbol
from .base import Arrays, BaseModule, Shapes
from .module import Module
from .monitor import Monitor

__all__ = ["BucketingModule"]

SymGen = Callable[[Any], tuple[Symbol, Sequence[str], Sequence[str]]]


class BucketingModule(BaseModule):
    """A module for each bucket, made when its first batch comes.

    `sym_gen(bucket_key)` gives symbol, names of the data and names of the labels. All buckets have the parameters of
    `default_bucket_key`'s, the largest, whose memory for inputs, outputs and everything between serves the others.
    The rest is Module's.
    """

    def __init__(
        self,
        sym_gen: SymGen,
        default_bucket_key: Any = None,
        logger: Any = None,
        context: object = None,
        work_load_list: object = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: object = None,
        compression_params: object = None,
        **options: Any,
    ) -> None:
        super().__init__(logger)
        if default_bucket_key is None:
            raise BindError("give default_bucket_key, the key of the largest bucket")
        self._sym_gen, self._default_bucket_key = sym_gen, default_bucket_key
        self._options = {"fixed_param_names": fixed_param_names, "state_names": state_names, **options}
        self._buckets: dict[Any, Module] = {}
        self._now: Module | None = None
        self._key: Any = None
        self._grad_req: Any = "write"
        self._monitor: Monitor | None = None
        self._loaded: tuple[Arrays, Arrays] | None = None
        self._made(default_bucket_key)  # a wrong name is told here

    @staticmethod
    def load(prefix: str, epoch: int, sym_gen: Any = None, default_bucket_key: Any = None, **kwargs: Any) -> Any:
        """Make a module from what save_checkpoint() wrote; bind() sets the parameters.

        Without `sym_gen` the symbols of the buckets that were saved are read.
        """
        loaded = load_params(prefix, epoch)
        sym_dict = None if sym_gen is not None else _read_symbols(prefix)
        return BucketingModule.load_dict(sym_dict, sym_gen, default_bucket_key, *loaded, **kwargs)

    @staticmethod
    def load_dict(
        sym_dict: Mapping[Any, Any] | None = None,
        sym_gen: Any = None,
        default_bucket_key: Any = None,
        arg_params: Arrays | None = None,
        aux_params: Arrays | None = None,
        **kwargs: Any,
    ) -> Any:
        """Make a module from symbols by bucket (or `sym_gen`) and parameters."""
        if (sym_dict is None) == (sym_gen is None):
            raise BindError("give either sym_dict or sym_gen")
        if sym_dict is not None:
            known = dict(sym_dict)

            def from_dict(key: Any) -> Any:
                if key not in known:
                    raise BindError(
                        f"there is no symbol for the bucket {key!r}; there are: {', '.join(map(str, known))}"
                    )
                found = known[key]
                return found if isinstance(found, tuple) else (found, *_inputs(found))

            sym_gen = from_dict
        module = BucketingModule(sym_gen, default_bucket_key, **kwargs)
        module._loaded = dict(arg_params or {}), dict(aux_params or {})
        module.params_initialized = True
        return module

    def _made(self, key: Any) -> Module:
        found = self._sym_gen(key)
        if isinstance(found, Symbol):
            found = (found, ("data",), ("softmax_label",))
        symbol, data_names, label_names = found
        return Module(symbol, data_names, label_names, self.logger, **self._options)

    # Looking at it

    @property
    def _module(self) -> Module:
        if self._now is None:
            raise BindError("the module is not bound: call bind(data_shapes, label_shapes) first")
        return self._now

    @property
    def symbol(self) -> Any:
        return self._module.symbol

    @property
    def data_names(self) -> list[str]:
        return (self._now or self._made(self._default_bucket_key)).data_names

    @property
    def output_names(self) -> list[str]:
        return (self._now or self._made(self._default_bucket_key)).output_names

    @property
    def data_shapes(self) -> list[Any]:
        return list(self._module.data_shapes)

    @property
    def label_shapes(self) -> list[Any]:
        return list(self._module.label_shapes)

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return self._module.output_shapes

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays of all buckets, each counted once."""
        return self._module.nbytes

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
        """Make the arrays of the default bucket."""
        if self.binded and not force_rebind:
            self.logger.warning("already bound; force_rebind=True binds again")
            return
        if shared_module is not None:
            raise BindError("shared_module is not for BucketingModule, whose buckets share among themselves")
        old = self.get_params() if self.binded and self.params_initialized else self._loaded
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        module = self._made(self._default_bucket_key)
        module.bind(data_shapes, label_shapes, for_training, inputs_need_grad, grad_req=grad_req)
        self._buckets = {self._default_bucket_key: module}
        self._now, self._key, self.binded = module, self._default_bucket_key, True
        if self._monitor is not None:
            module.install_monitor(self._monitor)
        if old is not None:
            module.init_params(None, *old)
            self._loaded = None

    def switch_bucket(self, bucket_key: Any, data_shapes: Shapes, label_shapes: Shapes | None = None) -> None:
        """Go over to a bucket; it is made and bound if it is new."""
        first = self._buckets.get(self._default_bucket_key)
        if first is None:
            raise BindError("the module is not bound: call bind(data_shapes, label_shapes) first")
        module = self._buckets.get(bucket_key)
        if module is None:
            module = self._made(bucket_key)
            module.bind(
                data_shapes, label_shapes, self.for_training, self.inputs_need_grad, shared_module=first,
                grad_req=self._grad_req,
            )  # fmt: skip
            if self._monitor is not None:
                module.install_monitor(self._monitor)
            self._buckets[bucket_key] = module
        self._now, self._key = module, bucket_key

    def _switch_to(self, batch: Any) -> Module:
        if batch.bucket_key is None:
            raise BindError("the batch has no bucket_key: take an iterator for buckets, such as BucketSentenceIter")
        shapes = batch.provide_data, batch.provide_label
        if shapes[0] is None and batch.bucket_key not in self._buckets:
            raise BindError("the batch of a new bucket must describe itself in provide_data and provide_label")
        self.switch_bucket(batch.bucket_key, *shapes)
        return self._module

    def prepare(self, data_batch: Any, sparse_row_id_fn: object = None) -> None:
        """Make the bucket of a batch that comes next."""
        key, now = self._key, self._now
        self._switch_to(data_batch)
        self._key, self._now = key, now

    def init_params(
        self,
        initializer: Any = None,
        arg_params: Arrays | None = None,
        aux_params: Arrays | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Fill the parameters, which are those of all buckets."""
        self._module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._initialized()

    def _initialized(self) -> None:
        self.params_initialized = True
        for module in self._buckets.values():
            module.params_initialized = True

    def get_params(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Give copies of the parameters and the states."""
        return self._module.get_params()

    def set_params(
        self,
        arg_params: Arrays | None,
        aux_params: Arrays | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Replace parameters and states; what is missing (allow_missing) keeps its values."""
        self._module.set_params(arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._initialized()

    def init_optimizer(
        self,
        kvstore: object = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Add an optimiser, which all buckets share."""
        self._module.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        for module in self._buckets.values():
            if module is not self._now:
                module.borrow_optimizer(self._module)
        self.optimizer_initialized = True

    def save_checkpoint(self, prefix: str, epoch: int, remove_amp_cast: bool = False) -> None:
        """Write PREFIX-KEY-symbol.json for each bucket, PREFIX.buckets with whole keys, and PREFIX-%04d.params."""
        save_checkpoint(prefix, epoch, None, *self.get_params())
        for key, module in self._buckets.items():
            module.symbol.save(f"{prefix}-{key}-symbol.json")
        if all(isinstance(key, int) for key in self._buckets):
            params.save(f"{prefix}.buckets", {"keys": np.array(list(self._buckets), np.int32)})

    # A step

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Run a batch in its bucket."""
        self._switch_to(data_batch).forward(data_batch, is_train)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients of the last forward()."""
        self._module.backward(out_grads)

    def update(self) -> None:
        """Take one step of the optimiser."""
        self._module.update()

    def step(self, data_batch: Any) -> None:
        """Run forward, backward and the optimiser in the batch's bucket, as one program where that can be."""
        self._switch_to(data_batch).step(data_batch)

    def get_outputs(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the outputs of the last forward(); the next one overwrites them."""
        return self._module.get_outputs()

    def get_input_grads(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the gradients of the data (bind with inputs_need_grad=True)."""
        return self._module.get_input_grads()

    def get_states(self, merge_multi_context: bool = True) -> list[np.ndarray]:
        """Give the arrays of `state_names`."""
        return self._module.get_states()

    def set_states(self, states: Sequence[np.ndarray] | None = None, value: float | None = None) -> None:
        """Set the arrays of `state_names`."""
        self._module.set_states(states, value)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False, pad: int = 0) -> None:
        """Show the last outputs to a metric."""
        self._module.update_metric(eval_metric, labels, pre_sliced, pad)

    def install_monitor(self, mon: Monitor) -> None:
        """Let a monitor watch every bucket."""
        self._monitor = mon
        for module in self._buckets.values():
            module.install_monitor(mon)


def _inputs(symbol: Symbol) -> tuple[list[str], list[str]]:
    """Name data and labels by what they are called."""
    names = symbol.list_arguments()
    return [n for n in names if n == "data" or n.endswith("_data")], [n for n in names if n.endswith("label")]


def _read_symbols(prefix: str) -> dict[Any, Symbol]:
    path = f"{prefix}.buckets"
    arrays = params.load(path)
    found = list(arrays.values()) if isinstance(arrays, dict) else list(arrays)
    if len(found) != 1 or found[0].ndim != 1 or found[0].dtype.kind not in "iu" or len(found[0]) > 10_000:
        raise FormatError(path, "arrays", "one array of whole keys is wanted")
    return {int(key): symbol_json.load(f"{prefix}-{int(key)}-symbol.json") for key in found[0]}
