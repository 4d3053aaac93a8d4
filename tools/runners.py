"""What graphnn-bench times: training steps and inferences of one network, by graphnn and by PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from graphnn.bound import Bound
from graphnn.data import DataBatch
from graphnn.errors import ShapeError
from graphnn.graph import toposort
from graphnn.symbol import Symbol
from graphnn.tools.torch_peer import DECAY, MOMENTUM, RATE, Peer
from graphnn.train.initializer import InitDesc, Xavier, rng_for
from graphnn.train.module import Module
from graphnn.types import Shape

__all__ = ["RUNNERS", "Case", "Runner"]


class Runner(NamedTuple):
    """`run()` does what is timed; `outputs()` gives what the network says of the data as its weights are now."""

    name: str
    run: Callable[[], object]
    outputs: Callable[[], np.ndarray]
    planned_bytes: int | None


@dataclass(frozen=True)
class Case:
    """One network in one mode ("train" or "infer"), with the shapes of its data and where it runs."""

    symbol: Symbol
    shapes: Mapping[str, Shape]
    mode: str
    threads: int = 1
    backend: str = "numpy"
    conv_algo: str = "auto"
    tune: bool = False

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


def _graphnn(case: Case) -> Runner:
    """Module.step for training: forward, backward and SGD as one program; a frozen executor for inference."""
    name, batch, train = f"graphnn-{case.backend}", case.batch(), case.mode == "train"
    module = Module(
        case.symbol,
        list(case.shapes),
        case.labels,
        backend=case.backend,
        threads=case.threads,
        conv_algo=case.conv_algo,
        tune=case.tune,
    )
    labels = [(n, a.shape) for n, a in zip(case.labels, batch.label or (), strict=True)]
    module.bind(list(case.shapes.items()), labels, train)
    module.init_params(Xavier())
    executor = module.executor
    feed = dict(zip(case.shapes, batch.data, strict=True))

    def infer() -> np.ndarray:
        return executor.forward(False, **feed)[0]

    if train:
        sgd = {"learning_rate": RATE, "momentum": MOMENTUM, "wd": DECAY}
        module.init_optimizer(None, "sgd", sgd)
        return Runner(name, lambda: module.step(batch), lambda: infer().copy(), module.plan().planned_bytes)
    executor.freeze(*case.shapes)
    return Runner(name, infer, lambda: infer().copy(), executor.plan().planned_bytes)


def _torch(case: Case) -> Runner:
    """The same weights and data in PyTorch's eager mode."""
    import torch

    torch.set_num_threads(case.threads)
    batch = case.batch()
    peer = Peer(case.bound(), parameters(case))
    inputs = {n: torch.from_numpy(a) for n, a in zip(case.shapes, batch.data, strict=True)}
    label = torch.from_numpy(batch.label[0]).long() if batch.label else None

    def run() -> None:
        torch.set_num_threads(case.threads)
        if case.mode == "train":
            peer.step(inputs, label)
        else:
            peer.infer(inputs)

    return Runner("torch", run, lambda: peer.infer(inputs).numpy(), None)


def parameters(case: Case) -> dict[str, np.ndarray]:
    """Give the arguments and states as Module.init_params(Xavier()) fills them."""
    bound, attrs = case.bound(), case.symbol.attr_dict()
    inputs = {*case.shapes, *case.labels}
    arrays = {n: np.zeros(bound.types[n].shape, np.float32) for n in (*bound.arguments, *bound.aux) if n not in inputs}
    for name, array in arrays.items():
        Xavier()(InitDesc(name, attrs.get(name, {})), array, rng_for(0, name))
    return arrays


RUNNERS: dict[str, Callable[[Case], Runner]] = {"graphnn": _graphnn, "torch": _torch}
