"""What graphnn-bench --convolution does: time the NumPy backend's convolution algorithms over a grid of shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from graphnn.backends.numpy.conv import rule
from graphnn.backends.numpy.conv.geometry import Geometry
from graphnn.backends.numpy.conv.ops import conv_last, conv_last_data_grad, conv_last_weight_grad
from graphnn.backends.numpy.program import memory
from graphnn.backends.numpy.registry import LINKERS, SCRATCH, Run
from graphnn.op import Op
from graphnn.ops.conv import Convolution
from graphnn.types import TensorType

__all__ = ["GRID", "KINDS", "Shape", "measure", "shares", "table"]

KINDS = ("forward", "data_grad", "weight_grad")
NEAR = 1.1  # times the best: what a pick may cost
_LEAST = 2e-4  # seconds: a shorter call is repeated within a round


class Shape(NamedTuple):
    """Data (n, h, w, c), o filters k x k, with stride s, padding p, dilation d and groups g."""

    n: int
    h: int
    w: int
    c: int
    o: int
    k: int
    s: int = 1
    p: int = 0
    d: int = 1
    g: int = 1

    def __str__(self) -> str:
        more = "".join(f" {key}{v}" for key, v, usual in zip("spdg", self[6:], (1, 0, 1, 1), strict=True) if v != usual)
        return f"{self.n}x{self.h}x{self.w}x{self.c} -> {self.o}, {self.k}x{self.k}{more}"

    @property
    def convolution(self) -> Convolution:
        pairs = ((v, v) for v in (self.k, self.s, self.d, self.p))
        kernel, stride, dilate, pad = pairs
        return Convolution(kernel, self.o, stride, dilate, pad, self.g, True)

    @property
    def geometry(self) -> Geometry:
        return Geometry.of(self.convolution, self[:4], 4)


# First layers (one and three channels), the layers of AlexNet, LeNet, VGG and residual networks at several batch
# sizes, 1x1, 5x5 and 7x7 kernels, strides, dilation, groups, depthwise, odd sizes.
GRID = (
    Shape(128, 28, 28, 1, 32, 4, 2),
    Shape(8, 28, 28, 1, 32, 4, 2),
    Shape(1, 28, 28, 1, 32, 4, 2),
    Shape(128, 28, 28, 1, 8, 5),
    Shape(128, 28, 28, 1, 16, 3, 1, 1),
    Shape(8, 28, 28, 1, 64, 3, 1, 1),
    Shape(128, 32, 32, 3, 16, 3, 1, 1),
    Shape(8, 32, 32, 3, 16, 3, 1, 1),
    Shape(1, 32, 32, 3, 16, 3, 1, 1),
    Shape(1, 224, 224, 3, 64, 3, 1, 1),
    Shape(1, 224, 224, 3, 64, 7, 2, 3),
    Shape(8, 224, 224, 3, 64, 7, 2, 3),
    Shape(1, 227, 227, 3, 96, 11, 4),
    Shape(128, 13, 13, 32, 64, 3, 2, 1),
    Shape(8, 13, 13, 32, 64, 3, 2, 1),
    Shape(1, 13, 13, 32, 64, 3, 2, 1),
    Shape(128, 7, 7, 64, 128, 3, 2, 1),
    Shape(8, 7, 7, 64, 128, 3, 2, 1),
    Shape(1, 7, 7, 64, 128, 3, 2, 1),
    Shape(128, 12, 12, 8, 16, 5),
    Shape(128, 32, 32, 16, 16, 3, 1, 1),
    Shape(8, 32, 32, 16, 16, 3, 1, 1),
    Shape(1, 32, 32, 16, 16, 3, 1, 1),
    Shape(128, 16, 16, 32, 32, 3, 1, 1),
    Shape(1, 16, 16, 32, 32, 3, 1, 1),
    Shape(128, 8, 8, 64, 64, 3, 1, 1),
    Shape(8, 8, 8, 64, 64, 3, 1, 1),
    Shape(1, 8, 8, 64, 64, 3, 1, 1),
    Shape(128, 32, 32, 16, 32, 3, 2, 1),
    Shape(128, 16, 16, 32, 64, 3, 2, 1),
    Shape(8, 16, 16, 32, 64, 3, 2, 1),
    Shape(1, 56, 56, 64, 64, 3, 1, 1),
    Shape(8, 56, 56, 64, 64, 3, 1, 1),
    Shape(8, 28, 28, 128, 128, 3, 1, 1),
    Shape(8, 56, 56, 128, 128, 3, 2, 1),
    Shape(1, 14, 14, 256, 256, 3, 1, 1),
    Shape(8, 14, 14, 256, 256, 3, 1, 1),
    Shape(1, 7, 7, 512, 512, 3, 1, 1),
    Shape(8, 7, 7, 512, 512, 3, 1, 1),
    Shape(1, 112, 112, 128, 128, 3, 1, 1),
    Shape(1, 56, 56, 256, 256, 3, 1, 1),
    Shape(128, 16, 16, 32, 32, 5, 1, 2),
    Shape(8, 28, 28, 64, 64, 5, 1, 2),
    Shape(8, 17, 17, 128, 128, 7, 1, 3),
    Shape(8, 56, 56, 64, 256, 1),
    Shape(8, 56, 56, 256, 64, 1),
    Shape(1, 7, 7, 512, 2048, 1),
    Shape(128, 16, 16, 64, 32, 1),
    Shape(128, 32, 32, 16, 32, 1, 2),
    Shape(128, 16, 16, 32, 64, 1, 2),
    Shape(8, 28, 28, 256, 512, 1, 2),
    Shape(8, 28, 28, 64, 64, 3, 1, 2, 2),
    Shape(1, 28, 28, 256, 256, 3, 1, 2, 2),
    Shape(8, 33, 33, 32, 32, 3, 1, 4, 4),
    Shape(8, 28, 28, 128, 128, 3, 1, 1, 1, 32),
    Shape(8, 28, 28, 128, 128, 3, 1, 1, 1, 4),
    Shape(128, 13, 13, 96, 96, 3, 1, 1, 1, 2),
    Shape(1, 14, 14, 256, 256, 3, 2, 1, 1, 32),
    Shape(8, 28, 28, 128, 128, 3, 1, 1, 1, 128),
    Shape(128, 14, 14, 32, 32, 3, 2, 1, 1, 32),
    Shape(7, 19, 23, 20, 36, 3, 1, 1),
    Shape(5, 31, 17, 10, 24, 3, 2),
    Shape(33, 9, 11, 48, 40, 2),
    Shape(3, 61, 47, 5, 7, 4, 3, 1),
    Shape(2, 101, 99, 24, 12, 3, 1, 1),
)


def operator(shape: Shape, kind: str, algo: Any) -> tuple[Op, list[TensorType]]:
    """Give the operator of a kind, and the types of its inputs."""
    conv = shape.convolution
    weight = shape.geometry.weight_shape()
    ((_, oh, ow, _),) = conv_last(conv).shapes(shape[:4], weight)
    data, grad = shape[:4], (shape.n, oh, ow, shape.o)
    turned = (*weight[:2], weight[3], weight[2])
    made: Any = {
        "forward": lambda: (conv_last(conv, "none", algo), (data, weight)),
        "data_grad": lambda: (conv_last_data_grad(conv, data, algo), (grad, turned)),
        "weight_grad": lambda: (conv_last_weight_grad(conv, weight, algo), (data, grad)),
    }[kind]()
    return made[0], [TensorType(tuple(s), "float32") for s in made[1]]


def picks(shape: Shape, kind: str, wanted: str) -> tuple[str, ...]:
    """Give what runs for an algorithm: one name, or one for each place within the stride of a data gradient."""
    g = shape.geometry
    if kind == "weight_grad":
        return (rule.for_weight_grad(g, wanted),)
    if kind == "forward":
        return (rule.for_forward(g, wanted),)
    found = tuple(rule.for_forward(p.geometry, wanted) for p in g.phases() if p.rows and p.columns)
    return found[:1] if len(set(found)) == 1 else found


def link(shape: Shape, kind: str, algos: Mapping[Any, str]) -> dict[Any, Run]:
    """Make the call of each algorithm's kernel, all on the same random arrays and working memory."""
    rng = np.random.default_rng(0)
    made = {key: operator(shape, kind, algo) for key, algo in algos.items()}
    op, types = next(iter(made.values()))
    results = list(op.types(tuple(types)))
    ins = [_filled(rng, t) for t in types]
    outs = [_filled(rng, t) for t in results]
    need = {key: SCRATCH[type(op)](op, types, results) for key, (op, _) in made.items()}
    scratch = memory(max(need.values()))
    return {key: LINKERS[type(op)](op, ins, outs, scratch[: need[key]]) for key, (op, _) in made.items()}


