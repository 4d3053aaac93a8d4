"""A contact sheet: small images in rows, as one PNG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

__all__ = ["contact_sheet"]

_GAP, _PAPER = 4, 255
_SIDE = 64  # pixels an image is enlarged to, at least


def contact_sheet(images: np.ndarray) -> bytes:
    """Give a PNG of images (rows, columns, c, h, w) uint8, c 1 or 3; small ones are enlarged by a whole number."""
    rows, columns, c, h, w = images.shape
    factor = max(1, -(-_SIDE // max(h, w)))
    images = images.repeat(factor, 3).repeat(factor, 4)
    h, w = h * factor + _GAP, w * factor + _GAP
    sheet = np.full((c, rows * h + _GAP, columns * w + _GAP), _PAPER, np.uint8)
    for i in range(rows):
        for j in range(columns):
            sheet[:, i * h + _GAP : (i + 1) * h, j * w + _GAP : (j + 1) * w] = images[i, j]
    stream = io.BytesIO()
    Image.fromarray(sheet[0] if c == 1 else sheet.transpose(1, 2, 0)).save(stream, "PNG")
    return stream.getvalue()
