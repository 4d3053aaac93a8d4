"""CTCLoss in logarithms, some sequences at a time: forward and backward variables step by step, in float64."""

from __future__ import annotations

import numpy as np

from graphnn.ops.ctc import CTCLoss

from .calls import quiet
from .registry import linked
from .rnn import Room

__all__: list[str] = []

BLOCK = 64  # sequences


class Work:
    """Working memory of a block: logs and shares (n, t, classes), variables (n, t, s) of labels with blanks between."""

    def __init__(self, data, longest, scratch=None):
        t, n, c = data
        n, s = min(n, BLOCK), 2 * longest + 1
        room = Room(np.dtype(np.float64), scratch)
        self.logs, self.shares = room.take((n, t, c)), room.take((n, t, c))
        self.emitted, self.ahead, self.behind = (room.take((n, t, s)) for _ in range(3))
        self.line, self.go, self.one_hot = room.take((n, t, 1)), room.take((n, s)), room.take((s, c))
        self.bytes = room.used

    def cut(self, n):
        """Give the arrays that n sequences need."""
        return (a[:n] for a in (self.logs, self.shares, self.emitted, self.ahead, self.behind, self.line, self.go))


@linked(CTCLoss, scratch=lambda op, ins, outs: Work(ins[0].shape, ins[1].shape[1]).bytes)
def ctc_loss(op, ins, outs, scratch):
    at = dict(zip((*op.input_names(), "loss", "grad"), (*ins, *outs), strict=True))
    work = Work(ins[0].shape, ins[1].shape[1], scratch)

    def run():
        for k in range(0, len(at["label"]), BLOCK):
            own = slice(k, k + BLOCK)
            _run(op, {name: a[:, own] if a.ndim == 3 else a[own] for name, a in at.items()}, work)

    return quiet(run)


def _run(op, at, work):
    t, n, c = at["data"].shape
    logs, shares, emitted, ahead, behind, line, go = work.cut(n)
    np.copyto(logs, at["data"].transpose(1, 0, 2))
    _log_softmax(logs, shares, line)
    classes, lengths, valid = _labels(op, at, c)
    for k in range(n):
        np.take(logs[k], classes[k], 1, emitted[k], "clip")
        emitted[k][:, ~valid[k]] = -np.inf
    steps = np.full(n, t)
    if "data_lengths" in at:
        steps = np.clip(np.nan_to_num(at["data_lengths"]), 1, t).astype(np.int64)
    jumps = np.zeros(classes.shape, bool)  # where a class may follow the one before without a blank between
    jumps[:, 3::2] = classes[:, 3::2] != classes[:, 1:-2:2]
    _forward(emitted, jumps, ahead)
    rows, ends = np.arange(n), 2 * lengths
    last = ahead[rows, steps - 1]
    total = np.logaddexp(last[rows, ends], np.where(lengths > 0, last[rows, np.maximum(ends - 1, 0)], -np.inf))
    possible = np.isfinite(total)
    np.copyto(at["loss"], np.where(possible, -total, 0), casting="unsafe")
    _backward(emitted, jumps, ends, steps, behind, go)
    # The share of each place of the label at each step, then of each class.
    np.add(ahead, behind, ahead)
    np.subtract(ahead, np.where(possible, total, 0)[:, None, None], ahead)
    np.exp(ahead, ahead)
    np.exp(logs, logs)
    for k in range(n):
        work.one_hot.fill(0)
        work.one_hot[np.arange(len(work.one_hot)), classes[k]] = 1
        np.matmul(ahead[k], work.one_hot, shares[k])
        np.subtract(logs[k], shares[k], logs[k])
        logs[k, steps[k] if possible[k] else 0 :] = 0
    np.copyto(at["grad"], logs.transpose(1, 0, 2), casting="unsafe")


def _log_softmax(x, work, line):
    np.maximum.reduce(x, 2, out=line, keepdims=True)
    np.subtract(x, line, x)
    np.exp(x, work)
    np.add.reduce(work, 2, out=line, keepdims=True)
    np.log(line, line)
    np.subtract(x, line, x)


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
    """ahead[n, t, k] = log of the probability of all paths that are at place k of the label after step t."""
    ahead[:, 0] = -np.inf
    ahead[:, 0, :2] = emitted[:, 0, :2]
    for t in range(1, emitted.shape[1]):
        y, before = ahead[:, t], ahead[:, t - 1]
        np.copyto(y, before)
        np.logaddexp(y[:, 1:], before[:, :-1], out=y[:, 1:])
        np.logaddexp(y[:, 2:], before[:, :-2], out=y[:, 2:], where=jumps[:, 2:])
        np.add(y, emitted[:, t], y)


def _backward(emitted, jumps, ends, steps, behind, go):
    """behind[n, t, k] = log of the probability of all paths that go on from place k after step t to the end."""
    places = np.arange(jumps.shape[1])
    start = np.where((places == ends[:, None]) | (places == ends[:, None] - 1), 0, -np.inf)
    for t in reversed(range(emitted.shape[1])):
        y = behind[:, t]
        if t == emitted.shape[1] - 1:
            y[...] = -np.inf
        else:
            np.add(behind[:, t + 1], emitted[:, t + 1], go)
            np.copyto(y, go)
            np.logaddexp(y[:, :-1], go[:, 1:], out=y[:, :-1])
            np.logaddexp(y[:, :-2], go[:, 2:], out=y[:, :-2], where=jumps[:, 2:])
        np.copyto(y, start, where=(steps == t + 1)[:, None])
