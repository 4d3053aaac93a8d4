"""Comparing arrays as mx.test_utils does: tolerances by the less exact of two types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = [
    "almost_equal",
    "assert_allclose",
    "assert_almost_equal",
    "assert_almost_equal_ignore_nan",
    "assert_almost_equal_with_err",
    "assert_exception",
    "default_atols",
    "default_dtype",
    "default_rtols",
    "effective_dtype",
    "get_atol",
    "get_etol",
    "get_rtol",
    "get_tols",
    "same",
    "same_array",
]

EXACT = ("bool", "int8", "uint8", "int32", "uint32", "int64", "uint64")
RTOLS = {"float16": 1e-2, "float32": 1e-4, "float64": 1e-5}
ATOLS = {"float16": 1e-1, "float32": 1e-3, "float64": 1e-20}


def default_dtype() -> type[np.floating]:
    """Give float32."""
    return np.float32


def default_rtols() -> dict[np.dtype, float]:
    """Give the relative tolerance of each type."""
    return {np.dtype(k): v for k, v in {**RTOLS, **dict.fromkeys(EXACT, 0)}.items()}


def default_atols() -> dict[np.dtype, float]:
    """Give the absolute tolerance of each type."""
    return {np.dtype(k): v for k, v in {**ATOLS, **dict.fromkeys(EXACT, 0)}.items()}


def effective_dtype(dat: Any) -> np.dtype:
    """Give the type that decides the tolerance."""
    return np.asarray(dat).dtype


def _tolerance(dtype: np.dtype, given: Any, default: Mapping[np.dtype, float]) -> float:
    if isinstance(given, (int, float, np.generic)):
        return float(given)
    table = {**default, **(given or {})}
    return {np.dtype(k): v for k, v in table.items()}.get(dtype, 0.0)


def get_tols(x: Any, y: Any, rtol: Any, atol: Any) -> tuple[float, float]:
    """Give the relative and absolute tolerance for two arrays: the larger of each."""
    kinds = [effective_dtype(a) for a in (x, y)]
    rtols = [_tolerance(k, rtol, default_rtols()) for k in kinds]
    atols = [_tolerance(k, atol, default_atols()) for k in kinds]
    return max(rtols), max(atols)


def get_rtol(rtol: float | None = None, dtype: Any = np.float64) -> float:
    """Give `rtol`, or the type's."""
    return RTOLS.get(np.dtype(dtype).name, 0.0) if rtol is None else rtol


def get_atol(atol: float | None = None, dtype: Any = np.float64) -> float:
    """Give `atol`, or the type's."""
    return ATOLS.get(np.dtype(dtype).name, 0.0) if atol is None else atol


def get_etol(etol: float | None = None) -> float:
    """Give the share of elements that may differ: 0 unless told."""
    return 0 if etol is None else etol


def same(a: Any, b: Any) -> bool:
    """Tell whether two arrays are equal."""
    return np.array_equal(np.asarray(a), np.asarray(b))


def same_array(array1: Any, array2: Any) -> bool:
    """Tell whether two NDArrays share memory."""
    return np.shares_memory(np.asarray(array1), np.asarray(array2))


def almost_equal(
    a: Any, b: Any, rtol: Any = None, atol: Any = None, equal_nan: bool = False, use_broadcast: bool = True
) -> bool:
    """Tell whether two arrays agree within the tolerances."""
    a, b = np.asarray(a), np.asarray(b)
    if not use_broadcast and a.shape != b.shape:
        return False
    rtol, atol = get_tols(a, b, rtol, atol)
    return bool(np.allclose(a, b, rtol, atol, equal_nan))


def assert_almost_equal(
    a: Any,
    b: Any,
    rtol: Any = None,
    atol: Any = None,
    names: Sequence[str] = ("a", "b"),
    equal_nan: bool = False,
    use_broadcast: bool = True,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """Raise AssertionError unless two arrays agree within the tolerances."""
    a, b = np.asarray(a), np.asarray(b)
    if not use_broadcast and a.shape != b.shape:
        raise AssertionError(f"{names[0]} is {a.shape}, {names[1]} is {b.shape}")
    rtol, atol = get_tols(a, b, rtol, atol)
    if use_broadcast:
        a, b = np.broadcast_arrays(a, b)
    np.testing.assert_allclose(a, b, rtol, atol, equal_nan=equal_nan, err_msg=f"{names[0]} and {names[1]}")


def assert_allclose(a: Any, b: Any, rtol: float = 1e-7, atol: float = 0, equal_nan: bool = True) -> None:
    """Raise AssertionError unless two arrays agree, as NumPy's function of this name."""
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol, atol, equal_nan=equal_nan)


def assert_almost_equal_ignore_nan(
    a: Any, b: Any, rtol: Any = None, atol: Any = None, names: Sequence[str] = ("a", "b")
) -> None:
    """Compare what is a number in both."""
    a, b = np.array(a), np.array(b)
    hidden = np.isnan(a) | np.isnan(b)
    a[hidden] = b[hidden] = 0
    assert_almost_equal(a, b, rtol, atol, names)


def assert_almost_equal_with_err(
    a: Any,
    b: Any,
    rtol: Any = None,
    atol: Any = None,
    etol: float | None = None,
    names: Sequence[str] = ("a", "b"),
    equal_nan: bool = False,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """Let a share of `etol` of the elements differ by more than the tolerances."""
    a, b = np.asarray(a), np.asarray(b)
    rtol, atol = get_tols(a, b, rtol, atol)
    wrong = float(np.mean(~np.isclose(a, b, rtol, atol, equal_nan)))
    if wrong > get_etol(etol):
        raise AssertionError(f"{names[0]} and {names[1]} differ in {wrong:.2%} of the elements")


def assert_exception(f: Callable[..., object], exception_type: type[BaseException], *args: Any, **kwargs: Any) -> None:
    """Raise AssertionError unless `f` raises an error of this type."""
    try:
        f(*args, **kwargs)
    except exception_type:
        return
    raise AssertionError(f"{exception_type.__name__} was not raised")
