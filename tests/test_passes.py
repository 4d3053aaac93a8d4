"""Passes as text before and after: gradient, simplify, merge_common, decompose, and what they refuse."""

from __future__ import annotations

import pytest

from graphnn.errors import BackendError, GraphError
from graphnn.graph import Value, text
from graphnn.op import find, variable
from graphnn.passes.decompose import decompose
from graphnn.passes.gradient import gradient, sum_to
from graphnn.passes.simplify import merge_common, simplify

x, y = variable("x", (2, 3)), variable("y", (2, 3))


def apply(name: str, *xs: Value, **params: object) -> Value:
    return find(name).from_params(params)(*xs)


def lines(*values: Value) -> list[str]:
    """Give the graph's text without types."""
    return [line.replace("float32[2,3] = ", "").replace("float32[3,2] = ", "") for line in text(values).split("\n")]


# Gradient


def test_gradient_of_a_product():
    g = variable("g", (2, 3))
    grads = gradient([x * y], [g], [x, y])
    assert lines(grads[x], grads[y]) == [
        '%0: Variable() "g"',
        '%1: Variable() "y"',
        "%2: elemwise_mul(%0, %1)",
        '%3: Variable() "x"',
        "%4: elemwise_mul(%0, %3)",
        "return %2, %4",
    ]


def test_gradient_adds_up_uses():
    g = variable("g", (2, 3))
    grads = gradient([apply("exp", x) + x], [g], [x])
    assert lines(grads[x]) == [
        '%0: Variable() "g"',
        '%1: Variable() "x"',
        "%2: exp(%1)",
        "%3: elemwise_mul(%0, %2)",
        "%4: elemwise_add(%0, %3)",
        "return %4",
    ]


def test_gradient_takes_only_the_paths_asked_for():
    g = variable("g", (2, 3))
    deep = y
    for _ in range(5):
        deep = apply("erf", deep)
    grads = gradient([x * apply("BlockGrad", y) + deep], [g], [x])
    assert list(grads) == [x]
    assert "erf" not in text([grads[x]])
    assert gradient([apply("BlockGrad", x)], [g], [x]) == {x: None}
    assert gradient([x + y], [None], [x]) == {x: None}


def test_gradient_of_a_long_chain():
    z = x
    for _ in range(5000):
        z = z + 1.0
    g = variable("g", (2, 3))
    assert gradient([z], [g], [x]) == {x: g}


def test_gradient_of_a_broadcast_is_a_sum():
    row, g = variable("row", (1, 3)), variable("g", (2, 3))
    grads = gradient([apply("broadcast_add", x, row)], [g], [x, row])
    assert grads[x] == g
    assert grads[row].node.op.name == "sum" and grads[row].shape == (1, 3)
    assert sum_to(g, (3,)).shape == (3,)
    with pytest.raises(ValueError, match="does not sum to"):
        sum_to(g, (1, 2, 3))


def test_gradient_refuses_a_rule_of_another_count():
    class _two_for_one(type(x.node.op)):
        inputs, public, is_variable = ("data",), False, False

        def shapes(self, shape):
            return [shape]

        infer_shape = find("_copy").infer_shape

        def grad(self, xs, ys, gs):
            return gs[0], gs[0]

    with pytest.raises(GraphError, match=r"_two_for_one\.grad gave 2 gradients for 1 inputs"):
        gradient([_two_for_one()(x)], [y], [x])


# Simplify


@pytest.mark.parametrize(
    "value",
    [x + 0.0, x - 0.0, x * 1.0, x / 1.0, apply("_power_scalar", x, scalar=1), apply("_copy", x), (x + 0.0) * 1.0],
    ids=lambda v: v.node.op.name,
)
def test_neutral_elements_vanish(value):
    assert simplify([value]) == [x]


@pytest.mark.parametrize("value", [0.0 - x, x * 0.0, x + 1.0, 1.0 / x, x * -1.0], ids=lambda v: v.node.op.name)
def test_other_scalars_stay(value):
    assert simplify([value]) == [value]


def test_products_with_scalars_join():
    assert lines(*simplify([x * 2.0 * 3.0 * 4.0])) == [
        '%0: Variable() "x"',
        "%1: _mul_scalar{scalar=24.0}(%0)",
        "return %1",
    ]


def test_integer_products_do_not_join():
    n = variable("n", (2, 3), "int8")
    assert text(simplify([n * 2.9 * 2.9])).count("_mul_scalar{scalar=2.9}") == 2


def test_transposes_cancel():
    once = apply("transpose", x)
    assert simplify([apply("transpose", once)]) == [x]
    cube = variable("c", (2, 3, 4))
    turned = apply("transpose", apply("transpose", cube, axes=(1, 2, 0)), axes=(1, 2, 0))
    (found,) = simplify([turned])
    assert found.node.inputs == (cube,) and found.node.op.axes == (2, 0, 1)
    assert simplify([apply("transpose", found, axes=(1, 2, 0))]) == [cube]


def test_cast_that_changes_the_type_stays():
    half = apply("Cast", x, dtype="float16")
    assert simplify([half]) == [half]


# Common subexpressions


def test_equal_expressions_merge():
    a, b = apply("exp", x + y), apply("exp", x + y)
    assert text(merge_common([a * b])).count("exp(") == 1
    assert text([a * b]).count("exp(") == 2


def test_what_differs_stays_apart():
    values = [x * 2.0, x * 3.0, y * 2.0, x + y, y + x]
    assert merge_common(values) == values


def test_random_nodes_stay_apart():
    a, b = apply("Dropout", x), apply("Dropout", x)
    left, right = merge_common([a, b])
    assert left != right


def test_outputs_of_one_node_stay_apart():
    cut = [Value(apply("SliceChannel", variable("z", (2, 4)), num_outputs=2).node, k) for k in (0, 1)]
    assert len(set(merge_common(cut))) == 2


# Decompose


def test_decompose_leaves_what_is_supported():
    z = apply("exp", x)
    assert decompose(lambda op: True)([z]) == [z]


def test_decompose_names_what_has_no_definition():
    with pytest.raises(BackendError, match="exp: no kernel and no decomposition for the operator exp"):
        decompose(lambda op: False)([apply("exp", x)])


def test_decompose_gives_the_definition():
    image, weight = variable("image", (1, 2, 3, 3)), variable("weight", (2, 4, 2, 2))
    y = apply("Deconvolution", image, weight, kernel=(2, 2), num_filter=4)
    (found,) = decompose(lambda op: op.name != "Deconvolution")([y])
    assert found.node.op.name == "conv_data_grad" and found.type == y.type
