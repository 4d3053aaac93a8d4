"""Matrix products for OpenBLAS: large ones as stacks of small ones, which it computes without copying its operands.

Up to 10^6 multiply-adds its kernels for AVX-512 read the operands where they lie; above it copies ("packs") both, which
costs most where a matrix is narrow. On one core of a Zen 4 (OpenBLAS 0.3.31) float32 products with 16, 32 and 64
columns run at 79, 92 and 97 GFLOP/s as a whole and at 112, 113 and 116 in rows of 24.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

__all__ = ["blocked", "product"]

SMALL = 1_000_000  # multiply-adds: interface/gemm.c of OpenBLAS asks kernel/x86_64/sgemm_small_kernel_permit_skylakex.c
ARCHITECTURES = frozenset({"SkylakeX", "Cooperlake", "SapphireRapids"})  # that have such kernels
ROWS = (24, 16, 8, 4)  # what their tiles take: a multiple of the first that is not too many


@cache
def limit() -> int:
    """Give the most multiply-adds of a small product in the BLAS at hand; 0 where size makes no difference."""
    from threadpoolctl import threadpool_info

    blas = [info for info in threadpool_info() if info["user_api"] == "blas"]
    return SMALL if blas and all(info.get("architecture") in ARCHITECTURES for info in blas) else 0


def rows_of(m: int, k: int, n: int) -> int:
    """Give the rows of each small product of a (m, k) b (k, n): m for the whole as it is."""
    most = limit() // max(1, k * n)
    step = next((r for r in ROWS if r <= most), 0)
    return most // step * step if step and m > most else m


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> list[Callable[[], object]]:
    """Give the calls for out (..., m, n) = a (..., m, k) b (k, n)."""
    m, k = a.shape[-2:]
    rows = rows_of(m, k, b.shape[-1]) if b.ndim == 2 and m else m
    if rows == m:
        return [partial(np.matmul, a, b, out=out)]
    whole = m // rows * rows
    calls: list[Callable[[], object]] = [
        partial(np.matmul, _stacked(a, whole, rows), b, out=_stacked(out, whole, rows)),
    ]
    if whole < m:
        calls.append(partial(np.matmul, a[..., whole:, :], b, out=out[..., whole:, :]))
    return calls


def _stacked(a: np.ndarray, whole: int, rows: int) -> np.ndarray:
    """View the first rows of (..., m, k) as (..., whole / rows, rows, k)."""
    view = a[..., :whole, :].view()
    view.shape = (*a.shape[:-2], whole // rows, rows, a.shape[-1])  # fails where reshape would copy
    return view


def blocked(a: np.ndarray, b: np.ndarray, out: np.ndarray, rows: int, columns: int) -> list[Callable[[], object]]:
    """Give the calls for out (m, n) = a (m, k) b (k, n) in small products of so many rows and columns.

    The blocks of b's columns are the outer loop. Where blocks are not even or not small it is product().
    """
    (m, k), n = a.shape, b.shape[1]
    if m % rows or n % columns or rows * columns * k > limit():
        return product(a, b, out)
    across = b.T.reshape(n // columns, 1, columns, k).swapaxes(2, 3)
    target = out.reshape(m // rows, rows, n // columns, columns).transpose(2, 0, 1, 3)
    return [partial(np.matmul, a.reshape(1, m // rows, rows, k), across, out=target)]
