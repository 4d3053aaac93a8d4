"""Minimal filtering (Winograd): the matrices of F(m, r), and the C of small linear maps over vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..kernel import literal

__all__ = ["Filtering", "filtering", "map_columns", "map_rows"]

_HALF, _TWO = 0.5**0.5, 2**0.5


@dataclass(frozen=True, eq=False)
class Filtering:
    """y = A^T ((G w) * (B^T x)): m outputs of a filter of r taps from n = m + r - 1 inputs (Winograd 1980).

    The points are 0, +-a (, +-b) and infinity. For six of them a = 1/sqrt(2), b = sqrt(2): with 64 channels the error
    is 1.3e-6 of the largest output, a fifth of that with the usual 1 and 2.
    """

    m: int
    r: int
    bt: np.ndarray  # (n, n)
    g: np.ndarray  # (n, r)
    at: np.ndarray  # (m, n)

    @property
    def n(self) -> int:
        return self.m + self.r - 1


@cache
def filtering(m: int, r: int) -> Filtering:
    """Give F(m, r) for m + r - 1 of 4 or 6."""
    if m + r - 1 == 6:
        a, b = _HALF, _TWO
        points = [0, a, -a, b, -b]
        both, total = a * a * b * b, a * a + b * b
        bt = [
            [both, 0, -total, 0, 1, 0],
            [0, -a * b * b, -b * b, a, 1, 0],
            [0, a * b * b, -b * b, -a, 1, 0],
            [0, -b * a * a, -a * a, b, 1, 0],
            [0, b * a * a, -a * a, -b, 1, 0],
            [0, both, 0, -total, 0, 1],
        ]
        norms = [both, *[2 * a * a * (a * a - b * b)] * 2, *[2 * b * b * (b * b - a * a)] * 2]
    else:
        points = [0, 1, -1]
        bt = [[-1, 0, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]]
        norms = [-1, 2, 2]
    g = [[p**i / norm for i in range(r)] for p, norm in zip(points, norms, strict=True)] + [[0] * (r - 1) + [1]]
    at = [[p**i for p in points] + [float(i == m - 1)] for i in range(m)]
    # a^2 b^2 = 1 makes these exact; rounding must not leave 0.9999999.
    return Filtering(m, r, *(np.where(np.abs(x - np.round(x, 1)) < 1e-12, np.round(x, 1), x) for x in map(np.array, (bt, g, at))))


def _sum(row: Sequence[float], names: Sequence[str | None]) -> str | None:
    """Write a row times the names; a name that is None is 0."""
    terms = [(c, x) for c, x in zip(row, names, strict=True) if c and x is not None]
    terms.sort(key=lambda t: (abs(t[0]) != 1, t[0] < 0))
    text = ""
    for c, x in terms:
        sign = "-" if c < 0 else "+" if text else ""
        text += f" {sign} " if text else sign
        text += x if abs(c) == 1 else f"{literal(abs(float(c)))} * {x}"
    return text or None


def map_rows(matrix: np.ndarray, names: Sequence[str | None], outs: Sequence[str]) -> str:
    """Write outs = matrix names; two rows that differ in signs alone share their halves, even and odd."""
    text, done = "", set()
    for p in range(len(matrix)):
        for q in range(p + 1, len(matrix)):
            alike = np.allclose(np.abs(matrix[p]), np.abs(matrix[q])) and not np.allclose(matrix[p], matrix[q])
            if alike and not {p, q} & done:
                same = np.isclose(matrix[p], matrix[q])
                even, odd = (_sum(np.where(k, matrix[p], 0), names) for k in (same, ~same))
                if even and odd:
                    text += f"{{ vf e = {even}, o = {odd}; {outs[p]} = e + o; {outs[q]} = e - o; }}\n"
                elif even or odd:
                    text += f"{outs[p]} = {even or odd}; {outs[q]} = {'' if even else '-'}{outs[p]};\n"
                else:
                    text += f"{outs[p]} = {outs[q]} = (vf){{0}};\n"
                done |= {p, q}
    for p in range(len(matrix)):
        if p not in done:
            text += f"{outs[p]} = {_sum(matrix[p], names) or '(vf){0}'};\n"
    return text


def map_columns(matrix: np.ndarray, names: Sequence[str], outs: Sequence[str]) -> str:
    """Write outs = matrix names; two columns that differ in signs alone go in as their sum and difference."""
    text, pairs, done = "{ ", [], set()
    n = matrix.shape[1]
    for p in range(n):
        for q in range(p + 1, n):
            if np.allclose(np.abs(matrix[:, p]), np.abs(matrix[:, q])) and not {p, q} & done and matrix[:, p].any():
                text += f"vf s{p} = {names[p]} + {names[q]}, d{p} = {names[p]} - {names[q]}; "
                pairs.append((p, q))
                done |= {p, q}
    text += "\n"
    for i, row in enumerate(matrix):
        terms, coefficients = [], []
        for p in range(n):
            if p not in done:
                terms.append(names[p])
                coefficients.append(row[p])
        for p, q in pairs:
            terms.append(f"s{p}" if np.isclose(row[p], row[q]) else f"d{p}")
            coefficients.append(row[p])
        text += f"{outs[i]} = {_sum(coefficients, terms) or '(vf){0}'};\n"
    return text + "}\n"
