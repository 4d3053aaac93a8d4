"""Progress for people: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from graphnn.tools.entry import note

__all__ = ["progress"]


def progress(quiet: bool, every: int | None = None) -> Callable[..., Any]:
    """Show how far something is: a bar on a terminal, else a line when it begins; and a line `every` so many batches.

    Gives a function of a text, a count and what is counted (batch), whose value is a context; what that gives is called
    after each one with the metrics so far.
    """

    @contextmanager
    def show(label: str, total: int, unit: str = "batch") -> Iterator[Callable[[list[tuple[str, float]]], object]]:
        plain = quiet or sys.stderr is None or not sys.stderr.isatty()
        if plain and not quiet:
            note(f"{label}: {total} {unit}es" if unit.endswith("ch") else f"{label}: {total} {unit}s")
        from tqdm import tqdm

        begin, skipped = perf_counter(), 0
        with tqdm(total=total, desc=label, leave=False, unit=unit, file=sys.stderr, disable=plain) as bar:
            done = 0

            def advance(values: list[tuple[str, float]] = []) -> None:  # noqa: B006  # never changed
                nonlocal done, skipped
                done += 1
                bar.update()
                if not values:  # done in an earlier part of the run
                    skipped += 1
                elif every and done % every == 0:
                    shown = "".join(f", {name} {value:.4f}" for name, value in values)
                    rate = (done - skipped) / (perf_counter() - begin)
                    note(f"{label}: batch {done}/{total}, {rate:.1f} batches/s{shown}")
                elif not plain:
                    bar.set_postfix_str(" ".join(f"{value:.4f}" for _, value in values[-1:]), refresh=False)

            yield advance

    return show
