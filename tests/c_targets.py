"""Processors narrower than this one, and another compiler, for tests of generated C."""

from __future__ import annotations

import platform
from dataclasses import replace

import pytest

from graphnn.backends.c import library, toolchain
from graphnn.backends.c.toolchain import Target
from graphnn.errors import BackendError

__all__ = ["NARROW", "narrow", "native", "runs_here", "use"]

X86 = platform.machine().lower() in ("x86_64", "amd64")
# lanes, registers, isa, and what takes the place of this machine's instructions on x86
NARROW = {"avx2": (8, 16, "avx2", ("-mavx2", "-mfma")), "sse": (4, 16, "sse", ("-msse4.2",))}


def native() -> Target:
    """Give the compiler and processor of this machine; without one the module is skipped."""
    try:
        return toolchain.find()
    except BackendError as error:
        pytest.skip(str(error), allow_module_level=True)


def narrow(target: Target, name: str) -> Target:
    """Give a target with shorter vectors; where it is no x86, the compiler makes them of what there is."""
    lanes, registers, isa, flags = NARROW[name]
    if not X86:
        return replace(target, lanes=lanes, registers=registers)
    kept = tuple(f for f in target.flags if not f.startswith(("-march", "-mprefer")))
    return replace(target, lanes=lanes, registers=registers, isa=isa, flags=(*kept, *flags))


def runs_here(target: Target) -> bool:
    """Tell whether this processor has the target's instructions."""
    text = '__attribute__((visibility("default"))) int has(void) { return %s; }'
    checks = {"avx2": '__builtin_cpu_supports("avx2")', "sse": '__builtin_cpu_supports("sse4.2")'}
    if not X86 or target.isa not in checks:
        return True
    plain = replace(target, flags=("-fPIC",))
    return bool(library.open_library(toolchain.compile(text % checks[target.isa], plain)).has())


def use(monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    """Let the backend compile for this target."""
    monkeypatch.setattr(toolchain, "find", lambda *_: target)
