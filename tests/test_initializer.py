"""Initialisers: which rule applies, their ranges and moments, seeds by name, and the JSON that may come from a file."""

import json
import math

import numpy as np
import pytest

from graphnn.errors import ParameterError, ShapeError
from graphnn.formats import params
from graphnn.train.initializer import (
    Bilinear,
    Constant,
    FusedRNN,
    InitDesc,
    Load,
    LSTMBias,
    Mixed,
    MSRAPrelu,
    Normal,
    One,
    Orthogonal,
    Uniform,
    Xavier,
    Zero,
    create,
    rng_for,
)
from graphnn.train.recurrent import Division


def filled(initializer, shape, name="fc_weight", attrs=None, seed=0, dtype=np.float32):
    array = np.full(shape, 7, dtype)
    assert initializer(InitDesc(name, attrs or {}), array, rng_for(seed, name)) is None
    return array


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("fc1_bias", 0), ("bn_gamma", 1), ("bn_beta", 0), ("q_min", 0), ("q_max", 1), ("bn_moving_avg", 0)],
        *[("bn_moving_mean", 0), ("bn_running_mean", 0), ("bn_moving_var", 1), ("bn_running_var", 1), ("fc_weight", 3)],
    ],
)
def test_the_end_of_the_name_decides(name, value):
    np.testing.assert_array_equal(filled(Constant(3), (2, 3), name), np.full((2, 3), value))


def test_a_name_that_says_nothing():
    with pytest.raises(ParameterError, match=r"fc1_scale: no initialiser .*weight, bias.* Variable\(name, init="):
        filled(Xavier(), (2, 3), "fc1_scale")


def test_the_variables_own_initialiser_wins():
    own = {"__init__": '["constant", {"value": 2.5}]'}
    for name in ("fc_bias", "anything", "fc_weight"):
        np.testing.assert_array_equal(filled(Uniform(), (3,), name, own), [2.5] * 3)
        np.testing.assert_array_equal(filled(Mixed(["x"], [Zero()]), (3,), name, own), [2.5] * 3)
    np.testing.assert_array_equal(filled(Uniform(), (3,), "fc_bias", {"__init__": "ones"}), [1] * 3)
    np.testing.assert_array_equal(filled(Uniform(), (2,), "x", {"__init__": '["Constant", {"value": 4}]'}), [4] * 2)
    with pytest.raises(ParameterError, match="x: __init__: unknown initialiser 'xaver', did you mean 'xavier'"):
        filled(Zero(), (2,), "x", {"__init__": '["xaver", {}]'})


def test_constants():
    np.testing.assert_array_equal(filled(Zero(), (2, 2)), np.zeros((2, 2)))
    np.testing.assert_array_equal(filled(One(), (2, 2)), np.ones((2, 2)))
    np.testing.assert_array_equal(filled(create("constant", value=10**30), (2,)), np.full(2, 1e30, np.float32))


def assert_uniform(array, bound):
    """Inside the bounds, near them, centred, and with the variance bound^2 / 3."""
    assert np.abs(array).max() <= bound * (1 + 1e-6)
    assert np.abs(array).max() > 0.98 * bound
    assert abs(array.mean()) < 6 * bound / math.sqrt(3 * array.size)
    assert array.var() == pytest.approx(bound**2 / 3, rel=0.1)


def assert_normal(array, deviation):
    assert abs(array.mean()) < 6 * deviation / math.sqrt(array.size)
    assert array.std() == pytest.approx(deviation, rel=0.05)
    assert np.abs(array).max() > 2.5 * deviation


def test_uniform_and_normal():
    assert_uniform(filled(Uniform(), (60, 50)), 0.07)
    assert_uniform(filled(Uniform(2), (60, 50)), 2)
    assert_normal(filled(Normal(), (60, 50)), 0.01)
    assert_normal(filled(Normal(3.0), (60, 50), dtype=np.float64), 3)


SHAPE = (24, 10, 3, 5)
FACTORS = {"avg": (24 + 10) * 15 / 2, "in": 10 * 15, "out": 24 * 15}


@pytest.mark.parametrize("factor_type", FACTORS)
def test_xavier_and_msra(factor_type):
    factor = FACTORS[factor_type]
    assert_uniform(filled(Xavier(factor_type=factor_type), SHAPE), math.sqrt(3 / factor))
    assert_normal(filled(Xavier("gaussian", factor_type, 2), SHAPE), math.sqrt(2 / factor))
    assert_normal(filled(MSRAPrelu(factor_type, 0.5), SHAPE), math.sqrt(2 / 1.25 / factor))


