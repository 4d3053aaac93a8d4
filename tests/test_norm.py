"""BatchNorm in half precision, and what its other spellings share with it."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym
from graphnn.errors import DTypeError


@pytest.mark.parametrize("make", [sym.BatchNorm, sym.BatchNorm_v1, sym.SyncBatchNorm])
def test_statistics_of_float16_are_float32(make) -> None:
    more = {"key": "k"} if make is sym.SyncBatchNorm else {}
    net = make(sym.Variable("x"), fix_gamma=False, name="b", **more)
    args, outs, aux = net.infer_type(x="float16")
    assert [str(d) for d in (*args, *outs, *aux)] == ["float16", "float32", "float32", "float16", "float32", "float32"]
    x = np.random.default_rng(0).normal(3, 2, (8, 3, 5, 5)).astype("float16")
    ex = net.simple_bind("write", {"x": "float16"}, x=x.shape)
    ex.arg_dict["b_gamma"][...] = [1, 2, 3]
    y = ex.forward(is_train=True, x=x)[0].astype("float64")
    np.testing.assert_allclose(y.std((0, 2, 3)), [1, 2, 3], rtol=5e-3)
    ex.backward(np.ones(x.shape, "float16"))
    np.testing.assert_allclose(ex.aux_dict["b_moving_mean"], 0.1 * x.mean((0, 2, 3), dtype="float64"), rtol=1e-4)
    assert abs(ex.grad_dict["x"]).max() < 0.01


def test_other_mixtures_are_refused() -> None:
    net = sym.BatchNorm(sym.Variable("x"), name="b")
    with pytest.raises(DTypeError, match="cast"):
        net.infer_type(x="float64", b_gamma="float32")
