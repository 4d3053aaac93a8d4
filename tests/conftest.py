"""Fixtures that several files of tests use."""

from __future__ import annotations

import os
import re
import shutil
from urllib.parse import urlsplit

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


# Pages, in a real browser

BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
QUIET = ("disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update")


@pytest.fixture(scope="session")
def browser():
    """A headless browser; skips where there is none, for a reason that begins with "no browser"."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no browser: install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("no browser: install the extra test, for playwright")
    options = [f"--{name}" for name in (*QUIET, "disable-sync")]
    root = hasattr(os, "getuid") and os.getuid() == 0  # for whom chromium has no sandbox
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=path, args=[*options, "--no-sandbox"] if root else options, chromium_sandbox=not root
        )
        yield found
        found.close()


@pytest.fixture
def page(browser):
    """A page of its own storage; the test fails if it met an error, or asked for what does not belong to it.

    What belongs: for a file nothing but itself, for a page of this machine its own server.
    """
    wrong: list[str] = []
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", lambda r: None if _own(r, page.url) else wrong.append(f"request: {r.url[:200]}"))
        page.on("popup", lambda other: wrong.append(f"window: {other.url[:200]}"))
        page.on("dialog", lambda d: (wrong.append(f"dialog: {d.message}"), d.dismiss()))
        yield page
    assert wrong == []


def _own(request, here: str) -> bool:
    to, at = urlsplit(request.url), urlsplit(here)
    if to.scheme in ("data", "blob") or (to.scheme, to.netloc) == (at.scheme, at.netloc) != ("file", ""):
        return True
    return request.is_navigation_request() and (to.scheme == "file" or to.hostname == "127.0.0.1")
