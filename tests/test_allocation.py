"""Nothing is allocated after the first call: NumPy reports its arrays to tracemalloc."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from case import Case
from cases import CASES
from test_gradients import bound

from graphnn import models, sym
from graphnn.data import DataBatch
from graphnn.train.module import Module
from graphnn.types import TensorType

ELEMENTS = 30_000  # of the largest input: 240 KB
BUFFERS = 48 << 10  # views, calls, and NumPy's buffers for strided and broadcast operands (bufsize elements each)


def peak(run: Callable[[], object]) -> int:
    """Give the bytes that the third run has allocated at once."""
    run()
    with np.errstate(all="ignore"):
        np.setbufsize(512)
        tracemalloc.start()
        try:
            run()
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            run()
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()


def enlarged(case: Case, xs: list[np.ndarray]) -> list[np.ndarray] | None:
    """Repeat the inputs along the first axis for which the operator still takes them."""
    times = max(2, ELEMENTS // max((x.size for x in xs), default=1))
    for axis in range(xs[0].ndim if xs else 0):
        new = [np.concatenate([x] * times, axis) if _fits(x, xs[0], axis) else x for x in xs]
        try:
            case.op.types(tuple(TensorType(x.shape) for x in new))
        except ValueError:
            continue
        return new
    return None


def _fits(x: np.ndarray, first: np.ndarray, axis: int) -> bool:
    return x.ndim > axis and x.shape[axis] == first.shape[axis] and (x.ndim == first.ndim or not axis)


# NumPy sorts, factorises and adds at repeated places into arrays of its own only; boxes come in numbers that depend
# on the data.
FREE = [c for c in CASES if "allocates" not in c.tags]
ROWS = [c for c in FREE if enlarged(c, c.inputs(np.random.default_rng(0)))]


def test_nearly_every_row_is_enlarged():
    assert len(ROWS) > 0.95 * len(FREE) > 0.8 * len(CASES)


@pytest.mark.parametrize("case", ROWS, ids=lambda c: c.id)
def test_row(case):
    ex = bound(case, enlarged(case, case.inputs(np.random.default_rng(0))))
    heads = None if case.op.is_loss else [np.ones_like(y) for y in ex.outputs]

    def run():
        ex.forward(is_train=True)
        ex.backward(heads)
        ex.forward()

    assert peak(run) < BUFFERS


@pytest.mark.parametrize("dtype", ["float16", "int32"])
def test_mean_in_a_wider_type(dtype):
    net = sym.mean(sym.Variable("x"), axis=1)
    ex = net.simple_bind("null", {"x": dtype}, x=(ELEMENTS, 4))
    assert peak(ex.forward) < BUFFERS


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_step_of_alexnet(optimizer):
    module = Module(models.get("alexnet", num_classes=10))
    module.bind([("data", (8, 1, 28, 28))], [("softmax_label", (8,))])
    module.init_params()
    module.init_optimizer(optimizer=optimizer)
    batch = DataBatch([np.ones((8, 1, 28, 28), "float32")], [np.zeros(8, "float32")])

    def together():
        module.forward_backward(batch)
        module.update()

    def apart():
        module.forward(batch, is_train=True)
        module.backward()
        module.update()
        module.forward(batch, is_train=False)

    assert peak(together) < BUFFERS
    assert peak(apart) < BUFFERS
