"""CTCLoss in logarithms, over all sequences at once: forward and backward variables step by step, in float64."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

from graphnn.ops.ctc import CTCLoss

from .calls import quiet
from .registry import linked

__all__: list[str] = []


def _sizes(x, label):
    t, n, c = x
    return t, n, c, 2 * label[1] + 1


def _scratch(op, ins, outs):
    t, n, c, s = _sizes(ins[0].shape, ins[1].shape)
    return 8 * t * n * (c + 3 * s)


@linked(CTCLoss, scratch=_scratch)
def ctc_loss(op, ins, outs, scratch):
    at = dict(zip((*op.input_names(), "loss", "grad"), (*ins, *outs), strict=True))
    t, n, c, s = _sizes(at["data"].shape, at["label"].shape)
    work = scratch.view(np.float64)
    cuts = np.cumsum([0, t * n * c, *[t * n * s] * 3])
    logs, emitted, ahead, behind = (work[a:b].reshape(t, n, -1) for a, b in pairwise(cuts))
    return quiet(partial(_run, op, at, logs, emitted, ahead, behind))


def _run(op, at, logs, emitted, ahead, behind):
    t, n, c = logs.shape
    _log_softmax(at["data"], logs)
    classes, lengths, valid = _labels(op, at, c)
    steps = np.full(n, t)
    if "data_lengths" in at:
        steps = np.clip(np.nan_to_num(at["data_lengths"]), 1, t).astype(np.int64)
    np.copyto(emitted, logs[:, np.arange(n)[:, None], classes])
    np.copyto(emitted, -np.inf, where=~valid)
    ends = 2 * lengths
    jumps = np.zeros(classes.shape, bool)  # where a class may follow the one before without a blank between
    jumps[:, 3::2] = classes[:, 3::2] != classes[:, 1:-2:2]
    _forward(emitted, jumps, ahead)
    rows = np.arange(n)
    last = ahead[steps - 1, rows]
    total = np.logaddexp(last[rows, ends], np.where(lengths > 0, last[rows, np.maximum(ends - 1, 0)], -np.inf))
    possible = np.isfinite(total)
    np.copyto(at["loss"], np.where(possible, -total, 0), casting="unsafe")
    _backward(emitted, jumps, ends, steps, behind)
    # The share of each place of the label at each step, then of each class.
    np.add(ahead, behind, ahead)
    np.subtract(ahead, np.where(possible, total, 0)[:, None], ahead)
    np.exp(ahead, ahead)
    np.exp(logs, logs)
    for k in range(classes.shape[1]):
        logs[:, rows, classes[:, k]] -= ahead[:, :, k]
    np.copyto(logs, 0, where=((np.arange(t)[:, None] >= steps) | ~possible)[..., None])
    np.copyto(at["grad"], logs, casting="unsafe")


def _log_softmax(x, y):
    np.copyto(y, x)
    np.subtract(y, y.max(2, keepdims=True), y)
    np.subtract(y, np.log(np.exp(y).sum(2, keepdims=True)), y)


def _labels(op, at, c):
    """Give the labels (n, s) with blanks before, between and after the classes, their lengths, and what is in range."""
    label = at["label"]
    n, longest = label.shape
    blank = 0 if op.blank_label == "first" else c - 1
    index = np.clip(np.nan_to_num(label, nan=-1), -1, c).astype(np.int64)
    if "label_lengths" in at:
        lengths = np.clip(np.nan_to_num(at["label_lengths"]), 0, longest).astype(np.int64)
    else:
        ends = index == (0 if op.blank_label == "first" else -1)
        lengths = np.where(ends.any(1), ends.argmax(1), longest)
    classes = np.full((n, 2 * longest + 1), blank)
    classes[:, 1::2] = index
    valid = (classes >= 0) & (classes < c)
    valid &= np.arange(2 * longest + 1) <= 2 * lengths[:, None]
    return np.clip(classes, 0, c - 1), lengths, valid


def _forward(emitted, jumps, ahead):
    """ahead[t, n, k] = log of the probability of all paths that are at place k of the label after step t."""
    ahead[0] = -np.inf
    ahead[0, :, :2] = emitted[0, :, :2]
    for t in range(1, len(emitted)):
        y = ahead[t]
        np.copyto(y, ahead[t - 1])
        np.logaddexp(y[:, 1:], ahead[t - 1][:, :-1], out=y[:, 1:])
        np.logaddexp(y[:, 2:], ahead[t - 1][:, :-2], out=y[:, 2:], where=jumps[:, 2:])
        np.add(y, emitted[t], y)


def _backward(emitted, jumps, ends, steps, behind):
    """behind[t, n, k] = log of the probability of all paths that go on from place k after step t to the end."""
    s = jumps.shape[1]
    last = (np.arange(s) == ends[:, None]) | (np.arange(s) == ends[:, None] - 1)
    start = np.where(last, 0, -np.inf)
    for t in reversed(range(len(emitted))):
        y = behind[t]
        if t == len(emitted) - 1:
            y[...] = -np.inf
        else:
            go = behind[t + 1] + emitted[t + 1]
            np.copyto(y, go)
            np.logaddexp(y[:, :-1], go[:, 1:], out=y[:, :-1])
            np.logaddexp(y[:, :-2], go[:, 2:], out=y[:, :-2], where=jumps[:, 2:])
        np.copyto(y, start, where=(steps == t + 1)[:, None])
