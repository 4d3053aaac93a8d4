"""report.html: one page that tells what came out of a run, whole in itself: no script, nothing loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...formats import atomic
from ..sequences import Passages, Strips, Told
from ..subject import Subject
from . import sections, sequences
from .markup import Html, page, tag

if TYPE_CHECKING:
    from ...predictor import Predictor, Trained
    from ...runs.folder import Record

__all__ = ["REPORT", "write_report"]

REPORT = "report.html"
_PARTS: dict[type, Sequence[Callable[[Any], Sequence[Html]]]] = {
    Subject: (sections.classes, sections.mistakes),
    Passages: (sequences.written, sequences.places),
    Strips: (sequences.strips,),
}


def write_report(
    folder: str | os.PathLike[str],
    trained: Predictor | Trained,
    records: Sequence[Record],
    subject: Told | None,
    path: str | os.PathLike[str] | None = None,
) -> Path:
    """Write the report of the run in `folder` to `path`, by default its report.html; give the path.

    `trained` is the network with its best parameters, `records` the log, `subject` what the network says of the test
    data, None where it was not asked. Charts are drawn here and need no extra; the
    network's drawing needs Graphviz and is left out where there is none.
    """
    folder = Path(folder)
    target = folder / REPORT if path is None else Path(path)
    name = folder.resolve().name or "run"
    body = [
        tag("header", tag("h1", name), tag("p", _what(trained), class_="said")),
        tag("main", *_parts(folder, trained, records, subject)),
        tag("footer", tag("p", "written by graphnn", class_="said")),
    ]
    style = resources.files(__name__).joinpath("page.css").read_text("utf-8")
    atomic.write(target, page(f"{name}: {_what(trained)}", style, *body))
    return target


def _what(trained: Predictor | Trained) -> str:
    """Name network and data, both without their folders."""
    config = trained.meta.config
    return f"{Path(config.symbol).name} on {Path(config.data).name if config.data else config.dataset}"


def _parts(
    folder: Path, trained: Predictor | Trained, records: Sequence[Record], subject: Told | None
) -> Iterator[Html]:
    yield sections.result(records, subject)
    yield sections.curves(records)
    for part in _PARTS.get(type(subject), ()):
        yield from part(subject)
    yield sections.network(trained)
    yield sections.options(trained)
    yield from sections.environment(folder)
    yield from sections.log(records)
