"""mx.optimizer: optimisers as objects that change NDArrays, over graphnn's update operators."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np

from ...errors import ParameterError
from ...train import optimizer as native
from ...train import optimizers as more
from . import imperative
from .ndarray import NDArray

__all__ = ["Optimizer", "Updater", "create", "get_updater", "register"]


class Optimizer:
    """What all optimisers share: the rate and the decay of each parameter, and the count of its updates.

    One of your own overrides create_state() and update(); `index` is the parameter's number.
    """

    opt_registry: ClassVar[dict[str, type[Optimizer]]] = {}

    def __init__(
        self,
        rescale_grad: float = 1.0,
        param_idx2name: Mapping[int, str] | None = None,
        wd: float = 0.0,
        clip_gradient: float | None = None,
        learning_rate: float | None = None,
        lr_scheduler: Any = None,
        sym: Any = None,
        begin_num_update: int = 0,
        multi_precision: bool = False,
        param_dict: Any = None,
        **unused: Any,
    ) -> None:
        self.rescale_grad, self.wd, self.clip_gradient = rescale_grad, wd, clip_gradient
        self.lr_scheduler = lr_scheduler
        self.lr = 0.01 if learning_rate is None else learning_rate
        if lr_scheduler is not None and learning_rate is not None:
            lr_scheduler.base_lr = learning_rate
        self.begin_num_update = self.num_update = begin_num_update
        self._index_update_count: dict[Any, int] = {}
        self.multi_precision = multi_precision
        self.idx2name = dict(param_idx2name or {})
        self.param_dict = param_dict or {}
        self.sym_info = (sym.attr_dict(), sym.list_arguments()) if sym is not None else ()
        self.lr_mult: dict[Any, float] = {}
        self.wd_mult: dict[Any, float] = {}
        self.set_lr_mult({})
        self.set_wd_mult({})

    @staticmethod
    def register(klass: type[Optimizer]) -> type[Optimizer]:
        """Let create() know a class by its name, in any case."""
        Optimizer.opt_registry[klass.__name__.lower()] = klass
        return klass

    @staticmethod
    def create_optimizer(name: str, **kwargs: Any) -> Optimizer:
        """Make an optimiser by name."""
        return create(name, **kwargs)

    @property
    def learning_rate(self) -> float:
        """The rate as it is now."""
        if self.lr_scheduler is not None:
            return float(self.lr_scheduler(max(self.num_update, 0)))
        return self.lr

    def set_learning_rate(self, lr: float) -> None:
        """Change the rate; UserWarning, as an error, where a schedule gives it."""
        if self.lr_scheduler is not None:
            raise UserWarning("the schedule gives the rate: change its base_lr instead")
        self.lr = lr

    def set_lr_mult(self, args_lr_mult: Mapping[Any, float]) -> None:
        """Scale the rate of parameters, by name or number, over what the symbol says."""
        self.lr_mult = {**self._from_symbol("__lr_mult__"), **args_lr_mult}

    def set_wd_mult(self, args_wd_mult: Mapping[Any, float]) -> None:
        """Scale the decay of parameters; left alone are those whose names end in _weight or _gamma, others get 0."""
        free = {n: 0.0 for n in self.idx2name.values() if not n.endswith(("_weight", "_gamma"))}
        self.wd_mult = {**free, **self._from_symbol("__wd_mult__"), **args_wd_mult}

    def _from_symbol(self, key: str) -> dict[Any, float]:
        if not self.sym_info:
            return {}
        attrs, names = self.sym_info
        return {n: float(attrs[n][key]) for n in names if key in attrs.get(n, {})}

    def create_state(self, index: Any, weight: NDArray) -> Any:
        """Give what the optimiser keeps of a parameter: None, an NDArray or a tuple of them."""
        return None

    def create_state_multi_precision(self, index: Any, weight: NDArray) -> Any:
        """create_state(), with a float32 copy behind a float16 parameter: (state, copy)."""
        if self.multi_precision and weight.dtype == np.float16:
            copy = weight.astype(np.float32)
            return self.create_state(index, copy), copy
        return self.create_state(index, weight)

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Change a parameter and its state."""
        raise NotImplementedError(f"{type(self).__name__}: define update(index, weight, grad, state)")

    def update_multi_precision(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        """update(), on the float32 copy where there is one; of several parameters where lists are given."""
        if isinstance(index, (list, tuple)):
            for i, w, g, kept in zip(index, weight, grad, state, strict=True):
                self.update_multi_precision(i, w, g, kept)
            return
        if self.multi_precision and weight.dtype == np.float16:
            own, copy = state
            self.update(index, copy, grad.astype(np.float32), own)
            weight[:] = copy
        else:
            self.update(index, weight, grad, state)

    def _update_count(self, index: Any) -> None:
        for i in index if isinstance(index, (list, tuple)) else [index]:
            self._index_update_count[i] = self._index_update_count.get(i, self.begin_num_update) + 1
            self.num_update = max(self._index_update_count[i], self.num_update)

    def _multiplier(self, table: Mapping[Any, float], index: Any) -> float:
        if index in self.param_dict:
            return float(getattr(self.param_dict[index], "lr_mult" if table is self.lr_mult else "wd_mult"))
        return float(table.get(index, table.get(self.idx2name.get(index), 1.0)))

    def _get_lr(self, index: Any) -> float:
        rate = self.lr_scheduler(self.num_update) if self.lr_scheduler is not None else self.lr
        return float(rate) * self._multiplier(self.lr_mult, index)

    def _get_lrs(self, indices: list[Any]) -> list[float]:
        return [self._get_lr(i) for i in indices]

    def _get_wd(self, index: Any) -> float:
        return self.wd * self._multiplier(self.wd_mult, index)

    def _get_wds(self, indices: list[Any]) -> list[float]:
        return [self._get_wd(i) for i in indices]


_OWN = {f.name for f in fields(native.Optimizer)}


class Native(Optimizer):
    """An optimiser of graphnn's: `kind` says its parameters and gives its update operator."""

    kind: ClassVar[type[native.Optimizer]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = [f.name for f in fields(self.kind) if f.init and f.name not in _OWN - {"learning_rate"}]
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        own = {k: given.pop(k) for k in list(given) if k in names and k != "learning_rate"}
        unknown = given.keys() - _OWN - {"aggregate_num", "use_fused_step"}
        if unknown:
            raise TypeError(f"{type(self).__name__} has no parameter {min(unknown)!r}; it has: {', '.join(names)}")
        if given.get("lr_scheduler") is None:
            given.setdefault("learning_rate", self.kind().learning_rate)
        super().__init__(**given)
        self._parameters = list(own)
        self.__dict__.update({f: getattr(self.kind(**own), f) for f in names if f != "learning_rate"})

    def rule(self, **changes: Any) -> native.Optimizer:
        """Give graphnn's optimiser of the same parameters."""
        own = {k: getattr(self, k) for k in self._parameters}
        shared = {"wd": self.wd, "rescale_grad": self.rescale_grad, "clip_gradient": self.clip_gradient}
        shared |= {"lr_scheduler": self.lr_scheduler, "begin_num_update": self.begin_num_update}
        if self.lr_scheduler is None:
            shared["learning_rate"] = self.lr
        made = self.kind(**{**shared, "multi_precision": self.multi_precision, **own, **changes})
        made.lr_mult, made.wd_mult = dict(self.lr_mult), dict(self.wd_mult)
        return made

    def create_state(self, index: Any, weight: NDArray) -> Any:
        """Give zeros like the parameter, or what the algorithm begins with, for each of its states."""
        found = [NDArray(a) for a in self.rule().initial_states(np.asarray(weight)).values()]
        if self.kind is native.RMSProp:  # whose one state MXNet gives as a tuple too
            return tuple(found)
        return None if not found else found[0] if len(found) == 1 else tuple(found)

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Make one step of one parameter."""
        self._update_count(index)
        t = self._index_update_count[index]
        rule = self.rule(learning_rate=self._get_lr(index), lr_scheduler=None, wd=self._get_wd(index))
        rule.lr_mult, rule.wd_mult = {}, {}
        op = rule.update("x_weight", {}, 0)  # a name whose decay is as given
        states = [] if state is None else list(state) if isinstance(state, (list, tuple)) else [state]
        kept = [s for s in states if s is not None]
        numbers = np.zeros(max(1, rule.per_parameter), np.float32)
        numbers[:] = rule.numbers(t, 1)
        new = imperative.apply(op, [weight._data, grad._data, *(s._data for s in kept)], numbers, rule.random)
        for target, array in zip([weight, *kept], new, strict=True):
            target[:] = array


def _define(kind: type[native.Optimizer], name: str | None = None) -> type[Optimizer]:
    """Make the class that goes by the name of one of graphnn's."""
    made = type(name or kind.__name__, (Native,), {"kind": kind, "__doc__": kind.__doc__, "__module__": __name__})
    return Optimizer.register(made)


SGD, NAG, ccSGD = _define(native.SGD), _define(more.NAG), _define(more.ccSGD)
Adam, AdamW, Adamax, Nadam = _define(native.Adam), _define(native.AdamW), _define(more.Adamax), _define(more.Nadam)
RMSProp, AdaGrad, AdaDelta = _define(native.RMSProp), _define(native.AdaGrad), _define(more.AdaDelta)
FTML, Ftrl, Signum, SignSGD = _define(more.FTML), _define(more.Ftrl), _define(more.Signum), _define(more.SignSGD)
DCASGD, SGLD, LAMB, LARS = _define(more.DCASGD), _define(more.SGLD), _define(more.LAMB), _define(more.LARS)
LBSGD, GroupAdaGrad = _define(more.LBSGD), _define(more.GroupAdaGrad)


@Optimizer.register
class Test(Optimizer):
    """w' = w + rescale_grad g; the state is a copy of the parameter (MXNet's optimiser for tests)."""

    __test__ = False  # no test of pytest's

    def create_state(self, index: Any, weight: NDArray) -> NDArray:
        """Give zeros like the parameter."""
        return NDArray(np.zeros_like(weight._data))

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Add the gradient."""
        weight[:] += grad * self.rescale_grad
        state[:] = weight


register = Optimizer.register


def create(name: str | Optimizer, **kwargs: Any) -> Optimizer:
    """Make an optimiser by name, in any case; give one as it is."""
    if isinstance(name, Optimizer):
        return name
    kind = Optimizer.opt_registry.get(str(name).lower())
    if kind is None:
        from ...given import near

        known = sorted(Optimizer.opt_registry)
        raise ParameterError(f"no optimiser {name!r}{near(str(name).lower(), known)}; there are: {', '.join(known)}")
    return kind(**kwargs)


class Updater:
    """An optimiser with the states of the parameters it has met: `updater(index, grad, weight)` makes a step."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.states: dict[Any, Any] = {}
        self.states_synced: dict[Any, bool] = {}

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        many = isinstance(index, (list, tuple))
        for i, g, w in zip(index, grad, weight, strict=True) if many else [(index, grad, weight)]:
            if i not in self.states:
                self.states[i] = self.optimizer.create_state_multi_precision(i, w)
                self.states_synced[i] = True
            self.optimizer.update_multi_precision(i, w, g, self.states[i])

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """Give the states as the bytes of an .npz file; the optimiser itself is never in it."""
        flat: dict[str, Any] = {}
        for index, state in self.states.items():
            parts = list(_parts(state))
            flat |= {f"{index!r}/{k}": np.asarray(part) for k, part in enumerate(parts)}
        file = io.BytesIO()
        np.savez(file, **flat)
        return file.getvalue()

    def set_states(self, states: bytes) -> None:
        """Take over what get_states() gave, for the parameters whose states there are."""
        with np.load(io.BytesIO(states), allow_pickle=False) as file:
            for index, state in self.states.items():
                for k, part in enumerate(_parts(state)):
                    part[:] = file[f"{index!r}/{k}"]


def _parts(state: Any) -> Iterator[NDArray]:
    """Give the arrays of a state, tuples in it one after another."""
    if isinstance(state, (list, tuple)):
        for part in state:
            yield from _parts(part)
    elif state is not None:
        yield state


def get_updater(optimizer: Optimizer) -> Updater:
    """Give the optimiser as a function (index, grad, weight) that keeps the states."""
    return Updater(optimizer)
