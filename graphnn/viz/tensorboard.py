"""Event files for TensorBoard (extra `tensorboard`): the graph, sample images, after each epoch numbers and weights."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from ..errors import MissingExtraError
from ..symbol import Symbol
from ..types import Shape
from .graph_def import graph_def, plain_name
from .pictures.images import mosaic

if TYPE_CHECKING:
    from ..runs.folder import Record

__all__ = ["Board", "tag_of"]

_SAMPLES = 16
_MOST = 1 << 20  # values of one parameter that are counted: of a larger one every k-th
_PARTS = ("train", "test", "valid")


@final
class Board:
    """An event file in `folder`, written at once: what a call has told is on the disk when it returns.

    `done` is the number of epochs that are behind the run: what an earlier file says of later ones is void, so that a
    run that is taken up again has every step once. Raises MissingExtraError without tensorboardX.
    """

    def __init__(self, folder: str | os.PathLike[str], done: int = 0) -> None:
        try:
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto.event_pb2 import Event, SessionLog
        except ImportError:
            raise MissingExtraError("writing event files", "tensorboardX", "tensorboard") from None
        Path(folder).mkdir(parents=True, exist_ok=True)
        # files are read in the order of their names, which begin with the second; two must not have the same
        self._writer = EventsWriter(str(Path(folder) / "events"), f".{time.time_ns()}")
        if done:
            self._write(Event(step=done + 1, session_log=SessionLog(status=SessionLog.START)))

    def graph(self, symbol: Symbol, shape: Mapping[str, Shape]) -> None:
        """Tell the network, with `shape` of its inputs, batch first."""
        from tensorboardX.proto.event_pb2 import Event

        self._write(Event(graph_def=graph_def(symbol, shape).SerializeToString()))

    def images(self, images: np.ndarray, tag: str = "samples") -> None:
        """Tell up to 16 images (n, c, h, w), uint8 or from 0 to 1, as one sheet; what are no images is passed over."""
        if images.ndim != 4 or not len(images):
            return
        x = images[:_SAMPLES].astype(np.float32) / (255 if images.dtype == np.uint8 else 1)
        sheet = mosaic(x if x.shape[1] == 3 else x.mean(1, keepdims=True), 4)
        pixels = np.round(np.nan_to_num(sheet, nan=1.0).clip(0, 1) * 255).astype(np.uint8)
        colours = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
        self._summary("image", plain_name(tag), colours, dataformats="HWC")

    def epoch(self, record: Record, params: Mapping[str, np.ndarray] | None = None) -> None:
        """Tell an epoch: every number of its record, and a histogram of each parameter's finite values."""
        for f in fields(record):
            value = getattr(record, f.name)
            if f.name != "epoch" and isinstance(value, (int, float)):
                self._summary("scalar", tag_of(f.name), float(value), step=record.epoch)
        for name, array in (params or {}).items():
            values = array.reshape(-1)[:: -(-array.size // _MOST) or 1].astype(np.float64)
            values = values[np.isfinite(values)]
            if values.size:
                self._summary("histogram", f"parameters/{plain_name(name)}", values, _bins(), step=record.epoch)

    def _summary(self, kind: str, tag: str, *values: Any, step: int = 0, **options: Any) -> None:
        from tensorboardX import summary
        from tensorboardX.proto.event_pb2 import Event

        self._write(Event(step=step, summary=getattr(summary, kind)(tag, *values, **options)))

    def _write(self, event: Any) -> None:
        event.wall_time = time.time()
        self._writer.write_event(event)
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def tag_of(field: str) -> str:
    """Name a field of a record: train_loss is loss/train, so that loss/test stands beside it; others are run/NAME."""
    part, _, what = field.partition("_")
    return f"{what}/{part}" if part in _PARTS and what else f"run/{field}"


def _bins() -> Sequence[float]:
    """Ends of bins, each a tenth wider than the one before, on both sides of 0 (as TensorFlow's)."""
    ends = 1e-12 * 1.1 ** np.arange(775)
    return [*(-ends[::-1]), 0.0, *ends]
