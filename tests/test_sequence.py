"""What the operator table cannot say of sequences and sparse units: penalties, averages, refused parameters."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym
from graphnn.errors import ParameterError, ShapeError


def test_sparseness_penalty_moves_the_average_with_backward() -> None:
    x = np.random.default_rng(0).uniform(0.1, 0.9, (6, 4))
    average, g = np.array([0.3, 0.4, 0.5, 0.6]), np.ones((6, 4))
    net = sym.IdentityAttachKLSparseReg(sym.Variable("x"), sparseness_target=0.2, penalty=0.5, momentum=0.7, name="k")
    assert net.list_auxiliary_states() == ["k_moving_avg"]
    ex = net.bind({"x": x}, {"x": np.zeros_like(x)}, "write", {"k_moving_avg": average.copy()})
    assert np.array_equal(ex.forward(is_train=True)[0], x)
    assert np.array_equal(ex.aux_dict["k_moving_avg"], average)
    ex.backward(g)
    m = 0.7 * average + 0.3 * x.mean(0)
    np.testing.assert_allclose(ex.aux_dict["k_moving_avg"], m, rtol=1e-12)
    np.testing.assert_allclose(ex.grad_dict["x"], g + 0.5 * (0.8 / (1 - m) - 0.2 / m), rtol=1e-12)


def test_lengths_out_of_range_are_clipped() -> None:
    x = np.arange(12.0).reshape(3, 4)
    wild = np.array([-5, np.nan, np.inf, 1e300])
    for name in ("SequenceMask", "SequenceLast", "SequenceReverse"):
        net = getattr(sym, name)(sym.Variable("x"), sym.Variable("n"), use_sequence_length=True)
        assert set(net.bind({"x": x, "n": wild}, grad_req="null").forward()[0].ravel()) <= set(x.ravel())


def test_shapes_flow_back() -> None:
    net = sym.SequenceLast(sym.Variable("x"), sym.Variable("n"), use_sequence_length=True, name="s")
    args, _, _ = (net + sym.Variable("y", shape=(4, 3))).infer_shape(x=(5, 0, 0))
    assert args == [(5, 4, 3), (4,), (4, 3)]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: sym.SequenceReverse(x, axis=1), ParameterError, "axis must be 0"),
        (lambda x: sym.SequenceMask(x, axis=2), ParameterError, "axis must be 0 or 1"),
        (lambda x: sym.SequenceLast(x).infer_shape(x=(3,)), ShapeError, "two axes or more"),
        (lambda x: sym.log_softmax(x, use_length=True), ParameterError, "for softmax only"),
        (lambda x: sym.RNN(x, mode="gru", state_size=2, num_layers=2000), ParameterError, "at most 1024"),
        (lambda x: sym.RNN(x, mode="gru", state_size=2, num_layers=1, projection_size=1), ParameterError, "mode lstm"),
        (
            lambda x: sym.RNN(x, mode="gru", state_size=2, num_layers=1, name="r").infer_shape(r_parameters=(100,)),
            ShapeError,
            "fit no number of inputs",
        ),
        (lambda x: sym.InstanceNorm(x).infer_shape(x=(3, 4)), ShapeError, "three axes or more"),
        (lambda x: sym.GroupNorm(x, num_groups=3).infer_shape(x=(2, 4, 5)), ShapeError, "no multiple of num_groups"),
        (lambda x: sym.L2Normalization(x, mode="spatial").infer_shape(x=(2, 4)), ShapeError, "three axes or more"),
    ],
)
def test_errors(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make(sym.Variable("x"))


def test_inputs_of_rnn_follow_from_its_parameters() -> None:
    net = sym.RNN(sym.Variable("x"), mode="gru", state_size=3, num_layers=1, bidirectional=True, name="r")
    args, outs, _ = net.infer_shape(x=(7, 4, 0), r_parameters=(2 * 9 * (5 + 3 + 2),))
    assert args == [(7, 4, 5), (180,), (2, 4, 3)]
    assert outs == [(7, 4, 6)]


def test_ctc_takes_any_label_and_length() -> None:
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
    labels = np.array([[np.nan, 1], [-7, 2], [1e30, 1], [3, 0], [2, np.inf]], "float32")
    wild = np.array([np.nan, -3, 1e30, np.inf, 0], "float32")
    net = sym.CTCLoss(*map(sym.Variable, "xlab"), use_data_lengths=True, use_label_lengths=True)
    args = {"x": x, "l": labels, "a": wild, "b": wild}
    ex = net.bind(args, {"x": np.zeros_like(x)})
    assert np.isfinite(ex.forward(is_train=True)[0]).all()
    ex.backward(np.ones(5, "float32"))
    assert np.isfinite(ex.grad_dict["x"]).all()


@pytest.mark.parametrize(
    ("make", "shapes", "message"),
    [
        (lambda x: sym.CTCLoss(x, name="c"), {"x": (2, 5, 3), "c_label": (5, 3)}, "longer than the 2 steps"),
        (lambda x: sym.CTCLoss(x, name="c"), {"x": (2, 5, 3), "c_label": (5,)}, "label must have 2 axes"),
        (lambda x: sym.WarpCTC(x, label_length=2, input_length=5), {"x": (12, 3)}, "a multiple of 5"),
    ],
)
def test_ctc_errors(make, shapes, message) -> None:
    with pytest.raises(ShapeError, match=message):
        make(sym.Variable("x")).infer_shape(**shapes)