def test_xavier_of_a_matrix_and_of_a_vector():
    assert_uniform(filled(Xavier(), (60, 40)), math.sqrt(3 / 50))
    assert filled(Xavier(), (0, 40)).shape == (0, 40)
    for initializer in (Xavier(), MSRAPrelu()):
        with pytest.raises(ShapeError, match=r"fc_weight: a weight \(out, in, ...\) is wanted, got shape \(3,\)"):
            filled(initializer, (3,))


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (5, 3, 2, 2), (4,)])
@pytest.mark.parametrize("rand_type", ["uniform", "normal"])
def test_orthogonal(shape, rand_type):
    w = filled(Orthogonal(rand_type=rand_type), shape, dtype=np.float64).reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 1.414**2 * np.eye(len(gram)), atol=1e-12)


@pytest.mark.parametrize("size", [3, 4])
def test_bilinear(size):
    w = filled(Bilinear(), (2, 3, size, size))
    line = {3: [0.25, 0.75, 0.75], 4: [0.25, 0.75, 0.75, 0.25]}[size]  # as MXNet: not symmetric for odd sizes
    np.testing.assert_allclose(w, np.broadcast_to(np.outer(line, line), w.shape))
    with pytest.raises(ShapeError, match="bilinear needs at least two axes"):
        filled(Bilinear(), (3,))


def test_lstm_bias():
    b = filled(Zero(), (12,), "lstm_i2h_bias", {"__init__": '["lstmbias", {"forget_bias": 2.0}]'})
    np.testing.assert_array_equal(b, [0] * 3 + [2] * 3 + [0] * 6)
    with pytest.raises(ShapeError, match=r"first axis of four equal parts, got shape \(6,\)"):
        filled(LSTMBias(), (6,), "x_weight")


def test_mixed():
    mixed = Mixed(["fc1", ".*"], [Constant(5), "one"])
    assert filled(mixed, (1,), "fc1_weight") == 5
    assert filled(mixed, (1,), "a_fc1_weight") == 1
    assert filled(mixed, (1,), "fc1_bias") == 0  # each keeps its rules by the end of the name
    with pytest.raises(ParameterError, match=r"x_weight: none of the patterns \['fc1'\] matches: add '.\*'"):
        filled(Mixed(["fc1"], [Zero()]), (1,), "x_weight")
    with pytest.raises(ParameterError, match="mixed: 2 patterns but 1 initialisers"):
        Mixed(["a", "b"], [Zero()])
    with pytest.raises(ParameterError, match=r"'\(' is no regular expression"):
        Mixed(["("], [Zero()])
    with pytest.raises(ParameterError, match="mixed has no JSON form"):
        mixed.dumps()


def test_randomness_depends_on_seed_and_name_only():
    first = filled(Uniform(), (5,), "a_weight")
    filled(Uniform(), (5,), "b_weight")
    np.testing.assert_array_equal(filled(Uniform(), (5,), "a_weight"), first)
    for name, seed in (("b_weight", 0), ("a_weight", 1)):
        assert not np.isin(filled(Uniform(), (5,), name, seed=seed), first).any()
    assert rng_for(3, "x").random() == rng_for(3, "x").random()
    with pytest.raises(ParameterError, match="seed must not be negative, got -1"):
        rng_for(-1, "x")


def test_fills_in_place_through_strides():
    base = np.zeros((4, 6))
    Uniform()(InitDesc("w_weight"), base[::2, ::3], rng_for(0, "w"))
    assert np.count_nonzero(base) == 4


EVERY = [
    *[Bilinear(), Constant(2), LSTMBias(0.5), MSRAPrelu("in", 0.1), Normal(0.2), One(), Orthogonal(2, "normal")],
    *[Uniform(0.3), Xavier("gaussian", "out", 2), Zero()],
]


@pytest.mark.parametrize("initializer", EVERY, ids=lambda i: type(i).__name__)
def test_json_round_trip(initializer):
    text = initializer.dumps()
    assert create(text) == initializer
    assert create(text).dumps() == text
    assert create(initializer) is initializer


