"""Minimal filtering (Winograd): the matrices of F(m, r), and the C of small linear maps over vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from ..kernel import literal

__all__ = ["Filtering", "Matrix", "filtering", "map_columns", "map_rows"]

Matrix = tuple[tuple[float, ...], ...]

_HALF, _TWO = 0.5**0.5, 2**0.5


@dataclass(frozen=True)
class Filtering:
    """y = A^T ((G w) * (B^T x)): m outputs of a filter of r taps from n = m + r - 1 inputs (Winograd 1980).

    The points are 0, +-a (, +-b) and infinity. For six of them a = 1/sqrt(2), b = sqrt(2): with 64 channels the error
    is 1.3e-6 of the largest output, a fifth of that with the usual 1 and 2.
    """

    m: int
    r: int
    bt: Matrix  # (n, n)
    g: Matrix  # (n, r)
    at: Matrix  # (m, n)

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
    return Filtering(m, r, _exact(bt), _exact(g), _exact(at))


def _exact(rows: Sequence[Sequence[float]]) -> Matrix:
    """Take rounding out of entries such as a^2 b^2 = 1, so that no 0.9999999 remains."""
    return tuple(tuple(round(x, 1) + 0.0 if abs(x - round(x, 1)) < 1e-12 else float(x) for x in row) for row in rows)


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


@cache
def _pairs(rows: Matrix) -> tuple[tuple[int, int, tuple[bool, ...]], ...]:
    """Give the pairs (p, q) of rows that differ in signs alone, with where they are equal; each row is in one pair."""
    found: list[tuple[int, int, tuple[bool, ...]]] = []
    done: set[int] = set()
    for p, q in combinations(range(len(rows)), 2):
        alike = all(abs(abs(a) - abs(b)) < 1e-9 for a, b in zip(rows[p], rows[q], strict=True)) and any(rows[p])
        same = tuple(abs(a - b) < 1e-9 for a, b in zip(rows[p], rows[q], strict=True))
        if alike and not all(same) and not {p, q} & done:
            found.append((p, q, same))
            done |= {p, q}
    return tuple(found)


def map_rows(matrix: Matrix, names: Sequence[str | None], outs: Sequence[str]) -> str:
    """Write outs = matrix names; two rows that differ in signs alone share their halves, even and odd."""
    text, done = "", set()
    for p, q, same in _pairs(matrix):
        even = _sum([a if s else 0 for a, s in zip(matrix[p], same, strict=True)], names)
        odd = _sum([0 if s else a for a, s in zip(matrix[p], same, strict=True)], names)
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


def map_columns(matrix: Matrix, names: Sequence[str], outs: Sequence[str]) -> str:
    """Write outs = matrix names; two columns that differ in signs alone go in as their sum and difference."""
    pairs = _pairs(tuple(zip(*matrix, strict=True)))
    text = "{ " + "".join(f"vf s{p} = {names[p]} + {names[q]}, d{p} = {names[p]} - {names[q]}; " for p, q, _ in pairs)
    alone = sorted(set(range(len(names))) - {i for p, q, _ in pairs for i in (p, q)})
    for i, row in enumerate(matrix):
        terms = [names[p] for p in alone] + [f"s{p}" if same[i] else f"d{p}" for p, _, same in pairs]
        coefficients = [row[p] for p in alone] + [row[p] for p, _, _ in pairs]
        text += f"{outs[i]} = {_sum(coefficients, terms) or '(vf){0}'};\n"
    return text + "}\n"
