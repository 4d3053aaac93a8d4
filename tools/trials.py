"""What graphnn-train does in place of training: a look at the augmentation, a search for the learning rate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphnn.errors import MissingExtraError, ParameterError
from graphnn.tools.entry import folder_of, note, printable, symbol_of

if TYPE_CHECKING:
    from graphnn.runs.config import Config

__all__ = ["find_lr", "show_augmentation"]

_ROWS, _COLUMNS = 8, 12


def show_augmentation(config: Config, path: Path, progress: Any, as_json: bool) -> int:
    """Write a contact sheet: in each row an image as it is, then as training may see it."""
    import numpy as np

    from graphnn.data import augment
    from graphnn.formats import atomic
    from graphnn.runs.rows import data_of
    from graphnn.viz.sheet import contact_sheet

    folder_of(path)
    data = data_of(config, progress)
    x = data.train_x[:_ROWS]
    if data.kind != "images":
        raise ParameterError(f"augment changes images; the data are {data.kind}")
    text = augment.recipe(data.name, x.shape[1:]) if config.augment in ("auto", "none") else config.augment
    rng = np.random.Generator(np.random.Philox(config.seed))
    columns = [x]
    for _ in range(1, _COLUMNS):
        y = x
        for transform in augment.parse(text):
            y = transform(y, rng)
        columns.append(y)
    atomic.write(path, contact_sheet(np.stack(columns, 1)))
    if as_json:
        print(json.dumps({"augment": text, "picture": str(path)}))
    note(f"wrote {path}: --augment {text}")
    return 0


def _said(text: str) -> None:
    note(f"note: {printable(text)}")


def find_lr(config: Config, path: Path, progress: Any, as_json: bool) -> int:
    """Draw the loss over rising learning rates, and name one to take."""
    from graphnn.runs import run as runs
    from graphnn.runs.rate import find_rate
    from graphnn.viz.pictures import save_search

    folder_of(path)
    run = runs.prepare(config, lambda classes: symbol_of(config.symbol, classes), _said, progress)
    found = find_rate(run, progress)
    try:
        save_search(path, found)
        note(f"wrote {path}")
    except MissingExtraError as error:
        note(str(error))
    if as_json:
        print(json.dumps({"lr": found.suggestion, "rates": found.rates, "losses": found.losses}))
    else:
        print(f"--lr {found.suggestion:.2g}")
    return 0
