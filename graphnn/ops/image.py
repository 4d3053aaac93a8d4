"""Images as MXNet's image operators prepare them: scaled to [0, 1], and by the channels' mean and deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import DTypeError, ParameterError, ShapeError
from ..graph import Value
from ..op import PartialDTypes
from ..types import Shape, show_shape
from .composed import Composed, filled, made
from .shape import _reshape_to

__all__: list[str] = []

Floats = tuple[float, ...]


class _image_normalize(Composed):
    """y = (x - mean) / std with one mean and deviation, or one for each channel; x (c, h, w) or (n, c, h, w)."""

    mean: Floats = (0.0, 0.0, 0.0, 0.0)
    std: Floats = (1.0, 1.0, 1.0, 1.0)
    aliases = ("_npx__image_normalize",)

    def check(self) -> None:
        if not self.mean or not self.std or not all(self.std):
            raise ParameterError(f"normalize: mean and std must be numbers, std none of 0: {self.mean}, {self.std}")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        x = ins[0]
        if len(x) not in (3, 4) or x[-3] not in (1, 3):
            raise ShapeError(f"data must be (c, h, w) or (n, c, h, w) with 1 or 3 channels, got {show_shape(x)}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 1 and len(values) < x[-3]:
                raise ShapeError(f"{name} has {len(values)} numbers for {x[-3]} channels")
        return [x]

    def decompose(self, *xs: Value) -> Value:
        x = xs[0]
        mean, std = (self._channels(x, values) for values in (self.mean, self.std))
        return made("broadcast_div", made("broadcast_sub", x, mean), std)

    @staticmethod
    def _channels(x: Value, values: Floats) -> Value:
        """Give a number for each channel of x, as an array to be broadcast."""
        numbers = [filled(x, (1,), values[k] if len(values) > 1 else values[0]) for k in range(x.shape[-3])]
        row = numbers[0] if len(numbers) == 1 else made("Concat", *numbers, dim=0, num_args=len(numbers))
        return _reshape_to((len(numbers), 1, 1))(row)


class _image_to_tensor(Composed):
    """y = x / 255 in float32 with channels before rows; x (h, w, c) or (n, h, w, c)."""

    aliases = ("_npx__image_to_tensor",)

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        x = ins[0]
        if len(x) not in (3, 4):
            raise ShapeError(f"data must be (h, w, c) or (n, h, w, c), got {show_shape(x)}")
        return [(*x[:-3], x[-1], x[-3], x[-2])]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        if outs[0] not in (None, "float32"):
            raise DTypeError(f"to_tensor gives float32, not {outs[0]}")
        return ins, ["float32"]

    def decompose(self, *xs: Value) -> Value:
        n = len(xs[0].shape)
        turned: Any = made("transpose", xs[0], axes=(*range(n - 3), n - 1, n - 3, n - 2))
        return made("Cast", turned, dtype="float32") / 255.0
