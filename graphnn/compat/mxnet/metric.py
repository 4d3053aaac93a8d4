"""mx.metric: graphnn's metrics, which take NDArrays as they take arrays."""

from __future__ import annotations

from ...train.agreement import F1, MCC, PCC, Caffe, Loss, NegativeLogLikelihood, PearsonCorrelation, Torch
from ...train.agreement import np_metric as np
from ...train.metric import (
    MAE,
    MSE,
    RMSE,
    Accuracy,
    CompositeEvalMetric,
    CrossEntropy,
    CustomMetric,
    EvalMetric,
    Perplexity,
    TopKAccuracy,
    create,
    register,
)

__all__ = [
    "F1",
    "MAE",
    "MCC",
    "MSE",
    "PCC",
    "RMSE",
    "Accuracy",
    "Caffe",
    "CompositeEvalMetric",
    "CrossEntropy",
    "CustomMetric",
    "EvalMetric",
    "Loss",
    "NegativeLogLikelihood",
    "PearsonCorrelation",
    "Perplexity",
    "TopKAccuracy",
    "Torch",
    "create",
    "np",
    "register",
]
