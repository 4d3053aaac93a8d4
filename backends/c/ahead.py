"""Ahead of time: inference of a network as one C file, which needs neither Python nor anything else.

The file has one function, NAME_run(data, out, workspace). It is re-entrant: it allocates nothing and writes to nothing
but the outputs and the workspace, which the caller gives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphnn import backend as backends
from graphnn import memory
from graphnn.arena import ARENA, aligned
from graphnn.bound import STATE, Bound
from graphnn.errors import BackendError, BindError, ParameterError
from graphnn.plan import Graph, Plan, Step
from graphnn.types import TensorType

from . import CBackend
from .constants import Block, definition
from .interface import Interface, Scaling
from .kernel import Kernel
from .program import emit_steps
from .source import PRIVATE, SHARED, Source
from .toolchain import Target

__all__ = ["WIDTHS", "Program", "compile", "is_name", "target_of"]

WIDTHS = {4: ("sse", 16), 8: ("avx2", 16), 16: ("avx512", 32)}  # lanes: what has them, and its vector registers
MOST_NAMED = 5  # steps in a message
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_KEYWORDS = frozenset(
    """auto break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool
    asm alignas alignof class constexpr delete false friend mutable namespace new nullptr operator private protected
    public template this throw true try typename typeof using virtual""".split()
)
# What the compilers say of vectors wider than the machine's is of no use here: no function that others call has any.
_QUIET = '#if defined(__GNUC__)\n#pragma GCC diagnostic ignored "-Wpsabi"\n#endif\n'


@dataclass(frozen=True)
class Program:
    """What was made: the C file and its header, and the block of weights where they are not in the file.

    `workspace_bytes` are what the caller gives at each call; `weight_bytes` those of the weights, in the file or (with
    its head) in the block.
    """

    interface: Interface
    source: str
    block: bytes | None

    @property
    def header(self) -> str:
        return self.interface.header()

    @property
    def workspace_bytes(self) -> int:
        return self.interface.workspace_bytes

    @property
    def weight_bytes(self) -> int:
        return self.interface.weight_bytes


def is_name(name: str) -> bool:
    """Tell whether a function may be called so: an identifier of at most 63 ASCII characters, no keyword."""
    return bool(_NAME.fullmatch(name)) and name not in _KEYWORDS


def target_of(lanes: int | None, machine: Target | None) -> Target:
    """Give what to write for: vectors of `lanes` floats; None is what `machine` has, or 4 where it is not known."""
    if machine is not None and lanes in (None, machine.lanes):
        return machine
    lanes = lanes or 4
    if lanes not in WIDTHS:
        raise ParameterError(f"vectors have {', '.join(map(str, WIDTHS))} floats, not {lanes}")
    isa, registers = WIDTHS[lanes]
    if machine is None:
        return Target((), "", lanes, registers, isa, ())
    return replace(machine, lanes=lanes, registers=registers, isa=isa)


def compile(
    bound: Bound,
    inputs: Sequence[str],
    arrays: Mapping[str, np.ndarray],
    name: str,
    target: Target,
    *,
    conv_algo: str = "auto",
    apart: bool = False,
    scaling: Scaling | None = None,
    max_memory: int | None = None,
) -> Program:
    """Write inference of a bound network, all of whose variables but `inputs` are in `arrays`; labels are left out.

    With `apart` the weights are a block beside the C file. Raises BackendError for what has no C: it names the steps;
    ParameterError for a name that C does not take; BindError for arrays that do not fit, and for more than
    `max_memory` bytes.
    """
    if not is_name(name):
        raise ParameterError(f"the name must be an identifier of C, at most 63 characters, got {name[:80]!r}")
    memory.check(2 * bound.nbytes({}), "the network, with its weights twice,", max_memory)
    _check_ends(bound, inputs)
    plan = _plan(bound, _frozen(bound, inputs, arrays), target, conv_algo)
    return _written(plan, [(n, bound.types[n]) for n in inputs], name, target, apart, scaling)


def _check_ends(bound: Bound, inputs: Sequence[str]) -> None:
    """Refuse what is not float32 at the border."""
    ends = [(f"the input {n!r}", bound.types[n]) for n in inputs]
    ends += [(f"the output {n!r}", v.type) for n, v in zip(bound.outputs, bound.heads, strict=True)]
    for what, t in ends:
        if t.dtype != "float32":
            raise BackendError(f"{what} is {t.dtype}: only float32 can be compiled ahead of time")


def _frozen(bound: Bound, inputs: Sequence[str], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give an array for each variable but the inputs; labels, which inference does not read, are zeros."""
    found = {}
    for name in dict.fromkeys((*bound.arguments, *bound.aux)):
        t, array = bound.types[name], arrays.get(name)
        if name in inputs:
            continue
        if array is None and not name.endswith("label"):
            raise BindError(f"no array for {name!r}")
        found[name] = np.zeros(t.shape, t.dtype) if array is None else np.asarray(array, t.dtype, order="C")
        if array is not None and array.shape != t.shape:
            raise BindError(f"{name!r} must be {t}, got the shape {array.shape}")
    return found


