"""HTML and SVG that are safe by their type: text is escaped, only what tag() made is markup."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import final

from ..layers import clean

__all__ = ["Html", "data_url", "join", "number", "page", "scrolling", "table", "tag"]

_VOID = ("img", "meta", "link", "br")
_MAX_TEXT = 300


@final
class Html(str):
    """Markup; whatever else is a str is text."""


def tag(name: str, /, *children: str | Html, **attributes: object) -> Html:
    """Make an element; `class_` is the attribute class, `_` stands for - in names, None leaves an attribute out."""
    given = ((k.rstrip("_").replace("_", "-"), v) for k, v in attributes.items() if v is not None)
    head = "".join(f' {k}="{escape(str(v))}"' for k, v in given)
    return Html(f"<{name}{head}>" if name in _VOID else f"<{name}{head}>{join(children)}</{name}>")


def join(parts: Iterable[str | Html]) -> Html:
    """Put parts one after another."""
    return Html("".join(p if isinstance(p, Html) else escape(clean(p, _MAX_TEXT)) for p in parts))


def number(value: float, shown: str | None = None) -> Html:
    """Make a number whose element holds it whole: 6 digits are shown unless `shown` says how."""
    return tag("data", f"{value:.6g}" if shown is None else shown, value=repr(value))


def table(head: Iterable[str], rows: Iterable[Iterable[str | Html]], **attributes: object) -> Html:
    """Make a table that scrolls sideways where the page is narrow; the first cell of a row names it."""
    top = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))
    body = tag("tbody", *(_row(list(cells)) for cells in rows))
    return scrolling(str(attributes.get("id", "table")), tag("table", top, body, **attributes))


def scrolling(name: str, inside: Html) -> Html:
    """Make what may be wider than the page scroll by itself, by keyboard too; `name` is what it is read out as."""
    return tag("div", inside, class_="wide", tabindex=0, role="region", aria_label=name)


def _row(cells: list[str | Html]) -> Html:
    return tag("tr", tag("th", cells[0], scope="row"), *(tag("td", cell) for cell in cells[1:]))


def data_url(content: bytes, kind: str) -> str:
    """Give content as an address that needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def page(title: str, style: str, *body: Html) -> str:
    """Make a whole page: no script runs in it and nothing is loaded, whatever its names say."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        Html(f"<style>{style}</style>"),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *body), lang='en')}\n"
