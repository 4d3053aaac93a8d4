"""Kernels of graphnn/ops/region.py: every cell is a product of weights along the rows and along the columns."""

from __future__ import annotations

import math

import numpy as np

from graphnn.ops import region as ops

from .displace import pixels
from .registry import kernel


def _finite(roi, limit):
    """A box as whole or broken numbers within `limit`."""
    return np.clip(np.nan_to_num(roi.astype(np.float64)), -limit, limit)


def _samples(start, size, cells, ratio, n):
    """The weights (cells, n) that average linear interpolation at the samples of each cell."""
    step = size / cells
    count = max(ratio if ratio > 0 else math.ceil(step), 0)
    weights = np.zeros((cells, n))
    if not count:
        return weights
    places = start + (np.arange(cells)[:, None] + (np.arange(count) + 0.5) / count) * step
    inside = (places >= -1) & (places <= n)
    clipped = np.clip(places, 0, n - 1)
    low = np.minimum(np.floor(clipped).astype(np.intp), n - 1)
    share = clipped - low
    rows = np.broadcast_to(np.arange(cells)[:, None], places.shape)
    np.add.at(weights, (rows, low), (1 - share) * inside / count)
    np.add.at(weights, (rows, np.minimum(low + 1, n - 1)), share * inside / count)
    return weights


def _aligned(op, roi, h, w):
    """The weights along rows and columns of ROIAlign."""
    x1, y1, x2, y2 = _finite(roi[1:], 64 * (h + w) / op.spatial_scale) * op.spatial_scale - 0.5 * op.aligned
    least = 0.0 if op.aligned else 1.0
    ph, pw = op.pooled_size
    height, width = max(y2 - y1, least), max(x2 - x1, least)
    return _samples(y1, height, ph, op.sample_ratio, h), _samples(x1, width, pw, op.sample_ratio, w)


def _parts(first, last, cells, n):
    """The weights (cells, n) of means over whole pixels."""
    step = max(last - first, 0.1) / cells
    weights = np.zeros((cells, n))
    for i in range(cells):
        low = min(max(math.floor(i * step + first), 0), n)
        high = min(max(math.ceil((i + 1) * step + first), 0), n)
        if high > low:
            weights[i, low:high] = 1 / (high - low)
    return weights


def _borders(op, roi):
    """The first and last row, then column, of a box of PSROIPooling."""
    x1, y1, x2, y2 = (math.floor(abs(v) + 0.5) * (1 if v >= 0 else -1) for v in _finite(roi[1:], 1e6))
    scale = op.spatial_scale
    return (y1 * scale, (y2 + 1) * scale), (x1 * scale, (x2 + 1) * scale)


def _rounded(op, roi, h, w):
    """The weights along rows and columns of PSROIPooling."""
    return [_parts(first, last, op.pooled_size, n) for (first, last), n in zip(_borders(op, roi), (h, w), strict=True)]


def _cells(op, data_shape, rois):
    """Give for each box its number, image and weights; boxes of no image are left out."""
    n, _, h, w = data_shape
    for r, roi in enumerate(rois):
        if roi[0] >= 0:
            rows, columns = (_aligned if isinstance(op, ops.ROIAlign) else _rounded)(op, roi, h, w)
            yield r, int(min(roi[0], n - 1)), rows.astype(rois.dtype), columns.astype(rois.dtype)


def _own_channels(op, c):
    """Which channel each (k, i, j) reads, or None where every cell of k reads channel k."""
    if isinstance(op, ops.ROIAlign):
        if not op.position_sensitive:
            return None
        h, w = op.pooled_size
        return np.arange(c).reshape(-1, h, w)
    at = np.arange(op.pooled_size) * op.group // op.pooled_size
    whole = np.arange(c).reshape(op.output_dim, op.group, op.group)
    return whole[:, at[:, None], at]


@kernel(ops.ROIAlign, ops.PSROIPooling)
def regions(op, data, rois, y):
    y[...] = 0
    own = _own_channels(op, data.shape[1])
    for r, image, rows, columns in _cells(op, data.shape, rois):
        if own is None:
            y[r] = rows @ data[image] @ columns.T
        else:
            y[r] = np.einsum("kijhw,ih,jw->kij", data[image][own], rows, columns, optimize=True)


