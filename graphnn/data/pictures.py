"""Pictures from outside: read safely, and brought into the form that a network was trained on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from ..errors import FormatError, ParameterError
from ..formats.regular import reading

__all__ = ["decode", "digit", "fitted", "prepare", "read"]

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF")
MAX_BYTES, MAX_PIXELS = 256 << 20, 25_000_000

_LARGE = 500  # pixels of the longer side, from which on a picture is reduced before it is looked at
_CONTRAST = 0.08  # of black to white: a picture with less has nothing drawn in it
_STROKE = 2.0  # pixels that a line of MNIST is wide, at least, in its box of 20
_WORK = 4  # lines are measured and thickened at this multiple of the box


def read(path: str | os.PathLike[str]) -> Image.Image:
    """Read a picture: the first frame, upright, as "L" or "RGB", 16 bits brought to 8, transparency over white.

    Raises OSError as open() does, and FormatError for a file that is no whole PNG, JPEG, BMP, WebP or GIF, or that has
    more than 25 million pixels, which is checked before any is decoded.
    """
    with reading(path) as (file, size):
        if size > MAX_BYTES:
            raise FormatError(path, "size", f"{size} bytes, at most {MAX_BYTES}")
        return decode(file, path)


def decode(file: BinaryIO, name: object) -> Image.Image:
    """Read a picture from an open file, as read() does; errors call it `name`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata; the size is checked here
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    reason = f"{image.width} x {image.height} pixels, at most {MAX_PIXELS} in all"
                    raise FormatError(name, "size", reason)
                image.load()
                return _plain(ImageOps.exif_transpose(image))
    except FormatError:
        raise
    except Exception as error:  # a decoder meets damaged files with errors of many kinds
        known = isinstance(error, Image.UnidentifiedImageError)
        reason = f"no {', '.join(FORMATS)} file" if known else f"damaged ({str(error)[:100]})"
        raise FormatError(name, "picture", reason) from None


