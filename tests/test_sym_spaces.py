"""The namespaces of sym as MXNet has them: names, automatic names, attributes as text."""

from __future__ import annotations

import pytest

from graphnn import sym


@pytest.fixture
def fresh():
    from graphnn import NameManager

    with NameManager():
        yield


x = sym.Variable("a")


@pytest.mark.parametrize(
    ("make", "name", "op"),
    [
        (lambda: sym.linalg.gemm2(x, x), "gemm20", "_linalg_gemm2"),
        (lambda: sym.contrib.arange_like(x), "arange_like0", "_contrib_arange_like"),
        (lambda: sym.op.relu(x), "relu0", "relu"),
        (lambda: sym.contrib.SparseEmbedding(x, input_dim=2, output_dim=3), "sparseembedding0", "Embedding"),
        (lambda: sym.split_v2(x, 2), "_split_v20", "_split_v2"),
        (lambda: sym.linspace(0, 1, 3), "_linspace0", "_linspace"),
        (lambda: sym.eye(3), "_eye0", "_eye"),
        (lambda: sym.random.shuffle(x), "_shuffle0", "_shuffle"),
        (lambda: sym.random.uniform(x, x), "_sample_uniform0", "_sample_uniform"),
        (lambda: sym.random.uniform(0, 2, shape=3), "_random_uniform0", "_random_uniform"),
        (lambda: sym.random.normal_like(x, loc=1), "normal_like0", "_random_normal_like"),
        (lambda: sym.random.multinomial(x), "_sample_multinomial0", "_sample_multinomial"),
        (lambda: sym.random.exponential(x), "_sample_exponential0", "_sample_exponential"),
        (lambda: sym.random.randn(2, 3), "_random_normal0", "_random_normal"),
    ],
)
def test_automatic_names(make, name, op, fresh):
    node = make().values[0].node
    assert (node.name, node.op.name) == (name, op)


def test_attributes_are_text_as_mxnet_writes_it():
    assert sym.split_v2(x, (1, 2), axis=1).list_attr() == {
        "indices": "(0, 1, 2)", "axis": "1", "squeeze_axis": "False"
    }  # fmt: skip
    assert sym.random.exponential(0.5).list_attr() == {"lam": "2.0"}
    assert sym.random.poisson(2.0, shape=3).list_attr() == {"lam": "2.0", "shape": "3"}
    assert sym.random.gamma(x, x, shape=(3,)).list_attr() == {"shape": "(3,)"}


def test_numbers_and_symbols_do_not_mix():
    with pytest.raises(TypeError, match=r"random.normal: loc and scale must be all symbols or all numbers"):
        sym.random.normal(x, 1)


def test_what_a_space_lacks_is_an_attribute_error_that_hints():
    with pytest.raises(AttributeError, match="no operator '_linalg_gem'; did you mean _linalg_gemm"):
        sym.linalg.gem(x, x)
    assert "gemm2" in dir(sym.linalg) and "arange_like" in dir(sym.contrib)
