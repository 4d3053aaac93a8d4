"""A real browser without a window, and pages whose every error and every stray request fails the test."""

import os
import shutil
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
QUIET = (
    *("disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update"),
    "disable-sync",
)


@contextmanager
def launched():
    """Give the first browser there is, with a profile of its own."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no browser: install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("no browser: install the extra test, for playwright")
    root = hasattr(os, "getuid") and os.getuid() == 0  # for whom chromium has no sandbox
    options = [f"--{name}" for name in (*QUIET, "no-sandbox")[: None if root else -1]]
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=options, chromium_sandbox=not root)
        yield found
        found.close()


@contextmanager
def watched(browser):
    """Give a page of its own storage; AssertionError at the end for all that it did wrong.

    That is an error, on the console or thrown, a dialog, a window, and a request for what does not belong to it: to a
    file belongs nothing but itself, to a page of this machine its own server.
    """
    wrong: list[str] = []
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", lambda r: None if _belongs(r, page.url) else wrong.append(f"request: {r.url[:200]}"))
        page.on("popup", lambda other: wrong.append(f"window: {other.url[:200]}"))
        page.on("dialog", lambda d: (wrong.append(f"dialog: {d.message}"), d.dismiss()))
        yield page
    assert not wrong, "; ".join(wrong)


def _belongs(request, here):
    to, at = urlsplit(request.url), urlsplit(here)
    if to.scheme in ("data", "blob") or (to.scheme, to.netloc) == (at.scheme, at.netloc) != ("file", ""):
        return True
    return request.is_navigation_request() and (to.scheme == "file" or to.hostname == "127.0.0.1")
