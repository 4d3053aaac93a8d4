"""The parts of a report, each from the subject: the result, curves, classes, mistakes, network, options, log."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...errors import GraphnnError
from ...formats.strict_json import loads, read_text
from ...train.evaluate import per_class, roc, worst
from ..layers import size_text
from ..network import plot_network
from ..renderer import find_renderer, render
from ..sequences import Passages, Strips, Told
from ..subject import Subject
from ..table import summary
from .charts import lines, matrix, share_bar
from .markup import Html, data_url, join, number, scrolling, table, tag

if TYPE_CHECKING:
    from ...predictor import Predictor, Trained
    from ...runs.folder import Record

__all__ = [
    "classes", "curves", "environment", "log", "mistakes", "network", "options", "picture", "result", "said",
    "section",
]  # fmt: skip

Card = tuple[str, Html, str]  # what it is, its value, more about it
_MISTAKES = 32
_MAX_SIDE = 128  # pixels of an image of the data
_MAX_MATRIX = 40  # classes
_CONFUSIONS = 12
_SECONDS = 30.0  # for drawing the network
_LINES = 1000  # of a file about the surroundings


def section(title: str, *parts: Html) -> Html:
    return tag("section", tag("h2", title), *parts)


def said(text: str) -> Html:
    return tag("p", text, class_="said")


def result(records: Sequence[Record], s: Told | None) -> Html:
    """The numbers that one looks for first."""
    cards = list(_CARDS[type(s)](s)) if s is not None else []
    if records:
        best = max(records, key=lambda r: r.test_accuracy)
        reached = f"accuracy {best.test_accuracy:.2%} in the log, of {_counted(len(records), 'epoch')}"
        cards.append(("best epoch", number(best.epoch, str(best.epoch)), reached))
        total = sum(r.seconds for r in records)
        cards.append(("training time", number(total, _duration(total)), f"{total / len(records):.3g} s an epoch"))
    return tag("dl", *(_card(*card) for card in cards), class_="cards")


def _class_cards(s: Subject) -> Iterator[Card]:
    low, high = s.result.interval
    accuracy = f"{s.result.accuracy:.2%}"
    yield "accuracy", number(s.result.accuracy, accuracy), f"95% interval {low:.2%} to {high:.2%}"
    yield "loss", number(s.result.loss, f"{s.result.loss:.4f}"), "mean of -log p of the true class"
    yield "tested on", number(len(s.labels), f"{len(s.labels):,}"), f"of {len(s.classes):,} classes"


def _text_cards(s: Passages) -> Iterator[Card]:
    found = s.score
    least = f"; the least possible is {found.least_perplexity:.4f}" if found.least_perplexity is not None else ""
    yield "perplexity", number(found.perplexity, f"{found.perplexity:.4f}"), f"exp of the loss{least}"
    yield "loss", number(found.loss, f"{found.loss:.4f}"), "mean of -log p, nats a character"
    yield "accuracy", number(found.accuracy, f"{found.accuracy:.2%}"), "of the next characters guessed"
    yield "tested on", number(found.count, f"{found.count:,}"), f"characters of {len(s.classes):,} kinds"


def _strip_cards(s: Strips) -> Iterator[Card]:
    found = s.score
    low, high = found.interval
    yield "read exactly", number(found.exact, f"{found.exact:.2%}"), f"95% interval {low:.2%} to {high:.2%}"
    yield "mistakes a character", number(found.errors, f"{found.errors:.2%}"), "edits by characters that are there"
    yield "loss", number(found.loss, f"{found.loss:.4f}"), "mean of -log p of what a strip says"
    yield "tested on", number(found.count, f"{found.count:,}"), f"strips of {found.characters:,} characters"


_CARDS: dict[type, Callable[[Any], Iterator[Card]]] = {
    Subject: _class_cards, Passages: _text_cards, Strips: _strip_cards,
}  # fmt: skip


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _card(name: str, value: Html, more: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", value), tag("dd", more, class_="more"))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 120 else f"{minutes} min"


def curves(records: Sequence[Record]) -> Html:
    """Loss, accuracy, learning rate and time by epoch."""
    if not records:
        return section("Curves", said("The run has no log."))
    epochs = [r.epoch for r in records]

    def series(**names: str) -> dict[str, list[float]]:
        return {shown: [getattr(r, field) for r in records] for shown, field in names.items()}

    charts = [
        lines("loss", "", epochs, series(test="test_loss", train="train_loss")),
        lines("accuracy", "", epochs, series(test="test_accuracy", train="train_accuracy")),
        lines("learning rate", "", epochs, series(rate="learning_rate")),
        lines("time", "seconds", epochs, series(training="seconds")),
    ]
    return section("Curves", tag("div", *charts, class_="charts"))


def classes(s: Subject) -> list[Html]:
    """Precision, recall and area of each class, the confusion matrix, and what is confused most."""
    head = ("class", "precision", "recall", "F1", "ROC area", "count")
    scores = per_class(s.result.matrix, s.classes)
    found = zip(scores, roc(s.probabilities, s.labels), strict=True)
    rows = [
        [
            score.label, _share(score.precision), _share(score.recall), number(score.f1, f"{score.f1:.4f}"),
            number(curve.area, f"{curve.area:.4f}") if curve else "-", number(score.count, str(score.count)),
        ]
        for score, curve in found
    ]  # fmt: skip
    each = table(head, rows, id="classes", class_="numbers")
    if len(rows) > _MAX_MATRIX:
        each = tag("details", tag("summary", f"all {len(rows)} classes"), each)
        whole = said(f"{len(rows)} classes are too many for a matrix here; graphnn-eval --plots draws it.")
    else:
        whole = scrolling("confusion matrix", matrix(s.result.matrix, s.classes))
    return [section("Classes", each, tag("h3", "Confusion matrix"), whole, *_confusions(s))]


def _share(value: float | None) -> str | Html:
    return "-" if value is None else join([number(value, f"{value:.4f}"), share_bar(value)])


def _confusions(s: Subject) -> list[Html]:
    """The pairs of classes that are taken for each other most."""
    wrong = s.result.matrix - np.diag(s.result.matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(k), len(s.classes)) for k in order]
    rows = [
        [s.classes[i], s.classes[j], str(wrong[i, j]), f"{wrong[i, j] / wrong[i].sum():.0%}"]
        for i, j in pairs
        if wrong[i, j]
    ]
    if not rows:
        return []
    head = ("class", "taken for", "times", "of its mistakes")
    return [tag("h3", "Most frequent mistakes"), table(head, rows, class_="numbers second")]


def mistakes(s: Subject) -> list[Html]:
    """The images of the surest wrong answers."""
    title = "Worst mistakes"
    if s.inputs.ndim != 4:
        return [section(title, said("The data are no images."))]
    found = worst(s.probabilities, s.labels, _MISTAKES)
    if not len(found):
        return [section(title, said("There is none."))]
    return [section(title, tag("div", *(_mistake(s, int(k)) for k in found), class_="sheet"))]


def _mistake(s: Subject, k: int) -> Html:
    p = s.probabilities[k]
    is_, taken = s.classes[int(s.labels[k])], s.classes[int(p.argmax())]
    image = picture(s.inputs[k], k)
    text = tag("figcaption", "is ", tag("b", is_), ", taken for ", tag("b", taken), f" {p.max():.1%}")
    return tag("figure", image, text)


def picture(image: np.ndarray, k: int) -> Html:
    """Show number k of the data."""
    return tag("img", src=data_url(_png(image), "image/png"), alt=f"number {k}", title=f"number {k} of the data")


def _png(image: np.ndarray) -> bytes:
    """An image (c, h, w), uint8 or from 0 to 1, as PNG: grey unless c is 3, large ones reduced."""
    x = image if image.dtype == np.uint8 else np.round(image.clip(0, 1) * 255).astype(np.uint8)
    x = x.transpose(1, 2, 0) if len(x) == 3 else x.mean(0).astype(np.uint8)
    small, stream = Image.fromarray(np.ascontiguousarray(x)), io.BytesIO()
    small.thumbnail((_MAX_SIDE, _MAX_SIDE))
    small.save(stream, "PNG")
    return stream.getvalue()


def network(trained: Predictor | Trained) -> Html:
    """The drawing, where something can draw it, and the layers."""
    symbol, shape = trained.symbol, {"data": (1, *trained.shape)}
    found = summary(symbol, shape)
    kinds = ["input" if r.type == "null" else f"{r.type} {r.detail}" for r in found.rows]
    rows = [[r.name, k, _size(r.output_shape), _count(r.parameters)] for r, k in zip(found.rows, kinds, strict=True)]
    total = f"{_count(found.parameters)} parameters, {_count(found.states)} values of states, {len(rows)} layers"
    layers = table(("layer", "operator", "output", "parameters"), rows, id="layers", class_="numbers second")
    closed = tag("details", tag("summary", "layers"), layers)
    return section("Network", tag("p", total), _drawing(symbol, shape), closed)


def _size(shape: list[int] | None) -> str:
    return "?" if shape is None else size_text(tuple(shape)) or "1"


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _drawing(symbol: Any, shape: Mapping[str, tuple[int, ...]]) -> Html:
    if find_renderer() is None:
        return said("It is not drawn: there is no Graphviz here.")
    try:
        svg, _ = render(plot_network(symbol, shape=shape), "svg", _SECONDS)
    except (GraphnnError, OSError) as error:
        return said(f"It is not drawn: {error}")
    # as an image nothing within it can run, load or follow a link
    image = tag("img", src=data_url(svg, "image/svg+xml"), alt="the network, data flowing down", class_="network")
    return tag("details", tag("summary", "drawing"), scrolling("drawing of the network", image))


def options(trained: Predictor | Trained) -> Html:
    """Everything that decided the run."""
    meta = trained.meta
    unused = ("dataset", "data_dir") if meta.config.data is not None else ("data", "label", "image_size")
    own = {f.name: getattr(meta, f.name) for f in fields(meta) if f.name not in ("config", "classes")}
    rows = [[key, _value(value)] for key, value in (asdict(meta.config) | own).items() if key not in unused]
    return section("Options", table(("option", "value"), rows, id="options"))


def environment(folder: Path) -> list[Html]:
    """Where it was made, as far as the folder's environment.jsonl tells it: the last start's lines."""
    path = folder / "environment.jsonl"
    if not path.exists():
        return []
    starts = [line for line in read_text(path, 1 << 20).splitlines() if line.strip()][:_LINES]
    if not starts:
        return []
    rows = [[key, _value(value)] for key, value in loads(starts[-1], path, f"line {len(starts)}").items()]
    begun = f"The run was begun and taken up again {len(starts)} times; this is the last." if len(starts) > 1 else ""
    return [section("Environment", said(begun), table(("what", "value"), rows, id="environment"))]


def _value(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value))
    if isinstance(value, bool) or value is None:
        return {None: "-", True: "yes", False: "no"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def log(records: Sequence[Any]) -> list[Html]:
    """Every number of the log."""
    if not records:
        return []
    names = [f.name for f in fields(records[0])]
    rows = [[_cell(getattr(r, name)) for name in names] for r in records]
    numbers = table([name.replace("_", " ") for name in names], rows, id="log", class_="numbers")
    return [section("Log", tag("details", tag("summary", _counted(len(rows), "epoch")), numbers))]


def _cell(value: object) -> str | Html:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return number(value) if plain else _value(value)  # type: ignore[arg-type]
