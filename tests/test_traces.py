"""Training as MXNet 1.9.1 recorded it: outputs of every batch, parameters and states at the end, metrics by epoch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from c_targets import native

from graphnn import sym
from graphnn.data import DataBatch
from graphnn.train import metric as metrics
from graphnn.train.module import Module

TRACES = Path(__file__).parent / "traces"
INDEX = json.loads((TRACES / "index.json").read_text())
# A bias in front of BatchNorm has no gradient but rounding, which Adam divides by its own size: steps of up to the
# rate in either direction, other ones in every build of MXNet too. The moving mean takes the bias with it.
DRIFT = {"cnn_adam": {"conv1_bias", "bn1_moving_mean"}}


def close(got: object, want: object, what: str, atol: float = 1e-4) -> None:
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=atol, err_msg=what)


def arrays_of(name: str) -> dict[str, np.ndarray]:
    with np.load(TRACES / f"train_{name}.npz", allow_pickle=False) as z:
        return dict(z)


def group(arrays: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    """Give the arrays whose key is `kind:NAME`, by NAME."""
    return {k.partition(":")[2]: a for k, a in arrays.items() if k.startswith(f"{kind}:")}


@pytest.mark.parametrize("backend", ["numpy", "c"])
@pytest.mark.parametrize("name", sorted(INDEX))
def test_trace(name: str, backend: str) -> None:
    if backend == "c":
        native()
    trace, arrays = INDEX[name], arrays_of(name)
    net = sym.load_json(json.dumps(trace["json"]))
    x, y, n = arrays["X"], arrays["Y"], trace["batch_size"]
    labels = [a for a in net.list_arguments() if a.endswith("label")]
    module = Module(net, label_names=labels, backend=backend)
    module.bind([("data", (n, *x.shape[1:]))], [(labels[0], (n, *y.shape[1:]))])
    module.set_params(group(arrays, "init"), group(arrays, "initaux"))
    module.init_optimizer(optimizer=trace["optimizer"], optimizer_params=trace["optimizer_params"])
    outs: list[np.ndarray] = []
    for epoch in range(trace["epochs"]):
        meters = [metrics.create(m) for m, _ in trace["metrics"][epoch]]
        for k in range(0, len(x), n):
            module.forward_backward(DataBatch([x[k : k + n]], [y[k : k + n]]))
            outs.append(module.get_outputs()[0].copy())
            for meter in meters:
                module.update_metric(meter, [y[k : k + n]])
            module.update()
        for meter, (_, value) in zip(meters, trace["metrics"][epoch], strict=True):
            close(meter.get()[1], value, f"{meter.name} of epoch {epoch}")
    close(np.stack(outs).reshape(arrays["outs"].shape), arrays["outs"], "outputs")
    arg, aux = module.get_params()
    for got, want in ((arg, group(arrays, "final")), (aux, group(arrays, "finalaux"))):
        assert set(got) == set(want)
        for key, value in want.items():
            rate = trace["optimizer_params"]["learning_rate"]
            close(got[key], value, key, 2 * rate * len(outs) if key in DRIFT.get(name, ()) else 1e-4)


def test_what_drifts_has_no_gradient():
    trace, arrays = INDEX["cnn_adam"], arrays_of("cnn_adam")
    net = sym.load_json(json.dumps(trace["json"]))
    ex = net.simple_bind(data=(64, 1, 8, 8), type_dict={"data": "float64"})
    ex.copy_params_from(group(arrays, "init"), group(arrays, "initaux"))
    ex.forward(is_train=True, data=arrays["X"], softmax_label=arrays["Y"])
    ex.backward()
    assert np.abs(ex.grad_dict["conv1_bias"]).max() < 1e-12 * np.abs(ex.grad_dict["conv1_weight"]).max()
