"""Kernels of graphnn/ops/detection.py."""

from __future__ import annotations

import math

import numpy as np

from graphnn.ops import detection as ops

from .registry import kernel


@kernel(ops.MultiBoxPrior)
def multi_box_prior(op, data, y):
    _prior(op, data.shape[2], data.shape[3], y)


@kernel(ops._anchors)
def anchors(op, y):
    _prior(op.prior, op.height, op.width, y)


def _prior(op, h, w, y):
    step_y = op.steps[0] if op.steps[0] > 0 else 1 / h
    step_x = op.steps[1] if op.steps[1] > 0 else 1 / w
    kinds = [(s, op.ratios[0]) for s in op.sizes] + [(op.sizes[0], r) for r in op.ratios[1:]]
    half = np.array([(s * h / w * math.sqrt(r) / 2, s / math.sqrt(r) / 2) for s, r in kinds])
    x = (np.arange(w) + op.offsets[1]) * step_x
    centre = np.stack(np.broadcast_arrays(x, ((np.arange(h) + op.offsets[0]) * step_y)[:, None]), -1)[:, :, None]
    boxes = np.concatenate([centre - half, centre + half], -1).reshape(y.shape)
    y[...] = np.clip(boxes, 0, 1) if op.clip else boxes


def _corners(boxes):
    """Boxes of centres and sizes as corners."""
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], -1)


def _overlap(a, b, one=0):
    """Overlaps of boxes a (..., 4) and b (..., 4), broadcast; `one` is added to sizes counted in pixels."""
    with np.errstate(all="ignore"):
        size = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]) + one
        inner = np.prod(np.maximum(size, 0), -1)
        areas = [np.prod(x[..., 2:] - x[..., :2] + one, -1) for x in (a, b)]
        union = areas[0] + areas[1] - inner
        return np.where(union > 0, inner / union, 0)


def _matches(op, overlaps):
    """For each anchor its object and whether it is matched, by the two rules; and its largest overlap."""
    anchors, objects = overlaps.shape
    best, matched = np.full(anchors, -1), np.zeros(anchors, bool)
    left = overlaps.copy()
    for _ in range(objects):
        i, k = np.unravel_index(left.argmax(), left.shape)
        if not left[i, k] > 1e-6:
            break
        best[i], matched[i] = k, True
        left[i], left[:, k] = -1, -1
    largest = overlaps.max(1)
    if op.overlap_threshold > 0:
        more = ~matched & (largest > op.overlap_threshold)
        best[more] = overlaps.argmax(1)[more]
        matched |= more
    return best, matched, largest


def _background(op, matched, largest, scores):
    """Which anchors are to be background, hardest first where not all are."""
    if op.negative_mining_ratio <= 0:
        return ~matched
    count = int(matched.sum())
    wanted = min(int(count * op.negative_mining_ratio), len(matched) - count)
    chosen = np.zeros(len(matched), bool)
    near = np.flatnonzero(~matched & (largest < op.negative_mining_thresh))
    e = np.exp(scores[:, near] - scores[:, near].max(0, initial=-np.inf))
    order = np.argsort(e[0] / e.sum(0), kind="stable")
    chosen[near[order[:wanted]]] = True
    return chosen


@kernel(ops.MultiBoxTarget)
def multi_box_target(op, anchor, label, scores, target, mask, classes):
    boxes = anchor[0]
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2
    target[...], mask[...], classes[...] = 0, 0, op.ignore_label
    for k, rows in enumerate(label):
        ends = np.flatnonzero(rows[:, 0] == -1)
        objects = rows[: ends[0] if len(ends) else len(rows)]
        if not len(objects):
            continue
        best, matched, largest = _matches(op, _overlap(boxes[:, None], objects[None, :, 1:5]))
        classes[k, _background(op, matched, largest, scores[k])] = 0
        mine = objects[best[matched]]
        classes[k, matched] = mine[:, 0] + 1
        mask[k].reshape(-1, 4)[matched] = 1
        with np.errstate(all="ignore"):
            shift = ((mine[:, 1:3] + mine[:, 3:5]) / 2 - centre[matched]) / size[matched]
            grow = np.log((mine[:, 3:5] - mine[:, 1:3]) / size[matched])
        target[k].reshape(-1, 4)[matched] = np.concatenate([shift, grow], 1) / np.array(op.variances, target.dtype)


