"""Rows of the operator table for boxes and for sampling through grids, with references written box by box."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
from case import Case, op


def overlap(a, b):
    """Intersection over union of two boxes."""
    w, h = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1))
    inner = max(w, 0) * max(h, 0)
    union = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)) - inner
    return inner / union if union > 0 else 0.0


def random_boxes(rng, *shape):
    corner = rng.uniform(0, 0.7, (*shape, 2))
    return np.concatenate([corner, corner + rng.uniform(0.1, 0.4, (*shape, 2))], -1)


def prior(data, sizes, ratios):
    h, w = data.shape[2:]
    kinds = [(s, ratios[0]) for s in sizes] + [(sizes[0], r) for r in ratios[1:]]
    out = []
    for i, j, (s, r) in itertools.product(range(h), range(w), kinds):
        x, y = (j + 0.5) / w, (i + 0.5) / h
        dx, dy = s * h / w * math.sqrt(r) / 2, s / math.sqrt(r) / 2
        out.append((x - dx, y - dy, x + dx, y + dy))
    return np.array(out)[None]


def target(anchor, label, scores, threshold=0.5):
    """Every anchor by itself, after each object has taken the anchor it overlaps most."""
    n, a = len(label), anchor.shape[1]
    loc, mask, classes = np.zeros((n, a, 4)), np.zeros((n, a, 4)), np.zeros((n, a))
    for k, rows in enumerate(label):
        table = np.array([[overlap(box, row[1:]) for row in rows] for box in anchor[0]])
        taken = {}
        for _ in rows:
            free = [
                (table[i, j], i, j) for i, j in np.ndindex(table.shape) if i not in taken and j not in taken.values()
            ]
            best, i, j = max(free)
            if best > 1e-6:
                taken[i] = j
        for i in range(a):
            if i not in taken and table[i].max() > threshold:
                taken[i] = int(table[i].argmax())
        for i, j in taken.items():
            (x1, y1, x2, y2), (kind, u1, v1, u2, v2) = anchor[0, i], rows[j]
            w, h = x2 - x1, y2 - y1
            shift = ((u1 + u2 - x1 - x2) / 2 / w / 0.1, (v1 + v2 - y1 - y2) / 2 / h / 0.1)
            loc[k, i] = *shift, math.log((u2 - u1) / w) / 0.2, math.log((v2 - v1) / h) / 0.2
            mask[k, i], classes[k, i] = 1, kind + 1
    return loc.reshape(n, -1), mask.reshape(n, -1), classes


def survivors(rows, threshold, same_class):
    """Of rows (class, score, box) by falling score those that no better one overlaps."""
    kept = []
    for row in sorted(rows, key=lambda r: -r[1]):
        if all(overlap(row[2:], k[2:]) <= threshold or (same_class and row[0] != k[0]) for k in kept):
            kept.append(row)
    return kept


def detection(p, shifts, anchor):
    n, _, a = p.shape
    out = np.full((n, a, 6), -1.0)
    for k in range(n):
        rows = []
        for i, (x1, y1, x2, y2) in enumerate(anchor[0]):
            dx, dy, dw, dh = shifts[k, 4 * i : 4 * i + 4] * (0.1, 0.1, 0.2, 0.2)
            x, y = dx * (x2 - x1) + (x1 + x2) / 2, dy * (y2 - y1) + (y1 + y2) / 2
            w, h = math.exp(dw) * (x2 - x1) / 2, math.exp(dh) * (y2 - y1) / 2
            kind = p[k, 1:, i].argmax()
            rows.append((kind, p[k, 1 + kind, i], *np.clip((x - w, y - h, x + w, y + h), 0, 1)))
        rows.sort(key=lambda r: -r[1])
        kept = survivors(rows, 0.5, True)
        out[k] = [row if row in kept else (-1, *row[1:]) for row in rows]
    return out


def nms(data, threshold, same_class):
    out = np.full(data.shape, -1.0)
    for rows, y in zip(data, out, strict=True):
        kept = survivors([tuple(r) for r in rows if r[1] > 0], threshold, same_class)
        y[: len(kept)] = kept
    return out


def iou(a, b):
    return np.array([[overlap(x, y) for y in b] for x in a.reshape(-1, 4)]).reshape(*a.shape[:-1], len(b))


def proposal(p, shifts, info):
    """Two anchors of 8 and 16 pixels, 8 pixels apart; suppression over 0.7, four regions."""
    h, w = p.shape[2:]
    height, width, scale = info[0]
    rows = []
    for i, j, a in np.ndindex(h, w, 2):
        side = (8, 16)[a]
        dx, dy, dw, dh = shifts[0, 4 * a : 4 * a + 4, i, j]
        x, y = j * 8 + 3.5 + dx * side, i * 8 + 3.5 + dy * side
        u, v = (math.exp(dw) * side - 1) / 2, (math.exp(dh) * side - 1) / 2
        box = np.clip((x - u, y - v, x + u, y + v), 0, (width - 1, height - 1) * 2)
        assert min(box[2] - box[0], box[3] - box[1]) + 1 >= 2 * scale
        box[2:] += 1
        rows.append((0, p[0, 2 + a, i, j], *box))
    kept = np.array(survivors(rows, 0.7, False))
    kept = kept[np.arange(4) % len(kept)]
    return np.concatenate([kept[:, :1], kept[:, 2:] - (0, 0, 1, 1)], 1), kept[:, 1:2]


def sample(data, grid):
    """Each place's four pixels, those outside 0."""
    n, c, h, w = data.shape
    y = np.zeros((n, c, *grid.shape[2:]))
    for k, i, j in np.ndindex(n, *grid.shape[2:]):
        x0, y0 = (grid[k, 0, i, j] + 1) * (w - 1) / 2, (grid[k, 1, i, j] + 1) * (h - 1) / 2
        for row, column in itertools.product(range(h), range(w)):
            weight = max(0, 1 - abs(x0 - column)) * max(0, 1 - abs(y0 - row))
            y[k, :, i, j] += weight * data[k, :, row, column]
    return y


