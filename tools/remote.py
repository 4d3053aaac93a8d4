"""A runner in a process of its own, asked by lines of JSON: no library disturbs another, and each has its settings."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Self, final

from graphnn.errors import BackendError
from graphnn.tools.entry import BLAS_THREADS, printable

__all__ = ["SLOWING", "Remote", "environment"]

SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # make OpenBLAS take another machine's kernels
_PATIENCE = 10  # seconds that a process may take to end


def environment(runner: str, threads: int) -> dict[str, str]:
    """Give the environment of a runner's process: threads set, no kernels of another machine."""
    env = {name: value for name, value in os.environ.items() if name not in SLOWING}
    # graphnn has a pool of its own above BLAS
    env |= dict.fromkeys(BLAS_THREADS, "1" if runner.startswith("graphnn") else str(threads))
    if runner == "jax":
        env["JAX_PLATFORMS"] = "cpu"
        if threads == 1:
            one = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            env["XLA_FLAGS"] = f"{env.get('XLA_FLAGS', '')} {one}".strip()
    return env


@final
class Remote:
    """A process that answers each request, a line of JSON, with a line of JSON.

    ask() raises BackendError for an answer `{"error": text}`, and where the process has ended.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, env=dict(env), text=True
            )
        except OSError:
            self._said.close()
            raise

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request; give the answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(json.dumps({"do": do, **request}) + "\n")
            stdin.flush()
            answer = json.loads(stdout.readline())
        except (OSError, ValueError):
            raise BackendError(f"its process ended at {do!r}: {self._last_words()}") from None
        if not isinstance(answer, dict) or "error" in answer:
            raise BackendError(printable(str(answer["error"] if isinstance(answer, dict) else answer)))
        return answer

    def _last_words(self) -> str:
        self.close()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return printable(lines[-1]) if lines else f"exit code {self._process.returncode}"

    def close(self) -> None:
        """End the process: it stops where its input does."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was not sent has no reader any more
                    pass
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
        self._said.close()
