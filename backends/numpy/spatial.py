"""Kernels of graphnn/ops/spatial.py."""

from __future__ import annotations

import math

import numpy as np

from graphnn.ops import spatial as ops

from .registry import kernel


def _line(n, dtype):
    """n places from -1 to 1."""
    return np.linspace(-1, 1, n, dtype=dtype) if n > 1 else np.full(n, -1, dtype)


def _places(h, w, dtype):
    """The target's (x, y, 1) as columns (3, h w)."""
    y, x = np.meshgrid(_line(h, dtype), _line(w, dtype), indexing="ij")
    return np.stack([x.ravel(), y.ravel(), np.ones(h * w, dtype)])


def _to_unit(h, w, dtype):
    """What takes pixels to [0, 2]: 2 / (size - 1) for x and y (2, 1, 1)."""
    return np.array([2 / max(w - 1, 1), 2 / max(h - 1, 1)], dtype)[:, None, None]


@kernel(ops.GridGenerator)
def grid_generator(op, data, y):
    if op.transform_type == "affine":
        h, w = op.target_shape
        np.matmul(data.reshape(-1, 2, 3), _places(h, w, data.dtype), out=y.reshape(len(y), 2, h * w))
        return
    h, w = data.shape[2:]
    np.add(data[:, 0], np.arange(w, dtype=data.dtype), out=y[:, 0])
    np.add(data[:, 1], np.arange(h, dtype=data.dtype)[:, None], out=y[:, 1])
    y *= _to_unit(h, w, data.dtype)
    y -= 1


@kernel(ops._grid_generator_grad)
def grid_generator_grad(op, g, dx):
    n, _, h, w = g.shape
    if op.transform_type == "affine":
        np.matmul(g.reshape(n, 2, h * w), _places(h, w, g.dtype).T, out=dx.reshape(n, 2, 3))
    else:
        np.multiply(g, _to_unit(h, w, g.dtype), out=dx)


def _corners(grid, h, w):
    """The four pixels around each place: flat index (n, p), weight, its slope along x and y; 0 for those outside."""
    n = len(grid)
    with np.errstate(invalid="ignore"):
        x = np.clip(np.nan_to_num((grid[:, 0].reshape(n, -1) + 1) * ((w - 1) / 2), nan=-2.0), -2, w + 1)
        y = np.clip(np.nan_to_num((grid[:, 1].reshape(n, -1) + 1) * ((h - 1) / 2), nan=-2.0), -2, h + 1)
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = x - x0, y - y0
    for dy, wy, sy in ((0, 1 - fy, -1), (1, fy, 1)):
        for dx, wx, sx in ((0, 1 - fx, -1), (1, fx, 1)):
            column, row = x0 + dx, y0 + dy
            inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
            index = np.where(inside, row * w + column, 0).astype(np.intp)
            yield index, wx * wy * inside, sx * wy * inside, sy * wx * inside


@kernel(ops.BilinearSampler)
def bilinear_sampler(op, data, grid, y):
    n, c, h, w = data.shape
    source, out = data.reshape(n, c, h * w), y.reshape(n, c, -1)
    out[...] = 0
    for index, weight, _, _ in _corners(grid, h, w):
        for k in range(n):
            out[k] += source[k][:, index[k]] * weight[k].astype(data.dtype, copy=False)


@kernel(ops._bilinear_sampler_grad)
def bilinear_sampler_grad(op, g, data, grid, ddata, dgrid):
    n, c, h, w = data.shape
    source, out, target = data.reshape(n, c, h * w), g.reshape(n, c, -1), ddata.reshape(n, c, h * w)
    target[...] = 0
    slope = dgrid.reshape(n, 2, -1)
    slope[...] = 0
    for index, weight, along_x, along_y in _corners(grid, h, w):
        for k in range(n):
            taken = np.einsum("cp,cp->p", source[k][:, index[k]], out[k])
            slope[k, 0] += taken * along_x[k]
            slope[k, 1] += taken * along_y[k]
            spread = out[k] * weight[k].astype(g.dtype, copy=False)
            for channel in range(c):
                target[k, channel] += np.bincount(index[k], spread[channel], h * w)
    slope[:, 0] *= (w - 1) / 2
    slope[:, 1] *= (h - 1) / 2


def _away(x):
    """Round half away from zero."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def _parts(start, end, count, size):
    """Cut start .. end (inclusive) into `count` parts, clipped to 0 .. size."""
    step = max(end - start + 1, 1) / count
    edges = [(math.floor(p * step), math.ceil((p + 1) * step)) for p in range(count)]
    return [(min(max(a + start, 0), size), min(max(b + start, 0), size)) for a, b in edges]


def _image(number, n):
    """The image a box belongs to; numbers outside are clipped."""
    return int(min(max(number, 0), n - 1)) if number == number else 0


@kernel(ops.ROIPooling)
def roi_pooling(op, data, rois, y, places):
    n, c, h, w = data.shape
    ph, pw = op.pooled_size
    y[...], places[...] = 0, -1
    bound = 4.0 * (h + w) + 16
    for r, roi in enumerate(rois):
        image = data[_image(roi[0], n)]
        box = np.clip(np.nan_to_num(roi[1:].astype(np.float64) * op.spatial_scale), -bound, bound)
        x1, y1, x2, y2 = (_away(v) for v in box)
        rows, columns = _parts(y1, y2, ph, h), _parts(x1, x2, pw, w)
        for i, (top, bottom) in enumerate(rows):
            for j, (left, right) in enumerate(columns):
                if bottom > top and right > left:
                    part = image[:, top:bottom, left:right].reshape(c, -1)
                    best = part.argmax(1)
                    y[r, :, i, j] = part[np.arange(c), best]
                    row, column = np.divmod(best, right - left)
                    places[r, :, i, j] = (row + top) * w + column + left


@kernel(ops._roi_pooling_grad)
def roi_pooling_grad(op, g, places, rois, dx):
    n, c, h, w = dx.shape
    dx[...] = 0
    for r, roi in enumerate(rois):
        target = dx[_image(roi[0], n)].reshape(c, h * w)
        index = places[r].reshape(c, -1).astype(np.intp)
        for channel in range(c):
            hit = index[channel] >= 0
            target[channel] += np.bincount(index[channel][hit], g[r, channel].reshape(-1)[hit], h * w)