def _plan(bound: Bound, frozen: Mapping[str, np.ndarray], target: Target, conv_algo: str) -> Plan:
    graph, types = bound.inference()
    with np.errstate(all="ignore"):
        return backends.compile(Graph(graph.heads), types, CBackend(target), True, conv_algo, frozen)


# The text


def _written(
    plan: Plan, inputs: Sequence[tuple[str, TensorType]], name: str, target: Target, apart: bool,
    scaling: Scaling | None,
) -> Program:  # fmt: skip
    """Put the file together: the interface, the weights, the kernels, and the function that calls them."""
    source = Source(target, 1)
    source.add(_steps(plan, target))
    weights = {n: np.asarray(a) for n, a in plan.constants.items() if n in source.read}
    block = Block(weights) if apart else None
    interface = Interface(
        name, tuple(inputs), plan.heads, _sizes(plan, source), target.lanes,
        block.nbytes if block else sum(a.nbytes for a in weights.values()), block.head if block else None, scaling,
    )  # fmt: skip
    places = {n: f"weights{i}" for i, n in enumerate(weights)}
    arrays = "" if block else "".join(definition(places[n], a) for n, a in weights.items())
    if block:
        places = {n: f"(const char *)weights + {block.offsets[n]}" for n in weights}
    table = _table(plan, source, [n for n, _ in inputs], interface.workspace_offsets, places)
    text = f"{interface.comment()}{_QUIET}{interface.header()}\n{source.text()}\n{arrays}\n"
    return Program(interface, text + interface.functions(table), block.content if block else None)


def _steps(plan: Plan, target: Target) -> list[tuple[Step, Kernel]]:
    """Give each step with its C; raise the error that names those without."""
    found, missing = [], []
    for step, kernel in emit_steps(plan, target):
        if kernel is None or any(x.name == STATE for x in step.ins):
            missing.append(f"{step.name} ({step.op.name})")
        else:
            found.append((step, kernel))
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise BackendError(f"no C ahead of time for {', '.join(missing[:MOST_NAMED])}{more}")
    return found


def _sizes(plan: Plan, source: Source) -> tuple[int, int, int]:
    """Give the bytes of the three parts of the workspace: arena, private and shared scratch."""
    return aligned(plan.arena_bytes), aligned(source.private), aligned(source.shared)


def _table(
    plan: Plan, source: Source, inputs: Sequence[str], offsets: Sequence[int], places: Mapping[str, str]
) -> list[str]:
    """Give the C of the pointers that the steps use, in order; what no kernel reads is a null pointer."""
    known = dict(places)
    known |= {part: f"at + {offset}" for part, offset in zip((ARENA, PRIVATE, SHARED), offsets, strict=True)}
    known |= dict(zip(inputs, Interface.numbered("data", len(inputs)), strict=True))
    known |= {f"output:{k}": x for k, x in enumerate(Interface.numbered("out", len(plan.heads)))}
    return [f"(void *)({known[name]})" if name in known else "(void *)0" for name in source.arrays]