def affine(theta, h, w):
    y = np.zeros((len(theta), 2, h, w))
    for k, i, j in np.ndindex(len(theta), h, w):
        y[k, :, i, j] = theta[k].reshape(2, 3) @ (2 * j / (w - 1) - 1, 2 * i / (h - 1) - 1, 1)
    return y


def warp(flow):
    h, w = flow.shape[2:]
    x, y = np.meshgrid(np.arange(w), np.arange(h))
    return np.stack([(flow[:, 0] + x) * 2 / (w - 1) - 1, (flow[:, 1] + y) * 2 / (h - 1) - 1], 1)


def roi_pool(data, rois, size, scale):
    out = np.zeros((len(rois), data.shape[1], *size))
    for r, roi in enumerate(rois):
        x1, y1, x2, y2 = (math.floor(v * scale + 0.5) for v in roi[1:])
        for i, j in np.ndindex(*size):
            edges = []
            for p, low, high, count, whole in (
                (i, y1, y2, size[0], data.shape[2]),
                (j, x1, x2, size[1], data.shape[3]),
            ):
                step = max(high - low + 1, 1) / count
                first, last = math.floor(p * step) + low, math.ceil((p + 1) * step) + low
                edges.append((min(max(first, 0), whole), min(max(last, 0), whole)))
            (top, bottom), (left, right) = edges
            if bottom > top and right > left:
                out[r, :, i, j] = data[int(roi[0]), :, top:bottom, left:right].max((1, 2))
    return out


def rois(rng):
    corner = rng.uniform(0, 6, (4, 2))
    return np.concatenate([rng.integers(0, 2, (4, 1)), corner, corner + rng.uniform(2, 9, (4, 2))], 1)


def rows(rng, n, k):
    """Rows of class, score and box."""
    return np.concatenate([rng.integers(0, 2, (n, k, 1)), rng.uniform(-0.2, 1, (n, k, 1)), random_boxes(rng, n, k)], -1)


def objects(rng, n, k):
    return np.concatenate([rng.integers(0, 3, (n, k, 1)), random_boxes(rng, n, k)], -1)


