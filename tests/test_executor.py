"""Executor: what it binds, runs, adds up, shares and refuses, as MXNet's executor does where MXNet is right."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn import sym
from graphnn.errors import BackendError, BindError, DTypeError, ParameterError, ShapeError
from graphnn.executor import Executor
from graphnn.symbol import Symbol

SHAPES = {"x": (2, 4), "fc_weight": (3, 4), "fc_bias": (3,)}
G = np.random.default_rng(1).normal(size=(2, 3))


def dense() -> Symbol:
    """x (2, 4) to y (2, 3)."""
    return sym.FullyConnected(sym.Variable("x"), num_hidden=3, name="fc")


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=s) for n, s in SHAPES.items()}


def like(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {n: np.full_like(a, 7) for n, a in values.items()}


def output(v: dict[str, np.ndarray]) -> np.ndarray:
    return v["x"] @ v["fc_weight"].T + v["fc_bias"]


def gradients(v: dict[str, np.ndarray], g: np.ndarray = G) -> dict[str, np.ndarray]:
    """Give the gradients of x W^T + b for head gradient g."""
    return {"x": g @ v["fc_weight"], "fc_weight": g.T @ v["x"], "fc_bias": g.sum(0)}


def step(ex: Executor, *heads: np.ndarray) -> None:
    ex.forward(is_train=True)
    ex.backward(list(heads) or None)


# Gradients


@pytest.mark.parametrize("optimize", [True, False])
def test_write_replaces_add_adds_null_leaves_alone(optimize):
    values, grads = arrays(), like(arrays())
    ex = dense().bind(values, grads, {"x": "add", "fc_weight": "write"}, optimize=optimize)
    want = gradients(values)
    for runs in (1, 2, 3):
        step(ex, G)
        np.testing.assert_allclose(grads["x"], 7 + runs * want["x"])
        np.testing.assert_allclose(grads["fc_weight"], want["fc_weight"])
        assert (grads["fc_bias"] == 7).all()


@pytest.mark.parametrize("req", ["write", ["write"] * 3, dict.fromkeys(SHAPES, "write")], ids=["word", "list", "dict"])
def test_requests_in_three_forms(req):
    values, grads = arrays(), like(arrays())
    ex = dense().bind(list(values.values()), list(grads.values()), req)
    step(ex, G)
    for name, want in gradients(values).items():
        np.testing.assert_allclose(ex.grad_dict[name], want)
        assert ex.grad_dict[name] is grads[name]


def test_no_array_no_gradient():
    ex = dense().bind(arrays(), {"fc_bias": np.zeros(3)})
    step(ex, G)
    assert [g is None for g in ex.grad_arrays] == [True, True, False]
    np.testing.assert_allclose(ex.grad_dict["fc_bias"], G.sum(0))
    ex = dense().bind(arrays())
    ex.forward(is_train=True)
    ex.backward()
    assert ex.grad_arrays == [None] * 3


def test_simple_bind_makes_arrays_of_zeros():
    ex = dense().simple_bind({"fc_weight": "write", "x": "null"}, {"x": "float64"}, x=(2, 4))
    assert {n: (a.shape, str(a.dtype), a.any()) for n, a in ex.arg_dict.items()} == {
        n: (s, "float64", False) for n, s in SHAPES.items()
    }
    assert list(ex.grad_dict) == ["fc_weight"]
    assert [o.dtype for o in dense().simple_bind(x=(2, 4)).outputs] == ["float32"]


def test_what_the_output_does_not_depend_on():
    net = sym.BlockGrad(sym.Variable("x")) * sym.Variable("y")
    values = {"x": np.ones((2, 3)), "y": np.ones((2, 3))}
    for req, x in (("write", 0), ("add", 7)):
        grads = like(values)
        step(net.bind(values, grads, req), np.ones((2, 3)))
        assert (grads["x"] == x).all() and (grads["y"] == (1 if req == "write" else 8)).all()


def test_uses_add_up():
    x = sym.Variable("x")
    ex = (x * x + sym.exp(x)).bind({"x": np.array([2.0, 3])}, {"x": np.zeros(2)})
    step(ex, np.array([1.0, 10]))
    np.testing.assert_allclose(ex.grad_dict["x"], [4 + np.exp(2), 60 + 10 * np.exp(3)])


def test_two_variables_of_one_name_are_one_array():
    net = sym.Variable("a") * sym.exp(sym.Variable("a"))
    assert net.list_arguments() == ["a", "a"]
    ex = net.bind({"a": np.array([2.0, 3])}, {"a": np.zeros(2)})
    step(ex, np.ones(2))
    np.testing.assert_allclose(ex.outputs[0], [2 * np.exp(2), 3 * np.exp(3)])
    np.testing.assert_allclose(ex.grad_dict["a"], [3 * np.exp(2), 4 * np.exp(3)])


def test_two_variables_of_one_name_must_agree():
    x = sym.Variable("x")
    for k in (4, 2):
        x = sym.FullyConnected(x, sym.Variable("w"), num_hidden=k, no_bias=True)
    with pytest.raises(ShapeError, match=r"data \(5, 4\) does not fit weight \(4, 3\): expected weight \(2, 4\)"):
        x.simple_bind(x=(5, 3))


@pytest.mark.parametrize("name", ["constant:0", "output:1", "grad:x", "head_grad:0", "random:state", "memory:arena"])
def test_variables_named_as_a_programs_arrays(name):
    with pytest.raises(BindError, match=f"the variable '{name}' is named as an array of the program: rename it"):
        sym.exp(sym.Variable(name)).simple_bind(**{name: (2,)})


def test_several_heads_and_one_shared():
    x = sym.Variable("x")
    y = sym.exp(x)
    ex = sym.Group([y, x * 2, y]).bind({"x": np.array([1.0, 2])}, {"x": np.zeros(2)})
    heads = [np.array([1.0, 2]), np.array([3.0, 4]), np.array([5.0, 6])]
    step(ex, *heads)
    np.testing.assert_allclose(ex.grad_dict["x"], (heads[0] + heads[2]) * np.exp([1, 2]) + 2 * heads[1])
    np.testing.assert_array_equal(ex.outputs[0], ex.outputs[2])


def test_variable_as_head():
    x = sym.Variable("x")
    ex = sym.Group([x, x + 1]).bind({"x": np.array([1.0, 2])}, {"x": np.zeros(2)})
    step(ex, np.array([1.0, 2]), np.array([10.0, 20]))
    np.testing.assert_array_equal(ex.outputs, [[1, 2], [2, 3]])
    np.testing.assert_array_equal(ex.grad_dict["x"], [11, 22])
    assert ex.outputs[0] is not ex.arg_dict["x"]


def test_loss_needs_no_head_gradient_and_ignores_one():
    net = sym.SoftmaxOutput(sym.Variable("x"), name="softmax")
    args = {"x": np.array([[1.0, 2, 3]]), "softmax_label": np.array([1.0])}
    found = []
    for heads in ((), (np.full((1, 3), 100.0),)):
        ex = net.bind(args, {"x": np.zeros((1, 3))})
        step(ex, *heads)
        found.append(ex.grad_dict["x"])
    p = np.exp([[1, 2, 3]]) / np.exp([1, 2, 3]).sum()
    np.testing.assert_allclose(found, [p - [[0, 1, 0]]] * 2)


# Order of calls


@pytest.mark.parametrize("optimize", [True, False])
def test_backward_twice_and_after_inference(optimize):
    x, w = np.random.default_rng(2).uniform(1, 2, (2, 3, 4))
    net = sym.log(sym.exp(sym.Variable("x") * sym.Variable("w")) + 1)
    ex = net.bind({"x": x, "w": w}, like({"x": x, "w": w}), optimize=optimize)
    want = np.exp(x * w) / (1 + np.exp(x * w)) * w
    for calls in ("tb", "tbb", "fb", "fbb", "b", "tfb", "ftb"):
        ex.grad_dict["x"][...] = 7
        for call in calls:
            if call == "b":
                ex.backward(np.ones_like(x))
            else:
                ex.forward(is_train=call == "t")
        np.testing.assert_allclose(ex.grad_dict["x"], want, err_msg=calls)
        np.testing.assert_allclose(ex.outputs[0], np.log1p(np.exp(x * w)), err_msg=calls)


def test_arrays_changed_between_calls_count():
    values = arrays()
    ex = dense().bind(values, like(values))
    step(ex, G)
    values["fc_weight"] *= 2
    ex.arg_dict["x"][...] += 1
    np.testing.assert_allclose(ex.forward()[0], output(values))
    step(ex, G)
    np.testing.assert_allclose(ex.grad_dict["x"], gradients(values)["x"])


def test_inputs_by_keyword():
    ex = dense().simple_bind("null", x=(2, 4))
    values = arrays()
    ex.copy_params_from(values)
    np.testing.assert_allclose(ex.forward(x=values["x"].tolist())[0], output(values), rtol=1e-5)
    np.testing.assert_allclose(ex.arg_dict["x"], values["x"].astype("float32"))


def test_outputs_are_the_same_arrays():
    ex = dense().bind(arrays())
    first = ex.forward()
    kept = first[0].copy()
    ex.arg_dict["x"][...] = 0
    assert ex.forward() is first is ex.outputs
    assert (first[0] != kept).any()
    assert list(ex.output_dict) == ["fc_output"] and ex.output_dict["fc_output"] is first[0]


def test_lists_follow_the_names():
    ex = sym.BatchNorm(sym.Variable("x"), name="bn").simple_bind(x=(2, 3))
    for got, names, own in (
        (ex.arg_arrays, ["x", "bn_gamma", "bn_beta"], ex.arg_dict),
        (ex.grad_arrays, ["x", "bn_gamma", "bn_beta"], ex.grad_dict),
        (ex.aux_arrays, ["bn_moving_mean", "bn_moving_var"], ex.aux_dict),
    ):
        assert list(own) == names
        assert all(a is own[n] for a, n in zip(got, names, strict=True))


def test_two_executors_share_arrays():
    values = arrays()
    train, score = dense().bind(values, like(values)), dense().bind(values)
    train.arg_dict["fc_weight"][...] = 0
    np.testing.assert_allclose(score.forward()[0], np.broadcast_to(values["fc_bias"], (2, 3)))


# BatchNorm


def normalising(fix_gamma: bool = False, **requests: str) -> Executor:
    rng = np.random.default_rng(3)
    net = sym.BatchNorm(sym.Variable("x"), fix_gamma=fix_gamma, momentum=0.75, name="bn")
    args = {"x": rng.normal(size=(4, 3, 5)), "bn_gamma": rng.normal(size=3), "bn_beta": rng.normal(size=3)}
    aux = {"bn_moving_mean": np.ones(3), "bn_moving_var": np.full(3, 2.0)}
    return net.bind(args, like(args), requests or "write", aux)


def moved(ex: Executor, times: int) -> tuple[np.ndarray, np.ndarray]:
    """Give moving mean and variance after so many steps."""
    x, keep = ex.arg_dict["x"], 0.75**times
    return keep + (1 - keep) * x.mean((0, 2)), 2 * keep + (1 - keep) * x.var((0, 2))


def test_moving_statistics_move_with_backward():
    ex = normalising()
    g = np.ones((4, 3, 5))
    for calls, times in (("tt", 0), ("f", 0), ("tb", 1), ("b", 2), ("f", 2), ("fb", 3), ("ttb", 4)):
        for call in calls:
            if call == "b":
                ex.backward(g)
            else:
                ex.forward(is_train=call == "t")
        for got, want in zip(ex.aux_arrays, moved(ex, times), strict=True):
            np.testing.assert_allclose(got, want, err_msg=f"after {calls}")


def test_moving_statistics_stay_where_nothing_is_trained():
    ex = normalising(x="null")
    ex.forward(is_train=True)
    ex.backward(np.ones((4, 3, 5)))
    assert (ex.aux_arrays[0] == 1).all() and (ex.aux_arrays[1] == 2).all()


@pytest.mark.parametrize("is_train", [True, False])
def test_fix_gamma_sets_gamma_to_one(is_train):
    ex = normalising(fix_gamma=True)
    y = ex.forward(is_train)[0].copy()
    assert (ex.arg_dict["bn_gamma"] == 1).all()
    x, beta = ex.arg_dict["x"], ex.arg_dict["bn_beta"][:, None]
    mean, var = (x.mean((0, 2)), x.var((0, 2))) if is_train else (np.ones(3), np.full(3, 2.0))
    np.testing.assert_allclose(y, (x - mean[:, None]) / np.sqrt(var[:, None] + 1e-3) + beta)
    if is_train:
        ex.backward(np.ones_like(y))
        assert (ex.grad_dict["bn_gamma"] == 0).all()


@pytest.mark.parametrize("optimize", [True, False])
def test_states_as_heads_are_their_old_values(optimize):
    net = sym.BatchNorm(sym.Variable("x"), momentum=0.75, name="bn")
    group = sym.Group([net, *(net.get_internals()[f"bn_{n}"] for n in ("gamma", "moving_mean"))])
    args = {"x": np.arange(6.0).reshape(3, 2), "bn_gamma": np.full(2, 5.0), "bn_beta": np.zeros(2)}
    aux = {"bn_moving_mean": np.full(2, 6.0), "bn_moving_var": np.ones(2)}
    ex = group.bind(args, like(args), "write", aux, optimize=optimize)
    assert [o[0] for o in ex.forward(is_train=True)[1:]] == [5, 6]
    ex.backward([np.ones((3, 2)), np.ones(2), np.ones(2)])
    assert ex.arg_dict["bn_gamma"][0] == 1 and ex.aux_dict["bn_moving_mean"][0] == 6 * 0.75 + 2 * 0.25


# Parameters and shapes


def test_copy_params_from():
    ex = normalising()
    ex.copy_params_from({"bn_beta": [1, 2, 3]}, {"bn_moving_var": np.arange(3)})
    assert ex.arg_dict["bn_beta"].tolist() == [1, 2, 3] and ex.aux_dict["bn_moving_var"].tolist() == [0, 1, 2]
    ex.copy_params_from({"zz": 1}, {"yy": 1}, allow_extra_params=True)
    with pytest.raises(BindError, match="no argument 'zz': allow_extra_params=True"):
        ex.copy_params_from({"zz": 1})
    with pytest.raises(BindError, match="no state 'bn_beta'"):
        ex.copy_params_from({}, {"bn_beta": [1, 2, 3]})
    with pytest.raises(ShapeError, match=r"bn_beta has shape \(3,\), got \(4,\)"):
        ex.copy_params_from({"bn_beta": np.zeros(4)})


def test_reshape_shares_parameters():
    ex = dense().bind(arrays(), like(arrays()))
    small = ex.reshape(x=(1, 4))
    assert small.arg_dict["fc_weight"] is ex.arg_dict["fc_weight"]
    assert small.grad_dict["fc_weight"] is ex.grad_dict["fc_weight"]
    small.arg_dict["x"][...] = ex.arg_dict["x"][:1]
    np.testing.assert_allclose(small.forward()[0], output(ex.arg_dict)[:1])
    large = ex.reshape(allow_up_sizing=True, x=(5, 4))
    step(large, np.ones((5, 3)))
    assert large.outputs[0].shape == (5, 3) and large.grad_dict["x"].shape == (5, 4)


def test_reshape_refuses():
    ex = dense().simple_bind(x=(2, 4))
    with pytest.raises(BindError, match=r"'x' grows to \(5, 4\): allow_up_sizing=True allows new memory"):
        ex.reshape(x=(5, 4))
    with pytest.raises(
        BindError, match=r"'fc_weight' changes from \(3, 4\) to \(3, 2\): partial_shaping=True allows it"
    ):
        ex.reshape(x=(4, 2))
    assert ex.reshape(x=(4, 2), partial_shaping=True).arg_dict["fc_weight"].shape == (3, 2)


# Looking at it


def test_debug_str_shows_steps_and_memory():
    text = dense().simple_bind(x=(2, 4)).debug_str()
    assert "FullyConnected{num_hidden=3}" in text
    assert "grad:fc_weight" in text
    assert "planned " in text and "lower bound" in text
    assert "grad:" not in dense().simple_bind("null", x=(2, 4)).debug_str()


def test_eval():
    values = arrays()
    np.testing.assert_allclose(dense().eval(**values)[0], output(values))


# What is refused


BAD = np.zeros((2, 4), "float32")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"fc_bias": None}, BindError, "args: no array for 'fc_bias'"),
        ({"zz": BAD}, BindError, "args: no argument 'zz'; there are: x, fc_weight, fc_bias"),
        ({"fc_weight": np.zeros((3, 5))}, ShapeError, r"expected weight \(3, 4\)"),
        ({"x": BAD}, DTypeError, r"fc \(FullyConnected\): .*float32, float64.*cast\(\) first"),
        ({"x": [[1, 2]]}, BindError, "'x' must be a writable C-contiguous NumPy array"),
        ({"x": np.zeros((4, 2)).T}, BindError, "'x' must be a writable C-contiguous"),
        ({"x": np.broadcast_to(np.zeros(4), (2, 4))}, BindError, "'x' must be a writable C-contiguous"),
        ({"x": np.zeros((2, 4), complex)}, DTypeError, "unknown dtype 'complex128': one of float32"),
        ({"x": np.zeros((2, 4), object)}, DTypeError, "unknown dtype 'object'"),
    ],
)
def test_bind_refuses_arguments(change, error, message):
    values = {n: a for n, a in {**arrays(), **change}.items() if a is not None}
    with pytest.raises(error, match=message):
        dense().bind(values)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"args": [BAD]}, BindError, "args: 1 arrays for 3: x, fc_weight, fc_bias"),
        ({"args_grad": {"x": np.zeros((3, 4))}}, ShapeError, r"the gradient of x must be like it: float64\(2, 4\)"),
        ({"args_grad": {"x": BAD}}, ShapeError, "the gradient of x must be like it"),
        ({"args_grad": {"q": BAD}}, BindError, "args_grad: no argument 'q'"),
        ({"args_grad": [BAD]}, BindError, "args_grad: 1 arrays for 3"),
        ({"grad_req": "wirte"}, BindError, "grad_req of 'x' must be one of write, add, null, got 'wirte'"),
        ({"grad_req": ["write"]}, BindError, "1 grad_req for 3 arguments"),
        ({"grad_req": {"q": "write"}}, BindError, "grad_req: no argument 'q'"),
        ({"aux_states": {"m": BAD}}, BindError, "aux_states: no argument 'm'"),
        ({"backend": "cuda"}, BackendError, "no backend 'cuda'; there are: c, numpy"),
        ({"backend": "../x"}, BackendError, "no backend '../x'"),
        ({"threads": 0}, BindError, "threads must be a whole number from 1 to 1024, got 0"),
        ({"threads": 1_000_000}, BindError, "threads must be a whole number from 1 to 1024"),
        ({"threads": True}, BindError, "threads must be a whole number from 1 to 1024, got True"),
        ({"seed": -1}, BindError, "seed must be a whole number from 0 to 18446744073709551615, got -1"),
        ({"seed": "a"}, BindError, "seed must be a whole number"),
        ({"backend": 3}, BackendError, "no backend 3"),
        ({"backend": "__init__"}, BackendError, "no backend '__init__'"),
        ({"speed": 9}, BindError, "no option 'speed'; there are: backend"),
    ],
)
def test_bind_refuses(kwargs, error, message):
    with pytest.raises(error, match=message):
        dense().bind(**{"args": arrays(), **kwargs})


def test_bind_refuses_missing_states():
    net = sym.BatchNorm(sym.Variable("x"), name="bn")
    with pytest.raises(BindError, match="aux_states: no array for 'bn_moving_mean', 'bn_moving_var'"):
        net.bind({"x": np.zeros((2, 3)), "bn_gamma": np.zeros(3), "bn_beta": np.zeros(3)})


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ({"z": 1}, BindError, "no argument 'z'; arguments: x, fc_weight, fc_bias"),
        ({"x": np.zeros((3, 4))}, ShapeError, r"x has shape \(2, 4\), got \(3, 4\)"),
        ({"x": 1.0}, ShapeError, r"x has shape \(2, 4\), got \(\)"),
        ({"fc_bias": np.zeros(4)}, ShapeError, r"fc_bias has shape \(3,\), got \(4,\)"),
        ({"x": [["a"] * 4] * 2}, DTypeError, "x must hold numbers, got <U1"),
        ({"x": [[1, 2], [3]]}, ShapeError, "got rows of different lengths"),
    ],
)
def test_forward_refuses(inputs, error, message):
    ex = dense().bind(arrays())
    with pytest.raises(error, match=message):
        ex.forward(**inputs)


@pytest.mark.parametrize(
    ("heads", "error", "message"),
    [
        (None, BindError, r"fc_output is no loss: backward\(\) needs its head gradient, an array of shape \(2, 3\)"),
        ([None], BindError, "fc_output is no loss"),
        ([G, G], BindError, "2 head gradients for 1 outputs"),
        (np.zeros((3, 2)), ShapeError, r"the head gradient of fc_output has shape \(2, 3\), got \(3, 2\)"),
    ],
)
def test_backward_refuses(heads, error, message):
    ex = dense().bind(arrays(), like(arrays()))
    ex.forward(is_train=True)
    with pytest.raises(error, match=message):
        ex.backward(heads)


def test_label_of_another_length():
    net = sym.SoftmaxOutput(dense(), name="softmax")
    with pytest.raises(ShapeError, match=r"softmax \(SoftmaxOutput\): label must be \(2,\) or \(2, 3\)"):
        net.simple_bind(x=(2, 4), softmax_label=(3,))
    ex = net.simple_bind(x=(2, 4))
    with pytest.raises(ShapeError, match=r"softmax_label has shape \(2,\), got \(3,\)"):
        ex.forward(softmax_label=np.zeros(3))


def test_typos_in_simple_bind():
    for shapes in ({"x": (2, 4), "y": (2,)}, {"x": (2, 4), "fc_wieght": (3, 4)}):
        with pytest.raises(ValueError, match=r"no argument '.*arguments: x, fc_weight, fc_bias"):
            dense().simple_bind(**shapes)
    with pytest.raises(ValueError, match="no argument 'zz'"):
        dense().simple_bind(type_dict={"zz": "float32"}, x=(2, 4))
    with pytest.raises(DTypeError, match="unknown dtype 'flot'"):
        dense().simple_bind(type_dict={"x": "flot"}, x=(2, 4))


def test_unknown_operator_in_code():
    with pytest.raises(AttributeError, match="no operator 'Convolutoin'"):
        _ = sym.Convolutoin
    with pytest.raises(ParameterError, match="Convolution has no parameter 'kernal'; its parameters are: kernel"):
        sym.Convolution(sym.Variable("x"), kernal=(3, 3), num_filter=1)
