"""Augmentation: random changes of images that leave their label what it is, as transforms on whole batches.

A transform takes bytes (n, c, h, w) and a generator, and gives new bytes of the same shape. What it draws depends on
the generator alone, so a batch comes out the same whoever makes it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, final

import numpy as np

from ..errors import ParameterError

__all__ = ["RECIPES", "Affine", "Crop", "Cutout", "Flip", "Jitter", "Transform", "parse"]

Generator = np.random.Generator

# what --augment alone means, by data set; other images get those of "images"
RECIPES = {
    "mnist": "rotate:12,shear:12,scale:0.12,shift:2.5",
    "fashion-mnist": "crop:2,flip",
    "cifar-10": "crop:4,flip",
    "images": "crop:4,flip,jitter:0.2",
}
_PIXELS = 1 << 14  # that are changed at once: their arrays stay in a processor's cache, and in the heap
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Transform(ABC):
    """A random change of images."""

    @abstractmethod
    def __call__(self, x: np.ndarray, rng: Generator) -> np.ndarray:
        """Give changed copies of the images x (n, c, h, w), uint8."""


@final
@dataclass(frozen=True)
class Crop(Transform):
    """Pad each side by `pad` pixels, mirrored at the border, and cut the old size out anywhere (He et al. 2015)."""

    pad: int

    def __call__(self, x: np.ndarray, rng: Generator) -> np.ndarray:
        n, _, h, w = x.shape
        pad = min(self.pad, h - 1, w - 1)  # a mirror has no more
        padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (h, w), axis=(2, 3))
        top, left = rng.integers(0, 2 * pad + 1, (2, n))
        return np.ascontiguousarray(windows[np.arange(n), :, top, left])


@final
@dataclass(frozen=True)
class Flip(Transform):
    """Mirror left and right, every second image on average."""

    def __call__(self, x: np.ndarray, rng: Generator) -> np.ndarray:
        flipped = rng.random(len(x)) < 0.5
        out = x.copy()
        out[flipped] = x[flipped][..., ::-1]
        return out


def _in_parts(change: Callable[..., np.ndarray], x: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
    """Change some images at a time; what is drawn has a value for each along its first axis."""
    n, _, h, w = x.shape
    step = max(1, _PIXELS // (h * w))
    parts = [slice(k, k + step) for k in range(0, max(1, n), step)]
    return np.concatenate([change(x[part], *(d[part] for d in drawn)) for part in parts])


@final
@dataclass(frozen=True)
class Affine(Transform):
    """y(p) = x(A (p - c) + c - t): turn by up to `rotate` degrees, shear, scale by 1 +- `scale`, shift by up to pixels.

    Read between pixels bilinearly, the border's pixels going on outside; c is the centre. Each
    image draws its own A and t, uniformly.
    """

    rotate: float = 0.0
    shear: float = 0.0
    scale: float = 0.0
    shift: float = 0.0

    def __call__(self, x: np.ndarray, rng: Generator) -> np.ndarray:
        angle, shear, scale, *shifts = rng.uniform(-1, 1, (5, len(x)))
        angle, shear = np.radians(self.rotate) * angle, np.tan(np.radians(self.shear) * shear)
        size = 1 / (1 + self.scale * scale)
        cos, sin = size * np.cos(angle), size * np.sin(angle)
        rows, columns = (cos, sin + cos * shear), (-sin, cos - sin * shear)  # of the inverse
        drawn = (*rows, self.shift * shifts[0], *columns, self.shift * shifts[1])
        return _in_parts(_moved, x, *(d[:, None, None] for d in drawn))


def _moved(x: np.ndarray, *drawn: np.ndarray) -> np.ndarray:
    """Read images at the places of an affine map: for rows and columns a factor of each, and a shift, (n, 1, 1)."""
    h, w = x.shape[2:]
    row, column = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    places = []
    for (a, b, shift), size in ((drawn[:3], h), (drawn[3:], w)):
        at = a * row + b * column
        at += (size - 1) / 2
        at -= shift
        places.append(at.astype(np.float32))
    return _bilinear(x, *places)


def _bilinear(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Read images x (n, c, h, w) between their pixels, at rows and columns (n, h, w)."""
    n, c, h, w = x.shape
    (top, down), (left, across) = _before(rows, h), _before(columns, w)
    first = np.arange(0, n * h * w, h * w)[:, None, None] + (top * w + left)
    right, below = int(w > 1), w * (h > 1)  # a single one has no neighbour, and nothing is between
    pixels = _pixels(x)
    corners = [
        pixels.take(first + k).view(np.uint8).reshape(n, h, w, pixels.itemsize)
        for k in (0, right, below, right + below)
    ]
    out = np.empty_like(x)
    for k in range(c):
        upper, upper_right, lower, lower_right = (p[..., k].astype(np.float32) for p in corners)
        upper += (upper_right - upper) * across
        lower += (lower_right - lower) * across
        upper += (lower - upper) * down
        upper += 0.5
        out[:, k] = upper
    return out


def _pixels(x: np.ndarray) -> np.ndarray:
    """Images (n, c, h, w) as pixels (n h w,), each with its channels, so that these are looked up at once."""
    n, c, h, w = x.shape
    size = 1 << (c - 1).bit_length()  # bytes, a power of two: others are copied slowly
    pixels = np.zeros((n, h, w, size), np.uint8)
    for k in range(c):
        pixels[..., k] = x[:, k]
    return pixels.reshape(-1).view(f"V{size}")


