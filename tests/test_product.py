"""Products cut into small ones are what they are whole, whatever BLAS is at hand."""

from __future__ import annotations

import numpy as np
import pytest

from graphnn.backends.numpy import product as products


@pytest.fixture(params=[0, 1000, 1_000_000])
def limit(request, monkeypatch):
    monkeypatch.setattr(products, "limit", lambda: request.param)
    return request.param


@pytest.mark.parametrize("lead", [(), (3,), (2, 5)])
@pytest.mark.parametrize(("m", "k", "n"), [(100, 9, 4), (97, 3, 5), (24, 10, 4), (3, 2, 2), (7, 50, 60), (0, 3, 4)])
@pytest.mark.parametrize("turned", [False, True])
def test_product(limit, lead, m, k, n, turned):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(*lead, k, m)).swapaxes(-1, -2) if turned else rng.normal(size=(*lead, m, k))
    b, out = rng.normal(size=(k, n)), np.full((*lead, m, n), np.nan)
    calls = products.product(a, b, out)
    for call in calls:
        call()
    np.testing.assert_allclose(out, a @ b, rtol=1e-12, atol=1e-12)
    assert limit or len(calls) == 1


@pytest.mark.parametrize("turned", [False, True])
def test_blocks(limit, turned):
    rng = np.random.default_rng(0)
    for m, k, n in ((32, 7, 48), (33, 7, 48), (32, 7, 50)):
        a = rng.normal(size=(k, m)).T if turned else rng.normal(size=(m, k))
        b = rng.normal(size=(n, k)).T if turned else rng.normal(size=(k, n))
        out = np.full((m, n), np.nan)
        for call in products.blocked(a, b, out, 8, 16):
            call()
        np.testing.assert_allclose(out, a @ b, rtol=1e-12, atol=1e-12)


def test_rows_are_what_the_kernels_take(monkeypatch):
    monkeypatch.setattr(products, "limit", lambda: 1_000_000)
    assert [products.rows_of(10_000, k, n) for k, n in ((144, 16), (576, 128), (288, 64))] == [432, 8, 48]
    assert products.rows_of(400, 144, 16) == 400  # small as it is
    assert products.rows_of(500, 2048, 1024) == 500  # no small product has two rows of it
    monkeypatch.setattr(products, "limit", lambda: 0)
    assert products.rows_of(10_000, 144, 16) == 10_000


def test_the_limit_is_that_of_the_blas_at_hand(monkeypatch):
    import threadpoolctl

    for architectures, wanted in ((["SkylakeX"], 1_000_000), (["Haswell"], 0), (["SkylakeX", "Zen"], 0), ([], 0)):
        infos = [{"user_api": "blas", "architecture": a} for a in architectures] + [{"user_api": "openmp"}]
        monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda infos=infos: infos)
        products.limit.cache_clear()
        assert products.limit() == wanted
    products.limit.cache_clear()
