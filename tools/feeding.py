"""Does making batches slow training down? Steps on one batch beside steps on batches as they are made, augmented."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from graphnn.data import DataBatch, augment
from graphnn.data.batches import Batches
from graphnn.data.feed import Feed
from graphnn.data.scaling import normalizer
from graphnn.errors import ShapeError
from graphnn.tools.runners import Case, module_of

__all__ = ["measure", "table"]

WORKERS = (0, 1, 2)  # processes; with 0 a thread makes the batches
STEPS = 10  # of each in a round
_IMAGES = 4096


def measure(name: str, case: Case, text: str, rounds: int) -> list[dict[str, Any]]:
    """Time training steps of `case` in rounds: on one batch, then fed by a thread, by one and by two processes.

    Data are random images, changed by the transforms `text`. Gives a row for each way, with its median time of a step
    and the ratio to that on one batch. Raises ShapeError where the network takes no images.
    """
    shape = case.shapes.get("data", ())
    if len(case.shapes) != 1 or len(shape) != 4:
        raise ShapeError(f"{name}: --feed changes images, the network must take one input (n, c, h, w)")
    source, same = _source(shape, text), case.batch()
    step = module_of(case).step
    times: dict[str, list[float]] = {}
    with ExitStack() as stack:
        ways: dict[str, Iterator[DataBatch]] = {"one batch": _always(same)}
        for workers in WORKERS:
            feed = stack.enter_context(Feed(source, workers))
            ways[_named(workers)] = _endless(feed)
        for _ in range(rounds + 1):  # the first warms up
            for way, batches in ways.items():
                times.setdefault(way, []).append(_time(step, batches))
    base = median(times["one batch"][1:])
    return [
        {
            "model": name, "batch": shape[0], "threads": case.threads, "backend": case.backend, "augment": text,
            "fed by": way, "median_ms": 1e3 * median(found[1:]), "ratio": median(found[1:]) / base,
        }
        for way, found in times.items()
    ]  # fmt: skip


def _named(workers: int) -> str:
    return "a thread" if not workers else f"{workers} process{'es' * (workers > 1)}"


def _source(shape: Sequence[int], text: str) -> Batches:
    rng = np.random.default_rng(0)
    n = max(_IMAGES, 4 * shape[0])
    images = rng.integers(0, 256, (n, *shape[1:]), np.uint8)
    scale = normalizer((0.5,) * shape[1], (0.25,) * shape[1])
    labels = rng.integers(0, 2, n)
    return Batches(images, labels, shape[0], scale, shuffle=True, transforms=augment.parse(text))


def _always(batch: DataBatch) -> Iterator[DataBatch]:
    while True:
        yield batch


def _endless(feed: Feed) -> Iterator[DataBatch]:
    for epoch in count(1):
        yield from feed.epoch(epoch)


def _time(step: Any, batches: Iterator[DataBatch]) -> float:
    """The seconds of a step, over STEPS of them."""
    begin = perf_counter()
    for _ in range(STEPS):
        step(next(batches))
    return (perf_counter() - begin) / STEPS


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Write the rows in columns."""
    told = ("model", "batch", "threads", "backend", "fed by")
    lines = [[*told, "median ms", "ratio"]]
    lines += [[*(str(r[k]) for k in told), f"{r['median_ms']:.3f}", f"{r['ratio']:.3f}"] for r in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
