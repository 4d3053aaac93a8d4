"""What the page is told: of the run once, and of each picture its probabilities and what the layers make of it."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.pictures import decode, prepare
from ..errors import ParameterError
from ..graph import Value
from ..predictor import Predictor
from ..viz.activations import activations, layers_of, planes
from ..viz.layers import clean

__all__ = ["Look"]

_LAYERS, _CHANNELS = 8, 32  # that are shown
_SIDE, _LONGEST = 64, 256  # pixels: of a square channel, of a long one's side; larger ones are thinned out


@dataclass(frozen=True, eq=False)
class Look:
    """A network to look into, and those of its layers that are shown."""

    predictor: Predictor
    name: str
    values: tuple[Value, ...]

    @classmethod
    def at(cls, predictor: Predictor, name: str) -> Look:
        """Choose up to eight layers, spread from the first to the last; ParameterError where it reads no images."""
        if predictor.meta.kind != "images":
            what = f"{predictor.meta.kind} {predictor.shape}"
            raise ParameterError(f"{name}: the network reads no images, but {what}: graphnn-predict is for it")
        found = layers_of(predictor.symbol, predictor.shape)
        chosen = sorted({round(k) for k in np.linspace(0, len(found) - 1, _LAYERS)}) if found else []
        predictor.predict(np.zeros((1, *predictor.shape), np.uint8))  # now, not at the first stroke, it is compiled
        return cls(predictor, name, tuple(found[k] for k in chosen))

    def about(self) -> dict[str, Any]:
        """Tell what the run is."""
        config = self.predictor.meta.config
        data = Path(config.data).name if config.data is not None else config.dataset
        return {
            "name": clean(self.name, 100),
            "network": clean(f"{config.symbol} on {data}", 200),
            "classes": [clean(c, 60) for c in self.predictor.classes],
            "shape": list(self.predictor.shape),
        }

    def answer(self, picture: bytes) -> dict[str, Any]:
        """Tell of a picture file what graphnn-predict would, and what each shown layer makes of it.

        Raises FormatError for what is no picture, ParameterError where nothing is drawn.
        """
        config = self.predictor.meta.config
        form = config.dataset if config.data is None else ""  # one's own images are of no data set's form
        image = prepare(decode(io.BytesIO(picture), "the picture"), self.predictor.shape, form)
        probabilities = self.predictor.predict(image[None])[0]
        return {
            "probabilities": [round(float(p), 6) for p in probabilities],
            "input": {"shape": list(image.shape), "data": _text(image)},
            "layers": [_layer(name, a) for name, a in activations(self.predictor, image, self.values)],
        }


def _layer(name: str, a: np.ndarray) -> dict[str, Any]:
    """Channels as bytes, from the layer's lowest value to its highest."""
    laid = planes(a)
    _, h, w = laid.shape
    step = max(math.ceil(math.sqrt(h * w) / _SIDE), math.ceil(max(h, w) / _LONGEST))
    shown = np.nan_to_num(laid[:_CHANNELS, ::step, ::step].astype(np.float64), posinf=0, neginf=0)
    low, high = float(shown.min()), float(shown.max())
    scaled = np.round((shown - low) / (high - low or 1) * 255).astype(np.uint8)
    return {
        "name": clean(name, 60), "sizes": list(a.shape), "shape": list(scaled.shape), "data": _text(scaled),
        "low": low, "high": high,
    }  # fmt: skip


def _text(x: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(x).tobytes()).decode()
