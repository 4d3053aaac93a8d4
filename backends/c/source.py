"""The C text of a program: kernels, each written once, and segments that call them step by step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from graphnn.arena import ARENA, aligned
from graphnn.plan import Slot, Step
from graphnn.types import TensorType

from .kernel import Kernel, Phase, fill
from .toolchain import Target

__all__ = ["C_TYPES", "PRIVATE", "SHARED", "Source", "harmless", "header"]

# The first three pointers of every call; no variable is named so, Bound sees to it.
PRIVATE, SHARED = "memory:private", "memory:shared"
UNIT = 120_000  # characters of kernels that are worth a compiler process of their own
C_TYPES = {
    "float32": "float",
    "float64": "double",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
    "uint8": "uint8_t",
    "int8": "int8_t",
    "bool": "uint8_t",
}
_CALL = re.compile(r"\w+_[0-9a-f]{12}(?=\()")  # of what kernel.function() named
_HARMLESS = re.compile(r"[A-Za-z0-9_.+: ]{1,120}")
_NAME = re.compile(r"[A-Za-z_]\w*")


def header(name: str) -> str:
    """Give a C file of this package."""
    return files(__package__).joinpath(name).read_text("utf-8")


@dataclass(frozen=True)
class _Access:
    """Bytes [start, end) of an array, touched by every thread or by the first alone."""

    array: str
    start: int
    end: int
    writes: bool
    alone: bool

    def waits_for(self, other: _Access) -> bool:
        met = self.array == other.array and self.start < other.end and other.start < self.end
        return met and (self.writes or other.writes) and not (self.alone and other.alone)


@dataclass
class Source:
    """A program in the making: add segments of steps, then take `units()`."""

    target: Target
    threads: int
    arrays: dict[str, int] = field(default_factory=lambda: {ARENA: 0, PRIVATE: 1, SHARED: 2})
    private: int = 0  # bytes of scratch that each thread needs
    shared: int = 0
    read: set[str] = field(default_factory=set)  # the arrays that a kernel does more with than to name them
    _kernels: dict[str, str] = field(default_factory=dict)  # text after the name -> name
    _functions: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)  # by that text: what it calls
    _notes: dict[str, str] = field(default_factory=dict)  # by that text: operator and shapes of its first step
    _segments: list[str] = field(default_factory=list)

    def add(self, steps: Sequence[tuple[Step, Kernel]]) -> int:
        """Add a segment; give its number."""
        number = len(self._segments)
        for _, kernel in steps:
            self.private = max(self.private, aligned(kernel.private))
            self.shared = max(self.shared, aligned(kernel.shared))
        lines = ["(void)a; (void)t; (void)T;"]
        since: list[_Access] = []  # what was touched since all threads met
        for step, kernel in steps:
            lines.append(f"\n/* {comment(step)} */")
            for phase in kernel.phases:
                accesses = list(_accesses(step, kernel, phase))
                if any(a.waits_for(b) for a in accesses for b in since):
                    lines.append("gn_barrier();")
                    since = []
                since += accesses
                lines.append(self._call(step, kernel, phase))
        head = f"static void body{number}(void *const *a, int t, int T)"
        self._segments.append(fill("$head {\n  $lines\n}\n", head=head, lines="\n".join(lines)))
        return number

    def _call(self, step: Step, kernel: Kernel, phase: Phase) -> str:
        slots = {f"x{i}": s for i, s in enumerate(step.ins)} | {f"y{i}": s for i, s in enumerate(step.outs)}
        parameters = [f"{'const ' * (x[0] == 'x')}{C_TYPES[s.type.dtype]} *{x}" for x, s in slots.items()]
        used = set(_NAME.findall(phase.body))
        self.read |= {s.name or ARENA for x, s in slots.items() if x in used}
        text = fill(
            """
            ($parameters) {
              (void)s; (void)z; (void)t; (void)T;$unused
              $body
            }
            """,
            parameters=", ".join([*parameters, "char *s", "char *z", "int t", "int T"]),
            unused="".join(f" (void){x};" for x in slots if x not in used),
            body=phase.body,
        )
        self._notes.setdefault(text, _work(step))
        name = self._kernels.setdefault(text, f"kernel{len(self._kernels)}")
        self._functions[text] = kernel.functions
        arguments = [self._pointer(s) for s in slots.values()]
        arguments += ["(char *)a[1]" if phase.serial else "(char *)a[1] + t * (size_t)PRIVATE", "(char *)a[2]"]
        arguments += ["0, 1"] if phase.serial else ["t, T"]
        call = f"{name}({', '.join(arguments)});"
        return f"if (t == 0) {call}" if phase.serial else call

    def _pointer(self, slot: Slot) -> str:
        index = self.arrays.setdefault(slot.name or ARENA, len(self.arrays))
        return f"(void *)((char *)a[{index}] + {slot.offset})"

    def units(self) -> list[str]:
        """Give the translation units; the first has the segments."""
        groups = _balanced(list(self._kernels))
        top = self._top()
        units = [self._unit(texts) for texts in groups]
        segments = "\n\n".join(f"{text}\n{self._export(k)}" for k, text in enumerate(self._segments)) + "\n"
        if len(groups) == 1:
            return [top + units[0] + segments]
        heads = "\n".join(f"KERNEL {name}{text.partition(' {')[0]};" for text, name in self._kernels.items())
        return [top + heads + "\n" + segments, *(top + unit for unit in units)]

    def text(self) -> str:
        """Give everything as one text that exports nothing: the segments are the functions body0, body1, ..."""
        top = self._top().replace("#define KERNEL", "#define KERNEL static")
        return top + self._unit(list(self._kernels)) + "\n\n".join(self._segments) + "\n"

    def _export(self, number: int) -> str:
        run = f"gn_run(body{number}, a);" if self.threads > 1 else f"body{number}(a, 0, 1);"
        return f"EXPORT void segment{number}(void *const *a) {{ {run} }}"

    def _top(self) -> str:
        top = f"#define LANES {self.target.lanes}\n#define PRIVATE {self.private}\n"
        top += header("runtime.h") if self.threads > 1 else "#define gn_barrier()\n"
        top += header("vector.h") + transpose_block(self.target.lanes)
        top += '#define EXPORT __attribute__((visibility("default")))\n'
        # Not static: with t and T known the compiler may round sums otherwise, and threads would change results.
        return top + "#define KERNEL __attribute__((noinline)) void\n"

    def _unit(self, texts: Sequence[str]) -> str:
        """Write kernels, after the functions that they call: those of another phase of their step are left out."""
        functions = dict(f for text in texts for f in self._functions[text])
        written = [f"/* {self._notes[text]} */\nKERNEL {self._kernels[text]}{text}" for text in texts]
        called = set(_CALL.findall("\n".join(written)))
        for name, text in reversed(functions.items()):
            if name in called:
                written.insert(0, text)
                called |= set(_CALL.findall(text))
        return "\n".join(written) + "\n"


def transpose_block(lanes: int) -> str:
    """Write tr_block: log2(lanes) rounds of exchanges between rows a distance apart."""
    text = "INLINE void tr_block(const float *a, long lda, float *b, long ldb) {\n"
    text += "".join(f"vf r{i} = LD(a + {i} * lda); " for i in range(lanes)) + "vf s;\n"
    distance = lanes // 2
    while distance:
        low = ", ".join(str(x if not x & distance else lanes + x - distance) for x in range(lanes))
        high = ", ".join(str(x + distance if not x & distance else lanes + x) for x in range(lanes))
        for i in range(lanes):
            if not i & distance:
                pair = f"r{i}, r{i + distance}"
                text += f"s = __builtin_shufflevector({pair}, {low}); "
                text += f"r{i + distance} = __builtin_shufflevector({pair}, {high}); r{i} = s;\n"
        distance //= 2
    return text + "".join(f"ST(b + {i} * ldb, r{i}); " for i in range(lanes)) + "\n}\n"


def harmless(name: str, instead: str) -> str:
    """Give a name for a comment, or what to write instead of one with characters that could mean something in C."""
    return name if _HARMLESS.fullmatch(name) else instead


def comment(step: Step) -> str:
    """Describe a step; a name with characters that could mean something in C is left out."""
    name = harmless(step.name, "step")
    return f"{name}: {_work(step)}"


def _work(step: Step) -> str:
    """Describe what a step does: its operator, and the shapes from which it makes which."""
    types = ", ".join(_short(s.type) for s in step.ins)
    outs = ", ".join(_short(s.type) for s in step.outs)
    return f"{step.op.name if step.op.name.isidentifier() else 'own'} ({types}) -> {outs}"


def _short(t: TensorType) -> str:
    return "x".join(map(str, t.shape)) or "1"


def _accesses(step: Step, kernel: Kernel, phase: Phase) -> Iterator[_Access]:
    for slots, writes in ((step.ins, False), (step.outs, True)):
        for s in slots:
            yield _Access(s.name or ARENA, s.offset, s.offset + s.type.nbytes, writes, phase.serial)
    if kernel.shared:
        yield _Access(SHARED, 0, kernel.shared, True, phase.serial)


def _balanced(texts: Sequence[str]) -> list[list[str]]:
    """Cut the kernels into units of about equal size; one if they are few."""
    count = max(1, min(4, sum(map(len, texts)) // UNIT))
    groups: list[list[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    for text in sorted(texts, key=len, reverse=True) if count > 1 else texts:
        k = sizes.index(min(sizes))
        groups[k].append(text)
        sizes[k] += len(text)
    return groups
