"""Fixtures that several files of tests use."""

from __future__ import annotations

import re

import browsing
import pytest

from graphnn import NameManager, Symbol, Variable, sym


def pytest_addoption(parser):
    parser.addoption("--skips", metavar="REGEX", help="fail where a test is skipped for a reason without a match")


def pytest_sessionfinish(session):
    allowed = session.config.getoption("skips")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if allowed is None or reporter is None:
        return
    found = [r.longrepr for r in reporter.stats.get("skipped", ())]
    reasons = {str(r[2] if isinstance(r, tuple) else r).removeprefix("Skipped: ") for r in found}
    if other := sorted(r for r in reasons if not re.search(allowed, r)):
        reporter.write_line(f"\nnothing may be skipped here, but was: {'; '.join(other)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


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


@pytest.fixture(scope="session")
def browser():
    """A headless browser; skips where there is none, for a reason that begins with "no browser"."""
    with browsing.launched() as found:
        yield found


@pytest.fixture
def page(browser):
    """A page of its own storage; the test fails if it met an error, or asked for what does not belong to it."""
    with browsing.watched(browser) as found:
        yield found
