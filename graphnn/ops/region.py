"""Averages over boxes of an image: ROIAlign and position-sensitive ROI pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes
from ..types import Shape, merge, show_shape

__all__ = ["PSROIPooling", "ROIAlign"]


class _Regions(Op):
    """Base: data (n, c, h, w) and rois (r, 5), whose rows are image number and x1, y1, x2, y2, give (r, k, h', w')."""

    abstract = True
    inputs = ("data", "rois")

    @property
    def cells(self) -> Shape:
        """The rows and columns that a box is cut into."""
        raise NotImplementedError

    def channels(self, c: int) -> int:
        """The channels of the output for c of the input."""
        raise NotImplementedError

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
