"""Fixtures that several files of tests use."""

from __future__ import annotations

import pytest

from graphnn import NameManager, Symbol, Variable, sym


@pytest.fixture
def fresh_names():
    """Count automatic names from 0."""
    with NameManager():
        yield


@pytest.fixture
def auto_is_numpy(monkeypatch):
    """Let the command lines in this process take NumPy where no --backend is given."""
    from graphnn.tools import options

    monkeypatch.setattr(options, "DEFAULT_BACKEND", "numpy")


@pytest.fixture
def mlp(fresh_names) -> Symbol:
    net = sym.FullyConnected(Variable("data"), num_hidden=8, name="fc1")
    net = sym.Activation(net, act_type="relu", name="relu1")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")
