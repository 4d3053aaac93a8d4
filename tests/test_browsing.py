"""The watch over pages: what one does wrong fails its test."""

import browsing
import pytest

WRONG = {
    "console: no": "<script>console.error('no')</script>",
    "error: no": "<script>throw new Error('no')</script>",
    "request: file:///.*/x.png": "<img src=x.png>",
    "request: http://127.0.0.1:1/": "<img src='http://127.0.0.1:1/'>",
    "dialog: no": "<script>alert('no')</script>",
}


def opened(page, tmp_path, html):
    (tmp_path / "a.html").write_text(html)
    page.goto((tmp_path / "a.html").as_uri())


@pytest.mark.parametrize("reason", WRONG)
def test_what_is_wrong_is_told(browser, tmp_path, reason):
    with pytest.raises(AssertionError, match=reason), browsing.watched(browser) as page:
        opened(page, tmp_path, WRONG[reason])


def test_an_honest_page_is_let_be(page, tmp_path):
    opened(page, tmp_path, "<p>a<img src='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='>")
    assert page.inner_text("p") == "a"
