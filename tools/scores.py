"""What graphnn-eval says of a network: as lines of text, and as numbers for JSON."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from graphnn.tools.entry import printable
from graphnn.train.evaluate import per_class, roc
from graphnn.viz.sequences import Passages, Strips, Told
from graphnn.viz.subject import Subject

if TYPE_CHECKING:
    import numpy as np

    from graphnn.train.evaluate import ClassScore

__all__ = ["Subject", "class_table", "doubt", "lines", "matrix_table", "numbers"]

_MAX_COLUMN = 10  # characters of a class's name above a column
_STRIPS = 10  # that are shown


def lines(subject: Told) -> list[str]:
    """Write what one wants to know first, then its parts."""
    return _TELLING[type(subject)][0](subject)


def numbers(subject: Told) -> dict[str, Any]:
    """Give the same for a program; None for what is not finite, which JSON does not know."""
    return {key: _finite(value) for key, value in _TELLING[type(subject)][1](subject).items()}


def doubt(subject: Told) -> str:
    """Say that a network which gives no numbers has not been measured; "" for others."""
    loss = subject.result.loss if isinstance(subject, Subject) else subject.score.loss
    return "" if math.isfinite(loss) else "the network's outputs are not all finite numbers: the rest says little"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


# Classes


def _class_lines(subject: Subject) -> list[str]:
    result = subject.result
    low, high = result.interval
    scores = class_table(per_class(result.matrix, subject.classes))
    return [
        f"accuracy {result.accuracy:.4f} (95% interval {low:.4f} to {high:.4f})  loss {result.loss:.4f}",
        *("", *scores, "", *matrix_table(result.matrix, subject.classes)),
    ]


def _class_numbers(subject: Subject) -> dict[str, Any]:
    result, curves = subject.result, roc(subject.probabilities, subject.labels)
    rows = [
        asdict(score) | {"roc_area": curve.area if curve else None}
        for score, curve in zip(per_class(result.matrix, subject.classes), curves, strict=True)
    ]
    found = {"accuracy": result.accuracy, "interval": list(result.interval), "count": len(subject.labels)}
    return found | {"loss": result.loss, "per_class": rows}


def class_table(scores: list[ClassScore]) -> list[str]:
    """Write precision, recall and count of each class in columns."""
    rows = [("class", "precision", "recall", "count")]
    for s in scores:
        shares = ("-" if v is None else f"{v:.4f}" for v in (s.precision, s.recall))
        rows.append((printable(s.label), *shares, str(s.count)))  # type: ignore[arg-type]
    width = max(len(row[0]) for row in rows)
    return [f"{row[0]:<{width}}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in rows]


def matrix_table(matrix: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    """Write the confusion matrix: a row for each true class, a column for each predicted one."""
    names = [printable(c) for c in classes]
    heads = [name if len(name) <= _MAX_COLUMN else f"{name[: _MAX_COLUMN - 2]}.." for name in names]
    left = max(map(len, names))
    widths = [max(len(head), *(len(str(n)) for n in matrix[:, k])) for k, head in enumerate(heads)]

    def line(name: str, cells: list[str]) -> str:
        return f"{name:<{left}}  " + " ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))

    rows = [line(name, [str(n) if n else "." for n in row]) for name, row in zip(names, matrix, strict=True)]
    return ["confusion matrix: rows are true, columns predicted", line("", heads), *rows]


# Sequences


def _text_lines(subject: Passages) -> list[str]:
    s = subject.score
    least = "" if s.least_perplexity is None else f" (least possible {s.least_perplexity:.4f})"
    return [
        f"perplexity {s.perplexity:.4f}{least}  loss {s.loss:.4f} nats a character",
        f"accuracy {s.accuracy:.4f} a character, of {s.count:,} characters in rows of {subject.labels.shape[1]}",
        *("", "it writes:", *map(printable, subject.sample.split("\n"))),
    ]


def _text_numbers(subject: Passages) -> dict[str, Any]:
    s = subject.score
    known = {"perplexity": s.perplexity, "least_perplexity": s.least_perplexity}
    return {"accuracy": s.accuracy, "count": s.count, "loss": s.loss} | known


def _strip_lines(subject: Strips) -> list[str]:
    s = subject.score
    low, high = s.interval
    return [
        f"strips read exactly {s.exact:.4f} (95% interval {low:.4f} to {high:.4f})  loss {s.loss:.4f}",
        f"mistakes a character {s.errors:.4f}, of {s.characters:,} characters on {s.count:,} strips",
        *("", *_strip_table(subject)),
    ]


def _strip_table(subject: Strips) -> list[str]:
    """Write the worst-read strips, then the first that were read rightly."""
    wrong = subject.worst(_STRIPS).tolist()
    right = [k for k in range(len(subject.labels)) if subject.read(k) == subject.said(k)][:_STRIPS]
    rows = [("strip", "says", "read", "")]
    for what, shown in (("wrong", wrong), ("right", right)):
        rows += [(str(k), printable(subject.said(k)), printable(subject.read(k)) or "-", what) for k in shown]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _strip_numbers(subject: Strips) -> dict[str, Any]:
    s = subject.score
    shown = [{"strip": k, "says": subject.said(k), "read": subject.read(k)} for k in subject.worst(_STRIPS).tolist()]
    found = {"exact": s.exact, "interval": list(s.interval), "count": s.count, "loss": s.loss}
    return found | {"character_errors": s.errors, "characters": s.characters, "worst": shown}


_TELLING: dict[type, tuple[Callable[[Any], list[str]], Callable[[Any], dict[str, Any]]]] = {
    Subject: (_class_lines, _class_numbers),
    Passages: (_text_lines, _text_numbers),
    Strips: (_strip_lines, _strip_numbers),
}