def _suppressed(boxes, kinds, threshold, inclusive, most=None):
    """Tell which of `boxes`, best first, overlap a better one of their kind that stays itself."""
    gone = np.zeros(len(boxes), bool)
    kept = 0
    for i in range(len(boxes)):
        if gone[i]:
            continue
        kept += 1
        if most is not None and kept >= most:
            gone[i + 1 :] = True
            break
        overlap = _overlap(boxes[i], boxes[i + 1 :], 0 if most is None else 1)
        near = overlap >= threshold if inclusive else overlap > threshold
        gone[i + 1 :] |= near if kinds is None else near & (kinds[i + 1 :] == kinds[i])
    return gone


@kernel(ops.MultiBoxDetection)
def multi_box_detection(op, probabilities, shifts, anchor, y):
    boxes = anchor[0]
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2
    scale = np.array(op.variances, y.dtype)
    y[...] = -1
    for k, p in enumerate(probabilities):
        if len(p) < 2:
            continue
        kind, score = p[1:].argmax(0), p[1:].max(0)
        found = np.flatnonzero(score > op.threshold)
        moved = shifts[k].reshape(-1, 4)[found] * scale
        middle = moved[:, :2] * size[found] + centre[found]
        with np.errstate(over="ignore"):
            half = np.exp(moved[:, 2:]) * size[found] / 2
        decoded = np.concatenate([middle - half, middle + half], 1)
        rows = np.concatenate(
            [kind[found, None], score[found, None], np.clip(decoded, 0, 1) if op.clip else decoded], 1
        )
        if 0 < op.nms_threshold <= 1:
            order = np.argsort(-rows[:, 1], kind="stable")
            keep = min(op.nms_topk, len(rows)) if op.nms_topk > 0 else len(rows)
            rows = np.concatenate([rows[order[:keep]], rows[keep:]])
            rows[keep:, 0] = -1
            kinds = None if op.force_suppress else rows[:keep, 0]
            rows[:keep][_suppressed(rows[:keep, 2:], kinds, op.nms_threshold, True), 0] = -1
        y[k, : len(rows)] = rows


@kernel(ops.box_iou)
def box_iou(op, a, b, y):
    if op.format == "center":
        a, b = _corners(a), _corners(b)
    left, right = a.reshape(-1, 1, 4), b.reshape(1, -1, 4)
    y[...] = _overlap(left, right).reshape(y.shape)


@kernel(ops.box_decode)
def box_decode(op, data, anchors, y):
    a = anchors if op.format == "center" else _other_format(anchors[0], "center")[None]
    middle = data[..., :2] * np.array([op.std0, op.std1], data.dtype) * a[..., 2:] + a[..., :2]
    grow = data[..., 2:] * np.array([op.std2, op.std3], data.dtype)
    grow = np.minimum(grow, data.dtype.type(op.clip)) if op.clip > 0 else grow
    with np.errstate(over="ignore", invalid="ignore"):
        half = np.exp(grow) * a[..., 2:] / 2
        y[..., :2], y[..., 2:] = middle - half, middle + half


@kernel(ops.box_encode)
def box_encode(op, samples, matches, anchors, refs, means, stds, y, mask):
    with np.errstate(all="ignore"):
        index = np.clip(np.nan_to_num(matches), 0, refs.shape[1] - 1).astype(np.intp)
        chosen = np.take_along_axis(refs, index[..., None], 1)
        size, wanted = (x[..., 2:] - x[..., :2] for x in (anchors, chosen))
        shift = (chosen[..., :2] + wanted / 2 - anchors[..., :2] - size / 2) / size
        coded = (np.concatenate([shift, np.log(wanted / size)], -1) - means) / stds
    mask[...] = (samples > 0.5)[..., None]
    y[...] = np.where(mask > 0, coded, 0)


@kernel(ops.bipartite_matching)
def bipartite_matching(op, data, rows, columns):
    n, m = data.shape[-2:]
    rows[...], columns[...] = -1, -1
    for scores, row, column in zip(data.reshape(-1, n, m), rows.reshape(-1, n), columns.reshape(-1, m), strict=True):
        flat = scores.ravel()
        pairs = 0
        for at in np.argsort(flat if op.is_ascend else -flat, kind="stable"):
            i, j = divmod(int(at), m)
            if row[i] != -1 or column[j] != -1:
                continue
            if not (flat[at] < op.threshold if op.is_ascend else flat[at] > op.threshold):
                break
            row[i], column[j] = j, i
            pairs += 1
            if 0 < op.topk < pairs:
                break


