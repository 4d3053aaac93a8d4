"""The contract between the compiler and a backend, and the function that joins them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from .errors import BackendError
from .graph import Value
from .op import Op
from .passes.constant import Evaluate, fold, freeze
from .passes.decompose import decompose
from .passes.norm import fold_norm
from .passes.simplify import simplify
from .plan import Graph, Plan, make_plan
from .types import TensorType

__all__ = ["Backend", "Pass", "Program", "Wishes", "compile", "get", "rewrites"]

APART = 512 << 10  # bytes
Pass = Callable[[Sequence[Value]], list[Value]]


@dataclass(frozen=True)
class Wishes:
    """What a program is to be like, as far as a backend's rewrites make it so.

    `conv_algo` is for the convolutions whose node has no attribute `__conv_algo__`; "auto" picks by shape, "direct"
    does so too but takes no minimal filtering. With `tune` what was measured to be the quickest here is taken. With
    `recompute` the backward part makes cheap values again (graphnn/passes/recompute.py). `parts` says of each value of
    the graph with which part it is wanted: 0 forward, 1 backward.
    """

    conv_algo: str = "auto"
    threads: int = 1
    tune: bool = False
    recompute: bool = False
    parts: tuple[int, ...] = ()


class Program(Protocol):
    """A plan linked to the caller's arrays, which it reads and writes in place."""

    plan: Plan

    def run(self, part: int | None = None) -> None:
        """Run one part, or (None) the whole."""


class Backend(Protocol):
    """Everything a backend is: a name, its passes, the operators it has kernels for, how a plan runs."""

    name: str

    def passes(self, wishes: Wishes = ...) -> Sequence[Pass]: ...

    def supports(self, op: Op) -> bool: ...

    def scratch(self, op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int: ...

    def link(self, plan: Plan, arrays: Mapping[str, Any], threads: int) -> Program: ...


def get(name: str) -> Backend:
    """Give a backend by name: one of the package's, or an entry point of the group `graphnn.backends`."""
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
        raise BackendError(f"no backend {name!r}; there are: c, numpy")
    try:
        return cast(Backend, import_module(f"graphnn.backends.{name}").backend)
    except ModuleNotFoundError as e:
        if e.name != f"graphnn.backends.{name}":
            raise
    from importlib.metadata import entry_points

    for entry in entry_points(group="graphnn.backends", name=name):
        return cast(Backend, entry.load())
    raise BackendError(f"no backend {name!r}; there are: c, numpy")


def compile(
    graph: Graph,
    inputs: Mapping[str, TensorType],
    backend: str | Backend = "numpy",
    optimize: bool = True,
    conv_algo: str = "auto",
    frozen: Mapping[str, Any] | None = None,
    threads: int = 1,
    tune: bool = False,
    recompute: bool = False,
) -> Plan:
    """Rewrite the graph for a backend, given by name or itself, and plan its memory.

    With `optimize` off only what the backend cannot run is rewritten, and nothing shares memory. `frozen` are arrays
    that will not change: what depends on them alone is computed now. For several threads small buffers share no memory.
    The rest are Wishes.
    """
    b = get(backend) if isinstance(backend, str) else backend
    wishes = Wishes(conv_algo, threads, tune, recompute, graph.parts)
    *_, (_, values) = rewrites(graph, b, wishes, optimize, frozen)
    return make_plan(graph.with_values(values), inputs, b.scratch, optimize, APART if threads > 1 else 0)


def rewrites(
    graph: Graph, backend: Backend, wishes: Wishes, optimize: bool = True, frozen: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, list[Value]]]:
    """Give what compile() makes of a graph step by step: the name of each rewrite with its result."""
    values = decompose(backend.supports)(graph.values)
    yield "decompose", values
    for name, rewrite in _rewrites(backend, wishes, optimize, frozen or {}):
        values = rewrite(values)
        yield name, values


def _rewrites(b: Backend, wishes: Wishes, optimize: bool, frozen: Mapping[str, Any]) -> Iterator[tuple[str, Pass]]:
    def folded(values: Sequence[Value]) -> list[Value]:
        return fold(values, _evaluator(b))

    if frozen:
        yield "freeze", lambda values: freeze(values, frozen)
    if not optimize:
        return
    yield "simplify", simplify
    yield "fold_norm", fold_norm
    if frozen:
        yield "fold", folded  # before the backend's own operators come in, which NumPy lacks
    for rewrite in b.passes(wishes):
        yield getattr(rewrite, "__qualname__", type(rewrite).__name__).partition(".")[0], rewrite
    yield "fold", folded


def _evaluator(b: Backend) -> Evaluate:
    """Give the function that computes values which depend on no variable.

    NumPy does it where it can: a program that runs once is not worth compiling.
    """

    def evaluate(values: Sequence[Value]) -> list[Any]:
        import numpy as np

        runner, todo = b, list(values)
        try:
            todo = decompose(get("numpy").supports)(todo)
            runner = get("numpy")
        except BackendError:
            pass  # an operator that this backend alone has
        plan = make_plan(Graph(tuple(todo)), {}, runner.scratch)
        arrays = {f"output:{k}": np.zeros(t.shape, t.dtype) for k, t in enumerate(plan.heads)}
        runner.link(plan, arrays, 1).run()
        return list(arrays.values())

    return evaluate
