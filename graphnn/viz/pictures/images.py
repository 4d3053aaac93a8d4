"""What a network sees, drawn: the worst mistakes, the filters of its first layer, one image layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..activations import planes
from .figure import figure_for, name_of, plain_axes, save

__all__ = ["mosaic", "save_activations", "save_filters", "save_misread", "save_mistakes"]

_GAP, _SMALL = 2, 24  # pixels between the tiles of a mosaic; smaller ones are enlarged
_MAX_TILES = 64  # channels of a layer that are shown
_MAX_LAYERS = 16  # in one picture
_COLUMNS = 16  # tiles beside each other
_WIDTH, _IMAGE, _NUMBERS = 8.0, 1.3, 0.3  # inches: of the layers' picture; heights of an image, of a row of numbers


def save_mistakes(
    path: Path,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
) -> None:
    """Draw a sheet of wrong answers as PNG: images (n, c, h, w), labels (n,), probabilities (n, classes).

    Under each stand what it is and what it was taken for, with the probability.
    """
    chosen = [int(p.argmax()) for p in probabilities]
    above = [f"is {name_of(classes[int(label)], 16)}" for label in labels]
    below = [f"taken for {name_of(classes[k], 16)}\n{p[k]:.1%}" for k, p in zip(chosen, probabilities, strict=True)]
    _save_sheet(path, images, f"the {len(images)} surest mistakes", above, below, columns=8, tile=(1.5, 2.0))


def save_misread(path: Path, images: np.ndarray, said: Sequence[str], read: Sequence[str]) -> None:
    """Draw a sheet of strips (n, c, h, w) as PNG, with what stands on each and what was read under it."""
    below = [f"is {name_of(a)}, read {name_of(b) if b else 'nothing'}" for a, b in zip(said, read, strict=True)]
    tile = (3.2, 3.0 * images.shape[2] / images.shape[3] + 0.35)
    _save_sheet(path, images, f"the {len(images)} worst-read strips", [""] * len(images), below, columns=3, tile=tile)


def _save_sheet(
    path: Path,
    images: np.ndarray,
    heading: str,
    above: Sequence[str],
    below: Sequence[str],
    columns: int,
    tile: tuple[float, float],
) -> None:
    """Draw images (n, c, h, w) in rows with a text above and one below each; `tile` is the room of one in inches."""
    columns = min(columns, max(1, len(images)))
    rows = max(1, math.ceil(len(images) / columns))
    figure = figure_for(path, (max(4.0, tile[0] * columns), tile[1] * rows + 0.4))
    figure.suptitle(heading if len(images) > 1 else "the one mistake", fontsize=10)
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in grid:
        plain_axes(axes)
    for axes, image, title, text in zip(grid, images, above, below, strict=False):
        axes.imshow(_picture(image), cmap="gray", vmin=0, interpolation="nearest")
        axes.set_title(title, fontsize=7, parse_math=False, pad=2)
        axes.set_xlabel(text, fontsize=7, parse_math=False, color="#a03020", labelpad=2)
    save(figure, path)


def save_filters(path: Path, weight: np.ndarray, name: str) -> None:
    """Draw filters (n, c, h, w) as PNG: in colour where c is 3, else each of their channels in grey.

    All have one scale, on which 0 is in the middle and the largest weight at an end.
    """
    n, c, _, _ = weight.shape
    tiles = (weight / (2 * np.abs(weight).max() or 1) + 0.5).clip(0, 1)
    if c not in (1, 3):
        tiles = tiles.reshape(n * c, 1, *weight.shape[2:])
    shown = tiles[: 4 * _MAX_TILES]
    sheet = mosaic(shown, columns=max(1, min(_COLUMNS, math.ceil(math.sqrt(2 * len(shown))))))
    width = 8.0
    figure = figure_for(path, (width, max(1.5, width * sheet.shape[0] / sheet.shape[1]) + 0.5))
    axes = figure.subplots()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    plain_axes(axes)
    what = f"{n} filters of {c} x {weight.shape[2]} x {weight.shape[3]}"
    part = f", the first {len(shown)} channels" if len(shown) < len(tiles) else ""
    axes.set_title(f"{name_of(name, 40)}: {what}{part}", fontsize=9, parse_math=False)
    save(figure, path)


def save_activations(
    path: Path, image: np.ndarray, layers: Sequence[tuple[str, np.ndarray]], title: str = ""
) -> list[Path]:
    """Draw an image (c, h, w) and what layers make of it, names and arrays as of activations(), as PNG, a row for each.

    Each layer has its own scale, from its lowest value (black) to its highest; up to 64 of its channels are shown, the
    first. More than 16 layers take several files, NAME-2.png and so on; gives them all.
    """
    parts = [layers[k : k + _MAX_LAYERS] for k in range(0, len(layers), _MAX_LAYERS)]
    paths = [path if k == 0 else path.with_stem(f"{path.stem}-{k + 1}") for k in range(len(parts))]
    for target, part in zip(paths, parts, strict=True):
        _draw_layers(target, image, part, title)
    return paths


def _draw_layers(path: Path, image: np.ndarray, layers: Sequence[tuple[str, np.ndarray]], title: str) -> None:
    laid = [planes(a) for _, a in layers]
    sheets = [_picture(image), *(mosaic(_scaled(a)[:_MAX_TILES, None], _COLUMNS) for a in laid)]
    heights = [_IMAGE if image.ndim == 3 else _NUMBERS]
    heights += [_height(a, sheet) for a, sheet in zip(laid, sheets[1:], strict=True)]
    figure = figure_for(path, (_WIDTH, sum(heights) + 0.32 * len(sheets) + 0.2))
    grid = np.atleast_1d(figure.subplots(len(sheets), 1, height_ratios=heights)).ravel()
    names = [name_of(title, 100) if title else "the image", *(_layer_title(n, a) for n, a in layers)]
    maps = ["gray" if image.ndim == 3 else "magma", *["magma"] * len(layers)]
    for axes, sheet, name, colours in zip(grid, sheets, names, maps, strict=True):
        axes.imshow(sheet, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
        axes.set_anchor("W")
        axes.set_title(name, fontsize=7.5, loc="left", parse_math=False, pad=2)
        plain_axes(axes)
    save(figure, path)


def _height(a: np.ndarray, sheet: np.ndarray) -> float:
    """How high a layer (c, h, w) is drawn, in inches: a row of numbers low, few channels no wider than their share."""
    if not sheet.size:
        return _NUMBERS
    whole = (_WIDTH - 0.3) * sheet.shape[0] / sheet.shape[1]
    if len(a) == 1 and a.shape[2] >= 2 * a.shape[1]:
        return min(max(_NUMBERS, whole), _NUMBERS * min(a.shape[1], 2))
    return max(_NUMBERS, whole) * max(min(_COLUMNS, len(a)) / _COLUMNS, 0.25)


def _layer_title(name: str, a: np.ndarray) -> str:
    part = f", the first {_MAX_TILES}" if a.ndim == 3 and len(a) > _MAX_TILES else ""
    return f"{name_of(name, 48)}: {' x '.join(map(str, a.shape))}, {a.min():.3g} to {a.max():.3g}{part}"


def _scaled(a: np.ndarray) -> np.ndarray:
    """Values from 0 to 1; what is not finite is 0."""
    a = np.nan_to_num(a.astype(np.float64), posinf=0, neginf=0)
    low, high = a.min(), a.max()
    return (a - low) / (high - low or 1)


def _picture(image: np.ndarray) -> np.ndarray:
    """An image (c, h, w), uint8 or from 0 to 1, as (h, w, 3) or (h, w) from 0 to 1; of another c the channels' mean.

    What is no image is a strip of its numbers, from the lowest to the highest.
    """
    if image.ndim != 3:
        return _scaled(image.reshape(1, -1))
    x = image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
    return x.transpose(1, 2, 0).clip(0, 1) if len(x) == 3 else x.mean(0).clip(0, 1)


def mosaic(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Lay tiles (n, c, h, w), c 1 or 3, out in rows: (H, W), with NaN between them, or (H, W, 3), white between."""
    times = max(1, _SMALL // max(tiles.shape[2:]))
    tiles = tiles.repeat(times, 2).repeat(times, 3)
    n, c, h, w = tiles.shape
    columns = max(1, min(columns, n))
    rows = math.ceil(n / columns)
    sheet = np.full((rows, h + _GAP, columns, w + _GAP, c), 1.0 if c == 3 else np.nan)
    for k, tile in enumerate(tiles):
        sheet[k // columns, :h, k % columns, :w] = tile.transpose(1, 2, 0)
    flat = sheet.reshape(rows * (h + _GAP), columns * (w + _GAP), c)[: -_GAP or None, : -_GAP or None]
    return flat if c == 3 else flat[..., 0]