def _before(at: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixel before a place, and how far it is from there to the next."""
    at = np.clip(at, 0, size - 1)
    first = np.minimum(at.astype(np.intp), max(size - 2, 0))
    return first, at - first.astype(np.float32)


@final
@dataclass(frozen=True)
class Jitter(Transform):
    """y = b (c (s x + (1 - s) g) + (1 - c) m): brightness, contrast and saturation by b, c, s in 1 +- `strength`.

    g is what a pixel would be in grey, m the mean of that over the image. Grey images have s = 1.
    """

    strength: float

    def __call__(self, x: np.ndarray, rng: Generator) -> np.ndarray:
        factors = rng.uniform(1 - self.strength, 1 + self.strength, (3, len(x), 1, 1, 1)).astype(np.float32)
        return _in_parts(_jittered, x, *factors)


def _jittered(x: np.ndarray, bright: np.ndarray, contrast: np.ndarray, saturation: np.ndarray) -> np.ndarray:
    c = x.shape[1]
    if c != 3:
        saturation = np.ones_like(saturation)
    y = x.astype(np.float32)
    grey = np.einsum("nchw,c->nhw", y, _GREY if c == 3 else np.full(c, 1 / c, np.float32))[:, None]
    middle = grey.mean((2, 3), keepdims=True)
    y *= bright * contrast * saturation
    grey *= bright * contrast * (1 - saturation)
    grey += bright * (1 - contrast) * middle
    y += grey
    return np.clip(np.rint(y, out=y), 0, 255, out=y).astype(np.uint8)


@final
@dataclass(frozen=True)
class Cutout(Transform):
    """Fill a square of `size` pixels anywhere with the image's mean colour (DeVries and Taylor 2017)."""

    size: int

    def __call__(self, x: np.ndarray, rng: Generator) -> np.ndarray:
        n, _, h, w = x.shape
        rows = _span(rng.integers(0, h, n), self.size, h)
        columns = _span(rng.integers(0, w, n), self.size, w)
        mean = np.rint(x.mean((2, 3), keepdims=True, dtype=np.float32)).astype(np.uint8)
        return np.where(rows[:, None, :, None] & columns[:, None, None, :], mean, x)


def _span(centre: Any, size: int, length: int) -> np.ndarray:
    """Which places (n, length) are in the spans of `size` around `centre` (n,), cut at the border."""
    low = centre - size // 2
    at = np.arange(length)
    return (at >= low[:, None]) & (at < (low + size)[:, None])


_WORDS: dict[str, tuple[Callable[..., Transform], str | None, float]] = {  # its class, its field, the largest value
    "crop": (Crop, "pad", 256),
    "flip": (Flip, None, 0),
    "rotate": (Affine, "rotate", 180),
    "shear": (Affine, "shear", 60),
    "scale": (Affine, "scale", 0.9),
    "shift": (Affine, "shift", 256),
    "jitter": (Jitter, "strength", 1),
    "cutout": (Cutout, "size", 256),
}


def parse(text: str) -> tuple[Transform, ...]:
    """Read transforms such as `crop:4,flip,rotate:15`, applied from left to right; neighbours of Affine become one.

    `crop:PIXELS flip rotate:DEGREES shear:DEGREES scale:SHARE shift:PIXELS jitter:SHARE cutout:PIXELS`, or `none`.
    Raises ParameterError for another word, a number that is missing or out of range.
    """
    found: list[Transform] = []
    for part in () if text == "none" else text.split(","):
        transform = _one(part.strip())
        last = found[-1] if found else None
        if isinstance(transform, Affine) and isinstance(last, Affine):
            own = {k: v for k, v in vars(transform).items() if v}
            if any(getattr(last, k) for k in own):
                raise ParameterError(f"augment: {part.strip()[:40]!r}: one resampling has one {', '.join(own)}")
            found[-1] = replace(last, **own)
        else:
            found.append(transform)
    return tuple(found)


def _one(part: str) -> Transform:
    word, _, number = part.partition(":")
    if word not in _WORDS:
        near = get_close_matches(word, _WORDS, 1)
        hint = f", did you mean {near[0]!r}" if near else ""
        raise ParameterError(f"augment: no transform {word[:40]!r}{hint}; there are: {', '.join(_WORDS)}")
    make, field, largest = _WORDS[word]
    if field is None:
        if number:
            raise ParameterError(f"augment: {word} takes no number, got {part[:40]!r}")
        return make()
    kind: Any = int if isinstance(largest, int) and make in (Crop, Cutout) else float
    return make(**{field: _number(part, number, kind, largest)})


def _number(part: str, text: str, kind: Any, largest: float) -> Any:
    try:
        value = kind(text)
    except ValueError:
        value = -1
    if not 0 < value <= largest:
        what = "a whole number" if kind is int else "a number"
        raise ParameterError(f"augment: {part[:40]!r} needs {what} above 0 and at most {largest:g}, such as crop:4")
    return value


def recipe(dataset: str, shape: Sequence[int]) -> str:
    """Give what `auto` means for a data set: its own recipe, or that of images; none where a row is no image."""
    if len(shape) != 3:
        return "none"
    return RECIPES.get(dataset, RECIPES["images"])