def shares(rng, *shape):
    e = np.exp(rng.normal(size=shape))
    return e / e.sum(1, keepdims=True)


SIZES, RATIOS = (0.5, 0.3), (1.0, 2.0, 0.5)
PROPOSAL = {
    "rpn_post_nms_top_n": 4, "rpn_min_size": 2, "scales": (1, 2), "ratios": (1,), "feature_stride": 8,
    "output_score": True,
}  # fmt: skip


ROWS = [
    Case(
        op("_contrib_MultiBoxPrior", sizes=SIZES, ratios=RATIOS), ((1, 2, 2, 3),), lambda x: prior(x, SIZES, RATIOS)
    ),
    Case(
        op("_contrib_MultiBoxTarget"), ((1, 7, 4), (2, 3, 5), (2, 4, 7)), target,
        draw=lambda rng: [random_boxes(rng, 1, 7), objects(rng, 2, 3), rng.normal(size=(2, 4, 7))],
    ),
    Case(
        op("_contrib_MultiBoxDetection"), ((2, 3, 6), (2, 24), (1, 6, 4)), detection,
        draw=lambda rng: [shares(rng, 2, 3, 6), rng.normal(size=(2, 24)), random_boxes(rng, 1, 6)],
    ),
    Case(
        op("_contrib_box_iou"), ((2, 3, 4), (5, 4)), iou,
        draw=lambda rng: [random_boxes(rng, 2, 3), random_boxes(rng, 5)],
    ),
    Case(
        op("_contrib_box_nms", overlap_thresh=0.3), ((2, 7, 6),), lambda x: nms(x, 0.3, False),
        draw=lambda rng: [rows(rng, 2, 7)],
    ),
    Case(
        op("_contrib_box_nms", overlap_thresh=0.2, id_index=0), ((2, 9, 6),), lambda x: nms(x, 0.2, True), grad=(),
        draw=lambda rng: [rows(rng, 2, 9)],
    ),
    *[
        Case(
            op(f"_contrib_{name}", **PROPOSAL), ((1, 4, 2, 3), (1, 8, 2, 3), (1, 3)), proposal,
            draw=lambda rng: [rng.random((1, 4, 2, 3)), rng.uniform(-0.2, 0.2, (1, 8, 2, 3)), np.array([[16, 24, 1]])],
        )
        for name in ("Proposal", "MultiProposal")
    ],
    Case(op("BilinearSampler"), ((2, 3, 4, 5), (2, 2, 3, 2)), sample, low=-1.3, high=1.3),
    Case(op("GridGenerator", transform_type="affine", target_shape=(3, 4)), ((2, 6),), lambda t: affine(t, 3, 4)),
    Case(op("GridGenerator", transform_type="warp"), ((2, 2, 3, 4),), warp),
    Case(
        op("SpatialTransformer", transform_type="affine", sampler_type="bilinear", target_shape=(3, 4)),
        ((2, 3, 5, 4), (2, 6)), lambda x, t: sample(x, affine(t, 3, 4)), low=-0.5, high=0.5, grad=(0, 1),
    ),
    Case(
        op("ROIPooling", pooled_size=(2, 3), spatial_scale=0.5), ((2, 3, 6, 7), (4, 5)),
        lambda x, r: roi_pool(x, r, (2, 3), 0.5), grad=(0,),
        draw=lambda rng: [rng.normal(size=(2, 3, 6, 7)), rois(rng)],
    ),
    Case(
        op("_image_normalize", mean=(0.5, 1.0, -1.0), std=(2.0, 0.5, 4.0)), ((2, 3, 2, 4),),
        lambda x: (x - np.array([0.5, 1, -1]).reshape(3, 1, 1)) / np.array([2, 0.5, 4]).reshape(3, 1, 1),
        tags=("composed",),
    ),
    Case(
        op("_image_to_tensor"), ((2, 3, 4),), lambda x: x.transpose(2, 0, 1) / 255, tags=("composed",),
    ),
]  # fmt: skip
CASES = [replace(row, tags=(*row.tags, "allocates")) for row in ROWS]
