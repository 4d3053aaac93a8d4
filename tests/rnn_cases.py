"""Rows of the operator table for RNN (graphnn/ops/rnn.py), with a reference that goes step by step."""

from __future__ import annotations

from functools import partial

import numpy as np
from case import Case, op

from graphnn.ops.rnn import _rnn

__all__ = ["CASES"]

GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(mode, x, h, c, w, r, b, d, projection=None, clip=None):
    """Give h and c after one step."""
    a, z = x @ w.T + b, h @ r.T + d
    if mode == "gru":
        (ar, az, an), (zr, zz, zn) = np.split(a, 3, -1), np.split(z, 3, -1)
        update = sigmoid(az + zz)
        return (1 - update) * np.tanh(an + sigmoid(ar + zr) * zn) + update * h, c
    if mode == "lstm":
        i, f, g, o = np.split(a + z, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        c = np.clip(c, *clip) if clip else c
        h = sigmoid(o) * np.tanh(c)
        return h if projection is None else h @ projection.T, c
    return np.tanh(a + z) if mode == "rnn_tanh" else np.maximum(a + z, 0), c


def recur(*arrays, mode, size, layers=1, ways=1, width=0, clip=None, lengths=False, mask=False, states=False):
    """Give y (t, n, ways width), and with `states` the last ones."""
    x, parameters, h0, *rest = arrays
    c0 = rest.pop(0) if mode == "lstm" else h0
    steps = rest.pop(0) if lengths else np.full(x.shape[1], len(x))
    drop = rest.pop(0) if mask else np.ones((layers, 1, 1, 1))
    rows, p, at = GATES[mode] * size, width or size, 0

    def take(*shape):
        nonlocal at
        at += np.prod(shape)
        return parameters[at - np.prod(shape) : at].reshape(shape)

    weights = []
    for k in range(layers):
        for _ in range(ways):
            n = x.shape[2] if k == 0 else ways * p
            weights.append([take(rows, n), take(rows, p), take(p, size) if width else None])
    hs, cs = [], []
    for k in range(layers):
        ys = np.zeros((*x.shape[:2], ways * p))
        for way in range(ways):
            number = k * ways + way
            w, r, projection = weights[number]
            b, d = parameters[len(parameters) - 2 * rows * (layers * ways - number) :][: 2 * rows].reshape(2, rows)
            h, c = h0[number], c0[number]
            for t in range(len(x))[:: -1 if way else 1]:
                inside = (t < steps)[:, None]
                new_h, new_c = cell(mode, x[t], h, c, w, r, b, d, projection, clip)
                h, c = np.where(inside, new_h, h), np.where(inside, new_c, c)
                ys[t, :, way * p : (way + 1) * p] = np.where(inside, h, 0)
            hs.append(h)
            cs.append(c)
        x = ys * drop[k] if k < layers - 1 else ys
    if not states:
        return x
    return (x, np.stack(hs), np.stack(cs)) if mode == "lstm" else (x, np.stack(hs))


def row(mode, layers=1, ways=1, width=0, states=True, clip=None, lengths=False, mask=False, sizes=(4, 3, 30, 2)):
    t, n, inputs, size = sizes
    params = {"mode": mode, "state_size": size, "num_layers": layers, "bidirectional": ways == 2}
    if width:
        params["projection_size"] = width
    if clip:
        params |= {"lstm_state_clip_min": clip[0], "lstm_state_clip_max": clip[1]}
    rnn = op("RNN", state_outputs=states, use_sequence_length=lengths, **params)
    lead, p = layers * ways, width or size
    shapes = [(t, n, inputs), (rnn.count(inputs),), (lead, n, p)]
    if mode == "lstm":
        shapes.append((lead, n, size))
    wrt = range(len(shapes))
    more = [np.array([2, t, 1][:n])] if lengths else []
    if mask:
        more.append(
            np.where(np.arange((layers - 1) * t * n * ways * p) % 3, 1.5, 0).reshape(layers - 1, t, n, ways * p)
        )
    return Case(
        _rnn(rnn, True, True) if mask else rnn,
        (*shapes, *(a.shape for a in more)),
        partial(
            recur, mode=mode, size=size, layers=layers, ways=ways, width=width,
            clip=clip, lengths=lengths, mask=mask, states=states,
        ),
        grad=wrt,
        draw=lambda rng: [*(rng.uniform(-1, 1, s) for s in shapes), *more],
        atol=1e-5,
        rtol=1e-4,
    )  # fmt: skip


CASES = [
    *[row(mode) for mode in GATES],
    *[row(mode, layers=2, ways=2, states=mode == "gru") for mode in GATES],
    *[row(mode, ways=2, lengths=True) for mode in GATES],
    row("lstm", layers=2, width=3),
    row("lstm", layers=2, ways=2, width=1, lengths=True),
    row("lstm", clip=(-0.1, 0.2)),
    row("gru", sizes=(1, 2, 3, 4)),
    row("lstm", layers=3, mask=True),
    row("gru", layers=2, ways=2, mask=True),
    Case(
        op("_rnn_param_concat", num_args=2, dim=0),
        ((3,), (4,)),
        lambda *xs: np.concatenate(xs),
        grad=(0, 1),
    ),
]