def test_json_is_mxnets():
    assert json.loads(Xavier(magnitude=2).dumps()) == [
        "xavier",
        {"rnd_type": "uniform", "factor_type": "avg", "magnitude": 2},
    ]
    assert create('["xavier", {"magnitude": 2}]') == Xavier(magnitude=2) == create("Xavier", magnitude=2)
    assert create("zeros") == Zero()
    assert create("normal", sigma=np.float32(0.5)).dumps() == '["normal", {"sigma": 0.5}]'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gauss", "unknown initialiser 'gauss', did you mean"),
        ('["os.system", {"command": "x"}]', "unknown initialiser 'os.system'"),
        ('["mixed", {}]', "unknown initialiser 'mixed'"),
        ('["[\\"zero\\", {}]", {}]', "unknown initialiser"),
        ('["zero"]', r'is text like \["xavier", {"magnitude": 2}\], got'),
        ('["zero", []]', "is text like"),
        ("[1, {}]", "is text like"),
        ('["zero", {}', "is text like"),
        ("[" * 100_000, r"is text like .*\[\.\.\.$"),
        ('["zero", {"value": 1}]', "zero has no parameter 'value'; its parameters are: none"),
        ('["normal", {"mean": 1}]', "normal has no parameter 'mean'; its parameters are: sigma"),
        ('["normal", {"__class__": 1}]', "normal has no parameter '__class__'"),
        ('["constant", {}]', "constant needs the parameter 'value'"),
        ('["constant", {"value": "1"}]', "constant: value must be a finite number, got '1'"),
        ('["constant", {"value": true}]', "constant: value must be a finite number, got True"),
        ('["constant", {"value": null}]', "constant: value must be a finite number, got None"),
        ('["constant", {"value": NaN}]', "constant: value must be a finite number, got nan"),
        ('["constant", {"value": 1' + "0" * 400 + "}]", "constant: value must be a finite number"),
        ('["xavier", {"rnd_type": "cauchy"}]', "xavier: rnd_type must be one of uniform, gaussian, got 'cauchy'"),
        ('["xavier", {"factor_type": ["in"]}]', "xavier: factor_type must be one of avg, in, out"),
        ('["xavier", {"magnitude": 0}]', "xavier: magnitude must be positive, got 0"),
        ('["normal", {"sigma": -1}]', "normal: sigma must not be negative, got -1"),
        ('["uniform", {"scale": -1}]', "uniform: scale must not be negative, got -1"),
    ],
    ids=lambda text: text[:30],
)
def test_json_from_a_file_is_not_trusted(text, message):
    with pytest.raises(ParameterError, match=message):
        create(text)


def test_parameters_of_what_exists():
    with pytest.raises(ParameterError, match=r"Zero\(\) has its parameters already, got \['value'\]"):
        create(Zero(), value=1)
    with pytest.raises(ParameterError, match="has its parameters already"):
        create('["zero", {}]', value=1)


# The RNN operator's vector, and arrays from elsewhere


def test_fusedrnn_fills_each_part_by_its_name():
    init = FusedRNN(Constant(3), 2, 1, "lstm", True, forget_bias=5)
    vector = np.zeros(Division(2, 1, "lstm", True).size(4), np.float32)
    init.fill(InitDesc("lstm_parameters"), vector, rng_for(0, "x"))
    parts = Division(2, 1, "lstm", True).views(vector)
    for name, part in parts.items():
        wanted = 5 if name.endswith("_f_bias") else 0 if name.endswith("bias") else 3
        assert (part == wanted).all(), name
    again = create(init.dumps())
    assert again == init and json.loads(init.dumps())[1]["init"] == '["constant", {"value": 3.0}]'


def test_fusedrnn_without_its_own_takes_the_networks():
    own = {"__init__": FusedRNN(None, 2, 1, "gru").dumps()}
    vector = np.zeros(Division(2, 1, "gru").size(4), np.float32)
    Constant(7)(InitDesc("gru_parameters", own), vector, rng_for(0, "x"))
    assert set(vector.tolist()) == {0.0, 7.0}
    with pytest.raises(ParameterError, match="fusedrnn without init needs the initialiser of a network"):
        FusedRNN(None, 2, 1, "gru").fill(InitDesc("x"), vector, rng_for(0, "x"))
    with pytest.raises(ParameterError, match="numbers are no gru of 1 layers of 2 hidden units"):
        Constant(7)(InitDesc("gru_parameters", own), vector[:-1], rng_for(0, "x"))
    for text in ('["fusedrnn", {"init": null, "num_hidden": 2, "num_layers": 1, "mode": "x"}]',
                 '["fusedrnn", {"init": null, "num_hidden": 1e400, "num_layers": 1, "mode": "gru"}]',
                 '["fusedrnn", {"init": 3, "num_hidden": 2, "num_layers": 1, "mode": "gru"}]'):  # fmt: skip
        with pytest.raises(ParameterError):
            create(text)


def test_load_takes_arrays_by_name(tmp_path):
    arrays = {"arg:fc_weight": np.full((2, 3), 4, np.float32), "aux:mean": np.ones(3, np.float32)}
    params.save(str(tmp_path / "a.params"), arrays)
    for source in (arrays, str(tmp_path / "a.params")):
        init = Load(source, default_init=Constant(2))
        for name, wanted in (("fc_weight", 4), ("other_weight", 2), ("other_bias", 0)):
            array = np.zeros((2, 3), np.float32)
            init(InitDesc(name), array, rng_for(0, name))
            assert (array == wanted).all()
    with pytest.raises(ShapeError, match=r"fc_weight: the loaded array is \(2, 3\), the network wants \(3, 2\)"):
        init(InitDesc("fc_weight"), np.zeros((3, 2)), rng_for(0, "x"))
    with pytest.raises(ParameterError, match="other is not among the loaded arrays: give default_init"):
        Load(arrays)(InitDesc("other"), np.zeros(1), rng_for(0, "x"))
