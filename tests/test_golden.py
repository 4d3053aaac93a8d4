"""What MXNet 1.9.1 answered: outputs, gradients, changed states and arguments, of every operator that exists."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from c_targets import native

from graphnn import sym
from graphnn.op import lookup

SHARED = Path(os.environ.get("GRAPHNN_SHARED", Path(__file__).parents[1] / ".." / "shared"))
GOLDEN = SHARED / "mxnet" / "golden"
INDEX = json.loads((GOLDEN / "index.json").read_text()) if (GOLDEN / "index.json").is_file() else {}
CASES = sorted(k for k, v in INDEX.items() if all(n["op"] == "null" or lookup(n["op"]) for n in v["json"]["nodes"]))
FORMS = {"optimized": {}, "plain": {"optimize": False}, "c": {"backend": "c"}}
FAMILIES = {name.partition("_")[0]: name for name in reversed(CASES)}  # the first of each


def rows() -> list[object]:
    """Give (name, form); in C, where each is compiled, the first of each family now and the others as slow ones."""
    slow = {name for name in CASES if name not in FAMILIES.values()}
    return [
        pytest.param(name, form, id=f"{name}-{form}", marks=[pytest.mark.slow] if form == "c" and name in slow else [])
        for name in CASES for form in FORMS
    ]  # fmt: skip


def close(got: np.ndarray, want: np.ndarray, what: str) -> None:
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=what)


@pytest.mark.skipif(not CASES, reason="the recorded vectors are not here")
@pytest.mark.parametrize(("name", "form"), rows())
def test_golden(name: str, form: str) -> None:
    if form == "c":
        native()
    case = INDEX[name]
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as z:
        arrays = dict(z)
    net = sym.load_json(json.dumps(case["json"]))
    args = {n: arrays[f"in:{n}"].copy() for n in case["arguments"]}
    aux = {n: arrays[f"aux:{n}"].copy() for n in case["aux"]}
    reqs = {n: case["grad_req"].get(n, "null") for n in case["arguments"]} if case["is_train"] else "null"
    grads = {n: np.zeros_like(a) for n, a in args.items() if case["is_train"] and reqs[n] != "null"}
    ex = net.bind(args, grads, reqs, aux, **FORMS[form])
    assert net.list_outputs() == case["outputs"]
    for k, out in enumerate(ex.forward(is_train=case["is_train"])):
        close(out, arrays[f"out:{k}"], f"output {k}")
        assert str(out.dtype) == case["out_dtypes"][k]
    if not case["is_train"]:
        return
    heads = [arrays.get(f"ograd:{k}") for k in range(len(net.list_outputs()))]
    ex.backward(heads if any(h is not None for h in heads) else None)
    for key, want in arrays.items():
        kind, _, rest = key.partition(":")
        if kind == "grad" and rest in grads:
            close(ex.grad_dict[rest], want, key)
        elif kind == "auxafter":
            close(ex.aux_dict[rest], want, key)
        elif kind == "argafter":
            close(ex.arg_dict[rest], want, key)
