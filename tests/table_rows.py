"""Rows of the operator table as programs: those of an operator are one program, in C beside NumPy's."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from case import Case
from cases import CASES

from graphnn import sym
from graphnn.graph import Value, make_node
from graphnn.symbol import Symbol

__all__ = ["GROUPS", "bound", "check_rows"]

ROWS = sorted((c for c in CASES if not c.op.random), key=lambda c: c.op.name)
GROUPS = [list(g) for _, g in groupby(ROWS, lambda c: c.op.name)]


def names_of(k: int, case: Case) -> list[str]:
    return [f"r{k}x{i}" for i in range(len(case.shapes))]


def bound(rows: list[Case], inputs: list[list[np.ndarray]], backend: str, optimize: bool, threads: int = 1):
    """Bind all rows as one symbol, in float32."""
    heads, shapes, reqs = [], {}, {}
    for k, (case, xs) in enumerate(zip(rows, inputs, strict=True)):
        names = names_of(k, case)
        node = make_node(case.op, [sym.Variable(n).values[0] for n in names], f"y{k}")
        heads += [Value(node, i) for i in range(case.op.num_visible)]
        shapes |= {n: x.shape for n, x in zip(names, xs, strict=True)}
        reqs |= {names[i]: "write" for i in case.wrt}
    net = Symbol(heads)
    known = net.list_arguments()
    reqs = {n: r for n, r in reqs.items() if n in known}
    options = {"backend": backend, "optimize": optimize, "threads": threads}
    ex = net.simple_bind(reqs, dict.fromkeys(shapes, "float32"), **options, **shapes)
    for k, (case, xs) in enumerate(zip(rows, inputs, strict=True)):
        for n, x in zip(names_of(k, case), xs, strict=True):
            (ex.arg_dict if n in ex.arg_dict else ex.aux_dict)[n][...] = x
    return ex


def references(case: Case, xs: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    with np.errstate(all="ignore"):
        found = case.ref(*xs)
    return tuple(map(np.asarray, found if isinstance(found, tuple) else (found,)))


def check_rows(rows: list[Case], optimize: bool) -> None:
    """Outputs against the references, gradients against NumPy's backend."""
    rng = np.random.default_rng(11)
    inputs = [[x.astype("float32").astype("float64") for x in case.inputs(rng)] for case in rows]
    ex = bound(rows, inputs, "c", optimize)
    outs = iter(ex.forward(is_train=True))
    for case, xs in zip(rows, inputs, strict=True):
        for want in references(case, xs):
            y = next(outs)
            assert y.shape == want.shape
            np.testing.assert_allclose(y, want, rtol=case.rtol * 2, atol=case.atol * 2, err_msg=case.id)
    if not ex.grad_dict:
        return
    reference = bound(rows, inputs, "numpy", optimize)
    reference.forward(is_train=True)
    heads = [rng.normal(size=y.shape).astype(y.dtype) for y in ex.outputs]
    for e in (ex, reference):
        e.backward(heads)
    for name, g in reference.grad_dict.items():
        scale = max(1.0, float(np.abs(g).max())) if np.isfinite(g).all() else 1.0
        np.testing.assert_allclose(ex.grad_dict[name], g, rtol=1e-4, atol=2e-6 * scale, err_msg=name)
