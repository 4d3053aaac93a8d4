"""A symbol's network by OpenVINO: inference of its ONNX model, in float32 on the CPU."""

from __future__ import annotations

import numpy as np

from graphnn.tools.peers.onnx import model_of
from graphnn.tools.runners import Case, Runner, network

__all__ = ["runner"]


def runner(name: str, case: Case) -> Runner:
    """Inference by OpenVINO on the case's threads, one request at a time."""
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": case.threads,
        "INFERENCE_PRECISION_HINT": "f32",  # else it may take bfloat16 where the processor has it
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    model = core.read_model(model_of(*network(case)))
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    for key, array in zip(case.shapes, case.batch().data, strict=True):
        request.set_tensor(key, openvino.Tensor(array))

    def outputs() -> np.ndarray:
        request.infer()
        found: np.ndarray = request.get_output_tensor().data.copy()
        return found

    return Runner(name, request.infer, outputs)
