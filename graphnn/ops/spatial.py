"""Looking at an image through a grid or through boxes: sampling, spatial transformers, pooling of regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape

__all__ = ["BilinearSampler", "GridGenerator", "ROIPooling", "SpatialTransformer"]


def _axes(shape: Shape | None, n: int, what: str) -> None:
    if shape is not None and len(shape) != n:
        raise ShapeError(f"{what} must have {n} axes, got {show_shape(shape)}")


def _check_target(name: str, shape: Shape) -> None:
    if len(shape) != 2:
        raise ParameterError(f"{name}: target_shape must be (height, width), got {shape}")


class GridGenerator(Op):
    """Where to sample: y[n, 0] are columns and y[n, 1] rows, from -1 (first) to 1 (last).

    affine: data (n, 6) is theta, row by row; y[n, :, i, j] = theta (x_j, y_i, 1) over `target_shape` (h, w).
    warp: data (n, 2, h, w) are shifts in pixels; y = (position + data) 2 / (size - 1) - 1 (Jaderberg et al., 2015).
    """

    transform_type: Literal["affine", "warp"]
    target_shape: Shape = (0, 0)

    def check(self) -> None:
        if self.transform_type == "affine":
            _check_target("GridGenerator", self.target_shape)
            if min(self.target_shape) < 1:
                raise ParameterError(f"GridGenerator: affine needs target_shape, got {self.target_shape}")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data, y = ins[0], outs[0]
        if self.transform_type == "warp":
            both = merge(merge(data, y), (0, 2, 0, 0))
            return [both], [both]
        _axes(data, 2, "data")
        n = data[0] if data is not None else y[0] if y is not None else 0
        y = merge(y, (n, 2, *self.target_shape))
        assert y is not None
        return [merge(data, (y[0], 6))], [y]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_grid_generator_grad(self.transform_type, xs[0].shape)(gs[0]),)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0,), (0,))


class _grid_generator_grad(Op):
    """affine: dtheta[n] = sum over positions of g (x_j, y_i, 1)^T; warp: ddata = g 2 / (size - 1)."""

    transform_type: Literal["affine", "warp"]
    shape: Shape
    public = False
    inputs = ("grad",)

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [(ins[0][0], *self.shape[1:])]


class BilinearSampler(Op):
    """y[n, c, i, j] = sum over the four pixels around (row, column) of weight times data[n, c]; outside is 0.

    column = (grid[n, 0, i, j] + 1) (w - 1) / 2, row = (grid[n, 1, i, j] + 1) (h - 1) / 2, weights linear in the
    distance. data (n, c, h, w), grid (n, 2, h', w'), y (n, c, h', w').
    """

    inputs = ("data", "grid")
    ignored = frozenset({"cudnn_off"})

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data, grid, y = *ins, outs[0]
        for shape, what in ((data, "data"), (grid, "grid"), (y, "output")):
            _axes(shape, 4, what)
        n = next((s[0] for s in (data, grid, y) if s is not None and s[0]), 0)
        c = next((s[1] for s in (data, y) if s is not None and s[1]), 0)
        size = next((s[2:] for s in (grid, y) if s is not None), (0, 0))
        return [merge(data, (n, c, 0, 0)), merge(grid, (n, 2, *size))], [merge(y, (n, c, *size))]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        node = _bilinear_sampler_grad()(gs[0], *xs).node
        return Value(node, 0), Value(node, 1)

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0), (0,))


class _bilinear_sampler_grad(Op):
    """ddata: g spread over the four pixels by their weights; dgrid: g times the slope of the weights."""

    public = False
    inputs = ("grad", "data", "grid")
    outputs = ("data", "grid")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return ins[1:]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0, 0), (0, 0))


class SpatialTransformer(Op):
    """BilinearSampler of `data` at the affine grid of `loc` (n, 6) over `target_shape` (Jaderberg et al., 2015)."""

    transform_type: Literal["affine"]
    sampler_type: Literal["bilinear"]
    target_shape: Shape = (0, 0)
    inputs = ("data", "loc")
    ignored = frozenset({"cudnn_off"})

    def check(self) -> None:
        _check_target("SpatialTransformer", self.target_shape)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data, loc, y = *ins, outs[0]
        _axes(data, 4, "data")
        _axes(loc, 2, "loc")
        n = next((s[0] for s in (data, loc, y) if s is not None and s[0]), 0)
        size = tuple(self.target_shape) if min(self.target_shape) else data[2:] if data is not None else (0, 0)
        data = merge(data, (n, y[1] if y is not None else 0, 0, 0))
        assert data is not None
        return [data, merge(loc, (n, 6))], [merge(y, (n, data[1], *size))]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value:
        data, loc = xs
        size = tuple(self.target_shape) if min(self.target_shape) else data.shape[2:]
        return BilinearSampler()(data, GridGenerator("affine", size)(loc))


class ROIPooling(Op):
    """The largest element of each of `pooled_size` (h', w') parts of a box; an empty part gives 0.

    rois (r, 5) are image number and x1, y1, x2, y2 in pixels, which `spatial_scale` takes to data (n, c, h, w); y
    (r, c, h', w'). The hidden second output tells which element it was (Girshick, 2015, section 2.1).
    """

    pooled_size: Shape
    spatial_scale: float
    inputs = ("data", "rois")
    outputs = ("output", "maxidx")
    aliases = ("_npx_roi_pooling",)
    num_visible = 1

    def check(self) -> None:
        if len(self.pooled_size) != 2 or min(self.pooled_size) < 1:
            raise ParameterError(f"ROIPooling: pooled_size must be (height, width), got {self.pooled_size}")
        if not 0 < self.spatial_scale <= 1:
            raise ParameterError(f"ROIPooling: spatial_scale must be in (0, 1], got {self.spatial_scale}")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data, rois = ins
        y = merge(outs[0], outs[1])
        _axes(data, 4, "data")
        _axes(rois, 2, "rois")
        if data is not None or rois is not None:
            y = merge(y, (rois[0] if rois else 0, data[1] if data else 0, *self.pooled_size))
        rois = merge(rois, (y[0] if y is not None else 0, 5))
        return [data, rois], [y, y]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        both, (one,) = super().infer_dtype(ins, outs[:1])
        return both, [one, "int64"]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return _roi_pooling_grad(xs[0].shape)(gs[0], ys[1], xs[1]), None


class _roi_pooling_grad(Op):
    """ddata = g at the elements that were largest."""

    shape: Shape
    public = False
    inputs = ("grad", "maxidx", "rois")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [self.shape]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [ins[0]]
