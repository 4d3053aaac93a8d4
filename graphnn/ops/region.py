"""Averages over boxes of an image: ROIAlign, position-sensitive ROI pooling, and that with cells that move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes
from ..types import Shape, merge, show_shape
from .composed import filled

__all__ = ["DeformablePSROIPooling", "PSROIPooling", "ROIAlign"]


class _Regions(Op):
    """Base: data (n, c, h, w) and rois (r, 5), whose rows are image number and x1, y1, x2, y2, give (r, k, h', w')."""

    abstract = True
    inputs: ClassVar[tuple[str, ...]] = ("data", "rois")

    @property
    def cells(self) -> Shape:
        """The rows and columns that a box is cut into."""
        raise NotImplementedError(f"{type(self).__name__}: define cells")

    def channels(self, c: int) -> int:
        """The channels of the output for c of the input."""
        raise NotImplementedError(f"{type(self).__name__}: define channels(c)")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data, rois = ins
        for shape, n, what in ((data, 4, "data"), (rois, 2, "rois")):
            if shape is not None and len(shape) != n:
                raise ShapeError(f"{what} must have {n} axes, got {show_shape(shape)}")
        r = rois[0] if rois else outs[0][0] if outs[0] else 0
        k = self.channels(data[1]) if data and data[1] else 0
        return [data, merge(rois, (r, 5))], [merge(outs[0], (r, k, *self.cells))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return _regions_grad(self, xs[0].shape)(gs[0], xs[1]), None


class ROIAlign(_Regions):
    """Each cell of `pooled_size` (h', w') is the mean of samples of data between pixels (He et al., 2017, section 3).

    A box, times `spatial_scale` (less half a pixel if `aligned`), is at least one pixel wide and high, unless
    `aligned`. A cell has `sample_ratio` samples each way, or as many as it has pixels, rounded up. Samples more than a
    pixel outside are 0. `position_sensitive`: cell (i, j) of channel k reads channel (k h' + i) w' + j. Boxes of image
    number below 0 give 0.
    """

    pooled_size: Shape
    spatial_scale: float
    sample_ratio: int = -1
    position_sensitive: bool = False
    aligned: bool = False
    name = "_contrib_ROIAlign"

    def check(self) -> None:
        if len(self.pooled_size) != 2 or min(self.pooled_size) < 1:
            raise ParameterError(f"ROIAlign: pooled_size must be (height, width), got {self.pooled_size}")
        if not 0 < self.spatial_scale < 1e6 or self.sample_ratio > 1024:
            raise ParameterError("ROIAlign: spatial_scale must be positive, sample_ratio at most 1024")

    @property
    def cells(self) -> Shape:
        return self.pooled_size

    def channels(self, c: int) -> int:
        h, w = self.pooled_size
        if self.position_sensitive and c % (h * w):
            raise ShapeError(f"data must have a multiple of {h * w} channels, got {c}")
        return c // (h * w) if self.position_sensitive else c


class PSROIPooling(_Regions):
    """Cell (i, j) of channel k is the mean of channel (k group + i') group + j' over its part of the box.

    `group_size` (0: pooled_size) cells each way have channels of their own: i' = i group / pooled. Borders of a box are
    rounded to whole pixels before `spatial_scale` (Dai et al., 2016, section 2).
    """

    spatial_scale: float
    output_dim: int
    pooled_size: int
    group_size: int = 0
    name = "_contrib_PSROIPooling"

    def check(self) -> None:
        if min(self.output_dim, self.pooled_size) < 1 or self.group_size < 0 or not 0 < self.spatial_scale < 1e6:
            raise ParameterError("PSROIPooling: output_dim, pooled_size and spatial_scale must be positive")

    @property
    def group(self) -> int:
        return self.group_size or self.pooled_size

    @property
    def cells(self) -> Shape:
        return (self.pooled_size, self.pooled_size)

    def channels(self, c: int) -> int:
        if c != self.output_dim * self.group**2:
            raise ShapeError(f"data must have output_dim group^2 = {self.output_dim * self.group**2} channels, got {c}")
        return self.output_dim


class DeformablePSROIPooling(PSROIPooling):
    """PSROIPooling whose cells move: by `trans_std` trans times the size of the box (Dai et al., 2017, section 2.2).

    A cell is the mean of sample_per_part^2 samples between pixels, of those at most half a pixel outside. trans
    (r, 2 classes, part, part) holds x, then y, of each class of output_dim / classes channels in `part_size` (0:
    pooled_size) parts each way; without it (`no_trans`) nothing moves.
    """

    part_size: int = 0
    sample_per_part: int = 1
    trans_std: float = 0.0
    no_trans: bool = False
    name = "_contrib_DeformablePSROIPooling"
    inputs = ("data", "rois", "trans")

    def check(self) -> None:
        super().check()
        if self.part_size < 0 or not 1 <= self.sample_per_part <= 256:
            raise ParameterError("DeformablePSROIPooling: part_size from 0, sample_per_part from 1 to 256")

    @property
    def part(self) -> int:
        return self.part_size or self.pooled_size

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        return self.inputs[:2] if self.no_trans else self.inputs

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        known, outs = super().infer_shape(ins[:2], outs)
        r = known[1][0] if known[1] else 0
        moves = [merge(x, (r, 0, self.part, self.part)) for x in ins[2:]]
        for x in moves:
            if x and x[1] and (x[1] % 2 or self.output_dim % (x[1] // 2)):
                raise ShapeError(f"trans must have 2 channels a class of the {self.output_dim} channels, got {x[1]}")
        return [*known, *moves], outs

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        still = [filled(xs[0], (xs[1].shape[0], 2, self.part, self.part))] if self.no_trans else []
        node = _moved_regions_grad(self)(gs[0], *xs, *still).node
        return [Value(node, 0), None] if self.no_trans else [Value(node, 0), None, Value(node, 1)]


class _moved_regions_grad(Op):
    """ddata and dtrans of DeformablePSROIPooling."""

    regions: Op
    public = False
    inputs = ("grad", "data", "rois", "trans")
    outputs = ("data", "trans")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [ins[1], ins[3]]


class _regions_grad(Op):
    """ddata = g spread over what each cell has averaged."""

    regions: Op
    shape: Shape
    public = False
    inputs = ("grad", "rois")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [self.shape]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [ins[0]]