def _filled(rng: np.random.Generator, t: TensorType) -> np.ndarray:
    array = memory(t.nbytes).view(t.dtype).reshape(t.shape)
    array[...] = rng.standard_normal(t.shape, np.float32)
    return array


def _repeats(run: Run) -> int:
    run()
    start = perf_counter()
    run()
    return max(1, int(_LEAST / (perf_counter() - start)))


def interleaved(runs: Mapping[Any, Run], rounds: int) -> dict[Any, float]:
    """Give the median time of each call in milliseconds, over rounds in which each runs once, in turning order."""
    repeats = {key: _repeats(run) for key, run in runs.items()}
    times: dict[Any, list[float]] = {key: [] for key in runs}
    keys = list(runs)
    for k in range(rounds):
        for key in keys[k % len(keys) :] + keys[: k % len(keys)]:
            run = runs[key]
            start = perf_counter()
            for _ in range(repeats[key]):
                run()
            times[key].append((perf_counter() - start) / repeats[key] * 1e3)
    return {key: median(values) for key, values in times.items()}


def measure(grid: tuple[Shape, ...], rounds: int, tell: Callable[[str], object]) -> Iterator[dict[str, Any]]:
    """Time every algorithm for every shape and kind; give a row for each pair.

    A row has shape, kind, median_ms by algorithm, pick, pick_ms and ratio: pick_ms to the best. An algorithm that
    comes to the same kernel as another is timed once; the ratio is None where there is only one.
    """
    for shape in grid:
        tell(str(shape))
        for kind in KINDS:
            names = {picks(shape, kind, algo): algo for algo in ("auto", *rule.ALGORITHMS)}
            times = interleaved(link(shape, kind, names), rounds)
            pick = picks(shape, kind, "auto")
            yield {
                "shape": str(shape),
                "kind": kind,
                "median_ms": {"+".join(key): time for key, time in times.items()},
                "pick": "+".join(pick),
                "pick_ms": times[pick],
                "ratio": times[pick] / min(times.values()) if len(times) > 1 else None,
            }


def shares(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Give, for each kind, the share of shapes with a choice whose pick is within 10% of the best."""
    found = {}
    for kind in KINDS:
        ratios = [row["ratio"] for row in rows if row["kind"] == kind and row["ratio"] is not None]
        found[kind] = sum(r <= NEAR for r in ratios) / max(1, len(ratios))
    return found


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Write a line for each row, then the shares."""
    names = rule.ALGORITHMS
    lines = [f"{'shape':<40} {'kind':<12}" + "".join(f"{n:>10}" for n in names) + "  pick         to the best"]
    for row in rows:
        cells = "".join(f"{row['median_ms'][n]:>10.3f}" if n in row["median_ms"] else f"{'-':>10}" for n in names)
        ratio = "only one" if row["ratio"] is None else f"{row['ratio']:.2f}"
        pick = row["pick"] if "+" not in row["pick"] else f"by phase {row['pick_ms']:.3f}"
        lines.append(f"{row['shape']:<40} {row['kind']:<12}{cells}  {pick:<12} {ratio:>8}")
    lines.append("")
    lines += [
        f"{kind}: the pick is within 10% of the best on {s:.0%} of the shapes" for kind, s in shares(rows).items()
    ]
    return lines
