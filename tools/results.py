"""The rows of graphnn-bench: ratios to PyTorch and to the best peer, the share of the machine's peak; as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphnn.tools.entry import printable

__all__ = ["CASE", "completed", "table"]

CASE = ("model", "mode", "batch", "threads")  # what rows have in common that can be compared

Row = dict[str, Any]


def completed(rows: Sequence[Row], peaks: Mapping[int, float | None]) -> list[Row]:
    """Give the rows with `to_torch`, `to_best_peer` (ratios of medians) and `peak_share`; None where there is no base.

    `peaks` is the machine's peak in GFLOP/s by number of threads.
    """
    found = []
    for row in rows:
        others = [r for r in rows if all(r[k] == row[k] for k in CASE)]
        torch = [r["median_ms"] for r in others if r["runner"] == "torch"]
        peers = [r["median_ms"] for r in others if not r["runner"].startswith("graphnn")]
        peak, rate = peaks.get(row["threads"]), row["gflops"]
        ratios = {
            "to_torch": row["median_ms"] / torch[0] if torch else None,
            "to_best_peer": row["median_ms"] / min(peers) if peers else None,
            "peak_share": rate / peak if rate and peak else None,
        }
        found.append(row | ratios)
    return found


# heading, key, how to write it
_COLUMNS: tuple[tuple[str, str, str], ...] = (
    *((key, key, "{}") for key in (*CASE, "runner")),
    ("median ms", "median_ms", "{:.3f}"),
    ("min ms", "min_ms", "{:.3f}"),
    ("to torch", "to_torch", "{:.3f}"),
    ("to best peer", "to_best_peer", "{:.3f}"),
    ("GFLOP/s", "gflops", "{:.1f}"),
    ("of peak", "peak_share", "{:.1%}"),
    ("planned MB", "planned_mb", "{:.1f}"),
    ("peak MB", "peak_mb", "{:.1f}"),
)


def table(rows: Sequence[Row]) -> list[str]:
    """Write completed rows in columns; `-` where a value is not known."""
    columns = [c for c in _COLUMNS if c[1] != "peak_mb" or any("peak_mb" in row for row in rows)]
    lines = [[heading for heading, _, _ in columns]]
    for row in rows:
        planned = row["planned_bytes"]
        row = row | {"planned_mb": None if planned is None else planned / 1e6}
        values = [(row.get(key), form) for _, key, form in columns]
        lines.append(["-" if value is None else printable(form.format(value)) for value, form in values])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    names = len(CASE) + 1
    return [
        "  ".join(
            cell.ljust(width) if k < names else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
