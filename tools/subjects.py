"""Asking a run's network of test data: what graphnn-eval measures, and what a run's report is about."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from graphnn.data import Dataset
    from graphnn.predictor import Predictor, Trained
    from graphnn.runs.folder import Record
    from graphnn.viz.sequences import Passages, Strips, Told
    from graphnn.viz.subject import Subject

__all__ = ["predicted", "subject_of"]

_CHUNK = 512  # rows between two moves of the bar
_WRITTEN, _TEMPERATURE = 300, 0.7  # characters of a sample, and how they are drawn


def subject_of(
    trained: Trained, records: Sequence[Record], data: Dataset, backend: str, threads: int,
    max_memory: int | None = None, quiet: bool = True,
) -> Told:  # fmt: skip
    """Ask the network of the test data, with a bar on a terminal unless `quiet`."""
    made: Callable[..., Told] = {"text": _passages, "strings": _strips}.get(trained.meta.kind, _subject)
    return made(trained, records, data, (backend, threads, max_memory), quiet)


def _subject(trained: Trained, records: Sequence[Record], data: Dataset, how: Sequence[Any], quiet: bool) -> Subject:
    from graphnn.predictor import Predictor
    from graphnn.viz.subject import Subject

    predictor = Predictor(*trained, *how)
    told = predicted(predictor, data.test_x, quiet)
    return Subject(predictor, records, data.test_x, data.test_y, told)


def _passages(trained: Trained, records: Sequence[Record], data: Dataset, how: Sequence[Any], quiet: bool) -> Passages:
    from graphnn.data.text import decode
    from graphnn.runner import Runner
    from graphnn.viz.sequences import Passages
    from graphnn.writer import Writer

    runner = Runner(trained, *how)
    beginning = decode(data.test_x[0][:1], trained.classes)
    written = Writer(trained, *how).write(beginning, _WRITTEN, _TEMPERATURE, trained.meta.config.seed)
    outputs = _shown(runner.run(data.test_x), len(data.test_x), runner.rows, quiet)
    return Passages.of(trained, records, data.test_x, data.test_y, outputs, beginning + written)


def _strips(trained: Trained, records: Sequence[Record], data: Dataset, how: Sequence[Any], quiet: bool) -> Strips:
    from graphnn.runner import Runner
    from graphnn.viz.sequences import Strips

    runner = Runner(trained, *how)
    x, y = data.test_x, data.test_y
    return Strips.of(trained, records, x, y, _shown(runner.run(x, y), len(x), runner.rows, quiet))


def predicted(predictor: Predictor, inputs: np.ndarray, quiet: bool) -> np.ndarray:
    """Give the probabilities (n, classes) of inputs (n, ...), with a bar on a terminal."""
    import numpy as np

    parts = (predictor.predict(inputs[k : k + _CHUNK]) for k in range(0, len(inputs), _CHUNK))
    empty = np.empty((0, len(predictor.classes)), np.float32)
    return np.concatenate([empty, *_shown(parts, len(inputs), _CHUNK, quiet)])


def _shown(parts: Iterable[Any], total: int, size: int, quiet: bool) -> Iterable[Any]:
    """Give the parts, each of `size` rows but the last, with a bar on a terminal."""
    from tqdm import tqdm

    plain = quiet or sys.stderr is None or not sys.stderr.isatty()
    with tqdm(total=total, desc="evaluation", leave=False, unit="row", file=sys.stderr, disable=plain) as bar:
        for part in parts:
            yield part
            bar.update(min(size, total - bar.n))
