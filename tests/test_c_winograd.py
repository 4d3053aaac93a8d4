"""Minimal filtering: how far it is from float64, as docs/c-backend.md says, and that it can be switched off."""

from __future__ import annotations

import numpy as np
import pytest
from c_targets import native

from graphnn import sym
from graphnn.backends.c.conv import lower
from graphnn.backends.c.ops import conv_weights, winograd
from graphnn.executor import Executor

native()
SIZES = (13, 14)  # tiles of 2 and of 4 are cut at the border
# The most that is stated, of the largest element: forward and to the data by m, and to the weights.
STATED = {2: 1.5e-6, 4: 5e-6, "weights": 3e-6}
CHANNELS = [16, 64, pytest.param(256, marks=pytest.mark.slow)]


def bound(channels: int, images: int = 4, dtype: str = "float32", **options: object) -> Executor:
    """Bind one convolution of normally distributed numbers, which have run forward and backward."""
    x = sym.Variable("data")
    net = sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=channels, no_bias=True, name="conv")
    shape = (images, channels, *SIZES)
    ex = net.simple_bind(data=shape, type_dict={"data": dtype}, **options)
    rng = np.random.default_rng(channels)
    ex.arg_dict["data"][...] = rng.normal(size=shape).astype("float32")
    ex.arg_dict["conv_weight"][...] = rng.normal(size=ex.arg_dict["conv_weight"].shape).astype("float32")
    ex.forward(is_train=True)
    ex.backward(rng.normal(size=shape).astype("float32").astype(dtype))
    return ex


def filtered(ex: Executor) -> list[object]:
    """Give what runs by minimal filtering: m of each product, "weights" for their gradient."""
    ops = [s.op for s in ex.plan(True).steps]
    products: list[object] = [op.grid.m for op in ops if isinstance(op, winograd)]
    return products + ["weights" for op in ops if isinstance(op, conv_weights) and op.grid]


def error(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.abs(got - want).max() / np.abs(want).max())


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("channels", CHANNELS)
def test_stated_errors(channels, m, monkeypatch):
    monkeypatch.setattr(lower, "winograd_choice", lambda parts, grid, n, c, k, target, algo: (m, target.lanes))
    monkeypatch.setattr(lower, "_filters_weights", lambda *_: True)
    ex, want = bound(channels, backend="c"), bound(channels, dtype="float64", optimize=False)
    assert filtered(ex) == [m, m, "weights"]
    assert error(ex.outputs[0], want.outputs[0]) <= STATED[m]
    assert error(ex.grad_dict["data"], want.grad_dict["data"]) <= STATED[m]
    assert error(ex.grad_dict["conv_weight"], want.grad_dict["conv_weight"]) <= STATED["weights"]


def test_direct_switches_it_off():
    assert filtered(bound(64, backend="c"))
    assert filtered(bound(64, backend="c", conv_algo="direct")) == []


@pytest.mark.parametrize("images", [1, 2, 7])
def test_few_and_odd_numbers_of_tiles(images, monkeypatch):
    """Tiles all at once, in blocks, and in a last block that is not full; more threads than blocks."""
    monkeypatch.setattr(lower, "winograd_choice", lambda parts, grid, n, c, k, target, algo: (4, target.lanes))
    monkeypatch.setattr(lower, "_filters_weights", lambda *_: True)
    want = bound(16, images, "float64", optimize=False)
    for threads in (1, 3):
        ex = bound(16, images, backend="c", threads=threads)
        assert filtered(ex) == [4, 4, "weights"]
        assert error(ex.outputs[0], want.outputs[0]) <= STATED[4]
        for name, g in want.grad_dict.items():
            assert error(ex.grad_dict[name], g) <= STATED[4], name