@kernel(ops.box_nms)
def box_nms(op, data, y, source):
    n, k = data.shape[-2:]
    at = slice(op.coord_start, op.coord_start + 4)
    y[...], source[...] = -1, -1
    for rows, out, places in zip(data.reshape(-1, n, k), y.reshape(-1, n, k), source.reshape(-1, n), strict=True):
        valid = rows[:, op.score_index] > op.valid_thresh
        if op.id_index >= 0:
            valid &= rows[:, op.id_index] != op.background_id
        found = np.flatnonzero(valid)
        found = found[np.argsort(-rows[found, op.score_index], kind="stable")]
        found = found[: op.topk] if op.topk > 0 else found
        boxes = _corners(rows[found, at]) if op.in_format == "center" else rows[found, at]
        kinds = None if op.force_suppress or op.id_index < 0 else rows[found, op.id_index]
        kept = found[~_suppressed(boxes, kinds, op.overlap_thresh, False)]
        out[: len(kept)], places[: len(kept)] = rows[kept], kept
        if op.in_format != op.out_format:
            out[: len(kept), at] = _other_format(out[: len(kept), at], op.out_format)


def _other_format(boxes, wanted):
    if wanted == "corner":
        return _corners(boxes)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


@kernel(ops._box_nms_grad)
def box_nms_grad(op, g, source, dx):
    dx[...] = 0
    n, k = g.shape[-2:]
    for part, places, out in zip(g.reshape(-1, n, k), source.reshape(-1, n), dx.reshape(-1, n, k), strict=True):
        kept = places >= 0
        out[places[kept]] = part[kept]


def _base_anchors(op):
    """The anchors around the first position (a, 4): `ratios` outside, `scales` inside, sides rounded."""
    middle = (op.feature_stride - 1) / 2
    out = []
    for ratio in op.ratios:
        w = math.floor(math.sqrt(math.floor(op.feature_stride**2 / ratio)) + 0.5)
        h = math.floor(w * ratio + 0.5)
        for scale in op.scales:
            x, y = (w * scale - 1) / 2, (h * scale - 1) / 2
            out.append((middle - x, middle - y, middle + x, middle + y))
    return np.array(out)


def _regions(op, scores, shifts, info):
    """Boxes (h w a, 4) of one image clipped to it, and their scores, -1 for what is outside or too small."""
    a, h, w = scores.shape
    stride = op.feature_stride
    x, y = np.meshgrid(np.arange(w) * stride, np.arange(h) * stride)
    boxes = _base_anchors(op) + np.stack([x, y, x, y], -1)[:, :, None]
    moves = shifts.reshape(a, 4, h, w).transpose(2, 3, 0, 1)
    if op.iou_loss:
        boxes = boxes + moves
    else:
        size = boxes[..., 2:] - boxes[..., :2] + 1
        middle = boxes[..., :2] + (size - 1) / 2 + moves[..., :2] * size
        with np.errstate(over="ignore"):
            half = (np.exp(moves[..., 2:]) * size - 1) / 2
        boxes = np.concatenate([middle - half, middle + half], -1)
    height, width = float(info[0]), float(info[1])
    boxes = np.clip(boxes, 0, np.maximum([width - 1, height - 1] * 2, 0)).astype(shifts.dtype)
    score = scores.transpose(1, 2, 0).copy()
    score[int(height / stride) :], score[:, int(width / stride) :] = -1, -1
    boxes, score = boxes.reshape(-1, 4), score.reshape(-1)
    least = shifts.dtype.type(op.rpn_min_size * float(info[2]))
    small = (boxes[:, 2:] - boxes[:, :2] + 1 < least).any(1)
    boxes[small] += np.array([-1, -1, 1, 1], shifts.dtype) * (least / 2)
    score[small] = -1
    return boxes, score


@kernel(ops.Proposal, ops.MultiProposal)
def proposal(op, probabilities, shifts, info, rois, score):
    a, post = probabilities.shape[1] // 2, op.rpn_post_nms_top_n
    info = np.nan_to_num(np.clip(info, 0, 1e6))
    for k, p in enumerate(probabilities):
        boxes, scores = _regions(op, p[a:], shifts[k], info[k])
        order = np.argsort(-scores, kind="stable")
        order = order[: op.rpn_pre_nms_top_n] if op.rpn_pre_nms_top_n > 0 else order
        kept = order[~_suppressed(boxes[order], None, op.threshold, False, min(post, len(order)))]
        rows = np.resize(kept, post)
        part = slice(k * post, (k + 1) * post)
        rois[part, 0], rois[part, 1:], score[part, 0] = k, boxes[rows], scores[rows]
