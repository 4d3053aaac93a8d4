"""What graphnn-bench times: training steps and inferences of one network, by graphnn and by its peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from graphnn.bound import Bound
from graphnn.data import DataBatch
from graphnn.errors import ShapeError
from graphnn.graph import toposort
from graphnn.plan import Plan
from graphnn.symbol import Symbol
from graphnn.tools.peers.walk import DECAY, MOMENTUM, RATE
from graphnn.train.initializer import InitDesc, MSRAPrelu, rng_for
from graphnn.train.module import Module
from graphnn.types import Shape

__all__ = ["Case", "Runner", "make", "module_of", "network", "parameters"]

# He et al. 2015: what a network says still depends on its data behind fifty layers, so that runners can be compared.
START = MSRAPrelu("in", 0.0)


class Runner(NamedTuple):
    """`run()` does what is timed; `outputs()` gives what the network says of the data as its weights are now."""

    name: str
    run: Callable[[], object]
    outputs: Callable[[], np.ndarray]
    plan: Plan | None = None


@dataclass(frozen=True)
class Case:
    """One network in one mode ("train" or "infer"), with the shapes of its data and where it runs."""

    symbol: Symbol
    shapes: Mapping[str, Shape]
    mode: str
    threads: int = 1
    backend: str = "numpy"
    conv_algo: str = "auto"
    fold: bool = False  # BatchNorm, for peers in inference
    tune: bool = False
    recompute: bool = False

    def __post_init__(self) -> None:
        for name in self.symbol.list_arguments():
            if name == "data" and name not in self.shapes:
                raise ShapeError("the shape of 'data' is not known: give --shape data=N,C,H,W")

    @property
    def labels(self) -> list[str]:
        return [n for n in self.symbol.list_arguments() if n.endswith("label") and n not in self.shapes]

    @property
    def random(self) -> bool:
        """Whether two training steps differ by what they draw."""
        return any(node.op.random for node in toposort(self.symbol.values))

    def bound(self) -> Bound:
        return Bound(self.symbol, self.shapes, {})

    def batch(self) -> DataBatch:
        """Give random data and labels."""
        rng = np.random.default_rng(0)
        bound = self.bound()
        data = [rng.standard_normal(shape, np.float32) for shape in self.shapes.values()]
        classes = bound.heads[0].shape[-1]
        labels = [rng.integers(0, classes, bound.types[n].shape).astype(np.float32) for n in self.labels]
        return DataBatch(data, labels)


def module_of(case: Case) -> Module:
    """Make graphnn's module for a case, with an optimiser where it trains."""
    own = {key: getattr(case, key) for key in ("backend", "threads", "conv_algo", "tune", "recompute")}
    module = Module(case.symbol, list(case.shapes), case.labels, **own)
    types = case.bound().types
    module.bind(list(case.shapes.items()), [(n, types[n].shape) for n in case.labels], case.mode == "train")
    module.init_params(START)
    if case.mode == "train":
        module.init_optimizer(None, "sgd", {"learning_rate": RATE, "momentum": MOMENTUM, "wd": DECAY})
    return module


def _graphnn(case: Case) -> Runner:
    """Module.step for training: forward, backward and SGD as one program; a frozen executor for inference."""
    name, batch, module = f"graphnn-{case.backend}", case.batch(), module_of(case)
    executor = module.executor
    feed = dict(zip(case.shapes, batch.data, strict=True))

    def infer() -> np.ndarray:
        return executor.forward(False, **feed)[0]

    if case.mode == "train":
        return Runner(name, lambda: module.step(batch), lambda: infer().copy(), module.plan())
    executor.freeze(*case.shapes)
    return Runner(name, infer, lambda: infer().copy(), executor.plan())


def network(case: Case) -> tuple[Bound, dict[str, np.ndarray]]:
    """Give the bound symbol and its arrays as peers take them."""
    from graphnn.tools.peers.fold import folded

    bound, arrays = case.bound(), parameters(case)
    return folded(bound, arrays) if case.fold and case.mode == "infer" else (bound, arrays)


def parameters(case: Case) -> dict[str, np.ndarray]:
    """Give the arguments and states as Module.init_params(START) fills them."""
    bound, attrs = case.bound(), case.symbol.attr_dict()
    inputs = {*case.shapes, *case.labels}
    arrays = {n: np.zeros(bound.types[n].shape, np.float32) for n in (*bound.arguments, *bound.aux) if n not in inputs}
    for name, array in arrays.items():
        START(InitDesc(name, attrs.get(name, {})), array, rng_for(0, name))
    return arrays


def make(name: str, case: Case) -> Runner:
    """Make graphnn's runner, or that of a peer by name."""
    from graphnn.tools import peers

    return _graphnn(case) if name == "graphnn" else peers.make(name, case)
