"""Rows of the operator table for averages over regions and for taps that move, with references place by place."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
from case import Case, op
from detection_cases import random_boxes


def between(image, y, x):
    """Read (c, h, w) between pixels; the border goes on for a pixel."""
    _, h, w = image.shape
    if not (-1 <= y <= h and -1 <= x <= w):
        return np.zeros(len(image))
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    weights = [(r, c, max(0, 1 - abs(y - r)) * max(0, 1 - abs(x - c))) for r in range(h) for c in range(w)]
    return sum(weight * image[:, r, c] for r, c, weight in weights if weight)


def roi_align(data, rois, size, scale, samples, own=False):
    channels = data.shape[1] // (math.prod(size) if own else 1)
    out = np.zeros((len(rois), channels, *size))
    for r, (image, *box) in enumerate(rois):
        x1, y1, x2, y2 = np.array(box) * scale
        dy, dx = max(y2 - y1, 1) / size[0], max(x2 - x1, 1) / size[1]
        for i, j in np.ndindex(*size):
            ny, nx = samples or math.ceil(dy), samples or math.ceil(dx)
            found = [
                between(data[int(image)], y1 + (i + (a + 0.5) / ny) * dy, x1 + (j + (b + 0.5) / nx) * dx)
                for a in range(ny) for b in range(nx)
            ]  # fmt: skip
            mean = np.mean(found, 0)
            out[r, :, i, j] = mean.reshape(channels, *size)[:, i, j] if own else mean
    return out


def psroi_pool(data, rois, scale, dim, size):
    out = np.zeros((len(rois), dim, size, size))
    for r, (image, *box) in enumerate(rois):
        x1, y1, x2, y2 = (math.floor(v + 0.5) for v in box)
        for k, i, j in np.ndindex(dim, size, size):
            sides = []
            for at, low, high, n in ((i, y1, y2, data.shape[2]), (j, x1, x2, data.shape[3])):
                low, high = low * scale, (high + 1) * scale
                step = (high - low) / size
                edges = math.floor(at * step + low), math.ceil((at + 1) * step + low)
                sides.append(slice(*(min(max(e, 0), n) for e in edges)))
            part = data[int(image), (k * size + i) * size + j, sides[0], sides[1]]
            out[r, k, i, j] = part.mean() if part.size else 0
    return out


def moved_pool(data, rois, trans, scale, dim, size, samples, std):
    """Every sample of every cell by itself: the mean of those at most half a pixel outside."""
    (_, _, h, w), classes = data.shape, trans.shape[1] // 2
    out = np.zeros((len(rois), dim, size, size))
    for r, k, i, j in np.ndindex(*out.shape):
        x1, y1, x2, y2 = (math.floor(v + 0.5) for v in rois[r, 1:])
        high, wide = max((y2 + 1 - y1) * scale, 0.1), max((x2 + 1 - x1) * scale, 0.1)
        dx, dy = trans[r].reshape(classes, 2, size, size)[k * classes // dim, :, i, j] * std
        seen = []
        for a, b in np.ndindex(samples, samples):
            y = y1 * scale - 0.5 + (i + a / samples) * high / size + dy * high
            x = x1 * scale - 0.5 + (j + b / samples) * wide / size + dx * wide
            if -0.5 <= y <= h - 0.5 and -0.5 <= x <= w - 0.5:
                seen.append(between(data[int(rois[r, 0])], y, x)[(k * size + i) * size + j])
        out[r, k, i, j] = np.mean(seen) if seen else 0
    return out


def correlate(a, b, kernel, most, pad, multiply=True):
    n, _, h, w = a.shape
    a, b = (np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))) for x in (a, b))
    border = most + kernel // 2
    oh, ow = (m + 2 * pad - 2 * border for m in (h, w))
    steps = list(itertools.product(range(-most, most + 1), repeat=2))
    y = np.zeros((n, len(steps), oh, ow))
    for t, (dy, dx) in enumerate(steps):
        for i, j in np.ndindex(oh, ow):
            top, left = i + most, j + most
            one = a[:, :, top : top + kernel, left : left + kernel]
            other = b[:, :, top + dy : top + dy + kernel, left + dx : left + dx + kernel]
            y[:, t, i, j] = (one * other if multiply else abs(one - other)).mean((1, 2, 3))
    return y


def deform(x, offset, weight, bias, pad):
    """Every tap of a 3 x 3 kernel by itself; a tap outside the image reads 0."""
    n, _, h, w = x.shape
    y = np.zeros((n, len(weight), *offset.shape[2:])) + bias[:, None, None]
    for k, i, j, tap in np.ndindex(n, *offset.shape[2:], 9):
        row = i - pad + tap // 3 + offset[k, 2 * tap, i, j]
        column = j - pad + tap % 3 + offset[k, 2 * tap + 1, i, j]
        if 0 <= row < h and 0 <= column < w:
            y[k, :, i, j] += weight[:, :, tap // 3, tap % 3] @ between(x[k], row, column)
    return y


def deform_softly(x, offset, mask, weight, bias):
    """As deform() in an image with zeros around it, its taps weighted."""
    n, _, h, w = x.shape
    wide = np.pad(x, ((0, 0), (0, 0), (1, 2), (1, 2)))
    y = np.zeros((n, len(weight), *offset.shape[2:])) + bias[:, None, None]
    for k, i, j, tap in np.ndindex(n, *offset.shape[2:], 9):
        row = i - 1 + tap // 3 + offset[k, 2 * tap, i, j]
        column = j - 1 + tap % 3 + offset[k, 2 * tap + 1, i, j]
        if -1 < row < h and -1 < column < w:
            read = weight[:, :, tap // 3, tap % 3] @ between(wide[k], row + 1, column + 1)
            y[k, :, i, j] += mask[k, tap, i, j] * read
    return y


def decode(data, anchors, std, clip):
    ax, ay, aw, ah = np.moveaxis(anchors, -1, 0)
    x, y = data[..., 0] * std * aw + ax, data[..., 1] * std * ah + ay
    w, h = (np.exp(np.minimum(data[..., k] * std, clip)) * a / 2 for k, a in ((2, aw), (3, ah)))
    return np.stack([x - w, y - h, x + w, y + h], -1)


def encode(samples, matches, anchors, refs, means, stds):
    out, mask = np.zeros(anchors.shape), np.zeros(anchors.shape)
    for k, i in np.ndindex(*samples.shape):
        if samples[k, i] > 0.5:
            (ax, ay, bx, by), (rx, ry, sx, sy) = anchors[k, i], refs[k, int(matches[k, i])]
            w, h = bx - ax, by - ay
            shift = ((rx + sx - ax - bx) / 2 / w, (ry + sy - ay - by) / 2 / h)
            out[k, i] = (np.array([*shift, math.log((sx - rx) / w), math.log((sy - ry) / h)]) - means) / stds
            mask[k, i] = 1
    return out, mask


def match(scores, threshold):
    rows, columns = np.full(scores.shape[:2], -1.0), np.full((len(scores), scores.shape[2]), -1.0)
    for k, table in enumerate(scores):
        for value, i, j in sorted(((table[at], *at) for at in np.ndindex(table.shape)), reverse=True):
            if value > threshold and rows[k, i] < 0 and columns[k, j] < 0:
                rows[k, i], columns[k, j] = j, i
    return rows, columns


def rois(rng):
    corner = rng.uniform(0, 5, (3, 2))
    return np.concatenate([rng.integers(0, 2, (3, 1)), corner, corner + rng.uniform(2, 7, (3, 2))], 1)


def image_and_rois(c):
    return lambda rng: [rng.normal(size=(2, c, 5, 6)), rois(rng)]


def moved(rng):
    """Offsets away from whole pixels, where the slope jumps."""
    whole = rng.integers(-2, 2, (2, 18, 3, 4)) + rng.uniform(0.2, 0.8, (2, 18, 3, 4))
    return [rng.normal(size=(2, 3, 3, 4)), whole, rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)]


STDS = np.array([0.1, 0.1, 0.2, 0.2])
ROWS = [
    Case(
        op("_contrib_ROIAlign", pooled_size=(2, 3), spatial_scale=0.5), ((2, 3, 5, 6), (3, 5)),
        lambda x, r: roi_align(x, r, (2, 3), 0.5, 0), grad=(0,), draw=image_and_rois(3),
    ),
    Case(
        op("_contrib_ROIAlign", pooled_size=(2, 2), spatial_scale=1.0, sample_ratio=2, position_sensitive=True),
        ((2, 8, 5, 6), (3, 5)), lambda x, r: roi_align(x, r, (2, 2), 1.0, 2, True), grad=(0,), draw=image_and_rois(8),
    ),
    Case(
        op("_contrib_PSROIPooling", spatial_scale=0.5, output_dim=2, pooled_size=2), ((2, 8, 5, 6), (3, 5)),
        lambda x, r: psroi_pool(x, r, 0.5, 2, 2), grad=(0,), draw=image_and_rois(8),
    ),
    Case(
        op(
            "_contrib_DeformablePSROIPooling", spatial_scale=0.5, output_dim=2, group_size=2, pooled_size=2,
            sample_per_part=3, trans_std=0.3,
        ),
        ((2, 8, 5, 6), (3, 5), (3, 4, 2, 2)), lambda x, r, t: moved_pool(x, r, t, 0.5, 2, 2, 3, 0.3), grad=(0, 2),
        draw=lambda rng: [*image_and_rois(8)(rng), rng.uniform(-0.6, 0.6, (3, 4, 2, 2))],
    ),
    Case(
        op(
            "_contrib_DeformablePSROIPooling", spatial_scale=0.5, output_dim=2, group_size=2, pooled_size=2,
            sample_per_part=2, no_trans=True,
        ),
        ((2, 8, 5, 6), (3, 5)), lambda x, r: moved_pool(x, r, np.zeros((len(r), 2, 2, 2)), 0.5, 2, 2, 2, 0), grad=(0,),
        draw=image_and_rois(8),
    ),
    Case(
        op("Correlation", kernel_size=3, max_displacement=1, pad_size=2), ((2, 3, 4, 5), (2, 3, 4, 5)),
        lambda a, b: correlate(a, b, 3, 1, 2),
    ),
    Case(
        op("Correlation", max_displacement=1, pad_size=1, is_multiply=False), ((2, 3, 4, 5), (2, 3, 4, 5)),
        lambda a, b: correlate(a, b, 1, 1, 1, False),
    ),
    Case(
        op("_contrib_DeformableConvolution", kernel=(3, 3), num_filter=4, pad=(1, 1)),
        ((2, 3, 3, 4), (2, 18, 3, 4), (4, 3, 3, 3), (4,)), lambda x, o, w, b: deform(x, o, w, b, 1), draw=moved,
        grad=(0, 1, 2, 3),
    ),
    Case(
        op("_contrib_ModulatedDeformableConvolution", kernel=(3, 3), num_filter=4, pad=(1, 1)),
        ((2, 3, 3, 4), (2, 18, 3, 4), (2, 9, 3, 4), (4, 3, 3, 3), (4,)), deform_softly,
        draw=lambda rng: (lambda xs: [*xs[:2], rng.random((2, 9, 3, 4)), *xs[2:]])(moved(rng)), grad=(0, 1, 2, 3, 4),
    ),
    Case(
        op("_contrib_box_decode", std0=0.5, std1=0.5, std2=0.5, std3=0.5, clip=0.4), ((2, 3, 4), (1, 3, 4)),
        lambda d, a: decode(d, a, 0.5, 0.4), low=0.1,
    ),
    Case(
        op("_contrib_box_encode"), ((2, 5), (2, 5), (2, 5, 4), (2, 3, 4), (4,), (4,)), encode,
        draw=lambda rng: [
            rng.integers(-1, 2, (2, 5)), rng.integers(0, 3, (2, 5)), random_boxes(rng, 2, 5), random_boxes(rng, 2, 3),
            np.zeros(4), STDS,
        ],
    ),
    Case(
        op("_contrib_bipartite_matching", threshold=0.2), ((2, 3, 4),), lambda s: match(s, 0.2),
        draw=lambda rng: [rng.random((2, 3, 4))],
    ),
]  # fmt: skip
CASES = [replace(row, tags=("allocates",)) for row in ROWS]
