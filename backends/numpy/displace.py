"""Kernels of graphnn/ops/displace.py."""

from __future__ import annotations

import numpy as np

from graphnn.ops import displace as ops

from .registry import kernel


def _padded(x, pad):
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))


def _windows(op, sizes):
    """For each step: its number, and for each tap of the window the slices of both padded images."""
    h, w = sizes
    d, s = op.max_displacement, op.stride1
    half = op.steps // 2
    for t in range(op.steps**2):
        dy, dx = (t // op.steps - half) * op.stride2, (t % op.steps - half) * op.stride2
        for i in range(op.kernel_size):
            for j in range(op.kernel_size):
                first = np.s_[:, :, d + i : d + i + (h - 1) * s + 1 : s, d + j : d + j + (w - 1) * s + 1 : s]
                top, left = d + i + dy, d + j + dx
                second = np.s_[:, :, top : top + (h - 1) * s + 1 : s, left : left + (w - 1) * s + 1 : s]
                yield t, first, second


@kernel(ops.Correlation)
def correlation(op, a, b, y):
    a_wide, b_wide = _padded(a, op.pad_size), _padded(b, op.pad_size)
    y[...] = 0
    for t, first, second in _windows(op, y.shape[2:]):
        if op.is_multiply:
            y[:, t] += np.einsum("nchw,nchw->nhw", a_wide[first], b_wide[second])
        else:
            y[:, t] += np.abs(a_wide[first] - b_wide[second]).sum(1)
    y /= op.kernel_size**2 * a.shape[1]


@kernel(ops._correlation_grad)
def correlation_grad(op, g, a, b, da, db):
    op = op.correlation
    pad = op.pad_size
    a_wide, b_wide = _padded(a, pad), _padded(b, pad)
    da_wide, db_wide = np.zeros_like(a_wide), np.zeros_like(b_wide)
    each = g / (op.kernel_size**2 * a.shape[1])
    for t, first, second in _windows(op, g.shape[2:]):
        part = each[:, t, None]
        if op.is_multiply:
            da_wide[first] += part * b_wide[second]
            db_wide[second] += part * a_wide[first]
        else:
            slope = part * np.where(a_wide[first] >= b_wide[second], 1, -1)
            da_wide[first] += slope
            db_wide[second] -= slope
    h, w = a.shape[2:]
    da[...], db[...] = (x[:, :, pad : pad + h, pad : pad + w] for x in (da_wide, db_wide))


def _taps(op, data_shape, offset):
    """For each tap and group: rows and columns (n, places) of what it reads, and whether that is inside."""
    (_, _, h, w), (kh, kw) = data_shape, op.kernel
    n, _, oh, ow = offset.shape
    moves = offset.reshape(n, op.groups, kh * kw, 2, oh * ow)
    y0 = (np.arange(oh) * op.stride[0] - op.pad[0])[:, None]
    x0 = np.arange(ow) * op.stride[1] - op.pad[1]
    for tap in range(kh * kw):
        i, j = divmod(tap, kw)
        rows = np.broadcast_to(y0 + i * op.dilate[0], (oh, ow)).ravel()
        columns = np.broadcast_to(x0 + j * op.dilate[1], (oh, ow)).ravel()
        for group in range(op.groups):
            with np.errstate(invalid="ignore"):
                y = np.nan_to_num(rows + moves[:, group, tap, 0], nan=-9.0)
                x = np.nan_to_num(columns + moves[:, group, tap, 1], nan=-9.0)
            yield tap, group, np.clip(y, -9, h + 9), np.clip(x, -9, w + 9)


def pixels(y, x, h, w, soft):
    """The four pixels around places: flat index, weight, and the slopes of the weight; 0 for places outside."""
    inside = ((y > -1) & (x > -1) if soft else (y >= 0) & (x >= 0)) & (y < h) & (x < w)
    top, left = (np.floor(v).astype(np.intp) for v in (y, x))
    fy, fx = y - top, x - left
    for row, wy, sy in ((top, 1 - fy, -1), (top + 1, fy, 1)):
        for column, wx, sx in ((left, 1 - fx, -1), (left + 1, fx, 1)):
            here = inside & (row >= 0) & (column >= 0) & (row < h) & (column < w) if soft else inside
            index = np.clip(row, 0, h - 1) * w + np.clip(column, 0, w - 1)
            yield index, wy * wx * here, sy * wx * here, sx * wy * here


@kernel(ops._deformable_columns)
def deformable_columns(op, data, offset, y):
    n, c, h, w = data.shape
    each, taps = c // op.groups, op.kernel[0] * op.kernel[1]
    source, out = data.reshape(n, op.groups, each, h * w), y.reshape(n, op.groups, each, taps, -1)
    out[...] = 0
    for tap, group, rows, columns in _taps(op, data.shape, offset):
        for index, weight, _, _ in pixels(rows, columns, h, w, op.soft):
            for k in range(n):
                out[k, group, :, tap] += source[k, group][:, index[k]] * weight[k]


@kernel(ops._deformable_columns_grad)
def deformable_columns_grad(op, g, data, offset, ddata, doffset):
    op = op.columns
    n, c, h, w = data.shape
    each, taps = c // op.groups, op.kernel[0] * op.kernel[1]
    source, target = (x.reshape(n, op.groups, each, h * w) for x in (data, ddata))
    part, moved = g.reshape(n, op.groups, each, taps, -1), doffset.reshape(n, op.groups, taps, 2, -1)
    target[...], moved[...] = 0, 0
    for tap, group, rows, columns in _taps(op, data.shape, offset):
        for index, weight, along_y, along_x in pixels(rows, columns, h, w, op.soft):
            for k in range(n):
                slope = np.einsum("cp,cp->p", source[k, group][:, index[k]], part[k, group, :, tap])
                moved[k, group, tap, 0] += slope * along_y[k]
                moved[k, group, tap, 1] += slope * along_x[k]
                for channel in range(each):
                    spread = part[k, group, channel, tap] * weight[k]
                    target[k, group, channel] += np.bincount(index[k], spread, h * w)