def _plain(image: Image.Image) -> Image.Image:
    """The picture as "L" or "RGB"."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        return Image.fromarray(np.clip(values / 257 + 0.5, 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def prepare(image: Image.Image, shape: Sequence[int], dataset: str) -> np.ndarray:
    """Give a picture as an image (c, h, w) uint8 for a network trained on `dataset`.

    For a grey digit of mnist as digit() does; for grey clothes of fashion-mnist likewise, but filling the frame; else
    scaled so that it fills the frame, and cut in the middle. Raises ParameterError where a digit is wanted and nothing
    is drawn, and where the network reads no images.
    """
    if len(shape) != 3:
        raise ParameterError(f"the network reads no images, but rows {tuple(shape)}")
    c, h, w = shape
    form = _FORMS.get((dataset, h == w)) if c == 1 else None
    if form is not None:
        return form(_grey(image), h, w)[None]
    return fitted(image.convert("L" if c == 1 else "RGB"), h, w)


def fitted(image: Image.Image, h: int, w: int) -> np.ndarray:
    """Give a picture as (c, h, w) uint8: scaled so that it fills the frame, cut in the middle."""
    whole = ImageOps.fit(image, (w, h), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(whole, np.uint8).reshape(h, w, -1).transpose(2, 0, 1))


def _grey(image: Image.Image) -> np.ndarray:
    """The picture's brightness in [0, 1], at a size at which no line is lost and no work wasted."""
    grey = image.convert("L")
    return np.asarray(grey.reduce(max(1, max(grey.size) // _LARGE)), np.float32) / 255


def digit(grey: np.ndarray, side: int = 28) -> np.ndarray:
    """Give a drawn digit (h, w) in [0, 1] as MNIST's digits are: uint8, bright on black, in `side` x `side`.

    What is drawn is cut out, scaled into a box of 20 in 28, and put so that its centre of mass is in the middle (LeCun
    et al. 1998). It may be dark on light or light on dark, on paper that is darker on one side, in lines of any width.
    """
    box = round(side * 20 / 28)
    drawn = _cut(_ink(grey))
    if max(drawn.shape) > _WORK * box:
        drawn = _scaled(drawn, _WORK * box)
    drawn = _normal(_scaled(_thick(_normal(drawn), box), box))
    return _placed(drawn, (side, side), by_mass=(True, True))


def _garment(grey: np.ndarray, side: int) -> np.ndarray:
    """Give a garment as those of Fashion-MNIST: bright on black, its longer side filling the frame, in the middle."""
    return _placed(_scaled(_cut(_ink(grey)), side), (side, side), by_mass=(False, False))


def _strip(grey: np.ndarray, h: int, w: int) -> np.ndarray:
    """Give a line of digits as those of the strips: bright on black, 22 of 28 rows high, their mass halfway up.

    22 rows is what the digits of a strip take together, since each is 20 high and lies by its own mass.
    """
    drawn = _cut(_ink(grey))
    high, wide = drawn.shape
    longer = max(1, round(max(high, wide) * min(h * 22 / 28 / high, (w - 4) / wide)))
    if max(drawn.shape) > _WORK * longer:
        drawn = _scaled(drawn, _WORK * longer)
    drawn = _normal(_scaled(_thick(_normal(drawn), longer), longer))
    return _placed(drawn, (h, w), by_mass=(True, False))


# data set, whether the frame is a square: the form
_FORMS: dict[tuple[str, bool], Callable[[np.ndarray, int, int], np.ndarray]] = {
    ("mnist", True): lambda grey, side, _: digit(grey, side),
    ("fashion-mnist", True): lambda grey, side, _: _garment(grey, side),
    ("digit-strings", False): _strip,
}


def _ink(grey: np.ndarray) -> np.ndarray:
    """How much each pixel differs from the background, which the border shows, on the side that differs more."""
    difference = grey - _background(grey)
    up, down = np.maximum(difference, 0), np.maximum(-difference, 0)
    ink = up if np.square(up).sum() > np.square(down).sum() else down
    noise = 4 * float(np.median(np.abs(_border(difference))))
    ink = np.maximum(ink - noise, 0)
    if ink.max() < _CONTRAST:
        raise ParameterError("nothing is drawn in it: it is of one colour")
    return ink


def _border(x: np.ndarray) -> np.ndarray:
    """The values of a frame, a 28th of the picture wide."""
    k = max(1, min(x.shape) // 28)
    inner = np.ones(x.shape, bool)
    inner[k:-k, k:-k] = False
    return x[inner]


def _background(grey: np.ndarray) -> np.ndarray:
    """The plane through the border's values, without those far from most."""
    h, w = grey.shape
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) / max(h, w)
    edge = _border(grey)
    near = np.abs(edge - np.median(edge)) < 0.25
    if edge.std() < 1e-3 or near.sum() < 3:
        return np.full_like(grey, np.median(edge))
    points = np.stack([np.ones_like(edge), _border(y), _border(x)], 1)[near]
    a, b, c = np.linalg.lstsq(points, edge[near], rcond=None)[0]
    return (a + b * y + c * x).astype(np.float32)


def _cut(ink: np.ndarray) -> np.ndarray:
    """The smallest rectangle that holds what is drawn, but for a 500th at each side, which may be dust."""
    strong = np.where(ink > 0.2 * ink.max(), ink, 0)
    (top, bottom), (left, right) = (_span(strong.sum(axis)) for axis in (1, 0))
    return ink[top:bottom, left:right]


def _span(mass: np.ndarray) -> tuple[int, int]:
    share = np.cumsum(mass) / mass.sum()
    return int(np.searchsorted(share, 0.002)), int(np.searchsorted(share, 0.998)) + 1


def _scaled(x: np.ndarray, box: int) -> np.ndarray:
    """The picture with its longer side as long as the box."""
    h, w = x.shape
    factor = box / max(h, w)
    size = max(1, round(w * factor)), max(1, round(h * factor))
    return np.asarray(Image.fromarray(x).resize(size, Image.Resampling.BILINEAR))


def _normal(x: np.ndarray) -> np.ndarray:
    """Values from 0 to 1, where 1 is what most of the lines' middle has."""
    return np.clip(x / np.quantile(x[x > 0.3 * x.max()], 0.75), 0, 1)


def _thick(x: np.ndarray, box: int) -> np.ndarray:
    """Make lines as wide as _STROKE in the box will be, at least: thin ones would nearly vanish there."""
    line = x > 0.5
    inside = line[1:-1, 1:-1] & line[:-2, 1:-1] & line[2:, 1:-1] & line[1:-1, :-2] & line[1:-1, 2:]
    width = 2 * line.sum() / max(1, line.sum() - inside.sum())
    lacking = round((_STROKE * max(x.shape) / box - width) / 2)
    if lacking < 1:
        return x
    padded = np.pad(np.round(x * 255).astype(np.uint8), lacking)
    image = Image.fromarray(padded).filter(ImageFilter.MaxFilter(2 * lacking + 1))
    return np.asarray(image, np.float32) / 255


def _placed(x: np.ndarray, frame: tuple[int, int], by_mass: tuple[bool, bool]) -> np.ndarray:
    """Put a small picture into a black frame, on each axis centred by its mass or its edges, all of it inside."""
    out = np.zeros(frame, np.uint8)
    starts = []
    for axis, (n, size, weighed) in enumerate(zip(x.shape, frame, by_mass, strict=True)):
        mass = x.sum(1 - axis)
        centre = size * 14.5 / 28 if weighed else size / 2  # MNIST's centre of mass is that of pixel 14, from 0
        middle = float((mass * (np.arange(n) + 0.5)).sum() / mass.sum()) if weighed else n / 2
        starts.append(min(max(round(centre - middle), 0), size - n))
    top, left = starts
    out[top : top + x.shape[0], left : left + x.shape[1]] = np.round(x / x.max() * 255)
    return out
