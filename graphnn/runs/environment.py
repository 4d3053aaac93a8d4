"""Where a run was made: versions, machine, a digest of the code, so that one can tell later what gave its numbers."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["describe", "digest_of_code", "line"]

_ROOT = Path(__file__).parents[1]
_LIBRARIES = ("numpy", "pillow")


def describe(backend: str) -> dict[str, Any]:
    """Give time, versions, machine and code of this process, as a JSON object of one line holds it."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "graphnn": _version("graphnn"),
        "code": digest_of_code(),
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _LIBRARIES},
        "backend": backend,
        "compiler": _compiler() if backend == "c" else None,
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "arguments": [a[:1000] for a in sys.argv[1:100]],
    }


def line(backend: str) -> str:
    """Give describe() as a line of environment.jsonl."""
    return json.dumps(describe(backend)) + "\n"


@cache
def digest_of_code() -> str:
    """SHA-256 over all Python and C of the package: the same digest is the same code, whatever its version says."""
    total = hashlib.sha256()
    folders = [_ROOT, *(Path(p) for name in ("backends", "models", "tools") for p in _package(name))]
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".h") and p.is_file()):
            total.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return total.hexdigest()


def _package(name: str) -> list[str]:
    from importlib.util import find_spec

    spec = find_spec(f"graphnn.{name}")
    found = list(spec.submodule_search_locations or ()) if spec else []
    return [p for p in found if not Path(p).is_relative_to(_ROOT)]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of a checkout, with + where files differ from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=_ROOT, capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if (_ROOT.parent / ".git").exists() else None


def _compiler() -> str | None:
    from importlib import import_module

    from ..errors import BackendError

    try:
        return str(import_module("graphnn.backends.c.toolchain").find())
    except BackendError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor()
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), platform.processor())
