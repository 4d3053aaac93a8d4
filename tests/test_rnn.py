"""Recurrent cells: the graphs they make (names, order, begin states as MXNet's), their values, their weights."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import NameManager, rnn, sym
from graphnn.errors import GraphError, ParameterError
from graphnn.symbol import Group
from graphnn.train.initializer import Xavier
from graphnn.train.module import Module

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def fresh_names():
    with NameManager():
        yield


def steps(n=3):
    return [sym.Variable(f"t{k}_data") for k in range(n)]


def stacked(*cells):
    stack = rnn.SequentialRNNCell()
    for cell in cells:
        stack.add(cell)
    return stack


def ran(outputs, batch=2, width=4, **more):
    """Run a group of outputs on random arguments; give arguments and outputs."""
    group = Group(outputs)
    shapes = {n: (batch, width) for n in group.list_arguments() if n.endswith("data")} | more
    ex = group.simple_bind("null", **shapes)
    for array in ex.arg_dict.values():
        array[...] = RNG.standard_normal(array.shape)
    return {n: a.astype(np.float64) for n, a in ex.arg_dict.items()}, ex.forward()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# What MXNet 1.9.1 gave for these calls.


def test_arguments_of_an_lstm_stack():
    cell = stacked(rnn.LSTMCell(5, prefix="l0_"), rnn.DropoutCell(0.2), rnn.ResidualCell(rnn.LSTMCell(5, prefix="l1_")))
    outputs, states = cell.unroll(2, steps(2))
    group = Group(outputs)
    assert group.list_arguments() == [
        "t0_data", "l0_i2h_weight", "l0_i2h_bias", "l0_h2h_weight", "l0_h2h_bias", "l1_i2h_weight", "l1_i2h_bias",
        "l1_h2h_weight", "l1_h2h_bias", "t1_data",
    ]  # fmt: skip
    assert group.list_outputs() == ["l1_t0_out_plus_residual_output", "l1_t1_out_plus_residual_output"]
    assert [s.name for s in states] == ["l0_t1_out", "l0_t1_state", "l1_t1_out", "l1_t1_state"]
    assert group.attr_dict()["l0_begin_state_1"] == {"shape": "(0, 5)", "dtype": "float32", "__layout__": "NC"}
    assert group.attr_dict()["l0_i2h_bias"] == {"__init__": '["lstmbias", {"forget_bias": 1.0}]'}


def test_internals_of_a_gru():
    output, _ = rnn.GRUCell(5)(sym.Variable("x"), [sym.Variable("h")])
    names = [n for n in output.get_internals().list_outputs() if n.endswith("output")]
    assert names == [
        "gru_t0__i2h_output", "gru_t0__h2h_output", "_plus1_output", "gru_t0__z_act_output", "_rminusscalar0_output",
        "_plus0_output", "gru_t0__r_act_output", "_mul0_output", "_plus2_output", "gru_t0__h_act_output",
        "_mul1_output", "_mul2_output", "gru_t0_out_output",
    ]  # fmt: skip


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
def test_outputs_of_a_bidirectional_cell(layout):
    shape = (2, 3, 4) if layout == "NTC" else (3, 2, 4)
    for merge, names in ((True, ["q_out_output"]), (False, ["q_t0_output", "q_t1_output", "q_t2_output"])):
        cell = rnn.BidirectionalCell(rnn.GRUCell(3, prefix="l_"), rnn.LSTMCell(3, prefix="r_"), output_prefix="q_")
        outputs, states = cell.unroll(3, sym.Variable("data"), layout=layout, merge_outputs=merge)
        group = outputs if merge else Group(outputs)
        assert group.list_outputs() == names
        assert [s.name for s in states] == ["l_t2_out", "r_t2_out", "r_t2_state"]
        found = group.infer_shape(data=shape)[1]
        assert found == ([(*shape[:2], 6)] if merge else [(2, 6)] * 3)


def test_convolutional_cells():
    for cls, states in ((rnn.ConvRNNCell, 1), (rnn.ConvLSTMCell, 2), (rnn.ConvGRUCell, 1)):
        cell = cls((1, 3, 9, 8), 4, h2h_kernel=(5, 3), h2h_dilate=(2, 1), i2h_stride=(2, 1), prefix="q_")
        assert cell.state_info == [{"shape": (0, 4, 5, 8), "__layout__": "NCHW"}] * states
        outputs, _ = cell.unroll(2, steps(2))
        group = Group(outputs)
        assert group.list_outputs() == ["q_t0_out_output", "q_t1_out_output"]
        assert group.infer_shape(t0_data=(2, 3, 9, 8), t1_data=(2, 3, 9, 8))[1] == [(2, 4, 5, 8)] * 2
    with pytest.raises(ParameterError, match="h2h_kernel must be odd"):
        rnn.ConvRNNCell((1, 3, 9, 8), 4, h2h_kernel=(2, 3))


# Values, from the definitions


def layers(a, prefix, x, h):
    i2h = x @ a[f"{prefix}i2h_weight"].T + a[f"{prefix}i2h_bias"]
    return i2h, h @ a[f"{prefix}h2h_weight"].T + a[f"{prefix}h2h_bias"]


def test_values_of_an_rnn():
    a, outs = ran(rnn.RNNCell(5, activation="relu").unroll(2, steps(2))[0])
    h = np.zeros((2, 5))
    for k in range(2):
        h = np.maximum(sum(layers(a, "rnn_", a[f"t{k}_data"], h)), 0)
        np.testing.assert_allclose(outs[k], h, rtol=1e-4, atol=1e-5)


def test_values_of_an_lstm():
    outputs, states = rnn.LSTMCell(5).unroll(2, steps(2))
    a, outs = ran([*outputs, states[1]])
    h = c = np.zeros((2, 5))
    for k in range(2):
        i, f, g, o = np.split(sum(layers(a, "lstm_", a[f"t{k}_data"], h)), 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        np.testing.assert_allclose(outs[k], h, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outs[2], c, rtol=1e-4, atol=1e-5)


def test_values_of_a_gru():
    a, outs = ran(rnn.GRUCell(5).unroll(2, steps(2))[0])
    h = np.zeros((2, 5))
    for k in range(2):
        i2h, h2h = layers(a, "gru_", a[f"t{k}_data"], h)
        (i_r, i_z, i_g), (h_r, h_z, h_g) = np.split(i2h, 3, 1), np.split(h2h, 3, 1)
        z = sigmoid(i_z + h_z)
        h = (1 - z) * np.tanh(i_g + sigmoid(i_r + h_r) * h_g) + z * h
        np.testing.assert_allclose(outs[k], h, rtol=1e-4, atol=1e-5)


def test_zoneout_keeps_the_previous_values_in_training_alone():
    outputs, _ = rnn.ZoneoutCell(rnn.RNNCell(50), zoneout_outputs=0.5).unroll(2, steps(2))
    plain, _ = rnn.RNNCell(50).unroll(2, steps(2))
    ex = Group([*outputs, *plain]).simple_bind("null", t0_data=(2, 4), t1_data=(2, 4))
    for array in ex.arg_dict.values():
        array[...] = RNG.standard_normal(array.shape)
    a, b, c, d = (y.copy() for y in ex.forward(is_train=False))
    assert np.array_equal(a, c) and np.array_equal(b, d)
    a, b, c, d = ex.forward(is_train=True)
    assert 20 < (a == 0).sum() < 80 and np.array_equal(a[a != 0], c[a != 0])
    kept = b != d
    assert 20 < kept.sum() < 80 and np.array_equal(b[kept], a[kept])


# Weights


def test_weights_gate_by_gate():
    cell = stacked(rnn.LSTMCell(3, prefix="a_"), rnn.GRUCell(3, prefix="b_"))
    a, _ = ran(cell.unroll(1, steps(1))[0])
    unpacked = cell.unpack_weights(a)
    assert {"a_i2h_f_weight", "a_h2h_o_bias", "b_i2h_r_weight", "t0_data"} <= set(unpacked)
    assert np.array_equal(unpacked["a_i2h_f_weight"], a["a_i2h_weight"][3:6])
    packed = cell.pack_weights(unpacked)
    assert packed.keys() == a.keys() and all(np.array_equal(packed[n], a[n]) for n in a)
    with pytest.raises(ParameterError, match="there is no array 'a_i2h_weight'"):
        cell.unpack_weights({})


# The fused cell


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
@pytest.mark.parametrize(("mode", "both"), [("lstm", True), ("gru", False), ("rnn_relu", True), ("rnn_tanh", False)])
def test_fused_is_unfused(mode, both, layout):
    fused = rnn.FusedRNNCell(3, 2, mode, both, get_next_state=True, prefix="f_")
    apart = fused.unfuse()
    shape = (2, 3, 4) if layout == "NTC" else (3, 2, 4)
    one, one_states = fused.unroll(3, sym.Variable("data"), layout=layout, merge_outputs=True)
    two, two_states = apart.unroll(3, sym.Variable("data"), layout=layout, merge_outputs=True)
    assert one.list_arguments() == ["data", "f_parameters"]
    args, (want, *states) = ran([one, *one_states], data=shape)
    own = apart.pack_weights(fused.unpack_weights(args))
    got = Group([two, *two_states]).bind({n: a.astype("f4") for n, a in own.items()}, grad_req="null").forward()
    np.testing.assert_allclose(got[0], want, rtol=1e-4, atol=1e-5)
    # Unfused, the states come layer by layer and direction by direction, each with its cell.
    for k, state in enumerate(states):
        np.testing.assert_allclose(np.stack(got[1 + k :: len(states)]), state, rtol=1e-4, atol=1e-5)
    packed = fused.pack_weights(apart.unpack_weights(own))
    assert np.array_equal(packed["f_parameters"], args["f_parameters"])


def test_checkpoints_of_a_fused_network_serve_the_cells(tmp_path):
    fused = rnn.FusedRNNCell(3, 1, "lstm", prefix="f_")
    one, _ = fused.unroll(2, sym.Variable("data"), merge_outputs=True)
    module = Module(one, label_names=())
    module.bind([("data", (2, 2, 4))])
    module.init_params(Xavier())
    vector = module.get_params()[0]["f_parameters"]
    bias = fused.unpack_weights({"f_parameters": vector})["f_l0_i2h_f_bias"]
    assert bias.tolist() == [1, 1, 1] and np.abs(vector).max() <= 1  # the forget gates begin open
    save = rnn.do_rnn_checkpoint(fused, str(tmp_path / "net"))
    save(0, one, *module.get_params())
    symbol, arg, aux = rnn.load_rnn_checkpoint(fused, str(tmp_path / "net"), 1)
    assert symbol.list_arguments() == one.list_arguments() and not aux
    assert np.array_equal(arg["f_parameters"], vector)
    _, cells, _ = rnn.load_rnn_checkpoint(fused.unfuse(), str(tmp_path / "net"), 1)
    assert cells["f_l0_i2h_weight"].shape == (12, 4)
    for wrong in ({"f_parameters": vector[:-1]}, {"f_parameters": vector[:5]}):
        with pytest.raises(ParameterError, match="numbers are no lstm of 1 layers of 3 hidden units"):
            fused.unpack_weights(wrong)
    with pytest.raises(GraphError, match=r"makes all steps at once: call unroll\(\)"):
        fused(sym.Variable("x"), [])


# Messages


def test_mistakes_with_cells():
    with pytest.raises(GraphError, match="3 steps need one symbol or a list of 3 inputs, got 2"):
        rnn.RNNCell(3).unroll(3, steps(2))
    with pytest.raises(ParameterError, match="an axis T for time, as in NTC or TNC, got 'NC'"):
        rnn.RNNCell(3).unroll(3, steps(3), layout="NC")
    with pytest.raises(GraphError, match=r"reads the whole sequence: call unroll\(\)"):
        rnn.BidirectionalCell(rnn.RNNCell(3), rnn.RNNCell(3))(sym.Variable("x"), [])
    inner = rnn.RNNCell(3)
    rnn.ResidualCell(inner)
    with pytest.raises(GraphError, match=r"inside another one: call begin_state\(\) of that one"):
        inner.begin_state()
    with pytest.raises(ParameterError, match="dropout must be a number"):
        rnn.DropoutCell("0.5")
    both = rnn.BidirectionalCell(rnn.RNNCell(3), rnn.RNNCell(3))
    stack = rnn.SequentialRNNCell()
    stack.add(rnn.BidirectionalCell(rnn.RNNCell(3), rnn.RNNCell(3)))
    for cell in (both, stack, rnn.FusedRNNCell(3), rnn.ResidualCell(rnn.FusedRNNCell(3))):
        with pytest.raises(ParameterError, match="works step by step: unfuse"):
            rnn.ZoneoutCell(cell)


# Sentences


def test_words_as_numbers():
    words = [["a", "b", "c"], ["b", "d"], ["a"]]
    assert rnn.encode_sentences(words) == (
        [[0, 1, 2], [1, 3], [0]],
        {"\n": -1, "a": 0, "b": 1, "c": 2, "d": 3},
    )
    assert rnn.encode_sentences([["a", "b"]], start_label=0, invalid_label=1)[0] == [[0, 2]]
    assert rnn.encode_sentences([["z", "a"]], {"a": 5, "?": 1}, unknown_token="?")[0] == [[1, 5]]
    with pytest.raises(ParameterError, match="the word 'b' is not in the vocabulary"):
        rnn.encode_sentences(words, {"a": 0})


@pytest.mark.parametrize("layout", ["NT", "TN"])
def test_sentences_in_buckets(layout, caplog):
    sentences = [[k] * (k % 7 + 1) for k in range(1, 40)]
    it = rnn.BucketSentenceIter(sentences, 4, buckets=[5, 3], invalid_label=0, layout=layout)
    assert "10 sentences are longer than the largest bucket, 5: left out" in caplog.text
    assert (it.buckets, it.default_bucket_key) == ([3, 5], 5)
    assert it.provide_data[0] == ("data", (4, 5) if layout == "NT" else (5, 4))
    batches = list(it)
    assert sorted(b.bucket_key for b in batches) == [3] * 4 + [5] * 3
    for batch in batches:
        data, label = batch.data[0], batch.label[0]
        assert batch.provide_data[0] == ("data", data.shape) and batch.provide_label[0] == ("softmax_label", data.shape)
        rows, following = (data, label) if layout == "NT" else (data.T, label.T)
        assert rows.shape == (4, batch.bucket_key)
        assert np.array_equal(following[:, :-1], rows[:, 1:]) and not following[:, -1].any()
    first = [b.data[0].tolist() for b in batches]
    it.reset()
    assert [b.data[0].tolist() for b in it] != first
    with pytest.raises(ParameterError, match="layout must be NT"):
        rnn.BucketSentenceIter(sentences, 4, layout="XX")
