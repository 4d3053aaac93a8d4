"""report.html: one page that tells what came out of a run, whole in itself: no script, nothing loaded."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from ...formats import atomic
from ..subject import Subject
from . import sections
from .markup import page, tag

__all__ = ["REPORT", "write_report"]

REPORT = "report.html"


def write_report(folder: str | os.PathLike[str], subject: Subject, path: str | os.PathLike[str] | None = None) -> Path:
    """Write the report of the run in `folder` to `path`, by default its report.html; give the path.

    `subject` holds the network with its best parameters, the log, and what the network says of the test data. Charts
    are drawn here and need no extra; the network's drawing needs Graphviz and is left out where there is none.
    """
    folder = Path(folder)
    target = folder / REPORT if path is None else Path(path)
    config = subject.predictor.meta.config
    name = folder.resolve().name or "run"
    what = f"{config.symbol} on {config.dataset}"
    body = [
        tag("header", tag("h1", name), tag("p", what, class_="said")),
        tag(
            "main",
            sections.result(subject),
            sections.curves(subject),
            sections.classes(subject),
            sections.mistakes(subject),
            sections.network(subject),
            sections.options(subject),
            *sections.environment(folder),
            *sections.log(subject.records),
        ),
        tag("footer", tag("p", "written by graphnn", class_="said")),
    ]
    style = resources.files(__name__).joinpath("page.css").read_text("utf-8")
    atomic.write(target, page(f"{name}: {what}", style, *body))
    return target
