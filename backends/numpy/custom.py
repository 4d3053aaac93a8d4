"""Custom operators: the calls of the user's forward() and backward(), on views of the program's memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnn.ops import custom as ops

from .registry import kernel


@kernel(ops._custom_forward)
def forward(op: Any, *arrays: np.ndarray) -> None:
    custom = op.custom
    n, a, m = len(custom.arguments), len(custom.aux), custom.num_outputs
    args, aux, outs, new = arrays[:n], arrays[n : n + a], arrays[n + a : n + a + m], arrays[n + a + m :]
    for target, old in zip(new, aux, strict=True):
        np.copyto(target, old)
    wrap = custom.prop.wrap
    operator = op.instance.get(custom, args)
    operator.forward(op.is_train, ["write"] * m, *([wrap(x) for x in group] for group in (args, outs, new)))


@kernel(ops._custom_backward)
def backward(op: Any, *arrays: np.ndarray) -> None:
    custom = op.custom
    n, a, m = len(custom.arguments), len(custom.aux), custom.num_outputs
    cuts = np.cumsum([m, n, m, a])
    heads, args, outs, aux, grads = (arrays[i:j] for i, j in zip([0, *cuts], [*cuts, len(arrays)], strict=True))
    wrap = custom.prop.wrap
    operator = op.instance.get(custom, args)
    states = [wrap(x.copy()) for x in aux]  # what backward changes in them is not kept
    given = ([wrap(x) for x in group] for group in (heads, args, outs, grads))
    operator.backward(["write"] * n, *given, states)
