"""The peak memory of some runs by one runner, in a process of its own: for graphnn-bench --memory."""

from __future__ import annotations

import json
import os
import sys

from graphnn.errors import GraphnnError
from graphnn.tools.entry import note
from graphnn.tools.peers import PEERS, load
from graphnn.tools.worker import case_of

__all__ = ["main"]

_STEPS = 3


def main(argv: list[str] | None = None) -> int:
    """Take settings as one JSON value; print the peak in MB (10^6 bytes) above what imports take."""
    (text,) = argv or sys.argv[1:]
    settings = json.loads(text)
    if settings["cores"]:
        os.sched_setaffinity(0, settings["cores"])
    case, runner = case_of(settings), settings["runner"]
    from graphnn.tools.runners import make

    if runner in PEERS:
        load(runner)  # a library's own memory is not the network's
    before = peak()
    try:
        made = make(runner, case)
        for _ in range(_STEPS):
            made.run()
    except GraphnnError as error:
        note(str(error))
        return 1
    print((peak() - before) / 1e6)
    return 0


def peak() -> int:
    """Give the largest resident size of this process in bytes.

    Linux's ru_maxrss may begin with that of the parent, which its VmHWM does not.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmHWM:"))
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())
