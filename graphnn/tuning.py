"""Tuning: what is run in turn to find the quickest on this machine, and the file that keeps what was found."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import stat
import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from .folders import cache_folder

__all__ = ["AUTO", "Picks", "least_seconds", "processor", "quickest"]

AUTO = "auto"  # the name of what a backend's rule picks
ROUNDS = 5  # of which the least counts: what disturbs only adds
SLOW = 1.5  # times the quickest in the first round: it runs no more
SHORT = 3e-4  # seconds: what takes less runs several times a round
PATIENCE = 1.0  # seconds, after which two rounds suffice
GAIN = 0.97  # of the time of the rule's pick, which else stays
MAX_BYTES = 1 << 20  # of a file that is read


def least_seconds(runs: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Give the least seconds of each run, all run in turn; AUTO, which is compared with, is not left out as slow."""
    times = {name: _seconds(run, 1) for name, run in runs.items()}  # touches the memory
    repeat = {name: min(50, max(1, int(SHORT / max(t, 1e-9)))) for name, t in times.items()}
    times = dict.fromkeys(runs, float("inf"))
    start = perf_counter()
    for k in range(ROUNDS):
        if k > 1 and perf_counter() - start > PATIENCE:
            break
        for name in [n for n in runs if not k or n == AUTO or times[n] <= SLOW * min(times.values())]:
            times[name] = min(times[name], _seconds(runs[name], repeat[name]))
    return times


def _seconds(run: Callable[[], object], repeat: int) -> float:
    start = perf_counter()
    for _ in range(repeat):
        run()
    return (perf_counter() - start) / repeat


def quickest(times: Mapping[str, float]) -> str:
    """Give the name of the least time, AUTO where that is as good."""
    best = min(times, key=lambda name: times[name])
    return best if times[best] < GAIN * times[AUTO] else AUTO


@dataclass
class Picks:
    """Names by what they are for: read from a file, which may be missing, and written back when there are new ones.

    The file is in the user's cache, one for each value of what decides the times.
    """

    path: Path | None
    known: dict[str, str] = field(default_factory=dict)
    new: bool = False

    @classmethod
    def of(cls, decisive: Collection[str], names: Collection[str]) -> Picks:
        """Read the file for `decisive` (processor, compiler, ...); one with other than `names` is damaged."""
        folder = _own_folder()
        if folder is None:
            return cls(None)
        digest = hashlib.sha256("\n".join(decisive).encode()).hexdigest()
        path = folder / f"{digest[:16]}.json"
        return cls(path, _read(path, names))

    def get(self, key: str) -> str | None:
        return self.known.get(key)

    def add(self, key: str, name: str) -> str:
        self.known[key], self.new = name, True
        return name

    def save(self) -> None:
        """Replace the file as a whole, where there is something new; what cannot be written is warned of."""
        if self.path is None or not self.new:
            return
        temporary = self.path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(self.known, file, indent=1, sort_keys=True)
            os.replace(temporary, self.path)
        except OSError as error:
            warnings.warn(f"what tuning found is not kept: {self.path}: {error.strerror}", stacklevel=2)
            with suppress(OSError):
                temporary.unlink()


def _own_folder() -> Path | None:
    """Give the folder of the files, which only its user may write; None, with a warning, where there is none such."""
    folder = cache_folder("tuning")
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        warnings.warn(f"what tuning finds is not kept: {folder}: {error.strerror}", stacklevel=2)
        return None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        warnings.warn(f"what tuning finds is not kept: {folder} is not a folder of yours alone (0700)", stacklevel=2)
        return None
    return folder


def _read(path: Path, names: Collection[str]) -> dict[str, str]:
    """Read what was found before; nothing, with a warning, from a file that is not as save() writes it."""
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)
        found = json.loads(text) if len(text) <= MAX_BYTES else None
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(name not in tuple(names) for name in found.values()):
        warnings.warn(f"{path} is damaged and ignored: algorithms are timed anew", stacklevel=2)
        return {}
    return found


def processor() -> str:
    """Name this machine's processor."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(("model name", "CPU part")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