@kernel(ops._regions_grad)
def regions_grad(op, g, rois, dx):
    dx[...] = 0
    own = _own_channels(op.regions, dx.shape[1])
    for r, image, rows, columns in _cells(op.regions, dx.shape, rois):
        if own is None:
            dx[image] += rows.T @ g[r] @ columns
        else:
            spread = np.einsum("kij,ih,jw->kijhw", g[r], rows, columns, optimize=True)
            np.add.at(dx[image], own, spread)


def _moved(op, data_shape, rois, trans):
    """Give for each box its number, image, size, and of each sample (k, i, j, s, s) the place, freedom and share."""
    n, _, *sizes = data_shape
    p, s = op.pooled_size, op.sample_per_part
    part = np.arange(p) * op.part // p
    kind = np.arange(op.output_dim) // (2 * op.output_dim // trans.shape[1])
    for r, roi in enumerate(rois):
        if roi[0] < 0:
            continue
        widths, places = [], []
        for axis, (first, last) in enumerate(_borders(op, roi)):
            width = max(last - first, 0.1)
            move = trans[r].reshape(-1, 2, op.part, op.part)[kind, 1 - axis][:, part[:, None], part]  # (k, i, j)
            at = (np.arange(p)[:, None] + np.arange(s) / s) * width / p + first - 0.5  # (cell, sample)
            at = at[:, None, :, None] if axis == 0 else at[None, :, None, :]
            at = at + np.nan_to_num(move.astype(np.float64) * op.trans_std)[..., None, None] * width
            places.append(np.broadcast_to(at, (op.output_dim, p, p, s, s)))
            widths.append(width)
        inside = np.logical_and(*((x >= -0.5) & (x <= size - 0.5) for x, size in zip(places, sizes, strict=True)))
        held = [np.clip(x, 0, size - 1) for x, size in zip(places, sizes, strict=True)]
        free = [x == y for x, y in zip(places, held, strict=True)]
        share = inside / np.maximum(inside.sum((-2, -1), keepdims=True), 1)
        yield r, int(min(roi[0], n - 1)), widths, held, free, share


@kernel(ops.DeformablePSROIPooling)
def moved_regions(op, data, rois, *rest):
    *moves, y = rest
    trans = moves[0] if moves else np.zeros((len(rois), 2, op.part, op.part), data.dtype)
    y[...] = 0
    own, flat = _own_channels(op, data.shape[1])[..., None, None], data.reshape(*data.shape[:2], -1)
    h, w = data.shape[2:]
    for r, image, _, (rows, columns), _, share in _moved(op, data.shape, rois, trans):
        for index, weight, _, _ in pixels(rows, columns, h, w, False):
            y[r] += (flat[image][own, index] * weight * share).sum((-2, -1))


@kernel(ops._moved_regions_grad)
def moved_regions_grad(op, g, data, rois, trans, ddata, dtrans):
    op = op.regions
    own, flat = _own_channels(op, data.shape[1])[..., None, None], data.reshape(*data.shape[:2], -1)
    slopes = np.zeros_like(flat)
    dtrans[...] = 0
    each = 2 * op.output_dim // trans.shape[1]
    part = np.arange(op.pooled_size) * op.part // op.pooled_size
    k = np.arange(op.output_dim)[:, None, None] // each
    h, w = data.shape[2:]
    for r, image, widths, (rows, columns), free, share in _moved(op, data.shape, rois, trans):
        part_g = g[r][..., None, None] * share
        moved = dtrans[r].reshape(-1, 2, op.part, op.part)
        for index, weight, *along in pixels(rows, columns, h, w, False):
            np.add.at(slopes[image], (np.broadcast_to(own, index.shape), index), part_g * weight)
            for axis, slope in enumerate(along):
                change = (part_g * flat[image][own, index] * slope * free[axis]).sum((-2, -1))
                np.add.at(moved, (k, 1 - axis, part[:, None], part), change * op.trans_std * widths[axis])
    ddata[...] = slopes.reshape(data.shape)
